"""The largest elements of each row."""

from typing import Any

from jitlite.interpreter.kernels.abi import f32p, i8p, i16p, i32p, i64, i64p, inline, span, u8p
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.vectors import LANES, any_of, load, splat


@inline
def _precedes(a: Any, b: Any) -> Any:
    """Whether value a comes before b of a lower position: greater, and numbers before NaN."""
    return a > b or (b != b and a == a)


@inline
def _insert(value: Any, place: i64, values: Any, positions: i32p, target: i64, k: i64) -> None:
    """Puts a value among the greatest of those before it, if it belongs there."""
    if place >= k and not _precedes(value, values[target + k - 1]):
        return
    slot = min(place, k - 1)
    while slot > 0 and _precedes(value, values[target + slot - 1]):
        values[target + slot] = values[target + slot - 1]
        positions[target + slot] = positions[target + slot - 1]
        slot -= 1
    values[target + slot] = value
    positions[target + slot] = place


@inline
def _one_by_one(x: Any, at: i64, worst: Any) -> bool:
    return False


@inline
def _lanes_at_once(x: Any, at: i64, worst: Any) -> bool:
    """Whether none of LANES values precedes `worst`; False where that takes a closer look."""
    return worst == worst and not any_of(load(x, at) > splat(worst))


def _top_k(skips: Any) -> Any:
    def top_k(x: xp, values: xp, positions: i32p, rows: i64, size: i64, k: i64, thread: i64, threads: i64) -> None:
        """The k greatest of each row, in falling order, earlier positions first among equals, and their positions; 0 < k <= size."""
        start, stop = span(rows, thread, threads)
        for row in range(start, stop):
            source, target, place = row * size, row * k, 0
            while place < size:
                last = min(size, place + LANES)
                if place < k or last - place < LANES or not skips(x, source + place, values[target + k - 1]):
                    for at in range(place, last):
                        _insert(x[source + at], at, values, positions, target, k)
                place = last

    return top_k


_RANKED: dict[str, Any] = {"f32": f32p, "u8": u8p, "i8": i8p, "i16": i16p, "i32": i32p}

specialise(_top_k(_one_by_one), "top_k_i64", {xp: i64p})
for _name, _pointer in _RANKED.items():
    specialise(_top_k(_lanes_at_once), f"top_k_{_name}", {xp: _pointer})
