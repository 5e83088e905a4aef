"""Reading by index and making indices; every index is checked against its bound."""

from jitlite.interpreter.kernels.abi import Status, i32, i64, i64p, span
from jitlite.interpreter.kernels.elements import by_element_size, ip, xp

_OK = int(Status.OK)
_OUTSIDE = int(Status.INDEX_OUT_OF_RANGE)


@by_element_size
def gather(
    x: xp,
    positions: ip,
    y: xp,
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
    """y[batch, o, i, :run] = x[(batch · outer + o) · block + Σ_d positions[batch, i, d] · strides[d] : … + run].

    `rows` = batches · outer · count; `depth` indices make one position.
    """
    start, stop = span(rows, thread, threads)
    for row in range(start, stop):
        plane = row // count
        at = (plane // outer * count + row - plane * count) * depth
        source = plane * block
        for d in range(depth):
            index = positions[at + d]
            if index < 0 or index >= bounds[d]:
                return _OUTSIDE
            source += index * strides[d]
        target = row * run
        for i in range(run):
            y[target + i] = x[source + i]
    return _OK


@by_element_size
def one_hot(indices: ip, on: xp, off: xp, y: xp, rows: i64, depth: i64, inner: i64, thread: i64, threads: i64) -> None:
    """y[o, d, i] = on where indices[o, i] = d, else off; `rows` = outer · depth."""
    start, stop = span(rows, thread, threads)
    on_value, off_value = on[0], off[0]
    for row in range(start, stop):
        d = row % depth
        source, target = row // depth * inner, row * inner
        for i in range(inner):
            y[target + i] = on_value if indices[source + i] == d else off_value
