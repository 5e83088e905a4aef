"""What a file may not make an interpreter use: memory beyond its limit, work beyond its limit."""

from typing import Any

import numpy as np
import pytest

from jitlite.interpreter import Interpreter
from jitlite.interpreter.budgets import MemoryBudget, WorkBudget
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.pad import FILL, RANGE, TILE
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.ops.variables import VAR_HANDLE
from jitlite.schemas.tables import (
    AddOptions,
    DimensionMetadata,
    FillOptions,
    RangeOptions,
    ReshapeOptions,
    SparsityParameters,
    TensorType,
    TileOptions,
    VarHandleOptions,
)
from tests.interpreter.models import GraphBuilder, content, new_model

INT32, INT8, RESOURCE = TensorType.INT32, TensorType.INT8, TensorType.RESOURCE


def test_memory_that_is_let_go_may_be_used_again():
    budget = MemoryBudget(10_000)
    first = budget.allocate(6000)
    with pytest.raises(UnsupportedError, match=r"tensor memory: at most 10000 bytes are allowed, found 1\d+ \(6\d+ in use\)"):
        budget.allocate(6000)
    view = first[10:20]
    del first
    with pytest.raises(UnsupportedError, match="tensor memory"):
        budget.allocate(6000)
    del view
    assert budget.allocate(6000).nbytes == 6000


def test_memory_the_system_lacks_is_refused():
    with pytest.raises(UnsupportedError, match="bytes are required, found less in this system"):
        MemoryBudget(1 << 62).allocate(1 << 60)


def test_work_is_spent():
    budget = WorkBudget(100)
    budget.spend(60, "here")
    with pytest.raises(ExecutionError, match="here: a run within 100 units of work is required, found one that needs more"):
        budget.spend(60, "here")
    budget.restart()
    budget.spend(100, "here")


@pytest.mark.parametrize("limit", [0, -1, 2**62 + 1])
def test_limits_of_work_fit_a_word(limit):
    with pytest.raises(ValueError, match=r"work_limit: a number from 1 to 2\^62 is required"):
        WorkBudget(limit)


def one(spec: Any, inputs: Any, type: TensorType, options: Any, shape: tuple[int, ...] = (1,), **fields: Any) -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    operands = inputs(g)
    g.finish(g.op(spec, operands, [g.tensor(shape, type, **fields)], options))
    return content(model)


RUN_TIME = {
    "RANGE": (one(RANGE, lambda g: [g.input((), INT32) for _ in range(3)], INT32, RangeOptions()), [0, 2**30, 1]),
    "FILL": (one(FILL, lambda g: [g.input((2,), INT32), g.input((), INT32)], INT32, FillOptions()), [[2**15, 2**15], 7]),
    "TILE": (one(TILE, lambda g: [g.input((4,), INT32), g.input((1,), INT32)], INT32, TileOptions()), [[1, 2, 3, 4], [2**28]]),
}


@pytest.mark.parametrize("name", RUN_TIME)
def test_results_whose_size_is_a_run_time_value_count(name):
    model, values = RUN_TIME[name]
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], np.array(value, np.int32))
    with pytest.raises(UnsupportedError, match=r"tensor memory: at most 2147483648 bytes are allowed, found \d+"):
        interpreter.invoke()


def test_more_elements_than_indices_reach_are_refused():
    interpreter = Interpreter(model_content=RUN_TIME["FILL"][0])
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.array([2**16, 2**16], np.int32))
    with pytest.raises(InvalidModelError, match="an output of at most 2147483647 elements is required"):
        interpreter.invoke()


def test_a_large_variable_is_not_made():
    model = new_model()
    g = GraphBuilder(model)
    x, state = g.input((1,), INT8), g.tensor((2**31 - 1,), INT8, is_variable=True)
    g.finish(g.op(ADD, [x, state], [g.tensor((2**31 - 1,), INT8)], AddOptions()))
    with pytest.raises(UnsupportedError, match="tensor memory: at most 1000000 bytes are allowed"):
        Interpreter(model_content=content(model), arena_limit_bytes=10**6).allocate_tensors()


def test_a_large_sparse_constant_is_not_made():
    model = new_model()
    g = GraphBuilder(model)
    constant = g.constant([1.0])
    levels = [DimensionMetadata(dense_size=1)]
    tensor = g.graph.tensors[constant]
    tensor.shape, tensor.sparsity = [1], SparsityParameters(traversal_order=[0], dim_metadata=levels)
    g.finish(g.op(ADD, [g.input((1,)), constant], [g.tensor((1,))], AddOptions()))
    Interpreter(model_content=content(model), arena_limit_bytes=1000).allocate_tensors()
    with pytest.raises(UnsupportedError, match="tensor memory: at most 3 bytes are allowed, found 4"):
        Interpreter(model_content=content(model), arena_limit_bytes=3).allocate_tensors()


def test_a_handle_is_one_element():
    model = one(VAR_HANDLE, lambda g: [], RESOURCE, VarHandleOptions(shared_name="v"), shape=(2**31 - 1,))
    with pytest.raises(InvalidModelError, match="a handle of one element is required, found shape"):
        Interpreter(model_content=model).allocate_tensors()


def test_results_of_several_stages_count_together():
    """Each stage's arena alone would fit; all are needed at once."""
    model = new_model()
    g = GraphBuilder(model)
    x, shape = g.input((1000,)), g.input((1,), INT32)
    first = g.op(ADD, [x, x], [g.tensor((1000,))], AddOptions())
    second = g.op(RESHAPE, [first, shape], [g.tensor((1000,))], ReshapeOptions())
    g.finish(g.op(ADD, [second, x], [g.tensor((1000,))], AddOptions()), first)
    interpreter = Interpreter(model_content=content(model), arena_limit_bytes=13_000)
    interpreter.allocate_tensors()
    interpreter.set_tensor(1, np.array([1000], np.int32))
    with pytest.raises(UnsupportedError, match=r"tensor memory: at most 13000 bytes are allowed, found \d+ \(\d+ in use\)"):
        interpreter.invoke()
