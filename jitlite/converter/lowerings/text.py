"""Counting runs of tokens: TfIdfVectorizer over numbers."""

from collections.abc import Iterator

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.schemas.ops.comparison import EQUAL, GREATER, LOGICAL_AND
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.reduce import SUM
from jitlite.schemas.tables import ConcatenationOptions, ReducerOptions

FLOAT32 = np.dtype(np.float32)


MOST_ENTRIES = 1 << 24


@lowers("TfIdfVectorizer", since=9)
def tf_idf(ctx: Context, node: Node) -> Value:
    """How often each run of tokens occurs, its tokens at most max_skip_count + 1 apart: as it is, as 0 or 1, or weighed."""
    x, mode = ctx.input(0), attribute(node, "mode")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    pool = np.array(attribute(node, "pool_int64s", []), np.int64)
    ctx.require(x.dtype in (np.int32, np.int64) and len(pool) > 0, f"whole numbers and a pool of them are required, found {x.dtype}")
    ctx.require(x.rank in (1, 2) and x.size > 0, f"tokens of rank 1 or 2 are required, found shape {x.dims}")
    indexes, weights = attribute(node, "ngram_indexes"), attribute(node, "weights", [])
    size = max(indexes) + 1
    fits = min(indexes) >= 0 and size * len(indexes) <= MOST_ENTRIES
    ctx.require(fits, f"at most {MOST_ENTRIES} pairs of runs and outputs are supported, found {len(indexes)} runs and output {size - 1}")
    tokens = ctx.reshape(x, (x.size // x.dims[-1], x.dims[-1]))
    counts, places = [], []
    for runs, columns in _runs(ctx, node, pool, indexes):
        counted = _counted(ctx, tokens, runs, attribute(node, "max_skip_count"))
        if counted is not None:
            counts.append(counted)
            places += columns
    ctx.require(bool(counts), "runs that fit into the tokens are required, found none")
    joined = counts[0] if len(counts) == 1 else ctx.op(CONCATENATION, *counts, options=ConcatenationOptions(axis=1))
    matrix = np.zeros((size, len(places)), np.float32)
    matrix[places, np.arange(len(places))] = 1
    y = fully_connected(ctx, joined, ctx.constant(matrix), None)
    ctx.require(mode in ("TF", "IDF", "TFIDF"), f"mode TF, IDF or TFIDF is required, found {mode}")
    if mode == "IDF":
        y = cast_to(ctx, ctx.binary(GREATER, y, 0.0), FLOAT32)
    if mode != "TF" and weights:
        fits = len(weights) == len(indexes) == len(set(indexes))
        ctx.require(fits, f"{len(indexes)} weights of outputs that differ are required, found {len(weights)} for {len(set(indexes))}")
        row = np.zeros(size, np.float32)
        row[indexes] = weights
        y = ctx.op(MUL, y, ctx.constant(row))
    return ctx.reshape(y, (size,) if x.rank == 1 else (x.dims[0], size))


def _runs(ctx: Context, node: Node, pool: Array, indexes: list[int]) -> Iterator[tuple[Array, list[int]]]:
    """The runs of each length counted, (runs, length), and the outputs they belong to."""
    starts, first = attribute(node, "ngram_counts"), 0
    low, high = attribute(node, "min_gram_length"), attribute(node, "max_gram_length")
    for length, (start, stop) in enumerate(zip(starts, [*starts[1:], len(pool)]), 1):
        runs = pool[start:stop]
        ctx.require(len(runs) % length == 0, f"runs of {length} tokens are required, found {len(runs)} tokens")
        runs = runs.reshape(-1, length)
        ctx.require(len(np.unique(runs, axis=0)) == len(runs), f"runs that differ are required, found repeated ones of {length} tokens")
        columns = indexes[first : first + len(runs)]
        ctx.require(len(columns) == len(runs), f"an index for each run is required, found {len(indexes)}")
        first += len(runs)
        if len(runs) and low <= length <= high:
            yield runs, columns


def _counted(ctx: Context, tokens: Value, runs: Array, skips: int) -> Value | None:
    """How often each run occurs in each row, (rows, runs) in float32; None where none fits."""
    rows, width = tokens.dims
    length, total = runs.shape[1], None
    for step in range(1, 2 if length == 1 else skips + 2):
        count = width - (length - 1) * step
        if count < 1:
            break
        found: Value | None = None
        for place in range(length):
            part = sliced(ctx, tokens, [range(rows), range(place * step, place * step + count)])
            same = ctx.op(EQUAL, ctx.reshape(part, (rows, count, 1)), ctx.like(tokens, runs[None, None, :, place]))
            found = same if found is None else ctx.op(LOGICAL_AND, found, same)
        assert found is not None, "a run has at least one token"
        times = ctx.op(SUM, cast_to(ctx, found, FLOAT32), ctx.indices([1]), options=ReducerOptions())
        total = times if total is None else ctx.op(ADD, total, times)
    return total
