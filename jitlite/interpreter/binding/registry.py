"""Steps, and which function makes them for which operator."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray

from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.spec import Call, OpSpec, TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.tables import BuiltinOperator


class Scratch(Record):
    """Memory of the steps one binding returned, 64-byte aligned: those that name the same object share it, in their order.

    Its contents are undefined when the first of them starts. One `is_per_thread` has so many bytes for each thread.
    """

    n_bytes: int
    is_per_thread: bool = False

    def bytes_for(self, threads: int) -> int:
        """Bytes in all."""
        return self.n_bytes * threads if self.is_per_thread else self.n_bytes


class Nested(Record):
    """Steps another step runs: its argument is the address of their table."""

    steps: tuple["Step", ...]


class Run:
    """The block of the plan's run, which every walk over a table needs (see `kernels/team_blocks.py`)."""


Argument = TensorInfo | NDArray[Any] | Scratch | Nested | Run | int | float


class Step(Record):
    """One kernel call: the kernel's family and name, and its arguments by parameter name."""

    family: str
    kernel: str
    arguments: dict[str, Argument]


class UserStep(Step):
    """A call of a kernel that a user's function was compiled to; `library` has it, `options` are those of the call."""

    library: Any
    options: Sequence[Any]


class HostStep(Record):
    """An operator that runs in Python: arrays of its inputs (None for an absent operand) in, arrays of its outputs out.

    With `shapes_known` the outputs have the shapes inference gave; otherwise the arrays returned decide. With `write` it is called instead
    of `run`, with the inputs and the outputs' own memory. An operator that remembers something forgets it with `reset`.
    """

    run: Callable[[Sequence[NDArray[Any] | None]], Sequence[NDArray[Any]]]
    shapes_known: bool = True
    write: Callable[[Sequence[NDArray[Any] | None], Sequence[NDArray[Any]]], None] | None = None
    reset: Callable[[], None] | None = None


class DelegateStep(HostStep):
    """A partition that the delegate of this name runs, or the wait for its end; `partition` is the same object for both."""

    delegate: str = ""
    partition: Any = None


Bound = Step | HostStep | Sequence[Step]
Binding = Callable[[Call], Bound]

BINDINGS: dict[OpSpec, Binding] = {}


def binds(spec: OpSpec) -> Callable[[Binding], Binding]:
    """Registers the function that turns a call of `spec` into steps. It may raise UnsupportedError, InvalidModelError and NeedsValue."""

    def register(function: Binding) -> Binding:
        assert spec not in BINDINGS, f"{spec.name} is bound twice"
        BINDINGS[spec] = function
        return function

    return register


PLANS: dict[OpSpec, Callable[..., tuple[Call, list[Step] | HostStep]]] = {}
"""Functions that make the steps of operators which are not `is_bound`, from the planner, a call and the program's options."""

Plan = TypeVar("Plan", bound=Callable[..., Any])


def plans(spec: OpSpec) -> Callable[[Plan], Plan]:
    """Registers the function that plans calls of `spec`: it returns the call, with its outputs as they turn out, and its steps."""

    def register(function: Plan) -> Plan:
        assert not spec.is_bound, f"{spec.name} is bound"
        assert spec not in PLANS, f"{spec.name} is planned twice"
        PLANS[spec] = function
        return function

    return register


Fusion = Callable[[Call, Call], Bound | None]

FUSIONS: dict[tuple[BuiltinOperator, BuiltinOperator], Fusion] = {}
"""Functions that turn two calls, the second the only reader of the first one's output, into steps of both."""


def fuses(first: BuiltinOperator, second: BuiltinOperator) -> Callable[[Fusion], Fusion]:
    """Registers the function that turns calls of `first` and `second` into steps of both, or returns None where they stay two."""

    def register(function: Fusion) -> Fusion:
        assert (first, second) not in FUSIONS, f"{first.name} and {second.name} are fused twice"
        FUSIONS[first, second] = function
        return function

    return register


class kernels(Record):  # noqa: N801 - reads as a function at the top of a binding module
    """The kernels of one family."""

    family: str

    def step(self, kernel: str, /, **arguments: Argument) -> Step:
        """A step that runs `kernel` of this family; arguments by the names of the kernel's parameters."""
        return Step(self.family, kernel, arguments)


def no_kernel(call: Call, supported: str) -> UnsupportedError:
    """The error for a combination of types without a kernel; `supported` names those that have one."""
    found = ", ".join("none" if info is None else info.type.name for info in call.inputs)
    results = ", ".join(info.type.name for info in call.outputs)
    return call.unsupported(f"operand types {supported} are supported, found ({found}) -> ({results}) in version {call.version}")
