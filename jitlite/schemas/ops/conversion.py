"""Changes of a tensor's number format: CAST between plain types, QUANTIZE and DEQUANTIZE to and from affine grids."""

from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.ops.elementwise import FLOAT, FREE, Results, require_type, types
from jitlite.schemas.ops.spec import Call, OpSpec, TensorInfo, define
from jitlite.schemas.tables import BuiltinOperator, CastOptions, DequantizeOptions, QuantizeOptions, TensorType

T = TensorType
FLOAT8 = types(T.FLOAT8_E4M3FN, T.FLOAT8_E5M2)
PACKED = types(T.INT2, T.INT4, T.UINT4)
PLAIN = types(
    T.FLOAT32, T.FLOAT64, T.FLOAT16, T.BFLOAT16, T.INT64, T.INT32, T.UINT32, T.INT16, T.UINT16, T.INT8, T.UINT8, T.BOOL, T.COMPLEX64
)
"""The types any of which CAST turns into any other; packed ones are cast to and from FLOAT32 alone."""

REQUANTIZATIONS = {
    T.FLOAT32: types(T.INT8, T.UINT8, T.INT16, T.INT4, T.UINT4),
    T.INT8: types(T.INT8, T.UINT8, T.INT16),
    T.UINT8: types(T.INT8, T.UINT8, T.INT16),
    T.INT16: types(T.INT8, T.INT16, T.INT32),
    T.INT32: types(T.INT8, T.INT16),
}
"""What QUANTIZE turns each type into."""


def _cast_result(call: Call) -> TensorType:
    if call.outputs:
        return call.outputs[0].type
    if call.options is not None:
        result: TensorType = call.options.out_data_type
        return result
    raise call.invalid("an output type is required, found neither a declared output nor options")


def _cast(call: Call) -> Results:
    x, result = call.input(0), _cast_result(call)
    require_type(call, 0, PLAIN | PACKED | FLOAT8)
    if x.type in PACKED:
        allowed = FLOAT8 | {T.FLOAT32}
    elif x.type is T.FLOAT32:
        allowed = PLAIN | PACKED | FLOAT8
    else:
        allowed = PLAIN | FLOAT8
    call.require(result in allowed, f"a result of type {', '.join(sorted(t.name for t in allowed))} is required, found {result.name}")
    return [(x.shape, result)]


def _cast_version(call: Call) -> int:
    ends = {call.input(0).type, _cast_result(call)}
    if ends & FLOAT8:
        return 9
    if ends & {T.INT2, T.UINT4}:
        return 8
    if T.BFLOAT16 in ends:
        return 7
    if call.input(0).type is T.INT4:
        return 6
    if ends & {T.FLOAT64, T.FLOAT16}:
        return 5
    for member, version in ((T.UINT16, 4), (T.INT8, 3), (T.UINT32, 2)):
        if member in ends:
            return version
    return 1


def is_per_channel(info: TensorInfo) -> bool:
    return info.quantization is not None and len(info.quantization.scale) > 1


def require_grid(call: Call, info: TensorInfo) -> None:
    """The tensor must have one scale and zero point, or as many as its quantized dimension is long."""
    call.require(info.is_quantized, f"{info.type.name} tensor '{info.name}' must be quantized, found no scale")
    assert info.quantization is not None
    scales, zero_points = info.quantization.scale, info.quantization.zero_point
    call.require(all(scale > 0 for scale in scales), f"tensor '{info.name}' must have positive scales, found {min(scales)}")
    call.require(
        len(zero_points) in (0, 1, len(scales)), f"tensor '{info.name}' must have 1 or {len(scales)} zero points, found {len(zero_points)}"
    )
    low, high = INTEGER_RANGE.get(info.type, (0, 0))
    fit = info.type in PACKED or all(low <= zero_point <= high for zero_point in zero_points)
    call.require(fit, f"tensor '{info.name}' must have zero points from {low} to {high}, found {zero_points}")
    if len(scales) > 1:
        axis = info.quantization.quantized_dimension
        call.require(0 <= axis < info.rank, f"tensor '{info.name}' must have its quantized dimension below {info.rank}, found {axis}")
        call.require(info.shape[axis] == len(scales), f"tensor '{info.name}' must have {info.shape[axis]} scales, found {len(scales)}")


