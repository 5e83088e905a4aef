"""Reductions over axes (MEAN, SUM, REDUCE_*), positions of extremes (ARG_MAX, ARG_MIN) and running sums (CUMSUM)."""

from collections.abc import Callable

from jitlite.schemas.ops.operands import (
    bounded,
    integer,
    integers,
    normalized_axis,
    require_rank,
    require_same_quantization,
    require_type,
    require_zero_point_zero,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.table import Table
from jitlite.schemas.tables import ArgMaxOptions, ArgMinOptions, BuiltinOperator, CumsumOptions, ReducerOptions, TensorType

_AXIS_TYPES = (TensorType.INT32,)
_REDUCIBLE = (
    TensorType.FLOAT32,
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
    TensorType.BOOL,
)
_POSITION_TYPES = (TensorType.INT32, TensorType.INT64)


def reduced_axes(call: Call) -> tuple[int, ...]:
    """The axes a reduction removes: in rising order, each once; none for a scalar input."""
    rank = call.input(0).rank
    axes = integers(call, 1, _AXIS_TYPES)
    if rank == 0:
        return ()
    return tuple(sorted({normalized_axis(call, axis, rank) for axis in axes}))


def running_axis(call: Call) -> int:
    """The axis of ARG_MAX, ARG_MIN and CUMSUM, counted from the front."""
    x = call.input(0)
    types = _AXIS_TYPES if call.spec is CUMSUM else _POSITION_TYPES
    return normalized_axis(call, integer(call, 1, types), x.rank)


def _reduced(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    require_type(call, 0, _REDUCIBLE)
    axes = reduced_axes(call)
    require_zero_point_zero(call, (x, *call.outputs))
    if call.options.keep_dims:
        shape: Shape = tuple(1 if axis in axes else dim for axis, dim in enumerate(x.shape))
    else:
        shape = tuple(dim for axis, dim in enumerate(x.shape) if axis not in axes)
    return [(shape, x.type)]


def _reduced_at_one_scale(call: Call) -> list[tuple[Shape, TensorType]]:
    require_same_quantization(call, call.outputs, call.input(0))
    return _reduced(call)


def _reduced_logical(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (TensorType.BOOL,))
    return _reduced(call)


def _position(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    require_rank(call, 0, 1, max(1, x.rank))
    axis = running_axis(call)
    output = call.options.output_type
    call.require(output in _POSITION_TYPES, f"output type INT32 or INT64 is required, found {output.name}")
    call.require(x.shape[axis] > 0, f"an axis with elements is required, found axis {axis} of shape {x.shape}")
    return [(x.shape[:axis] + x.shape[axis + 1 :], output)]


def _cumulated(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    require_type(call, 0, (TensorType.FLOAT32, TensorType.INT32, TensorType.INT64))
    require_rank(call, 0, 1, max(1, x.rank))
    running_axis(call)
    return [(bounded(call, x.shape), x.type)]


def _by_input(versions: dict[TensorType, int]) -> Callable[[Call], int]:
    return lambda call: versions.get(call.input(0).type, 1)


_INT8_2 = {TensorType.INT8: 2}
_INT16_3 = {TensorType.INT8: 2, TensorType.INT16: 3}


def _reducer(
    code: BuiltinOperator, kind: QuantKind, versions: dict[TensorType, int], infer: Callable[[Call], list[tuple[Shape, TensorType]]]
) -> OpSpec:
    return define(
        OpSpec(
            code.name,
            code,
            inputs=("input", "axes"),
            infer=infer,
            options=ReducerOptions,
            quant=Quant(kind, activations=() if kind is QuantKind.INDEX else (0,)),
            version=_by_input(versions),
            max_version=max(versions.values(), default=1),
        )
    )


MEAN = _reducer(BuiltinOperator.MEAN, QuantKind.FREE, _INT16_3, _reduced)
SUM = _reducer(BuiltinOperator.SUM, QuantKind.FREE, _INT8_2, _reduced)
REDUCE_PROD = _reducer(BuiltinOperator.REDUCE_PROD, QuantKind.FREE, {TensorType.INT8: 2, TensorType.INT16: 2}, _reduced)
REDUCE_MAX = _reducer(BuiltinOperator.REDUCE_MAX, QuantKind.SAME, _INT16_3, _reduced_at_one_scale)
REDUCE_MIN = _reducer(BuiltinOperator.REDUCE_MIN, QuantKind.SAME, _INT16_3, _reduced_at_one_scale)
REDUCE_ANY = _reducer(BuiltinOperator.REDUCE_ANY, QuantKind.INDEX, {}, _reduced_logical)
REDUCE_ALL = _reducer(BuiltinOperator.REDUCE_ALL, QuantKind.INDEX, {}, _reduced_logical)


def _position_spec(code: BuiltinOperator, options: type[Table]) -> OpSpec:
    return define(
        OpSpec(
            code.name,
            code,
            inputs=("input", "axis"),
            infer=_position,
            options=options,
            quant=Quant(QuantKind.INDEX, activations=(0,)),
            version=_by_input({TensorType.INT8: 2, TensorType.BOOL: 3}),
            max_version=3,
        )
    )


ARG_MAX = _position_spec(BuiltinOperator.ARG_MAX, ArgMaxOptions)
ARG_MIN = _position_spec(BuiltinOperator.ARG_MIN, ArgMinOptions)

CUMSUM = define(OpSpec("CUMSUM", BuiltinOperator.CUMSUM, inputs=("input", "axis"), infer=_cumulated, options=CumsumOptions))
