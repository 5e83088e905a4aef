"""Random numbers. Nodes without a seed get one from their name: conversions are reproducible, the numbers of two runs are others."""

from zlib import crc32

import numpy as np
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.random import MULTINOMIAL, RANDOM_STANDARD_NORMAL, RANDOM_UNIFORM
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import RandomOptions

SECOND_SEED = 1
"""Not 0: two seeds of 0 mean numbers that nobody can reproduce."""


def _options(node: Node) -> RandomOptions:
    seed = attribute(node, "seed")
    if seed is not None and not abs(seed) < 1 << 63:
        raise Unlowerable(f"a seed below 2^63 is required, found {seed}")
    return RandomOptions(seed=crc32(node.outputs[0].name.encode()) if seed is None else int(seed), seed2=SECOND_SEED)


def _dtype(node: Node, usual: np.dtype | None) -> np.dtype:
    given = attribute(node, "dtype")
    return usual if given is None and usual is not None else np.dtype(tensor_dtype_to_np_dtype(given or TensorProto.FLOAT))


def _drawn(ctx: Context, node: Node, spec: OpSpec, shape: tuple[int, ...], scale: float, shift: float) -> Value:
    y = ctx.op(spec, ctx.indices(shape), options=_options(node))
    y = y if scale == 1 else ctx.binary(MUL, y, scale)
    return y if shift == 0 else ctx.binary(ADD, y, shift)


@lowers("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike")
def numbers(ctx: Context, node: Node) -> Value:
    like = ctx.input(0) if node.kind.endswith("Like") else None
    shape = tuple(attribute(node, "shape", [])) if like is None else like.dims
    if "Normal" in node.kind:
        y = _drawn(ctx, node, RANDOM_STANDARD_NORMAL, shape, attribute(node, "scale", 1.0), attribute(node, "mean", 0.0))
    else:
        low, high = attribute(node, "low", 0.0), attribute(node, "high", 1.0)
        y = _drawn(ctx, node, RANDOM_UNIFORM, shape, high - low, low)
    return cast_to(ctx, y, _dtype(node, None if like is None else like.dtype))


@lowers("Bernoulli", since=15)
def bernoulli(ctx: Context, node: Node) -> Value:
    """1 with the probability given for each element."""
    x = ctx.input(0)
    chance = cast_to(ctx, x, np.dtype(np.float32))
    return cast_to(ctx, ctx.op(LESS, _drawn(ctx, node, RANDOM_UNIFORM, x.dims, 1.0, 0.0), chance), _dtype(node, x.dtype))


@lowers("Multinomial", since=7)
def multinomial(ctx: Context, node: Node) -> Value:
    x, count = ctx.input(0), attribute(node, "sample_size", 1)
    y = ctx.op(MULTINOMIAL, x, ctx.indices(count), options=_options(node))
    return cast_to(ctx, y, np.dtype(tensor_dtype_to_np_dtype(attribute(node, "dtype", TensorProto.INT32))))
