"""Sums of products written as an equation over named axes."""

from collections.abc import Collection, Sequence
from math import prod
from string import ascii_letters

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import BATCH_MATMUL
from jitlite.schemas.ops.reduce import SUM
from jitlite.schemas.tables import BatchMatMulOptions, GatherOptions, ReducerOptions


@lowers("Einsum", since=12)
def einsum(ctx: Context, node: Node) -> Value:
    """Two operands at a time: diagonals, sums, one batched product, transposes."""
    values = [ctx.input(index) for index in range(len(ctx.operands))]
    terms, result = _equation(ctx, attribute(node, "equation"), [value.rank for value in values])
    for index, term in enumerate(terms):
        values[index], terms[index] = _diagonal(ctx, values[index], term)
    sizes: dict[str, int] = {}
    for value, term in zip(values, terms, strict=True):
        for letter, dim in zip(term, value.dims, strict=True):
            size = sizes.setdefault(letter, dim)
            ctx.require(dim in (size, 1) or size == 1, f"axis {letter} must have one size, found {size} and {dim}")
            sizes[letter] = size if dim == 1 else dim
    for index, (value, term) in enumerate(zip(values, terms, strict=True)):
        kept = [axis for axis, letter in enumerate(term) if value.dims[axis] == sizes[letter]]
        values[index], terms[index] = ctx.reshape(value, [value.dims[axis] for axis in kept]), "".join(term[axis] for axis in kept)
    while len(values) > 1:
        later = set(result).union(*terms[2:])
        wanted = result if len(values) == 2 else "".join(letter for letter in dict.fromkeys(terms[0] + terms[1]) if letter in later)
        pair = [_summed(ctx, value, term, set(wanted) | set(other)) for value, term, other in zip(values, terms, terms[1::-1])]
        values[:2] = [_product(ctx, [value for value, _ in pair], [term for _, term in pair], wanted, sizes)]
        terms[:2] = [wanted]
    value, term = _summed(ctx, values[0], terms[0], set(result))
    return ctx.transpose(value, [term.index(letter) for letter in result])


def _equation(ctx: Context, text: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """A letter for each axis of each operand, and those of the result; axes that "..." stands for get letters of their own."""
    left, arrow, result = text.replace(" ", "").partition("->")
    terms = left.split(",")
    counts = [len(term.replace("...", "")) for term in terms]
    fits = len(terms) == len(ranks) and all(
        rank == count if "..." not in term else rank >= count for term, rank, count in zip(terms, ranks, counts)
    )
    ctx.require(fits, f"an equation for operands of ranks {tuple(ranks)} is required, found {text!r}")
    free = [letter for letter in ascii_letters if letter not in left]
    hidden = [rank - count for rank, count in zip(ranks, counts)]
    ctx.require(max(hidden) <= len(free), f"at most {len(ascii_letters)} axes are supported, found more in {text!r}")
    batch = "".join(free[: max(hidden)])
    terms = [term.replace("...", batch[len(batch) - count :]) for term, count in zip(terms, hidden)]
    if not arrow:
        once = sorted(letter for letter in set(left) - {",", "."} if left.count(letter) == 1)
        result = "..." + "".join(once)
    result = result.replace("...", batch)
    ctx.require(
        all(letter.isalpha() for term in (*terms, result) for letter in term)
        and len(set(result)) == len(result)
        and set(result) <= set("".join(terms)),
        f"each letter of the result once among the operands is required, found {text!r}",
    )
    return terms, result


def _diagonal(ctx: Context, value: Value, term: str) -> tuple[Value, str]:
    """The elements whose indices along axes of one letter are equal: every n + 1st of the n · n along both."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first, second = term.index(letter), term.rindex(letter)
            size = value.dims[first]
            ctx.require(size == value.dims[second], f"axis {letter} must have one size, found {size} and {value.dims[second]}")
            rest = [axis for axis in range(value.rank) if axis not in (first, second)]
            shape = [*(value.dims[axis] for axis in rest), size * size]
            flat = ctx.reshape(ctx.transpose(value, [*rest, first, second]), shape)
            value = ctx.op(GATHER, flat, ctx.indices([place * (size + 1) for place in range(size)]), options=GatherOptions(axis=len(rest)))
            term = "".join(term[axis] for axis in rest) + letter
    return value, term


def _summed(ctx: Context, value: Value, term: str, kept: Collection[str]) -> tuple[Value, str]:
    """The sum along the axes whose letters are not kept."""
    gone = [axis for axis, letter in enumerate(term) if letter not in kept]
    if not gone:
        return value, term
    total = ctx.op(SUM, value, ctx.indices(gone), options=ReducerOptions(keep_dims=False))
    return total, "".join(letter for letter in term if letter in kept)


def _product(ctx: Context, values: Sequence[Value], terms: Sequence[str], result: str, sizes: dict[str, int]) -> Value:
    a, b = terms
    shared = [letter for letter in a if letter in b and letter in result]
    inner = [letter for letter in a if letter in b and letter not in result]
    rows, columns = [letter for letter in a if letter not in b], [letter for letter in b if letter not in a]

    def arranged(value: Value, term: str, order: Sequence[str], shape: Sequence[int]) -> Value:
        return ctx.reshape(ctx.transpose(value, [term.index(letter) for letter in order]), shape)

    def size(letters: Sequence[str]) -> int:
        return prod(sizes[letter] for letter in letters)

    batch = [sizes[letter] for letter in shared]
    if not shared and values[1].data is not None and values[0].data is None:
        left = arranged(values[0], a, [*rows, *inner], (*(sizes[letter] for letter in rows), size(inner)))
        right = arranged(values[1], b, [*columns, *inner], (size(columns), size(inner)))
        y = fully_connected(ctx, left, right, None)
    else:
        left = arranged(values[0], a, [*shared, *rows, *inner], (*batch, size(rows), size(inner)))
        right = arranged(values[1], b, [*shared, *inner, *columns], (*batch, size(inner), size(columns)))
        y = ctx.op(BATCH_MATMUL, left, right, options=BatchMatMulOptions())
    order = [*shared, *rows, *columns]
    y = ctx.reshape(y, [sizes[letter] for letter in order])
    return ctx.transpose(y, [order.index(letter) for letter in result])
