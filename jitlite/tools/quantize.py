"""`jitlite quantize`: a float .tflite model as an int8, dynamic-range or float16 one."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from jitlite.quantization import QuantPlan, Recipe, Report, apply_plan, compare_models, load_feeds, plan_quantization
from jitlite.quantization import quantize as quantize_plainly
from jitlite.quantization.recipe import IO_TYPES, OBSERVERS
from jitlite.schemas import Model, UnsupportedError, read_model, verify, write_model
from jitlite.tools.console import byte_text, plain, print_json, progress, results, table
from jitlite.tools.errors import ToolError
from jitlite.tools.files import check_output, write_file
from jitlite.tools.options import ExampleCommand, FilePath, force_option, json_option, output_option, parse_scheme
from jitlite.tools.ports import Feed
from jitlite.tools.runners import is_onnx, run_tensors

REPORT_SAMPLES = 32
"""Samples on which the quantized model is compared with the float one."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized model and how that was decided; `plan` is None for float16, where nothing is."""

    model: Model
    plan: QuantPlan | None


def quantize_model(model: Model, recipe: Recipe, feeds: Iterable[Feed] | None, advance: Callable[[int], None]) -> Quantized:
    """Quantizes with jitlite's interpreter as the runner; `advance` gets 1 for every calibration sample."""
    if recipe.scheme == "float16":
        return Quantized(quantize_plainly(model, recipe), None)
    plan = plan_quantization(model, recipe, feeds, run_tensors, lambda count: advance(1))
    return Quantized(apply_plan(model, plan), plan)


def calibrate_and_quantize(model: Model, recipe: Recipe, calibration: Path | None) -> Quantized:
    """The same with the samples of a file or folder, and a progress bar; all samples are checked first."""
    if recipe.scheme != "int8":
        return quantize_model(model, recipe, None, lambda count: None)
    assert calibration is not None, "int8 needs calibration data"
    feeds = load_feeds(calibration, model)
    with progress("reading calibration data"):
        count = sum(1 for _ in feeds)
    with progress("calibrating", count) as advance:
        return quantize_model(model, recipe, feeds, advance)


def check_calibration(scheme: str | None, calibration: Path | None) -> None:
    """UsageError when int8 lacks calibration data, or another scheme has some it would not look at."""
    if scheme == "int8" and calibration is None:
        raise click.UsageError("int8 needs --calibration DATA: samples that look like those the model will see.")


