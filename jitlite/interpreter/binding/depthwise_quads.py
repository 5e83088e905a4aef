"""How the kernels of depthwise convolutions take images of bytes apart: blocks of channels, quads, and layouts of their columns.

`jitlite.interpreter.kernels.depthwise_quads` says what a layout holds, and has the same constants.
"""

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import Scratch
from jitlite.interpreter.binding.windows import Windows
from jitlite.schemas.record import Record

PLACES = 64
WIDTHS = (64, 32, 16, 8)
"""Channels of a block, by the number kernels know them by."""
LEAST_CHANNELS = WIDTHS[-1]
PIECES, DENSE, EVERY_OTHER = 0, 1, 2
FILL = 24
MEMBERS = 4
_PLANE_BYTES = 4096 + 64
"""An ordinary plane of quads: not a power of two, so that planes do not compete for the same lines of the cache."""
_SLACK_BYTES = 2 * PLACES

Array = NDArray[np.generic]
Tap = tuple[int, int]


class Quads(Record):
    """The quads of a filter: the members of each, up to four, by row and column; and for each tap its quad and the column it starts at."""

    members: tuple[tuple[Tap, ...], ...]
    taps: tuple[tuple[int, int], ...]

    def sources(self, tap: int) -> list[Tap | None]:
        """The weights a tap multiplies, by row and column; None for a member it lacks."""
        quad, column = self.taps[tap]
        return [(y, x + column) for y, x in self.members[quad]] + [None] * (MEMBERS - len(self.members[quad]))


def quads_of(height: int, width: int) -> Quads:
    """Quads of four rows each; a last single row makes quads of four columns."""
    members: list[tuple[Tap, ...]] = []
    taps: list[tuple[int, int]] = []
    for first in range(0, height, MEMBERS):
        rows = range(first, min(first + MEMBERS, height))
        if len(rows) == 1 and width > 1:
            taps += [(len(members), column) for column in range(0, width, MEMBERS)]
            members.append(tuple((first, column) for column in range(min(MEMBERS, width))))
        else:
            taps += [(len(members), column) for column in range(width)]
            members.append(tuple((row, 0) for row in rows))
    return Quads(tuple(members), tuple(taps))


_COSTS = (68.0, 38.0, 25.0, 17.0)
"""Relative times of blocks by the number of their width, measured."""
_ROW_COSTS = (80.0, 180.0, 240.0, 330.0)
"""Cycles for a short row of pixels of a block, once a quad, by the number of its width, measured."""


def _cover(channels: int, left: int, widest: int) -> tuple[float, tuple[int, ...]]:
    """The cheapest widths, by number, that cover the last `left` of some channels, and their cost; the last block may overlap others."""
    best: tuple[float, tuple[int, ...]] = (float("inf"), ())
    for kind in range(widest, len(_COSTS)):
        width = WIDTHS[kind]
        if width > max(channels, LEAST_CHANNELS):
            continue
        cost, rest = (0.0, ()) if width >= left else _cover(channels, left - width, kind)
        best = min(best, (cost + _COSTS[kind], (kind, *rest)))
    return best


