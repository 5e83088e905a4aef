"""What outlives a run and is shared by all subgraphs of an interpreter: variables, hash tables, and which initialisers have run.

Native steps reach both by their addresses. In a plan they are tensors with numbers below -1, the same in every plan of a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import HostStep, Nested, Step
from jitlite.interpreter.budgets import MemoryBudget
from jitlite.interpreter.kernels.cells import ADDRESS, N_BYTES, WORDS
from jitlite.interpreter.memory import aligned_bytes, aligned_zeros
from jitlite.interpreter.placement import Memory
from jitlite.schemas.model import builtin_code
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.strings import StringConstants
from jitlite.schemas.tables import BuiltinOperator, Model, Operator, SubGraph, TensorType

_FIRST = -2


def cell_info(handle: int) -> TensorInfo:
    """The tensor that stands for a variable's cell in steps."""
    return TensorInfo((WORDS,), TensorType.INT64, index=_FIRST - 2 * handle, is_variable=True)


def pending_info(subgraph: int) -> TensorInfo:
    """The tensor that stands for "this initialiser has not run yet" in steps."""
    return TensorInfo((1,), TensorType.BOOL, index=_FIRST - 1 - 2 * subgraph, is_variable=True)


class HashTable(Record, frozen=False):
    """A hash table: `entries` is None until they are imported, and never changes again."""

    key_type: TensorType
    value_type: TensorType
    entries: dict[Any, Any] | None = None


class State:
    """The variables and hash tables of one interpreter; they last as long as it does."""

    def __init__(self, model: Model) -> None:
        self.strings = StringConstants(model)
        self.tables: dict[int, HashTable] = {}
        """The hash tables that exist, by the number in their handles."""
        self._cells: dict[int, NDArray[np.int64]] = {}
        self._values: dict[int, NDArray[np.uint8]] = {}
        self._flags: dict[int, NDArray[np.uint8]] = {}
        self.handles: dict[tuple[str, str], int] = {}
        """Handles by container and name, numbered in the order of the model's VAR_HANDLEs."""
        self.scalars: frozenset[int] = frozenset()
        """Handles of variables that are assigned scalars only, as far as the model says."""
        if any(builtin_code(code) is BuiltinOperator.VAR_HANDLE for code in model.operator_codes):
            self._look(model)

    def _look(self, model: Model) -> None:
        kinds = [builtin_code(code) for code in model.operator_codes]
        ranks: dict[int, set[int]] = {}
        for graph in model.subgraphs:
            known: dict[int, int] = {}
            for op in graph.operators:
                kind = kinds[op.opcode_index]
                if kind is BuiltinOperator.VAR_HANDLE and op.outputs:
                    known[op.outputs[0]] = self.handles.setdefault(variable_name(op), len(self.handles))
                elif kind is BuiltinOperator.ASSIGN_VARIABLE and len(op.inputs) == 2:
                    ranks.setdefault(known.get(op.inputs[0], -1), set()).add(_rank(graph, op.inputs[1]))
        if -1 not in ranks:
            self.scalars = frozenset(handle for handle, found in ranks.items() if found == {0})

    def place(self, memory: Memory, steps: Iterable[Step | HostStep], budget: MemoryBudget) -> None:
        """Makes what steps use of the state addressable, with room for whatever they assign."""
        for step in _native(steps):
            for argument in step.arguments.values():
                if isinstance(argument, TensorInfo) and argument.index <= _FIRST and argument.index not in memory.addresses:
                    memory.place(argument.index, self._memory(argument.index))
            if (step.family, step.kernel) == ("variables", "assign_variable"):
                cell, count = step.arguments["cell"], step.arguments["count"]
                assert isinstance(cell, TensorInfo)
                assert isinstance(count, int)
                self._reserve(cell.index, count, budget)

    def is_pending(self, subgraph: int) -> bool:
        """True until the initialiser has run."""
        return bool(self._memory(pending_info(subgraph).index)[0])

    def set_done(self, subgraph: int) -> None:
        """Notes that the initialiser has run."""
        self._memory(pending_info(subgraph).index)[0] = 0

    def cell(self, handle: int) -> NDArray[np.int64]:
        """The cell of a variable, its own memory."""
        return self._cell(cell_info(handle).index)

    def value(self, handle: int) -> NDArray[np.uint8]:
        """A copy of the bytes of a variable that has a value."""
        return self._values[cell_info(handle).index][: self.cell(handle)[N_BYTES]].copy()

    def _memory(self, number: int) -> NDArray[np.uint8]:
        if (number - _FIRST) % 2 == 0:
            return self._cell(number).view(np.uint8)
        if number not in self._flags:
            self._flags[number] = aligned_bytes(1)
            self._flags[number][0] = 1
        return self._flags[number]

    def _cell(self, number: int) -> NDArray[np.int64]:
        if number not in self._cells:
            self._cells[number] = aligned_zeros((WORDS,), np.int64)
            self._cells[number][N_BYTES] = -1
        return self._cells[number]

    def _reserve(self, number: int, n_bytes: int, budget: MemoryBudget) -> None:
        """Gives a variable memory for values of so many bytes; it keeps the one it has."""
        old = self._values.get(number)
        if old is not None and old.nbytes >= n_bytes:
            return
        found = budget.allocate(n_bytes)
        if old is not None:
            found[: old.nbytes] = old
        self._values[number] = found
        self._cell(number)[ADDRESS] = found.ctypes.data


def variable_name(op: Operator) -> tuple[str, str]:
    """Container and name of the variable a VAR_HANDLE names."""
    options = op.builtin_options
    return getattr(options, "container", ""), getattr(options, "shared_name", "")


def _rank(graph: SubGraph, index: int) -> int:
    return len(graph.tensors[index].shape) if 0 <= index < len(graph.tensors) else -1


def _native(steps: Iterable[Step | HostStep]) -> Iterator[Step]:
    """Native steps and those nested in them."""
    for step in steps:
        if isinstance(step, Step):
            yield step
            for argument in step.arguments.values():
                if isinstance(argument, Nested):
                    yield from _native(argument.steps)
