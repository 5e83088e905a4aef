"""Variables: step by step what LiteRT computes, with state that outlives runs, allocations and resets of variable tensors."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.complex import ATAN2
from jitlite.schemas.ops.control import IF, WHILE
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.pad import TILE
from jitlite.schemas.ops.variables import ASSIGN_VARIABLE, CALL_ONCE, READ_VARIABLE, VAR_HANDLE
from jitlite.schemas.tables import (
    AddOptions,
    AssignVariableOptions,
    CallOnceOptions,
    IfOptions,
    LessOptions,
    Operator,
    ReadVariableOptions,
    SignatureDef,
    TensorMap,
    TensorType,
    TileOptions,
    VarHandleOptions,
    WhileOptions,
)
from tests.interpreter.models import GraphBuilder, content, new_model

T = TensorType


class StatefulGraph(GraphBuilder):
    def handle(self, name="v", container=""):
        return self.op(VAR_HANDLE, [], [self.tensor((), T.RESOURCE)], VarHandleOptions(container=container, shared_name=name))

    def read(self, handle, shape=(2,), type=T.FLOAT32):
        return self.op(READ_VARIABLE, [handle], [self.tensor(shape, type)], ReadVariableOptions())

    def add(self, x, y, shape=(2,), type=T.FLOAT32):
        return self.op(ADD, [x, y], [self.tensor(shape, type)], AddOptions())

    def assign(self, handle, value):
        self.without_result(ASSIGN_VARIABLE, [handle, value], AssignVariableOptions())

    def once(self, subgraph):
        self.without_result(CALL_ONCE, [], CallOnceOptions(init_subgraph_index=subgraph))

    def without_result(self, spec, inputs, options):
        self.model.operator_codes.append(new_operator_code(spec.code, 1))
        self.graph.operators.append(Operator(opcode_index=len(self.model.operator_codes) - 1, inputs=inputs, builtin_options=options))


def initialiser(model, value, name="v", dtype=np.float32):
    g = StatefulGraph(model)
    g.assign(g.handle(name), g.constant(value, dtype))
    g.finish()


def accumulator(shape=(2,), start=(3, 4), declared=None):
    """v = [start] once; then v = v + x, and the result is v."""
    model = new_model()
    g = StatefulGraph(model)
    x = g.input(shape)
    g.once(1)
    v = g.handle()
    total = g.add(g.read(v, shape if declared is None else declared), x, shape)
    g.assign(v, total)
    g.finish(total)
    initialiser(model, np.reshape(np.asarray(start, np.float32), shape))
    return content(model)


def pair(model):
    """LiteRT and jitlite with the same model, allocated."""
    both = [
        LiteRT(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF),
        Interpreter(model_content=model),
    ]
    for interpreter in both:
        interpreter.allocate_tensors()
    return both


def step(interpreter, *feeds):
    for detail, value in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(detail["index"], np.asarray(value, detail["dtype"]).reshape(detail["shape"]))
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def agree(both, *feeds):
    expected, found = (step(interpreter, *feeds) for interpreter in both)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(other, one)
    return found


@pytest.mark.parametrize(
    ("shape", "start", "declared"), [((2,), (3, 4), None), ((), 5, None), ((1, 2, 1), (1, 2), None), ((2,), (3, 4), ()), ((0,), (), None)]
)
def test_state_lasts(shape, start, declared):
    both = pair(accumulator(shape, start, declared))
    for number in range(12):
        agree(both, np.full(shape, number, np.float32))
        if number == 5:
            for interpreter in both:
                interpreter.reset_all_variables()
        if number == 8:
            for interpreter in both:
                interpreter.allocate_tensors()


def test_a_run_with_variables_is_one_native_call():
    found = Interpreter(model_content=accumulator())
    found.allocate_tensors()
    assert found._main.call is not None


@pytest.mark.parametrize(
    ("type", "dtype"),
    [(T.FLOAT32, np.float32), (T.INT8, np.int8), (T.INT16, np.int16), (T.INT32, np.int32), (T.INT64, np.int64), (T.BOOL, np.bool_)],
)
def test_values_of_each_type_are_kept(type, dtype):
    model = new_model()
    g = StatefulGraph(model)
    x = g.input((3, 5), type)
    g.once(1)
    v = g.handle("v", "a container")
    y = g.read(v, (3, 5), type)
    g.assign(v, x)
    g.finish(y)
    inner = StatefulGraph(model)
    inner.assign(inner.handle("v", "a container"), inner.constant(np.eye(3, 5), dtype))
    inner.assign(inner.handle("v"), inner.constant(np.zeros(2), dtype))
    inner.finish()
    both = pair(content(model))
    rng = np.random.default_rng(0)
    for _ in range(4):
        agree(both, rng.integers(0, 2, (3, 5)))


def test_a_result_has_the_declared_shape_even_if_the_variable_is_larger():
    model = new_model()
    g = StatefulGraph(model)
    v = g.handle()
    g.assign(v, g.input((4,)))
    g.finish(g.read(v, (2,)))
    agree(pair(content(model)), [1, 2, 3, 4])


def test_shapes_may_change_from_run_to_run():
    model = new_model()
    g = StatefulGraph(model)
    counts, x = g.input((1,), T.INT32), g.input((2,))
    v = g.handle()
    g.once(1)
    old = g.read(v, ())
    g.assign(v, g.op(TILE, [x, counts], [g.tensor(())], TileOptions()))
    g.finish(old)
    initialiser(model, [7, 8, 9])
    both = pair(content(model))
    for count in (1, 2, 2, 1, 3, 1):
        agree(both, [count], [count, 5])


@pytest.mark.parametrize(("shape", "declared"), [((2,), (3,)), ((2,), ())])
def test_reading_what_was_not_assigned_fails(shape, declared):
    model = new_model()
    g = StatefulGraph(model)
    x = g.input(shape)
    old = g.read(g.handle(), declared)
    g.assign(g.handle(), x)
    g.finish(old)
    interpreter = Interpreter(model_content=content(model))
    interpreter.allocate_tensors()
    for _ in range(2 if declared else 1):
        with pytest.raises(ExecutionError, match=r"operator 1 .READ_VARIABLE.*: a variable that was assigned a value"):
            step(interpreter, [1, 2])


def test_reading_a_value_of_another_type_fails():
    model = new_model()
    g = StatefulGraph(model)
    g.assign(g.handle(), g.input((2,)))
    g.finish(g.read(g.handle(), (2,), T.INT32))
    interpreter = Interpreter(model_content=content(model))
    interpreter.allocate_tensors()
    with pytest.raises(ExecutionError, match="READ_VARIABLE"):
        step(interpreter, [1, 2])


def test_subgraphs_share_variables_and_initialisers():
    model = new_model()
    g = StatefulGraph(model)
    x = g.input((2,))
    g.once(2)
    total = g.add(g.read(g.handle()), x)
    g.assign(g.handle(), total)
    g.finish(total)
    other = StatefulGraph(model)
    y = other.input((2,))
    other.once(2)
    doubled = other.add(other.read(other.handle()), other.read(other.handle()))
    other.assign(other.handle(), doubled)
    other.finish(other.add(doubled, y))
    initialiser(model, [1, 2])
    for number, (graph, name) in enumerate(((g, "add"), (other, "double"))):
        inputs = [TensorMap(name="x", tensor_index=graph.graph.inputs[0])]
        outputs = [TensorMap(name="y", tensor_index=graph.graph.outputs[0])]
        model.signature_defs.append(SignatureDef(inputs=inputs, outputs=outputs, signature_key=name, subgraph_index=number))
    both = pair(content(model))
    runners = [[interpreter.get_signature_runner(name) for name in ("add", "double")] for interpreter in both]
    for number, which in enumerate((1, 0, 0, 1, 1, 0)):
        expected, found = (pair[which](x=np.array([number, 1], np.float32))["y"] for pair in runners)
        np.testing.assert_array_equal(found, expected)


def branches(model, step_by):
    """Two subgraphs that take a handle and x, assign v + x · step_by and return the handle and x."""
    for count in step_by:
        g = StatefulGraph(model)
        v, x = g.input((), T.RESOURCE), g.input((2,))
        value = g.read(v)
        for _ in range(count):
            value = g.add(value, x)
        g.assign(v, value)
        g.finish(v, x)


def test_handles_pass_through_branches():
    model = new_model()
    g = StatefulGraph(model)
    condition, x = g.input((1,), T.BOOL), g.input((2,))
    g.once(3)
    same, y = g.tensor((), T.RESOURCE), g.tensor((2,))
    g.op(IF, [condition, g.handle(), x], [same, y], IfOptions(then_subgraph_index=1, else_subgraph_index=2))
    g.finish(g.read(same), y)
    branches(model, (1, 3))
    initialiser(model, [1, 2])
    found = Interpreter(model_content=content(model))
    found.allocate_tensors()
    value = np.array([1, 2])
    for number, taken in enumerate((True, False, False, True)):
        value = value + np.array([number, 4]) * (1 if taken else 3)
        np.testing.assert_array_equal(step(found, [taken], [number, 4])[0], value)


def test_handles_pass_through_loops():
    model = new_model()
    g = StatefulGraph(model)
    x = g.input((1,))
    g.once(3)
    same, y = g.tensor((), T.RESOURCE), g.tensor((1,))
    g.op(WHILE, [g.handle(), x], [same, y], WhileOptions(cond_subgraph_index=1, body_subgraph_index=2))
    g.finish(g.read(same, (1,)), y)
    test, body = StatefulGraph(model), StatefulGraph(model)
    test.input((), T.RESOURCE)
    test.finish(test.op(LESS, [test.input((1,)), test.constant([5])], [test.tensor((1,), T.BOOL)], LessOptions()))
    v, n = body.input((), T.RESOURCE), body.input((1,))
    body.assign(v, body.add(body.read(v, (1,)), n, (1,)))
    body.finish(v, body.add(n, body.constant([1]), (1,)))
    initialiser(model, [100])
    found = Interpreter(model_content=content(model))
    found.allocate_tensors()
    results = [step(found, [start])[0].item() for start in (0, 3, 9, 4)]
    assert results == [110, 117, 117, 121]


def test_handles_pass_through_loops_that_run_in_python():
    model = new_model()
    g = StatefulGraph(model)
    x = g.input((1,))
    g.once(3)
    same, y = g.tensor((), T.RESOURCE), g.tensor((1,))
    g.op(WHILE, [g.handle(), x], [same, y], WhileOptions(cond_subgraph_index=1, body_subgraph_index=2))
    g.finish(g.read(same, (1,)), y)
    test, body = StatefulGraph(model), StatefulGraph(model)
    test.input((), T.RESOURCE)
    test.finish(test.op(LESS, [test.input((1,)), test.constant([5])], [test.tensor((1,), T.BOOL)], LessOptions()))
    v, n = body.input((), T.RESOURCE), body.input((1,))
    body.assign(v, body.op(ATAN2, [body.read(v, (1,)), n], [body.tensor((1,))]))
    body.finish(v, body.add(n, body.constant([1]), (1,)))
    initialiser(model, [100])
    found = Interpreter(model_content=content(model))
    found.allocate_tensors()
    assert step(found, [4])[0] == np.arctan2(np.float32(100), np.float32(4))


@pytest.mark.parametrize(
    ("subgraph", "error", "message"),
    [
        (0, InvalidModelError, "subgraph"),
        (2, InvalidModelError, "a subgraph below 2 required, found 2"),
    ],
)
def test_initialisers_that_cannot_be_are_refused(subgraph, error, message):
    model = new_model()
    g = StatefulGraph(model)
    g.once(subgraph)
    g.finish(g.input((2,)))
    initialiser(model, [1, 2])
    with pytest.raises(error, match=message):
        Interpreter(model_content=content(model)).allocate_tensors()


def test_an_initialiser_with_inputs_is_refused():
    model = new_model()
    g, inner = StatefulGraph(model), StatefulGraph(model)
    g.once(1)
    g.finish(g.input((2,)))
    inner.assign(inner.handle(), inner.input((2,)))
    with pytest.raises(InvalidModelError, match="a subgraph without inputs and outputs is required, found 1 and 0"):
        Interpreter(model_content=content(model)).allocate_tensors()


def test_variables_count_as_memory():
    model = new_model()
    g = StatefulGraph(model)
    x = g.input((1000,))
    g.assign(g.handle(), x)
    g.finish(x)
    with pytest.raises(UnsupportedError, match="tensor memory: at most 3999 bytes are allowed, found 4000"):
        Interpreter(model_content=content(model), arena_limit_bytes=3999).allocate_tensors()


def test_int32_handles_are_read_while_running():
    model = new_model()
    g = StatefulGraph(model)
    which = g.input((1,), T.INT32)
    x = g.input((2,))
    for name in ("a", "b"):
        g.assign(g.handle(name), g.constant([1, 2] if name == "a" else [3, 4]))
    g.finish(g.add(g.read(which), x))
    both = pair(content(model))
    for number in (0, 1, 0):
        agree(both, [number], [10, 20])
    for number in (-1, 2, 2**31 - 1):
        with pytest.raises((ExecutionError, InvalidModelError)):
            step(both[1], [number], [10, 20])


@pytest.mark.parametrize("name", ["t0368_vad", "t0387_okay_nabu", "t0402_okay_nabu"])
def test_streaming_models_keep_in_step(corpus, name):
    both = pair((corpus / "models" / f"{name}.tflite").read_bytes())
    rng = np.random.default_rng(0)
    shape = both[0].get_input_details()[0]["shape"]
    level = rng.normal(0, 20, shape)
    for number in range(100):
        level = 0.9 * level + rng.normal(0, 30, shape)
        agree(both, np.clip(level, -128, 127))
        if number in (40, 70):
            for interpreter in both:
                interpreter.reset_all_variables()
