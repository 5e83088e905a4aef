"""The numbers of the model benchmark: ratios, means and pairs of precisions, and the tables that show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.engines import LITERT, ONNXRUNTIME, OURS, TITLES
from benchmarks.sections import Section
from benchmarks.subjects import FLOAT, INT8, OTHER, Subject
from jitlite.tools.console import time_text

KIND_TITLES = {INT8: "int8 and uint8", FLOAT: "float32 and float16 weights", OTHER: "dynamic-range and int16"}
RIVALS = (LITERT, ONNXRUNTIME)
FLAG_BELOW = 0.8
SHOWN_PAIRS = 24
SAME = 0.97
"""Ratios from here to 1 count as equal where two of our own times are compared."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The median nanoseconds of each turn of a session, and how many runs there were altogether."""

    turns: tuple[float, ...]
    runs: int

    @property
    def median_ns(self) -> float:
        return float(np.median(self.turns))


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median over the turns, and the quartiles."""

    median: float
    low: float
    high: float

    @property
    def text(self) -> str:
        return f"{self.median:.2f}"

    @property
    def quartiles(self) -> str:
        return f"{self.low:.2f}–{self.high:.2f}"


def ratio_of(over: Timing, under: Timing) -> Ratio:
    """Turn by turn, so that a machine that changes its speed changes both."""
    low, median, high = (float(x) for x in np.percentile([a / b for a, b in zip(over.turns, under.turns)], (25, 50, 75)))
    return Ratio(median, low, high)


@dataclass(frozen=True, slots=True)
class Measured:
    """A subject's timings by engine with a number of threads, why others have none, and differences from LiteRT's reference kernels."""

    subject: Subject
    threads: int
    timings: dict[str, Timing]
    problems: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)

    def ratio(self, rival: str) -> Ratio | None:
        if OURS not in self.timings or rival not in self.timings:
            return None
        return ratio_of(self.timings[rival], self.timings[OURS])


@dataclass(frozen=True, slots=True)
class Pair:
    """Our int8 beside our float32 of one network: the ratio is above 1 where int8 is faster."""

    float32: Measured
    int8: Measured
    ratio: Ratio


def geometric_mean(ratios: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def pairs_of(measured: Iterable[Measured]) -> list[Pair]:
    """Every int8 or uint8 form of a network beside its float32 form, with the same number of threads."""
    ready = [item for item in measured if OURS in item.timings]
    found = []
    for one in (item for item in ready if item.subject.precision == "float32"):
        for other in ready:
            same = (other.subject.network, other.threads) == (one.subject.network, one.threads)
            if same and other.subject.kind == INT8:
                found.append(Pair(one, other, ratio_of(one.timings[OURS], other.timings[OURS])))
    return found


def as_data(measured: Sequence[Measured]) -> dict[str, Any]:
    """The numbers for the JSON file: times in microseconds, a ratio as its median and quartiles."""
    models = []
    for item in measured:
        entry: dict[str, Any] = {
            "model": item.subject.name,
            "precision": item.subject.precision,
            "kind": item.subject.kind,
            "origin": item.subject.origin,
            "counts": item.subject.counts,
            "threads": item.threads,
            "us": {engine: round(timing.median_ns / 1000, 3) for engine, timing in item.timings.items()},
            "ratio": {},
        }
        if item.problems:
            entry["left_out"] = item.problems
        if item.differences:
            entry["difference"] = {engine: float(f"{value:.2g}") for engine, value in item.differences.items()}
        for rival in RIVALS:
            ratio = item.ratio(rival)
            if ratio is not None:
                entry["ratio"][rival] = [round(value, 3) for value in (ratio.median, ratio.low, ratio.high)]
        models.append(entry)
    pairs = [
        {
            "float32": pair.float32.subject.name,
            "int8": pair.int8.subject.name,
            "threads": pair.float32.threads,
            "ratio": round(pair.ratio.median, 4),
        }
        for pair in pairs_of(measured)
    ]
    return {"models": models, "means": mean_rows(measured), "pairs": pairs}


def mean_rows(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Geometric means of the ratios by kind, origin, rival and threads; origin "all" is over both."""
    rows = []
    for threads in sorted({item.threads for item in measured}):
        for kind in KIND_TITLES:
            for rival in RIVALS:
                for origin in ("all", "tflite", "onnx"):
                    chosen = [
                        item.ratio(rival)
                        for item in measured
                        if item.threads == threads
                        and item.subject.counts
                        and item.subject.kind == kind
                        and origin in ("all", item.subject.origin)
                    ]
                    ratios = [ratio.median for ratio in chosen if ratio is not None]
                    if ratios:
                        below = sum(ratio < FLAG_BELOW for ratio in ratios)
                        row = {"kind": kind, "rival": rival, "origin": origin, "threads": threads, "models": len(ratios), "below": below}
                        rows.append({**row, "mean": round(geometric_mean(ratios), 4), "least": round(min(ratios), 4)})
    return rows


def sections_of(measured: Sequence[Measured]) -> list[Section]:
    """The means, a table for each kind, pairs of precisions, and what was left out."""
    threads = sorted({item.threads for item in measured})
    found = [_means_section(measured)]
    for kind, title in KIND_TITLES.items():
        chosen = [item for item in measured if item.subject.kind == kind and item.subject.counts and OURS in item.timings]
        if chosen:
            found.append(_kind_section(title, chosen, threads))
    found += [section for section in (_pairs_section(measured), _left_out_section(measured)) if section.rows]
    return found


ORIGINS = {"all": "all", "tflite": ".tflite files as they are", "onnx": "converted from ONNX"}


