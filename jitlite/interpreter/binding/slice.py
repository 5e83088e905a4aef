"""Bindings of the operators that read a window of their input."""

from collections.abc import Sequence

from jitlite.interpreter.binding import strings
from jitlite.interpreter.binding.boxes import BOXES, Loop, element_bytes, strides
from jitlite.interpreter.binding.registry import HostStep, Step, binds
from jitlite.interpreter.binding.widening import through_bytes
from jitlite.schemas.ops.slice import REVERSE_V2, SLICE, STRIDED_SLICE, Window, reversed_axes, slice_windows, strided_windows
from jitlite.schemas.ops.spec import Call


def _read_windows(call: Call, windows: Sequence[Window]) -> Step:
    x, y = call.input(0), call.outputs[0]
    x_strides = strides(tuple(window.size for window in windows))
    y_strides = strides(tuple(window.length for window in windows))
    loops = [Loop(window.length, window.stride * step, y_stride) for window, step, y_stride in zip(windows, x_strides, y_strides)]
    offset = sum(window.start * step for window, step in zip(windows, x_strides))
    return BOXES.copy(x, y, loops, element_bytes(call, x), (offset, 0))


@binds(SLICE)
@through_bytes
def slice_(call: Call) -> Step | HostStep:
    windows = slice_windows(call)
    return strings.sliced(call, windows) if strings.is_string(call.input(0)) else _read_windows(call, windows)


@binds(STRIDED_SLICE)
def strided_slice(call: Call) -> Step | HostStep:
    windows = strided_windows(call)
    return strings.sliced(call, windows) if strings.is_string(call.input(0)) else _read_windows(call, windows)


@binds(REVERSE_V2)
def reverse(call: Call) -> Step:
    axes = reversed_axes(call)
    windows = [Window(dim, dim - 1, -1, dim) if axis in axes else Window(dim, 0, 1, dim) for axis, dim in enumerate(call.input(0).shape)]
    return _read_windows(call, windows)
