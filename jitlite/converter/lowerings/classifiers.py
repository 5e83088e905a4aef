"""What classifiers of ai.onnx.ml share, and linear ones: labels and scores as ONNX Runtime makes them."""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.learning import transformed
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.activation import LOGISTIC
from jitlite.schemas.ops.comparison import GREATER, SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.elementwise import NEG, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.reduce import ARG_MAX
from jitlite.schemas.tables import ArgMaxOptions, ConcatenationOptions, GatherOptions, TensorType

FLOAT32 = np.dtype(np.float32)


def class_labels(ctx: Context, node: Node) -> list[int]:
    """The labels of classes, which must be whole numbers."""
    labels = attribute(node, "classlabels_int64s") or attribute(node, "classlabels_ints")
    ctx.require(bool(labels), "classes that are whole numbers are required, found text")
    return [int(label) for label in labels]


def best_label(ctx: Context, labels: list[int], scores: Value) -> Value:
    """The label of the first of the largest scores of each row, INT64 of shape (rows,)."""
    place = ctx.op(ARG_MAX, scores, ctx.indices([1]), options=ArgMaxOptions(output_type=TensorType.INT32))
    return ctx.op(GATHER, ctx.constant(np.array(labels, np.int64)), place, options=GatherOptions(axis=0))


def label_above(ctx: Context, labels: list[int], score: Value, bound: float) -> Value:
    """The second of two labels where the score, of shape (rows, 1), is above a bound, else the first; INT64 of shape (rows,)."""
    is_second = ctx.reshape(ctx.binary(GREATER, score, bound), (score.dims[0],))
    return ctx.op(SELECT_V2, is_second, *(ctx.constant(np.array(label, np.int64)) for label in reversed(labels)))


def opposed(ctx: Context, score: Value, post_transform: str, is_probability: bool) -> Value:
    """Scores of two classes (rows, 2) from that of the second, (rows, 1)."""
    if post_transform == "LOGISTIC":
        first, second = ctx.op(LOGISTIC, ctx.op(NEG, score)), ctx.op(LOGISTIC, score)
    else:
        first, second = ctx.op(SUB, ctx.like(score, 1.0), score) if is_probability else ctx.op(NEG, score), score
    return ctx.op(CONCATENATION, first, second, options=ConcatenationOptions(axis=1))


@lowers("ai.onnx.ml.LinearClassifier")
def linear_classifier(ctx: Context, node: Node) -> tuple[Value, Value]:
    x, labels = cast_to(ctx, ctx.input(0), FLOAT32), class_labels(ctx, node)
    rows = x if x.rank > 1 else ctx.reshape(x, (1, x.size))
    shifts = attribute(node, "intercepts")
    ctx.require(bool(shifts), "intercepts are required, found none")
    weights = np.reshape(attribute(node, "coefficients"), (len(shifts), -1))
    ctx.require(
        rows.rank == 2 and weights.shape[1] == rows.dims[1], f"rows of {weights.shape[1]} features are required, found shape {x.dims}"
    )
    scores = fully_connected(ctx, rows, ctx.like(x, weights), ctx.like(x, shifts))
    last = attribute(node, "post_transform", "NONE")
    if len(shifts) == 1 and len(labels) == 2:
        return label_above(ctx, labels, scores, 0.0), opposed(ctx, scores, last, is_probability=True)
    ctx.require(len(shifts) == len(labels), f"scores for each of {len(labels)} classes are required, found {len(shifts)}")
    return best_label(ctx, labels, scores), transformed(ctx, scores, last)
