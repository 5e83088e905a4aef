"""Hash tables against LiteRT, whose reference set has HASHTABLE_LOOKUP only."""

import numpy as np
import pytest

from jitlite.interpreter import Interpreter
from jitlite.interpreter.registry import load_bindings
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.control import IF, WHILE
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.hashtable import HASHTABLE, HASHTABLE_FIND, HASHTABLE_IMPORT, HASHTABLE_LOOKUP, HASHTABLE_SIZE
from jitlite.schemas.ops.variables import CALL_ONCE
from jitlite.schemas.strings import as_strings, encode_strings
from jitlite.schemas.tables import (
    AddOptions,
    Buffer,
    CallOnceOptions,
    HashtableFindOptions,
    HashtableImportOptions,
    HashtableOptions,
    HashtableSizeOptions,
    IfOptions,
    LessOptions,
    Operator,
    SignatureDef,
    TensorMap,
    TensorType,
    WhileOptions,
)
from jitlite.schemas.write import write_model
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.interpreter.pairs import agree, allocated, step
from tests.ops.oracle import build, check, constant, operand, result

T = TensorType
load_bindings()


class Graph(GraphBuilder):
    """Tables map INT64 to STRING unless `keys` says otherwise."""

    def value(self, value, type):
        if type is not T.STRING:
            return self.constant(value, np.int64)
        values = as_strings(value)
        self.model.buffers.append(Buffer(data=encode_strings(values)))
        return self.tensor(values.shape, T.STRING, buffer=len(self.model.buffers) - 1)

    def table(self, number=7, keys=T.INT64):
        options = HashtableOptions(table_id=number, key_dtype=keys, value_dtype=other(keys))
        return self.op(HASHTABLE, [], [self.tensor((1,), T.RESOURCE)], options)

    def fill(self, table, keys, values, type=T.INT64):
        self.without_result(HASHTABLE_IMPORT, [table, self.value(keys, type), self.value(values, other(type))], HashtableImportOptions())

    def find(self, table, keys, default, shape, type=T.INT64):
        operands = [table, keys, self.value(default, other(type))]
        return self.op(HASHTABLE_FIND, operands, [self.tensor(shape, other(type))], HashtableFindOptions())

    def size(self, table):
        return self.op(HASHTABLE_SIZE, [table], [self.tensor((1,), T.INT64)], HashtableSizeOptions())

    def once(self, subgraph):
        self.without_result(CALL_ONCE, [], CallOnceOptions(init_subgraph_index=subgraph))

    def without_result(self, spec, inputs, options):
        self.model.operator_codes.append(new_operator_code(spec.code, 1))
        self.graph.operators.append(Operator(opcode_index=len(self.model.operator_codes) - 1, inputs=inputs, builtin_options=options))


def other(type):
    return T.STRING if type is T.INT64 else T.INT64


NUMBERS, NAMES = [5, -1, 2**40, 5, 0], ["five", "", "big €", "five again", "zero"]
SAMPLES = {
    T.INT64: (NUMBERS, NAMES, "none", np.array([[5, 6], [2**40, -1]])),
    T.STRING: (NAMES, NUMBERS, -9, np.array([["zero", "none"], ["big €", ""]])),
}


@pytest.mark.parametrize("keys", [T.INT64, T.STRING])
@pytest.mark.parametrize("is_once", [True, False])
def test_a_table_filled_once(keys, is_once):
    """Filled by the initialiser, or by the main subgraph in its first run; of equal keys the first one counts."""
    model = new_model()
    g, inner = Graph(model), Graph(model)
    known, values, default, asked = SAMPLES[keys]
    x = g.input((2, 2), keys)
    g.once(1)
    table = g.table(keys=keys)
    if not is_once:
        g.fill(table, known, values, keys)
    found = g.find(table, x, [default], (2, 2), keys)
    g.finish(found, g.size(table))
    own = inner.table(keys=keys)
    if is_once:
        inner.fill(own, known, values, keys)
        inner.fill(own, known[:1], values[1:2], keys)
    inner.finish()
    both = allocated(content(model))
    first = agree(both, asked)
    agree(both, asked[::-1].copy())
    assert first[1].tolist() == [len(set(known))]
    for interpreter in both:
        interpreter.reset_all_variables()
    agree(both, asked)


