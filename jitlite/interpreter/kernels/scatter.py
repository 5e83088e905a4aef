"""Sums of slices by the place each belongs to."""

from jitlite.interpreter.kernels.abi import Status, f32p, i32, i32p, i64, i64p, kernel, span, u8p
from jitlite.interpreter.kernels.elements import SIZES, specialise, xp

_OK = int(Status.OK)
_OUTSIDE = int(Status.INDEX_OUT_OF_RANGE)


def _scatter_add(
    indices: i32p,
    updates: xp,
    y: xp,
    count: i64,
    slices: i64,
    run: i64,
    depth: i64,
    bounds: i64p,
    strides: i64p,
    skips_negative: i64,
    thread: i64,
    threads: i64,
) -> i32:
    """y[p] = Σ updates[i] over all of `count` slices of `run` elements whose place p = Σ_d indices[i, d] · strides[d]; 0 for none.

    With `skips_negative` slices with a negative index are left out.
    """
    start, stop = span(run, thread, threads)
    for place in range(slices):
        for j in range(place * run + start, place * run + stop):
            y[j] = 0
    for i in range(count):
        place, is_kept = 0, True
        for d in range(depth):
            index = indices[i * depth + d]
            if index < 0 and skips_negative:
                is_kept = False
            elif index < 0 or index >= bounds[d]:
                return _OUTSIDE
            place += index * strides[d]
        if is_kept:
            source, target = i * run, place * run
            for j in range(start, stop):
                y[target + j] += updates[source + j]
    return _OK


@kernel
def scatter_or(
    indices: i32p,
    updates: u8p,
    y: u8p,
    count: i64,
    slices: i64,
    run: i64,
    depth: i64,
    bounds: i64p,
    strides: i64p,
    thread: i64,
    threads: i64,
) -> i32:
    """The same for truth values: true where one of the slices is."""
    start, stop = span(run, thread, threads)
    for place in range(slices):
        for j in range(place * run + start, place * run + stop):
            y[j] = 0
    for i in range(count):
        place = 0
        for d in range(depth):
            index = indices[i * depth + d]
            if index < 0 or index >= bounds[d]:
                return _OUTSIDE
            place += index * strides[d]
        for j in range(start, stop):
            y[place * run + j] |= updates[i * run + j]
    return _OK


for _suffix, _pointer in {**SIZES, "f32": f32p}.items():
    specialise(_scatter_add, f"scatter_add_{_suffix}", {xp: _pointer})
