"""Fourier transforms, as products with matrices of cosines and sines, and the windows and filters that go with them."""

import math

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.ops.conv import CONV_2D
from jitlite.schemas.ops.elementwise import MUL
from jitlite.schemas.ops.matmul import BATCH_MATMUL
from jitlite.schemas.ops.pad import PAD
from jitlite.schemas.tables import BatchMatMulOptions, Conv2DOptions, Padding

LARGEST_MATRIX = 1 << 24
"""Elements of the largest matrix, 64 MB of float32."""
LARGEST_WHOLE = 1 << 20
"""Elements of the largest matrix of a transform that could be done in two steps."""


def _turns(rows: int, columns: int, length: int) -> Array:
    """The angles 2 pi · row · column / length, the products taken modulo length first."""
    products = np.arange(rows, dtype=np.int64)[:, None] * np.arange(columns, dtype=np.int64)[None, :]
    return np.asarray(2 * np.pi * (products % length) / length)


def fourier_matrix(taps: int, length: int, frequencies: int, parts: int, *, inverse: bool) -> Array:
    """The transform of `taps` elements, zeros behind them up to `length`: (frequencies, 2, taps, parts).

    Elements have one part, the real one, or two. Both kinds of axes of size 2 hold the real and the imaginary part.
    """
    angles = _turns(frequencies, taps, length) * (-1 if inverse else 1)
    cosine, sine = np.cos(angles), np.sin(angles)
    real = np.stack([cosine, sine][:parts], axis=-1)
    imaginary = np.stack([-sine, cosine][:parts], axis=-1)
    return np.asarray(np.stack([real, imaginary], axis=1) / (length if inverse else 1))


def real_inverse_matrix(taps: int, length: int) -> Array:
    """Back from the first frequencies, zeros behind them up to length // 2 + 1, to real elements: (length, 1, taps, 2)."""
    angles = _turns(length, taps, length)
    weight = np.full(taps, 2.0)
    weight[0] = 1
    if length % 2 == 0 and taps == length // 2 + 1:
        weight[-1] = 1
    return np.asarray((np.stack([np.cos(angles), -np.sin(angles)], axis=-1) * weight[None, :, None])[:, None] / length)


def _factors(length: int) -> tuple[int, int]:
    """Two factors as close to each other as there are, the larger one first."""
    small = next(factor for factor in range(math.isqrt(length), 0, -1) if length % factor == 0)
    return length // small, small


def _in_two_steps(ctx: Context, rows: Value, length: int, frequencies: int, *, inverse: bool) -> Value:
    """The transform of (rows, length, parts) by Cooley and Tukey: (rows, frequencies, 2).

    With length = a · b, element b · i + j and frequency p + a · q: first transforms along i, then for each p one along j whose matrix
    holds the twiddle factors too.
    """
    count, _, parts = rows.dims
    a, b = _factors(length)
    apart = ctx.transpose(ctx.reshape(rows, (count, a, b, parts)), (0, 2, 1, 3))
    first = ctx.like(rows, fourier_matrix(a, a, a, parts, inverse=inverse).reshape(2 * a, a * parts))
    half = fully_connected(ctx, ctx.reshape(apart, (count * b, a * parts)), first, None)
    columns = ctx.reshape(ctx.transpose(ctx.reshape(half, (count, b, a, 2)), (2, 0, 1, 3)), (a, count, 2 * b))
    second = fourier_matrix(b, length, length, 2, inverse=inverse) * (a if inverse else 1)
    blocks = second.reshape(b, a, 2, b, 2).transpose(1, 3, 4, 0, 2).reshape(a, 2 * b, 2 * b)
    y = ctx.op(BATCH_MATMUL, columns, ctx.like(rows, blocks), options=BatchMatMulOptions())
    y = ctx.reshape(ctx.transpose(ctx.reshape(y, (a, count, b, 2)), (1, 2, 0, 3)), (count, length, 2))
    return sliced(ctx, y, [range(count), range(frequencies), range(2)])


@lowers("DFT", since=17)
def dft_17(ctx: Context, node: Node) -> Value:
    return _transformed(ctx, node, attribute(node, "axis", 1))


@lowers("DFT", since=20)
def dft(ctx: Context, node: Node) -> Value:
    return _transformed(ctx, node, -2 if ctx.optional(2) is None else int(ctx.data(2).reshape(-1)[0]))


