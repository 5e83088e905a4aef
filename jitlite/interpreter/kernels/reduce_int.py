"""Reductions of 32- and 64-bit integers. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from typing import Any

from jitlite.interpreter.kernels.abi import i32p, i64, i64p, span
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.reduction import add, greater, lesser, multiply, reduction, register

_INTEGERS: dict[str, Any] = {"i32": i32p, "i64": i64p}
_SUMS = reduction(add)


def _mean(
    x: xp, sums: i64p, y: xp, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
) -> None:
    """Quotients are truncated."""
    start, stop = span(outputs, thread, threads)
    _SUMS(x, sums, kept, reduced, lanes, run, depth, start, stop)
    count = run * depth
    for i in range(start, stop):
        y[i] = sums[i] // count if sums[i] >= 0 else -(-sums[i] // count)


_REDUCTIONS = {"sum": _SUMS, "prod": reduction(multiply), "max": reduction(greater), "min": reduction(lesser)}

for _suffix, _pointer in _INTEGERS.items():
    specialise(_mean, f"mean_{_suffix}", {xp: _pointer})
    for _name, _reduce in _REDUCTIONS.items():
        register(__name__, f"{_name}_{_suffix}", _pointer, _reduce)
