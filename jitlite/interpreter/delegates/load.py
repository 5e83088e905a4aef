"""Finds delegates by name: jitlite's own, and those that installed packages bring."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jitlite.interpreter.delegates.protocol import Delegate

GROUP = "jitlite.delegates"
"""The group of entry points in which packages name their delegates: each is a function of a mapping of options, such as the class."""

OWN = {"numpy": "jitlite.interpreter.delegates.numpy_delegate:NumpyDelegate"}
"""jitlite's own delegates."""


def delegate_names() -> list[str]:
    """The names `load_delegate` knows."""
    from importlib.metadata import entry_points

    return sorted({*OWN, *(point.name for point in entry_points(group=GROUP))})


def _function(name: str) -> Any:
    if name in OWN:
        module, _, attribute = OWN[name].partition(":")
        return getattr(import_module(module), attribute)
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        raise ValueError(f"delegate: one of {', '.join(delegate_names())} is required, found '{name}'")
    return found.load()


def load_delegate(library: str, options: Mapping[str, Any] | None = None) -> Delegate:
    """A delegate by its name, for `Interpreter(experimental_delegates=[…])`; options become texts, as in LiteRT.

    ValueError for an unknown name or option, also with the reason why a delegate cannot be had here.
    """
    from jitlite.interpreter.delegates.protocol import Delegate

    given = {str(key): str(value) for key, value in (options or {}).items()}
    try:
        found = _function(str(library))(given)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"delegate {library}: it cannot be loaded: {error!r}") from error
    if not isinstance(found, Delegate):
        raise ValueError(f"delegate {library}: a jitlite Delegate is required, found {type(found).__name__}")
    return found