def test_tables_are_shared_and_kept_apart_by_number():
    model = new_model()
    g, inner = Graph(model), Graph(model)
    x = g.input((3,), T.INT64)
    g.once(1)
    one, two = g.table(1), g.table(-2)
    g.finish(g.find(one, x, "-", (3,)), g.find(two, x, "+", (3,)), g.size(one), g.size(two))
    inner.fill(inner.table(1), [1, 2], ["a", "b"])
    inner.fill(inner.table(-2), [2, 3, 4], ["c", "d", "e"])
    inner.finish()
    agree(allocated(content(model)), np.array([1, 2, 3]))


def test_signatures_share_tables():
    model = new_model()
    g, other_graph = Graph(model), Graph(model)
    x = g.input((2,), T.INT64)
    table = g.table()
    g.fill(table, [1], ["one"])
    g.finish(g.find(table, x, "?", (2,)))
    y = other_graph.input((2,), T.INT64)
    own = other_graph.table()
    other_graph.finish(other_graph.find(own, y, "!", (2,)), other_graph.size(own))
    for number, (key, graph) in enumerate((("fill", g), ("read", other_graph))):
        model.signature_defs.append(
            SignatureDef(
                signature_key=key,
                subgraph_index=number,
                inputs=[TensorMap(name="x", tensor_index=0)],
                outputs=[TensorMap(name=f"y{i}", tensor_index=index) for i, index in enumerate(graph.graph.outputs)],
            )
        )
    results = []
    for interpreter in allocated(content(model)):
        found = [interpreter.get_signature_runner(key)(x=np.array([1, 2])) for key in ("fill", "read")]
        results.append([{name: value.tolist() for name, value in item.items()} for item in found])
    assert results[0] == results[1]


def test_branches_and_loops_get_handles():
    model = new_model()
    g, yes, no, test, body = (Graph(model) for _ in range(5))
    condition, x = g.input((1,), T.BOOL), g.input((2,), T.INT64)
    table = g.table()
    g.fill(table, [1, 2], ["one", "two"])
    chosen = g.op(IF, [condition, table, x], [g.tensor((2,), T.STRING)], IfOptions(then_subgraph_index=1, else_subgraph_index=2))
    options = WhileOptions(cond_subgraph_index=3, body_subgraph_index=4)
    outputs = [g.tensor((1,), T.RESOURCE), g.tensor((1,), T.INT64), g.tensor((1,), T.STRING)]
    g.op(WHILE, [table, g.constant([0], np.int64), g.value(["start"], T.STRING)], outputs, options)
    g.finish(chosen, *outputs[1:])
    for graph, default in ((yes, "yes"), (no, "no")):
        handle, keys = graph.input((1,), T.RESOURCE), graph.input((2,), T.INT64)
        graph.finish(graph.find(handle, keys, default, (2,)))
    for graph in (test, body):
        handle, count, text = graph.input((1,), T.RESOURCE), graph.input((1,), T.INT64), graph.input((1,), T.STRING)
        if graph is test:
            test.finish(test.op(LESS, [count, test.constant([2], np.int64)], [test.tensor((1,), T.BOOL)], LessOptions()))
    following = body.op(ADD, [count, body.constant([1], np.int64)], [body.tensor((1,), T.INT64)], AddOptions())
    body.finish(handle, following, body.find(handle, following, "?", (1,)))
    interpreter = Interpreter(model_content=content(model))
    interpreter.allocate_tensors()
    for flag, default in ((True, b"yes"), (False, b"no")):
        found = step(interpreter, np.array([flag]), np.array([1, 3]))
        assert [item.tolist() for item in found] == [[b"one", default], [2], [b"two"]]
    assert text == 2


