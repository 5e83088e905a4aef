"""Plans of the operators on variables. What they need of the interpreter's state is in `interpreter/state.py` and ADR 10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import HostStep, Step, kernels, plans
from jitlite.interpreter.control import call_once
from jitlite.interpreter.kernels.cells import DIMS, MOST_DIMS, N_BYTES, RANK, TYPE, WORDS
from jitlite.interpreter.state import State, cell_info
from jitlite.schemas.dtypes import byte_size, numpy_dtype
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.ops.variables import ASSIGN_VARIABLE, CALL_ONCE, READ_VARIABLE, VAR_HANDLE, handle_of
from jitlite.schemas.record import replace
from jitlite.schemas.tables import TensorType

if TYPE_CHECKING:
    from jitlite.interpreter.plan import Planner
    from jitlite.interpreter.program import ProgramOptions

K = kernels("variables")


@plans(CALL_ONCE)
def initialise(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, list[Step] | HostStep]:
    return call_once(planner, call, options)


@plans(VAR_HANDLE)
def var_handle(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, list[Step]]:
    handle = planner.state.handles[call.options.container, call.options.shared_name]
    output = call.outputs[0]
    return replace(call, outputs=(replace(output, value=np.full(output.shape, handle, np.int32)),)), []


@plans(ASSIGN_VARIABLE)
def assign_variable(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, list[Step]]:
    x = call.input(1)
    _require_numbers(call, x)
    if x.rank > MOST_DIMS:
        raise call.unsupported(f"values of up to {MOST_DIMS} dimensions are supported, found {x.rank}")
    words = np.zeros(WORDS, np.int64)
    words[N_BYTES], words[TYPE], words[RANK] = byte_size(x.type, x.shape), int(x.type), x.rank
    words[DIMS : DIMS + x.rank] = x.shape
    return call, [K.step("assign_variable", x=x, cell=cell_info(handle_of(call)), words=words, count=int(words[N_BYTES]))]


@plans(READ_VARIABLE)
def read_variable(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, list[Step] | HostStep]:
    """A result that the file declares scalar has the variable's shape; others have the shape that the file declares."""
    handle, y = handle_of(call), call.outputs[0]
    _require_numbers(call, y)
    if y.rank == 0 and handle not in planner.state.scalars:
        return call, _read_any(planner.state, call, handle)
    rank, count = -1 if y.rank else 0, byte_size(y.type, y.shape)
    return call, [K.step("read_variable", cell=cell_info(handle), y=y, type=int(y.type), rank=rank, count=count)]


def _require_numbers(call: Call, info: TensorInfo) -> None:
    if info.type is TensorType.STRING:
        raise call.unsupported("variables of numbers are supported, found one of strings")


def _read_any(state: State, call: Call, handle: int) -> HostStep:
    dtype, code = numpy_dtype(call.outputs[0].type), int(call.outputs[0].type)

    def run(arrays: Sequence[NDArray[Any] | None]) -> list[NDArray[Any]]:
        cell = state.cell(handle)
        if cell[N_BYTES] < 0 or cell[TYPE] != code:
            raise ExecutionError(f"{call.where}: a variable that was assigned a value of type {dtype} is required, found none")
        return [state.value(handle).view(dtype).reshape(cell[DIMS : DIMS + cell[RANK]])]

    return HostStep(run, shapes_known=False)
