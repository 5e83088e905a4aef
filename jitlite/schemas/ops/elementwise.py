"""Element-by-element arithmetic: one or two operands (ADD_N: more), broadcasting from the trailing dimension."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from jitlite.schemas.affine import activation_bounds
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.ops.shapes import broadcast_shapes
from jitlite.schemas.ops.spec import Call, Inference, OpSpec, Quant, QuantKind, Shape, TensorInfo, define
from jitlite.schemas.tables import (
    AbsOptions,
    ActivationFunctionType,
    AddNOptions,
    AddOptions,
    BuiltinOperator,
    CosOptions,
    DivOptions,
    ExpOptions,
    FloorDivOptions,
    FloorModOptions,
    MaximumMinimumOptions,
    MulOptions,
    NegOptions,
    PowOptions,
    SignOptions,
    SquaredDifferenceOptions,
    SquareOptions,
    SubOptions,
    TensorType,
)

Types = frozenset[TensorType]
Results = Sequence[tuple[Shape, TensorType]]
T = TensorType


def types(*members: TensorType) -> Types:
    return frozenset(members)


MAX_BROADCAST_RANK = 8
"""The reference kernels broadcast operands of up to this rank; operands of equal shape may have any."""

QUANTIZED = frozenset({T.INT8, T.UINT8, T.INT16})
"""The types whose arithmetic needs a scale and a zero point."""

MULTIPLIED = types(T.FLOAT32, T.FLOAT16, T.INT32, T.UINT32, T.INT64, T.COMPLEX64, T.INT16, T.INT8, T.UINT8)

FREE = Quant(QuantKind.FREE)
SAME = Quant(QuantKind.SAME)
FLOAT = Quant(QuantKind.FLOAT)


def version_by_type(versions: dict[TensorType, int]) -> Callable[[Call], int]:
    """A version rule that looks at the first operand's type alone; 1 for types it does not list."""
    return lambda call: versions.get(call.input(0).type, 1)


def require_type(call: Call, index: int, allowed: Iterable[TensorType]) -> None:
    found = call.input(index).type
    names = ", ".join(member.name for member in sorted(allowed))
    call.require(found in allowed, f"operand '{call.spec.operand_name(index)}' must be one of {names}, found {found.name}")


def require_equal_types(call: Call, first: int = 0, last: int | None = None) -> None:
    """Operands `first` to `last` (default: all) must have one type."""
    expected = call.input(first).type
    for index in range(first + 1, len(call.inputs) if last is None else last + 1):
        found = call.input(index).type
        name, like = call.spec.operand_name(index), call.spec.operand_name(first)
        call.require(found == expected, f"operand '{name}' must be {expected.name} as '{like}' is, found {found.name}")


def require_scales(call: Call, *infos: TensorInfo) -> None:
    """Quantized arithmetic needs one positive scale and a zero point that fits, of each of these tensors and of every declared output."""
    for info in (*infos, *call.outputs):
        if info.type not in QUANTIZED:
            continue
        call.require(info.is_quantized, f"{info.type.name} tensor '{info.name}' must be quantized, found no scale")
        call.require(info.scale > 0, f"tensor '{info.name}' must have a positive scale, found {info.scale}")
        low, high = INTEGER_RANGE[info.type]
        fits = low <= info.zero_point <= high
        call.require(fits, f"tensor '{info.name}' must have a zero point from {low} to {high}, found {info.zero_point}")
        if info.type is T.INT16:
            call.require(info.zero_point == 0, f"INT16 tensor '{info.name}' must have zero point 0, found {info.zero_point}")


def require_clamp(call: Call) -> ActivationFunctionType:
    """The fused activation, which must be one that clamps."""
    fused: ActivationFunctionType = call.options.fused_activation_function
    try:
        activation_bounds(fused)
    except ValueError:
        raise call.unsupported(f"fused activation {fused.name} is not supported; NONE, RELU, RELU6 and RELU_N1_TO_1 are") from None
    return fused


def broadcast_shape(call: Call, *infos: TensorInfo) -> Shape:
    """The common shape of the operands, which may differ in shape only up to MAX_BROADCAST_RANK."""
    common = infos[0].shape
    if all(info.shape == common for info in infos):
        return common
    rank = max(info.rank for info in infos)
    call.require(rank <= MAX_BROADCAST_RANK, f"operands that broadcast must have at most {MAX_BROADCAST_RANK} dimensions, found {rank}")
    for info in infos[1:]:
        common = broadcast_shapes(call, common, info.shape)
    return common


def is_wide_broadcast(call: Call) -> bool:
    """True for operands of different shapes, one of which has more than four dimensions."""
    a, b = call.input(0), call.input(1)
    return a.shape != b.shape and max(a.rank, b.rank) > 4


def require_same_output_type(call: Call, expected: TensorType) -> None:
    for output in call.outputs:
        call.require(output.type == expected, f"output '{output.name}' must be {expected.name}, found {output.type.name}")


