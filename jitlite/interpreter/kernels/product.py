"""Products of rows with packed panels: convolutions over NHWC images and matrix products, which are convolutions with windows of one pixel.

A row is the window of one pixel of the result. Windows are read where they lie in the image, run by run of neighbouring channels. An image
whose windows overlap its edges goes through lines instead: a thread copies the rows that the next strip of the result needs, padded, into
memory of its own. Strips are multiplied panel by panel, so that their rows and one block of panels stay in the processor's caches.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jitlite.interpreter.codegen.isa import TileSizes
from jitlite.interpreter.kernels.abi import i32p, i64, i64p, inline
from jitlite.interpreter.kernels.intrinsics import advance, fill_elements
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    Numbers,
    accumulate,
    accumulate_row,
    forced,
    keep_apart,
    stack_i64,
    start,
    sum_of_rows,
    zeros_below,
)

(
    BATCHES,
    GROUPS,
    IN_H,
    IN_W,
    IN_C,
    OUT_H,
    OUT_W,
    OUT_C,
    STRIDE_H,
    STRIDE_W,
    PAD_H,
    PAD_W,
    LINE_W,
    LINE_H,
    LINE_SIZE,
    STRIP,
    RUNS_H,
    RUNS_W,
    RUN_H,
    RUN_W,
    RUN,
    RUN_SIZE,
    Y_AT,
    Y_BATCH,
    Y_ROW,
    Y_COLUMN,
) = range(26)
"""Places in `sizes` of what `jitlite.interpreter.binding.products.Sizes` lays out; a tuple would be copied from function to function."""


class Operands(NamedTuple):
    """The left side, where each batch's starts in it and the number of its right side; the packed right side; biases and weights' sums.

    `factor` times the sums is added to every sum of 8-bit products.
    """

    x: Numbers
    batches: i64p
    w: Numbers
    bias: Numbers
    sums: i32p
    factor: int


class Strip(NamedTuple):
    """Rows of the result: where their windows start and the pixels from one row of that image to the next, and how many pixels they have.

    Their first result is at index `at`, `line` is its number among all pixels, `batch` theirs.
    """

    source: Numbers
    pitch: int
    pixels: int
    batch: int
    at: int
    line: int


class Spot(NamedTuple):
    """What is multiplied next.

    `panel` is counted over all groups, `width` the columns of its block's last panel; rows start at `places` of `source` (with channels of
    the panel's group from `channel` on), their results at `results` + `column`. `batch` is theirs, `line` the
    number of the first row and `pixel` that in the strip.
    """

    source: Numbers
    places: i64p
    results: i64p
    channel: int
    pitch: int
    panel: int
    right: int
    column: int
    width: int
    batch: int
    line: int
    pixel: int


@inline
def _copy_lines(x: Numbers, s: i64p, first: i64, count: i64, outside: i64, flips: i64, lines: Numbers, copy: Any) -> None:
    """Copies `count` rows of an image from row `first` on with `copy`, padded; both may lie outside it.

    Every byte of a number outside is `outside`, a zero point, or 0 for float32; of all bytes the bits `flips` are flipped.
    """
    outside = outside ^ flips
    left = min(max(s[PAD_W], 0), s[LINE_W])
    cut = max(-s[PAD_W], 0)
    copied = max(min(s[IN_W] - cut, s[LINE_W] - left), 0)
    for line in range(count):
        target, y = advance(lines, line * s[LINE_W] * s[IN_C]), first + line
        if 0 <= y < s[IN_H]:
            source = advance(x, (y * s[IN_W] + cut) * s[IN_C])
            fill_elements(target, outside, left * s[IN_C])
            copy(advance(target, left * s[IN_C]), source, copied * s[IN_C], flips)
            fill_elements(advance(target, (left + copied) * s[IN_C]), outside, (s[LINE_W] - left - copied) * s[IN_C])
        else:
            fill_elements(target, outside, s[LINE_W] * s[IN_C])


@inline
def _locate(s: i64p, pitch: i64, y: i64, x: i64, rows: i64, height: i64, places: i64p, results: i64p) -> None:
    """Notes where `height` rows of a strip from pixel (y, x) on start and end; behind the first `rows` they repeat the last of them."""
    row_step, step = s[STRIDE_H] * pitch * s[IN_C], s[STRIDE_W] * s[IN_C]
    at, to = y * row_step + x * step, y * s[Y_ROW] + x * s[Y_COLUMN]
    if rows == height and (x + height <= s[OUT_W] or s[OUT_W] == 1):
        is_column = s[OUT_W] == 1
        step, result_step = (row_step, s[Y_ROW]) if is_column else (step, s[Y_COLUMN])
        for i in range(16):
            places[i], results[i] = at + i * step, to + i * result_step
        return
    for i in range(height):
        places[i], results[i] = at, to
        if i + 1 < rows:
            x, at, to = x + 1, at + step, to + s[Y_COLUMN]
            if x == s[OUT_W]:
                x, at, to = 0, at + row_step - s[OUT_W] * step, to + s[Y_ROW] - s[OUT_W] * s[Y_COLUMN]


def _block(height: int, panels: int, finish: Callable[..., None]) -> Callable[..., None]:
    """A function that multiplies `height` rows with `panels` panels and finishes their sums."""

    @inline
    def multiply(a: Operands, s: i64p, spot: Spot, out: Any) -> None:
        keep_apart()
        size = s[RUNS_H] * s[RUNS_W] * s[RUN_SIZE]
        tile = start(a.x, a.bias, spot.panel * COLUMNS, a.sums, spot.right * COLUMNS, a.factor, height, panels)
        at = spot.right * size
        for y in range(s[RUNS_H]):
            for x in range(s[RUNS_W]):
                shift = (y * s[RUN_H] * spot.pitch + x * s[RUN_W]) * s[IN_C] + spot.channel
                tile = accumulate(tile, spot.source, spot.places, shift, s[RUN], a.w, at, size)
                at += s[RUN_SIZE]
        finish(tile, a, s, spot, out)

    return multiply


def _row(parts: int, panels: int, finish: Callable[..., None]) -> Callable[..., None]:
    """The same for one row, whose sums are taken in `parts`."""

    @inline
    def multiply(a: Operands, s: i64p, spot: Spot, out: Any) -> None:
        keep_apart()
        size = s[RUNS_H] * s[RUNS_W] * s[RUN_SIZE]
        first = start(a.x, a.bias, spot.panel * COLUMNS, a.sums, spot.right * COLUMNS, a.factor, 1, panels)
        tile = zeros_below(first, parts)
        at = spot.right * size
        for y in range(s[RUNS_H]):
            for x in range(s[RUNS_W]):
                shift = (y * s[RUN_H] * spot.pitch + x * s[RUN_W]) * s[IN_C] + spot.channel + spot.places[0]
                tile = accumulate_row(tile, spot.source, shift, s[RUN], a.w, at, size)
                at += s[RUN_SIZE]
        finish(sum_of_rows(tile), a, s, spot, out)

    return multiply


def _heights(tiles: TileSizes) -> Callable[..., int]:
    """A function that gives the next tile's height: the lowest that takes `rows` rows, or one that leaves as many as a tile takes."""
    high, middle, low = tiles.heights
    wide = tiles.panels

    @inline
    def choose(rows: i64, panels: i64) -> i64:
        if rows > high:
            return middle if rows <= 2 * middle else high
        if rows > middle:
            return high
        return middle if rows > low or panels < wide else low

    return choose


