"""Matrix products: FULLY_CONNECTED (activations · weightsᵀ + bias) and BATCH_MATMUL (two activations, broadcasting batches)."""

from jitlite.schemas.ops.operands import bounded
from jitlite.schemas.ops.quantized import (
    WeightTypes,
    block_size,
    check_bias,
    check_outputs,
    check_per_tensor,
    check_types,
    check_weight,
    check_zero_points_are_zero,
    is_hybrid,
    is_per_channel,
)
from jitlite.schemas.ops.shapes import broadcast_shapes, check_nonempty, check_rank
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, TensorInfo, define
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BatchMatMulOptions,
    BuiltinOperator,
    FullyConnectedOptions,
    FullyConnectedOptionsWeightsFormat,
    TensorType,
)

T = TensorType

_FULLY_CONNECTED_TYPES: WeightTypes = {
    (T.FLOAT32, T.FLOAT32): (T.FLOAT32,),
    (T.INT8, T.INT8): (T.INT32,),
    (T.INT8, T.INT4): (T.INT32,),
    (T.INT8, T.INT2): (T.INT32,),
    (T.UINT8, T.UINT8): (T.INT32,),
    (T.INT16, T.INT8): (T.INT64, T.INT32),
    (T.INT16, T.INT4): (T.INT64, T.INT32),
    (T.INT16, T.INT16): (T.INT64, T.INT32),
    (T.FLOAT32, T.INT8): (T.FLOAT32,),
    (T.FLOAT32, T.INT4): (T.FLOAT32,),
    (T.FLOAT32, T.INT2): (T.FLOAT32,),
    (T.FLOAT32, T.UINT8): (T.FLOAT32,),
}

_BATCH_MATMUL_TYPES: WeightTypes = {
    (T.FLOAT32, T.FLOAT32): (),
    (T.INT8, T.INT8): (),
    (T.INT16, T.INT16): (),
    (T.INT16, T.INT8): (),
    (T.FLOAT32, T.INT8): (),
}

SHUFFLED_UNITS, SHUFFLED_DEPTH = 4, 16
"""The blocks that shuffled weights consist of: so many rows of so many columns each."""

_LARGEST_BIAS_ERROR = 0.02
"""Output steps by which a bias unit may differ from the product of the input's and the weights' scales."""


def _check_bias_scale(call: Call, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None) -> None:
    if bias is None or not bias.is_quantized or x.type == T.FLOAT32 or not call.outputs or is_per_channel(weight):
        return
    product = x.scale * weight.scale
    error = abs(product - bias.scale) / call.outputs[0].scale
    call.require(error <= _LARGEST_BIAS_ERROR, f"a bias scale of {product:g} is required, found {bias.scale:g}")


