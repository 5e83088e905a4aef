"""Segments and stages: operators in Python, shapes known only at run time, control flow."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

from jitlite.interpreter import CustomOperator, Interpreter
from jitlite.interpreter.binding.registry import Nested
from jitlite.interpreter.segments import HostSegment, NativeSegment
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops.activation import RELU
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.control import IF, WHILE
from jitlite.schemas.ops.elementwise import ADD, MUL, NEG
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.ops.pad import FILL, RANGE
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.tables import (
    AddOptions,
    BatchMatMulOptions,
    FillOptions,
    FullyConnectedOptions,
    IfOptions,
    LessOptions,
    MulOptions,
    NegOptions,
    QuantizationParameters,
    RangeOptions,
    ReshapeOptions,
    SliceOptions,
    TensorType,
    WhileOptions,
)
from tests.interpreter.models import GraphBuilder, content, new_model

INT32, BOOL = TensorType.INT32, TensorType.BOOL


def run(interpreter, *values):
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def python_step_model() -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    x = g.input((4,))
    a = g.op(ADD, [x, g.constant([1, 1, 1, 1])], [g.tensor((4,))], AddOptions())
    b = g.op("Cumulate", [a], [g.tensor((4,))])
    g.finish(g.op(MUL, [b, a], [g.tensor((4,))], MulOptions()))
    return content(model)


@pytest.mark.parametrize("knows_shapes", [True, False])
def test_a_python_step_between_native_steps(knows_shapes):
    infer = (lambda call: [(call.input(0).shape, call.input(0).type)]) if knows_shapes else None
    cumulate = CustomOperator("Cumulate", np.cumsum, infer)
    interpreter = Interpreter(model_content=python_step_model(), custom_operators={"Cumulate": cumulate})
    x = np.array([1, 2, 3, 4], np.float32)
    for scale in (1, 2, 3):
        (found,) = run(interpreter, x * scale)
        np.testing.assert_array_equal(found, np.cumsum(x * scale + 1) * (x * scale + 1))


def test_segments_around_a_python_step():
    cumulate = CustomOperator("Cumulate", np.cumsum, lambda call: [call.input(0)])
    interpreter = Interpreter(model_content=python_step_model(), custom_operators={"Cumulate": cumulate})
    interpreter.allocate_tensors()
    segments = interpreter._main.program._first.runner.segments
    assert [type(segment) for segment in segments] == [NativeSegment, HostSegment, NativeSegment]


def test_a_python_step_that_fails_is_named():
    broken = CustomOperator("Cumulate", lambda x: x[9])
    with pytest.raises(ExecutionError, match=r"operator 1 \(Cumulate\): the Python operator failed: IndexError"):
        run(Interpreter(model_content=python_step_model(), custom_operators={"Cumulate": broken}), np.zeros(4, np.float32))


def test_a_python_step_that_returns_nothing_is_named():
    with pytest.raises(ExecutionError, match=r"operator 1 \(Cumulate\): 1 output arrays are required, found 0"):
        run(
            Interpreter(model_content=python_step_model(), custom_operators={"Cumulate": CustomOperator("Cumulate", lambda x: ())}),
            np.zeros(4, np.float32),
        )


def test_a_python_step_whose_inference_miscounts_is_refused():
    operator = CustomOperator("Cumulate", lambda x: x, lambda call: [])
    with pytest.raises(InvalidModelError, match=r"Cumulate.*1 outputs of infer are required, found 0"):
        Interpreter(model_content=python_step_model(), custom_operators={"Cumulate": operator}).allocate_tensors()


def test_a_python_step_of_another_dtype_is_refused():
    wrong = CustomOperator("Cumulate", lambda x: np.zeros(4, np.int32))
    with pytest.raises(ExecutionError, match="float32 is required, found int32"):
        run(Interpreter(model_content=python_step_model(), custom_operators={"Cumulate": wrong}), np.zeros(4, np.float32))


def test_names_in_errors_cannot_steer_a_terminal():
    model = new_model()
    g = GraphBuilder(model)
    g.finish(g.op("Cumu\x1b[2J", [g.input((4,))], [g.tensor((4,))]))
    with pytest.raises(UnsupportedError, match="Cumu") as caught:
        Interpreter(model_content=content(model)).allocate_tensors()
    assert "\x1b" not in str(caught.value)


def test_sums_at_scales_far_apart_plan_without_a_warning():
    model = new_model()
    g = GraphBuilder(model)
    inputs = [g.input((4,), TensorType.INT8), g.input((4,), TensorType.INT8)]
    result = g.op(ADD, inputs, [g.tensor((4,), TensorType.INT8)], AddOptions())
    for index, scale in zip((*inputs, result), (1e30, 1.0, 1e-30)):
        g.graph.tensors[index].quantization = QuantizationParameters(scale=[scale], zero_point=[0])
    g.finish(result)
    Interpreter(model_content=content(model)).allocate_tensors()


def test_an_unknown_custom_operator_is_named():
    with pytest.raises(UnsupportedError, match="Cumulate"):
        Interpreter(model_content=python_step_model()).allocate_tensors()


def run_time_shape_model() -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    x, shape = g.input((2, 6)), g.input((2,), INT32)
    a = g.op(RELU, [x], [g.tensor((2, 6))])
    b = g.op(RESHAPE, [a, shape], [g.tensor((1, 1), shape_signature=[-1, -1])], ReshapeOptions())
    g.finish(g.op(ADD, [b, g.constant(1.0)], [g.tensor((1, 1), shape_signature=[-1, -1])], AddOptions()))
    return content(model)


def test_a_shape_known_only_at_run_time():
    interpreter = Interpreter(model_content=run_time_shape_model())
    x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 6)
    for shape in ([3, 4], [12, 1], [3, 4], [-1, 2]):
        values = x, np.array(shape, np.int32)
        reference = LiteRT(model_content=run_time_shape_model(), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        (found,), (expected,) = run(interpreter, *values), run(reference, *values)
        np.testing.assert_array_equal(found, expected)
        assert interpreter.get_output_details()[0]["shape"].tolist() == list(expected.shape)


def test_a_bad_run_time_shape_is_refused_and_the_next_run_is_right():
    interpreter = Interpreter(model_content=run_time_shape_model())
    x = np.ones((2, 6), np.float32)
    with pytest.raises(InvalidModelError):
        run(interpreter, x, np.array([5, 5], np.int32))
    (found,) = run(interpreter, x, np.array([4, 3], np.int32))
    assert found.tolist() == [[2.0] * 3] * 4


def test_two_run_time_shapes_after_each_other():
    model = new_model()
    g = GraphBuilder(model)
    limit, count = g.input((), INT32), g.input((1,), INT32)
    numbers = g.op(RANGE, [g.constant(0, np.int32), limit, g.constant(1, np.int32)], [g.tensor((1,), INT32)], RangeOptions())
    filled = g.op(FILL, [count, g.constant(10, np.int32)], [g.tensor((1,), INT32)], FillOptions())
    g.finish(g.op(ADD, [numbers, filled], [g.tensor((1,), INT32)], AddOptions()))
    interpreter = Interpreter(model_content=content(model))
    for size in (3, 5, 2):
        (found,) = run(interpreter, np.array(size, np.int32), np.array([size], np.int32))
        assert found.tolist() == [10 + i for i in range(size)]


def branch_model(else_shape: tuple[int, ...] = (3,)) -> bytes:
    model = new_model()
    g, then, other = GraphBuilder(model), GraphBuilder(model), GraphBuilder(model)
    condition, x, y = g.input((1,), BOOL), g.input((3,)), g.input((3,))
    result = g.op(IF, [condition, x, y], [g.tensor((3,))], IfOptions(then_subgraph_index=1, else_subgraph_index=2))
    g.finish(g.op(ADD, [result, g.constant(0.5)], [g.tensor((3,))], AddOptions()))
    a, b = then.input((3,)), then.input((3,))
    then.finish(then.op(ADD, [then.op(MUL, [a, b], [then.tensor((3,))], MulOptions()), a], [then.tensor((3,))], AddOptions()))
    a, b = other.input((3,)), other.input((3,))
    if else_shape == (3,):
        other.finish(b)
    else:
        other.finish(other.op(RESHAPE, [b, other.constant(else_shape, np.int32)], [other.tensor(else_shape)], ReshapeOptions()))
    return content(model)


def test_if_runs_the_branch_its_condition_names():
    interpreter = Interpreter(model_content=branch_model())
    x, y = np.array([1, 2, 3], np.float32), np.array([4, 5, 6], np.float32)
    for condition in (True, False, True):
        (found,) = run(interpreter, np.array([condition]), x, y)
        np.testing.assert_array_equal(found, (x * y + x if condition else y) + 0.5)
    assert all(isinstance(segment, NativeSegment) for segment in interpreter._main.program._first.runner.segments)


def test_branches_read_constants_packed_while_planning_and_hand_inputs_on():
    """The first branch multiplies with constants of the graph around it, the second returns one of them and its own input."""
    model = new_model()
    g, then, other = GraphBuilder(model), GraphBuilder(model), GraphBuilder(model)
    rng = np.random.default_rng(4)
    x, weights, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((1, 9), (5, 9), (1, 5)))
    condition, input_ = g.input((1,), BOOL), g.input((1, 9))
    operands = [condition, input_, g.constant(weights), g.constant(bias)]
    branches = IfOptions(then_subgraph_index=1, else_subgraph_index=2)
    results = [g.tensor((1, 5)), g.tensor((1, 9))]
    g.op(IF, operands, results, branches)
    g.finish(*results)
    a, w, b = then.input((1, 9)), then.input((5, 9)), then.input((1, 5))
    product = then.op(FULLY_CONNECTED, [a, w, -1], [then.tensor((1, 5))], FullyConnectedOptions())
    then.finish(then.op(ADD, [product, b], [then.tensor((1, 5))], AddOptions()), then.op(ADD, [a, a], [then.tensor((1, 9))], AddOptions()))
    a, w, b = other.input((1, 9)), other.input((5, 9)), other.input((1, 5))
    other.finish(b, a)
    interpreter = Interpreter(model_content=content(model))
    for taken in (True, False, True):
        first, second = run(interpreter, np.array([taken]), x)
        np.testing.assert_allclose(first, x @ weights.T + bias if taken else bias, rtol=1e-5)
        np.testing.assert_array_equal(second, 2 * x if taken else x)
    (segment,) = interpreter._main.program._first.runner.segments
    (step,) = [planned.step for planned in segment.steps]
    kernels = {inner.kernel for nested in step.arguments.values() if isinstance(nested, Nested) for inner in nested.steps}
    assert "product_f32" in kernels
    assert "pack_f32" not in kernels


def test_if_with_branches_of_different_shapes():
    interpreter = Interpreter(model_content=branch_model((3, 1)))
    x, y = np.array([1, 2, 3], np.float32), np.array([4, 5, 6], np.float32)
    for condition in (True, False, True):
        (found,) = run(interpreter, np.array([condition]), x, y)
        expected = (x * y + x if condition else y.reshape(3, 1)) + 0.5
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)


def loop_model(ends: bool = True) -> bytes:
    model = new_model()
    g, test, body = GraphBuilder(model), GraphBuilder(model), GraphBuilder(model)
    count, total = g.input((1,), INT32), g.input((2,))
    outputs = [g.tensor((1,), INT32), g.tensor((2,))]
    g.op(WHILE, [count, total], outputs, WhileOptions(cond_subgraph_index=1, body_subgraph_index=2))
    g.finish(*outputs)
    i, _ = test.input((1,), INT32), test.input((2,))
    test.finish(test.op(LESS, [i, test.constant([10], np.int32)], [test.tensor((1,), BOOL)], LessOptions()))
    i, t = body.input((1,), INT32), body.input((2,))
    next_i = body.op(ADD, [i, body.constant([1 if ends else 0], np.int32)], [body.tensor((1,), INT32)], AddOptions())
    body.finish(next_i, body.op(ADD, [t, t], [body.tensor((2,))], AddOptions()))
    return content(model)


def test_while_runs_until_its_condition_fails():
    interpreter = Interpreter(model_content=loop_model())
    for start in (0, 7, 12):
        count, total = run(interpreter, np.array([start], np.int32), np.array([1, 3], np.float32))
        rounds = max(0, 10 - start)
        assert count.tolist() == [max(10, start)]
        assert total.tolist() == [2.0**rounds, 3.0 * 2**rounds]


def test_a_loop_without_end_is_stopped():
    interpreter = Interpreter(model_content=loop_model(ends=False), work_limit=10**8)
    for _ in range(2):
        with pytest.raises(ExecutionError, match=r"operator 0 \(WHILE\): a loop that ends within the run's limit of work is required"):
            run(interpreter, np.array([0], np.int32), np.array([1, 3], np.float32))


def test_every_run_may_do_its_work():
    interpreter = Interpreter(model_content=loop_model(), work_limit=10**6)
    for _ in range(100):
        assert run(interpreter, np.array([0], np.int32), np.array([1, 3], np.float32))[0].tolist() == [10]


def test_rounds_count_as_work():
    with pytest.raises(ExecutionError, match="limit of work"):
        run(Interpreter(model_content=loop_model(), work_limit=10**5), np.array([0], np.int32), np.array([1, 3], np.float32))


def test_the_work_of_an_operator_is_limited():
    model = new_model()
    g = GraphBuilder(model)
    x, y = g.input((2048, 2048)), g.input((2048, 2048))
    g.finish(g.op(BATCH_MATMUL, [x, y], [g.tensor((2048, 2048))], BatchMatMulOptions()))
    Interpreter(model_content=content(model)).allocate_tensors()
    with pytest.raises(UnsupportedError, match=r"operator 0 \(BATCH_MATMUL 't2'\): at most 8000000000 units of work in a run are allowed"):
        Interpreter(model_content=content(model), work_limit=8 * 10**9).allocate_tensors()


def test_the_memory_budget_is_kept():
    model = new_model()
    g = GraphBuilder(model)
    g.finish(g.op(RELU, [g.input((1024, 1024))], [g.tensor((1024, 1024))]))
    with pytest.raises(UnsupportedError, match="at most 1000000 bytes"):
        Interpreter(model_content=content(model), arena_limit_bytes=1_000_000).allocate_tensors()


def test_operators_on_constants_run_while_planning():
    model = new_model()
    g = GraphBuilder(model)
    x = g.input((2,))
    folded = g.op(ADD, [g.constant([1, 2]), g.constant([10, 20])], [g.tensor((2,))], AddOptions())
    g.finish(g.op(MUL, [x, folded], [g.tensor((2,))], MulOptions()))
    interpreter = Interpreter(model_content=content(model))
    (found,) = run(interpreter, np.array([1, 10], np.float32))
    assert found.tolist() == [11.0, 220.0]
    assert [label for _, label, _ in interpreter.profile()] == ["MUL"]


def test_results_known_while_planning_stay_within_an_allowance(monkeypatch):
    monkeypatch.setattr("jitlite.interpreter.plan.FOLD_LIMIT_BYTES", 16)
    model = new_model()
    g = GraphBuilder(model)
    chain = [g.constant([1, 2])]
    for _ in range(4):
        chain.append(g.op(ADD, [chain[-1], g.constant([10, 20])], [g.tensor((2,))], AddOptions()))
    result = g.input((2,))
    for value in chain[1:]:
        result = g.op(MUL, [result, value], [g.tensor((2,))], MulOptions())
    g.finish(result)
    interpreter = Interpreter(model_content=content(model))
    (found,) = run(interpreter, np.array([1, 10], np.float32))
    assert found.tolist() == [11.0 * 21 * 31 * 41, 10.0 * 22 * 42 * 62 * 82]
    assert [label for _, label, _ in interpreter.profile()] == ["ADD", "ADD", "MUL", "MUL", "MUL", "MUL"]


def test_results_nothing_reads_any_more_do_not_count(monkeypatch):
    monkeypatch.setattr("jitlite.interpreter.plan.FOLD_LIMIT_BYTES", 16)
    model = new_model()
    g = GraphBuilder(model)
    value = g.constant([1, 2])
    for _ in range(4):
        value = g.op(ADD, [value, g.constant([10, 20])], [g.tensor((2,))], AddOptions())
    g.finish(g.op(MUL, [g.input((2,)), value], [g.tensor((2,))], MulOptions()))
    interpreter = Interpreter(model_content=content(model))
    (found,) = run(interpreter, np.array([1, 10], np.float32))
    assert found.tolist() == [41.0, 820.0]
    assert [label for _, label, _ in interpreter.profile()] == ["MUL"]
    kept = Interpreter(model_content=content(model), experimental_preserve_all_tensors=True)
    run(kept, np.array([1, 10], np.float32))
    assert [label for _, label, _ in kept.profile()] == ["ADD", "ADD", "MUL"]


def test_an_operator_with_two_run_time_shapes():
    model = new_model()
    g = GraphBuilder(model)
    x, begin, size = g.input((5, 4)), g.input((2,), INT32), g.input((2,), INT32)
    cut = g.op(SLICE, [x, begin, size], [g.tensor((1, 1), shape_signature=[-1, -1])], SliceOptions())
    g.finish(g.op(RELU, [cut], [g.tensor((1, 1), shape_signature=[-1, -1])]))
    interpreter = Interpreter(model_content=content(model))
    values = np.arange(20, dtype=np.float32).reshape(5, 4)
    for (row, column), (rows, columns) in [((1, 0), (2, 3)), ((1, 1), (2, 3)), ((0, 0), (5, 4)), ((1, 0), (2, 3))]:
        (found,) = run(interpreter, values, np.array([row, column], np.int32), np.array([rows, columns], np.int32))
        np.testing.assert_array_equal(found, values[row : row + rows, column : column + columns])


def test_replanning_for_new_run_time_shapes_frees_memory():
    interpreter = Interpreter(model_content=run_time_shape_model())
    x = np.ones((2, 6), np.float32)
    sizes = set()
    for shape in ([3, 4], [12, 1], [4, 3], [6, 2]) * 5:
        run(interpreter, x, np.array(shape, np.int32))
        sizes.add(interpreter.arena_bytes())
    assert len(sizes) == 1


def test_unsupported_operators_are_named_together_though_shapes_behind_them_break_rules():
    model = new_model()
    graph = GraphBuilder(model)
    x = graph.input((2, 3))
    first = graph.op(NEG, [x], [graph.tensor((2, 3))], NegOptions())
    second = graph.op(ADD, [first, graph.constant(np.ones((4, 5)))], [graph.tensor((2, 3))], AddOptions())
    third = graph.op(NEG, [second], [graph.tensor((2, 3))], NegOptions())
    graph.finish(third)
    for place in (0, 2):
        model.operator_codes[place].version = 77
    interpreter = Interpreter(model_content=content(model))
    with pytest.raises(UnsupportedError, match=r"operator 0 \(NEG.*version 77(.|\n)*operator 2 \(NEG.*version 77"):
        interpreter.allocate_tensors()
