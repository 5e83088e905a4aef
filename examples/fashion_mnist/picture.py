"""Draws report.png: accuracy, size and latency of both models, and test images with what each takes them for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import matplotlib
import numpy as np
from numpy.typing import NDArray

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
COLOURS = {"float32": "#8da0b6", "int8": "#e07a3f"}
INK, GREY, RED = "#222831", "#6b7280", "#c0392b"
SHOWN = 10


class Measured(Protocol):
    """What the picture needs of one model."""

    @property
    def name(self) -> str: ...
    @property
    def predictions(self) -> NDArray[np.int64]: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def latency_us(self) -> float: ...
    @property
    def measurement(self) -> Any: ...


def draw_report(
    path: Path, results: Sequence[Measured], images: NDArray[np.uint8], labels: NDArray[np.uint8], report: Mapping[str, Any]
) -> None:
    """Writes the picture; `results` holds the float32 model and the int8 model."""
    pyplot.rcParams.update({"font.family": "DejaVu Sans", "text.color": INK, "axes.labelcolor": INK, "ytick.color": INK})
    figure = pyplot.figure(figsize=(13, 7.4), dpi=130, facecolor="white")
    figure.text(0.03, 0.945, "Fashion-MNIST in jitlite: float32 and int8", fontsize=19, weight="bold")
    figure.text(0.03, 0.895, str(report["verdict"]), fontsize=12, color=GREY)
    caption = "Test images: what they show, and what each model takes them for. Where the models disagree or err comes first."
    figure.text(0.03, 0.535, caption, fontsize=12, color=GREY)
    bars = GridSpec(1, 3, figure, wspace=0.42, left=0.085, right=0.965, top=0.80, bottom=0.60)
    _bars(figure.add_subplot(bars[0]), results, f"Accuracy on {len(labels)} images", [r.accuracy * 100 for r in results], "{:.2f} %")
    _bars(figure.add_subplot(bars[1]), results, "File size", [r.measurement.file_bytes / 1000 for r in results], "{:.0f} kB")
    _bars(figure.add_subplot(bars[2]), results, "Latency of one image, median", [r.latency_us for r in results], "{:.0f} µs")
    pictures = GridSpec(2, SHOWN // 2, figure, wspace=0.1, hspace=0.2, left=0.035, right=0.965, top=0.485, bottom=0.065)
    for place, index in enumerate(_chosen(results, labels)):
        _image(figure.add_subplot(pictures[place // (SHOWN // 2), place % (SHOWN // 2)]), results, images, labels, index)
    machine = report["machine"]
    line = f"{machine['processor']}, {machine['cpus']} CPUs, Python {machine['python']}, jitlite {machine['jitlite']}"
    figure.text(0.97, 0.012, line, fontsize=8.5, color=GREY, ha="right")
    figure.savefig(path)
    pyplot.close(figure)


def _bars(axes: Axes, results: Sequence[Measured], title: str, values: Sequence[float], form: str) -> None:
    axes.set_title(title, fontsize=12.5, loc="left", pad=10, weight="bold")
    names = [result.name for result in results]
    axes.barh(names, values, color=[COLOURS[name] for name in names], height=0.58)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values) * 1.32)
    for place, value in enumerate(values):
        axes.text(value + max(values) * 0.025, place, form.format(value), va="center", fontsize=13, weight="bold")
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0, labelsize=12)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color("#c8ccd2")


def _chosen(results: Sequence[Measured], labels: NDArray[np.uint8]) -> list[int]:
    """Images on which the models disagree (up to 3), on which both err (up to 2), and right ones of classes not shown yet."""
    first, second = (result.predictions for result in results)
    chosen = [*np.flatnonzero(first != second)[:3].tolist(), *np.flatnonzero((first == second) & (first != labels))[:2].tolist()]
    seen = set(labels[chosen].tolist())
    right = np.flatnonzero((first == labels) & (second == labels)).tolist()
    for index in right:
        if len(chosen) < SHOWN and int(labels[index]) not in seen:
            seen.add(int(labels[index]))
            chosen.append(index)
    chosen += [index for index in right if index not in chosen][: SHOWN - len(chosen)]
    return chosen


def _image(axes: Axes, results: Sequence[Measured], images: NDArray[np.uint8], labels: NDArray[np.uint8], index: int) -> None:
    axes.imshow(images[index], cmap="gray_r", interpolation="nearest")
    axes.axis("off")
    axes.set_anchor("W")
    axes.text(1.08, 0.86, CLASSES[labels[index]], transform=axes.transAxes, fontsize=11.5, weight="bold", va="center")
    for place, result in enumerate(results):
        height = 0.5 - 0.34 * place
        found = int(result.predictions[index])
        right = found == labels[index]
        axes.text(1.08, height + 0.09, result.name, transform=axes.transAxes, fontsize=8.5, color=GREY, va="center")
        axes.text(1.08, height - 0.06, CLASSES[found], transform=axes.transAxes, fontsize=11, color=INK if right else RED, va="center")
