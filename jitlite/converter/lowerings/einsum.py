"""Sums of products written as an equation over named axes."""

from collections.abc import Sequence
from math import prod

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.matmul import BATCH_MATMUL
from jitlite.schemas.ops.reduce import SUM
from jitlite.schemas.tables import BatchMatMulOptions, ReducerOptions


@lowers("Einsum", since=12)
def einsum(ctx: Context, node: Node) -> Value:
    """One or two operands, each axis named once an operand: sums, one batched product, transposes."""
    terms, result = _equation(ctx, attribute(node, "equation"), len(ctx.operands))
    values = [ctx.input(index) for index in range(len(ctx.operands))]
    sizes: dict[str, int] = {}
    for value, term in zip(values, terms, strict=True):
        ctx.require(
            value.rank == len(term) == len(set(term)), f"operands with one axis for each letter are required, found {term} for {value.dims}"
        )
        for letter, dim in zip(term, value.dims, strict=True):
            ctx.require(sizes.setdefault(letter, dim) == dim, f"axis {letter} must have one size, found {sizes[letter]} and {dim}")
    for index, term in enumerate(terms):
        others = set(result).union(*(other for place, other in enumerate(terms) if place != index))
        gone = [axis for axis, letter in enumerate(term) if letter not in others]
        if gone:
            values[index] = ctx.op(SUM, values[index], ctx.indices(gone), options=ReducerOptions(keep_dims=False))
            terms[index] = "".join(letter for letter in term if letter in others)
    if len(values) == 1:
        return ctx.transpose(values[0], [terms[0].index(letter) for letter in result])
    return _product(ctx, values, terms, result, sizes)


def _equation(ctx: Context, text: str, count: int) -> tuple[list[str], str]:
    compact = text.replace(" ", "")
    left, arrow, result = compact.partition("->")
    terms = left.split(",")
    if not arrow:
        letters = left.replace(",", "")
        result = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    plain = all(letter.isalpha() for term in (*terms, result) for letter in term)
    ctx.require(
        plain and count in (1, 2) and len(terms) == count, f"an equation of letters over one or two operands is supported, found {text!r}"
    )
    ctx.require(
        len(set(result)) == len(result) and set(result) <= set(left),
        f"each letter of the result once among the operands is required, found {text!r}",
    )
    return terms, result


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
