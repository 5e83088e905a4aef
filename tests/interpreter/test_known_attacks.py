"""Proof files that are publicly known for TFLite, and the classes of its security advisories: each is refused with a reason."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import ExecutionError, InvalidModelError, JitliteError, UnsupportedError
from jitlite.schemas.ops.concat import SPLIT, SPLIT_V
from jitlite.schemas.ops.control import WHILE
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.elementwise import ADD, DIV
from jitlite.schemas.ops.embedding import EMBEDDING_LOOKUP
from jitlite.schemas.ops.gather import GATHER, GATHER_ND, ONE_HOT
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.ops.pad import PAD
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D, MAX_POOL_2D
from jitlite.schemas.ops.reduce import ARG_MAX, REDUCE_MIN
from jitlite.schemas.ops.reshape import EXPAND_DIMS, RESHAPE
from jitlite.schemas.ops.rnn import SVDF
from jitlite.schemas.ops.scatter import SCATTER_ND, SEGMENT_SUM
from jitlite.schemas.ops.slice import STRIDED_SLICE
from jitlite.schemas.ops.space import BATCH_TO_SPACE_ND, DEPTH_TO_SPACE, SPACE_TO_BATCH_ND, SPACE_TO_DEPTH
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import (
    AddOptions,
    ArgMaxOptions,
    Conv2DOptions,
    DepthToSpaceOptions,
    DepthwiseConv2DOptions,
    DivOptions,
    ExpandDimsOptions,
    FullyConnectedOptions,
    GatherOptions,
    OneHotOptions,
    Padding,
    Pool2DOptions,
    ReducerOptions,
    ReshapeOptions,
    SpaceToDepthOptions,
    SplitOptions,
    SplitVOptions,
    StridedSliceOptions,
    SVDFOptions,
    TensorType,
    TransposeConvOptions,
    WhileOptions,
)
from tests.interpreter.models import GraphBuilder, content, new_model

INT32, BOOL = TensorType.INT32, TensorType.BOOL
HUGE = 2**31 - 1


def run_on_ones(model: bytes) -> None:
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.ones(detail["shape"], detail["dtype"]))
    interpreter.invoke()


def end_of(model: bytes) -> str:
    """Runs a file on ones; what it is refused with."""
    with pytest.raises(JitliteError) as refused:
        run_on_ones(model)
    assert isinstance(refused.value, (InvalidModelError, UnsupportedError, ExecutionError))
    return str(refused.value)


def one(
    spec: OpSpec, operands: Callable[[GraphBuilder], list[int]], options: Any = None, shape: tuple[int, ...] = (1,), outputs: int = 1
) -> bytes:
    """A model of one operator whose outputs have its first operand's type; those of a scattering have FLOAT32."""
    model = new_model()
    g = GraphBuilder(model)
    inputs = operands(g)
    type = g.graph.tensors[inputs[0]].type if inputs and inputs[0] >= 0 and spec is not SCATTER_ND else TensorType.FLOAT32
    results = [g.tensor(shape, type) for _ in range(outputs)]
    g.op(spec, inputs, results, options)
    g.finish(*results)
    return content(model)


def with_constants(shape: tuple[int, ...], *values: Any) -> Callable[[GraphBuilder], list[int]]:
    """An input of FLOAT32, then constants: of INT32 where the values are integers."""

    def operands(g: GraphBuilder) -> list[int]:
        kinds = [np.int32 if np.asarray(value).dtype.kind == "i" else np.float32 for value in values]
        return [g.input(shape), *(g.constant(value, kind) for value, kind in zip(values, kinds))]

    return operands


def image(*values: Any) -> Callable[[GraphBuilder], list[int]]:
    return with_constants((1, 4, 4, 4), *values)


def convolution(weights: tuple[int, ...], channels: int = 4, **options: Any) -> bytes:
    defaults = {"stride_w": 1, "stride_h": 1, "dilation_w_factor": 1, "dilation_h_factor": 1}
    return one(CONV_2D, image(np.ones(weights), np.ones(channels)), Conv2DOptions(**{**defaults, **options}), (1, 4, 4, 4))


def depthwise(weights: tuple[int, ...], channels: int, **options: Any) -> bytes:
    chosen = DepthwiseConv2DOptions(**{"stride_w": 1, "stride_h": 1, "depth_multiplier": 1, **options})
    return one(DEPTHWISE_CONV_2D, image(np.ones(weights), np.ones(channels)), chosen, (1, 4, 4, 4))


def pool(spec: OpSpec = AVERAGE_POOL_2D, **options: Any) -> bytes:
    chosen = Pool2DOptions(**{"stride_w": 1, "stride_h": 1, "filter_width": 2, "filter_height": 2, "padding": Padding.VALID, **options})
    return one(spec, image(), chosen, (1, 3, 3, 4))


def reshaped(shape: list[int]) -> bytes:
    return one(RESHAPE, with_constants((2, 3), shape), ReshapeOptions(new_shape=shape), (6,))


