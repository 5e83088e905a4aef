"""From vectors of int32 sums to outputs' steps: the exact fixed-point arithmetic, and a float line that equals it where certified.

Behind the clamp an output takes at most 256 values, and both ways never fall as sums rise. So a line that agrees with the exact arithmetic
on both sides of every step agrees everywhere: `jitlite.interpreter.kernels.certify` looks for such lines when weights are packed.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.codegen.isa_line import FINE_LINE, LINE
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Lanes, Vector, scale_down

_FLOATS, _INTEGERS = Lanes(types.float32), Lanes(types.int32)


def emit_line(builder: Any, sums: Any, *terms: Any) -> Any:
    """The code of `round_line`, or with three terms of `round_fine_line`; terms may be the bits of their numbers."""
    floats = ir.VectorType(ir.FloatType(), LANES)
    terms = tuple(builder.bitcast(term, floats) for term in terms)
    kind = ir.FunctionType(sums.type, [sums.type] + [floats] * len(terms))
    name = LINE if len(terms) == 2 else FINE_LINE
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [sums, *terms])


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def round_line(typing: Any, sums: Any, scale: Any, offset: Any) -> Any:
    """Int32 sums times float32 `scale`, rounded as a certified `offset` around a half makes them, before the zero point and the clamp."""
    return _INTEGERS(_INTEGERS, _FLOATS, _FLOATS), lambda context, builder, signature, values: emit_line(builder, *values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def round_fine_line(typing: Any, sums: Any, scale: Any, slope: Any, offset: Any) -> Any:
    """The same for a scale that is the sum of two float32 numbers, `scale` and `slope`."""
    return _INTEGERS(_INTEGERS, _FLOATS, _FLOATS, _FLOATS), lambda context, builder, signature, values: emit_line(builder, *values)


@forced
def round_exactly(sums: Vector, mantissa: Vector, shift: Vector) -> Vector:
    """`requantize.multiply_by_quantized_multiplier` lane by lane, for any int32."""
    return scale_down(sums, mantissa, shift)
