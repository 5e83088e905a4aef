"""The public functions of `jitlite`: the commands' work without files and printing."""

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from jitlite.interpreter.delegates import Delegate
from jitlite.quantization import Recipe, load_feeds
from jitlite.quantization.feeds import Source
from jitlite.schemas import Model, read_model, save_model, verify, write_model
from jitlite.tools.benchmark import Measurement, measure_models
from jitlite.tools.comparison import Comparison, pair_models, sample_ranges, sample_sizes
from jitlite.tools.comparison import compare as compare_runs
from jitlite.tools.feeds import load_samples, random_samples
from jitlite.tools.files import write_file
from jitlite.tools.forms import pair_layers
from jitlite.tools.latency import RunOptions
from jitlite.tools.metadata import MetadataOptions, model_file
from jitlite.tools.ports import RunnableModel
from jitlite.tools.probe import Setup
from jitlite.tools.quantize import quantize_model
from jitlite.tools.runners import TfliteModel, open_model
from jitlite.tools.signatures import convert_signatures
from jitlite.tools.sources import onnx_models

PathLike = str | os.PathLike[str]


def load(path: PathLike) -> Model:
    """The model in a .tflite file; InvalidModelError when it is damaged."""
    return verify(read_model(path))


def save(model: Model, path: PathLike, metadata: MetadataOptions | None = None) -> None:
    """Writes a .tflite file, which appears complete or not at all; an existing one is replaced. `metadata` are recorded in it."""
    if metadata is None:
        save_model(model, path)
    else:
        write_file(Path(path), model_file(model, metadata), force=True)


def convert(
    source: PathLike | Any,
    *,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    nhwc_inputs: bool = False,
    channels_last: Sequence[str] = (),
    values: Mapping[str, ArrayLike] | None = None,
    example_inputs: Sequence[Any] | None = None,
    signature_keys: Sequence[str] | None = None,
    target_runtime: str | None = None,
) -> Model:
    """The float32 .tflite model of a trained one.

    `source` is the path of an ONNX file, a .keras or .h5 file, a SavedModel folder or a .pt2 file of torch.export.save; or an
    onnx.ModelProto, a Keras 3 model, a concrete function of TensorFlow, a torch.export.ExportedProgram or a torch.nn.Module, whose
    arguments `example_inputs` shows. All but ONNX are exported by their engines, which must be installed. Each signature of a SavedModel,
    or each of `signature_keys`, is one of the result.

    `shapes` gives input shapes by name, None keeping what the model says; with `nhwc_inputs` inputs of four dimensions become
    channels-last, as do the inputs and outputs that `channels_last` names; inputs named in `values` become constants; `target_runtime`
    is the oldest runtime that has to run the result, such as "2.4" or "litert-2.1". ConversionError lists every node that has no .tflite
    form, and every operator that is too new.
    """
    from jitlite.converter import ConvertOptions

    models = onnx_models(source, example_inputs=example_inputs, signature_keys=signature_keys)
    options = ConvertOptions(dict(shapes or {}), nhwc_inputs, channels_last, dict(values or {}), target_runtime=target_runtime)
    return convert_signatures(models, options)


def quantize(model: Model | PathLike, calibration: Source | None = None, recipe: Recipe | str = "int8") -> Model:
    """A quantized copy of a float model (or of the one in a file).

    `calibration` is needed by the scheme int8: a .npz, a .npy, a folder of them, or an iterable of samples, see
    `jitlite.quantization.load_feeds`. `recipe` is a `Recipe`, or the name of a scheme (int8, dynamic or
    float16), which leaves inputs and outputs float32.
    """
    original = model if isinstance(model, Model) else load(model)
    wanted = Recipe(scheme=recipe, io_type="float32") if isinstance(recipe, str) else recipe
    if wanted.scheme == "int8" and calibration is None:
        raise ValueError("quantize: calibration samples are required for the scheme int8")
    feeds = None if calibration is None else load_feeds(calibration, original)
    return quantize_model(original, wanted, feeds, lambda count: None).model


def compare(
    first: Model | PathLike,
    second: Model | PathLike,
    samples: PathLike | Iterable[Mapping[str, Any]] | None = None,
    *,
    layers: bool = False,
    limit: int = 8,
    seed: int = 0,
    delegates: Sequence[Delegate] = (),
) -> Comparison:
    """How far the outputs of `second` are from those of `first`, the reference; each is a Model, a .tflite or an .onnx file.

    `samples` are the reference's inputs: a file (see `jitlite run --input`) or feeds by input name; random ones are made without it.
    At most `limit` of them are used. `delegates` run what they take of `second`.
    """
    ours, theirs = _runnable(first, layers), _runnable(second, layers, delegates)
    pairing = pair_models(ours, theirs)
    if samples is None:
        feeds: Iterable[Mapping[str, Any]] = random_samples(ours.inputs, limit, seed, None, sample_sizes(pairing), sample_ranges(pairing))
    else:
        feeds = load_samples(Path(samples), ours.inputs) if isinstance(samples, (str, os.PathLike)) else samples
    pairs = pair_layers(ours.layers, theirs.layers) if layers else None
    return compare_runs(ours, theirs, pairing, islice(feeds, limit), layers=pairs)


def _runnable(model: Model | PathLike, layers: bool, delegates: Sequence[Delegate] = ()) -> RunnableModel:
    if isinstance(model, Model):
        return TfliteModel(write_model(model), preserve_all=layers, delegates=delegates)
    return open_model(Path(model), layers=layers, delegates=delegates)


def benchmark(
    paths: Sequence[PathLike],
    *,
    num_threads: int | None = None,
    num_runs: int = 50,
    min_secs: float = 1.0,
    delegate: str | None = None,
    delegate_options: Mapping[str, Any] | None = None,
) -> list[Measurement]:
    """Latency, start-up time, memory and size of .tflite files on this machine, the models taking turns; see `jitlite benchmark`."""
    setup = Setup(delegate, {name: str(value) for name, value in (delegate_options or {}).items()})
    options = RunOptions(num_runs=num_runs, min_secs=min_secs)
    return measure_models([Path(path) for path in paths], options, num_threads=num_threads, setup=setup)
