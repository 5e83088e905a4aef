"""Pooling over height and width of NHWC tensors: AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D (root of the mean square).

Elements of padding are left out: an average divides by the number of elements inside the input.
"""

from jitlite.schemas.ops.quantized import check_outputs, check_per_tensor, check_unscaled, is_plain
from jitlite.schemas.ops.shapes import check_nonempty, check_rank, check_steps, output_size
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import ActivationFunctionType, BuiltinOperator, Pool2DOptions, TensorType

_TYPES = (TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8, TensorType.INT16)
_CLAMPS = (ActivationFunctionType.RELU, ActivationFunctionType.RELU6, ActivationFunctionType.RELU_N1_TO_1)
_MAX_SUMMANDS = {TensorType.INT8: 2**23, TensorType.UINT8: 2**22, TensorType.INT16: 2**15}


def _pooled(call: Call, types: tuple[TensorType, ...]) -> list[tuple[Shape, TensorType]]:
    x, o = call.input(0), call.options
    call.require(x.type in types, f"an input of type {', '.join(t.name for t in types)} is required, found {x.type.name}")
    check_rank(call, "input", x.shape, 4)
    check_nonempty(call, "input", x.shape, 1)
    check_steps(call, stride_h=o.stride_h, stride_w=o.stride_w, filter_height=o.filter_height, filter_width=o.filter_width)
    if is_plain(call, x) and x.type != TensorType.FLOAT32:
        fused = o.fused_activation_function
        call.require(fused not in _CLAMPS, f"a scale is required for the activation {fused.name}, found none")
    else:
        check_per_tensor(call, "input", x)
        check_outputs(call)
    height = output_size(call, o.padding, x.shape[1], o.filter_height, o.stride_h)
    width = output_size(call, o.padding, x.shape[2], o.filter_width, o.stride_w)
    return [((x.shape[0], height, width, x.shape[3]), x.type)]


def _pool(call: Call) -> list[tuple[Shape, TensorType]]:
    result = _pooled(call, _TYPES)
    x, o = call.input(0), call.options
    if x.type != TensorType.FLOAT32:
        elements = min(o.filter_height, x.shape[1]) * min(o.filter_width, x.shape[2])
        limit = _MAX_SUMMANDS[x.type]
        call.require(elements <= limit, f"a window of at most {limit} elements is required for int32 sums, found {elements}")
    if not is_plain(call, x):
        check_unscaled(call, x)
    return result


def _l2_pool(call: Call) -> list[tuple[Shape, TensorType]]:
    return _pooled(call, (TensorType.FLOAT32,))


def _version(call: Call) -> int:
    return {TensorType.INT16: 3, TensorType.INT8: 2}.get(call.input(0).type, 1)


AVERAGE_POOL_2D = define(
    OpSpec(
        "AVERAGE_POOL_2D",
        BuiltinOperator.AVERAGE_POOL_2D,
        inputs=("input",),
        infer=_pool,
        options=Pool2DOptions,
        quant=Quant(QuantKind.SAME),
        version=_version,
        max_version=3,
    )
)

MAX_POOL_2D = define(
    OpSpec(
        "MAX_POOL_2D",
        BuiltinOperator.MAX_POOL_2D,
        inputs=("input",),
        infer=_pool,
        options=Pool2DOptions,
        quant=Quant(QuantKind.SAME),
        version=_version,
        max_version=3,
    )
)

L2_POOL_2D = define(OpSpec("L2_POOL_2D", BuiltinOperator.L2_POOL_2D, inputs=("input",), infer=_l2_pool, options=Pool2DOptions))
