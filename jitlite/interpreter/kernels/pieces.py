"""Functions as 32 polynomials, one for each of as many equal parts of their range, for targets with `Isa.has_tables`.

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
from jitlite.interpreter.kernels.reals import table
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, absolute, any_of, bits_of, copysign, maximum, minimum, multiply_add, splat

f32: Any = np.float32

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
