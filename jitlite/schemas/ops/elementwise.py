"""Element-by-element arithmetic: one or two operands (ADD_N: more), broadcasting from the trailing dimension."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.ops.shapes import broadcast_shapes
from jitlite.schemas.ops.spec import Call, Inference, OpSpec, Quant, QuantKind, Shape, TensorInfo, define
from jitlite.schemas.table import Table
from jitlite.schemas.tables import (
    AbsOptions,
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
        if not call.spec.sets_type:
            require_same_output_type(call, x.type)
        if x.type in quantized and not (plain_int16 and is_plain_int16(x)):
            require_scales(call, x)
        return [(x.shape, x.type)]

    return infer


def is_plain_int16(info: TensorInfo) -> bool:
    return info.type is T.INT16 and not info.is_quantized


def _binary(allowed: Types, *, quantized: Types = QUANTIZED, plain_int16: bool = False) -> Inference:
    def infer(call: Call) -> Results:
        a, b = call.input(0), call.input(1)
        require_type(call, 0, allowed)
        require_equal_types(call)
        require_same_output_type(call, a.type)
        if a.type in quantized and not (plain_int16 and is_plain_int16(a)):
            require_scales(call, a, b)
        return [(broadcast_shape(call, a, b), a.type)]

    return infer


_extremum = _binary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.INT32, T.INT64, T.INT16, T.INT8, T.UINT8), quantized=types())


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


def _extremum_version(call: Call) -> int:
    if call.input(0).type is T.INT16:
        return 4
    if is_wide_broadcast(call):
        return 3
    return 2 if call.input(0).type is T.INT8 else 1


def _div_version(call: Call) -> int:
    return 2 if is_wide_broadcast(call) else 1


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


def _define_binary(
    name: str,
    options: type[Table],
    infer: Inference,
    quant: Quant = FLOAT,
    version: Callable[[Call], int] = lambda call: 1,
    max_version: int = 1,
) -> OpSpec:
    code = BuiltinOperator[name]
    return define(OpSpec(name, code, ("input1", "input2"), infer, options=options, quant=quant, version=version, max_version=max_version))


def _define_unary(
    name: str, infer: Inference, options: type[Table] | None = None, quant: Quant = FLOAT, versions: dict[TensorType, int] | None = None
) -> OpSpec:
    """Defines an operator of one operand; `versions` lists the types that need more than version 1."""
    versions, code = versions or {}, BuiltinOperator[name]
    version, most = version_by_type(versions), max(versions.values(), default=1)
    return define(OpSpec(name, code, ("input",), infer, options=options, quant=quant, version=version, max_version=most))


_ARITHMETIC = types(T.FLOAT32, T.INT32, T.INT64, T.INT16, T.INT8, T.UINT8)
_SCALED = types(T.FLOAT32, T.INT16, T.INT8)

ADD = _define_binary("ADD", AddOptions, _binary(_ARITHMETIC | {T.FLOAT16}, plain_int16=True), FREE, _add_version, 6)
SUB = _define_binary("SUB", SubOptions, _binary(_ARITHMETIC), FREE, _sub_version, 5)
MUL = _define_binary("MUL", MulOptions, _binary(_ARITHMETIC | {T.FLOAT16, T.UINT32, T.COMPLEX64}, plain_int16=True), FREE, _mul_version, 8)
DIV = _define_binary("DIV", DivOptions, _binary(_ARITHMETIC - {T.INT64}), FLOAT, _div_version, 2)
POW = _define_binary("POW", PowOptions, _binary(types(T.FLOAT32, T.INT32)))
MINIMUM = _define_binary("MINIMUM", MaximumMinimumOptions, _extremum, SAME, _extremum_version, 4)
MAXIMUM = _define_binary("MAXIMUM", MaximumMinimumOptions, _extremum, SAME, _extremum_version, 4)
SQUARED_DIFFERENCE = _define_binary(
    "SQUARED_DIFFERENCE", SquaredDifferenceOptions, _binary(types(T.FLOAT32, T.INT32, T.INT8)), FREE, version_by_type({T.INT8: 2}), 2
)
FLOOR_DIV = _define_binary(
    "FLOOR_DIV",
    FloorDivOptions,
    _binary(types(T.FLOAT32, T.INT32, T.INT16, T.INT8), quantized=types()),
    version=version_by_type({T.FLOAT32: 2, T.INT16: 3, T.INT8: 3}),
    max_version=3,
)
FLOOR_MOD = _define_binary(
    "FLOOR_MOD",
    FloorModOptions,
    _binary(types(T.FLOAT32, T.INT32, T.INT64, T.INT16, T.INT8), quantized=types()),
    version=version_by_type({T.INT16: 2, T.INT8: 2}),
    max_version=2,
)
ADD_N = define(OpSpec("ADD_N", BuiltinOperator.ADD_N, ("input", "inputs*"), _add_n, options=AddNOptions, quant=FLOAT))

ABS = define(
    OpSpec(
        "ABS",
        BuiltinOperator.ABS,
        ("input",),
        unary(_SCALED | {T.INT32}, plain_int16=True),
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
        ("input",),
        unary(_SCALED | {T.FLOAT16, T.BFLOAT16, T.INT32, T.INT64}, quantized=types()),
        options=NegOptions,
        quant=FLOAT,
        sets_type=True,
    )
)
EXP = _define_unary("EXP", unary(_SCALED), ExpOptions, FREE, {T.INT8: 2, T.INT16: 2})
LOG = _define_unary("LOG", unary(_SCALED), None, FREE, {T.INT8: 2, T.INT16: 2})
SQRT = _define_unary("SQRT", unary(_SCALED), None, FREE, {T.INT8: 2, T.INT16: 2})
RSQRT = _define_unary("RSQRT", unary(_SCALED), None, FREE, {T.INT8: 2, T.INT16: 3})
SQUARE = _define_unary("SQUARE", unary(types(T.FLOAT32)), SquareOptions)
SIN = _define_unary("SIN", unary(types(T.FLOAT32, T.FLOAT16)), None, FLOAT, {T.FLOAT16: 2})
COS = _define_unary("COS", unary(types(T.FLOAT32, T.FLOAT16)), CosOptions, FLOAT, {T.FLOAT16: 2})
FLOOR = _define_unary("FLOOR", unary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16)))
CEIL = _define_unary("CEIL", unary(types(T.FLOAT32)))
ROUND = _define_unary("ROUND", unary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16)))
SIGN = _define_unary("SIGN", unary(types(T.FLOAT32, T.FLOAT64, T.INT32)), SignOptions, FLOAT, {T.INT32: 2})