def _tiles(finish: Callable[..., None], tiles: TileSizes) -> Callable[..., None]:
    """A function that multiplies the rows of a spot as a tile of `height` rows, or as one row, with `panels` panels."""
    most_rows, some_rows, _ = tiles.heights
    wide = tiles.panels
    high, middle, low = (_block(height, wide, finish) for height in tiles.heights)
    narrow_high, narrow_middle = _block(most_rows, 1, finish), _block(some_rows, 1, finish)
    wide_row, narrow_row = _row(tiles.parts, wide, finish), _row(tiles.parts, 1, finish)

    @forced
    def multiply(a: Operands, s: i64p, spot: Spot, height: i64, panels: i64, out: Any) -> None:
        if height == 1:
            if panels == wide:
                wide_row(a, s, spot, out)
            else:
                narrow_row(a, s, spot, out)
        elif panels < wide:
            if height == most_rows:
                narrow_high(a, s, spot, out)
            else:
                narrow_middle(a, s, spot, out)
        elif height == most_rows:
            high(a, s, spot, out)
        elif height == some_rows:
            middle(a, s, spot, out)
        else:
            low(a, s, spot, out)

    return multiply


@inline
def _nothing(s: i64p, strip: Strip, channel: i64, out: Any) -> None:
    pass


def _strips(finish: Callable[..., None], begin: Callable[..., None], tiles: TileSizes) -> Callable[..., None]:
    """A function that multiplies the rows of a strip with panels [first, last)."""
    multiply_tile, height_for, wide = _tiles(finish, tiles), _heights(tiles), tiles.panels

    @inline
    def multiply(a: Operands, s: i64p, strip: Strip, first: i64, last: i64, out: Any) -> None:
        places, results = stack_i64(16), stack_i64(16)
        channels = s[OUT_C] // s[GROUPS]
        of_group = (channels + COLUMNS - 1) // COLUMNS
        right = a.batches[2 * strip.batch + 1] * s[GROUPS] * of_group
        panel = first
        while panel < last:
            group, within = panel // of_group, panel % of_group
            blocks = min(min(wide, of_group - within), last - panel)
            column = strip.at + group * channels + within * COLUMNS
            width = min(COLUMNS, channels - (within + blocks - 1) * COLUMNS)
            channel, pixel, y, x = group * (s[IN_C] // s[GROUPS]), 0, 0, 0
            if within == 0 or panel == first:
                begin(s, strip, channel, out)
            while pixel < strip.pixels:
                height = 1 if s[OUT_H] * s[OUT_W] == 1 else height_for(strip.pixels - pixel, blocks)
                if pixel + height > strip.pixels:
                    pixel = max(strip.pixels - height, 0)
                    y, x = pixel // s[OUT_W], pixel % s[OUT_W]
                rows = min(height, strip.pixels - pixel)
                _locate(s, strip.pitch, y, x, rows, height, places, results)
                spot = Spot(
                    strip.source,
                    places,
                    results,
                    channel,
                    strip.pitch,
                    panel,
                    right + panel,
                    column,
                    width,
                    strip.batch,
                    strip.line + pixel,
                    pixel,
                )
                multiply_tile(a, s, spot, height, blocks, out)
                pixel, x = pixel + rows, x + rows
                while x >= s[OUT_W]:
                    lines = x if s[OUT_W] == 1 else 1
                    y, x = y + lines, x - lines * s[OUT_W]
            panel += blocks

    return multiply


@inline
def _share(s: i64p, panels: i64, height: i64, thread: i64, threads: i64) -> tuple[i64, i64, i64, i64]:
    """A thread's part as (first row of the result, last row, first panel, last panel); the last ones are exclusive.

    Rows are divided where there is a tile of `height` for every thread, panels otherwise.
    """
    rows = s[BATCHES] * s[OUT_H]
    if rows >= threads and rows * s[OUT_W] >= height * threads:
        return rows * thread // threads, rows * (thread + 1) // threads, 0, panels
    return 0, rows, panels * thread // threads, panels * (thread + 1) // threads


def driver(
    finish: Callable[..., None], copy: Callable[..., None], tiles: TileSizes, begin: Callable[..., None] = _nothing
) -> Callable[..., None]:
    """A function that does a thread's part of a product with tiles of the given sizes.

    `finish(tile, operands, sizes, spot, out)` stores a tile's sums; `copy(target, source, count, flips)` copies numbers of the image to
    lines and flips the bits `flips` of every byte; `begin(sizes, strip, channel, out)` precedes the strip's tiles of a group.
    """
    multiply, most_rows = _strips(finish, begin, tiles), tiles.heights[0]

    @inline
    def run(a: Operands, s: i64p, lines: Numbers, outside: Numbers, flips: i64, out: Any, thread: i64, threads: i64) -> None:
        panels = s[GROUPS] * ((s[OUT_C] // s[GROUPS] + COLUMNS - 1) // COLUMNS)
        row, stop, first_panel, last_panel = _share(s, panels, most_rows, thread, threads)
        mine = advance(lines, thread * s[LINE_SIZE])
        while row < stop:
            batch, y = row // s[OUT_H], row % s[OUT_H]
            count = min(min(s[STRIP], s[OUT_H] - y), stop - row)
            image = advance(a.x, a.batches[2 * batch])
            at = s[Y_AT] + batch * s[Y_BATCH] + y * s[Y_ROW]
            top = y * s[STRIDE_H] - s[PAD_H]
            source, pitch = advance(image, (top * s[IN_W] - s[PAD_W]) * s[IN_C]), s[IN_W]
            if s[LINE_W] > 0:
                _copy_lines(image, s, top, (count - 1) * s[STRIDE_H] + s[LINE_H], int(outside[batch]), flips, mine, copy)
                source, pitch = mine, s[LINE_W]
            strip = Strip(source, pitch, count * s[OUT_W], batch, at, row * s[OUT_W])
            multiply(a, s, strip, first_panel, last_panel, out)
            row += count

    return run
