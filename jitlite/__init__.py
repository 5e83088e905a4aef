"""jitlite: convert, quantize and run TFLite models on small devices."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jitlite.interpreter import Interpreter, custom_kernel, custom_operator
    from jitlite.interpreter.delegates import load_delegate
    from jitlite.quantization import Recipe
    from jitlite.schemas.errors import JitliteError
    from jitlite.tools.api import benchmark, compare, convert, load, quantize, save
    from jitlite.tools.metadata import MetadataOptions

__version__ = "0.1.0"

_ON_DEMAND = {
    "Interpreter": "jitlite.interpreter",
    "JitliteError": "jitlite.schemas.errors",
    "MetadataOptions": "jitlite.tools.metadata",
    "Recipe": "jitlite.quantization",
    "benchmark": "jitlite.tools.api",
    "compare": "jitlite.tools.api",
    "convert": "jitlite.tools.api",
    "custom_kernel": "jitlite.interpreter.custom",
    "custom_operator": "jitlite.interpreter.custom",
    "load": "jitlite.tools.api",
    "load_delegate": "jitlite.interpreter.delegates",
    "quantize": "jitlite.tools.api",
    "save": "jitlite.tools.api",
}

__all__ = [
    "Interpreter",
    "JitliteError",
    "MetadataOptions",
    "Recipe",
    "benchmark",
    "compare",
    "convert",
    "custom_kernel",
    "custom_operator",
    "load",
    "load_delegate",
    "quantize",
    "save",
]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use: a device that only runs models needs neither onnx nor a compiler."""
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ON_DEMAND[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
