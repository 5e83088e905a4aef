"""Single layers of MobileNet's shapes: how much of the processor's measured peak jitlite reaches, and LiteRT (XNNPACK) beside it.

    python -m benchmarks.layers [--seconds S] [--kind KIND] [--json FILE]

The peaks are measured in the same turns as the layers. "Bound" is the longer of the time the arithmetic takes at its peak and the time it
takes to read everything once at the speed that memory of that size is read with.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.engines import LITERT, OURS, open_session
from benchmarks.layer_models import CONNECTED, DEPTHWISE, POINTWISE, SPATIAL, Layer, build
from benchmarks.peak import Dot, Probe, float_probe, int8_dot, int8_probe, read_probe
from benchmarks.sections import Section, write_result
from benchmarks.worker import take_turn
from jitlite.tools.console import progress, time_text

LAYERS = (
    Layer(POINTWISE, 112, 32, 64, study=(0.81, 0.33)),
    Layer(POINTWISE, 56, 64, 128, study=(0.91, 0.50)),
    Layer(POINTWISE, 28, 256, 256, study=(0.94, 0.78)),
    Layer(POINTWISE, 14, 512, 512, study=(0.95, 0.87)),
    Layer(POINTWISE, 7, 1024, 1024, study=(0.88, 0.89)),
    Layer(POINTWISE, 56, 24, 144),
    Layer(POINTWISE, 28, 192, 32),
    Layer(POINTWISE, 13, 75, 50),
    Layer(POINTWISE, 7, 320, 1280),
    Layer(SPATIAL, 224, 3, 32, 2),
    Layer(SPATIAL, 96, 3, 8, 2),
    Layer(SPATIAL, 56, 64, 64),
    Layer(SPATIAL, 28, 128, 128, 2),
    Layer(SPATIAL, 14, 256, 256),
    Layer(SPATIAL, 17, 19, 37),
    Layer(DEPTHWISE, 112, 32, 32, study=(0.27, 0.070)),
    Layer(DEPTHWISE, 112, 64, 64, 2, study=(0.11, 0.087)),
    Layer(DEPTHWISE, 56, 128, 128, study=(0.26, 0.095)),
    Layer(DEPTHWISE, 28, 256, 256, study=(0.41, 0.094)),
    Layer(DEPTHWISE, 14, 512, 512, study=(0.42, 0.092)),
    Layer(DEPTHWISE, 14, 512, 512, 2, study=(0.29, 0.067)),
    Layer(DEPTHWISE, 7, 1024, 1024, study=(0.40, 0.083)),
    Layer(DEPTHWISE, 48, 8, 8),
    Layer(DEPTHWISE, 15, 37, 37),
    Layer(CONNECTED, 1, 1024, 1000),
    Layer(CONNECTED, 1, 256, 10),
    Layer(CONNECTED, 1, 1537, 97),
    Layer(CONNECTED, 8, 640, 128),
    Layer(CONNECTED, 49, 512, 512),
)
"""Shapes of MobileNet v1 and v2 at 224 and 96 pixels, those of the feasibility study, and some whose sizes no vector divides."""


@dataclass(frozen=True, slots=True)
class LayerResult:
    """Medians over the turns: nanoseconds of both engines, our share of the arithmetic peak and of the bound, LiteRT's time over ours."""

    layer: Layer
    is_int8: bool
    ours_ns: float
    litert_ns: float
    ratio: float
    rate: float
    of_peak: float | None
    of_bound: float | None

    @property
    def litert_of_peak(self) -> float | None:
        return self.of_peak and self.of_peak / self.ratio

    @property
    def of_study(self) -> float | None:
        """Our share of the peak over the study's."""
        study = self.layer.study[self.is_int8]
        return None if study is None or self.of_peak is None else self.of_peak / study


def measure_layer(layer: Layer, is_int8: bool, peak: Probe | None, reading: Probe, seconds: float) -> LayerResult:
    """Peak, jitlite and LiteRT in turns, for `seconds` each."""
    content, data = build(layer, is_int8)
    sessions = [open_session(engine, content, [data], 1) for engine in (OURS, LITERT)]
    rows: list[tuple[float | None, ...]] = []
    end = perf_counter() + 2 * seconds
    while len(rows) < 5 or perf_counter() < end:
        peak_rate = None if peak is None else peak.rate()
        ours, theirs = (take_turn(session.run, 0.01)[0] for session in sessions)
        arithmetic = None if peak_rate is None else layer.operations / peak_rate
        bound = None if arithmetic is None else max(arithmetic, layer.moved_bytes(is_int8) / reading.rate())
        rows.append((ours, theirs, theirs / ours, arithmetic and arithmetic / ours, bound and bound / ours))
    medians = [None if values[0] is None else float(np.median(np.array(values, np.float64))) for values in zip(*rows)]
    ours_ns, litert_ns, ratio = (value or 0.0 for value in medians[:3])
    return LayerResult(layer, is_int8, ours_ns, litert_ns, ratio, layer.operations / ours_ns, *medians[3:])


