"""Plans of the operators on hash tables, which are steps in Python, and the binding of HASHTABLE_LOOKUP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import HostStep, binds, plans
from jitlite.interpreter.state import HashTable, State
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.hashtable import HASHTABLE, HASHTABLE_FIND, HASHTABLE_IMPORT, HASHTABLE_LOOKUP, HASHTABLE_SIZE, table_of
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.record import replace
from jitlite.schemas.strings import filled
from jitlite.schemas.tables import TensorType

if TYPE_CHECKING:
    from jitlite.interpreter.plan import Planner
    from jitlite.interpreter.program import ProgramOptions

Array = NDArray[Any]
Run = Callable[[list[Array]], list[Array]]


def _host(run: Run) -> HostStep:
    """A step of operands that are all present."""
    return HostStep(lambda arrays: run([array for array in arrays if array is not None]))


@plans(HASHTABLE)
def hashtable(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, HostStep]:
    number, kinds, tables = call.options.table_id, (call.options.key_dtype, call.options.value_dtype), planner.state.tables
    handle = np.array([number], np.int32)

    def run(arrays: list[Array]) -> list[Array]:
        tables.setdefault(number, HashTable(*kinds))
        return [handle]

    return replace(call, outputs=(replace(call.outputs[0], value=handle),)), _host(run)


def _table(state: State, call: Call, number: int) -> HashTable:
    """The table of this number; ExecutionError unless it exists and has the types of the call's keys and values."""
    table = state.tables.get(number)
    if table is None:
        raise ExecutionError(f"{call.where}: a table that a HASHTABLE created is required, found none of number {number}")
    if len(call.inputs) == 3:
        found, wanted = (table.key_type, table.value_type), (call.input(1).type, call.input(2).type)
        if found != wanted:
            names = " and ".join(kind.name for kind in wanted)
            raise ExecutionError(f"{call.where}: a table of {names} is required, found {found[0].name} and {found[1].name}")
    return table


@plans(HASHTABLE_IMPORT)
def hashtable_import(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, HostStep]:
    """Fills a table. A table that was filled stays as it is; of equal keys the first one counts."""
    state, number = planner.state, table_of(call)

    def run(arrays: list[Array]) -> list[Array]:
        table = _table(state, call, number)
        if table.entries is None:
            _, keys, values = (array.reshape(-1).tolist() for array in arrays)
            table.entries = dict(zip(reversed(keys), reversed(values)))
        return []

    return call, _host(run)


@plans(HASHTABLE_FIND)
def hashtable_find(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, HostStep]:
    state, number, output = planner.state, table_of(call), call.outputs[0]

    def run(arrays: list[Array]) -> list[Array]:
        entries = _table(state, call, number).entries
        if entries is None:
            raise ExecutionError(f"{call.where}: a table that was filled is required, found one that was not")
        _, keys, defaults = arrays
        default = defaults.reshape(-1)[:1].tolist()[0]
        found = [entries.get(key, default) for key in keys.reshape(-1).tolist()]
        if output.type is TensorType.STRING:
            return [filled(found, keys.shape)]
        return [np.array(found, np.int64).reshape(keys.shape)]

    return call, _host(run)


@plans(HASHTABLE_SIZE)
def hashtable_size(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, HostStep]:
    state, number = planner.state, table_of(call)
    return call, _host(lambda arrays: [np.array([len(_table(state, call, number).entries or ())], np.int64)])


@binds(HASHTABLE_LOOKUP)
def hashtable_lookup(call: Call) -> HostStep:
    """Rows of the values by key, zeros (empty strings) for keys that are not there, and which keys were."""

    def run(arrays: Sequence[Array | None]) -> list[Array]:
        lookup, keys, values = (array for array in arrays if array is not None)
        places = _bisected(lookup, keys)
        hits = places >= 0
        output = values[np.where(hits, places, 0)]
        output[~hits] = b"" if values.dtype == np.object_ else 0
        return [output, hits.astype(np.uint8)]

    return HostStep(run)


def _bisected(wanted: Array, keys: Array) -> Array:
    """Where C's bsearch finds each number among the keys, -1 where it does not; differences wrap, as in the reference."""
    low, high = np.zeros(len(wanted), np.int64), np.full(len(wanted), len(keys), np.int64)
    found = np.full(len(wanted), -1, np.int64)
    while (is_open := (low < high) & (found < 0)).any():
        middle = np.where(is_open, (low + high) // 2, 0)
        difference = wanted - keys[middle]
        found = np.where(is_open & (difference == 0), middle, found)
        high = np.where(is_open & (difference < 0), middle, high)
        low = np.where(is_open & (difference > 0), middle + 1, low)
    return found
