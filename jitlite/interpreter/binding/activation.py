"""Bindings of activation functions and of the normalisations along the last dimension."""

import math
from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding import elementwise_q8, elementwise_q16, interpolation, lookup
from jitlite.interpreter.binding.broadcast import walk
from jitlite.interpreter.binding.fixed_point import exp_of_negative, rounding_divide
from jitlite.interpreter.binding.registry import BINDINGS, Argument, Bound, Step, binds, fuses, kernels, no_kernel
from jitlite.interpreter.binding.widening import through_float32
from jitlite.schemas.affine import activation_bounds, multiply_by_quantized_multiplier, quantize_multiplier
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.ops.activation import (
    ELU,
    GELU,
    HARD_SWISH,
    L2_NORMALIZATION,
    LEAKY_RELU,
    LOG_SOFTMAX,
    LOGISTIC,
    PRELU,
    RELU,
    RELU6,
    RELU_0_TO_1,
    RELU_N1_TO_1,
    SOFTMAX,
    TANH,
)
from jitlite.schemas.ops.spec import Call, OpSpec, TensorInfo
from jitlite.schemas.record import replace
from jitlite.schemas.tables import ActivationFunctionType, BuiltinOperator, TensorType

K = kernels("activation")
ROWS = kernels("softmax")
RARE = {"q8": kernels("activation_q8"), "q16": kernels("softmax_q16")}
"""Families compiled when a plan first needs them, not with every model that has such operators."""
T = TensorType

_INT16_MAX = 2**15 - 1
_FLOAT_MAX = float(np.finfo(np.float32).max)
_DIFFERENCES = np.arange(256)
_ONE, _HALF = np.float32(1), np.float32(0.5)


def _bind_clamp(spec: OpSpec, low: float, high: float) -> None:
    def bind(call: Call) -> Step:
        x, y = call.input(0), call.outputs[0]
        if x.type is T.FLOAT32:
            return K.step("clamp_f32", x=x, y=y, count=x.size, low=low, high=high)
        if x.type in lookup.EIGHT_BITS:
            results = lookup.requantized(x, y, lookup.byte_values(x.type) - x.zero_point)
            return lookup.lookup(x, y, np.clip(results, _on_grid(y, low), _on_grid(y, high)))
        if x.type is T.INT16:
            results = lookup.requantized(x, y, interpolation.values())
            return interpolation.step(x, y, np.clip(results, _on_grid(y, low), _on_grid(y, high)))
        raise no_kernel(call, "FLOAT32, INT8, UINT8")

    binds(spec)(bind)


def _on_grid(info: TensorInfo, real: float) -> float:
    """A bound in the quantized domain, halves away from zero."""
    ratio = float(np.float32(real) / lookup.scale_of(info))
    return ratio if math.isinf(ratio) else info.zero_point + math.trunc(ratio + math.copysign(0.5, ratio))


_bind_clamp(RELU, 0, math.inf)
_bind_clamp(RELU6, 0, 6)
_bind_clamp(RELU_N1_TO_1, -1, 1)
_bind_clamp(RELU_0_TO_1, 0, 1)


def _with_activation(first: Call, second: Call) -> Bound | None:
    """The first operator with the second as its activation, unless it has one or the second changes the scale."""
    x, y = first.outputs[0], second.outputs[0]
    is_same = x.type is T.FLOAT32 or (x.type in lookup.EIGHT_BITS and (x.scale, x.zero_point) == (y.scale, y.zero_point))
    if first.options.fused_activation_function != ActivationFunctionType.NONE or not is_same:
        return None
    options = copy(first.options)
    options.fused_activation_function = ActivationFunctionType[second.spec.name]
    return BINDINGS[first.spec](replace(first, options=options, outputs=second.outputs))


for _first in (
    BuiltinOperator.ADD,
    BuiltinOperator.AVERAGE_POOL_2D,
    BuiltinOperator.CONV_2D,
    BuiltinOperator.DEPTHWISE_CONV_2D,
    BuiltinOperator.DIV,
    BuiltinOperator.FULLY_CONNECTED,
    BuiltinOperator.MAX_POOL_2D,
    BuiltinOperator.MUL,
    BuiltinOperator.SUB,
    BuiltinOperator.TRANSPOSE_CONV,
):
    for _second in (BuiltinOperator.RELU, BuiltinOperator.RELU6, BuiltinOperator.RELU_N1_TO_1):
        fuses(_first, _second)(_with_activation)