def run_time(spec: OpSpec, shape: tuple[int, ...], count: tuple[int, ...], options: Any = None, first: int = 0) -> bytes:
    """An operator whose second operand is an input of INT32."""
    return one(spec, lambda g: [g.input(shape), g.input(count, INT32)][:: -1 if first else 1], options)


def large_tensor() -> bytes:
    return one(ADD, lambda g: [g.input((HUGE,)), g.input((HUGE,))], AddOptions(), (HUGE,))


def cyclic() -> bytes:
    """An operator that reads what the next one writes."""
    model = new_model()
    g = GraphBuilder(model)
    x, first, second = g.input((2,)), g.tensor((2,)), g.tensor((2,))
    g.op(ADD, [x, second], [first], AddOptions())
    g.op(ADD, [x, first], [second], AddOptions())
    g.finish(second)
    return content(model)


def same_input_and_output() -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    x = g.input((2,))
    g.op(ADD, [x, x], [x], AddOptions())
    g.finish(x)
    return content(model)


def calls_itself() -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    g.finish(g.op(WHILE, [g.input((1,), BOOL)], [g.tensor((1,), BOOL)], WhileOptions(cond_subgraph_index=0, body_subgraph_index=0)))
    return content(model)


def no_buffers() -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    g.finish(g.op(ADD, [g.input((2,)), g.constant([1, 2])], [g.tensor((2,))], AddOptions()))
    model.buffers = model.buffers[:1]
    return content(model)