def _fully_connected(call: Call) -> list[tuple[Shape, TensorType]]:
    x, weight, bias, o = call.input(0), call.input(1), call.optional_input(2), call.options
    is_shuffled = o.weights_format != FullyConnectedOptionsWeightsFormat.DEFAULT
    check_rank(call, "weights", weight.shape, 2)
    check_nonempty(call, "weights", weight.shape)
    check_types(call, x, weight, bias, _FULLY_CONNECTED_TYPES)
    if is_hybrid(x, weight) and o.fused_activation_function is ActivationFunctionType.SIGN_BIT:
        raise call.unsupported("clamps and TANH are supported behind quantized weights, found SIGN_BIT")
    check_per_tensor(call, "input", x)
    check_outputs(call)
    units, depth = weight.shape
    if x.type != T.FLOAT32 or block_size(call, "weights", weight) is None:
        check_weight(call, "weights", weight, units, 0)
        if is_hybrid(x, weight) or weight.type not in (T.INT8, T.INT16):
            check_zero_points_are_zero(call, "weights", weight)
    check_bias(call, bias, units)
    _check_bias_scale(call, x, weight, bias)
    if is_shuffled:
        return _shuffled(call, x, weight, bias)
    type = T.INT16 if has_short_results(call) else x.type
    if o.keep_num_dims:
        found = x.shape[-1] if x.shape else "a scalar"
        call.require(bool(x.shape) and x.shape[-1] == depth, f"a last dimension of {depth} is required, found {found}")
        return [(bounded(call, (*x.shape[:-1], units)), type)]
    call.require(x.size % depth == 0, f"input elements divisible by the weights' depth {depth} are required, found shape {list(x.shape)}")
    return [(bounded(call, (x.size // depth, units)), type)]


def has_short_results(call: Call) -> bool:
    """True for a FULLY_CONNECTED of UINT8 operands with INT16 results."""
    return call.input(0).type == call.input(1).type == T.UINT8 and bool(call.outputs) and call.outputs[0].type == T.INT16


def _shuffled(call: Call, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None) -> list[tuple[Shape, TensorType]]:
    """The results of a product with shuffled weights: INT16 numbers, and the input as it is shuffled."""
    (units, depth), rows = weight.shape, x.size // weight.shape[1]
    call.require(has_short_results(call), "UINT8 operands and INT16 results are required for shuffled weights, found others")
    call.require(len(call.outputs) == 2, f"2 results are required for shuffled weights, found {len(call.outputs)}")
    call.require(bias is not None, "a bias is required for shuffled weights, found none")
    fits = units % SHUFFLED_UNITS == 0 and depth % SHUFFLED_DEPTH == 0
    call.require(fits, f"weights of whole blocks of {SHUFFLED_UNITS} x {SHUFFLED_DEPTH} are required, found {list(weight.shape)}")
    call.require(rows in (1, 4) and rows * depth == x.size, f"1 or 4 rows of {depth} are required, found shape {list(x.shape)}")
    return [((rows, units), T.INT16), (x.shape, T.UINT8)]


def _fully_connected_version(call: Call) -> int:
    x, weight, o = call.input(0), call.input(1), call.options
    pair = (x.type, weight.type)
    rules = (
        (14, weight.type == T.INT2),
        (13, pair == (T.INT16, T.INT4)),
        (12, pair == (T.FLOAT32, T.INT8) and is_per_channel(weight)),
        (11, pair == (T.INT16, T.INT8) and o.quantized_bias_type != T.FLOAT32),
        (7, x.type == T.INT16),
        (6, len(call.inputs) == 2),
        (5, bool(o.keep_num_dims)),
        (4, pair == (T.INT8, T.INT8)),
        (10, weight.type == T.INT4),
        (9, is_hybrid(x, weight) and bool(o.asymmetric_quantize_inputs)),
        (2, o.weights_format != FullyConnectedOptionsWeightsFormat.DEFAULT),
        (3, is_hybrid(x, weight)),
    )
    return next((version for version, applies in rules if applies), 1)


def _batch_matmul(call: Call) -> list[tuple[Shape, TensorType]]:
    x, y, o = call.input(0), call.input(1), call.options
    check_types(call, x, y, None, _BATCH_MATMUL_TYPES)
    for name, info in (("lhs", x), ("rhs", y)):
        check_rank(call, name, info.shape, 2, 5)
        check_nonempty(call, name, info.shape[-2:])
        check_per_tensor(call, name, info)
    if is_hybrid(x, y):
        check_zero_points_are_zero(call, "rhs", y)
    check_outputs(call)
    rows, depth = x.shape[:-3:-1] if o.adj_x else x.shape[-2:]
    inner, columns = y.shape[:-3:-1] if o.adj_y else y.shape[-2:]
    call.require(depth == inner, f"matching inner dimensions are required, found {depth} and {inner}")
    wide = x.type == T.INT8 and bool(call.outputs) and call.outputs[0].type == T.INT32
    shape = (*broadcast_shapes(call, x.shape[:-2], y.shape[:-2]), rows, columns)
    return [(bounded(call, shape), T.INT32 if wide else x.type)]


def _batch_matmul_version(call: Call) -> int:
    x, y = call.input(0), call.input(1)
    if x.type in (T.INT16, T.INT8):
        return 3 if x.type == T.INT16 else 2
    return 4 if is_hybrid(x, y) and call.options.asymmetric_quantize_inputs else 1


FULLY_CONNECTED = define(
    OpSpec(
        "FULLY_CONNECTED",
        BuiltinOperator.FULLY_CONNECTED,
        inputs=("input", "weights", "bias?"),
        outputs=("output", "workspace*"),
        infer=_fully_connected,
        options=FullyConnectedOptions,
        quant=Quant(QuantKind.FREE, activations=(0,), weight=1, axis=0, bias=2),
        version=_fully_connected_version,
        max_version=14,
    )
)

BATCH_MATMUL = define(
    OpSpec(
        "BATCH_MATMUL",
        BuiltinOperator.BATCH_MATMUL,
        inputs=("lhs", "rhs"),
        infer=_batch_matmul,
        options=BatchMatMulOptions,
        quant=Quant(QuantKind.FREE),
        version=_batch_matmul_version,
        max_version=4,
    )
)