@binds(LEAKY_RELU)
def leaky_relu(call: Call) -> Step:
    x, y, alpha = call.input(0), call.outputs[0], np.float32(call.options.alpha)
    if x.type is T.FLOAT32:
        return K.step("leaky_relu_f32", x=x, y=y, count=x.size, alpha=float(alpha))
    if x.type in lookup.EIGHT_BITS:
        values = lookup.byte_values(x.type) - x.zero_point
        falling = lookup.requantized(x, y, values, float(lookup.scale_of(x) * alpha / lookup.scale_of(y)))
        return lookup.lookup(x, y, np.where(values >= 0, lookup.requantized(x, y, values), falling))
    if x.type is T.INT16:
        values = interpolation.values()
        falling = lookup.requantized(x, y, values, float(lookup.scale_of(x) * alpha / lookup.scale_of(y)))
        return interpolation.step(x, y, np.where(values >= 0, lookup.requantized(x, y, values), falling))
    raise no_kernel(call, "FLOAT32, INT8, UINT8")


@binds(PRELU)
def prelu(call: Call) -> Step:
    x, alpha, y = call.input(0), call.input(1), call.outputs[0]
    steps = walk(y.shape, x.shape, alpha.shape)
    if x.type is T.FLOAT32:
        return kernels("prelu").step("prelu_f32", a=x, b=alpha, y=y, walk=steps, settings=np.zeros(1, np.float64))
    if x.type in elementwise_q8.SUFFIXES:
        return elementwise_q8.prelu(call)
    if x.type is T.INT16:
        return elementwise_q16.prelu(call)
    raise no_kernel(call, "FLOAT32, INT8, UINT8")


def _real(call: Call, kernel: str, function: Callable[[lookup.Floats], lookup.Floats]) -> Step:
    """A function of real numbers: a kernel in float32, a table in int8."""
    x, y = call.input(0), call.outputs[0]
    if x.type is T.FLOAT32:
        return K.step(f"{kernel}_f32", x=x, y=y, count=x.size)
    if x.type in lookup.EIGHT_BITS:
        return lookup.lookup_real(x, y, function)
    if x.type is T.INT16:
        return interpolation.real_function(x, y, function)
    raise no_kernel(call, "FLOAT32, INT8, UINT8")


@binds(ELU)
def elu(call: Call) -> Step:
    return _real(call, "elu", lambda x: np.where(x < 0, lookup.in_float32(math.expm1)(np.minimum(x, 0)), x))


def _logistic(x: lookup.Floats) -> lookup.Floats:
    return _ONE / (_ONE + lookup.in_float32(math.exp)(-x))


@binds(LOGISTIC)
@through_float32
def logistic(call: Call) -> Step:
    if call.input(0).type is T.INT16:
        return interpolation.logistic(call.input(0), call.outputs[0])
    return _real(call, "logistic", _logistic)


@fuses(BuiltinOperator.LOGISTIC, BuiltinOperator.MUL)
def gate(first: Call, second: Call) -> Step | None:
    """A factor of x's shape times logistic(x) in float32; x · logistic(x) of bytes as a table."""
    x, between, y = first.input(0), first.outputs[0], second.outputs[0]
    factors = [info for info in (second.input(0), second.input(1)) if info.index != between.index]
    if len(factors) != 1:
        return None
    factor = factors[0]
    if x.type is T.FLOAT32 and factor.shape == x.shape:
        low, high = activation_bounds(second.options.fused_activation_function)
        bounds = {"low": max(low, -_FLOAT_MAX), "high": min(high, _FLOAT_MAX)}
        return K.step("logistic_product_f32", x=x, factor=factor, y=y, count=x.size, **bounds)
    if x.type in lookup.EIGHT_BITS and factor.index == x.index:
        logistics = lookup.real_results(x, between, _logistic) - between.zero_point
        products = (lookup.byte_values(x.type) - x.zero_point) * logistics
        return lookup.lookup(x, y, elementwise_q8.rescaled_products(second, products))
    return None


