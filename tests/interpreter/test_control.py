"""Rules IF and WHILE keep, broken one by one: each is an InvalidModelError and nothing runs."""

import re
from typing import Any

import numpy as np
import pytest

from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.control import IF, WHILE
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.scatter import DYNAMIC_UPDATE_SLICE
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import (
    AddOptions,
    DynamicUpdateSliceOptions,
    IfOptions,
    LessOptions,
    MulOptions,
    SliceOptions,
    TensorType,
    WhileOptions,
)
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.interpreter.pairs import agree, allocated, step

FLOAT32, INT32, BOOL = TensorType.FLOAT32, TensorType.INT32, TensorType.BOOL
BRANCHES = IfOptions(then_subgraph_index=1, else_subgraph_index=2)


def branch(options: Any = BRANCHES, shape: tuple[int, ...] = (1,), type: TensorType = BOOL, result: TensorType = FLOAT32) -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    g.finish(g.op(IF, [g.input(shape, type), g.input((2,))], [g.tensor((2,), result)], options))
    for _ in range(2):
        inner = GraphBuilder(model)
        inner.finish(inner.op(ADD, [inner.input((2,)), inner.constant([1, 1])], [inner.tensor((2,))], AddOptions()))
    return content(model)


def loop(options: Any = None, condition: TensorType = BOOL, elements: int = 1, result: TensorType = FLOAT32) -> bytes:
    model = new_model()
    g, test, body = GraphBuilder(model), GraphBuilder(model), GraphBuilder(model)
    options = options or WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)
    g.finish(g.op(WHILE, [g.input((elements,))], [g.tensor((elements,), result)], options))
    x = test.input((elements,))
    if condition is BOOL:
        test.finish(test.op(LESS, [x, test.constant([9] * elements)], [test.tensor((elements,), BOOL)], LessOptions()))
    else:
        test.finish(x)
    body.finish(body.op(ADD, [body.input((elements,)), body.constant([1])], [body.tensor((elements,))], AddOptions()))
    return content(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (branch(AddOptions()), "options IfOptions are required, found AddOptions"),
        (branch(shape=(0,)), "a condition with one element is required, found shape (0,)"),
        (branch(type=FLOAT32), "a condition of type BOOL is required, found FLOAT32"),
        (branch(result=INT32), "branch outputs of type INT32 are required, found FLOAT32"),
        (loop(AddOptions()), "options WhileOptions are required, found AddOptions"),
        (loop(condition=FLOAT32), "one output of type BOOL is required of the condition, found ['FLOAT32']"),
        (loop(elements=2), "a condition with one element is required, found shape (2,)"),
        (
            loop(WhileOptions(cond_subgraph_index=1, body_subgraph_index=1)),
            "results of types ['FLOAT32'] are required of the body, found ['BOOL']",
        ),
        (loop(result=INT32), "output 0 of type FLOAT32 is required, found INT32"),
    ],
)
def test_broken_rules_of_control_flow_are_refused(model, message):
    with pytest.raises(InvalidModelError, match=re.escape(message)):
        Interpreter(model_content=model).allocate_tensors()


@pytest.mark.parametrize("model", [branch(), loop()])
def test_the_models_without_a_broken_rule_run(model):
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    interpreter.invoke()


TURNS = 3
CROSSING = "parts of the state change places"
BODIES = {
    CROSSING: lambda a, b, row, put, add: (b, a),
    "one part stays": lambda a, b, row, put, add: (add(a, b), b),
    "one part in both places": lambda a, b, row, put, add: (b, b),
    "rows are written": lambda a, b, row, put, add: (put(a, row(b)), add(b, b)),
    "rows are written into what another reads": lambda a, b, row, put, add: (put(a, row(b)), add(a, b)),
    "rows are written twice": lambda a, b, row, put, add: (put(a, row(b)), put(a, row(a))),
    "rows are written into what was written": lambda a, b, row, put, add: (put(put(a, row(b)), row(b)), b),
    "rows are written into another part": lambda a, b, row, put, add: (put(b, row(b)), put(a, row(b))),
}


def turning(name: str) -> bytes:
    """A loop of three turns over (turn, (turn, 0), a, b) with a and b of shape (3, 2)."""
    model = new_model()
    g, test, body = GraphBuilder(model), GraphBuilder(model), GraphBuilder(model)
    kinds = [((1,), INT32), ((2,), INT32), ((TURNS, 2), FLOAT32), ((TURNS, 2), FLOAT32)]
    options = WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)
    results = [g.tensor(*kind) for kind in kinds]
    g.op(WHILE, [g.input(*kind) for kind in kinds], results, options)
    g.finish(*results)
    turn, *_ = [test.input(*kind) for kind in kinds]
    test.finish(test.op(LESS, [turn, test.constant([TURNS], np.int32)], [test.tensor((1,), BOOL)], LessOptions()))
    turn, start, a, b = (body.input(*kind) for kind in kinds)

    def op(spec: OpSpec, operands: list[int], shape: tuple[int, ...], type: TensorType, options: Any) -> int:
        made = body.tensor(shape, type)
        body.op(spec, operands, [made], options)
        return made

    def row(x: int) -> int:
        """Twice the row of x that has the turn's number."""
        one = op(SLICE, [x, start, body.constant([1, 2], np.int32)], (1, 2), FLOAT32, SliceOptions())
        return op(MUL, [one, body.constant([2.0])], (1, 2), FLOAT32, MulOptions())

    def put(x: int, update: int) -> int:
        return op(DYNAMIC_UPDATE_SLICE, [x, update, start], (TURNS, 2), FLOAT32, DynamicUpdateSliceOptions())

    def add(x: int, y: int) -> int:
        return op(ADD, [x, y], (TURNS, 2), FLOAT32, AddOptions())

    changed = BODIES[name](a, b, row, put, add)
    following = op(ADD, [turn, body.constant([1], np.int32)], (1,), INT32, AddOptions())
    place = op(ADD, [start, body.constant([1, 0], np.int32)], (2,), INT32, AddOptions())
    body.finish(following, place, *changed)
    return content(model)


FEEDS = [np.zeros(1, np.int32), np.zeros(2, np.int32), *np.random.default_rng(0).uniform(-1, 1, (2, TURNS, 2)).astype(np.float32)]


@pytest.mark.parametrize("name", sorted(BODIES.keys() - {CROSSING}))
def test_a_turn_sees_the_state_before_it(name: str) -> None:
    agree(allocated(turning(name)), *FEEDS)


def test_parts_of_the_state_change_places() -> None:
    """LiteRT 2.3 copies them one after the other, and loses one."""
    interpreter = Interpreter(model_content=turning(CROSSING))
    interpreter.allocate_tensors()
    _, _, a, b = step(interpreter, *FEEDS)
    np.testing.assert_array_equal(a, FEEDS[3])
    np.testing.assert_array_equal(b, FEEDS[2])
