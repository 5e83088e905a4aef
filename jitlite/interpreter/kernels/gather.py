"""Reading by index and making indices; every index is checked against its bound."""

from jitlite.interpreter.kernels.abi import Status, i32, i64, i64p, span, u8p
from jitlite.interpreter.kernels.elements import INDICES, by_element_size, ip, specialise, xp
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.runs import copy_bytes

_OK = int(Status.OK)
_OUTSIDE = int(Status.INDEX_OUT_OF_RANGE)


def _gather(
    x: u8p,
    positions: ip,
    y: u8p,
    outer: i64,
    count: i64,
    rows: i64,
    block: i64,
    run: i64,
    depth: i64,
    bounds: i64p,
    strides: i64p,
    thread: i64,
    threads: i64,
) -> i32:
    """y[batch, o, i, :run] = x[(batch · outer + o) · block + Σ_d positions[batch, i, d] · strides[d] : … + run], in bytes.

    `rows` = batches · outer · count; `depth` indices make one position.
    """
    start, stop = span(rows, thread, threads)
    if start == stop:
        return _OK
    plane = start // count
    i, batch = start - plane * count, plane // outer
    o = plane - batch * outer
    for row in range(start, stop):
        at = (batch * count + i) * depth
        source = plane * block
        for d in range(depth):
            index = positions[at + d]
            if index < 0 or index >= bounds[d]:
                return _OUTSIDE
            source += index * strides[d]
        copy_bytes(advance(x, source), advance(y, row * run), run)
        i += 1
        if i == count:
            i, plane, o = 0, plane + 1, o + 1
            if o == outer:
                o, batch = 0, batch + 1
    return _OK


for _suffix, _pointer in INDICES.items():
    specialise(_gather, f"gather_{_suffix}", {ip: _pointer})


@by_element_size
def one_hot(indices: ip, on: xp, off: xp, y: xp, outer: i64, depth: i64, inner: i64, thread: i64, threads: i64) -> None:
    """y[o, d, i] = on where indices[o, i] = d, else off."""
    on_value, off_value = on[0], off[0]
    if inner == 1:
        start, stop = span(outer, thread, threads)
        for i in range(start * depth, stop * depth):
            y[i] = off_value
        for o in range(start, stop):
            index = indices[o]
            if 0 <= index < depth:
                y[o * depth + index] = on_value
    else:
        start, stop = span(outer * depth, thread, threads)
        for row in range(start, stop):
            d = row % depth
            source, target = row // depth * inner, row * inner
            for i in range(inner):
                y[target + i] = on_value if indices[source + i] == d else off_value
