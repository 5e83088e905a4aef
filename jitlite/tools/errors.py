"""The error of commands whose arguments do not fit together."""

from jitlite.schemas.errors import JitliteError


class ToolError(JitliteError):
    """A command cannot do what was asked: files that are in the way, arrays that do not fit a model, models that differ too much."""
