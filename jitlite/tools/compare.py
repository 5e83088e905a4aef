"""`jitlite compare`: run two models on the same data and say how far apart they are, and where it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from jitlite.tools.comparison import Comparison, Pairing, pair_models, sample_ranges, sample_sizes
from jitlite.tools.comparison import compare as compare_models
from jitlite.tools.console import print_json, progress, results, shape_text, table
from jitlite.tools.delegates import delegate_options, open_delegate
from jitlite.tools.difference import Difference
from jitlite.tools.errors import ToolError
from jitlite.tools.feeds import load_samples, random_samples
from jitlite.tools.forms import pair_layers
from jitlite.tools.operators import operators_option
from jitlite.tools.options import ExampleCommand, FilePath, json_option, range_option, seed_option, threads_option
from jitlite.tools.ports import Array, RunnableModel
from jitlite.tools.runners import open_model


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """The command's options."""

    source: Path | None
    is_random: bool
    samples: int | None
    layers: bool
    tolerance: float | None
    bounds: tuple[float, float] | None
    seed: int
    num_threads: int | None
    delegate: str | None
    delegate_settings: Mapping[str, str]
    as_json: bool


@click.command(
    short_help="Compare the outputs of two models, and their layers.",
    cls=ExampleCommand,
    examples=(
        "jitlite compare model.onnx float32.tflite --random --tolerance 1e-4",
        "jitlite compare float32.tflite int8.tflite --input images.npz --samples 100",
        "jitlite compare model.onnx int8.tflite --input images.npz --layers",
    ),
)
@click.argument("first", metavar="A", type=FilePath())
@click.argument("second", metavar="B", type=FilePath())
@click.option("--input", "source", type=FilePath(), metavar="DATA", help="A .npz (arrays by input name of A), a .npy, or a folder of them.")
@click.option("--random", "is_random", is_flag=True, help="Use random samples instead.")
@click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Use at most N samples; of random ones 8 unless given.")
@click.option("--layers", is_flag=True, help="Compare the tensors that have the same name in both models, too.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    metavar="X",
    help="Exit with 1 when an output differs by more than X of its scale; values that are no real numbers must be equal.",
)
@range_option
@seed_option
@threads_option
@delegate_options
@operators_option
@json_option
def compare(first: Path, second: Path, **options: Any) -> None:
    """Compare model B with model A, the reference; each is a .tflite or an .onnx file.

    Quantized values are compared as real numbers. For each output: the largest absolute difference, the same relative to the largest
    value of A, the signal-to-quantization-noise ratio in decibels, the cosine of the angle between the two and, where it looks like class
    scores, how often the same class is the largest. A delegate runs in B alone, which may be the same file as A.
    """
    request = CompareRequest(**options)
    if (request.source is None) == (not request.is_random):
        raise click.UsageError("Give either --input DATA or --random.")
    ours = open_model(first, num_threads=request.num_threads, layers=request.layers)
    delegates = open_delegate(request.delegate, request.delegate_settings)
    theirs = open_model(second, num_threads=request.num_threads, layers=request.layers, delegates=delegates)
    pairing = pair_models(ours, theirs)
    samples = _samples(ours, pairing, request)
    with progress("comparing", len(samples)) as advance:
        pairs = pair_layers(ours.layers, theirs.layers) if request.layers else None
        found = compare_models(ours, theirs, pairing, samples, layers=pairs, advance=advance)
    _report(str(first), str(second), found, request)
    if request.tolerance is not None:
        _require_within(found.outputs, request.tolerance)


def _samples(model: RunnableModel, pairing: Pairing, request: CompareRequest) -> list[dict[str, Array]]:
    if request.source is None:
        sizes, ranges = sample_sizes(pairing), sample_ranges(pairing)
        return list(random_samples(model.inputs, request.samples or 8, request.seed, request.bounds, sizes, ranges))
    return list(islice(load_samples(request.source, model.inputs), request.samples))


def exceeds(found: Difference, tolerance: float) -> bool:
    """True where real values differ by more than `tolerance` of their scale, or others at all."""
    return found.relative > tolerance if found.is_real else found.max_abs > 0


def _require_within(outputs: Mapping[str, Difference], tolerance: float) -> None:
    lines = [f"'{name}' by {_relative(found)}" for name, found in outputs.items() if exceeds(found, tolerance)]
    if lines:
        raise ToolError(f"differences of at most {tolerance:g} of the output's scale are required, found {', '.join(lines)}")


def _relative(found: Difference) -> str:
    return f"{found.relative:.2e}" if found.is_real else f"{found.max_abs:g}"


def difference_row(found: Difference) -> tuple[str, ...]:
    """The numbers of a difference as text, in the order of DIFFERENCE_COLUMNS."""
    return (
        f"{found.max_abs:.3g}",
        f"{found.relative:.2e}",
        "exact" if found.sqnr_db == float("inf") else f"{found.sqnr_db:.1f} dB",
        f"{found.cosine:.6f}",
        "" if found.agreement is None else f"{found.agreement:.2%}",
    )


DIFFERENCE_COLUMNS = ("max abs", "of scale", "SQNR", "cosine", "agreement")


def _report(first: str, second: str, found: Comparison, request: CompareRequest) -> None:
    if request.as_json:
        layers = [{"name": layer.name, "shape": list(layer.shape), **layer.difference.as_dict()} for layer in found.layers]
        print_json(
            {
                "reference": first,
                "model": second,
                "samples": found.samples,
                "outputs": {name: difference.as_dict() for name, difference in found.outputs.items()},
                **({"layers": layers} if request.layers else {}),
            }
        )
        return
    console = results()
    rows = [(name, *difference_row(difference)) for name, difference in found.outputs.items()]
    title = f"{second} against {first}, {found.samples} sample{'s' if found.samples > 1 else ''}"
    console.print(table(title, ("output", *DIFFERENCE_COLUMNS), rows))
    if request.layers and not found.layers:
        console.print("\nThe models have no tensor of the same name besides their outputs.")
    elif request.layers:
        listed = [(layer.name, shape_text(layer.shape), *difference_row(layer.difference)[:-1]) for layer in found.layers]
        console.print()
        console.print(table("layer by layer, in the order of the reference", ("tensor", "shape", *DIFFERENCE_COLUMNS[:-1]), listed, left=2))
        console.print(_where_it_starts(found))


def _where_it_starts(found: Comparison) -> str:
    """Names the layer behind which the signal-to-noise ratio falls most."""
    previous, worst, drop = 0.0, None, 0.0
    for place, layer in enumerate(found.layers):
        ratio = min(layer.difference.sqnr_db, 150.0)
        if place and previous - ratio > drop:
            worst, drop = layer, previous - ratio
        previous = ratio
    if worst is None:
        return "No layer is further from the reference than the one before it."
    return f"The largest drop of SQNR from one layer to the next is at '{worst.name}': {drop:.1f} dB."
