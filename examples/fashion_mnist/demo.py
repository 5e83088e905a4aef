"""The whole way of a network to a small device: ONNX to float32 .tflite to int8 .tflite, then accuracy, size and speed of both.

    python examples/fashion_mnist/demo.py --output build/demo

Everything runs here: conversion, calibration, quantization, and both models on 10 000 test images in jitlite's interpreter.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from picture import draw_report
from rich.console import Console
from rich.table import Table

import jitlite
from jitlite.tools.benchmark import Measurement, machine, verdict
from jitlite.tools.console import progress

FOLDER = Path(__file__).parent
BATCH = 100


@dataclass(frozen=True)
class Result:
    """What one model does with the test images, and what was measured of it."""

    name: str
    predictions: NDArray[np.int64]
    accuracy: float
    measurement: Measurement

    @property
    def latency_us(self) -> float:
        return self.measurement.timings.latency.p50 / 1000

    def as_dict(self) -> dict[str, Any]:
        return {
            "accuracy": self.accuracy,
            "size_bytes": self.measurement.file_bytes,
            "latency_p50_us": self.latency_us,
            **{key: value for key, value in self.measurement.as_dict().items() if key not in ("model", "size_bytes")},
        }


def predict(path: Path, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The class of each image, in batches; the batch size is given when the model runs."""
    interpreter = jitlite.Interpreter(model_path=path)
    (image,), (logits,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(image["index"], [BATCH, 1, 28, 28])
    interpreter.allocate_tensors()
    classes = []
    with progress(f"running {path.name} on {len(images)} images", len(images)) as advance:
        for start in range(0, len(images), BATCH):
            found = images[start : start + BATCH]
            batch = np.zeros((BATCH, 1, 28, 28), np.float32)
            batch[: len(found), 0] = found / np.float32(255)
            interpreter.set_tensor(image["index"], as_input(batch, image))
            interpreter.invoke()
            classes.append(interpreter.get_tensor(logits["index"])[: len(found)].argmax(axis=1))
            advance(len(found))
    return np.concatenate(classes)


def as_input(values: NDArray[np.float32], details: dict[str, Any]) -> NDArray[Any]:
    """Real values in the input's own type: int8 inputs hold real = (q - zero_point) * scale."""
    if details["dtype"] is np.float32:
        return values
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    return np.clip(np.round(values / np.float32(scale)) + zero_point, limits.min, limits.max).astype(details["dtype"])


def build(output: Path) -> tuple[Path, Path, float]:
    """Converts, checks and quantizes: the two files, and the float32 model's largest error relative to the ONNX model's largest output."""
    float32, int8 = output / "float32.tflite", output / "int8.tflite"
    with progress("converting model.onnx"):
        model = jitlite.convert(FOLDER / "model.onnx")
        jitlite.save(model, float32)
    error = jitlite.compare(FOLDER / "model.onnx", float32, FOLDER / "calibration.npz").outputs["logits"].relative
    with progress("calibrating and quantizing on 500 images"):
        jitlite.save(jitlite.quantize(model, FOLDER / "calibration.npz", jitlite.Recipe("int8", io_type="int8")), int8)
    return float32, int8, error


def print_results(results: list[Result]) -> None:
    table = Table(title="Fashion-MNIST, 10 classes, 28 × 28 pixels")
    for name in ("model", "accuracy", "file size", "latency p50", "latency p90", "peak memory"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for result in results:
        latency, peak = result.measurement.timings.latency, result.measurement.probe["peak_bytes"]
        table.add_row(
            result.name,
            f"{result.accuracy:.2%}",
            f"{result.measurement.file_bytes / 1000:.1f} kB",
            f"{latency.p50 / 1000:.0f} µs",
            f"{latency.p90 / 1000:.0f} µs",
            f"{peak / 1e6:.1f} MB",
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder for the models and the report")
    parser.add_argument("--images", type=int, default=10_000, help="test images to use (default: all 10 000)")
    options = parser.parse_args()
    started = perf_counter()
    options.output.mkdir(parents=True, exist_ok=True)
    with np.load(FOLDER / "test.npz") as data:
        images, labels = data["images"][: options.images], data["labels"][: options.images]
    float32, int8, error = build(options.output)
    classes = {path: predict(path, images) for path in (float32, int8)}
    with progress("measuring latency, the models taking turns"):
        measured = jitlite.benchmark([float32, int8], min_secs=2.0)
    results = [
        Result(path.stem, classes[path], float((classes[path] == labels).mean()), measurement)
        for path, measurement in zip((float32, int8), measured)
    ]
    same = float((results[0].predictions == results[1].predictions).mean())
    sentence = verdict(measured[0], measured[1])
    report = {
        "machine": machine(),
        "images": len(images),
        **{result.name: result.as_dict() for result in results},
        "same_prediction": same,
        "conversion_error": error,
        "verdict": sentence,
    }
    (options.output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    draw_report(options.output / "report.png", results, images, labels, report)
    print_results(results)
    print(f"{sentence} They agree on {same:.2%} of {len(images)} images.")
    print(f"The float32 model is within {error:.1e} of model.onnx, relative to its largest output.")
    print(f"Written to {options.output}: float32.tflite, int8.tflite, report.json, report.png. {perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    main()
