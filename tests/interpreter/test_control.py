"""Rules IF and WHILE keep, broken one by one: each is an InvalidModelError and nothing runs."""

import re
from typing import Any

import pytest

from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.control import IF, WHILE
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.tables import AddOptions, IfOptions, LessOptions, TensorType, WhileOptions
from tests.interpreter.models import GraphBuilder, content, new_model

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