def measure_layers(layers: Sequence[Layer], seconds: float) -> tuple[list[LayerResult], dict[str, Any]]:
    """All layers in both precisions, and the peaks: the largest found meanwhile."""
    dot = int8_dot()
    floats, integers = float_probe(), None if dot is None else int8_probe(dot)
    readers: dict[int, Probe] = {}
    found = []
    with progress("measuring layers", 2 * len(layers)) as advance:
        for layer in layers:
            for is_int8 in (False, True):
                size = 1 << (layer.moved_bytes(is_int8) - 1).bit_length()
                if size not in readers:
                    readers[size] = read_probe(size)
                found.append(measure_layer(layer, is_int8, integers if is_int8 else floats, readers[size], seconds))
                advance(1)
    return found, _peaks(floats, integers, dot, readers)


def _peaks(floats: Probe, integers: Probe | None, dot: Dot | None, readers: dict[int, Probe]) -> dict[str, Any]:
    return {
        "float32_gflops": round(max(floats.rate() for _ in range(5)), 1),
        "int8_gops": None if integers is None else round(max(integers.rate() for _ in range(5)), 1),
        "int8_instruction": None if dot is None else dot.title,
        "read_gbytes": {str(size): round(max(reader.rate() for _ in range(3)), 1) for size, reader in sorted(readers.items())},
    }


def sections_of(results: Sequence[LayerResult], peaks: dict[str, Any]) -> list[Section]:
    """A table for each precision, and the geometric means by kind of layer."""
    text = f"The peaks here: {peaks['float32_gflops']} GFLOP/s of float32 multiply-adds"
    if peaks["int8_gops"] is not None:
        text += f", {peaks['int8_gops']} GOP/s of int8 ({peaks['int8_instruction']})"
    text += (
        ", one thread, measured in the same turns. Bound: the longer of the time at the arithmetic peak and that of reading everything "
        "once. Study: the share of the peak over that which a feasibility study reached on another machine. Each layer is a model of its "
        "own, called through the Python interface."
    )
    found = [
        Section("Layers", text, ("layers", "precision", "number", "LiteRT/jitlite", "least", "of study, least"), _mean_rows(results), 2)
    ]
    for is_int8, title in ((False, "float32"), (True, "int8")):
        rows = tuple(_row(result) for result in results if result.is_int8 == is_int8)
        columns = ("layer", "shape", "jitlite", "LiteRT", "LiteRT/jitlite", "Gop/s", "of peak", "LiteRT of peak", "of bound", "of study")
        found.append(Section(f"Layers: {title}", "", columns, rows, 2))
    return found


def _mean_rows(results: Sequence[LayerResult]) -> tuple[tuple[str, ...], ...]:
    rows = []
    for kind in dict.fromkeys(result.layer.kind for result in results):
        for is_int8 in (False, True):
            chosen = [result for result in results if result.layer.kind == kind and result.is_int8 == is_int8]
            ratios = [result.ratio for result in chosen]
            studies = [result.of_study for result in chosen if result.of_study is not None]
            mean = float(np.exp(np.mean(np.log(ratios))))
            numbers = (f"{mean:.2f}", f"{min(ratios):.2f}", f"{min(studies):.0%}" if studies else "–")
            rows.append((kind, "int8" if is_int8 else "float32", str(len(chosen)), *numbers))
    return tuple(rows)


def _row(result: LayerResult) -> tuple[str, ...]:
    shares = (result.of_peak, result.litert_of_peak, result.of_bound, result.of_study)
    times = (time_text(result.ours_ns), time_text(result.litert_ns), f"{result.ratio:.2f}", f"{result.rate:.0f}")
    return (result.layer.kind, result.layer.name, *times, *("–" if share is None else f"{share:.0%}" for share in shares))


def as_data(results: Sequence[LayerResult], peaks: dict[str, Any]) -> dict[str, Any]:
    """The numbers for the JSON file, times in microseconds."""
    layers = [
        {
            "kind": result.layer.kind,
            "shape": result.layer.name,
            "precision": "int8" if result.is_int8 else "float32",
            "us": {OURS: round(result.ours_ns / 1000, 3), LITERT: round(result.litert_ns / 1000, 3)},
            "ratio": round(result.ratio, 4),
            "gops": round(result.rate, 1),
            "of_peak": result.of_peak and round(result.of_peak, 4),
            "of_bound": result.of_bound and round(result.of_bound, 4),
            "of_study": result.of_study and round(result.of_study, 4),
        }
        for result in results
    ]
    return {"peaks": peaks, "layers": layers}


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.2, help="time for each layer, precision and engine (default: 0.2)")
    kinds = sorted({layer.kind for layer in LAYERS})
    parser.add_argument("--kind", choices=kinds, action="append", default=None, help="only these kinds of layers")
    parser.add_argument("--json", type=Path, default=None, help="file for the results")
    options = parser.parse_args(None if arguments is None else list(arguments))
    layers = [layer for layer in LAYERS if options.kind is None or layer.kind in options.kind]
    results, peaks = measure_layers(layers, options.seconds)
    sections = sections_of(results, peaks)
    for section in sections:
        section.print()
    if options.json is not None:
        write_result(options.json, "layers", sections, as_data(results, peaks))


if __name__ == "__main__":
    main()