@binds(TANH)
@through_float32
def tanh(call: Call) -> Step:
    if call.input(0).type is T.INT16:
        return interpolation.tanh(call.input(0), call.outputs[0])
    return _real(call, "tanh", lookup.in_float32(math.tanh))


@binds(GELU)
@through_float32
def gelu(call: Call) -> Step:
    if call.options.approximate:
        return _real(call, "gelu_tanh", _gelu_tanh)
    return _real(call, "gelu", lambda x: _HALF * x * lookup.in_float32(math.erfc)(x * np.float32(-math.sqrt(0.5))))


def _gelu_tanh(x: lookup.Floats) -> lookup.Floats:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    found: lookup.Floats = _HALF * x * (_ONE + lookup.in_float32(math.tanh)(inner))
    return found


@binds(HARD_SWISH)
def hard_swish(call: Call) -> Step:
    x, y = call.input(0), call.outputs[0]
    if x.type is T.FLOAT32:
        return K.step("hard_swish_f32", x=x, y=y, count=x.size)
    if x.type in lookup.EIGHT_BITS:
        return lookup.lookup(x, y, _hard_swish(x, y))
    raise no_kernel(call, "FLOAT32, INT8, UINT8")


def _int16_multiplier(real: float) -> tuple[int, int]:
    """A multiplier with a 15-bit mantissa, rounded from the 31-bit one, and its shift."""
    mantissa, shift = quantize_multiplier(real)
    return min((mantissa + 2**15) >> 16, _INT16_MAX), shift


def _shifted_left_16(values: lookup.Integers, exponent: int) -> lookup.Integers:
    found: lookup.Integers = np.clip(values << exponent, -(2**15), _INT16_MAX)
    return found


def _hard_swish(x: TensorInfo, y: TensorInfo) -> lookup.Integers:
    """16-bit fixed point: x on a scale 128 times finer, times a multiplier in [0, 1] that grows with x between -3 and 3."""
    fine_scale = np.float32(1 / 128) * lookup.scale_of(x)
    output_mantissa, output_shift = _int16_multiplier(float(fine_scale / lookup.scale_of(y)))
    slope_mantissa, slope_shift = _int16_multiplier(float(fine_scale / (np.float32(3) / np.float32(32768))))
    fine = (lookup.byte_values(x.type) - x.zero_point) * 128
    slope = _shifted_left_16(fine, slope_shift - 1) if slope_shift > 0 else fine
    slope = (slope * slope_mantissa + (1 << 14)) >> 15
    if slope_shift > 0:
        slope = _shifted_left_16(slope, 1)
    slope = (rounding_divide(slope, max(-slope_shift, 0)) + 2**15) >> 1
    product = slope * ((fine * output_mantissa + (1 << 14)) >> 15)
    truncated = np.where(product >= 0, product >> 15, -(-product >> 15))
    found: lookup.Integers = rounding_divide(truncated, -output_shift) + y.zero_point
    return found


