"""Float operators of com.microsoft, as ONNX Runtime's optimisers write them into models."""

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conv import conv
from jitlite.converter.lowerings.gates import FUNCTIONS, bounded
from jitlite.converter.lowerings.matmul import gemm
from jitlite.converter.lowerings.normalization import root_mean_square, with_statistics
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.activation import GELU, LOGISTIC
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.matmul import BATCH_MATMUL
from jitlite.schemas.ops.reduce import MEAN
from jitlite.schemas.tables import BatchMatMulOptions, GeluOptions, ReducerOptions

SKIP_EPSILON = 1e-12
"""What the normalisations after a residual sum add to the variance where the node does not say."""


def _text(node: Node, name: str) -> str:
    found = attribute(node, name, "")
    return found.decode() if isinstance(found, bytes) else str(found)


def _activated(ctx: Context, x: Value, name: str, numbers: list[float]) -> Value:
    """An activation by its name, with the numbers that ONNX Runtime's fused operators carry."""
    if not name:
        return x
    if name == "Clip":
        ctx.require(len(numbers) == 2, f"two bounds are required, found {numbers}")
        return bounded(ctx, x, *numbers)
    known = name.lower() in FUNCTIONS
    ctx.require(known, f"an activation of Clip, {', '.join(FUNCTIONS)} is required, found {name}")
    function, usual = FUNCTIONS[name.lower()]
    alpha, beta = (*numbers, *usual[len(numbers) :], 0.0, 0.0)[:2]
    return function(ctx, x, alpha, beta)


@lowers("com.microsoft.FusedConv", since=0)
def fused_conv(ctx: Context, node: Node) -> Value:
    """A convolution, a sum with another tensor, an activation."""
    other = ctx.optional(3)
    y = conv(ctx, node)
    assert isinstance(y, Value), "a convolution has one result"
    y = y if other is None else ctx.op(ADD, y, other)
    return _activated(ctx, y, _text(node, "activation"), list(attribute(node, "activation_params", [])))


@lowers("com.microsoft.FusedGemm", since=0)
def fused_gemm(ctx: Context, node: Node) -> Value:
    numbers = [attribute(node, name) for name in ("activation_alpha", "activation_beta", "activation_gamma")]
    y = gemm(ctx, node)
    assert isinstance(y, Value), "a product has one result"
    return _activated(ctx, y, _text(node, "activation"), [number for number in numbers if number is not None])


@lowers("com.microsoft.FusedMatMul", "com.microsoft.TransposeMatMul", since=0)
def fused_matmul(ctx: Context, node: Node) -> Value:
    a, b = ctx.input(0), ctx.input(1)
    ctx.require(a.rank >= 2 and b.rank >= 2, f"operands of rank 2 or more are required, found {a.dims} and {b.dims}")
    whole = not attribute(node, "transBatchA", 0) and not attribute(node, "transBatchB", 0)
    ctx.require(whole, "transBatchA and transBatchB 0 are supported, found 1")
    options = BatchMatMulOptions(adj_x=bool(attribute(node, "transA", 0)), adj_y=bool(attribute(node, "transB", 0)))
    y, alpha = ctx.op(BATCH_MATMUL, a, b, options=options), attribute(node, "alpha", 1.0)
    return y if alpha == 1 else ctx.binary(MUL, y, alpha)


@lowers("com.microsoft.Gelu", "com.microsoft.BiasGelu", "com.microsoft.FastGelu", since=0)
def gelu(ctx: Context, node: Node) -> Value:
    """Exact but for FastGelu; a second operand is added first."""
    x, bias = ctx.input(0), ctx.optional(1)
    x = x if bias is None else ctx.op(ADD, x, bias)
    return ctx.op(GELU, x, options=GeluOptions(approximate=node.kind.endswith("FastGelu")))


@lowers("com.microsoft.QuickGelu", since=0)
def quick_gelu(ctx: Context, node: Node) -> Value:
    x, alpha = ctx.input(0), attribute(node, "alpha", 1.702)
    return ctx.op(MUL, x, ctx.op(LOGISTIC, x if alpha == 1 else ctx.binary(MUL, x, alpha)))


@lowers("SimplifiedLayerNormalization", since=0)
def simplified_layer_normalization(ctx: Context, node: Node) -> list[Value]:
    x = ctx.input(0)
    first = ctx.axis(attribute(node, "axis", -1), x.rank)
    y, scale = root_mean_square(ctx, x, range(first, x.rank), attribute(node, "epsilon", 1e-5))
    return [ctx.op(MUL, y, ctx.input(1)), scale][: len(node.outputs)]


@lowers("com.microsoft.SkipLayerNormalization", "com.microsoft.SkipSimplifiedLayerNormalization", since=0)
def skip_layer_normalization(ctx: Context, node: Node) -> list[Value]:
    """The normalised sum of the first two operands and a bias, its statistics, and that sum."""
    is_simple = node.kind.endswith("SkipSimplifiedLayerNormalization")
    total, epsilon = ctx.op(ADD, ctx.input(0), ctx.input(1)), attribute(node, "epsilon", SKIP_EPSILON)
    bias = ctx.optional(3 if is_simple else 4)
    total = total if bias is None else ctx.op(ADD, total, bias)
    last = (total.rank - 1,)
    if is_simple:
        y, scale = root_mean_square(ctx, total, last, epsilon)
        mean = ctx.op(MEAN, total, ctx.indices(last), options=ReducerOptions(keep_dims=True))
    else:
        y, mean, scale = with_statistics(ctx, total, last, epsilon)
    y = ctx.op(MUL, y, ctx.input(2))
    beta = None if is_simple else ctx.optional(3)
    y = y if beta is None else ctx.op(ADD, y, beta)
    return [y, mean, scale, total][: len(node.outputs)]
