"""The exceptions jitlite raises for bad files, unsupported models and bad calibration data.

    JitliteError
    ├── InvalidModelError    the file breaks a rule of the format
    ├── UnsupportedError     legal, but not implemented here
    ├── ConversionError      a source model cannot be converted
    ├── CalibrationError     calibration data do not fit the model
    └── ExecutionError       an operator failed while it ran (an index out of range, a loop without end)

Every message reads *where: what is required, what was found*. Misuse of the Python API raises TypeError or ValueError instead.
"""

from collections.abc import Sequence

from jitlite.schemas.record import Record


class JitliteError(Exception):
    """Base of every error jitlite raises on purpose."""


class InvalidModelError(JitliteError):
    """The file breaks a rule of the format; the message says where."""


class UnsupportedError(JitliteError):
    """The model is legal but asks for something jitlite does not implement; the message names it and what is supported."""


class NodeProblem(Record):
    """A node that cannot be converted: its name, its operator and why.

    `values` names its results and then, nearest first, values computed from them: a node that stands for another one, such as a part of an
    operator that ONNX defines as a function, is known by the first of them that the source model has.
    """

    name: str
    operator: str
    reason: str
    values: tuple[str, ...]


class ConversionError(JitliteError):
    """A source model cannot be converted; the message lists every offending node.

    `inputs_to_fix` names inputs whose values would have to be known, in part because of which it cannot; `nodes` are the offending nodes,
    where nodes are to blame.
    """

    def __init__(self, message: str, inputs_to_fix: Sequence[str] = (), nodes: Sequence[NodeProblem] = ()) -> None:
        super().__init__(message)
        self.inputs_to_fix = tuple(inputs_to_fix)
        self.nodes = tuple(nodes)


class ConversionWarning(UserWarning):
    """A model was converted, but not all that it says could be kept; the message says what and why."""


class CalibrationError(JitliteError):
    """Calibration data do not fit the model; the message says what is required and what was found."""


class ExecutionError(JitliteError):
    """An operator failed while it ran; the message names the node."""
