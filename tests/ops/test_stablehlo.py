"""The StableHLO operators of LiteRT's runtime against its reference kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.ops.stablehlo import (
    STABLEHLO_ADD,
    STABLEHLO_AND,
    STABLEHLO_GATHER,
    STABLEHLO_MAXIMUM,
    STABLEHLO_MINIMUM,
    STABLEHLO_MULTIPLY,
    STABLEHLO_SCATTER,
    STABLEHLO_SHIFT_LEFT,
)
from jitlite.schemas.tables import (
    BuiltinOperator,
    Operator,
    StablehloGatherOptions,
    StablehloScatterOptions,
    StablehloShiftLeftOptions,
    SubGraph,
    Tensor,
    TensorType,
)
from jitlite.schemas.write import write_model
from tests.ops.execution import assert_close
from tests.ops.oracle import OPTIMIZED, build, check, operand, random_values, reference, result, run

T = TensorType
INTEGERS = [T.INT8, T.INT16, T.INT32, T.INT64, T.UINT8, T.UINT16, T.UINT32, T.UINT64]
NUMBERS = [T.FLOAT16, T.FLOAT32, T.FLOAT64, *INTEGERS, T.BOOL]
ARITHMETIC = [STABLEHLO_ADD, STABLEHLO_MULTIPLY, STABLEHLO_MAXIMUM, STABLEHLO_MINIMUM]


@pytest.mark.parametrize("type", NUMBERS)
@pytest.mark.parametrize("spec", ARITHMETIC)
@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 1, 5, 2, 3)])
def test_elementwise(spec, type, shape):
    x = operand(type, shape, low=-100 if type is T.FLOAT16 else None, high=100 if type is T.FLOAT16 else None)
    check(spec, None, [x, x], [result(type)])


@pytest.mark.parametrize("type", [T.FLOAT32, T.FLOAT64])
@pytest.mark.parametrize("spec", ARITHMETIC)
def test_elementwise_infinities(spec, type):
    numbers = np.array([0, -0.0, 1, np.inf, -np.inf, 3e38, np.nan], type.name.lower())
    a, b = (grid.ravel() for grid in np.meshgrid(numbers, numbers))
    check(spec, None, [operand(type, a.shape), operand(type, a.shape)], [result(type)], feeds=[a, b])


@pytest.mark.parametrize("type", [*INTEGERS, T.BOOL])
def test_and(type):
    check(STABLEHLO_AND, None, [operand(type, (3, 50)), operand(type, (3, 50))], [result(type)], resolver=OPTIMIZED)


@pytest.mark.parametrize("type", [T.INT8, T.INT16, T.INT32])
def test_shift_left(type):
    inputs = [operand(type, (60,)), operand(type, (60,), low=0, high=31)]
    check(STABLEHLO_SHIFT_LEFT, StablehloShiftLeftOptions(), inputs, [result(type)], resolver=OPTIMIZED)


def gather_options(offset_dims, collapsed, index_map, axis, sizes):
    return StablehloGatherOptions(
        offset_dims=list(offset_dims),
        collapsed_slice_dims=list(collapsed),
        start_index_map=list(index_map),
        index_vector_dim=axis,
        slice_sizes=list(sizes),
    )


@pytest.mark.parametrize("type", [*NUMBERS, T.COMPLEX64])
@pytest.mark.parametrize("index", [T.INT32, T.INT64])
def test_gather_types(type, index):
    options = gather_options((2, 3), (0,), (1, 0), 2, (1, 2, 2))
    inputs = [operand(type, (3, 4, 2)), operand(index, (2, 3, 2), low=-2, high=5)]
    check(STABLEHLO_GATHER, options, inputs, [result(type)])


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_gather_shapes(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    rank = len(shape)
    collapsed = sorted(data.draw(st.sets(st.integers(0, rank - 1))))
    sizes = [1 if dim in collapsed else data.draw(st.integers(1, n)) for dim, n in enumerate(shape)]
    index_map = data.draw(st.permutations(range(rank)))[: data.draw(st.integers(1, rank))]
    batch = data.draw(st.lists(st.integers(1, 3), max_size=3))
    axis = data.draw(st.integers(0, len(batch)))
    result_rank = len(batch) + rank - len(collapsed)
    offset_dims = sorted(data.draw(st.permutations(range(result_rank)))[: rank - len(collapsed)])
    options = gather_options(offset_dims, collapsed, index_map, axis, sizes)
    indices = operand(T.INT32, [*batch[:axis], len(index_map), *batch[axis:]], low=-3, high=5)
    check(STABLEHLO_GATHER, options, [operand(T.INT32, shape), indices], [result(T.INT32)])


def scatter_model(options, inputs, body):
    model = build(STABLEHLO_SCATTER, options, inputs, [result(inputs[0].type)])
    graph = SubGraph(
        tensors=[Tensor(shape=[], type=inputs[0].type, name=name) for name in "abc"], inputs=[0, 1], outputs=[2 if body else 1]
    )
    if body:
        model.operator_codes.append(new_operator_code(BuiltinOperator[body], 1))
        graph.operators = [Operator(opcode_index=1, inputs=[0, 1], outputs=[2])]
    model.subgraphs.append(graph)
    return write_model(model)


def check_scatter(options, inputs, body, tolerance=1e-6):
    content = scatter_model(options, inputs, body)
    feeds = [random_values(item, np.random.default_rng(2)) for item in inputs]
    assert_close(run(content, feeds)[0], reference(content, feeds)[0], tolerance)


def scatter_options(window_dims, inserted, operand_dims, axis):
    return StablehloScatterOptions(
        update_window_dims=list(window_dims),
        inserted_window_dims=list(inserted),
        scatter_dims_to_operand_dims=list(operand_dims),
        index_vector_dim=axis,
        update_computation_subgraph_index=1,
    )


@pytest.mark.parametrize("type", [type for type in NUMBERS if type is not T.BOOL])
@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize("body", ["", "STABLEHLO_ADD", "STABLEHLO_MULTIPLY", "STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM"])
def test_scatter_types(type, index, body):
    small = {"low": 0, "high": 2} if body == "STABLEHLO_MULTIPLY" else {"low": 0, "high": 50}
    inputs = [operand(type, (3, 4, 2), **small), operand(index, (2, 3, 2), low=-2, high=5), operand(type, (2, 3, 2, 2), **small)]
    check_scatter(scatter_options((2, 3), (0,), (1, 0), 2), inputs, body)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_scatter_shapes(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    rank = len(shape)
    inserted = sorted(data.draw(st.sets(st.integers(0, rank - 1))))
    window = [data.draw(st.integers(1, n)) for dim, n in enumerate(shape) if dim not in inserted]
    operand_dims = data.draw(st.permutations(range(rank)))[: data.draw(st.integers(1, rank))]
    batch = data.draw(st.lists(st.integers(1, 3), max_size=3))
    axis = data.draw(st.integers(0, len(batch)))
    window_dims = sorted(data.draw(st.permutations(range(len(batch) + len(window))))[: len(window)])
    sizes, others = iter(window), iter(batch)
    updates = [next(sizes) if dim in window_dims else next(others) for dim in range(len(batch) + len(window))]
    indices = operand(T.INT32, [*batch[:axis], len(operand_dims), *batch[axis:]], low=-3, high=5)
    inputs = [operand(T.INT32, shape), indices, operand(T.INT32, updates)]
    check_scatter(scatter_options(window_dims, inserted, operand_dims, axis), inputs, data.draw(st.sampled_from(["", "STABLEHLO_ADD"])))


def test_scatter_far_outside():
    inputs = [operand(T.FLOAT32, (3,)), operand(T.INT64, (2, 1)), operand(T.FLOAT32, (2, 2))]
    content = scatter_model(scatter_options((1,), (), (0,), 1), inputs, "")
    feeds = [np.zeros(3, np.float32), np.array([[2**63 - 1], [-(2**63)]]), np.ones((2, 2), np.float32)]
    assert not run(content, feeds)[0].any()


def test_body_that_is_not_supported():
    inputs = [operand(T.FLOAT32, (3,)), operand(T.INT32, (2, 1)), operand(T.FLOAT32, (2, 1))]
    content = scatter_model(scatter_options((1,), (), (0,), 1), inputs, "STABLEHLO_SUBTRACT")
    with pytest.raises(UnsupportedError, match="an empty body or one of"):
        run(content, [random_values(item, np.random.default_rng(2)) for item in inputs])


X, STARTS = operand(T.FLOAT32, (3, 4)), operand(T.INT32, (2, 2))
U = operand(T.FLOAT32, (2, 1))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (STABLEHLO_ADD, None, [X, operand(T.FLOAT32, (4,))], "one shape"),
        (STABLEHLO_ADD, None, [X, operand(T.INT32, (3, 4))], "one type"),
        (STABLEHLO_ADD, None, [operand(T.COMPLEX64, (3,))] * 2, "FLOAT16 or"),
        (STABLEHLO_AND, None, [X, X], "INT8 or"),
        (STABLEHLO_SHIFT_LEFT, None, [operand(T.UINT8, (3,))] * 2, "INT8 or"),
        (STABLEHLO_GATHER, gather_options((1,), (0,), (0, 1), 3, (1, 2)), [X, STARTS], "index_vector_dim"),
        (STABLEHLO_GATHER, gather_options((1,), (0,), (0, 2), 1, (1, 2)), [X, STARTS], "start_index_map"),
        (STABLEHLO_GATHER, gather_options((1,), (0,), (0, 0), 1, (1, 2)), [X, STARTS], "start_index_map"),
        (STABLEHLO_GATHER, gather_options((1,), (0,), (0,), 1, (1, 2)), [X, STARTS], "2 dimensions in"),
        (STABLEHLO_GATHER, gather_options((1,), (0,), (0, 1), 1, (1, 5)), [X, STARTS], "slice_sizes within"),
        (STABLEHLO_GATHER, gather_options((1,), (0,), (0, 1), 1, (1, -1)), [X, STARTS], "slice_sizes within"),
        (STABLEHLO_GATHER, gather_options((1,), (2,), (0, 1), 1, (1, 2)), [X, STARTS], "collapsed_slice_dims"),
        (STABLEHLO_GATHER, gather_options((1,), (0,), (0, 1), 1, (0, 2)), [X, STARTS], "slice_sizes above 0 are required"),
        (STABLEHLO_GATHER, gather_options((2,), (0,), (0, 1), 1, (1, 2)), [X, STARTS], "offset_dims"),
        (STABLEHLO_GATHER, gather_options((), (0,), (0, 1), 1, (1, 2)), [X, STARTS], "1 offset_dims"),
        (STABLEHLO_GATHER, gather_options((1,), (0,), (0, 1), 1, (1, 2)), [X, X], "INT32 or INT64"),
        (STABLEHLO_SCATTER, scatter_options((1,), (), (0, 1), 1), [X, STARTS, U], "2 dimensions of windows"),
        (STABLEHLO_SCATTER, scatter_options((1,), (0,), (0, 1), 1), [X, STARTS, operand(T.FLOAT32, (3, 1))], "updates for starts"),
        (STABLEHLO_SCATTER, scatter_options((2,), (0,), (0, 1), 1), [X, STARTS, U], "update_window_dims"),
        (STABLEHLO_SCATTER, scatter_options((1,), (0,), (0, 1), 1), [X, STARTS, operand(T.INT8, (2, 1))], "one type"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


def test_updates_of_one_place_come_in_the_order_of_their_elements():
    """Windows are not the last dimensions of the updates: an element of a later window can come before one of an earlier window."""
    inputs = [operand(T.INT32, (1, 2, 1, 1)), operand(T.INT32, (2, 1)), operand(T.INT32, (1, 2, 2, 1, 1))]
    content = scatter_model(scatter_options((0, 1, 3, 4), (), (1,), 1), inputs, "")
    feeds = [np.zeros((1, 2, 1, 1), np.int32), np.array([[0], [1]], np.int32), np.arange(1, 5, dtype=np.int32).reshape(1, 2, 2, 1, 1)]
    found = run(content, feeds)[0]
    np.testing.assert_array_equal(found, reference(content, feeds)[0])
    assert found.reshape(-1).tolist() == [1, 3]