def unary(allowed: Types, *, quantized: Types = QUANTIZED, plain_int16: bool = False) -> Inference:
    """Inference of an operator whose output is like its only operand.

    Operands of a type in `quantized` must have scales; with `plain_int16` an INT16 operand without one holds plain integers.
    """

    def infer(call: Call) -> Results:
        x = call.input(0)
        require_type(call, 0, allowed)
        require_same_output_type(call, x.type)
        if x.type in quantized and not (plain_int16 and is_plain_int16(x)):
            require_scales(call, x)
        return [(x.shape, x.type)]

    return infer


def is_plain_int16(info: TensorInfo) -> bool:
    return info.type is T.INT16 and not info.is_quantized


def _binary(allowed: Types, *, quantized: Types = QUANTIZED, plain_int16: bool = False, fused: bool = False) -> Inference:
    def infer(call: Call) -> Results:
        a, b = call.input(0), call.input(1)
        require_type(call, 0, allowed)
        require_equal_types(call)
        require_same_output_type(call, a.type)
        if fused:
            require_clamp(call)
        if a.type in quantized and not (plain_int16 and is_plain_int16(a)):
            require_scales(call, a, b)
        return [(broadcast_shape(call, a, b), a.type)]

    return infer


def _add_version(call: Call) -> int:
    x = call.input(0)
    if x.type is T.INT16:
        if is_plain_int16(x):
            return 5
        return 1 if call.options.pot_scale_int16 else 3
    return {T.FLOAT16: 6, T.INT64: 4, T.INT8: 2}.get(x.type, 1)


def _sub_version(call: Call) -> int:
    x = call.input(0)
    if x.type is T.INT16 and not call.options.pot_scale_int16:
        return 5
    if x.type is T.INT64:
        return 4
    if is_wide_broadcast(call):
        return 3
    return 2 if x.type is T.INT8 else 1


def _mul_version(call: Call) -> int:
    a, b = call.input(0), call.input(1)
    if is_plain_int16(a):
        return 7
    fixed = {T.FLOAT16: 8, T.UINT32: 7, T.COMPLEX64: 6, T.INT64: 5, T.INT16: 4}.get(a.type)
    if fixed is not None:
        return fixed
    scales = [np.float32(info.scale) for info in (a, b, *call.outputs) if info.is_quantized]
    if len(scales) == 3 and scales[0] * scales[1] / scales[2] >= 1:
        return 3
    return 2 if a.type is T.INT8 else 1


def _minimum_version(call: Call) -> int:
    if call.input(0).type is T.INT16:
        return 4
    if is_wide_broadcast(call):
        return 3
    return 2 if call.input(0).type is T.INT8 else 1


def _abs_version(call: Call) -> int:
    x = call.input(0)
    if x.type is T.INT16:
        return 3 if x.is_quantized else 4
    return {T.INT32: 5, T.INT8: 2, T.UINT8: 2}.get(x.type, 1)


def _add_n(call: Call) -> Results:
    x = call.input(0)
    require_type(call, 0, types(T.FLOAT32, T.INT32))
    require_equal_types(call)
    require_same_output_type(call, x.type)
    for index in range(1, len(call.inputs)):
        found = call.input(index).shape
        call.require(found == x.shape, f"operand {index} must have shape {x.shape} as the first has, found {found}")
    return [(x.shape, x.type)]


ADD = define(
    OpSpec(
        "ADD",
        BuiltinOperator.ADD,
        inputs=("input1", "input2"),
        infer=_binary(types(T.FLOAT32, T.FLOAT16, T.INT32, T.INT64, T.INT16, T.INT8, T.UINT8), plain_int16=True, fused=True),
        options=AddOptions,
        quant=FREE,
        version=_add_version,
        max_version=6,
    )
)
SUB = define(
    OpSpec(
        "SUB",
        BuiltinOperator.SUB,
        inputs=("input1", "input2"),
        infer=_binary(types(T.FLOAT32, T.INT32, T.INT64, T.INT16, T.INT8, T.UINT8), fused=True),
        options=SubOptions,
        quant=FREE,
        version=_sub_version,
        max_version=5,
    )
)
MUL = define(
    OpSpec(
        "MUL",
        BuiltinOperator.MUL,
        inputs=("input1", "input2"),
        infer=_binary(MULTIPLIED, plain_int16=True, fused=True),
        options=MulOptions,
        quant=FREE,
        version=_mul_version,
        max_version=8,
    )
)
DIV = define(
    OpSpec(
        "DIV",
        BuiltinOperator.DIV,
        inputs=("input1", "input2"),
        infer=_binary(types(T.FLOAT32, T.INT32, T.INT16, T.INT8, T.UINT8), fused=True),
        options=DivOptions,
        quant=FLOAT,
        version=lambda call: 2 if is_wide_broadcast(call) else 1,
        max_version=2,
    )
)
POW = define(
    OpSpec(
        "POW",
        BuiltinOperator.POW,
        inputs=("base", "exponent"),
        infer=_binary(types(T.FLOAT32, T.INT32)),
        options=PowOptions,
        quant=FLOAT,
    )
)


