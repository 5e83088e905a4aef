"""Engines that are not dependencies: said what to install where one is missing, and their failures as one line."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from jitlite.schemas.errors import ConversionError, JitliteError

COLOURS = re.compile(r"\x1b\[[0-9;]*m")

PACKAGES = {"keras": "'keras>=3'", "tensorflow": "tensorflow-cpu", "tf2onnx": "'tf2onnx>=1.17'"}
"""What to install for a module where it is not the package of its name: tf2onnx before 1.17 allows no current protobuf."""


def require_engines(where: str, what: str, modules: tuple[str, ...]) -> None:
    """ConversionError with the command that installs what is missing; imports nothing."""
    if any(find_spec(name) is None for name in modules):
        packages = " ".join(PACKAGES.get(name, name) for name in modules)
        missing = " and ".join(name for name in modules if find_spec(name) is None)
        raise ConversionError(f"{where}: {' and '.join(modules)} are required to export {what}, found no {missing}: pip install {packages}")


@contextmanager
def exporting(where: str, engine: str) -> Iterator[None]:
    """Turns whatever an exporter raises into a ConversionError; warnings, which are about exporters' own code, are not shown."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except JitliteError:
        raise
    except Exception as error:  # exporters raise whatever their translations of operators do
        raise ConversionError(f"{where}: {engine} cannot export the model: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The first line of what an error was caused by in the first place, for a terminal or not."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in COLOURS.sub("", str(error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
