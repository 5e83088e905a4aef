"""`jitlite run`: run a .tflite model on a file's samples or random data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from jitlite.tools.console import print_json, progress, results, shape_text, table
from jitlite.tools.delegates import delegate_options, open_delegate
from jitlite.tools.errors import ToolError
from jitlite.tools.feeds import is_batched, load_samples, random_samples, stack_outputs
from jitlite.tools.files import check_output, npy_bytes, npz_bytes, write_file
from jitlite.tools.operators import operators_option
from jitlite.tools.options import (
    ExampleCommand,
    FilePath,
    force_option,
    json_option,
    output_option,
    range_option,
    seed_option,
    threads_option,
)
from jitlite.tools.ports import Array, Feed, Port
from jitlite.tools.runners import TfliteModel, is_onnx


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The command's options."""

    source: Path | None
    is_random: bool
    output: Path | None
    signature: str | None
    dequantize: bool
    bounds: tuple[float, float] | None
    seed: int
    num_threads: int | None
    delegate: str | None
    delegate_settings: Mapping[str, str]
    force: bool
    as_json: bool

    def check(self) -> None:
        """UsageError or ToolError when the options do not fit together or the output is in the way."""
        if (self.source is None) == (not self.is_random):
            raise click.UsageError("Give either --input DATA or --random.")
        if self.output is not None:
            if self.output.suffix not in (".npz", ".npy"):
                raise click.UsageError(f"--output: a name ending in .npz or .npy is required, found '{self.output.name}'")
            check_output(self.output, self.force)


@click.command(
    short_help="Run a model on samples or random data.",
    cls=ExampleCommand,
    examples=(
        "jitlite run model.tflite --random",
        "jitlite run model.tflite --input images.npz -o scores.npz",
        "jitlite run int8.tflite --input images.npz --dequantize -o scores.npz --json",
    ),
)
@click.argument("model", type=FilePath())
@click.option("--input", "source", type=FilePath(), metavar="DATA", help="A .npz (arrays by input name), a .npy, or a folder of them.")
@click.option("--random", "is_random", is_flag=True, help="Run on one random sample instead.")
@output_option("OUT.npz", "Where to write the outputs: .npz, or .npy for a model with one.", required=False)
@click.option("--signature", metavar="KEY", help="The signature to run; the main subgraph unless given.")
@click.option("--dequantize", is_flag=True, help="Give quantized outputs as real numbers.")
@range_option
@seed_option
@threads_option
@delegate_options
@operators_option
@force_option
@json_option
def run(model: Path, **options: Any) -> None:
    """Run MODEL (.tflite) and print what comes out: shapes, dtypes and ranges.

    The first axis of an array counts samples; the model runs on each of them, and the outputs are joined. Quantized inputs take real
    (floating point) numbers, too.
    """
    request = RunRequest(**options)
    request.check()
    if is_onnx(model):
        raise ToolError(f"{model}: a .tflite model is required, found an ONNX model; `jitlite convert` makes one from it")
    delegates = open_delegate(request.delegate, request.delegate_settings)
    loaded = TfliteModel(model, num_threads=request.num_threads, signature=request.signature, delegates=delegates)
    if request.source is not None:
        samples = list(load_samples(request.source, loaded.inputs))
    else:
        samples = list(random_samples(loaded.inputs, 1, request.seed, request.bounds))
    outputs = _run(loaded, samples, request.dequantize)
    if request.output is not None:
        _write(request.output, outputs, request.force)
    _report(loaded, samples, outputs, request.as_json)


def _run(model: TfliteModel, samples: Sequence[Feed], dequantize: bool) -> dict[str, Array]:
    runs = []
    with progress("running", len(samples)) as advance:
        for feed in samples:
            found = model.run(feed)
            runs.append({port.name: port.to_real(found[port.name]) for port in model.outputs} if dequantize else found)
            advance(1)
    return stack_outputs(runs, is_batched(model.inputs))


def _write(path: Path, outputs: Mapping[str, Array], force: bool) -> None:
    if path.suffix == ".npy" and len(outputs) != 1:
        raise ToolError(f"{path}: a .npz is required for {len(outputs)} outputs ({', '.join(outputs)})")
    content = npy_bytes(next(iter(outputs.values()))) if path.suffix == ".npy" else npz_bytes(outputs)
    write_file(path, content, force)


def _report(model: TfliteModel, samples: Sequence[Feed], outputs: Mapping[str, Array], as_json: bool) -> None:
    inputs = [_describe(port, [feed[port.name] for feed in samples]) for port in model.inputs]
    found = [_describe(port, [outputs[port.name]]) for port in model.outputs]
    if as_json:
        print_json({"model": model.label, "samples": len(samples), "inputs": inputs, "outputs": found})
        return
    rows = [
        (side, item["name"], item["dtype"], shape_text(item["shape"]), _number(item["min"]), _number(item["max"]), _number(item["mean"]))
        for side, items in (("input", inputs), ("output", found))
        for item in items
    ]
    count = f"{len(samples)} sample{'s' if len(samples) > 1 else ''}"
    results().print(table(f"{model.label}, {count}", ("", "name", "dtype", "shape", "min", "max", "mean"), rows, left=4))


def _describe(port: Port, arrays: Sequence[Array]) -> dict[str, Any]:
    """The shape of the first array, and the range of all."""
    values = np.concatenate([array.ravel() for array in arrays])
    is_number = values.size > 0 and values.dtype.kind in "fiub"
    return {
        "name": port.name,
        "dtype": str(values.dtype),
        "shape": list(arrays[0].shape),
        "min": values.min() if is_number else None,
        "max": values.max() if is_number else None,
        "mean": float(values.mean(dtype=np.float64)) if is_number else None,
        "quantization": None if port.quantization is None else {"scale": port.quantization[0], "zero_point": port.quantization[1]},
    }


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)
