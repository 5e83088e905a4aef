"""The commands' option that brings custom operators."""

import runpy
from collections.abc import Sequence
from pathlib import Path

import click

from jitlite.tools.errors import ToolError
from jitlite.tools.options import FilePath

LOADED: list[str] = []
"""The files this process has taken custom operators from; processes it starts need them too."""


def load_operators(paths: Sequence[str | Path]) -> None:
    """Runs Python files that register custom operators. ToolError where one fails."""
    for path in paths:
        try:
            runpy.run_path(str(path))
        except (OSError, ToolError):
            raise
        except Exception as error:
            raise ToolError(f"{path}: a Python file that registers custom operators is required: {error!r}") from error
        LOADED.append(str(path))


def _load(context: click.Context, parameter: click.Parameter, value: Sequence[Path]) -> None:
    load_operators(value)


operators_option = click.option(
    "--custom-operators",
    multiple=True,
    type=FilePath(),
    metavar="FILE.py",
    expose_value=False,
    callback=_load,
    help="A Python file that registers custom operators; repeat for several.",
)
