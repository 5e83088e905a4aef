"""Numbers as bits: float32 and its pattern, and float16, which Numba lacks on processors."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.abi import inline

_I32: Any = np.int32
_HALF_SCALE = np.float32(2.0**112)
_HALF_TINY = 113 << 23
_HALF_OVERFLOW = 143 << 23
_ROUNDER = 126 << 23


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def float_of_bits(typing: Any, bits: Any) -> Any:
    """The float32 with the bits of an int32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def bits_of_float(typing: Any, value: Any) -> Any:
    """The bits of a float32 as an int32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(types.int32))

    return types.int32(types.float32), generate


@inline
def float_of_half(half: int) -> Any:
    """The float32 equal to a float16 given as its 16 bits: its fields moved in place and the exponent's bias corrected by a product."""
    magnitude = (half & 0x7FFF) << 13
    finite = float_of_bits(_I32(magnitude)) * _HALF_SCALE
    value = float_of_bits(_I32(magnitude | 0x7F800000)) if magnitude >= 0x7C00 << 13 else finite
    return -value if half & 0x8000 else value


@inline
def half_of_float(value: float) -> Any:
    """The 16 bits of the float16 nearest to a float32, ties to even; too large ones become infinite."""
    bits = bits_of_float(value)
    sign, magnitude = (bits >> 16) & 0x8000, bits & 0x7FFFFFFF
    # Below 2^-14 the last bit of a float16 is worth 2^-24, that of a float32 sum with 1/2 as well: the sum rounds.
    small = bits_of_float(float_of_bits(_I32(magnitude)) + float_of_bits(_I32(_ROUNDER))) - _ROUNDER
    normal = (magnitude - (112 << 23) + 0xFFF + ((magnitude >> 13) & 1)) >> 13
    finite = small if magnitude < _HALF_TINY else normal
    infinite = 0x7E00 if magnitude > 0x7F800000 else 0x7C00
    return sign | (infinite if magnitude >= _HALF_OVERFLOW else finite)
