"""PRELU of float32."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, f64p
from jitlite.interpreter.kernels.strips import broadcast, strip_of
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, select, splat

_ZERO: Any = np.float32(0)


@forced
def _prelu(x: Vector, alpha: Vector, settings: tuple[()]) -> Vector:
    return select(x >= splat(_ZERO), x, x * alpha)


broadcast(__name__, "prelu_f32", (f32p, f32p, f32p, f64p), strip_of(_prelu))
