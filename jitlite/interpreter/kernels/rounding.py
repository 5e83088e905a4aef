"""From vectors of int32 sums to outputs' steps: the exact fixed-point arithmetic, and a float line that equals it where certified.

Behind the clamp an output takes at most 256 values, and both ways never fall as sums rise. So a line that agrees with the exact arithmetic
on both sides of every step agrees everywhere: `jitlite.interpreter.kernels.certify` looks for such lines when weights are packed.
"""

from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, as_floats, as_integers, copysign, multiply_add, scale_down


@forced
def round_line(sums: Vector, scale: Vector, offset: Vector) -> Vector:
    """Int32 sums times float32 `scale`, rounded as a certified `offset` around a half makes them, before the zero point and the clamp."""
    numbers = as_floats(sums)
    return as_integers(multiply_add(numbers, scale, copysign(offset, numbers)))


@forced
def round_exactly(sums: Vector, mantissa: Vector, shift: Vector) -> Vector:
    """`requantize.multiply_by_quantized_multiplier` lane by lane, for any int32."""
    return scale_down(sums, mantissa, shift)
