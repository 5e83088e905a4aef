"""Sums and means of 8- and 16-bit numbers. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import i8p, i16p, i32, i32p, i64, i64p, inline, span, u8p
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.reduction import reduction, row_by_row, vector_sums
from jitlite.interpreter.kernels.requantize import narrow, requantize


@inline
def _add(a: Any, b: Any) -> Any:
    return narrow(narrow(a) + narrow(b))


def _make_sum(name: str, pointer: Any, lanes_reducer: Callable[..., Any]) -> None:
    sum_up = reduction(_add, None, lanes_reducer)

    def reduce_all(
        x: xp,
        sums: i32p,
        y: xp,
        kept: i64p,
        reduced: i64p,
        lanes: i64,
        run: i64,
        depth: i64,
        outputs: i64,
        offset: i64,
        mantissa: i32,
        shift: i32,
        zero_point: i32,
        low: i32,
        high: i32,
        thread: i64,
        threads: i64,
    ) -> None:
        """Sums less `offset`, rescaled; a mean's divisor is part of the multiplier."""
        start, stop = span(outputs, thread, threads)
        sum_up(x, sums, kept, reduced, lanes, run, depth, start, stop)
        for i in range(start, stop):
            y[i] = requantize(narrow(sums[i] - offset), mantissa, shift, zero_point, low, high)

    specialise(reduce_all, name, {xp: pointer})


_make_sum("sum_qs8", i8p, vector_sums)
_make_sum("sum_qu8", u8p, row_by_row)
_make_sum("sum_qs16", i16p, row_by_row)
