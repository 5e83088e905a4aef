"""Operators of ai.onnx.ml on numbers: what exports of classical learning prepare features with, and linear models."""

from collections.abc import Callable

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.indexing import positions_along
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.activation import LOGISTIC, SOFTMAX
from jitlite.schemas.ops.comparison import EQUAL, GREATER, NOT_EQUAL, SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.elementwise import ABS, DIV, MUL, SQRT, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.reduce import ARG_MAX, REDUCE_ANY, SUM
from jitlite.schemas.tables import ArgMaxOptions, ConcatenationOptions, GatherOptions, ReducerOptions, SoftmaxOptions, TensorType

FLOAT32 = np.dtype(np.float32)

POST_TRANSFORMS: dict[str, Callable[[Context, Value], Value]] = {
    "NONE": lambda ctx, y: y,
    "LOGISTIC": lambda ctx, y: ctx.op(LOGISTIC, y),
    "SOFTMAX": lambda ctx, y: ctx.op(SOFTMAX, y, options=SoftmaxOptions(beta=1.0)),
}


def transformed(ctx: Context, y: Value, name: str) -> Value:
    """What a model of ai.onnx.ml does last, of those that need no function .tflite lacks."""
    ctx.require(name in POST_TRANSFORMS, f"post_transform {', '.join(POST_TRANSFORMS)} is supported, found {name}")
    return POST_TRANSFORMS[name](ctx, y)


