"""Draws the ratios of the model benchmark: a bar for each model, longer where jitlite is faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.engines import LITERT, ONNXRUNTIME
from benchmarks.subjects import FLOAT, INT8, OTHER

FASTER, CLOSE, SLOWER = "#2f9e6e", "#e0a93b", "#c8553d"
INK, GREY = "#222831", "#6b7280"
TICKS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16)
PANELS = ((INT8, "int8 and uint8"), (FLOAT, "float32 and float16 weights"), (OTHER, "dynamic-range and int16"))
ROW_INCHES = 0.17


def draw_ratios(path: Path, models: Sequence[Mapping[str, Any]], threads: int) -> None:
    """Writes the picture of the models' ratios with a number of threads; `models` is what the JSON file says of each."""
    ready = [entry for entry in models if entry["threads"] == threads and entry["counts"] and LITERT in entry["ratio"]]
    panels = [(kind, title) for kind, title in PANELS if any(entry["kind"] == kind for entry in ready)]
    style = {"font.family": "DejaVu Sans", "text.color": INK, "axes.labelcolor": INK, "ytick.color": INK, "xtick.color": GREY}
    with pyplot.rc_context({**style, "svg.fonttype": "none", "svg.hashsalt": "jitlite"}):
        counts = [sum(entry["kind"] == kind for entry in ready) for kind, _ in panels]
        columns = [[0], [1, 2]] if len(panels) == 3 else [[place] for place in range(len(panels))]
        tallest = max(sum(counts[place] + 4 for place in column) for column in columns)
        height = ROW_INCHES * tallest + 1.3
        figure = pyplot.figure(figsize=(6.6 * len(columns), height), facecolor="white")
        figure.text(0.012, 1 - 0.32 / height, "How many times as fast as LiteRT (XNNPACK)", fontsize=15, weight="bold", va="center")
        word = "thread" if threads == 1 else "threads"
        figure.text(
            0.012, 1 - 0.62 / height, f"time of the rival / time of jitlite, {threads} {word}", fontsize=10, color=GREY, va="center"
        )
        for number, column in enumerate(columns):
            top = 1 - 1.1 / height
            for place in column:
                rows = counts[place] * ROW_INCHES / height
                left = (number + 0.42) / len(columns)
                axes = figure.add_axes((left, top - rows, 0.53 / len(columns), rows))
                kind, title = panels[place]
                mean = _panel(axes, [entry for entry in ready if entry["kind"] == kind])
                heading = f"{title}: geometric mean {mean:.2f}"
                figure.text(left - 0.4 / len(columns), top + 0.14 / height, heading, fontsize=11, weight="bold")
                top -= rows + 4 * ROW_INCHES / height
        _legend(figure, height)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=130)
        pyplot.close(figure)


def _panel(axes: Axes, entries: Sequence[Mapping[str, Any]]) -> float:
    """Draws the bars, the fastest first; the geometric mean."""
    order = sorted(entries, key=lambda entry: -entry["ratio"][LITERT][0])
    ratios = np.array([entry["ratio"][LITERT][0] for entry in order])
    colours = [FASTER if ratio >= 1 else CLOSE if ratio >= 0.8 else SLOWER for ratio in ratios]
    places = np.arange(len(order))
    axes.barh(places, np.log2(ratios), color=colours, height=0.72)
    for place, entry in enumerate(order):
        if ONNXRUNTIME in entry["ratio"]:
            axes.plot(np.log2(entry["ratio"][ONNXRUNTIME][0]), place, "D", color=INK, markersize=2.8)
    axes.set_yticks(places, [entry["model"] for entry in order], fontsize=7)
    axes.set_ylim(len(order) - 0.4, -0.6)
    shown = [np.log2(entry["ratio"][rival][0]) for entry in order for rival in entry["ratio"]]
    axes.set_xlim(min(-1.0, *shown) - 0.3, max(1.0, *shown) + 0.9)
    axes.xaxis.set_major_locator(FixedLocator([float(np.log2(tick)) for tick in TICKS]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{2**value:g}×" if value >= 0 else f"1/{2**-value:g}"))
    axes.tick_params(axis="both", length=0)
    axes.tick_params(axis="x", labelsize=7)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="x", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    for place, (ratio, colour) in enumerate(zip(ratios, colours)):
        axes.text(
            1.0,
            place,
            f"{ratio:.2f}",
            fontsize=7,
            va="center",
            ha="right",
            color=colour,
            weight="bold",
            transform=axes.get_yaxis_transform(),
        )
    return float(np.exp(np.log(ratios).mean()))


def _legend(figure: Any, height: float) -> None:
    marks = [
        Line2D([], [], color=colour, linewidth=5, label=label)
        for colour, label in ((FASTER, "jitlite is faster"), (CLOSE, "from 0.8 to 1"), (SLOWER, "below 0.8"))
    ]
    marks.append(Line2D([], [], color=INK, marker="D", linestyle="", markersize=4, label="against ONNX Runtime"))
    figure.legend(handles=marks, loc="upper right", bbox_to_anchor=(0.99, 1 - 0.12 / height), ncols=4, fontsize=8, frameon=False)