ATTACKS = {
    "root offset past the end": (struct.pack("<I4s", 64, b"TFL3"), "an offset that stays inside the 8 byte file required"),
    "a dimension of 2^31-1": (large_tensor(), "tensor memory: at most 2147483648 bytes are allowed"),
    "RESHAPE beyond the rank limit": (reshaped([1] * 16 + [6]), "an output of at most 16 dimensions is required, found 17"),
    "RESHAPE to more elements": (reshaped([7]), "a shape of 6 elements is required, found"),
    "RESHAPE to fewer elements": (reshaped([2, 2]), "a shape of 6 elements is required, found"),
    "RESHAPE that overflows": (reshaped([65536, 65536]), "an output of at most 2147483647 elements is required"),
    "ADD of -1 and -1": (one(ADD, lambda g: [-1, -1], AddOptions()), "operand 'input1' is required, found none"),
    "SPLIT in 0": (
        one(SPLIT, lambda g: [g.constant(0, np.int32), g.input((4,))], SplitOptions(num_splits=0)),
        "required, found",
    ),
    "SPLIT_V by negative sizes": (one(SPLIT_V, with_constants((4,), [-3, 7], 0), SplitVOptions(num_splits=2), (2,), 2), "required, found"),
    "PAD by 2^31-1": (one(PAD, with_constants((2, 2), [[HUGE, HUGE], [HUGE, HUGE]])), "required, found"),
    "PAD by less than 0": (one(PAD, with_constants((2, 2), [[-1, 0], [0, 0]])), "required, found"),
    "stride 0 of a pool (29586)": (pool(stride_w=0), "stride_w"),
    "filter 0 of a pool (37684)": (pool(MAX_POOL_2D, filter_height=0), "filter_height"),
    "huge filter of a pool": (pool(filter_height=HUGE, filter_width=HUGE, padding=Padding.VALID), "required, found"),
    "block 0 (29587)": (one(SPACE_TO_DEPTH, image(), SpaceToDepthOptions(block_size=0)), "required, found 0"),
    "block 0 (29595)": (one(DEPTH_TO_SPACE, image(), DepthToSpaceOptions(block_size=0)), "required, found 0"),
    "block -1": (one(DEPTH_TO_SPACE, image(), DepthToSpaceOptions(block_size=-1)), "required, found -1"),
    "blocks 0 (29597)": (one(SPACE_TO_BATCH_ND, image([0, 0], [[0, 0], [0, 0]])), "required, found"),
    "blocks 0 (29593)": (one(BATCH_TO_SPACE_ND, image([0, 0], [[0, 0], [0, 0]])), "required, found"),
    "stride 0 of TRANSPOSE_CONV (29588)": (
        one(
            TRANSPOSE_CONV,
            lambda g: [g.constant([1, 4, 4, 2], np.int32), g.constant(np.ones((2, 3, 3, 4))), g.input((1, 4, 4, 4))],
            TransposeConvOptions(padding=Padding.SAME),
        ),
        "stride",
    ),
    "GATHER_ND of nothing (29589, 37687)": (one(GATHER_ND, with_constants((2, 2), [[-1, 0]])), "required, found"),
    "GATHER_ND beyond the rank": (one(GATHER_ND, with_constants((2, 2), [[0, 0, 0]])), "required, found"),
    "GATHER below 0": (one(GATHER, with_constants((4,), [-1]), GatherOptions()), "an index inside its bound is required"),
    "GATHER past the end": (one(GATHER, with_constants((4,), [4]), GatherOptions()), "an index inside its bound is required"),
    "GATHER along axis 9": (one(GATHER, with_constants((4,), [0]), GatherOptions(axis=9)), "axis"),
    "EMBEDDING_LOOKUP of rank 0 (29596)": (
        one(EMBEDDING_LOOKUP, lambda g: [g.constant([0], np.int32), g.constant(np.float32(1.0))]),
        "required, found",
    ),
    "ONE_HOT at axis 7 (29600)": (
        one(ONE_HOT, lambda g: [g.input((2,), INT32), g.constant(3, np.int32), g.constant(1.0), g.constant(0.0)], OneHotOptions(axis=7)),
        "axis",
    ),
    "ONE_HOT of negative depth": (
        one(ONE_HOT, lambda g: [g.input((2,), INT32), g.constant(-3, np.int32), g.constant(1.0), g.constant(0.0)], OneHotOptions(axis=-1)),
        "required, found",
    ),
    "DEPTHWISE_CONV_2D without channels (29602)": (depthwise((1, 2, 2, 0), 0), "required, found"),
    "DEPTHWISE_CONV_2D with stride 0": (depthwise((1, 2, 2, 4), 4, stride_h=0), "stride_h"),
    "CONV_2D without channels (2023-27579)": (convolution((4, 1, 1, 0)), "required, found"),
    "CONV_2D with stride 0 (29594)": (convolution((4, 1, 1, 4), stride_w=0), "stride_w"),
    "CONV_2D with dilation 2^31-1": (convolution((4, 2, 2, 4), dilation_w_factor=HUGE), "required, found"),
    "CONV_2D with a bias of 1 for 4": (convolution((4, 1, 1, 4), channels=1), "required, found"),
    "CONV_2D with channels that do not divide": (convolution((4, 1, 1, 3)), "required, found 4"),
    "DIV of integers by 0 (37683)": (
        one(DIV, lambda g: [g.input((1,), INT32), g.constant([0], np.int32)], DivOptions()),
        "a divisor other than 0 is required, found 0",
    ),
    "FULLY_CONNECTED without depth (37680)": (
        one(FULLY_CONNECTED, with_constants((1, 4), np.ones((4, 0))), FullyConnectedOptions(), (1, 4)),
        "required, found",
    ),
    "SVDF of rank 0 (29598)": (
        one(
            SVDF,
            lambda g: [g.input((1, 2)), g.constant(np.ones((2, 2))), g.constant(np.ones((2, 3))), -1, g.tensor((1, 6), is_variable=True)],
            SVDFOptions(rank=0),
            (1, 2),
        ),
        "required, found",
    ),
    "ARG_MAX along axis 5 (29603)": (one(ARG_MAX, with_constants((2, 2), 5), ArgMaxOptions(output_type=INT32)), "required, found"),
    "REDUCE_MIN along axis -5 (29590, 2020-15207)": (one(REDUCE_MIN, with_constants((2, 2), [-5]), ReducerOptions()), "axis"),
    "EXPAND_DIMS at 9 (37685)": (one(EXPAND_DIMS, with_constants((2, 2), 9), ExpandDimsOptions()), "required, found"),
    "SEGMENT_SUM below 0 (2020-15212)": (one(SEGMENT_SUM, with_constants((2, 2), [-1, 0])), "required, found"),
    "SEGMENT_SUM not sorted (2020-15214)": (one(SEGMENT_SUM, with_constants((2, 2), [5, 0])), "required, found"),
    "SCATTER_ND past the end (2022-35939)": (
        one(SCATTER_ND, lambda g: [g.constant([[2**30]], np.int32), g.input((1,)), g.constant([4], np.int32)]),
        "operator 0 (SCATTER_ND): an index inside its bound is required",
    ),
    "SCATTER_ND whose place overflows (481776048)": (
        one(SCATTER_ND, lambda g: [g.constant([[HUGE]], np.int32), g.input((1, 4)), g.constant([4, 4], np.int32)], None, (4, 4)),
        "operator 0 (SCATTER_ND): an index inside its bound is required",
    ),
    "STRIDED_SLICE with stride 0 (37686)": (
        one(STRIDED_SLICE, with_constants((4,), [0], [4], [0]), StridedSliceOptions()),
        "required, found",
    ),
    "operators in a circle (29591)": (cyclic(), "a constant, a variable, an input or an earlier result required"),
    "one tensor in and out (2020-15210)": (same_input_and_output(), "a tensor without a value required"),
    "a subgraph that calls itself": (calls_itself(), "calls that never come back to their subgraph required"),
    "buffers that are not there (2020-15209)": (no_buffers(), "buffer: an index below 1 required, found 1"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_known_attacks_are_refused(name):
    model, reason = ATTACKS[name]
    assert reason in end_of(model)
