"""Steps of the `product` kernels: how convolutions and matrix products are laid out, packed and rounded."""

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.panels import (
    COLUMNS,
    by_panel,
    interleave,
    pack_s8,
)
from jitlite.interpreter.binding.registry import Argument, Scratch, Step, kernels
from jitlite.interpreter.binding.rounding import Line, certify_quantized, certify_real, sum_ranges
from jitlite.interpreter.binding.windows import Windows, is_pointwise
from jitlite.schemas.affine import quantize_multiplier
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.tables import TensorType

FLOAT = kernels("product_f32")
QUANTIZED = kernels("product_q8")
HYBRID = kernels("product_hybrid")

_MOST_BATCHES = 1 << 24
_STRIP_BYTES = 1 << 17
"""About how much of an image a strip of the result reads: what stays in a processor's second cache beside the weights."""
_STRIP_PIXELS = 56
"""A strip has at least so many pixels: several register tiles."""
_LINE_SLACK = 64

Array = NDArray[np.generic]
Int32s = NDArray[np.int32]


class Sizes(Record):
    """What `jitlite.interpreter.kernels.product.Sizes` reads, in its order.

    Images, in pixels and channels; steps and padding (negative where an edge is cut). Lines, the padded rows that windows overlapping an
    edge are read from, are `line_w` pixels wide, or 0 where the image is read directly; a window is `line_h` of them high, and a thread has
    `line_size` elements. A strip has `strip` rows of the result. A window has runs_h · runs_w runs of `run` neighbouring numbers, `run_h`
    rows and `run_w` pixels apart; a packed run has `run_size` elements. The result's first pixel is at `y_at`, the others so many elements
    further on by batch, row and column.
    """

    batches: int
    groups: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    line_w: int
    line_h: int
    line_size: int
    strip: int
    runs_h: int
    runs_w: int
    run_h: int
    run_w: int
    run: int
    run_size: int
    y_at: int
    y_batch: int
    y_row: int
    y_column: int

    def array(self) -> NDArray[np.int64]:
        return np.array([getattr(self, name) for name in self.FIELDS], np.int64)

    @property
    def work(self) -> int:
        """Multiplications and additions."""
        depth = self.runs_h * self.runs_w * self.run
        return self.batches * self.out_h * self.out_w * self.out_c * depth


