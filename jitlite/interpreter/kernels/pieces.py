"""Functions by tables of 32 numbers, for targets with `Isa.has_tables`: a power, and polynomials for 32 equal parts of a range.

Coefficients are found when this module is imported: weighted least squares at Chebyshev nodes, close to the least relative error.
"""

from collections.abc import Callable
from math import erfc, exp, pi, sqrt
from math import tanh as real_tanh
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.kernels.intrinsics import rarely_called
from jitlite.interpreter.kernels.normal import gelu as gelu_everywhere
from jitlite.interpreter.kernels.normal import gelu_tanh as gelu_tanh_everywhere
from jitlite.interpreter.kernels.reals import quotient, table
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import (
    Vector,
    absolute,
    any_of,
    bits_of,
    copysign,
    floats_of,
    maximum,
    minimum,
    multiply_add,
    splat,
)

f32: Any = np.float32
_I32: Any = np.int32

_ZERO = f32(0)
_PARTS = 32
_DEGREE = 6
_SHIFTER = f32(1.5 * 2**23)
"""Added to a number below 2²², it leaves the nearest whole number in the lowest bits."""


def _coefficients(function: Callable[[float], float], width: float, degree: int) -> NDArray[np.float32]:
    """Float32 [_DEGREE + 1, _PARTS]: part k is a polynomial of `degree` in s - k · width, |s - k · width| ≤ width / 2 and s ≥ 0."""
    found = np.zeros((_DEGREE + 1, _PARTS), np.float32)
    nodes = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    for part in range(_PARTS):
        low, high = (-width / 2 if part else 0.0), width / 2
        places = (low + high) / 2 + (high - low) / 2 * nodes
        values = np.array([function(part * width + float(place)) for place in places])
        # A function that vanishes at 0 needs a polynomial that does, for a small relative error.
        powers = np.arange(1 if values.min() <= high * 2.0**-12 and part == 0 else 0, degree + 1)
        terms = (places[:, None] / high) ** powers
        solved = np.linalg.lstsq(terms / values[:, None], np.ones(len(values)), rcond=None)[0]
        found[powers, part] = solved / high**powers
    return found


def _pieces(function: Callable[[float], float], width: float, degree: int = _DEGREE) -> Callable[[Vector], Vector]:
    """A vector function that gives function(s) for s in [0, 31¼ · width]; widths are short binary fractions, for exact differences."""
    c0, c1, c2, c3, c4, c5, c6 = (table(row.tolist()) for row in _coefficients(function, width, degree))
    parts_per_one, part_width = f32(1 / width), f32(width)
    is_sixth = degree == _DEGREE

    @forced
    def evaluate(s: Vector) -> Vector:
        shifted = multiply_add(s, splat(parts_per_one), splat(_SHIFTER))
        part = bits_of(shifted)
        d = multiply_add(shifted - splat(_SHIFTER), splat(-part_width), s)
        square = d * d
        p = multiply_add(c5(part), d, c4(part))
        if is_sixth:
            p = multiply_add(c6(part), square, p)
        p = multiply_add(p, square, multiply_add(c3(part), d, c2(part)))
        return multiply_add(p, square, multiply_add(c1(part), d, c0(part)))

    made: Callable[[Vector], Vector] = evaluate
    return made


def _power_table() -> list[float]:
    """The numbers 2²⁴ · 2^(k / 32), from whose bits those that k has in the exponent's fraction are taken."""
    powers = (2.0 ** (24 + np.arange(_PARTS) / _PARTS)).astype(np.float32)
    found: list[float] = (powers.view(np.int32) - (np.arange(_PARTS, dtype=np.int32) << 18)).view(np.float32).tolist()
    return found


_power = table(_power_table())
_PART_SHIFTER = f32(1.5 * 2**18)
"""Added to a number below 2¹⁷, it leaves the nearest multiple of 1 / 32 in the lowest bits."""
_PART_AT = _I32(18)
_LOG2_E, _LN2 = f32(1.4426950408889634), f32(0.6931471805599453)
_LN2_REST = f32(0.6931471805599453 - float(_LN2))
_E1, _E2 = f32(1.00001524), f32(0.50000054)
_UNIT = f32(2.0**24)
_LOGISTIC_LEAST, _LOGISTIC_MOST = f32(-103.98), f32(20)


@forced
def logistic(x: Vector) -> Vector:
    """The value exp(x) / (1 + exp(x)), both times 2²⁴; with x = n / 32 · log 2 + r the power is 2^(n / 32) · exp(r)."""
    bounded = maximum(splat(_LOGISTIC_LEAST), minimum(splat(_LOGISTIC_MOST), x))
    shifted = multiply_add(bounded, splat(_LOG2_E), splat(_PART_SHIFTER))
    n = shifted - splat(_PART_SHIFTER)
    r = multiply_add(n, splat(-_LN2_REST), multiply_add(n, splat(-_LN2), bounded))
    power = floats_of(bits_of(_power(bits_of(shifted))) + (bits_of(shifted) << splat(_PART_AT)))
    raised = multiply_add(multiply_add(splat(_E2), r, splat(_E1)), power * r, power)
    return quotient(raised, raised + splat(_UNIT))


_TANH_WIDTH = 37 / 128
_TANH_MOST = f32(31.25 * _TANH_WIDTH)
_tanh = _pieces(real_tanh, _TANH_WIDTH, 5)


@forced
def tanh(x: Vector) -> Vector:
    return copysign(_tanh(minimum(splat(_TANH_MOST), absolute(x))), x)


_GELU_WIDTH = 3 / 16
_GELU_MOST = f32(31.25 * _GELU_WIDTH)
_gelu_below = _pieces(lambda s: 0.5 * s * erfc(s * sqrt(0.5)), _GELU_WIDTH)


@forced
def _rare_gelu(x: Vector) -> Vector:
    rarely_called()
    return gelu_everywhere(x)


@forced
def gelu(x: Vector) -> Vector:
    """What lacks to max(x, 0) is even in x."""
    if any_of(x < splat(-_GELU_MOST)):
        y = _rare_gelu(x)
    else:
        y = maximum(splat(_ZERO), x) - _gelu_below(minimum(splat(_GELU_MOST), absolute(x)))
    return y


_GELU_TANH_WIDTH = 11 / 64
_GELU_TANH_MOST = f32(31.25 * _GELU_TANH_WIDTH)
_gelu_tanh_below = _pieces(lambda s: s / (1 + exp(2 * sqrt(2 / pi) * (s + 0.044715 * s**3))), _GELU_TANH_WIDTH)


@forced
def _rare_gelu_tanh(x: Vector) -> Vector:
    rarely_called()
    return gelu_tanh_everywhere(x)


@forced
def gelu_tanh(x: Vector) -> Vector:
    if any_of(x < splat(-_GELU_TANH_MOST)):
        y = _rare_gelu_tanh(x)
    else:
        y = maximum(splat(_ZERO), x) - _gelu_tanh_below(minimum(splat(_GELU_TANH_MOST), absolute(x)))
    return y
