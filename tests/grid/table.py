"""The words of the grid's tables: a family has a builder and grids of parameters; a case is one row of them."""

import itertools
import os
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = Sequence[int | None] | None
Builder = Callable[[Any, SimpleNamespace], "Graph"]

LETTERS = np.array([b"A", b"B", b"C", b"D", b"grid", b"jit lite", b"", b"\xc3\xa9"])
FULL = ("float", "int8", "int16x8", "dynamic", "float16")
QUANTIZED = ("int8", "int8_io", "uint8_io", "int8_tensor", "int16x8", "int16x8_io", "uint8")
"""Conversion modes: float interfaces, integer ones (`_io`), one scale a tensor of weights, and TensorFlow 1's way to quantize (uint8)."""
SCALE = int(os.environ.get("JITLITE_GRID_SCALE", "1"))
"""How many times the usual number of rows is kept; rows of a smaller grid are not among those of a larger one."""
N_RUNS = 2
"""Every model runs twice, on other data; where it has unknown dimensions, at other sizes too."""


@dataclass(frozen=True)
class Feed:
    """One input of a graph: `None` in its shape is unknown to the model and `sizes[run]` at run time; no shape, an unknown rank.

    Data are drawn from [low, high]; `value` fixes them, or makes them from the number of the run.
    """

    shape: Shape
    dtype: str = "float32"
    low: float = -100
    high: float = 100
    value: Any = None
    sizes: tuple[int, int] = (4, 2)

    def array(self, rng: np.random.Generator, run: int) -> Array:
        if self.value is not None:
            return np.asarray(self.value(run) if callable(self.value) else self.value, self.dtype if self.dtype != "string" else np.bytes_)
        shape = (2, 3) if self.shape is None else tuple(self.sizes[run] if size is None else size for size in self.shape)
        return random_array(rng, self.dtype, shape, self.low, self.high)


def random_array(rng: np.random.Generator, dtype: str, shape: Sequence[int], low: float, high: float) -> Array:
    """Data of any type the grid uses, from [low, high] where numbers are meant."""
    if dtype == "string":
        return np.asarray(rng.choice(LETTERS, shape))
    if dtype == "bool":
        return np.asarray(rng.integers(0, 2, shape).astype(np.bool_))
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return np.asarray((rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)).astype(kind))
    if kind.kind in "iu":
        edges = np.iinfo(kind)
        return np.asarray(
            rng.integers(max(int(low), int(edges.min)), min(int(high), int(edges.max)), shape, np.int64, endpoint=True)
        ).astype(kind)
    return np.asarray(rng.uniform(low, high, shape)).astype(kind)


@dataclass(frozen=True)
class Graph:
    """A TensorFlow function of as many tensors as there are feeds; `owner` keeps the variables and tables it uses.

    The variables of one that keeps state become variables of the model, those of others constants.
    """

    function: Callable[..., Any]
    feeds: list[Feed]
    owner: Any = None
    keeps_state: bool = False
    flags: dict[str, Any] = field(default_factory=dict)
    """Attributes of the converter."""


@dataclass(frozen=True)
class Family:
    name: str
    build: Builder
    rows: tuple[dict[str, Any], ...]
    has_custom: bool = False


FAMILIES: dict[str, Family] = {}


def grid(**columns: Sequence[Any]) -> list[dict[str, Any]]:
    """All combinations of the columns' values."""
    return [dict(zip(columns, values)) for values in itertools.product(*columns.values())]


def sampled(name: str, rows: Sequence[dict[str, Any]], take: int) -> list[dict[str, Any]]:
    """At most `take` rows, always the same, in which every value of every column occurs if that is possible."""
    shuffled = list(rows)
    random.Random(zlib.crc32(name.encode())).shuffle(shuffled)
    seen: set[tuple[str, str]] = set()
    first, others = [], []
    for row in shuffled:
        marks = {(key, repr(value)) for key, value in row.items()}
        (others if marks <= seen else first).append(row)
        seen |= marks
    return (first + others)[:take]


def family(
    name: str, *grids: Sequence[Mapping[str, Any]], take: int = 16, least: int = 0, has_custom: bool = False
) -> Callable[[Builder], Builder]:
    """Registers a builder with its rows; of each grid a share of `take` in proportion to its size, and at least `least`, is kept."""

    def register(build: Builder) -> Builder:
        total = sum(len(rows) for rows in grids)
        kept: list[dict[str, Any]] = []
        for number, rows in enumerate(grids):
            share = SCALE * max(least or 1, round(take * len(rows) / max(total, 1)))
            kept += sampled(f"{name}/{number}", [dict(row) for row in rows], share)
        if name in FAMILIES:
            raise ValueError(f"family {name}: one table is required, found two")
        FAMILIES[name] = Family(name, build, tuple(kept), has_custom)
        return build

    return register


@dataclass(frozen=True)
class GridCase:
    """One model of the grid: `name` is its file's, `label` says its parameters."""

    family: str
    number: int
    label: str

    @property
    def name(self) -> str:
        return f"{self.family}/{self.number:03d}"


def cases(only: Sequence[str] = ()) -> Iterator[GridCase]:
    """The cases of the named families, or of all."""
    unknown = set(only) - set(FAMILIES)
    if unknown:
        raise ValueError(f"families of the grid are required, found {sorted(unknown)}")
    for known in FAMILIES.values():
        if only and known.name not in only:
            continue
        for number, row in enumerate(known.rows):
            yield GridCase(known.name, number, ", ".join(f"{key}={value}" for key, value in row.items()))


def parameters(known: Family, number: int) -> SimpleNamespace:
    """A case's row; `mode` says how it is converted, "float" unless the row says."""
    return SimpleNamespace(**{"mode": "float", **known.rows[number]})


def load_families() -> None:
    """Fills the registry."""
    from importlib import import_module

    for module in (
        "arithmetic",
        "functions",
        "reduction",
        "arrange",
        "select",
        "image",
        "products",
        "sequence",
        "state",
        "signal",
        "weights",
        "layers",
        "converters",
    ):
        import_module(f"tests.grid.families_{module}")