def failing(fill=True, keys=T.INT64, number=7):
    model = new_model()
    g = Graph(model)
    x = g.input((1,), T.INT64)
    table = g.table(keys=keys)
    if fill:
        known, values, _, _ = SAMPLES[keys]
        g.fill(table, known, values, keys)
    g.finish(g.find(table, x, "-", (1,)), g.size(table))
    return content(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (failing(fill=False), "a table that was filled is required"),
        (failing(keys=T.STRING), "a table of INT64 and STRING is required, found STRING and INT64"),
    ],
)
def test_what_fails_while_running(model, message):
    for interpreter, error in zip(allocated(model), (RuntimeError, ExecutionError)):
        with pytest.raises(error, match=message if error is ExecutionError else None):
            step(interpreter, np.array([1]))


def test_a_table_must_have_been_created():
    model = new_model()
    g, inner = Graph(model), Graph(model)
    handle = g.input((1,), T.RESOURCE)
    g.finish(g.size(handle))
    inner.finish()
    with pytest.raises(UnsupportedError, match="a handle that is known before the first run"):
        Interpreter(model_content=content(model)).allocate_tensors()


@pytest.mark.parametrize(
    ("kinds", "shapes", "message"),
    [
        ((T.INT64, T.INT64), ((2,), (2,)), "keys and values of types INT64 and STRING"),
        ((T.INT64, T.STRING), ((2,), (3,)), "keys and values of one shape"),
    ],
)
def test_broken_rules(kinds, shapes, message):
    model = new_model()
    g = Graph(model)
    operands = [g.table(), *(g.input(shape, kind) for shape, kind in zip(shapes, kinds))]
    g.without_result(HASHTABLE_IMPORT, operands, HashtableImportOptions())
    g.finish()
    with pytest.raises(InvalidModelError, match=message):
        Interpreter(model_content=content(model)).allocate_tensors()


def test_kinds_of_tables():
    model = new_model()
    g = Graph(model)
    g.op(HASHTABLE, [], [g.tensor((1,), T.RESOURCE)], HashtableOptions(key_dtype=T.INT32, value_dtype=T.STRING))
    g.finish()
    with pytest.raises(InvalidModelError, match="keys and values of types INT64 and STRING or STRING and INT64 are required"):
        Interpreter(model_content=content(model)).allocate_tensors()


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64, T.BOOL, T.STRING])
@pytest.mark.parametrize(
    ("keys", "lookup"),
    [
        ([1, 3, 5, 7], [3, 1, 2, 7, 8, -1]),
        ([5], [5, 4]),
        ([3, 1, 2, 0, 9], [0, 1, 2, 3, 9]),
        ([1, 1, 1], [1]),
        ([-(2**31), 0, 2**31 - 1], [2**31 - 1, -(2**31), 0, 5]),
        ([1, 2], []),
    ],
)
def test_lookup(keys, lookup, type):
    """Keys should be sorted; what bsearch makes of others is the reference's answer too."""
    shape = (len(keys),) if type is T.STRING else (len(keys), 2, 3)
    inputs = [constant(np.array(lookup, np.int32)), constant(keys), operand(type, shape)]
    check(HASHTABLE_LOOKUP, None, inputs, [result(type), result(T.UINT8)])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([operand(T.INT32, (2, 2)), operand(T.INT32, (2,)), operand(T.FLOAT32, (2, 3))], "rank 1"),
        ([operand(T.INT64, (2,)), operand(T.INT32, (2,)), operand(T.FLOAT32, (2, 3))], "type INT32"),
        ([operand(T.INT32, (2,)), operand(T.INT32, (2,)), operand(T.FLOAT32, (3, 3))], "one value a key"),
        ([operand(T.INT32, (2,)), operand(T.INT32, (0,)), operand(T.FLOAT32, (0, 3))], "at least one row"),
        ([operand(T.INT32, (2,)), operand(T.INT32, (2,)), operand(T.STRING, (2, 3))], "rank 1"),
    ],
)
def test_broken_lookups(inputs, message):
    content = write_model(build(HASHTABLE_LOOKUP, None, inputs, [result(inputs[2].type, shape=(2,)), result(T.UINT8, shape=(2,))]))
    with pytest.raises(InvalidModelError, match=message):
        Interpreter(model_content=content).allocate_tensors()
