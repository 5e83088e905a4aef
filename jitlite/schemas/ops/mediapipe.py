"""The custom operators of MediaPipe's segmentation models; their options are C structures of 32-bit integers.

Convolution2DTransposeBias has a filter OHWI and finds the result's size itself. MaxPoolingWithArgmax2D gives besides the largest elements
their taps' numbers, row by row, as float32; MaxUnpooling2D puts elements back there, into zeros.
"""

import struct
from typing import NamedTuple

from jitlite.schemas.ops.operands import bounded, require_type
from jitlite.schemas.ops.shapes import check_nonempty, check_rank, check_steps, output_size
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import ActivationFunctionType, BuiltinOperator, Padding, TensorType

_CLAMPS = (ActivationFunctionType.NONE, ActivationFunctionType.RELU, ActivationFunctionType.RELU_N1_TO_1, ActivationFunctionType.RELU6)
_PADDINGS = {1: Padding.SAME, 2: Padding.VALID}
_LARGEST_STRIDE = 64
_LARGEST_WINDOW = 2**12

Results = list[tuple[Shape, TensorType]]


class WindowOptions(NamedTuple):
    """What windows that slide need to know, by the names the builtin operators' options have."""

    padding: Padding
    stride_w: int
    stride_h: int
    filter_width: int
    filter_height: int
    fused_activation_function: ActivationFunctionType


def window_options(call: Call) -> WindowOptions:
    """The options; a convolution has no filter size and no activation."""
    is_pool = call.spec is not CONVOLUTION_2D_TRANSPOSE_BIAS
    count = 6 if is_pool else 3
    call.require(len(call.custom_options) >= 4 * count, f"{4 * count} bytes of options are required, found {len(call.custom_options)}")
    padding, *sizes = struct.unpack_from(f"<{count}i", call.custom_options)
    call.require(padding in _PADDINGS, f"padding 1 or 2 is required, found {padding}")
    filter_width, filter_height, activation = sizes[2:] if is_pool else (1, 1, 0)
    check_steps(call, _LARGEST_STRIDE, stride_w=sizes[0], stride_h=sizes[1])
    check_steps(call, _LARGEST_WINDOW, filter_width=filter_width, filter_height=filter_height)
    call.require(0 <= activation < len(ActivationFunctionType), f"a fused activation is required, found {activation}")
    fused = ActivationFunctionType(activation)
    if fused not in _CLAMPS:
        raise call.unsupported(f"fused activation {', '.join(clamp.name for clamp in _CLAMPS)} is supported, found {fused.name}")
    return WindowOptions(_PADDINGS[padding], sizes[0], sizes[1], filter_width, filter_height, fused)


def _check_images(call: Call) -> Shape:
    for index in range(len(call.inputs)):
        require_type(call, index, (TensorType.FLOAT32,))
    x = call.input(0).shape
    check_rank(call, "input", x, 4)
    check_nonempty(call, "input", x, 1)
    return x


def _scattered(size: int, window: int, stride: int, padding: Padding) -> int:
    cut = max(0, window - (size - 1) % stride - 1) if padding == Padding.SAME else 0
    return stride * (size - 1) + window - cut


def _transposed(call: Call) -> Results:
    x, weight, bias, o = _check_images(call), call.input(1).shape, call.input(2).shape, window_options(call)
    check_rank(call, "weights", weight, 4)
    check_nonempty(call, "weights", weight)
    call.require(x[3] == weight[3], f"{weight[3]} input channels are required, found {x[3]}")
    call.require(bias == weight[:1], f"a bias of shape {weight[:1]} is required, found {bias}")
    height, width = (_scattered(x[axis], weight[axis], stride, o.padding) for axis, stride in ((1, o.stride_h), (2, o.stride_w)))
    return [(bounded(call, (x[0], height, width, weight[0])), TensorType.FLOAT32)]


def _pooled(call: Call) -> Results:
    x, o = _check_images(call), window_options(call)
    height = output_size(call, o.padding, x[1], o.filter_height, o.stride_h)
    width = output_size(call, o.padding, x[2], o.filter_width, o.stride_w)
    shape = bounded(call, (x[0], height, width, x[3]))
    return [(shape, TensorType.FLOAT32)] * 2


def _unpooled(call: Call) -> Results:
    x, positions, o = _check_images(call), call.input(1).shape, window_options(call)
    call.require(positions == x, f"positions of shape {x} are required, found {positions}")
    return [(bounded(call, (x[0], x[1] * o.filter_height, x[2] * o.filter_width, x[3])), TensorType.FLOAT32)]


CONVOLUTION_2D_TRANSPOSE_BIAS = define(
    OpSpec("Convolution2DTransposeBias", BuiltinOperator.CUSTOM, inputs=("input", "weights", "bias"), infer=_transposed)
)
MAX_POOLING_WITH_ARGMAX_2D = define(
    OpSpec("MaxPoolingWithArgmax2D", BuiltinOperator.CUSTOM, inputs=("input",), infer=_pooled, outputs=("output", "positions"))
)
MAX_UNPOOLING_2D = define(OpSpec("MaxUnpooling2D", BuiltinOperator.CUSTOM, inputs=("input", "positions"), infer=_unpooled))
