"""Convolutions over three dimensions: CONV_3D and CONV_3D_TRANSPOSE, in float32.

Layouts: activations N, depth, height, width, channels; filters depth, height, width, I, O for CONV_3D and depth, height, width, O, I for
CONV_3D_TRANSPOSE, where I and O count the channels of operand and result.
"""

from typing import NamedTuple

from jitlite.schemas.ops.operands import bounded, require_rank, require_type, vector
from jitlite.schemas.ops.shapes import check_nonempty, check_steps, output_size, same_padding
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, Conv3DOptions, TensorType

_F32 = TensorType.FLOAT32


class Slide(NamedTuple):
    """How a window moves along one axis of the larger of the two tensors; `padding` elements lie before the first."""

    window: int
    stride: int
    dilation: int
    padding: int


def _steps(call: Call) -> tuple[tuple[int, int], ...]:
    """(stride, dilation) along depth, height and width."""
    o = call.options
    check_steps(call, stride_d=o.stride_d, stride_h=o.stride_h, stride_w=o.stride_w)
    check_steps(call, dilation_d_factor=o.dilation_d_factor, dilation_h_factor=o.dilation_h_factor, dilation_w_factor=o.dilation_w_factor)
    return (o.stride_d, o.dilation_d_factor), (o.stride_h, o.dilation_h_factor), (o.stride_w, o.dilation_w_factor)


def slides(call: Call, large: Shape, small: Shape) -> tuple[Slide, ...]:
    """The windows' moves along depth, height and width; `large` and `small` are the shapes the windows slide over and give."""
    found = []
    for axis, (stride, dilation) in enumerate(_steps(call)):
        window = call.input(1).shape[axis]
        before, _ = same_padding(large[axis + 1], small[axis + 1], window, stride, dilation)
        found.append(Slide(window, stride, dilation, before))
    return tuple(found)


def _windows(call: Call, large: Shape) -> Shape:
    filter, padding = call.input(1).shape, call.options.padding
    steps = enumerate(_steps(call))
    return tuple(output_size(call, padding, large[axis + 1], filter[axis], stride, dilation) for axis, (stride, dilation) in steps)


def _check_operands(call: Call, input: int, axis: int) -> None:
    """Types and ranks; `input` and `input` + 1 or 2 are the activations and the bias, `axis` is that of output channels in the filter."""
    require_type(call, input, (_F32,))
    require_type(call, 1, (_F32,))
    require_rank(call, input, 5, 5)
    require_rank(call, 1, 5, 5)
    x, filter, bias = call.input(input).shape, call.input(1).shape, call.optional_input(max(input, 1) + 1)
    check_nonempty(call, "filter", filter)
    call.require(x[4] == filter[7 - axis], f"{filter[7 - axis]} input channels are required, found {x[4]}")
    if bias is not None:
        call.require(bias.type is _F32, f"a bias of type FLOAT32 is required, found {bias.type.name}")
        call.require(bias.size == filter[axis], f"a bias of {filter[axis]} elements is required, found shape {bias.shape}")


def _conv_3d(call: Call) -> list[tuple[Shape, TensorType]]:
    _check_operands(call, 0, 4)
    x, filter = call.input(0).shape, call.input(1).shape
    check_nonempty(call, "input", x, 1)
    return [(bounded(call, (x[0], *_windows(call, x), filter[4])), _F32)]


def _conv_3d_transpose(call: Call) -> list[tuple[Shape, TensorType]]:
    _check_operands(call, 2, 3)
    x, filter = call.input(2).shape, call.input(1).shape
    shape = bounded(call, vector(call, 0, 5, (TensorType.INT32,)))
    call.require((shape[0], shape[4]) == (x[0], filter[3]), f"batch {x[0]} and {filter[3]} channels are required, found {shape}")
    windows = _windows(call, shape)
    call.require(windows == x[1:4], f"an output shape over which {x[1:4]} windows fit is required, found {shape} for {windows}")
    return [(shape, _F32)]


CONV_3D = define(OpSpec("CONV_3D", BuiltinOperator.CONV_3D, ("input", "filter", "bias?"), _conv_3d, options=Conv3DOptions))

CONV_3D_TRANSPOSE = define(
    OpSpec(
        "CONV_3D_TRANSPOSE",
        BuiltinOperator.CONV_3D_TRANSPOSE,
        inputs=("output_shape", "filter", "input", "bias?"),
        infer=_conv_3d_transpose,
        options=Conv3DOptions,
    )
)