def _transformed(ctx: Context, node: Node, given: int) -> Value:
    x = ctx.input(0)
    ctx.require(x.dtype == np.float32 and x.rank >= 2, f"float32 of rank 2 or more is required, found {x.dtype} of shape {x.dims}")
    axis, parts = ctx.axis(given, x.rank), x.dims[-1]
    ctx.require(axis != x.rank - 1 and parts in (1, 2), f"an axis before the last, of size 1 or 2, is required, found {given} of {x.dims}")
    inverse, onesided = bool(attribute(node, "inverse", 0)), bool(attribute(node, "onesided", 0))
    size = x.dims[axis]
    length = 2 * (size - 1) if inverse and onesided else size
    if ctx.optional(1) is not None:
        length = int(ctx.data(1).reshape(-1)[0])
    ctx.require(length >= 1 and x.size > 0, f"a length of 1 or more is required, found {length} for shape {x.dims}")
    ctx.require(parts == 2 or not inverse, "complex numbers are required for the inverse, found real ones")
    ctx.require(parts == 1 or inverse or not onesided, "real numbers are required for one side of the frequencies, found complex ones")
    half = length // 2 + 1
    taps, frequencies = min(size, half if inverse and onesided else length), half if onesided and not inverse else length
    order = [*(index for index in range(x.rank - 1) if index != axis), axis, x.rank - 1]
    moved = ctx.transpose(x, order)
    back = [order.index(index) for index in range(x.rank)]
    if not (inverse and onesided) and frequencies * 2 * taps * parts > LARGEST_WHOLE and _factors(length)[1] > 1:
        count = x.size // (size * parts)
        rows = sliced(ctx, ctx.reshape(moved, (count, size, parts)), [range(count), range(taps), range(parts)])
        if taps < length:
            rows = ctx.op(PAD, rows, ctx.constant([[0, 0], [0, length - taps], [0, 0]], np.int32))
        y = _in_two_steps(ctx, rows, length, frequencies, inverse=inverse)
        return ctx.transpose(ctx.reshape(y, (*moved.dims[:-2], frequencies, 2)), back)
    ctx.require(
        frequencies * 2 * taps * parts <= LARGEST_MATRIX,
        f"a matrix of at most {LARGEST_MATRIX} elements is required, found length {length}",
    )
    if inverse and onesided:
        matrix = real_inverse_matrix(taps, length)
    else:
        matrix = fourier_matrix(size if size < length else length, length, frequencies, parts, inverse=inverse)
    unread = np.zeros((*matrix.shape[:2], size - taps, parts))
    weights = np.concatenate([matrix, unread], axis=2).reshape(-1, size * parts)
    rows = ctx.reshape(moved, (x.size // (size * parts), size * parts))
    y = fully_connected(ctx, rows, ctx.like(x, weights), None)
    y = ctx.reshape(y, (*moved.dims[:-2], *matrix.shape[:2]))
    return ctx.transpose(y, back)


@lowers("STFT", since=17)
def stft(ctx: Context, node: Node) -> Value:
    """One convolution: its filters are the cosines and sines of a frame, times the window."""
    x, step, window = ctx.input(0), int(ctx.data(1).reshape(-1)[0]), ctx.optional(2)
    ctx.require(x.dtype == np.float32 and x.rank in (2, 3), f"float32 of rank 2 or 3 is required, found {x.dtype} of shape {x.dims}")
    n, samples, parts = (*x.dims, 1)[:3]
    ctx.require(window is not None or ctx.optional(3) is not None, "a window or a frame_length is required, found neither")
    length = int(ctx.data(3).reshape(-1)[0]) if ctx.optional(3) is not None else ctx.input(2).size
    onesided = bool(attribute(node, "onesided", 1))
    fits = step >= 1 and 1 <= length <= samples and parts in (1, 2) and (parts == 1 or not onesided)
    ctx.require(fits, f"frames within {samples} real or complex numbers are required, found {length} every {step} of shape {x.dims}")
    ctx.require(window is None or window.size == length, f"a window of {length} elements is required, found another size")
    frequencies = length // 2 + 1 if onesided else length
    ctx.require(
        frequencies * 2 * length * parts <= LARGEST_MATRIX,
        f"filters of at most {LARGEST_MATRIX} elements are required, found frames of {length}",
    )
    matrix = fourier_matrix(length, length, frequencies, parts, inverse=False).reshape(2 * frequencies, 1, length, parts)
    if window is not None and window.data is not None:
        matrix = matrix * window.data.reshape(1, 1, length, 1)
    filters = ctx.like(x, matrix)
    if window is not None and window.data is None:
        filters = ctx.op(MUL, filters, ctx.reshape(window, (1, 1, length, 1)))
    signal = ctx.reshape(x, (n, 1, samples, parts))
    options = Conv2DOptions(padding=Padding.VALID, stride_h=1, stride_w=step)
    y = ctx.op(CONV_2D, signal, filters, ctx.like(x, np.zeros(2 * frequencies)), options=options)
    return ctx.reshape(y, (n, y.dims[2], frequencies, 2))


@lowers("MelWeightMatrix", since=17)
def only_folded(ctx: Context, node: Node) -> Value:
    """Folding has replaced these where their operands are constant; their shapes depend on them."""
    for index in range(len(ctx.operands)):
        ctx.data(index)
    raise Unlowerable("a result that folds into a constant is required, found one that is too large")
