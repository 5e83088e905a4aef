"""Comparisons and logic, whose results are truth values, and the selections such values steer."""

from collections.abc import Callable
from math import prod

from jitlite.schemas.ops.elementwise import (
    Results,
    Types,
    broadcast_shape,
    require_equal_types,
    require_same_output_type,
    require_scales,
    require_type,
    types,
    version_by_type,
)
from jitlite.schemas.ops.spec import Call, Inference, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.table import Table
from jitlite.schemas.tables import (
    BuiltinOperator,
    EqualOptions,
    GreaterEqualOptions,
    GreaterOptions,
    LessEqualOptions,
    LessOptions,
    LogicalAndOptions,
    LogicalNotOptions,
    LogicalOrOptions,
    NotEqualOptions,
    SelectOptions,
    SelectV2Options,
    TensorType,
)

T = TensorType
ORDERED = types(T.FLOAT32, T.FLOAT16, T.INT32, T.INT64, T.INT16, T.INT8, T.UINT8)
EQUATABLE = ORDERED | {T.BOOL, T.STRING}
SELECTABLE = ORDERED | {T.BFLOAT16, T.FLOAT64, T.UINT64, T.UINT32, T.UINT16, T.BOOL, T.COMPLEX64}
TRUTH = Quant(QuantKind.INDEX, activations=())


def _comparison(allowed: Types) -> Inference:
    def infer(call: Call) -> Results:
        a, b = call.input(0), call.input(1)
        require_type(call, 0, allowed)
        require_equal_types(call)
        require_same_output_type(call, T.BOOL)
        if a.type in (T.INT8, T.UINT8):
            require_scales(call, a, b)
        return [(broadcast_shape(call, a, b), T.BOOL)]

    return infer


def _logical(call: Call) -> Results:
    infos = [call.input(index) for index in range(len(call.inputs))]
    require_type(call, 0, types(T.BOOL))
    require_equal_types(call)
    require_same_output_type(call, T.BOOL)
    return [(broadcast_shape(call, *infos), T.BOOL)]


def _check_select(call: Call) -> Shape | None:
    """Checks types; the shape of the result when every operand has one element, where the declared one decides."""
    condition, x, y = call.input(0), call.input(1), call.input(2)
    require_type(call, 0, types(T.BOOL))
    require_type(call, 1, SELECTABLE)
    require_equal_types(call, 1)
    require_same_output_type(call, x.type)
    if condition.size == x.size == y.size == 1 and call.outputs and prod(call.outputs[0].shape) == 1:
        return call.outputs[0].shape
    return None


def _select(call: Call) -> Results:
    condition, x, y = call.input(0), call.input(1), call.input(2)
    single = _check_select(call)
    if single is not None:
        return [(single, x.type)]
    call.require(x.shape == y.shape, f"operands 'x' and 'y' must have one shape, found {x.shape} and {y.shape}")
    fits = condition.shape in ((), x.shape) or condition.shape == x.shape[:1]
    call.require(fits, f"operand 'condition' must be a scalar, of shape {x.shape} or {x.shape[:1]}, found {condition.shape}")
    return [(x.shape, x.type)]


def _select_v2(call: Call) -> Results:
    condition, x, y = call.input(0), call.input(1), call.input(2)
    single = _check_select(call)
    return [(broadcast_shape(call, condition, x, y) if single is None else single, x.type)]


def _select_version(call: Call) -> int:
    return 3 if any(call.input(index).rank == 5 for index in range(3)) else 1


def _define_comparison(name: str, options: type[Table], versions: dict[TensorType, int], allowed: Types = ORDERED) -> OpSpec:
    return define(
        OpSpec(
            name,
            BuiltinOperator[name],
            inputs=("input1", "input2"),
            infer=_comparison(allowed),
            options=options,
            quant=Quant(QuantKind.INDEX, activations=(0, 1)),
            version=version_by_type(versions),
            max_version=max(versions.values()),
        )
    )


def _define_logical(name: str, options: type[Table], inputs: tuple[str, ...] = ("input1", "input2")) -> OpSpec:
    return define(OpSpec(name, BuiltinOperator[name], inputs=inputs, infer=_logical, options=options, quant=TRUTH))


def _define_select(name: str, options: type[Table], infer: Inference, version: Callable[[Call], int], max_version: int) -> OpSpec:
    return define(
        OpSpec(
            name,
            BuiltinOperator[name],
            inputs=("condition", "x", "y"),
            infer=infer,
            options=options,
            quant=Quant(QuantKind.SAME, activations=(1, 2)),
            version=version,
            max_version=max_version,
        )
    )


EQUAL = _define_comparison("EQUAL", EqualOptions, {T.INT16: 5, T.STRING: 3, T.INT8: 2}, EQUATABLE)
NOT_EQUAL = _define_comparison("NOT_EQUAL", NotEqualOptions, {T.INT16: 4, T.STRING: 3, T.INT8: 2}, EQUATABLE)
GREATER = _define_comparison("GREATER", GreaterOptions, {T.INT8: 2}, ORDERED | {T.BFLOAT16})
GREATER_EQUAL = _define_comparison("GREATER_EQUAL", GreaterEqualOptions, {T.INT16: 3, T.INT8: 2})
LESS = _define_comparison("LESS", LessOptions, {T.INT16: 3, T.INT8: 2}, ORDERED | {T.BFLOAT16})
LESS_EQUAL = _define_comparison("LESS_EQUAL", LessEqualOptions, {T.INT8: 2})

LOGICAL_AND = _define_logical("LOGICAL_AND", LogicalAndOptions)
LOGICAL_OR = _define_logical("LOGICAL_OR", LogicalOrOptions)
LOGICAL_NOT = _define_logical("LOGICAL_NOT", LogicalNotOptions, ("input",))

SELECT = _define_select("SELECT", SelectOptions, _select, _select_version, 4)
SELECT_V2 = _define_select("SELECT_V2", SelectV2Options, _select_v2, lambda call: 1, 2)
