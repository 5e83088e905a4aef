"""Changes of element type."""

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.dtypes import tensor_type
from jitlite.schemas.ops.conversion import CAST
from jitlite.schemas.tables import CastOptions


def cast_to(ctx: Context, x: Value, dtype: np.dtype) -> Value:
    if x.dtype == dtype:
        return x
    assert x.dtype is not None
    return ctx.op(CAST, x, options=CastOptions(in_data_type=tensor_type(x.dtype), out_data_type=tensor_type(dtype)))


@lowers("Cast", since=6)
def cast(ctx: Context, node: Node) -> Value:
    return cast_to(ctx, ctx.input(0), np.dtype(tensor_dtype_to_np_dtype(attribute(node, "to"))))


@lowers("CastLike", since=15)
def cast_like(ctx: Context, node: Node) -> Value:
    dtype = ctx.input(1).dtype
    assert dtype is not None
    return cast_to(ctx, ctx.input(0), dtype)
