"""Sliding windows over spatial axes: reading them from ONNX nodes and expressing their padding in TFLite's terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.ops.pad import PAD, PADV2
from jitlite.schemas.ops.shapes import effective_size, same_padding
from jitlite.schemas.tables import Padding

MAX_WINDOW = 4096
"""Largest kernel, stride or dilation accepted; the arithmetic on them builds arrays of this size."""


@dataclass(frozen=True, slots=True)
class Span:
    """One axis of a window: `before` and `after` are ONNX's padding, `output` the number of positions.

    With `any_size` the input's size stands for others, and only what they share is made use of.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    output: int
    any_size: bool = False

    @property
    def needed_after(self) -> int:
        """Padding after the input that some position really reads; the rest of ONNX's padding is never looked at."""
        needed = max(0, (self.output - 1) * self.stride + effective_size(self.kernel, self.dilation) - self.size - self.before)
        return max(needed, self.after) if self.any_size else needed

    @property
    def is_valid(self) -> bool:
        return self.before == 0 and self.needed_after == 0

    @property
    def is_same(self) -> bool:
        fits = self.output == -(-self.size // self.stride) and (self.stride == 1 or not self.any_size)
        return fits and (self.before, self.needed_after) == same_padding(self.size, self.output, self.kernel, self.stride, self.dilation)

    @property
    def taps(self) -> Array:
        """The element each position reads at each place of the kernel, (output, kernel); outside the input below 0 or from `size` on."""
        starts = np.arange(self.output)[:, None] * self.stride - self.before
        return np.asarray(starts + np.arange(self.kernel)[None, :] * self.dilation)


Spans: TypeAlias = tuple[Span, ...]
"""Two axes, height and width, or three, depth first."""
UNIT = Span(1, 1, 1, 1, 0, 0, 1)
"""The axis a one-dimensional window lacks."""


def spans(ctx: Context, node: Node, sizes: Sequence[int], kernel: Sequence[int], outputs: Sequence[int]) -> Spans:
    """The window of a node over its spatial axes; one axis becomes two, the first of size 1."""
    count = len(sizes)
    strides = window_steps(ctx, node, "strides", count)
    dilations = window_steps(ctx, node, "dilations", count)
    pads = [int(pad) for pad in attribute(node, "pads", [0] * (2 * count))]
    ctx.require(
        len(pads) == 2 * count and len(kernel) == count,
        f"{2 * count} pads and {count} kernel sizes are required, found {pads} and {list(kernel)}",
    )
    ctx.require(all(1 <= size <= MAX_WINDOW for size in kernel), f"kernel sizes from 1 to {MAX_WINDOW} are required, found {list(kernel)}")
    auto = attribute(node, "auto_pad", "NOTSET")
    found = []
    for axis in range(count):
        size, stride, window, output = sizes[axis], strides[axis], kernel[axis], outputs[axis]
        before, after = pads[axis], pads[axis + count]
        is_same = auto in ("SAME_UPPER", "SAME_LOWER")
        if is_same:
            low, high = same_padding(size, output, window, stride, dilations[axis])
            before, after = (low, high) if auto == "SAME_UPPER" else (high, low)
        elif auto == "VALID":
            before, after = 0, 0
        ctx.require(before >= 0 and after >= 0, f"pads of 0 or more are required, found {pads}")
        any_size = ctx.graph.has_any_length and not is_same
        found.append(Span(size, window, stride, dilations[axis], before, after, output, any_size))
    return (UNIT, *found) if count == 1 else tuple(found)


def window_steps(ctx: Context, node: Node, name: str, count: int) -> list[int]:
    steps = [int(step) for step in attribute(node, name, [1] * count)]
    fits = len(steps) == count and all(1 <= step <= MAX_WINDOW for step in steps)
    ctx.require(fits, f"{count} {name} from 1 to {MAX_WINDOW} are required, found {steps}")
    return steps


def spatial_sizes(ctx: Context, x: Value) -> tuple[int, ...]:
    ctx.require(x.rank in (3, 4, 5), f"an input with one to three spatial axes is required, found shape {x.dims}")
    return x.dims[2:]


def output_sizes(node: Node) -> tuple[int, ...]:
    shape = node.outputs[0].shape
    if shape is None:
        raise Unlowerable("a known output shape is required")
    return shape[2:]


def padded(ctx: Context, x: Value, axes: Spans, fill: float = 0.0, *, allow_same: bool = True) -> tuple[Value, Padding]:
    """The channels-last input and the padding mode that give these windows: SAME or VALID where one says it, else VALID over padding."""
    if all(span.is_valid for span in axes):
        return x, Padding.VALID
    if allow_same and all(span.is_same for span in axes):
        return x, Padding.SAME
    rows = [[0, 0], *([span.before, span.needed_after] for span in axes), [0, 0]]
    operand = ctx.constant(rows, "int32")
    if fill == 0.0:
        return ctx.op(PAD, x, operand), Padding.VALID
    return ctx.op(PADV2, x, operand, ctx.like(x, fill)), Padding.VALID