def _rows(call: Call) -> dict[str, Any]:
    x = call.input(0)
    depth = x.shape[-1]
    return {"x": x, "y": call.outputs[0], "rows": x.size // depth if depth else 0, "depth": depth}


def _difference_multiplier(x: TensorInfo, beta: float) -> tuple[int, int]:
    """The multiplier that brings differences of bytes, times beta, to Q5.26."""
    real = beta * float(lookup.scale_of(x)) * 2**26
    return quantize_multiplier(min(real, 2.0**31 - 1))


def _least_difference(shift: int) -> int:
    """Differences below this would overflow Q5.26; their exponentials do not count."""
    return -((31 << 26) >> shift)


def _exponentials(x: TensorInfo, beta: float) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """For each difference 0 … -255: the difference in Q5.26, its exponential in Q0.31 and in Q12.19, 0 where it is too small to count."""
    mantissa, shift = _difference_multiplier(x, beta)
    counts = -_least_difference(shift) >= _DIFFERENCES
    scaled = multiply_by_quantized_multiplier(np.where(counts, -_DIFFERENCES, 0).astype(np.int32), mantissa, shift)
    values = np.array([exp_of_negative(value) for value in scaled.tolist()], np.int64)
    weights = np.where(counts, rounding_divide(values, 12), 0).astype(np.int32)
    return scaled, np.where(counts, values, 0).astype(np.int32), weights


def _summed(weights: NDArray[np.int32], others: NDArray[np.int32]) -> dict[str, Argument]:
    """Arguments that sum rows' exponentials up: the weights, and tables of their bytes and those of `others`."""
    planes = [weights >> bits & 255 for bits in (0, 8, 16)] + [others >> bits & 255 for bits in (0, 8, 16, 24)]
    return {"weights": weights, "planes": np.stack(planes).astype(np.uint8)}


def _flip(x: TensorInfo) -> int:
    """What makes patterns of a type's values ascend."""
    return 128 if x.type is T.INT8 else 0


@binds(SOFTMAX)
@through_float32
def softmax(call: Call) -> Step:
    x, y, beta = call.input(0), call.outputs[0], float(np.float32(call.options.beta))
    if x.type is T.FLOAT32:
        return ROWS.step("softmax_f32", **_rows(call), beta=beta)
    if x.type in lookup.EIGHT_BITS:
        _, exponentials, weights = _exponentials(x, beta)
        # Less than half of 1/256 rounds to 0, whatever the sum, which is 1 at least.
        reach = int(np.count_nonzero(exponentials >= 2**22))
        kernel = "softmax_8_16" if y.type is T.INT16 else "softmax_8"
        return RARE["q8"].step(
            kernel, **_rows(call), flip=_flip(x), exponentials=exponentials, reach=reach, **_summed(weights, exponentials)
        )
    if x.type is T.INT16:
        return _softmax_q16(call)
    raise no_kernel(call, "FLOAT32, INT8, UINT8, INT16")


def _softmax_q16(call: Call) -> Step:
    """Differences from the row's largest element are looked up: their exponentials, 65535 of them for 10."""
    exponentials, inverses = interpolation.tables_of_softmax()
    real = float(lookup.scale_of(call.input(0)) * np.float32(call.options.beta)) / (10.0 / 65535.0)
    scaled = multiply_by_quantized_multiplier(-np.arange(2**16, dtype=np.int32), *quantize_multiplier(real)).astype(np.int64)
    places = np.clip(scaled + _INT16_MAX, -(2**15), _INT16_MAX) + 2**15
    tables = {"exponentials": exponentials[places].astype(np.int16), "inverses": inverses.astype(np.int16)}
    return RARE["q16"].step("softmax_16", **_rows(call), **tables)


@binds(LOG_SOFTMAX)
def log_softmax(call: Call) -> Step:
    x = call.input(0)
    if x.type is T.FLOAT32:
        return ROWS.step("log_softmax_f32", **_rows(call))
    if x.type in lookup.EIGHT_BITS:
        mantissa, shift = _difference_multiplier(x, 1.0)
        scaled, _, weights = _exponentials(x, 1.0)
        back = quantize_multiplier(2.0 ** (31 - shift) / mantissa)
        settings = np.array([_least_difference(shift), *back], np.int64)
        return RARE["q8"].step("log_softmax_8", **_rows(call), flip=_flip(x), scaled=scaled, settings=settings, **_summed(weights, scaled))
    raise no_kernel(call, "FLOAT32, INT8, UINT8")


@binds(L2_NORMALIZATION)
def l2_normalization(call: Call) -> Step:
    x = call.input(0)
    if x.type is T.FLOAT32:
        return ROWS.step("l2_normalization_f32", **_rows(call))
    if x.type in lookup.EIGHT_BITS:
        # The reference multiplies UINT8 elements by 128 first, and INT8 ones by shifting less.
        unit, bits = (1, 7) if x.type is T.INT8 else (128, 0)
        settings = np.array([unit, bits, call.outputs[0].zero_point, *INTEGER_RANGE[x.type]], np.int64)
        suffix = elementwise_q8.SUFFIXES[x.type]
        return RARE["q8"].step(f"l2_normalization_{suffix}", **_rows(call), zero_point=x.zero_point, settings=settings)
    raise no_kernel(call, "FLOAT32, INT8, UINT8")
