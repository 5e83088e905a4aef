"""Operators that read a window of their input: SLICE, STRIDED_SLICE and REVERSE_V2."""

from typing import NamedTuple

from jitlite.schemas.ops.operands import (
    INT32_MIN,
    bounded,
    integers,
    normalized_axis,
    require_rank,
    require_type,
    vector,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import BuiltinOperator, ReverseV2Options, SliceOptions, StridedSliceOptions, TensorType

_SAME = Quant(QuantKind.SAME, activations=(0,))
_AXIS_TYPES = (TensorType.INT32,)
_MAX_REVERSED_RANK = 8
_MAX_INDICES = 31


class Window(NamedTuple):
    """What a slice reads along one dimension of `size` elements: `length` of them from `start` on, `stride` apart.

    A dimension that is not `kept` has one element and leaves the shape.
    """

    size: int
    start: int
    stride: int
    length: int
    kept: bool = True


def slice_windows(call: Call) -> tuple[Window, ...]:
    """The windows of a SLICE, one a dimension of the input."""
    x = call.input(0)
    begins, sizes = vector(call, 1, x.rank), vector(call, 2, x.rank)
    windows = []
    for dim, begin, size in zip(x.shape, begins, sizes):
        call.require(0 <= begin <= dim, f"a begin in [0, {dim}] is required, found {begin}")
        count = dim - begin if size == -1 else size
        call.require(0 <= count <= dim - begin, f"a size of -1 or in [0, {dim - begin}] is required, found {size}")
        windows.append(Window(dim, begin, 1, count))
    return tuple(windows)


def _sliced(call: Call) -> list[tuple[Shape, TensorType]]:
    return [(tuple(window.length for window in slice_windows(call)), call.input(0).type)]


def _slice_version(call: Call) -> int:
    x = call.input(0)
    rules = (
        (x.type is TensorType.FLOAT16, 8),
        (x.type is TensorType.INT4, 7),
        (x.type is TensorType.UINT32, 6),
        (x.rank > 4, 5),
        (x.type is TensorType.INT16, 4),
        (x.type is TensorType.STRING, 3),
        (x.type is TensorType.INT8, 2),
    )
    return next((version for applies, version in rules if applies), 1)


def strided_windows(call: Call) -> tuple[Window, ...]:
    """The windows of a STRIDED_SLICE over the input's shape with the dimensions of size 1 that `new_axis_mask` adds.

    Bits count the entries of begin, end and strides. One ellipsis stands for the input dimensions no other entry names; an entry that is
    an ellipsis is no new axis, and a new axis is not shrunk.
    """
    begins, ends, strides = _bounds(call)
    masks, shape, count = call.options, call.input(0).shape, len(begins)
    added = sum(_has(masks.new_axis_mask, i) and not _has(masks.ellipsis_mask, i) for i in range(count))
    ellipses = sum(_has(masks.ellipsis_mask, i) for i in range(count))
    call.require(ellipses <= 1, f"at most one ellipsis is required, found ellipsis_mask {masks.ellipsis_mask:#b}")
    limit = len(shape) + added
    call.require(count <= limit, f"at most {limit} entries of begin are required for an input of rank {len(shape)}, found {count}")

    windows: list[Window] = []
    axis = 0
    for entry in range(count):
        if _has(masks.ellipsis_mask, entry):
            spanned = limit - count + 1
            windows += [Window(dim, 0, 1, dim) for dim in shape[axis : axis + spanned]]
            axis += spanned
        elif _has(masks.new_axis_mask, entry):
            windows.append(Window(1, 0, 1, 1))
        else:
            windows.append(_strided_window(call, entry, shape[axis], (begins[entry], ends[entry], strides[entry])))
            axis += 1
    return (*windows, *(Window(dim, 0, 1, dim) for dim in shape[axis:]))


def _bounds(call: Call) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    require_rank(call, 1, 1, 1)
    count = call.input(1).shape[0]
    call.require(count <= _MAX_INDICES, f"at most {_MAX_INDICES} entries of begin are required, found {count}")
    begins, ends, strides = (vector(call, index, count, _AXIS_TYPES) for index in (1, 2, 3))
    usable = all(stride != 0 and stride != INT32_MIN for stride in strides)
    call.require(usable, f"strides other than 0 and {INT32_MIN} are required, found {strides}")
    return begins, ends, strides


def _has(mask: int, place: int) -> bool:
    return bool(mask >> place & 1)


def _strided_window(call: Call, entry: int, size: int, bounds: tuple[int, int, int]) -> Window:
    """One dimension's window, its bounds clamped to the dimension as Python's slices are."""
    begin, end, stride = bounds
    masks = call.options
    low, high = (0, size) if stride > 0 else (-1, size - 1)
    if _has(masks.begin_mask, entry):
        start = low if stride > 0 else high
    else:
        start = min(max(begin + size if begin < 0 else begin, low), high)
    if _has(masks.shrink_axis_mask, entry):
        call.require(stride > 0, f"a positive stride is required where an axis is dropped, found {stride} at entry {entry}")
        call.require(start < size, f"an index below {size} is required where an axis is dropped, found {begin} at entry {entry}")
        return Window(size, start, 1, 1, kept=False)
    if _has(masks.end_mask, entry):
        stop = high if stride > 0 else low
    else:
        end = end + start if masks.offset else end
        stop = min(max(end + size if end < 0 else end, low), high)
    return Window(size, start, stride, len(range(start, stop, stride)))


def _strided(call: Call) -> list[tuple[Shape, TensorType]]:
    windows = strided_windows(call)
    return [(bounded(call, (window.length for window in windows if window.kept)), call.input(0).type)]


def _strided_version(call: Call) -> int:
    x, options = call.input(0), call.options
    rules = (
        (options.offset, 8),
        (x.type is TensorType.UINT32, 7),
        (options.ellipsis_mask != 0 or options.new_axis_mask != 0, 6),
        (x.type is TensorType.STRING, 5),
        (x.rank > 4, 4),
        (x.type is TensorType.BOOL, 3),
        (x.type is TensorType.INT8, 2),
    )
    return next((version for applies, version in rules if applies), 1)


def reversed_axes(call: Call) -> tuple[int, ...]:
    """The axes a REVERSE_V2 flips, in rising order, each once."""
    rank = call.input(0).rank
    return tuple(sorted({normalized_axis(call, axis, rank) for axis in integers(call, 1, _AXIS_TYPES)}))


def _reversed(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 0, _MAX_REVERSED_RANK)
    require_rank(call, 1, 1, 1)
    require_type(call, 1, _AXIS_TYPES)
    x, axes = call.input(0), reversed_axes(call)
    call.require(len(axes) == call.input(1).size, f"axes that differ are required, found {integers(call, 1, _AXIS_TYPES)}")
    return [(x.shape, x.type)]


def _reverse_version(call: Call) -> int:
    versions = {TensorType.INT8: 3, TensorType.BOOL: 2, TensorType.FLOAT8_E4M3FN: 4, TensorType.FLOAT8_E5M2: 4}
    return versions.get(call.input(0).type, 1)


SLICE = define(
    OpSpec(
        "SLICE",
        BuiltinOperator.SLICE,
        inputs=("input", "begin", "size"),
        infer=_sliced,
        options=SliceOptions,
        quant=_SAME,
        version=_slice_version,
        max_version=8,
    )
)

STRIDED_SLICE = define(
    OpSpec(
        "STRIDED_SLICE",
        BuiltinOperator.STRIDED_SLICE,
        inputs=("input", "begin", "end", "strides"),
        infer=_strided,
        options=StridedSliceOptions,
        quant=_SAME,
        version=_strided_version,
        max_version=8,
    )
)

REVERSE_V2 = define(
    OpSpec(
        "REVERSE_V2",
        BuiltinOperator.REVERSE_V2,
        inputs=("input", "axes"),
        infer=_reversed,
        options=ReverseV2Options,
        quant=_SAME,
        version=_reverse_version,
        max_version=4,
    )
)