def _means_section(measured: Sequence[Measured]) -> Section:
    rows = tuple(
        (
            KIND_TITLES[row["kind"]],
            ORIGINS[row["origin"]],
            TITLES[row["rival"]],
            str(row["threads"]),
            str(row["models"]),
            f"{row['mean']:.2f}",
            f"{row['least']:.2f}",
            str(row["below"]),
        )
        for row in mean_rows(measured)
    )
    columns = ("models", "origin", "rival", "threads", "number", "geometric mean", "least", f"below {FLAG_BELOW}")
    text = (
        "A ratio is the rival's time over jitlite's: above 1, jitlite is faster. With one thread the engines take turns in one process; "
        "with more, each has its own process and all but one stand still. ONNX Runtime runs the ONNX file (float) and its own static int8 "
        "form of it."
    )
    return Section("Models", text, columns, rows, left=3)


def _kind_section(title: str, chosen: Sequence[Measured], threads: Sequence[int]) -> Section:
    by_name: dict[str, dict[int, Measured]] = {}
    for item in chosen:
        by_name.setdefault(item.subject.name, {})[item.threads] = item
    first = threads[0]
    rows = tuple(_model_row(name, items, threads) for name, items in sorted(by_name.items(), key=lambda entry: _first_ratio(entry[1])))
    columns = ["model", "jitlite", "LiteRT", "quartiles", *(f"LiteRT, {count} thr." for count in threads[1:])]
    columns += ["ORT", *(f"ORT, {count} thr." for count in threads[1:]), *(f"gain, {count} thr." for count in threads[1:])]
    columns += ["error", "error LiteRT", ""]
    text = (
        f"jitlite's time with {_threads(first)}; LiteRT's and ONNX Runtime's (ORT) time over it; what jitlite gains from more threads. "
        f"Error: the largest difference from LiteRT's reference kernels over the largest output, of jitlite and of LiteRT itself with "
        f"XNNPACK. Slowest against LiteRT first; below {FLAG_BELOW} is marked."
    )
    if len(threads) > 1:
        slower = _slower_with_threads(by_name, threads)
        text += f" Slower with {_threads(threads[-1])} than with {first}: {', '.join(slower) or 'none'}."
    return Section(f"Models: {title}", text, tuple(columns), rows)


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _first_ratio(items: dict[int, Measured]) -> float:
    ratio = items[min(items)].ratio(LITERT)
    return float("inf") if ratio is None else ratio.median


def _gain(items: dict[int, Measured], first: int, count: int) -> float | None:
    if first not in items or count not in items:
        return None
    return items[first].timings[OURS].median_ns / items[count].timings[OURS].median_ns


def _slower_with_threads(by_name: dict[str, dict[int, Measured]], threads: Sequence[int]) -> list[str]:
    gains = {name: _gain(items, threads[0], threads[-1]) for name, items in by_name.items()}
    return [f"{name} ({gain:.2f})" for name, gain in gains.items() if gain is not None and gain < SAME]


def _model_row(name: str, items: dict[int, Measured], threads: Sequence[int]) -> tuple[str, ...]:
    one = items.get(threads[0])
    ratios = {(count, rival): item.ratio(rival) for count, item in items.items() for rival in RIVALS}
    first = ratios.get((threads[0], LITERT))
    cells = [name, "–" if one is None else time_text(one.timings[OURS].median_ns)]
    cells += ["–", "–"] if first is None else [first.text, first.quartiles]
    wanted = [(count, LITERT) for count in threads[1:]] + [(count, ONNXRUNTIME) for count in threads]
    cells += [_text(ratio.median if ratio else None, ".2f") for ratio in (ratios.get(key) for key in wanted)]
    cells += [_text(_gain(items, threads[0], count), ".2f") for count in threads[1:]]
    cells += [_text(None if one is None else one.differences.get(engine), ".1g") for engine in (OURS, LITERT)]
    slow = any(ratio is not None and rival == LITERT and ratio.median < FLAG_BELOW for (_, rival), ratio in ratios.items())
    return (*cells, f"below {FLAG_BELOW}" if slow else "")


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def _pairs_section(measured: Sequence[Measured]) -> Section:
    pairs = sorted(pairs_of(measured), key=lambda pair: pair.ratio.median)
    rows = tuple(
        (
            pair.float32.subject.name,
            pair.int8.subject.name,
            str(pair.float32.threads),
            time_text(pair.float32.timings[OURS].median_ns),
            time_text(pair.int8.timings[OURS].median_ns),
            pair.ratio.text,
            pair.ratio.quartiles,
            "int8 is slower" if pair.ratio.median < SAME else "",
        )
        for pair in pairs[:SHOWN_PAIRS]
    )
    slow = sum(pair.ratio.median < SAME for pair in pairs)
    text = f"jitlite's float32 time over its int8 time of the same network; int8 is slower in {slow} of {len(pairs)} pairs."
    text += f" The {SHOWN_PAIRS} in which it gains least are shown." if len(pairs) > SHOWN_PAIRS else ""
    return Section("int8 beside float32", text, ("float32", "int8", "threads", "time", "int8 time", "ratio", "quartiles", ""), rows, left=2)


def _left_out_section(measured: Sequence[Measured]) -> Section:
    """One row for each model and reason: not in the means."""
    rows: dict[tuple[str, str], list[str]] = {}
    for item in measured:
        for engine, reason in item.problems.items():
            if item.subject.counts:
                engines = rows.setdefault((item.subject.name, reason), [])
                if TITLES[engine] not in engines:
                    engines.append(TITLES[engine])
    listed = tuple((name, ", ".join(engines), reason) for (name, reason), engines in rows.items())
    text = "Models that an engine does not run, and the operators that stand in the way; they are not in the means against that engine."
    return Section("Left out", text, ("model", "engine", "reason"), listed, left=3)