def _define_extremum(name: str) -> OpSpec:
    return define(
        OpSpec(
            name,
            BuiltinOperator[name],
            inputs=("input1", "input2"),
            infer=_binary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.INT32, T.INT64, T.INT16, T.INT8, T.UINT8), quantized=types()),
            options=MaximumMinimumOptions,
            quant=SAME,
            version=_minimum_version,
            max_version=4,
        )
    )


MINIMUM = _define_extremum("MINIMUM")
MAXIMUM = _define_extremum("MAXIMUM")
SQUARED_DIFFERENCE = define(
    OpSpec(
        "SQUARED_DIFFERENCE",
        BuiltinOperator.SQUARED_DIFFERENCE,
        inputs=("input1", "input2"),
        infer=_binary(types(T.FLOAT32, T.INT32, T.INT8)),
        options=SquaredDifferenceOptions,
        quant=FREE,
        version=version_by_type({T.INT8: 2}),
        max_version=2,
    )
)
FLOOR_DIV = define(
    OpSpec(
        "FLOOR_DIV",
        BuiltinOperator.FLOOR_DIV,
        inputs=("dividend", "divisor"),
        infer=_binary(types(T.FLOAT32, T.INT32, T.INT16, T.INT8), quantized=types()),
        options=FloorDivOptions,
        quant=FLOAT,
        version=version_by_type({T.FLOAT32: 2, T.INT16: 3, T.INT8: 3}),
        max_version=3,
    )
)
FLOOR_MOD = define(
    OpSpec(
        "FLOOR_MOD",
        BuiltinOperator.FLOOR_MOD,
        inputs=("dividend", "divisor"),
        infer=_binary(types(T.FLOAT32, T.INT32, T.INT64, T.INT16, T.INT8), quantized=types()),
        options=FloorModOptions,
        quant=FLOAT,
        version=version_by_type({T.INT16: 2, T.INT8: 2}),
        max_version=2,
    )
)
ADD_N = define(OpSpec("ADD_N", BuiltinOperator.ADD_N, inputs=("input", "inputs*"), infer=_add_n, options=AddNOptions, quant=FLOAT))

ABS = define(
    OpSpec(
        "ABS",
        BuiltinOperator.ABS,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.INT32, T.INT16, T.INT8), plain_int16=True),
        options=AbsOptions,
        quant=FREE,
        version=_abs_version,
        max_version=5,
    )
)
NEG = define(
    OpSpec(
        "NEG",
        BuiltinOperator.NEG,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.INT32, T.INT64, T.INT16, T.INT8), quantized=types()),
        options=NegOptions,
        quant=FLOAT,
    )
)
EXP = define(
    OpSpec(
        "EXP",
        BuiltinOperator.EXP,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.INT16, T.INT8)),
        options=ExpOptions,
        quant=FREE,
        version=version_by_type({T.INT8: 2, T.INT16: 2}),
        max_version=2,
    )
)
LOG = define(
    OpSpec(
        "LOG",
        BuiltinOperator.LOG,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.INT16, T.INT8)),
        quant=FREE,
        version=version_by_type({T.INT8: 2, T.INT16: 2}),
        max_version=2,
    )
)
SQRT = define(
    OpSpec(
        "SQRT",
        BuiltinOperator.SQRT,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.INT16, T.INT8)),
        quant=FREE,
        version=version_by_type({T.INT8: 2, T.INT16: 2}),
        max_version=2,
    )
)
RSQRT = define(
    OpSpec(
        "RSQRT",
        BuiltinOperator.RSQRT,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.INT16, T.INT8)),
        quant=FREE,
        version=version_by_type({T.INT8: 2, T.INT16: 3}),
        max_version=3,
    )
)
SQUARE = define(
    OpSpec("SQUARE", BuiltinOperator.SQUARE, inputs=("input",), infer=unary(types(T.FLOAT32)), options=SquareOptions, quant=FLOAT)
)
SIN = define(
    OpSpec(
        "SIN",
        BuiltinOperator.SIN,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.FLOAT16)),
        quant=FLOAT,
        version=version_by_type({T.FLOAT16: 2}),
        max_version=2,
    )
)
COS = define(
    OpSpec(
        "COS",
        BuiltinOperator.COS,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.FLOAT16)),
        options=CosOptions,
        quant=FLOAT,
        version=version_by_type({T.FLOAT16: 2}),
        max_version=2,
    )
)
FLOOR = define(OpSpec("FLOOR", BuiltinOperator.FLOOR, inputs=("input",), infer=unary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16)), quant=FLOAT))
CEIL = define(OpSpec("CEIL", BuiltinOperator.CEIL, inputs=("input",), infer=unary(types(T.FLOAT32)), quant=FLOAT))
ROUND = define(OpSpec("ROUND", BuiltinOperator.ROUND, inputs=("input",), infer=unary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16)), quant=FLOAT))
SIGN = define(
    OpSpec(
        "SIGN",
        BuiltinOperator.SIGN,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.FLOAT64, T.INT32)),
        options=SignOptions,
        quant=FLOAT,
        version=version_by_type({T.INT32: 2}),
        max_version=2,
    )
)
