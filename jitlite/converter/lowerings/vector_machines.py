"""Support vector machines of ai.onnx.ml: kernels of a row with every support vector, and weighted sums of them."""

from itertools import combinations

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.classifiers import best_label, class_labels, opposed
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.learning import transformed
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.activation import LOGISTIC, TANH
from jitlite.schemas.ops.comparison import GREATER, GREATER_EQUAL, SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.elementwise import ABS, ADD, DIV, EXP, MAXIMUM, MINIMUM, MUL, POW, SQUARED_DIFFERENCE, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.reduce import REDUCE_MAX, SUM
from jitlite.schemas.tables import ConcatenationOptions, GatherOptions, ReducerOptions

FLOAT32 = np.dtype(np.float32)
KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")
LEAST_PROBABILITY = 1e-7
SETTLED = 0.005
"""Times the inverse of the number of classes: how far a row may be from the least form."""
ROUNDS = 6
"""Rows settle in two rounds where there are two classes, and in at most four where there are ten."""


def _kernels(ctx: Context, node: Node, vectors: Array) -> Value:
    """The kernel of each row of the operand with each vector, FLOAT32 of shape (rows, vectors)."""
    x, kind = cast_to(ctx, ctx.input(0), FLOAT32), attribute(node, "kernel_type", "LINEAR")
    rows = x if x.rank > 1 else ctx.reshape(x, (1, x.size))
    ctx.require(kind in KERNELS, f"kernel_type {', '.join(KERNELS)} is supported, found {kind}")
    ctx.require(
        rows.rank == 2 and vectors.shape[1] == rows.dims[1], f"rows of {vectors.shape[1]} features are required, found shape {x.dims}"
    )
    gamma, coef0, degree = attribute(node, "kernel_params") or (0.0, 0.0, 0.0)
    if kind == "RBF":
        apart = ctx.op(SQUARED_DIFFERENCE, ctx.reshape(rows, (rows.dims[0], 1, rows.dims[1])), ctx.like(x, vectors[np.newaxis]))
        distance = ctx.op(SUM, apart, ctx.indices([2]), options=ReducerOptions(keep_dims=False))
        return ctx.op(EXP, ctx.binary(MUL, distance, -gamma))
    product = fully_connected(ctx, rows, ctx.like(x, vectors), None)
    if kind == "LINEAR":
        return product
    moved = ctx.binary(ADD, ctx.binary(MUL, product, gamma), coef0)
    return ctx.op(TANH, moved) if kind == "SIGMOID" else ctx.binary(POW, moved, degree)


@lowers("ai.onnx.ml.SVMRegressor")
def svm_regressor(ctx: Context, node: Node) -> Value:
    """The weighted sum of the kernels; with `one_class` its sign. Without support vectors the kernel of the one vector of weights."""
    count, shift = attribute(node, "n_supports", 0), ctx.constant(np.array(attribute(node, "rho")[:1], np.float32))
    if count:
        kernels = _kernels(ctx, node, np.reshape(attribute(node, "support_vectors"), (count, -1)))
        y = fully_connected(ctx, kernels, ctx.like(kernels, np.reshape(attribute(node, "coefficients"), (1, count))), shift)
    else:
        y = ctx.op(ADD, _kernels(ctx, node, np.reshape(attribute(node, "coefficients"), (1, -1))), shift)
    if attribute(node, "one_class", 0):
        return ctx.op(SELECT_V2, ctx.binary(GREATER, y, 0.0), ctx.like(y, 1.0), ctx.like(y, -1.0))
    return transformed(ctx, y, attribute(node, "post_transform", "NONE"))


@lowers("ai.onnx.ml.SVMClassifier")
def svm_classifier(ctx: Context, node: Node) -> tuple[Value, Value]:
    """The class that wins most comparisons of two, and the results of these, or the probabilities of the classes."""
    labels, counts = class_labels(ctx, node), attribute(node, "vectors_per_class")
    ctx.require(bool(counts), "support vectors are required, found none")
    ctx.require(len(counts) == len(labels), f"support vectors for each of {len(labels)} classes are required, found {len(counts)}")
    last, slopes = attribute(node, "post_transform", "NONE"), attribute(node, "prob_a")
    ctx.require(last == "NONE", f"post_transform NONE is supported, found {last}")
    kernels = _kernels(ctx, node, np.reshape(attribute(node, "support_vectors"), (sum(counts), -1)))
    weights, votes = _comparisons(counts, np.reshape(attribute(node, "coefficients"), (len(counts) - 1, sum(counts))))
    scores = fully_connected(ctx, kernels, ctx.like(kernels, weights), ctx.like(kernels, attribute(node, "rho")))
    won = ctx.binary(GREATER, scores, 0.0)
    label = best_label(ctx, labels, fully_connected(ctx, cast_to(ctx, won, FLOAT32), *(ctx.like(scores, part) for part in votes)))
    if slopes:
        return label, _coupled(ctx, scores, len(labels), slopes, attribute(node, "prob_b"))
    return label, opposed(ctx, scores, last, is_probability=False) if len(labels) == 2 else scores


