"""Element-by-element arithmetic on INT16 operands with scales."""

import math

import numpy as np

from jitlite.interpreter.binding import lookup
from jitlite.interpreter.binding.broadcast import walk
from jitlite.interpreter.binding.registry import Step, kernels
from jitlite.schemas.affine import quantize_multiplier, quantized_activation_range
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

K = kernels("elementwise_i16")

_SUM_SHIFT = 15


def _step(call: Call, kernel: str, settings: list[int]) -> Step:
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    return K.step(kernel, a=a, b=b, y=y, walk=walk(y.shape, a.shape, b.shape), settings=np.array(settings, np.int64))


def _limits(call: Call) -> tuple[int, int]:
    y = call.outputs[0]
    return quantized_activation_range(call.options.fused_activation_function, y.scale, y.zero_point, y.type)


def _power(info: TensorInfo) -> int | None:
    """The exponent of a scale that is a power of two, up to what the reference allows; None for others."""
    exponent = math.log2(float(lookup.scale_of(info)))
    return round(exponent) if abs(exponent - round(exponent)) < 1e-3 else None


def sum_of(call: Call, sign: int) -> Step:
    """ADD (`sign` 1) and SUB (-1): by shifts where all scales are powers of two and the options say so."""
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    powers = _power(a), _power(b), _power(y)
    if call.options.pot_scale_int16 and None not in powers:
        shifts = [(powers[2] or 0) - (power or 0) for power in powers[:2]]
        if min(shifts) != 0:
            found = f"2^{powers[0]}, 2^{powers[1]} and 2^{powers[2]}"
            raise call.unsupported(
                f"an operand with the output's scale and one with at most that are supported where scales are powers, found {found}"
            )
        return _step(call, "shifted_sum_qs16", [*(min(shift, 31) for shift in shifts), sign, *_limits(call)])
    a_scale, b_scale = float(lookup.scale_of(a)), float(lookup.scale_of(b))
    twice = 2 * max(a_scale, b_scale)
    output = quantize_multiplier(twice / (2.0**_SUM_SHIFT * float(lookup.scale_of(y))))
    sides = [*quantize_multiplier(a_scale / twice), *quantize_multiplier(b_scale / twice)]
    return _step(call, "sum_qs16", [_SUM_SHIFT, *sides, sign, *output, *_limits(call)])


def product(call: Call) -> Step:
    """MUL."""
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    real = float(lookup.scale_of(a) * lookup.scale_of(b) / lookup.scale_of(y))
    return _step(call, "product_qs16", [*quantize_multiplier(real), *_limits(call)])


def quotient(call: Call) -> Step:
    """DIV; a divisor of 0 gives anything."""
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    real = float(lookup.scale_of(a) / (lookup.scale_of(b) * lookup.scale_of(y)))
    return _step(call, "quotient_qs16", [*quantize_multiplier(real), *_limits(call)])


def prelu(call: Call) -> Step:
    x, alpha, y = call.input(0), call.input(1), call.outputs[0]
    rising = quantize_multiplier(float(lookup.scale_of(x) / lookup.scale_of(y)))
    falling = quantize_multiplier(float(lookup.scale_of(x) * lookup.scale_of(alpha) / lookup.scale_of(y)))
    return _step(call, "prelu_qs16", [alpha.zero_point, *rising, *falling, *INTEGER_RANGE[TensorType.INT16]])
