"""Plain conversions of CAST: every integer type to and from int64, every floating-point type to and from float64, and the common pairs.

FLOAT16, BFLOAT16 and COMPLEX64 (its real part) come from and go to float32. Floats become integers towards zero, clamped to the type's
range, NaN as its largest value; integers become smaller ones by their low bits.
"""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, f64p, i8p, i16p, i32p, i64, i64p, inline, kernel, span, u8p, u16p, u32p
from jitlite.interpreter.kernels.bits import bits_of_float, float_of_bits, float_of_half, half_of_float
from jitlite.interpreter.kernels.broadcast import unary

_FAMILY = __name__
_NARROWER = {"i32": i32p, "u32": u32p, "i16": i16p, "u16": u16p, "i8": i8p, "u8": u8p}
_LARGEST_SIGNED = (1, 7, 127, 2**15 - 1, 2**31 - 1, 2**63 - 1)
_LARGEST = {"i64": 2**63 - 1, "i32": 2**31 - 1, "u32": 2**32 - 1, "i16": 2**15 - 1, "u16": 2**16 - 1, "i8": 127, "u8": 255}


@inline
def _same(x: Any) -> Any:
    return x


@inline
def _truth(x: Any) -> Any:
    return x != 0


@inline
def _to_f32(x: Any) -> Any:
    return np.float32(x)


@inline
def _to_f64(x: Any) -> Any:
    return np.float64(x)


@inline
def _small_to_f32(x: Any) -> Any:
    return np.float32(np.int32(x))


def _saturating(largest: int) -> Any:
    smallest = -largest - 1 if largest in _LARGEST_SIGNED else 0
    high, low = float(largest), float(smallest)

    @inline
    def convert(x: Any) -> Any:
        inside = low < x < high
        whole = np.int64(x if inside else 0.0)
        return whole if inside else np.int64(smallest if x <= low else largest)

    return convert


@inline
def _of_bfloat16(bits: int) -> Any:
    return float_of_bits(np.int32(np.int64(bits) << 16))


@inline
def _to_bfloat16(x: float) -> Any:
    """The nearest, ties to even; NaN keeps its sign alone."""
    bits = np.int64(bits_of_float(x)) & 0xFFFFFFFF
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return 0x7FC0 | (bits >> 16 & 0x8000) if x != x else rounded


for _suffix, _pointer in _NARROWER.items():
    unary(_FAMILY, f"cast_{_suffix}_i64", (_pointer, i64p), _same)
    unary(_FAMILY, f"cast_i64_{_suffix}", (i64p, _pointer), _same)
for _suffix, _pointer in {"i64": i64p, **_NARROWER}.items():
    unary(_FAMILY, f"cast_f64_{_suffix}", (f64p, _pointer), _saturating(_LARGEST[_suffix]))
unary(_FAMILY, "cast_i64_bool", (i64p, u8p), _truth)
unary(_FAMILY, "cast_f64_bool", (f64p, u8p), _truth)
unary(_FAMILY, "cast_i64_f32", (i64p, f32p), _to_f32)
unary(_FAMILY, "cast_i64_f64", (i64p, f64p), _to_f64)
unary(_FAMILY, "cast_i32_f32", (i32p, f32p), _to_f32)
for _suffix, _pointer in {"i16": i16p, "u16": u16p, "i8": i8p, "u8": u8p}.items():
    unary(_FAMILY, f"cast_{_suffix}_f32", (_pointer, f32p), _small_to_f32)
unary(_FAMILY, "cast_u8_i32", (u8p, i32p), _same)
unary(_FAMILY, "cast_f32_bool", (f32p, u8p), _truth)
unary(_FAMILY, "cast_i32_bool", (i32p, u8p), _truth)
unary(_FAMILY, "cast_f32_i32", (f32p, i32p), _saturating(2**31 - 1))
unary(_FAMILY, "cast_f32_f64", (f32p, f64p), _to_f64)
unary(_FAMILY, "cast_f64_f32", (f64p, f32p), _to_f32)
unary(_FAMILY, "cast_f16_f32", (u16p, f32p), float_of_half)
unary(_FAMILY, "cast_f32_f16", (f32p, u16p), half_of_float)
unary(_FAMILY, "cast_bf16_f32", (u16p, f32p), _of_bfloat16)
unary(_FAMILY, "cast_f32_bf16", (f32p, u16p), _to_bfloat16)
for _suffix, _largest in {"i4": 7, "u4": 15, "i2": 1}.items():
    unary(_FAMILY, f"cast_f32_{_suffix}", (f32p, i8p), _saturating(_largest))


@kernel
def cast_c64_f32(x: f32p, y: f32p, count: i64, thread: i64, threads: i64) -> None:
    """The real parts."""
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        y[i] = x[2 * i]


@kernel
def cast_f32_c64(x: f32p, y: f32p, count: i64, thread: i64, threads: i64) -> None:
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        y[2 * i], y[2 * i + 1] = x[i], 0.0
