"""`jitlite convert`: an ONNX model as a .tflite file that is checked against it."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from jitlite.quantization import Recipe
from jitlite.quantization.recipe import IO_TYPES
from jitlite.schemas import ConversionError, Model, write_model
from jitlite.schemas.model import operator_name
from jitlite.tools.check import ROUNDING, Check, CheckData, CheckLimits, check_conversion
from jitlite.tools.console import byte_text, print_json, progress, results, table
from jitlite.tools.difference import Difference
from jitlite.tools.errors import ToolError
from jitlite.tools.files import check_output, write_file
from jitlite.tools.options import (
    ExampleCommand,
    FilePath,
    force_option,
    json_option,
    output_option,
    parse_scheme,
    parse_shapes,
    range_option,
    seed_option,
)
from jitlite.tools.quantize import calibrate_and_quantize, check_calibration
from jitlite.tools.runners import OnnxModel

SHAPES_IN_PYTHON = re.compile(r"ConvertOptions\(shapes=\{(.*?)\}\)")
SHAPE_IN_PYTHON = re.compile(r"'([^']*)': \(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class ConvertRequest:
    """The command's options."""

    output: Path
    scheme: str | None
    calibration: Path | None
    io_type: str
    nhwc_inputs: bool
    shapes: dict[str, tuple[int | None, ...]]
    tolerance: float
    min_sqnr: float
    check: bool
    bounds: tuple[float, float] | None
    seed: int
    force: bool
    as_json: bool


@click.command(
    short_help="Convert an ONNX model to .tflite, and check the result.",
    cls=ExampleCommand,
    examples=(
        "jitlite convert model.onnx -o model.tflite",
        "jitlite convert model.onnx -o model.tflite --shape image=1x3x224x224 --nhwc-inputs",
        "jitlite convert model.onnx -o int8.tflite --quantize int8 --calibration samples.npz",
    ),
)
@click.argument("model", type=FilePath())
@output_option("OUT.tflite", "The converted model.")
@click.option(
    "--quantize", "scheme", metavar="int8|dynamic|float16", callback=parse_scheme, help="Quantize the result; see `jitlite quantize`."
)
@click.option("--calibration", type=FilePath(), metavar="DATA", help="A .npz (arrays by input name), a .npy, or a folder of them.")
@click.option(
    "--io", "io_type", type=click.Choice(IO_TYPES), default="float32", show_default=True, help="For int8: the type of inputs and outputs."
)
@click.option("--nhwc-inputs", is_flag=True, help="Make inputs of four dimensions channels-last instead of transposing them in the model.")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NAME=1x3x224x224",
    callback=parse_shapes,
    help="The size of an input; '?' keeps what the model says. Repeatable.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    metavar="X",
    default=1e-3,
    show_default=True,
    help=f"Largest difference of a float model, relative to the output's largest value; {ROUNDING:g} always passes.",
)
@click.option(
    "--min-sqnr",
    type=float,
    metavar="DB",
    default=10.0,
    show_default=True,
    help="Least signal-to-quantization-noise ratio of a quantized model, dB.",
)
@click.option("--check/--no-check", default=True, show_default=True, help="Run the result against the ONNX model before writing it.")
@range_option
@seed_option
@force_option
@json_option
def convert(model: Path, **options: Any) -> None:
    """Convert MODEL, an ONNX file, to .tflite.

    The result is run against the ONNX model, in ONNX Runtime where that is installed and else in onnx's reference evaluator, on calibration
    samples or random ones; beyond the limits nothing is written and the exit code is 1. A model with operators that have no .tflite form is
    refused with a list of all of them.
    """
    request = ConvertRequest(**options)
    check_calibration(request.scheme, request.calibration)
    check_output(request.output, request.force)
    reference = OnnxModel(model)
    converted = _convert(model, request)
    content = write_model(converted)
    data = CheckData(request.calibration, request.bounds, request.seed)
    check = check_conversion(reference, content, data, channels_last=request.nhwc_inputs) if request.check else None
    limits = CheckLimits(request.tolerance, request.min_sqnr, is_quantized=request.scheme is not None)
    failures = check.failures(limits) if check is not None else []
    if not failures:
        write_file(request.output, content, request.force)
    _report(model, request, converted, len(content), check)
    if failures:
        raise ToolError(
            "\n".join([f"{model}: the converted model is not written, it differs from the original (--no-check writes it)", *failures])
        )


def _convert(path: Path, request: ConvertRequest) -> Model:
    from jitlite.converter import ConvertOptions, convert_onnx

    try:
        with progress("converting"):
            model = convert_onnx(path, ConvertOptions(shapes=request.shapes, nhwc_inputs=request.nhwc_inputs))
    except ConversionError as error:
        raise ToolError(SHAPES_IN_PYTHON.sub(_as_option, str(error))) from error
    if request.scheme is None:
        return model
    return calibrate_and_quantize(model, Recipe(scheme=request.scheme, io_type=request.io_type), request.calibration).model


def _as_option(found: re.Match[str]) -> str:
    """The converter's advice on shapes in terms of this command."""
    shapes = [
        f"--shape '{name}={'x'.join(dim.strip().replace('None', '?') for dim in dims.split(',') if dim.strip())}'"
        for name, dims in SHAPE_IN_PYTHON.findall(found[1])
    ]
    return " ".join(shapes)


def _report(path: Path, request: ConvertRequest, converted: Model, size: int, check: Check | None) -> None:
    counts = Counter(operator_name(converted, op) for graph in converted.subgraphs for op in graph.operators)
    if request.as_json:
        outputs = {} if check is None else {name: found.as_dict() for name, found in check.found.outputs.items()}
        print_json(
            {
                "model": str(path),
                "output": str(request.output),
                "size_bytes": size,
                "quantization": request.scheme,
                "operators": dict(counts.most_common()),
                "check": None
                if check is None
                else {"against": check.engine, "data": check.data, "samples": check.found.samples, "outputs": outputs},
            }
        )
        return
    console = results()
    listed = ", ".join(f"{count} {op}" for op, count in counts.most_common())
    console.print(f"{request.output}: {byte_text(size)}, {sum(counts.values())} operators ({listed})")
    if check is None:
        console.print("not checked against the ONNX model")
        return
    rows = [(name, *_row(found)) for name, found in check.found.outputs.items()]
    title = f"against {path} in {check.engine}, {check.found.samples} {check.data} samples"
    console.print(table(title, ("output", "max abs", "of scale", "SQNR", "agreement"), rows))


def _row(found: Difference) -> tuple[str, ...]:
    ratio = "exact" if found.sqnr_db == float("inf") else f"{found.sqnr_db:.1f} dB"
    return f"{found.max_abs:.3g}", f"{found.relative:.2e}", ratio, "" if found.agreement is None else f"{found.agreement:.2%}"
