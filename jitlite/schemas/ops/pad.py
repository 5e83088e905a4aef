"""Operators that grow a tensor or make one: PAD, PADV2, MIRROR_PAD, TILE, BROADCAST_TO, FILL and RANGE."""

from math import ceil, isfinite

import numpy as np

from jitlite.schemas.ops.operands import (
    FLOAT8,
    bounded,
    integers,
    pairs,
    require_rank,
    require_same_quantization,
    require_same_type,
    require_shape,
    require_type,
    require_zero_point_zero,
    vector,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import (
    BroadcastToOptions,
    BuiltinOperator,
    FillOptions,
    MirrorPadMode,
    MirrorPadOptions,
    PadOptions,
    PadV2Options,
    RangeOptions,
    TensorType,
    TileOptions,
)

_PADDING_TYPES = (TensorType.INT32, TensorType.INT64, TensorType.INT8, TensorType.INT16, TensorType.BOOL)
_INDEX_TYPES = (TensorType.INT32, TensorType.INT64)
_RANGE_TYPES = (TensorType.INT32, TensorType.INT64, TensorType.FLOAT32)
_MAX_PADDED_RANK = 8
_SAME = Quant(QuantKind.SAME, activations=(0,))


def paddings(call: Call) -> tuple[tuple[int, int], ...]:
    """Elements PAD, PADV2 and MIRROR_PAD put before and after each dimension."""
    types = _INDEX_TYPES if call.spec is MIRROR_PAD else _PADDING_TYPES
    rows = pairs(call, 1, call.input(0).rank, types)
    call.require(all(before >= 0 and after >= 0 for before, after in rows), f"paddings of 0 or more are required, found {rows}")
    return rows


def _padded_shape(call: Call) -> Shape:
    return bounded(call, (before + dim + after for dim, (before, after) in zip(call.input(0).shape, paddings(call))))


def _padded(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 0, _MAX_PADDED_RANK)
    value = call.optional_input(2)
    if value is not None:
        require_same_type(call, 0, 2)
        call.require(value.size == 1, f"operand 'value' with one element is required, found shape {value.shape}")
        for output in call.outputs:
            require_same_quantization(call, (value,), output)
    return [(_padded_shape(call), call.input(0).type)]


def _pad_version(call: Call) -> int:
    x = call.input(0)
    rules = (
        (x.type in FLOAT8, 6),
        (x.type is TensorType.BOOL, 5),
        (x.rank > 4, 4),
        (x.type is TensorType.INT16, 3),
        (x.type is TensorType.INT8, 2),
    )
    return next((version for applies, version in rules if applies), 1)


def _mirrored(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    require_same_quantization(call, call.outputs, x)
    require_zero_point_zero(call, (x,))
    edge = 1 if call.options.mode is MirrorPadMode.REFLECT else 0
    for axis, (dim, sides) in enumerate(zip(x.shape, paddings(call))):
        call.require(
            max(sides) <= max(dim - edge, 0), f"paddings of at most {max(dim - edge, 0)} are required, found {sides} at axis {axis}"
        )
    return [(_padded_shape(call), x.type)]


def _mirror_version(call: Call) -> int:
    return {TensorType.INT8: 2, TensorType.INT16: 3}.get(call.input(0).type, 1)


def multiples(call: Call) -> tuple[int, ...]:
    """How often TILE repeats each dimension."""
    times = vector(call, 1, call.input(0).rank)
    call.require(all(count >= 0 for count in times), f"multiples of 0 or more are required, found {times}")
    return times


def _tiled(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    return [(bounded(call, (dim * count for dim, count in zip(x.shape, multiples(call)))), x.type)]


def _tile_version(call: Call) -> int:
    return {TensorType.INT8: 3, TensorType.STRING: 2}.get(call.input(0).type, 1)


def _broadcast(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 1, 1, 1)
    x, shape = call.input(0), bounded(call, integers(call, 1))
    aligned = shape[len(shape) - x.rank :] if x.rank <= len(shape) else ()
    fits = len(aligned) == x.rank and all(dim in (1, wanted) for dim, wanted in zip(x.shape, aligned))
    call.require(fits, f"a shape that {x.shape} broadcasts to is required, found {shape}")
    return [(shape, x.type)]


def _broadcast_version(call: Call) -> int:
    x = call.input(0)
    if x.type in FLOAT8:
        return 4
    return 3 if x.type in (TensorType.INT8, TensorType.INT16) else 2


def _filled(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 1, 1)
    require_shape(call, 1, ())
    value = call.input(1)
    require_same_quantization(call, call.outputs, value)
    require_zero_point_zero(call, (value,))
    return [(bounded(call, integers(call, 0)), value.type)]


def _fill_version(call: Call) -> int:
    value = call.input(1)
    if value.type in FLOAT8:
        return 5
    versions = {TensorType.FLOAT16: 4, TensorType.INT8: 3, TensorType.INT16: 3, TensorType.BOOL: 2, TensorType.STRING: 2}
    return versions.get(value.type, 1)


def _range(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _RANGE_TYPES)
    for index in range(3):
        require_same_type(call, 0, index)
        require_shape(call, index, ())
    start, limit, delta = (call.constant(index).item() for index in range(3))
    call.require(all(isfinite(bound) for bound in (start, limit, delta)), f"finite bounds are required, found {(start, limit, delta)}")
    leads = delta > 0 if start < limit else delta < 0 if start > limit else delta != 0
    call.require(leads, f"a step from start towards limit is required, found {(start, limit, delta)}")
    if call.input(0).type is TensorType.FLOAT32:
        count = _float_count(start, limit, delta)
    else:
        count = len(range(start, limit, delta))
    return [(bounded(call, (count,)), call.input(0).type)]


def _float_count(start: float, limit: float, delta: float) -> int:
    """ceil(|limit - start| / |delta|), each step rounded to float32 as the reference does."""
    with np.errstate(over="ignore"):
        ratio = float(np.abs((np.float32(limit) - np.float32(start)) / np.float32(delta)))
    return ceil(ratio) if isfinite(ratio) else 2**31


PAD = define(
    OpSpec(
        "PAD",
        BuiltinOperator.PAD,
        inputs=("input", "paddings"),
        infer=_padded,
        options=PadOptions,
        quant=_SAME,
        version=_pad_version,
        max_version=6,
    )
)

PADV2 = define(
    OpSpec(
        "PADV2",
        BuiltinOperator.PADV2,
        inputs=("input", "paddings", "value"),
        infer=_padded,
        options=PadV2Options,
        quant=Quant(QuantKind.SAME, activations=(0, 2)),
        version=_pad_version,
        max_version=6,
    )
)

MIRROR_PAD = define(
    OpSpec(
        "MIRROR_PAD",
        BuiltinOperator.MIRROR_PAD,
        inputs=("input", "paddings"),
        infer=_mirrored,
        options=MirrorPadOptions,
        quant=_SAME,
        version=_mirror_version,
        max_version=3,
    )
)

TILE = define(
    OpSpec(
        "TILE",
        BuiltinOperator.TILE,
        inputs=("input", "multiples"),
        infer=_tiled,
        options=TileOptions,
        quant=_SAME,
        version=_tile_version,
        max_version=3,
    )
)

BROADCAST_TO = define(
    OpSpec(
        "BROADCAST_TO",
        BuiltinOperator.BROADCAST_TO,
        inputs=("input", "shape"),
        infer=_broadcast,
        options=BroadcastToOptions,
        quant=_SAME,
        version=_broadcast_version,
        max_version=4,
    )
)

FILL = define(
    OpSpec(
        "FILL",
        BuiltinOperator.FILL,
        inputs=("dims", "value"),
        infer=_filled,
        options=FillOptions,
        quant=Quant(QuantKind.SAME, activations=(1,)),
        version=_fill_version,
        max_version=5,
    )
)

RANGE = define(
    OpSpec(
        "RANGE",
        BuiltinOperator.RANGE,
        inputs=("start", "limit", "delta"),
        infer=_range,
        options=RangeOptions,
        version=lambda call: 2 if call.input(0).type is TensorType.INT64 else 1,
        max_version=2,
    )
)
