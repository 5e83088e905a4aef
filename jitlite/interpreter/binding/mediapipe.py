"""Bindings of MediaPipe's custom operators."""

from jitlite.interpreter.binding.conv import transposed_floats
from jitlite.interpreter.binding.panels import bounds
from jitlite.interpreter.binding.registry import Bound, Step, binds, kernels
from jitlite.interpreter.binding.windows import sliding
from jitlite.schemas.ops.mediapipe import (
    CONVOLUTION_2D_TRANSPOSE_BIAS,
    MAX_POOLING_WITH_ARGMAX_2D,
    MAX_UNPOOLING_2D,
    window_options,
)
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import ActivationFunctionType, Padding

K = kernels("max_positions")


@binds(CONVOLUTION_2D_TRANSPOSE_BIAS)
def convolution_2d_transpose_bias(call: Call) -> Bound:
    x, weight, bias, y = call.input(0), call.input(1), call.input(2), call.outputs[0]
    return transposed_floats(x, weight, bias, y, window_options(call), bounds(ActivationFunctionType.NONE))


@binds(MAX_POOLING_WITH_ARGMAX_2D)
def max_pooling_with_argmax_2d(call: Call) -> Step:
    x, (y, positions), o = call.input(0), call.outputs, window_options(call)
    sizes = sliding(x.shape, y.shape, (o.filter_height, o.filter_width), o).sizes()
    clamp = bounds(o.fused_activation_function)
    return K.step("max_pooling_with_argmax_2d_f32", x=x, y=y, positions=positions, sizes=sizes, **clamp)


@binds(MAX_UNPOOLING_2D)
def max_unpooling_2d(call: Call) -> Step:
    """The windows are padded as far as they reach out of the result, whatever the options' padding."""
    x, positions, y, o = call.input(0), call.input(1), call.outputs[0], window_options(call)
    sizes = sliding(y.shape, x.shape, (o.filter_height, o.filter_width), o._replace(padding=Padding.SAME)).sizes()
    return K.step("max_unpooling_2d_f32", x=x, positions=positions, y=y, sizes=sizes)