@lowers("ai.onnx.ml.Binarizer")
def binarizer(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    assert x.dtype is not None
    return cast_to(ctx, ctx.binary(GREATER, x, attribute(node, "threshold", 0.0)), x.dtype)


@lowers("ai.onnx.ml.ArrayFeatureExtractor")
def array_feature_extractor(ctx: Context, node: Node) -> Value:
    x, places = ctx.input(0), ctx.input(1)
    rows = x if x.rank > 1 else ctx.reshape(x, (1, x.size))
    picked = positions_along(ctx, ctx.reshape(places, (places.size,)), x.dims[-1])
    return ctx.op(GATHER, rows, picked, options=GatherOptions(axis=rows.rank - 1))


@lowers("ai.onnx.ml.FeatureVectorizer")
def feature_vectorizer(ctx: Context, node: Node) -> Value:
    parts = [cast_to(ctx, ctx.input(index), FLOAT32) for index in range(len(ctx.operands))]
    ctx.require(all(part.rank == 2 for part in parts), f"operands of rank 2 are required, found {[part.dims for part in parts]}")
    return parts[0] if len(parts) == 1 else ctx.op(CONCATENATION, *parts, options=ConcatenationOptions(axis=1))


@lowers("ai.onnx.ml.Scaler")
def scaler(ctx: Context, node: Node) -> Value:
    x = cast_to(ctx, ctx.input(0), FLOAT32)
    moved = ctx.op(SUB, x, ctx.like(x, attribute(node, "offset", [0.0])))
    return ctx.op(MUL, moved, ctx.like(x, attribute(node, "scale", [1.0])))


@lowers("ai.onnx.ml.Normalizer")
def normalizer(ctx: Context, node: Node) -> Value:
    """Rows divided by the sum of their magnitudes or by their length; rows of zeros stay zeros. For MAX the runtimes differ on signs."""
    x, norm = cast_to(ctx, ctx.input(0), FLOAT32), attribute(node, "norm", "MAX")
    ctx.require(norm in ("L1", "L2"), f"norm L1 or L2 is supported, found {norm}")
    total = ctx.op(
        SUM, ctx.op(ABS, x) if norm == "L1" else ctx.op(MUL, x, x), ctx.indices([x.rank - 1]), options=ReducerOptions(keep_dims=True)
    )
    size = total if norm == "L1" else ctx.op(SQRT, total)
    return ctx.op(DIV, x, ctx.op(SELECT_V2, ctx.binary(EQUAL, size, 0.0), ctx.like(size, 1.0), size))


@lowers("ai.onnx.ml.Imputer")
def imputer(ctx: Context, node: Node) -> Value:
    """One number a column, or one for all, in place of the one that marks a missing value."""
    x = ctx.input(0)
    assert x.dtype is not None
    kind = "float" if x.dtype.kind == "f" else "int64"
    marker, given = attribute(node, f"replaced_value_{kind}", 0), attribute(node, f"imputed_value_{kind}s")
    ctx.require(given is not None and len(given) in (1, x.dims[-1]), f"1 or {x.dims[-1]} imputed values are required, found {given}")
    missing = ctx.op(NOT_EQUAL, x, x) if kind == "float" and np.isnan(marker) else ctx.binary(EQUAL, x, marker)
    return ctx.op(SELECT_V2, missing, ctx.like(x, given), x)


@lowers("ai.onnx.ml.LinearRegressor")
def linear_regressor(ctx: Context, node: Node) -> Value:
    x, targets = cast_to(ctx, ctx.input(0), FLOAT32), attribute(node, "targets", 1)
    weights = np.reshape(attribute(node, "coefficients"), (targets, -1))
    ctx.require(x.rank == 2 and weights.shape[1] == x.dims[1], f"rows of {weights.shape[1]} features are required, found shape {x.dims}")
    shifts = attribute(node, "intercepts")
    bias = None if shifts is None else ctx.like(x, shifts)
    return transformed(ctx, fully_connected(ctx, x, ctx.like(x, weights), bias), attribute(node, "post_transform", "NONE"))


@lowers("ai.onnx.ml.OneHotEncoder")
def one_hot_encoder(ctx: Context, node: Node) -> Value:
    """1 where the element, cut to a whole number, is the category and 0 elsewhere, FLOAT32 along a new last axis. With `zeros` at 0
    runtimes refuse an element that is no category; here its row is zeros in either case.
    """
    x, categories = ctx.input(0), attribute(node, "cats_int64s")
    ctx.require(bool(categories), "categories that are whole numbers are required, found text")
    whole = cast_to(ctx, x, np.dtype(np.int64))
    found = ctx.op(EQUAL, ctx.reshape(whole, (*x.dims, 1)), ctx.like(whole, np.array(categories, np.int64)))
    return cast_to(ctx, found, FLOAT32)


@lowers("ai.onnx.ml.LabelEncoder", since=2)
def label_encoder(ctx: Context, node: Node) -> Value:
    """The value of the key that equals the element, else the default."""
    x, wanted = ctx.input(0), node.outputs[0].dtype
    keys, values = _entries(node, "keys"), _entries(node, "values")
    ctx.require(keys is not None and values is not None, "keys and values that are numbers are required, found text")
    assert keys is not None
    assert values is not None
    ctx.require(not np.any(keys != keys), "keys that equal themselves are required, found NaN")
    default = attribute(node, "default_tensor")
    if default is None:
        default = attribute(node, "default_float", -0.0) if values.dtype.kind == "f" else attribute(node, "default_int64", -1)
    found = ctx.op(EQUAL, ctx.reshape(x, (*x.dims, 1)), ctx.like(x, keys))
    is_known = ctx.op(REDUCE_ANY, found, ctx.indices([x.rank]), options=ReducerOptions(keep_dims=False))
    place = ctx.op(ARG_MAX, found, ctx.indices([x.rank]), options=ArgMaxOptions(output_type=TensorType.INT32))
    picked = ctx.op(GATHER, ctx.constant(values), place, options=GatherOptions(axis=0))
    y = ctx.op(SELECT_V2, is_known, picked, ctx.like(picked, np.asarray(default).reshape(())))
    return y if wanted is None else cast_to(ctx, y, wanted)


def _entries(node: Node, name: str) -> Array | None:
    """The numbers of a list that comes in one of several attributes; None where it is text."""
    tensor = attribute(node, f"{name}_tensor")
    if tensor is not None:
        return None if tensor.dtype.kind not in "fiu" else np.asarray(tensor).reshape(-1)
    for suffix, dtype in (("int64s", np.int64), ("floats", np.float32)):
        given = attribute(node, f"{name}_{suffix}")
        if given is not None:
            return np.asarray(given, dtype)
    return None