def run_size(run: int, item_bytes: int) -> int:
    """Elements of a packed run of `run` numbers, for one panel: 8-bit ones come in quads."""
    return -(-run // 4) * 4 * COLUMNS if item_bytes == 1 else run * COLUMNS


def sliding_sizes(s: Windows, item_bytes: int, is_flat: bool = True) -> Sizes:
    """Sizes of a convolution over an image of `item_bytes` a number; where `is_flat`, pointwise ones become one matrix product."""
    if is_flat and is_pointwise(s) and s.pad_h == 0 and s.pad_w == 0 and (s.in_h, s.in_w) == (s.out_h, s.out_w):
        return matrix_sizes(1, s.batches * s.in_h * s.in_w, s.out_c, s.in_c, item_bytes)
    wide = (s.out_w - 1) * s.stride_w + (s.window_w - 1) * s.dilation_w + 1
    high = (s.out_h - 1) * s.stride_h + (s.window_h - 1) * s.dilation_h + 1
    is_inside = s.pad_h <= 0 and s.pad_w <= 0 and high - s.pad_h <= s.in_h and wide - s.pad_w <= s.in_w
    pitch = s.in_w if is_inside else wide
    line_h = (s.window_h - 1) * s.dilation_h + 1
    runs_h, runs_w, run = s.window_h, s.window_w, s.in_c // s.groups
    if s.groups == 1 and s.dilation_w == 1:
        runs_w, run = 1, s.window_w * run
        if pitch == s.window_w and s.dilation_h == 1:
            runs_h, run = 1, s.window_h * run
    row_bytes = s.stride_h * pitch * s.in_c * item_bytes
    strip = max((_STRIP_BYTES - line_h * pitch * s.in_c * item_bytes) // max(row_bytes, 1), -(-_STRIP_PIXELS // max(s.out_w, 1)), 1)
    strip = min(strip, max(s.out_h, 1))
    line_size = 0 if is_inside else ((strip - 1) * s.stride_h + line_h) * wide * s.in_c + _LINE_SLACK
    return Sizes(
        batches=s.batches,
        groups=s.groups,
        in_h=s.in_h,
        in_w=s.in_w,
        in_c=s.in_c,
        out_h=s.out_h,
        out_w=s.out_w,
        out_c=s.out_c,
        stride_h=s.stride_h,
        stride_w=s.stride_w,
        pad_h=s.pad_h,
        pad_w=s.pad_w,
        line_w=0 if is_inside else wide,
        line_h=line_h,
        line_size=line_size,
        strip=strip,
        runs_h=runs_h,
        runs_w=runs_w,
        run_h=s.dilation_h,
        run_w=s.dilation_w,
        run=run,
        run_size=run_size(run, item_bytes),
        y_at=0,
        y_batch=s.out_h * s.out_w * s.out_c,
        y_row=s.out_w * s.out_c,
        y_column=s.out_c,
    )


def matrix_sizes(batches: int, rows: int, columns: int, depth: int, item_bytes: int) -> Sizes:
    """Sizes of batches of products of [rows, depth] with [depth, columns]: images one pixel wide."""
    strip = max(_STRIP_BYTES // max(depth * item_bytes, 1), _STRIP_PIXELS)
    return Sizes(
        batches=batches,
        groups=1,
        in_h=rows,
        in_w=1,
        in_c=depth,
        out_h=rows,
        out_w=1,
        out_c=columns,
        stride_h=1,
        stride_w=1,
        pad_h=0,
        pad_w=0,
        line_w=0,
        line_h=1,
        line_size=0,
        strip=min(strip, max(rows, 1)),
        runs_h=1,
        runs_w=1,
        run_h=1,
        run_w=1,
        run=depth,
        run_size=run_size(depth, item_bytes),
        y_at=0,
        y_batch=rows * columns,
        y_row=columns,
        y_column=columns,
    )


def batches_of(s: Sizes, lefts: NDArray[np.int64] | None = None, rights: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """For each batch where its left side starts and the number of its right side; `lefts` are numbers of left sides."""
    if s.batches > _MOST_BATCHES:
        raise UnsupportedError(f"batches: at most {_MOST_BATCHES} are supported, found {s.batches}")
    own = np.arange(s.batches, dtype=np.int64) if lefts is None else lefts
    shared = np.zeros(s.batches, np.int64) if rights is None else rights
    return np.ascontiguousarray(np.stack([own * (s.in_h * s.in_w * s.in_c), shared], axis=1))


def by_run(weights: Array, s: Sizes) -> Array:
    """Weights [channels, height, width, depth] as [channels, runs, numbers of a run]; without runs none of them."""
    count = s.runs_h * s.runs_w
    return weights.reshape(weights.shape[0], -1)[:, : count * s.run].reshape(weights.shape[0], count, s.run)


def lines(s: Sizes, item_bytes: int) -> Scratch:
    """The memory of the lines."""
    return Scratch(max(s.line_size, 1) * item_bytes, is_per_thread=True)


def float_step(x: Argument, y: TensorInfo, w: Argument, bias: Argument, s: Sizes, clamp: dict[str, float], batches: Argument) -> Step:
    """A step of `product_f32` with packed weights and a bias padded to panels."""
    outside = np.zeros(s.batches, np.float32)
    return FLOAT.step(
        "product_f32", x=x, y=y, w=w, bias=bias, batches=batches, lines=lines(s, 4), outside=outside, sizes=s.array(), **clamp
    )


class Rounding(Record):
    """How sums become 8-bit outputs: the arguments of the quantized kernels that say so."""

    rounding: Int32s
    are_certified: Int32s
    reals: NDArray[np.float64]
    is_real: int

    def arguments(self) -> dict[str, Argument]:
        return {"rounding": self.rounding, "are_certified": self.are_certified, "reals": self.reals, "is_real": self.is_real}


def _rounding(line: Line, mantissas: Int32s, shifts: Int32s, reals: NDArray[np.float64], is_real: bool, groups: int) -> Rounding:
    block = interleave(*line.words(), mantissas, shifts, groups=groups)
    return Rounding(block, line.by_panel(groups), np.ascontiguousarray(by_panel(reals, groups)), int(is_real))


def fixed_point_rounding(mantissas: Int32s, shifts: Int32s, clamp: Int32s, ranges: NDArray[np.int64] | None, groups: int = 1) -> Rounding:
    """Rounding by the reference's fixed-point multipliers."""
    line = certify_quantized(mantissas, shifts, clamp, ranges)
    return _rounding(line, mantissas, shifts, np.zeros(len(mantissas)), False, groups)


def real_rounding(multipliers: NDArray[np.float64], clamp: Int32s, ranges: NDArray[np.int64] | None) -> Rounding:
    """Rounding of sums times float64 multipliers."""
    nothing = np.zeros(len(multipliers), np.int32)
    return _rounding(certify_real(multipliers, clamp, ranges), nothing, nothing, multipliers, True, 1)


def shared_multiplier(x: TensorInfo, w: TensorInfo, y: TensorInfo, channels: int) -> tuple[Int32s, Int32s]:
    """The multiplier of a per-tensor product, once a channel; the reference multiplies the two scales in float32."""
    product = np.float32(x.scale) * np.float32(w.scale)
    mantissa, shift = quantize_multiplier(float(np.float64(product) / np.float64(np.float32(y.scale))))
    return np.full(channels, mantissa, np.int32), np.full(channels, shift, np.int32)


class Right(Record):
    """A right side of 8-bit products: packed weights, the sums of its columns (both may be computed at run time) and its zero point."""

    w: Argument
    sums: Argument
    zero_point: int


def signed(values: Array, zero_point: int) -> tuple[NDArray[np.int8], int]:
    """8-bit weights and their zero point as int8: uint8 less 128."""
    if values.dtype == np.uint8:
        return (values.view(np.uint8) ^ np.uint8(128)).view(np.int8), zero_point - 128
    return values.view(np.int8), zero_point


def packed_right(weights: Array, zero_point: int, s: Sizes) -> Right:
    """Constant weights [channels, ...] packed for `s`."""
    own, offset = signed(weights, zero_point)
    return Right(*pack_s8(by_run(own, s), s.groups), offset)


def product_ranges(weights: Array, biases: NDArray[np.integer], x: TensorInfo, zero_point: int, axis: int = 0) -> NDArray[np.int64]:
    """What sums of each channel can be, for constant weights whose channels lie along `axis`."""
    low, high = INTEGER_RANGE[x.type]
    own, offset = signed(weights, zero_point)
    return sum_ranges(own, axis, biases, low - x.zero_point, high - x.zero_point, offset)


def _readable(x: TensorInfo) -> Argument:
    """The tensor; a constant with some bytes behind it, because quads are read whole."""
    if x.value is None:
        return x
    return np.concatenate([x.value.reshape(-1), np.zeros(_LINE_SLACK, x.value.dtype)])


def quantized_step(
    x: TensorInfo,
    y: TensorInfo,
    right: Right,
    bias: Array,
    rounding: Rounding,
    clamp: Int32s,
    s: Sizes,
    batches: Argument,
    left: Argument | None = None,
) -> Step:
    """A step of `product_q8`; `left` holds x where it had to be rearranged."""
    is_signed = x.type is TensorType.INT8
    dtype = np.int8 if is_signed else np.uint8
    return QUANTIZED.step(
        "product_q8",
        x=left if left is not None else _readable(x),
        y=y,
        w=right.w,
        sums=right.sums,
        bias=np.ascontiguousarray(by_panel(bias, s.groups)),
        batches=batches,
        lines=lines(s, 1),
        outside=np.full(s.batches, x.zero_point, dtype),
        sizes=s.array(),
        limits=clamp,
        is_unsigned=int(not is_signed),
        zero_points=np.array([x.zero_point, right.zero_point], np.int32),
        shares=Scratch(4 * (s.strip * s.out_w + COLUMNS if right.zero_point else 1), is_per_thread=True),
        **rounding.arguments(),
    )