def _comparisons(counts: list[int], coefficients: Array) -> tuple[Array, tuple[Array, Array]]:
    """Weights of the vectors in each comparison of two classes (pairs, vectors), and what a victory adds to the votes of each class:
    as a matrix (classes, pairs) of changes, and the votes when every comparison is lost.
    """
    ends = np.cumsum(counts)
    spans = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    pairs = list(combinations(range(len(counts)), 2))
    weights, changes, lost = np.zeros((len(pairs), ends[-1])), np.zeros((len(counts), len(pairs))), np.zeros(len(counts))
    for index, (first, second) in enumerate(pairs):
        weights[index, spans[first]] = coefficients[second - 1, spans[first]]
        weights[index, spans[second]] = coefficients[first, spans[second]]
        changes[first, index], changes[second, index] = 1, -1
        lost[second] += 1
    return weights, (changes, lost)


def _coupled(ctx: Context, scores: Value, classes: int, slopes: list[float], shifts: list[float]) -> Value:
    """Probabilities (rows, classes) from comparisons of two (rows, pairs), as ONNX Runtime and libsvm find them: Wu, Lin and Weng,
    "Probability Estimates for Multi-class Classification by Pairwise Coupling", algorithm 2. A row that is settled stays as it is.
    """
    odds = ctx.binary(ADD, ctx.op(MUL, scores, ctx.like(scores, np.array(slopes))), ctx.like(scores, np.array(shifts)))
    first = ctx.op(SUB, ctx.like(odds, 1.0), ctx.op(LOGISTIC, odds))
    first = ctx.binary(MAXIMUM, ctx.binary(MINIMUM, first, 1 - LEAST_PROBABILITY), LEAST_PROBABILITY)
    form = _quadratic_form(ctx, first, classes)
    p = ctx.like(scores, np.full((1, classes), 1 / classes))
    for _ in range(ROUNDS):
        slope = _summed(ctx, ctx.op(MUL, form, ctx.reshape(p, (p.dims[0], 1, classes))), 2)
        level = _summed(ctx, ctx.op(MUL, p, slope), 1, keep=True)
        apart = ctx.op(REDUCE_MAX, ctx.op(ABS, ctx.op(SUB, slope, level)), ctx.indices([1]), options=ReducerOptions(keep_dims=True))
        is_open = cast_to(ctx, ctx.binary(GREATER_EQUAL, apart, SETTLED / classes), FLOAT32)
        for place in range(classes):
            row = ctx.reshape(ctx.op(GATHER, form, ctx.indices([place]), options=GatherOptions(axis=1)), (form.dims[0], classes))
            own, here = (ctx.op(GATHER, part, ctx.indices([place]), options=GatherOptions(axis=1)) for part in (row, slope))
            step = ctx.op(MUL, is_open, ctx.op(DIV, ctx.op(SUB, level, here), own))
            whole = ctx.binary(ADD, step, 1.0)
            raised = ctx.op(MUL, step, ctx.op(ADD, ctx.op(MUL, step, own), ctx.binary(MUL, here, 2.0)))
            level = ctx.op(DIV, ctx.op(ADD, level, raised), ctx.op(MUL, whole, whole))
            slope = ctx.op(DIV, ctx.op(ADD, slope, ctx.op(MUL, step, row)), whole)
            p = ctx.op(DIV, ctx.op(ADD, p, ctx.op(MUL, step, ctx.like(step, np.eye(classes)[[place]]))), whole)
    return p


def _quadratic_form(ctx: Context, first: Value, classes: int) -> Value:
    """The matrix (rows, classes, classes) whose form is least at the probabilities; `first` are those of the first of each pair."""
    places, pairs = np.zeros((classes, classes), np.int64), list(combinations(range(classes), 2))
    for index, (a, b) in enumerate(pairs):
        places[a, b], places[b, a] = index, len(pairs) + index
    both = ctx.op(CONCATENATION, first, ctx.op(SUB, ctx.like(first, 1.0), first), options=ConcatenationOptions(axis=1))
    over, under = (ctx.op(GATHER, both, ctx.constant(part, np.int32), options=GatherOptions(axis=1)) for part in (places, places.T))
    others = ctx.like(first, 1 - np.eye(classes))
    lost = _summed(ctx, ctx.op(MUL, ctx.op(MUL, under, under), others), 2)
    squares = ctx.op(MUL, ctx.reshape(lost, (*lost.dims, 1)), ctx.like(first, np.eye(classes)))
    return ctx.op(SUB, squares, ctx.op(MUL, ctx.op(MUL, over, under), others))


def _summed(ctx: Context, x: Value, axis: int, *, keep: bool = False) -> Value:
    return ctx.op(SUM, x, ctx.indices([axis]), options=ReducerOptions(keep_dims=keep))
