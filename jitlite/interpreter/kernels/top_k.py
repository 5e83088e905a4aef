"""The largest elements of each row."""

from typing import Any

from jitlite.interpreter.kernels.abi import f32p, i8p, i16p, i32p, i64, i64p, inline, span, u8p
from jitlite.interpreter.kernels.elements import specialise, xp


@inline
def _precedes(a: Any, b: Any) -> Any:
    """Whether value a comes before b of a lower position: greater, and numbers before NaN."""
    return a > b or (b != b and a == a)


def _top_k(x: xp, values: xp, positions: i32p, rows: i64, size: i64, k: i64, thread: i64, threads: i64) -> None:
    """The k greatest of each row, in falling order, earlier positions first among equals, and their positions; 0 < k <= size."""
    start, stop = span(rows, thread, threads)
    for row in range(start, stop):
        source, target = row * size, row * k
        for place in range(size):
            value = x[source + place]
            if place >= k and not _precedes(value, values[target + k - 1]):
                continue
            slot = min(place, k - 1)
            while slot > 0 and _precedes(value, values[target + slot - 1]):
                values[target + slot] = values[target + slot - 1]
                positions[target + slot] = positions[target + slot - 1]
                slot -= 1
            values[target + slot] = value
            positions[target + slot] = place


_RANKED: dict[str, Any] = {"f32": f32p, "u8": u8p, "i8": i8p, "i16": i16p, "i32": i32p, "i64": i64p}

for _name, _pointer in _RANKED.items():
    specialise(_top_k, f"top_k_{_name}", {xp: _pointer})