@dataclass(frozen=True, slots=True)
class QuantizeRequest:
    """The command's options."""

    output: Path
    scheme: str
    calibration: Path | None
    observer: str
    percentile: float
    io_type: str
    per_channel: bool
    float_nodes: tuple[str, ...]
    report: Path | None
    compares: bool
    force: bool
    as_json: bool

    def check(self) -> None:
        check_calibration(self.scheme, self.calibration)
        check_output(self.output, self.force)
        if self.report is not None:
            check_output(self.report, self.force)

    def recipe(self) -> Recipe:
        try:
            return Recipe(
                scheme=self.scheme,
                io_type=self.io_type,
                per_channel=self.per_channel,
                observer=self.observer,
                percentile=self.percentile,
                float_nodes=tuple(int(item) if item.isdecimal() else item for item in self.float_nodes),
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error


@click.command(
    short_help="Quantize a float model: int8, dynamic or float16.",
    cls=ExampleCommand,
    examples=(
        "jitlite quantize model.tflite -o int8.tflite --scheme int8 --calibration samples.npz",
        "jitlite quantize model.tflite -o int8.tflite --scheme int8 --calibration samples/ --io float32 --report report.json",
        "jitlite quantize model.tflite -o dynamic.tflite --scheme dynamic",
    ),
)
@click.argument("model", type=FilePath())
@output_option("OUT.tflite", "The quantized model.")
@click.option(
    "--scheme",
    default="int8",
    show_default=True,
    metavar="int8|dynamic|float16",
    callback=parse_scheme,
    help="int8: weights and activations in 8 bits, needs calibration data. dynamic: weights in 8 bits. float16: weights in 16 bits.",
)
@click.option("--calibration", type=FilePath(), metavar="DATA", help="A .npz (arrays by input name), a .npy, or a folder of them.")
@click.option("--observer", type=click.Choice(OBSERVERS), default="minmax", show_default=True, help="What decides an activation's range.")
@click.option(
    "--percentile", type=float, metavar="P", default=99.99, show_default=True, help="For --observer percentile: the share it keeps."
)
@click.option(
    "--io", "io_type", type=click.Choice(IO_TYPES), default="float32", show_default=True, help="For int8: the type of inputs and outputs."
)
@click.option("--per-channel/--no-per-channel", default=True, show_default=True, help="A scale per output channel of convolution weights.")
@click.option(
    "--float-node",
    "float_nodes",
    multiple=True,
    metavar="NODE",
    help="Keep operators in float: an index, or a regular expression of operator or result names. Repeatable.",
)
@click.option("--report", type=FilePath(), metavar="REPORT.json", help="Write what was decided, and each tensor's error, to a file.")
@click.option("--check/--no-check", "compares", default=True, show_default=True, help="Run the result against the float model.")
@force_option
@json_option
def quantize(model: Path, **options: Any) -> None:
    """Quantize MODEL, a float .tflite file.

    The first axis of a calibration array counts samples. On up to 32 of them the quantized model is compared with the float one before it
    is written. The report lists every tensor's error and the operators that stay in float, with the reason.
    """
    request = QuantizeRequest(**options)
    request.check()
    if is_onnx(model):
        raise ToolError(f"{model}: a .tflite model is required, found an ONNX model; `jitlite convert --quantize` takes one")
    original = verify(read_model(model))
    found = calibrate_and_quantize(original, request.recipe(), request.calibration)
    content = write_model(found.model)
    report = _compare(original, found, request.calibration) if request.compares and request.calibration is not None else None
    summary = _summary(model, request, found, len(content), report)
    write_file(request.output, content, request.force)
    if request.report is not None:
        everything = {
            **summary,
            "plan": found.plan.to_dict() if found.plan else None,
            "tensors": report.to_dict()["tensors"] if report else None,
        }
        write_file(request.report, (json.dumps(plain(everything), indent=2) + "\n").encode(), request.force)
    if request.as_json:
        print_json(summary)
    else:
        _print(summary)


def _compare(original: Model, found: Quantized, calibration: Path) -> Report:
    feeds = list(islice(load_feeds(calibration, original), REPORT_SAMPLES))
    try:
        with progress("comparing", len(feeds)) as advance:
            return compare_models(original, found.model, feeds, run_tensors, found.plan, lambda count: advance(1))
    except UnsupportedError as error:
        raise ToolError(f"the quantized model cannot be run here, so it is not written (--no-check writes it): {error}") from error


def _summary(model: Path, request: QuantizeRequest, found: Quantized, size: int, report: Report | None) -> dict[str, Any]:
    plan = found.plan
    return {
        "model": str(model),
        "output": str(request.output),
        "scheme": request.scheme,
        "size_bytes": size,
        "original_size_bytes": model.stat().st_size,
        "operators": None if plan is None else len(plan.operators),
        "quantized_operators": None if plan is None else plan.quantized_count,
        "float_operators": []
        if plan is None
        else [{"index": op.index, "name": op.name, "reason": op.reason} for op in plan.float_operators],
        "samples": None if report is None else report.samples,
        "outputs": None if report is None else [tensor.to_dict() for tensor in report.outputs],
        "worst": None if report is None else [tensor.to_dict() for tensor in report.tensors[:5]],
    }


def _print(summary: dict[str, Any]) -> None:
    console = results()
    ratio = summary["original_size_bytes"] / summary["size_bytes"]
    change = f"{ratio:.2f}x smaller" if ratio >= 1 else f"{1 / ratio:.2f}x larger"
    size = byte_text(summary["size_bytes"])
    console.print(f"{summary['output']}: {summary['scheme']}, {size}, {change} than {summary['model']}")
    if summary["operators"] is not None:
        console.print(f"{summary['quantized_operators']} of {summary['operators']} operators are quantized")
    if summary["float_operators"]:
        rows = [(op["name"], op["index"], op["reason"]) for op in summary["float_operators"]]
        console.print(table("operators that stay in float", ("operator", "index", "reason"), rows, left=3))
    if summary["outputs"] is None:
        console.print("not compared with the float model")
    else:
        title = f"against the float model, {summary['samples']} calibration samples"
        tensors = [(kind, tensor) for kind, key in (("output", "outputs"), ("worst", "worst")) for tensor in summary[key]]
        errors = [
            (kind, item["name"], item["type"], _decibels(item), f"{item['cosine']:.6f}", f"{item['max_abs_error']:.3g}")
            for kind, item in tensors
        ]
        console.print(table(title, ("", "tensor", "type", "SQNR", "cosine", "max abs"), errors, left=3))


def _decibels(tensor: dict[str, Any]) -> str:
    return "exact" if tensor["is_exact"] else "none" if tensor["sqnr_db"] is None else f"{tensor['sqnr_db']:.1f} dB"
