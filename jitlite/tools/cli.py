"""The `jitlite` command: its subcommands, and how errors become messages and exit codes."""

import errno
import warnings
from typing import Any

import click

from jitlite import __version__
from jitlite.schemas.errors import JitliteError
from jitlite.tools.benchmark import benchmark
from jitlite.tools.compare import compare
from jitlite.tools.console import note
from jitlite.tools.convert import convert
from jitlite.tools.inspect import inspect
from jitlite.tools.options import write_examples
from jitlite.tools.quantize import quantize
from jitlite.tools.run import run


def error_text(error: JitliteError | OSError | MemoryError) -> str:
    """One message for a person: what went wrong, and with which file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error) or f"{type(error).__name__}: the machine's memory does not suffice"


EXAMPLES = (
    "jitlite convert model.onnx -o float32.tflite",
    "jitlite quantize float32.tflite -o int8.tflite --scheme int8 --calibration samples.npz",
    "jitlite compare float32.tflite int8.tflite --input samples.npz",
    "jitlite benchmark float32.tflite int8.tflite",
)


class Commands(click.Group):
    """Subcommands whose expected errors end in a message and exit code 1."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, EXAMPLES)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *place: note(f"warning: {message}")
                return super().invoke(ctx)
        except (JitliteError, OSError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            raise click.ClickException(error_text(error)) from error


@click.group(
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
)
@click.version_option(__version__, prog_name="jitlite")
def main() -> None:
    """Convert ONNX models to .tflite, quantize them, and run, time and check them on this machine.

    Results go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.
    """


for command in (convert, quantize, run, benchmark, inspect, compare):
    main.add_command(command)
