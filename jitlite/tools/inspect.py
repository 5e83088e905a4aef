"""`jitlite inspect`: what a model holds, and what jitlite cannot do with it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from jitlite.interpreter.delegates import Delegate
from jitlite.schemas import format_model, read_model
from jitlite.tools.console import byte_text, print_json, progress, results, shape_text, table
from jitlite.tools.delegates import delegate_options, describe_delegate, open_delegate, print_delegate
from jitlite.tools.description import describe_onnx, describe_tflite
from jitlite.tools.errors import ToolError
from jitlite.tools.metadata import metadata_lines
from jitlite.tools.operators import operators_option
from jitlite.tools.options import ExampleCommand, FilePath, json_option
from jitlite.tools.runners import is_onnx
from jitlite.tools.transposes import transposes_text

SHOWN_PLACES = 8


@click.command(
    short_help="Show what a model holds and needs.",
    cls=ExampleCommand,
    examples=(
        "jitlite inspect model.tflite",
        "jitlite inspect model.onnx",
        "jitlite inspect model.tflite --text > model.txt",
        "jitlite inspect model.tflite --json",
        "jitlite inspect model.tflite --delegate numpy --delegate-option min_nodes_per_partition=3",
    ),
)
@click.argument("model", type=FilePath())
@click.option("--text", "as_text", is_flag=True, help="Print the whole .tflite model as text, a line for every tensor and operator.")
@delegate_options
@operators_option
@json_option
def inspect(model: Path, as_text: bool, delegate: str | None, delegate_settings: Mapping[str, str], as_json: bool) -> None:
    """Show what MODEL (.tflite or .onnx) holds: inputs, outputs, signatures, operators, sizes and quantization.

    Of a .tflite it says which operators the interpreter does not support, of an ONNX model what stands in the way of converting it.
    With --delegate it shows instead which operators the delegate would take, in which partitions, and why not the others. A tensor with a
    star stays on the device.
    """
    if as_text and (as_json or delegate is not None):
        raise click.UsageError("Give one of --text, --json and --delegate, or the last two.")
    delegates = open_delegate(delegate, delegate_settings)
    if delegates:
        _show_delegates(model, delegates, as_json)
        return
    if as_text:
        if is_onnx(model):
            raise ToolError(f"{model}: --text takes a .tflite model, found an ONNX model")
        click.echo(format_model(read_model(model)), nl=False)
        return
    with progress("looking"):
        found = describe_onnx(model) if is_onnx(model) else describe_tflite(model)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _show_delegates(model: Path, delegates: Sequence[Delegate], as_json: bool) -> None:
    if is_onnx(model):
        raise ToolError(f"{model}: --delegate takes a .tflite model, found an ONNX model")
    with progress("looking"):
        found = describe_delegate(model, delegates)
    if as_json:
        print_json(found)
    else:
        print_delegate(found)


def _print(found: dict[str, Any]) -> None:
    console = results()
    operators = sum(item["count"] for item in found["operators"])
    maker = found.get("description") or found.get("producer")
    console.print(
        f"{found['model']}: {found['format']}, {byte_text(found['size_bytes'])}, {operators} operators{f', {maker}' if maker else ''}"
    )
    console.print()
    ports = [
        (side[:-1], port["name"], port["dtype"], shape_text(port["shape"]), _scale(port))
        for side in ("inputs", "outputs")
        for port in found[side]
    ]
    console.print(table("", ("", "name", "dtype", "shape", "quantization"), ports, left=5))
    for key, signature in found.get("signatures", {}).items():
        console.print(f"\nsignature {key}: ({', '.join(signature['inputs'])}) -> ({', '.join(signature['outputs'])})")
    console.print()
    versions = any("version" in item for item in found["operators"])
    rows = [(item["op"], *([item["version"]] if versions else []), item["count"]) for item in found["operators"]]
    console.print(table("", ("operator", *(["version"] if versions else []), "count"), rows))
    console.print()
    for line in _tflite_lines(found) if found["format"] == "tflite" else _onnx_lines(found):
        console.print(line)


def _scale(port: dict[str, Any]) -> str:
    quantization = port["quantization"]
    return "" if quantization is None else f"scale {quantization['scale']:.6g}, zero point {quantization['zero_point']}"


def _tflite_lines(found: dict[str, Any]) -> list[str]:
    constants = ", ".join(f"{byte_text(item['bytes'])} {kind} in {item['tensors']} tensors" for kind, item in found["constants"].items())
    summary = found["quantization"]
    lines = [
        *(metadata_lines(found["notes"]) if found["notes"] is not None else []),
        transposes_text(found["transposes"]),
        f"constants: {constants or 'none'}",
        f"quantization: {summary['scheme']} ({summary['quantized_results']} quantized and {summary['float_results']} float results, "
        f"{summary['per_channel_constants']} per-channel constants)",
        f"oldest runtime: {_runtime(found['min_runtime'], found['stated_min_runtime'])}",
    ]
    if found["unsupported"]:
        lines += ["the interpreter does not support:", *_grouped(found["unsupported"])]
    else:
        lines.append("the interpreter supports every operator")
    return lines


def _runtime(needed: str | None, stated: str | None) -> str:
    if not needed or (stated and _version(stated) > _version(needed)):
        return f"{stated} (as the file states)" if stated else "not known"
    return needed if stated in (None, needed) else f"{needed}, by its operators; the file states {stated}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _grouped(unsupported: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each operator type and reason, with the places it applies to."""
    groups: dict[tuple[str, str], list[str]] = {}
    for item in unsupported:
        place = f"{item['operator']}" if item["subgraph"] == 0 else f"{item['operator']} of subgraph {item['subgraph']}"
        groups.setdefault((item["op"], item["reason"]), []).append(place)
    return [f"  {op}: {reason} (operator {_some(places)})" for (op, reason), places in groups.items()]


def _some(places: Sequence[str]) -> str:
    more = len(places) - SHOWN_PLACES
    return ", ".join(places[:SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")


def _onnx_lines(found: dict[str, Any]) -> list[str]:
    opsets = ", ".join(f"{domain} {version}" for domain, version in found["opset"].items())
    lines = [f"opset: {opsets}", f"initializers: {found['initializers']}"]
    if found["unsupported"]:
        return [*lines, "converting it fails:", *(f"  {line}" for line in found["unsupported"])]
    return [*lines, "every node converts"]
