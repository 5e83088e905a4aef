"""What the commands share: help with examples, options, and the parsing of their values."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from jitlite.quantization.recipe import ALIASES, SCHEMES
from jitlite.schemas.runtime_version import parse_runtime
from jitlite.tools.ports import Array

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class ExampleCommand(click.Command):
    """A command whose help ends with examples, line by line as they are."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    with formatter.section("Examples"):
        for line in examples:
            formatter.write(f"  {line}\n")


class FilePath(click.Path):
    """A path as pathlib.Path; whether it is there is for the command to say."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)


def parse_range(context: click.Context, parameter: click.Parameter, value: tuple[float, float] | None) -> tuple[float, float] | None:
    """Checks the two numbers of a --range option."""
    if value is not None and not -float("inf") < value[0] <= value[1] < float("inf"):
        raise click.BadParameter("two finite numbers are required, the smaller one first")
    return value


def parse_scheme(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A quantization scheme, or another tool's name for one, as a scheme."""
    if value is None:
        return None
    known = {name.replace("_", "-"): name for name in (*SCHEMES, *ALIASES)}
    found = known.get(value.replace("_", "-"))
    if found is None:
        raise click.BadParameter(f"one of {', '.join(SCHEMES)} is required (also known as {', '.join(ALIASES)}), found '{value}'")
    return ALIASES.get(found, found)


def parse_shapes(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, tuple[int | None, ...]]:
    """Shapes by input name, from NAME=1x3x224x224; a "?" keeps what the model says."""
    found: dict[str, tuple[int | None, ...]] = {}
    for item in value:
        name, equals, text = item.rpartition("=")
        dims = re.split(r"[x,]", text)
        if not (name and equals and all(dim == "?" or dim.isdecimal() for dim in dims)):
            raise click.BadParameter(f"a name and sizes are required, such as image=1x3x224x224, found '{item}'")
        if name in found:
            raise click.BadParameter(f"one shape for input '{name}' is required, found two")
        found[name] = tuple(None if dim == "?" else int(dim) for dim in dims)
    return found


def parse_values(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, Array]:
    """Arrays by input name, from NAME=VALUE; a value is a number, true or false, a list of them in brackets, or the name of a .npy file."""
    found: dict[str, Array] = {}
    for item in value:
        name, equals, text = item.partition("=")
        if not (name and equals and text):
            raise click.BadParameter(f"a name and a value are required, such as k=5, found '{item}'")
        if name in found:
            raise click.BadParameter(f"one value for input '{name}' is required, found two")
        try:
            made = np.load(text, allow_pickle=False) if text.endswith(".npy") else np.asarray(json.loads(text))
        except (OSError, ValueError) as error:
            raise click.BadParameter(
                f"a number, true, false, a list of them such as [1,2] or a .npy file is required for '{name}', found '{text}' ({error})"
            ) from error
        if made.dtype.kind not in "biuf":
            raise click.BadParameter(f"numbers or truth values are required for '{name}', found '{text}'")
        found[name] = made
    return found


def parse_target(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Checks the version a --target-runtime option gives."""
    try:
        if value is not None:
            parse_runtime(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def output_option(metavar: str, what: str, required: bool = True) -> Decorator:
    return click.option("-o", "--output", type=FilePath(), metavar=metavar, required=required, help=what)


force_option = click.option("-f", "--force", is_flag=True, help="Overwrite files that exist.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
seed_option = click.option("--seed", type=click.IntRange(min=0), metavar="N", default=0, show_default=True, help="Seed of random inputs.")
range_option = click.option(
    "--range",
    "bounds",
    type=(float, float),
    default=None,
    metavar="LOW HIGH",
    callback=parse_range,
    help="Range of random inputs. By default -1 to 1 for floats, what they can represent for quantized inputs, all"
    " rows of the table for integers that look up rows of one, 0 to 1 for other integers.",
)
threads_option = click.option("--num-threads", type=click.IntRange(min=1), default=None, metavar="N", help="Threads of the interpreter.")
