"""`jitlite convert`: a trained model as a .tflite file that is checked against its ONNX form."""

import json
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from jitlite.quantization import Recipe
from jitlite.quantization.recipe import IO_TYPES
from jitlite.schemas import ConversionError, ConversionWarning, JitliteError, Model, write_model
from jitlite.schemas.model import operator_name
from jitlite.schemas.runtime_version import parse_runtime, require_runtime
from jitlite.tools.check import ROUNDING, Check, CheckData, CheckLimits, check_conversion
from jitlite.tools.check_report import check_dict, print_check, where_it_starts
from jitlite.tools.console import byte_text, notes, plain, print_json, progress, results
from jitlite.tools.coverage import Coverage, SignatureCoverage
from jitlite.tools.errors import ToolError
from jitlite.tools.files import check_output, write_file
from jitlite.tools.metadata import MetadataOptions, metadata_options, model_file, take_metadata
from jitlite.tools.options import (
    ExampleCommand,
    FilePath,
    force_option,
    json_option,
    output_option,
    parse_scheme,
    parse_shapes,
    parse_target,
    parse_values,
    range_option,
    seed_option,
)
from jitlite.tools.ports import Array
from jitlite.tools.quantize import calibrate_and_quantize, check_calibration
from jitlite.tools.runners import OnnxModel
from jitlite.tools.signatures import Signature, convert_signatures
from jitlite.tools.sources import onnx_models
from jitlite.tools.transposes import left_transposes, transposes_dict, transposes_text

TOLERANCE = 1e-3
TOLERANCE_OF_HALVES = 1e-2
LEAST_SQNR = 10.0
LEAST_SQNR_OF_QUANTIZED = 15.0

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
    channels_last: tuple[str, ...]
    shapes: dict[str, tuple[int | None, ...]]
    values: dict[str, Array]
    signature_keys: tuple[str, ...]
    target_runtime: str | None
    metadata: MetadataOptions
    report: Path | None
    tolerance: float | None
    min_sqnr: float | None
    check: bool
    bounds: tuple[float, float] | None
    seed: int
    force: bool
    as_json: bool

    def options(self) -> Any:
        """The `ConvertOptions` of the conversion."""
        from jitlite.converter import ConvertOptions

        return ConvertOptions(self.shapes, self.nhwc_inputs, self.channels_last, self.values, target_runtime=self.target_runtime)

    @property
    def data(self) -> CheckData:
        return CheckData(self.calibration, self.bounds, self.seed)

    def for_signature(self, key: str, count: int) -> "ConvertRequest":
        """The request for one of `count` signatures: where there are several, each has calibration data of its name in a folder."""
        if count == 1 or self.calibration is None:
            return self
        own = self.calibration / f"{key}.npz"
        if not own.is_file():
            raise ToolError(f"{self.calibration}: a folder with a .npz for each signature is required, found no {own.name}")
        return replace(self, calibration=own)

    def turned(self, reference: OnnxModel) -> set[str]:
        """The inputs and outputs that are channels-last in the result."""
        return {*self.channels_last, *(port.name for port in reference.inputs if self.nhwc_inputs and len(port.shape) == 4)}

    def limits(self, reference: OnnxModel) -> CheckLimits:
        """Quantized models are held to the signal-to-noise ratio: those made here, and those of sources that are quantized already."""
        tolerance = TOLERANCE_OF_HALVES if reference.source.has_halves else TOLERANCE
        least = LEAST_SQNR if self.scheme is not None else LEAST_SQNR_OF_QUANTIZED
        is_quantized = self.scheme is not None or reference.source.is_quantized
        return CheckLimits(
            tolerance if self.tolerance is None else self.tolerance, least if self.min_sqnr is None else self.min_sqnr, is_quantized
        )


