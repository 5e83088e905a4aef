"""Bindings of the operators that move blocks between batch, depth and space."""

from jitlite.interpreter.binding.boxes import BOXES, Loop, element_bytes, strides
from jitlite.interpreter.binding.registry import Step, binds, kernels
from jitlite.schemas.ops.space import BATCH_TO_SPACE_ND, DEPTH_TO_SPACE, SPACE_TO_BATCH_ND, SPACE_TO_DEPTH, blocks
from jitlite.schemas.ops.spec import Call, Shape, TensorInfo

K = kernels("space")


@binds(DEPTH_TO_SPACE)
@binds(SPACE_TO_DEPTH)
def depth_and_space(call: Call) -> Step:
    x, y, block = call.input(0), call.outputs[0], call.options.block_size
    deep, flat = (x, y) if call.spec is DEPTH_TO_SPACE else (y, x)
    n, h, w, _ = deep.shape
    channels = flat.shape[3]
    # Depth holds (block row, block column, channel); space holds (row, block row) and (column, block column).
    sizes = (n, h, block, w, block, channels)
    spread = strides(sizes)
    stacked = strides((n, h, w, block, block, channels))
    gathered = (stacked[0], stacked[1], stacked[3], stacked[2], stacked[4], stacked[5])
    x_strides, y_strides = (gathered, spread) if deep is x else (spread, gathered)
    loops = [Loop(*loop) for loop in zip(sizes, x_strides, y_strides)]
    return BOXES.copy(x, y, loops, element_bytes(call, x))


def _image(tensor: TensorInfo) -> Shape:
    """(n, h, w, c); rank 3 has no w."""
    return tensor.shape if tensor.rank == 4 else (*tensor.shape[:2], 1, tensor.shape[2])


@binds(SPACE_TO_BATCH_ND)
def space_to_batch(call: Call) -> Step:
    x, y = call.input(0), call.outputs[0]
    sizes, margins = blocks(call)
    n, h, w, c = _image(x)
    _, y_h, y_w, _ = _image(y)
    return K.step(
        "space_to_batch",
        x=x,
        y=y,
        n=n,
        h=h,
        w=w,
        row_bytes=c * element_bytes(call, x),
        block_h=sizes[0],
        block_w=sizes[1],
        top=margins[0][0],
        left=margins[1][0],
        y_h=y_h,
        y_w=y_w,
        padding=y.zero_point if y.is_quantized else 0,
    )


@binds(BATCH_TO_SPACE_ND)
def batch_to_space(call: Call) -> Step:
    x, y = call.input(0), call.outputs[0]
    sizes, margins = blocks(call)
    _, h, w, c = _image(x)
    y_n, y_h, y_w, _ = _image(y)
    return K.step(
        "batch_to_space",
        x=x,
        y=y,
        h=h,
        w=w,
        row_bytes=c * element_bytes(call, x),
        block_h=sizes[0],
        block_w=sizes[1],
        top=margins[0][0],
        left=margins[1][0],
        y_n=y_n,
        y_h=y_h,
        y_w=y_w,
    )
