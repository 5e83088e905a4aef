"""What commands print and where: results on stdout; progress, notes and errors on stderr, progress only on a terminal."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from jitlite.schemas.model import printable

PLAIN_WIDTH = 160
"""Columns of a table that is not printed on a terminal."""

Advance = Callable[[int], None]


def results() -> Console:
    """The console of results."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, markup=False, soft_wrap=True)


def notes() -> Console:
    """The console of everything that is not a result."""
    return Console(file=sys.stderr, stderr=True, highlight=False, markup=False, soft_wrap=True)


def note(message: str) -> None:
    """One line for the person at the terminal, apart from the results."""
    notes().print(message)


def print_json(value: Any) -> None:
    """Prints `value` as JSON; numbers that are not finite become null, NumPy values plain ones, bytes that are no text question marks."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") + "\n")


def plain(value: Any) -> Any:
    """The value in terms of JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def cell(value: object) -> Text:
    """A table's cell; names from files cannot steer the terminal."""
    return value if isinstance(value, Text) else Text(printable(str(value)))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> Table:
    """A table of which the first `left` columns are text and the others numbers."""
    heading = Text(title) if title else None
    made = Table(title=heading, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        made.add_column(Text(name), justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


_shown: list[Progress] = []
"""The progress display on the terminal, if there is one: a terminal shows one at a time, with a line for each task."""


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Advance]:
    """A progress bar on a terminal's stderr; the function it gives moves it on by a count.

    The bar appears with the first count, so that it stays clear of the one that shows kernels compiling. Without `total` it appears at once
    and only shows that work goes on. Inside another one it is a line below that.
    """
    console = notes()
    if not console.is_terminal:
        yield lambda count: None
        return
    with ExitStack() as stack:
        started: list[tuple[Progress, TaskID]] = []

        def advance(count: int) -> None:
            if not started:
                display = stack.enter_context(_display(console))
                started.append((display, display.add_task(escape(description), total=total)))
                stack.callback(display.remove_task, started[0][1])
            display, task = started[0]
            display.advance(task, count)

        if total is None:
            advance(0)
        yield advance
        if started:
            started[0][0].refresh()


@contextmanager
def _display(console: Console) -> Iterator[Progress]:
    if _shown:
        yield _shown[-1]
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as display:
        _shown.append(display)
        try:
            yield display
        finally:
            _shown.pop()


def byte_text(size: int) -> str:
    """A size in bytes for people, in powers of 1000."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{size} B" if unit == "B" else f"{amount:.3g} {unit}" if amount < 100 else f"{amount:.0f} {unit}"
        amount /= 1000
    raise AssertionError("the last unit takes any size")


def time_text(nanoseconds: float) -> str:
    """A duration for people, three digits."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}" if nanoseconds < 100 * size else f"{nanoseconds / size:.0f} {unit}"
    return f"{nanoseconds:.0f} ns"


def shape_text(shape: Sequence[int]) -> str:
    """A shape; dimensions of any size appear as "?"."""
    return f"[{', '.join('?' if dim < 0 else str(dim) for dim in shape)}]"
