"""ONNX models by signature as one .tflite model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jitlite.schemas.errors import ConversionError
from jitlite.schemas.merge import merge_models
from jitlite.schemas.tables import Model
from jitlite.tools.sources import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from jitlite.converter import ConvertOptions, Trace


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature to convert: its key, its ONNX model (a ModelProto or a path) and the options that concern it."""

    key: str
    source: Any
    options: "ConvertOptions"


Finish = Callable[[Signature, Model], Model]
"""Makes of the model converted for a signature what is written."""


def _as_converted(signature: Signature, converted: Model) -> Model:
    return converted


Begin = Callable[[Signature], "Trace | None"]
"""Is told of a signature whose conversion starts; what happens goes into the trace it gives."""


def _unseen(signature: Signature) -> None:
    return None


def convert_signatures(
    models: Mapping[str, Any], options: "ConvertOptions", finish: Finish = _as_converted, begin: Begin = _unseen
) -> Model:
    """The .tflite model that has each ONNX model (a ModelProto or a path) as a signature; they share constants that are equal.

    Options that name inputs apply to the signatures with inputs of these names. `finish` sees each signature by itself, before it is put
    with the others; `begin` sees it before it is converted and gives the trace of that. ConversionError names what cannot be converted.
    """
    from jitlite.converter import convert_onnx

    chosen = {DEFAULT_SIGNATURE: options} if list(models) == [DEFAULT_SIGNATURE] else _options_of_each(models, options)
    signatures = [Signature(key, model, chosen[key]) for key, model in models.items()]
    finished = {found.key: finish(found, convert_onnx(found.source, found.options, begin(found))) for found in signatures}
    return finished[DEFAULT_SIGNATURE] if list(finished) == [DEFAULT_SIGNATURE] else merge_models(finished)


def _options_of_each(models: Mapping[str, Any], options: "ConvertOptions") -> dict[str, "ConvertOptions"]:
    inputs = {key: {info.name for info in model.graph.input} for key, model in models.items()}
    known = {name for names in inputs.values() for name in names}
    ports = {key: names | {info.name for info in models[key].graph.output} for key, names in inputs.items()}
    every = {name for names in ports.values() for name in names}
    others = sorted(set(options.channels_last) - every)
    if others:
        listed = ", ".join(sorted(every))
        raise ConversionError(f"channels_last: the inputs and outputs of all signatures are {listed}; found {', '.join(others)}")
    unknown = sorted({*options.shapes, *options.values} - known)
    if unknown:
        raise ConversionError(f"shapes, values: the inputs of all signatures are {', '.join(sorted(known))}; found {', '.join(unknown)}")
    return {
        key: replace(
            options,
            channels_last=[name for name in options.channels_last if name in ports[key]],
            shapes={name: shape for name, shape in options.shapes.items() if name in names},
            values={name: value for name, value in options.values.items() if name in names},
        )
        for key, names in inputs.items()
    }
