"""Element-by-element arithmetic on two float32 operands. Results are clamped where the operator can fuse an activation."""

import math
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, f64p, inline
from jitlite.interpreter.kernels.broadcast import binary

_FAMILY = __name__


@inline
def _clamp_bounds(settings: f64p) -> tuple[Any, Any]:
    return np.float32(settings[0]), np.float32(settings[1])


@inline
def _clamp(value: Any, bounds: tuple[Any, Any]) -> Any:
    """NaN stays NaN, as in the reference."""
    raised = bounds[0] if value < bounds[0] else value
    return bounds[1] if bounds[1] < raised else raised


@inline
def _add(a: Any, b: Any, bounds: tuple[Any, Any]) -> Any:
    return _clamp(a + b, bounds)


@inline
def _sub(a: Any, b: Any, bounds: tuple[Any, Any]) -> Any:
    return _clamp(a - b, bounds)


@inline
def _mul(a: Any, b: Any, bounds: tuple[Any, Any]) -> Any:
    return _clamp(a * b, bounds)


@inline
def _div(a: Any, b: Any, bounds: tuple[Any, Any]) -> Any:
    return _clamp(a / b, bounds)


@inline
def _minimum(a: Any, b: Any, settings: tuple[()]) -> Any:
    return a if a < b else b


@inline
def _maximum(a: Any, b: Any, settings: tuple[()]) -> Any:
    return a if a > b else b


@inline
def _squared_difference(a: Any, b: Any, settings: tuple[()]) -> Any:
    difference = a - b
    return difference * difference


@inline
def _pow(a: Any, b: Any, settings: tuple[()]) -> Any:
    return math.pow(a, b)


@inline
def _floor_div(a: Any, b: Any, settings: tuple[()]) -> Any:
    return np.floor(a / b)


@inline
def _floor_mod(a: Any, b: Any, settings: tuple[()]) -> Any:
    return a % b


_POINTERS = (f32p, f32p, f32p, f64p)
for _name, _operation in {"add": _add, "sub": _sub, "mul": _mul, "div": _div}.items():
    binary(_FAMILY, f"{_name}_f32", _POINTERS, _operation, _clamp_bounds)
binary(_FAMILY, "minimum_f32", _POINTERS, _minimum)
binary(_FAMILY, "maximum_f32", _POINTERS, _maximum)
binary(_FAMILY, "squared_difference_f32", _POINTERS, _squared_difference)
binary(_FAMILY, "pow_f32", _POINTERS, _pow)
binary(_FAMILY, "floor_div_f32", _POINTERS, _floor_div)
binary(_FAMILY, "floor_mod_f32", _POINTERS, _floor_mod)
