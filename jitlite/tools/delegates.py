"""The commands' options that name delegates, and `jitlite inspect --delegate`: what a delegate would take of a model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from jitlite.interpreter.delegates import Delegate, load_delegate
from jitlite.interpreter.delegates.report import explain
from jitlite.schemas import read_model
from jitlite.schemas.verify import verify
from jitlite.tools.console import byte_text, results, shape_text, table
from jitlite.tools.errors import ToolError
from jitlite.tools.options import Decorator

SHOWN_TENSORS = 4
SHOWN_OPERATORS = 8
SHOWN_LETTERS = 32
SHOWN_KINDS = 3


def _parse_options(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, str]:
    """Options by name, from NAME=VALUE."""
    found = {}
    for item in value:
        name, equals, text = item.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"a name and a value are required, such as min_nodes_per_partition=2, found '{item}'")
        found[name] = text
    return found


def delegate_options(command: Any) -> Any:
    """Adds --delegate and --delegate-option to a command."""
    option: Decorator = click.option(
        "--delegate-option",
        "delegate_settings",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_parse_options,
        help="An option of the delegate; repeat for several.",
    )
    return click.option("--delegate", metavar="NAME", help="Let a delegate run the operators it takes.")(option(command))


def open_delegate(name: str | None, settings: Mapping[str, str]) -> list[Delegate]:
    """The delegate a command's options name, if they do. ToolError for one that cannot be had."""
    if name is None:
        if settings:
            raise click.UsageError("--delegate-option needs --delegate.")
        return []
    try:
        return [load_delegate(name, settings)]
    except ValueError as error:
        raise ToolError(str(error)) from error


def describe_delegate(path: Path, delegates: Sequence[Delegate]) -> dict[str, Any]:
    """How a .tflite model would be divided, for people and programs to read."""
    return {"model": str(path), **explain(verify(read_model(path)), delegates)}


def print_delegate(found: Mapping[str, Any]) -> None:
    """Prints the division: partitions with what crosses their boundaries, then the other operators with reasons."""
    names = ", ".join(item["name"] for item in found["delegates"])
    count, total, parts = found["delegated"], found["operators"], found["partitions"]
    console = results()
    console.print(f"{found['model']}: {names} takes {count} of {total} operators in {len(parts)} partition{'s' if len(parts) != 1 else ''}")
    if parts:
        rows = [
            (
                item["number"],
                item["delegate"],
                _operators(item["operators"]),
                _tensors(item["inputs"]),
                _tensors(item["outputs"]),
                byte_text(item["host_bytes"]),
            )
            for item in parts
        ]
        console.print()
        console.print(table("", ("partition", "delegate", "operators", "inputs", "outputs", "host bytes"), rows, left=5))
    if found["left"]:
        console.print()
        console.print(table("", ("left to the CPU", "operators", "reason"), _left(found["left"]), left=3))


def _operators(items: Sequence[Mapping[str, Any]]) -> str:
    """How many operators of which types, and runs of their numbers."""
    kinds = Counter(item["op"] for item in items).most_common()
    more = len(kinds) - SHOWN_KINDS
    shown = ", ".join(f"{count} {op}" for op, count in kinds[:SHOWN_KINDS]) + (f" and {more} more types" if more > 0 else "")
    return f"{shown}: {_numbers([item['operator'] for item in items])}"


def _numbers(values: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and runs[-1][1] == value - 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    more = len(shown) - SHOWN_OPERATORS
    return ", ".join(shown[:SHOWN_OPERATORS]) + (f" and {more} more" if more > 0 else "")


def _tensors(items: Sequence[Mapping[str, Any]]) -> str:
    shown = [f"{_short(item['name'])} {shape_text(item['shape'])}{'' if item['in_host_memory'] else '*'}" for item in items]
    more = len(shown) - SHOWN_TENSORS
    return ", ".join(shown[:SHOWN_TENSORS]) + (f" and {more} more" if more > 0 else "")


def _short(name: str) -> str:
    """The first of the names that converters join, and of that the end."""
    first = name.partition(";")[0]
    return first if len(first) <= SHOWN_LETTERS else f"…{first[1 - SHOWN_LETTERS :]}"


def _left(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """A row for each operator type and reason, with the places it applies to."""
    groups: dict[tuple[str, str], list[int]] = {}
    for item in items:
        reasons = item["reasons"]
        text = (
            next(iter(reasons.values()))
            if len(set(reasons.values())) == 1
            else "; ".join(f"{name}: {why}" for name, why in reasons.items())
        )
        groups.setdefault((item["op"], text), []).append(item["operator"])
    return [(op, f"{_numbers(nodes)} ({len(nodes)})", text) for (op, text), nodes in groups.items()]