def _split(channels: int, widest: int) -> list[tuple[int, int]]:
    """Blocks that cover the channels: the first channel of each and the number of its width."""
    whole = max(0, channels // WIDTHS[widest] - 1)
    kinds = [widest] * whole + list(_cover(channels, channels - whole * WIDTHS[widest], widest)[1])
    blocks, first = [], 0
    for kind in kinds:
        blocks.append((max(0, min(first, channels - WIDTHS[kind])), kind))
        first += WIDTHS[kind]
    return blocks


def _room(kind: int, reach: int) -> int:
    """The pixels of a part of a row whose quads fit an ordinary plane: a multiple of eight, 0 where eight do not fit."""
    return max(0, (_PLANE_BYTES // WIDTHS[kind] - reach - PLACES // WIDTHS[kind]) // 8 * 8)


class Layouts(Record):
    """What the kernels are told of blocks and layouts.

    `blocks` holds the first channel of each block and the number of its width; `table` a layout for each part of `chunk` pixels and each
    width; planes of quads are `plane` bytes apart, and all of a part need `n_bytes`. `slides` says that windows of three columns can slide.
    """

    blocks: NDArray[np.int64]
    table: NDArray[np.int64]
    chunk: int
    plane: int
    n_bytes: int
    slides: bool

    @property
    def memory(self) -> Scratch:
        return Scratch(self.n_bytes, is_per_thread=True)

    @property
    def counts(self) -> NDArray[np.int64]:
        size, taps = self.table.shape[2], self.table[..., 1].max()
        return np.array([len(self.blocks), self.chunk, size, taps, self.plane, self.n_bytes, self.slides], np.int64)


def cost_of(s: Windows, quads: Quads) -> float:
    """Cycles that a convolution of `s.in_c` channels takes, about."""
    return s.batches * s.out_h * len(quads.members) * sum(_ROW_COSTS[kind] for _, kind in _blocks(s, quads))


def _reach(s: Windows, quads: Quads) -> int:
    """How many columns of quads a pixel reaches behind its first."""
    return max(column for _, column in quads.taps) * s.dilation_w // s.stride_w


def _blocks(s: Windows, quads: Quads) -> list[tuple[int, int]]:
    """Blocks of the widest width with room for a row, or narrower ones."""
    narrowest, reach = len(WIDTHS) - 1, _reach(s, quads)
    widest = next((kind for kind in range(narrowest) if _room(kind, reach) >= min(s.out_w, 2 * PLACES // WIDTHS[kind])), narrowest)
    return _split(s.in_c, widest)


def layouts_of(s: Windows, quads: Quads) -> Layouts:
    """The layouts of a convolution of `s.in_c` channels."""
    reach, blocks = _reach(s, quads), _blocks(s, quads)
    used = {kind for _, kind in blocks}
    room = max(min(_room(kind, reach) for kind in used), PLACES)
    chunk = (-(-s.out_w // -(-s.out_w // room)) + 7) // 8 * 8
    longest = max((chunk + reach + PLACES // WIDTHS[kind]) * WIDTHS[kind] for kind in used)
    plane = max(_PLANE_BYTES, (longest + PLACES - 1) // PLACES * PLACES)
    rows = [
        [_layout(s, quads, kind, first, min(chunk, s.out_w - first), plane) if kind in used else [] for kind in range(len(WIDTHS))]
        for first in range(0, s.out_w, chunk)
    ]
    size = max(len(layout) for part in rows for layout in part)
    table = np.array([[layout + [0] * (size - len(layout)) for layout in part] for part in rows], np.int64)
    n_bytes = int(table[..., 2].max()) * MEMBERS * plane + _SLACK_BYTES
    slides = len(quads.members) == 1 and len(quads.taps) == 3 and s.dilation_w == 1 and s.stride_w <= 2 and s.pad_w <= 1
    return Layouts(np.array(blocks, np.int64), table, chunk, plane, n_bytes, slides)


def _layout(s: Windows, quads: Quads, kind: int, first_pixel: int, count: int, plane: int) -> list[int]:
    """The layout of one width for `count` pixels from `first_pixel` on."""
    width = WIDTHS[kind]
    together = max(16 // width, 1)
    fills: dict[tuple[int, int, int], int] = {}
    taps = []
    for quad, column in quads.taps:
        shift, phase = divmod(column * s.dilation_w, s.stride_w)
        fill = fills.setdefault((quad, phase, shift % together), len(fills))
        taps.append((fill, shift - shift % together))
    is_dense = s.in_c == width and width < PLACES
    shape = DENSE if is_dense and s.stride_w == 1 else EVERY_OTHER if is_dense and s.stride_w == 2 else PIECES
    layout = [shape, len(taps), len(fills), *(fill * MEMBERS * plane + distance * width for fill, distance in taps)]
    for (quad, phase, parity), number in fills.items():
        start = first_pixel * s.stride_w - s.pad_w + parity * s.stride_w + phase
        columns = -(-count // (PLACES // width)) * (PLACES // width) + max(distance for fill, distance in taps if fill == number)
        layout += [number * MEMBERS * plane, *_fill(s, quads.members[quad], start, columns, PLACES // width, shape)]
    return layout


def _fill(s: Windows, members: tuple[Tap, ...], start: int, columns: int, pixels: int, shape: int) -> list[int]:
    """A fill of so many columns from column `start` of the image on, without where it goes."""
    columns = -(-columns // pixels) * pixels

    def reached(column: int) -> int:
        """The number of the first column of the fill at or behind one of the image."""
        return max(0, min(columns, -(-(column - start) // s.stride_w)))

    insides = [(reached(-x * s.dilation_w), reached(s.in_w - x * s.dilation_w)) for _, x in members]
    least, most = min(first for first, _ in insides), max(stop for _, stop in insides)
    whole = s.in_w - s.stride_w + 1 if shape == EVERY_OTHER else s.in_w
    farthest = max(x for _, x in members) * s.dilation_w
    inner = min(columns, -(-max(first for first, _ in insides) // pixels) * pixels)
    behind = max(inner, reached(whole - farthest) // pixels * pixels)
    fill = [columns, start, inner, behind, least // pixels * pixels, -(-most // pixels) * pixels, max(3, len(members))]
    for member in range(MEMBERS):
        if member < len(members):
            (y, x), (first, stop) = members[member], insides[member]
            fill += [y * s.dilation_h, x * s.dilation_w, first, stop]
        else:
            fill += [-1, 0, 0, 0]
    return fill


def places_of(values: Array, blocks: NDArray[np.int64]) -> Array:
    """Values of channels, the last axis, as planes [blocks, ..., 4, 16]: plane k holds the places 4k to 4k + 3 of every 16."""
    found = []
    for channel, kind in blocks.tolist():
        width = WIDTHS[kind]
        own = values[..., channel : channel + width]
        own = np.concatenate([own, np.zeros((*own.shape[:-1], width - own.shape[-1]), own.dtype)], axis=-1)
        planes = np.swapaxes(np.tile(own, PLACES // width).reshape(*values.shape[:-1], 4, 4, 4), -2, -3)
        found.append(planes.reshape(*values.shape[:-1], 4, 16))
    return np.ascontiguousarray(np.stack(found))


def packed_taps(
    weights: NDArray[np.int32], quads: Quads, blocks: NDArray[np.int64], zero_point: int
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Weights [height, width, channels] less their zero point as bytes [blocks, taps, 4, 16, 4], zeros for members that taps lack.

    Where bytes cannot hold a block's weights they lack its spread, the second result, which is 0 elsewhere.
    """
    _, width, channels = weights.shape
    taps = np.zeros((len(quads.taps), MEMBERS, channels), np.int32)
    holds = np.zeros((len(quads.taps), MEMBERS, 1), np.int32)
    for tap in range(len(quads.taps)):
        for member, source in enumerate(quads.sources(tap)):
            if source is not None and source[1] < width:
                taps[tap, member], holds[tap, member] = weights[source], 1
    planes: NDArray[np.int32] = places_of(taps, blocks).astype(np.int32, copy=False)
    is_wide = (planes.min(axis=(1, 2, 3, 4)) < -128) | (planes.max(axis=(1, 2, 3, 4)) > 127)
    spreads = np.where(is_wide, 128 - zero_point, 0)
    lacking = planes - spreads[:, None, None, None, None] * holds[..., None]
    return np.ascontiguousarray(np.moveaxis(lacking.astype(np.int8), 2, -1)).view(np.int8), spreads


def ones_of(quads: Quads, width: int) -> NDArray[np.int32]:
    """For each tap a quad with 1 for every member."""
    ones = np.zeros((len(quads.taps), MEMBERS), np.int8)
    for tap in range(len(quads.taps)):
        ones[tap] = [source is not None and source[1] < width for source in quads.sources(tap)]
    return ones.view(np.int32).reshape(-1)