@click.command(
    short_help="Convert an ONNX, Keras, TensorFlow or PyTorch model to .tflite, and check the result.",
    cls=ExampleCommand,
    examples=(
        "jitlite convert model.onnx -o model.tflite",
        "jitlite convert model.onnx -o model.tflite --shape image=1x3x224x224 --nhwc-inputs",
        "jitlite convert model.onnx -o model.tflite --channels-last image --channels-last mask",
        "jitlite convert model.onnx -o int8.tflite --quantize int8 --calibration samples.npz",
        "jitlite convert model.keras -o model.tflite",
        "jitlite convert saved_model/ -o model.tflite --signature serving_default",
    ),
)
@click.argument("model", type=FilePath())
@output_option("OUT.tflite", "The converted model.")
@click.option(
    "--quantize", "scheme", metavar="int8|dynamic|float16", callback=parse_scheme, help="Quantize the result; see `jitlite quantize`."
)
@click.option(
    "--calibration",
    type=FilePath(),
    metavar="DATA",
    help="A .npz (arrays by input name), a .npy, or a folder of them; for several signatures a folder with KEY.npz for each.",
)
@click.option(
    "--io", "io_type", type=click.Choice(IO_TYPES), default="float32", show_default=True, help="For int8: the type of inputs and outputs."
)
@click.option("--nhwc-inputs", is_flag=True, help="Make inputs of four dimensions channels-last instead of transposing them in the model.")
@click.option(
    "--channels-last",
    "channels_last",
    multiple=True,
    metavar="NAME",
    help="Make this input or output, of three to five dimensions, channels-last. Repeatable.",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NAME=1x3x224x224",
    callback=parse_shapes,
    help="The size of an input; '?' keeps what the model says. Repeatable.",
)
@click.option(
    "--value",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parse_values,
    help="Fix an input at a value, such as k=5, axes=[1,2] or table=table.npy; it is no input of the result. Repeatable.",
)
@click.option(
    "--signature",
    "signature_keys",
    multiple=True,
    metavar="KEY",
    help="Of a SavedModel: convert this signature; without it, all. Repeatable.",
)
@click.option(
    "--target-runtime",
    metavar="VERSION",
    callback=parse_target,
    help="The oldest runtime that has to run the result: a TFLite version from 1.14 on, such as 2.4, or that of LiteRT's package, as"
    " litert-2.1. Operators it lacks are written out in others, or named.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    metavar="X",
    help=f"Largest difference of a float model, relative to the output's largest value; {ROUNDING:g} always passes. By default"
    f" {TOLERANCE:g}, and {TOLERANCE_OF_HALVES:g} where the ONNX model computes in float16.",
)
@click.option(
    "--min-sqnr",
    type=float,
    metavar="DB",
    help=f"Least signal-to-quantization-noise ratio of a quantized model, dB. By default {LEAST_SQNR:g}, and"
    f" {LEAST_SQNR_OF_QUANTIZED:g} where the ONNX model is quantized itself.",
)
@click.option(
    "--report",
    type=FilePath(),
    metavar="OUT.json",
    help="Write what each node became or why it could not be converted, whatever the outcome.",
)
@metadata_options
@click.option("--check/--no-check", default=True, show_default=True, help="Run the result against the ONNX model before writing it.")
@range_option
@seed_option
@force_option
@json_option
def convert(model: Path, **options: Any) -> None:
    """Convert MODEL to .tflite: an ONNX file; a .keras or .h5 file, a SavedModel folder or a .pt2 file of torch.export.save.

    All but ONNX are exported by the engine that made them, which must be installed; each signature of a SavedModel becomes one of the
    result. The result is run against the ONNX model, in ONNX Runtime where that is installed and else in onnx's reference evaluator, on
    calibration samples or random ones, and compared layer by layer; beyond the limits nothing is written, a table shows where the error
    starts, and the exit code is 1. A model with operators that have no .tflite form is refused with a list of all of them.
    """
    request = ConvertRequest(metadata=take_metadata(options), **options)
    check_calibration(request.scheme, request.calibration)
    for path in (request.output, request.report):
        if path is not None:
            check_output(path, request.force)
    if request.signature_keys and not model.is_dir():
        raise click.UsageError("--signature needs a SavedModel folder: other models have one signature.")
    with progress("reading the model"):
        sources = onnx_models(model, signature_keys=request.signature_keys or None)
    checks: dict[str, Check] = {}
    coverage = Coverage(str(model))
    try:
        converted = _convert(sources, request, checks, coverage)
    finally:
        if request.report is not None:
            write_file(request.report, (json.dumps(plain(coverage.as_dict()), indent=2) + "\n").encode(), request.force)
    content = model_file(converted, request.metadata)
    failed = {key: check for key, check in checks.items() if check.failures()}
    if not failed:
        write_file(request.output, content, request.force)
    _report(model, request, converted, len(content), checks, coverage.notes)
    if failed:
        lines = [f"{model}: the converted model is not written, it differs from the original (--no-check writes it)"]
        for key, check in failed.items():
            lines += [*([f"signature '{key}':"] if len(checks) > 1 else []), *check.failures(), where_it_starts(check)]
        raise ToolError("\n".join(lines))


