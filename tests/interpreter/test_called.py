"""STABLEHLO_COMPOSITE and STABLEHLO_CASE against LiteRT; its reference set lacks STABLEHLO_CASE."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.bitwise import RIGHT_SHIFT
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.control import STABLEHLO_CASE, STABLEHLO_COMPOSITE, WHILE
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.random import RANDOM_UNIFORM
from jitlite.schemas.ops.reshape import RESHAPE, SHAPE
from jitlite.schemas.tables import (
    AddOptions,
    ConcatenationOptions,
    LessOptions,
    MulOptions,
    RandomOptions,
    ReshapeOptions,
    RightShiftOptions,
    ShapeOptions,
    StablehloCaseOptions,
    StableHLOCompositeOptions,
    TensorType,
    WhileOptions,
)
from tests.interpreter.models import GraphBuilder, content, new_model

F32, I32 = TensorType.FLOAT32, TensorType.INT32


def composite(index: int) -> StableHLOCompositeOptions:
    return StableHLOCompositeOptions(name="test.composite", decomposition_subgraph_index=index, composite_attributes=b"\0")


def run(interpreter: Any, feeds: list[Any]) -> list[Any]:
    interpreter.allocate_tensors()
    for detail, feed in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(detail["index"], feed)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def check(model: bytes, feeds: list[Any], **options: Any) -> None:
    expected = run(LiteRT(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES), feeds)
    interpreter = Interpreter(model_content=model, **options)
    for _ in range(2):
        for found, wanted in zip(run(interpreter, feeds), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def add(g: GraphBuilder, a: int, b: int, shape: tuple[int, ...] = (2, 3)) -> int:
    return g.op(ADD, [a, b], [g.tensor(shape)], AddOptions())


X, Y = np.arange(6, dtype=np.float32).reshape(2, 3), np.full((2, 3), 7, np.float32)


@pytest.mark.parametrize("preserved", [False, True])
def test_composite(preserved: bool) -> None:
    """Two calls of one decomposition, which calls another; operators before, between and behind."""
    model = new_model()
    g, outer, inner = GraphBuilder(model), GraphBuilder(model), GraphBuilder(model)
    x, y = g.input((2, 3)), g.input((2, 3))
    first = g.op(STABLEHLO_COMPOSITE, [add(g, x, y), y], [g.tensor((2, 3))], composite(1))
    second = g.op(STABLEHLO_COMPOSITE, [first, g.constant(Y)], [g.tensor((2, 3))], composite(1))
    g.finish(add(g, second, first), second)
    a, b = outer.input((2, 3)), outer.input((2, 3))
    called = outer.op(STABLEHLO_COMPOSITE, [b, a], [outer.tensor((2, 3))], composite(2))
    outer.finish(outer.op(MUL, [add(outer, a, called), called], [outer.tensor((2, 3))], MulOptions()))
    a, b = inner.input((2, 3)), inner.input((2, 3))
    inner.finish(add(inner, add(inner, a, b), inner.constant([1, 2, 3])))
    check(content(model), [X, Y], experimental_preserve_all_tensors=preserved)


def test_composite_of_parts() -> None:
    """A result that is put together, and one whose parts go different ways."""
    model = new_model()
    g, inner = GraphBuilder(model), GraphBuilder(model)
    x, y = g.input((2, 3)), g.input((2, 3))
    whole = g.op(STABLEHLO_COMPOSITE, [x, y], [g.tensor((4, 3)), g.tensor((2, 3))], composite(1))
    g.finish(whole, whole + 1)
    a, b = inner.input((2, 3)), inner.input((2, 3))
    total = add(inner, a, b)
    joined = inner.op(CONCATENATION, [total, b], [inner.tensor((4, 3))], ConcatenationOptions(axis=0))
    inner.finish(joined, total)
    check(content(model), [X, Y])


def test_composite_that_hands_on() -> None:
    """Results that are an operand, a constant, and one of an operator in Python."""
    model = new_model()
    g, inner = GraphBuilder(model), GraphBuilder(model)
    x, shift = g.input((2, 3)), g.input((3,), I32)
    results = [g.tensor((2, 3)), g.tensor((2,)), g.tensor((3,), I32)]
    g.op(STABLEHLO_COMPOSITE, [x, shift], results, composite(1))
    g.finish(add(g, results[0], x), results[1], results[2])
    a, b = inner.input((2, 3)), inner.input((3,), I32)
    shifted = inner.op(RIGHT_SHIFT, [b, inner.constant(1, np.int32)], [inner.tensor((3,), I32)], RightShiftOptions())
    inner.finish(a, inner.constant([5, 6]), shifted)
    check(content(model), [X, np.array([2, 8, -4], np.int32)])


def test_composite_with_shapes_from_values() -> None:
    model = new_model()
    g, inner = GraphBuilder(model), GraphBuilder(model)
    x, shape = g.input((2, 3)), g.input((2,), I32)
    flat = g.op(STABLEHLO_COMPOSITE, [x, shape], [g.tensor((3, 2))], composite(1))
    g.finish(g.op(SHAPE, [flat], [g.tensor((2,), I32)], ShapeOptions(out_type=I32)), flat)
    a, b = inner.input((2, 3)), inner.input((2,), I32)
    inner.finish(inner.op(RESHAPE, [a, b], [inner.tensor((3, 2))], ReshapeOptions()))
    check(content(model), [X, np.array([3, 2], np.int32)])
    check(content(model), [X, np.array([1, 6], np.int32)])


def choice(index: Any = None) -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    chosen = g.input((), I32) if index is None else g.constant(index, np.int32)
    options = StablehloCaseOptions(branch_subgraph_indices=[1, 2, 3])
    g.finish(g.op(STABLEHLO_CASE, [chosen, g.input((2, 3))], [g.tensor((2, 3))], options))
    for number in range(3):
        inner = GraphBuilder(model)
        inner.finish(add(inner, inner.input((2, 3)), inner.constant([number] * 3)))
    return content(model)


@pytest.mark.parametrize("index", [0, 1, 2, 3, -1])
def test_case(index: int) -> None:
    check(choice(), [np.array(index, np.int32), X])
    found = run(Interpreter(model_content=choice(index)), [X])
    np.testing.assert_array_equal(found[0], X + (index if 0 <= index < 3 else 2))


def broken(inputs: int = 2, result: TensorType = F32, options: Any = None) -> bytes:
    model = new_model()
    g, inner = GraphBuilder(model), GraphBuilder(model)
    g.finish(g.op(STABLEHLO_COMPOSITE, [g.input((2, 3)) for _ in range(inputs)], [g.tensor((2, 3), result)], options or composite(1)))
    inner.finish(add(inner, inner.input((2, 3)), inner.input((2, 3))))
    return content(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (broken(inputs=1), "2 operands for subgraph 1"),
        (broken(result=I32), "the subgraph's type FLOAT32"),
        (broken(options=composite(0)), "never come back|above 0"),
        (broken(options=composite(9)), "subgraph below 2"),
    ],
)
def test_broken_rules(model: bytes, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        Interpreter(model_content=model).allocate_tensors()


def test_random_numbers_go_on_from_round_to_round() -> None:
    """A loop that counts to 4 and adds random numbers, which no two rounds have in common."""
    model = new_model()
    g, test, body = GraphBuilder(model), GraphBuilder(model), GraphBuilder(model)
    count, total = g.tensor((), I32), g.tensor((3,))
    g.op(WHILE, [g.input((), I32), g.input((3,))], [count, total], WhileOptions(cond_subgraph_index=1, body_subgraph_index=2))
    g.finish(total, count)
    number = test.input((), I32)
    test.input((3,))
    test.finish(test.op(LESS, [number, test.constant(4, np.int32)], [test.tensor((), TensorType.BOOL)], LessOptions()))
    number, numbers = body.input((), I32), body.input((3,))
    following = body.op(ADD, [number, body.constant(1, np.int32)], [body.tensor((), I32)], AddOptions())
    drawn = body.op(RANDOM_UNIFORM, [body.constant([3], np.int32)], [body.tensor((3,))], RandomOptions(seed=3, seed2=4))
    body.finish(following, add(body, numbers, drawn, (3,)))
    feeds = [np.array(0, np.int32), np.zeros(3, np.float32)]
    expected = run(LiteRT(model_content=content(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF), feeds)
    found = run(Interpreter(model_content=content(model)), feeds)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)


def test_subgraphs_that_call_more_and_more() -> None:
    model = new_model()
    for level in range(30):
        g = GraphBuilder(model)
        a, b = g.input((2, 3)), g.input((2, 3))
        for _ in range(2):
            a = add(g, a, b) if level == 29 else g.op(STABLEHLO_COMPOSITE, [a, b], [g.tensor((2, 3))], composite(level + 1))
        g.finish(a)
    with pytest.raises(UnsupportedError, match="calls of subgraphs"):
        Interpreter(model_content=content(model)).allocate_tensors()
