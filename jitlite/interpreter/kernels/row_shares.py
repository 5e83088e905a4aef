"""What every sum of a row lacks where the right side's zero point is not 0: minus it times the sum of the row's numbers less their own."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.codegen.isa_quads import DOT4_LANES
from jitlite.interpreter.kernels.abi import i32, i32p, i64, i64p, inline
from jitlite.interpreter.kernels.product import IN_C, OUT_W, RUN, RUN_H, RUN_W, RUNS_H, RUNS_W, STRIDE_H, STRIDE_W, Strip
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import COLUMNS, load_words, stack_i32
from jitlite.interpreter.kernels.vectors import Lanes, load, splat, sum_across

SLACK = COLUMNS
"""Shares behind a strip's last, which equal it: those of a tile's rows that repeat its last one."""

_BYTES, _ONES, _SIGNS = 4 * COLUMNS, 0x01010101, -0x7F7F7F80


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def _sum_quads(typing: Any, total: Any, quads: Any, ones: Any) -> Any:
    """Lanes of `total` plus the sums of those of four unsigned bytes whose weight in `ones` is 1."""
    integers = Lanes(types.int32)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(values[0].type, [value.type for value in values])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, DOT4_LANES), values)

    return integers(integers, integers, integers), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def _is_signed(typing: Any, pointer: Any) -> Any:
    """1 for a pointer to int8, 0 for one to uint8."""
    return types.int64(pointer), lambda context, builder, signature, values: ir.Constant(ir.IntType(64), int(pointer.dtype.signed))


@inline
def _note_ones(count: i64, ones: i32p) -> None:
    """Weights of 1 for the first `count` bytes of a vector, 0 for the others."""
    for quad in range(COLUMNS):
        word = narrow(0)
        for byte in range(min(max(count - 4 * quad, 0), 4)):
            word |= narrow(1 << 8 * byte)
        ones[quad] = word


@inline
def _sum_of_row(s: i64p, strip: Strip, at: i64, some: i32p) -> i32:
    """The sum of the numbers of the row that starts at index `at`, each 128 more where they are signed."""
    whole = s[RUN] // _BYTES * _BYTES
    every, rest, flips = splat(narrow(_ONES)), load(some, 0), splat(narrow(_SIGNS * _is_signed(strip.source)))
    total = splat(narrow(0))
    for v in range(s[RUNS_H]):
        for u in range(s[RUNS_W]):
            start = at + (v * s[RUN_H] * strip.pitch + u * s[RUN_W]) * s[IN_C]
            for k in range(0, whole, _BYTES):
                total = _sum_quads(total, load_words(strip.source, start + k) ^ flips, every)
            if whole < s[RUN]:
                total = _sum_quads(total, load_words(strip.source, start + whole) ^ flips, rest)
    found: int = sum_across(total)
    return found


@inline
def note_shares(s: i64p, strip: Strip, channel: i64, left: i64, right: i64, shares: i32p) -> None:
    """Notes the shares of a strip's pixels for the group of channels from `channel` on, and SLACK more; zero points are left's and right's.

    Up to 63 bytes behind a run are read, but do not count.
    """
    some = stack_i32(16)
    _note_ones(s[RUN] % _BYTES, some)
    taps, place = s[RUNS_H] * s[RUNS_W] * s[RUN], 0
    missing = (left + 128 * _is_signed(strip.source)) * taps
    for row in range(strip.pixels // s[OUT_W]):
        for column in range(s[OUT_W]):
            at = (row * s[STRIDE_H] * strip.pitch + column * s[STRIDE_W]) * s[IN_C] + channel
            if taps == 1:
                shares[place] = narrow(right * (left - strip.source[at]))
            else:
                shares[place] = narrow(right * (missing - _sum_of_row(s, strip, at, some)))
            place += 1
    for slack in range(SLACK):
        shares[place + slack] = shares[place - 1]