def _convert(sources: Mapping[str, Any], request: ConvertRequest, checks: dict[str, Check], coverage: Coverage) -> Model:
    """The model of all signatures; each is checked by itself, which `checks` gets to hold, while `coverage` hears how it went."""
    from jitlite.converter import Trace

    def begin(signature: Signature) -> Trace:
        coverage.signatures[signature.key] = SignatureCoverage(signature.source, Trace())
        return coverage.signatures[signature.key].trace

    def finish(signature: Signature, model: Model) -> Model:
        covered = coverage.signatures[signature.key]
        covered.model = model
        own = request.for_signature(signature.key, len(sources))
        if request.scheme is not None:
            quantized = calibrate_and_quantize(model, Recipe(scheme=request.scheme, io_type=request.io_type), own.calibration)
            model, covered.plan = quantized.model, quantized.plan
            if request.target_runtime is not None:
                require_runtime(model, parse_runtime(request.target_runtime))
        if request.check:
            values = {name: request.values[name] for name in signature.options.values}
            reference = OnnxModel(signature.source, values)
            limits = request.limits(reference)
            turned = request.turned(reference)
            checks[signature.key] = check_conversion(reference, write_model(model), own.data, limits, channels_last=turned)
        return model

    try:
        with progress("converting"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConversionWarning)
            converted = convert_signatures(sources, request.options(), finish, begin)
    except ConversionError as error:
        coverage.error = error
        raise ToolError(_in_options(error)) from error
    except JitliteError as error:
        coverage.error = error
        raise
    for warning in caught:
        if issubclass(warning.category, ConversionWarning):
            coverage.notes.append(_as_options(str(warning.message)))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return converted


def _in_options(error: ConversionError) -> str:
    """The converter's message, its advice in terms of this command."""
    text = _as_options(str(error))
    if not error.inputs_to_fix:
        return text
    options = " ".join(f"--value '{name}=…'" for name in error.inputs_to_fix)
    return f"{text}\n  (of inputs that are always the same, {options} fixes the value, which may be what is missing)"


def _as_options(text: str) -> str:
    return SHAPES_IN_PYTHON.sub(_as_option, text)


def _as_option(found: re.Match[str]) -> str:
    """The converter's advice on shapes in terms of this command."""
    shapes = [
        f"--shape '{name}={'x'.join(dim.strip().replace('None', '?') for dim in dims.split(',') if dim.strip())}'"
        for name, dims in SHAPE_IN_PYTHON.findall(found[1])
    ]
    return " ".join(shapes)


def _report(path: Path, request: ConvertRequest, converted: Model, size: int, checks: Mapping[str, Check], told: Sequence[str]) -> None:
    found = {key: check_dict(check) for key, check in checks.items()}
    left = transposes_dict(left_transposes(converted))
    counts = Counter(operator_name(converted, op) for graph in converted.subgraphs for op in graph.operators)
    if request.as_json:
        print_json(
            {
                "model": str(path),
                "output": str(request.output),
                "size_bytes": size,
                "quantization": request.scheme,
                "operators": dict(counts.most_common()),
                "transposes": left,
                "notes": list(told),
                **({"checks": found} if len(found) > 1 else {"check": next(iter(found.values()), None)}),
            }
        )
        return
    for note in told:
        notes().print(f"Note: {note}")
    console = results()
    listed = ", ".join(f"{count} {op}" for op, count in counts.most_common())
    console.print(f"{request.output}: {byte_text(size)}, {sum(counts.values())} operators ({listed})")
    console.print(transposes_text(left))
    if not checks:
        console.print("not checked against the ONNX model")
    for key, check in checks.items():
        print_check(console, f"{path} signature '{key}'" if len(checks) > 1 else str(path), check)