def has_lost_scale(x: TensorInfo) -> bool:
    """True for integers without a scale, which the converter leaves behind a NEG of such numbers; LiteRT takes it for a scale of 0."""
    return x.type in (T.INT8, T.INT16) and not x.is_quantized


def _require_symmetric(call: Call, *infos: TensorInfo) -> None:
    for info in infos:
        call.require(info.zero_point == 0, f"INT16 tensor '{info.name}' must have zero point 0, found {info.zero_point}")


def _quantize(call: Call) -> Results:
    x = call.input(0)
    require_type(call, 0, REQUANTIZATIONS)
    call.require(bool(call.outputs), "a declared output is required for its type, found none")
    y = call.outputs[0]
    allowed = REQUANTIZATIONS[x.type]
    call.require(y.type in allowed, f"a result of type {', '.join(sorted(t.name for t in allowed))} is required, found {y.type.name}")
    if x.type is not T.FLOAT32:
        if not has_lost_scale(x):
            require_grid(call, x)
        call.require(not is_per_channel(x) and not is_per_channel(y), "one scale is required where integers are requantized, found several")
    require_grid(call, TensorInfo(x.shape, y.type, quantization=y.quantization, name=y.name))
    if x.type is y.type is T.INT16:
        _require_symmetric(call, x, y)
    return [(x.shape, y.type)]


def _quantize_version(call: Call) -> int:
    x, y = call.input(0), call.outputs[0]
    if T.UINT4 in (x.type, y.type):
        return 5
    if T.INT4 in (x.type, y.type):
        return 4
    if is_per_channel(y):
        return 3
    return 2 if y.type is T.INT16 else 1


def _dequantize(call: Call) -> Results:
    x = call.input(0)
    require_type(call, 0, PACKED | FLOAT8 | {T.INT8, T.UINT8, T.INT16, T.FLOAT16})
    for output in call.outputs:
        call.require(output.type is T.FLOAT32, f"output '{output.name}' must be FLOAT32, found {output.type.name}")
    if x.type not in FLOAT8 | {T.FLOAT16}:
        require_grid(call, x)
    if x.type is T.INT16:
        call.require(not is_per_channel(x), "an INT16 operand must have one scale, found several")
        _require_symmetric(call, x)
    return [(x.shape, T.FLOAT32)]


def _dequantize_version(call: Call) -> int:
    x = call.input(0)
    if x.type is T.INT8:
        return 5 if is_per_channel(x) else 2
    if x.type in FLOAT8:
        return 9
    return {T.UINT4: 8, T.INT2: 7, T.INT4: 6, T.INT16: 3, T.FLOAT16: 3}.get(x.type, 1)


CAST = define(
    OpSpec(
        "CAST",
        BuiltinOperator.CAST,
        inputs=("input",),
        infer=_cast,
        options=CastOptions,
        options_optional=True,
        quant=FLOAT,
        version=_cast_version,
        max_version=9,
    )
)
QUANTIZE = define(
    OpSpec(
        "QUANTIZE",
        BuiltinOperator.QUANTIZE,
        inputs=("input",),
        infer=_quantize,
        options=QuantizeOptions,
        quant=FREE,
        version=_quantize_version,
        max_version=6,
    )
)
DEQUANTIZE = define(
    OpSpec(
        "DEQUANTIZE",
        BuiltinOperator.DEQUANTIZE,
        inputs=("input",),
        infer=_dequantize,
        options=DequantizeOptions,
        quant=FLOAT,
        version=_dequantize_version,
        max_version=9,
    )
)
