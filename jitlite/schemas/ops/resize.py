"""Resizing height and width of NHWC tensors: RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

import numpy as np

from jitlite.schemas.ops.operands import bounded
from jitlite.schemas.ops.quantized import check_outputs, check_per_tensor, check_unscaled, is_plain
from jitlite.schemas.ops.shapes import MAX_STEP, check_nonempty, check_rank
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import BuiltinOperator, ResizeBilinearOptions, ResizeNearestNeighborOptions, TensorType

_BILINEAR_TYPES = (TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8, TensorType.INT16)
_NEAREST_TYPES = (
    *_BILINEAR_TYPES,
    TensorType.INT32,
    TensorType.UINT32,
    TensorType.UINT16,
    TensorType.FLOAT16,
    TensorType.BFLOAT16,
    TensorType.BOOL,
)

MAX_INTEGER_SIDE = 2**20
"""Largest height and width of a quantized bilinear result; its coordinates have 10 fractional bits in int32."""


def _resized(call: Call, types: tuple[TensorType, ...], limit: int) -> list[tuple[Shape, TensorType]]:
    x, size = call.input(0), call.input(1)
    call.require(x.type in types, f"an input of type {', '.join(t.name for t in types)} is required, found {x.type.name}")
    call.require(size.type == TensorType.INT32, f"a size of type INT32 is required, found {size.type.name}")
    call.require(size.shape == (2,), f"a size of 2 elements is required, found shape {list(size.shape)}")
    check_rank(call, "input", x.shape, 4)
    check_nonempty(call, "input", x.shape, 1)
    call.require(max(x.shape[1:3]) <= limit, f"a height and width of at most {limit} are required, found {list(x.shape[1:3])}")
    height, width = (int(side) for side in np.asarray(call.constant(1)))
    call.require(min(height, width) >= 1 and max(height, width) <= limit, f"a size from 1 to {limit} is required, found {[height, width]}")
    if not is_plain(call, x):
        check_per_tensor(call, "input", x)
        check_outputs(call)
        check_unscaled(call, x)
    return [(bounded(call, (x.shape[0], height, width, x.shape[3])), x.type)]


def _bilinear(call: Call) -> list[tuple[Shape, TensorType]]:
    both = call.options.align_corners and call.options.half_pixel_centers
    call.require(not both, "align_corners or half_pixel_centers alone is required, found both")
    return _resized(call, _BILINEAR_TYPES, MAX_STEP if call.input(0).type == TensorType.FLOAT32 else MAX_INTEGER_SIDE)


def _nearest(call: Call) -> list[tuple[Shape, TensorType]]:
    return _resized(call, _NEAREST_TYPES, MAX_STEP)


def _bilinear_version(call: Call) -> int:
    if call.input(0).type == TensorType.INT16:
        return 4
    if call.options.half_pixel_centers:
        return 3
    return 2 if call.input(0).type == TensorType.INT8 else 1


def _nearest_version(call: Call) -> int:
    if call.input(0).type == TensorType.INT16:
        return 4
    if call.options.half_pixel_centers or call.options.align_corners:
        return 3
    return 2 if call.input(0).type == TensorType.INT8 else 1


RESIZE_BILINEAR = define(
    OpSpec(
        "RESIZE_BILINEAR",
        BuiltinOperator.RESIZE_BILINEAR,
        inputs=("input", "size"),
        infer=_bilinear,
        options=ResizeBilinearOptions,
        quant=Quant(QuantKind.SAME, activations=(0,)),
        version=_bilinear_version,
        max_version=4,
    )
)

RESIZE_NEAREST_NEIGHBOR = define(
    OpSpec(
        "RESIZE_NEAREST_NEIGHBOR",
        BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
        inputs=("input", "size"),
        infer=_nearest,
        options=ResizeNearestNeighborOptions,
        quant=Quant(QuantKind.SAME, activations=(0,)),
        version=_nearest_version,
        max_version=4,
    )
)
