"""What a model's makers say of it, recorded in the file for the tools that run tasks: who, under which licence, labels, preprocessing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import click

from jitlite.schemas import Model, write_model
from jitlite.schemas.metadata import PARSER_VERSION, archive_behind, files_behind, metadata_of, set_metadata
from jitlite.schemas.metadata_tables import (
    AssociatedFile,
    AssociatedFileType,
    ColorSpaceType,
    Content,
    ImageProperties,
    ModelMetadata,
    NormalizationOptions,
    ProcessUnit,
    SubGraphMetadata,
    TensorMetadata,
)
from jitlite.schemas.model import printable
from jitlite.schemas.tables import SubGraph
from jitlite.tools.errors import ToolError
from jitlite.tools.options import Decorator

COLORS = {"rgb": ColorSpaceType.RGB, "grayscale": ColorSpaceType.GRAYSCALE}
SHOWN_LABELS = 5


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """What to record about a model.

    `labels` are the names of the classes by output; `mean` and `std` are one number or one a channel by input, which takes
    (value - mean) / std. The name "" stands for the only input or output. `color_space` of images is "rgb" or "grayscale".
    """

    name: str = ""
    version: str = ""
    description: str = ""
    author: str = ""
    license: str = ""
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    mean: Mapping[str, Sequence[float]] = field(default_factory=dict)
    std: Mapping[str, Sequence[float]] = field(default_factory=dict)
    color_space: str = ""

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, entry.name) for entry in fields(self))


def model_file(model: Model, options: MetadataOptions) -> bytes:
    """The file of a model with what is to be recorded. ToolError for labels and numbers that do not fit the model."""
    if options.is_empty:
        return write_model(model)
    described = Model(**model.__dict__)
    described.buffers, described.metadata = list(model.buffers), list(model.metadata)
    files = record(described, options)
    content = write_model(described)
    return content + archive_behind(len(content), files)


def record(model: Model, options: MetadataOptions) -> dict[str, bytes]:
    """Puts the metadata into the model; returns the files that belong behind it."""
    if options.color_space and options.color_space not in COLORS:
        raise ToolError(f"color space: one of {', '.join(COLORS)} is required, found '{options.color_space}'")
    graph = model.subgraphs[0]
    inputs, outputs = _names(model, graph, "inputs"), _names(model, graph, "outputs")
    mean, std, labels = (
        _by_port(what, given, ports, side)
        for what, given, ports, side in (
            ("mean", options.mean, inputs, "input"),
            ("std", options.std, inputs, "input"),
            ("labels", options.labels, outputs, "output"),
        )
    )
    files = {f"labels{number + 1 if len(labels) > 1 else ''}.txt": found for number, found in enumerate(labels.values())}
    places = dict(zip(labels, files))
    for place, found in labels.items():
        shape = graph.tensors[graph.outputs[place]].shape
        if not shape or shape[-1] != len(found):
            raise ToolError(f"labels: one for each of output '{outputs[place]}' of shape {tuple(shape)} is required, found {len(found)}")
    described = SubGraphMetadata(
        input_tensor_metadata=[
            _input(name, graph.tensors[graph.inputs[place]].shape, mean.get(place), std.get(place), options.color_space)
            for place, name in enumerate(inputs)
        ],
        output_tensor_metadata=[_output(name, places.get(place)) for place, name in enumerate(outputs)],
    )
    set_metadata(
        model,
        ModelMetadata(
            name=options.name,
            description=options.description,
            version=options.version,
            author=options.author,
            license=options.license,
            subgraph_metadata=[described],
            min_parser_version=PARSER_VERSION,
        ),
    )
    return {name: "".join(f"{label}\n" for label in found).encode() for name, found in files.items()}


def _names(model: Model, graph: SubGraph, side: str) -> list[str]:
    """What the ports of the main graph are called: as in its signature where it has one."""
    known = {
        entry.tensor_index: entry.name
        for signature in model.signature_defs
        if signature.subgraph_index == 0
        for entry in getattr(signature, side)
    }
    return [known.get(index, graph.tensors[index].name) for index in getattr(graph, side)]


def _by_port(what: str, given: Mapping[str, Sequence[Any]], ports: Sequence[str], side: str) -> dict[int, Sequence[Any]]:
    found = {}
    for name, entries in given.items():
        if name not in ports and (name or len(ports) != 1):
            raise ToolError(f"{what}: the name of an {side} is required (the model has {', '.join(ports)}), found '{name}'")
        if not entries:
            raise ToolError(f"{what}: at least one entry is required, found none")
        found[ports.index(name) if name else 0] = entries
    return found


def _input(name: str, shape: Sequence[int], mean: Sequence[float] | None, std: Sequence[float] | None, color_space: str) -> TensorMetadata:
    described = TensorMetadata(name=name)
    if color_space and len(shape) == 4:
        described.content = Content(content_properties=ImageProperties(color_space=COLORS[color_space]))
    if mean is not None or std is not None:
        mean, std = list(mean or [0.0]), list(std or [1.0])
        count = max(len(mean), len(std))
        if {len(mean), len(std)} - {1, count} or count not in (1, *shape[-1:], *shape[1:2]):
            raise ToolError(f"mean and std: one number or one a channel of input '{name}' is required, found {len(mean)} and {len(std)}")
        if not all(std):
            raise ToolError("std: numbers other than 0 are required, found 0")
        options = NormalizationOptions(mean=mean * (count // len(mean)), std=std * (count // len(std)))
        described.process_units = [ProcessUnit(options=options)]
    return described


def _output(name: str, labels: str | None) -> TensorMetadata:
    described = TensorMetadata(name=name)
    if labels is not None:
        described.associated_files = [AssociatedFile(name=labels, type=AssociatedFileType.TENSOR_AXIS_LABELS)]
    return described


def describe_metadata(model: Model, path: Path) -> dict[str, Any] | None:
    """What the metadata of the model in a file say, for people and machines; None where it has none."""
    found = metadata_of(model)
    if found is None:
        return None
    graphs = found.subgraph_metadata[:1]
    inputs = [port for graph in graphs for port in graph.input_tensor_metadata]
    outputs = [port for graph in graphs for port in graph.output_tensor_metadata]
    kept = [(port.name, file) for port in outputs for file in port.associated_files]
    named = {file.name: name for name, file in kept if file.type is AssociatedFileType.TENSOR_AXIS_LABELS}
    files = files_behind(path, frozenset(named))
    units = [(port.name, unit.options) for port in inputs for unit in port.process_units]
    return {
        **{name: getattr(found, name) for name in ("name", "version", "description", "author", "license")},
        "normalization": {
            name: {"mean": list(unit.mean), "std": list(unit.std)} for name, unit in units if isinstance(unit, NormalizationOptions)
        },
        "labels": {named[name]: text.decode("utf-8", "replace").splitlines() for name, text in files.items()},
    }


def metadata_lines(found: Mapping[str, Any]) -> list[str]:
    """A line for each thing the metadata say."""
    lines = [f"{name}: {printable(found[name])}" for name in ("name", "version", "description", "author", "license") if found[name]]
    for name, numbers in found["normalization"].items():
        mean, std = (", ".join(f"{number:g}" for number in numbers[what]) for what in ("mean", "std"))
        lines.append(f"input {printable(name)}: (value - mean) / std is required, mean {mean}, std {std}")
    for name, labels in found["labels"].items():
        more = f" and {len(labels) - SHOWN_LABELS} more" if len(labels) > SHOWN_LABELS else ""
        lines.append(f"labels of {printable(name)}: {', '.join(map(printable, labels[:SHOWN_LABELS]))}{more}")
    return lines


def _parse_numbers(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, tuple[float, ...]]:
    found = {}
    for item in value:
        name, _, text = item.rpartition("=")
        try:
            found[name] = tuple(float(number) for number in text.split(","))
        except ValueError:
            raise click.BadParameter(f"numbers are required, such as 127.5 or image=123.7,116.8,103.9, found '{item}'") from None
    return found


def _parse_labels(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found = {}
    for item in value:
        name, _, path = item.rpartition("=")
        try:
            found[name] = tuple(Path(path).read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"a text file with a label a line is required, found '{path}': {error}") from error
    return found


_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--labels", multiple=True, metavar="[OUTPUT=]FILE", callback=_parse_labels, help="Record the names of classes, one a line."
    ),
    click.option("--mean", multiple=True, metavar="[INPUT=]X[,X...]", callback=_parse_numbers, help="Record what to subtract from inputs."),
    click.option("--std", multiple=True, metavar="[INPUT=]X[,X...]", callback=_parse_numbers, help="Record what to divide them by then."),
    click.option("--color-space", type=click.Choice(tuple(COLORS)), help="Record what images are."),
    click.option("--author", default="", metavar="TEXT", help="Record who made the model."),
    click.option("--license", default="", metavar="TEXT", help="Record its licence."),
    click.option("--description", default="", metavar="TEXT", help="Record what it is for."),
    click.option("--model-name", "name", default="", metavar="TEXT", help="Record its name."),
    click.option("--model-version", "version", default="", metavar="TEXT", help="Record its version."),
)


def metadata_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of `take_metadata`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_metadata(options: dict[str, Any]) -> MetadataOptions:
    """What the command line asks to record; the options it is made of are taken out."""
    taken: dict[str, Any] = {entry.name: options.pop(entry.name) for entry in fields(MetadataOptions)}
    return MetadataOptions(**{**taken, "color_space": taken["color_space"] or ""})
