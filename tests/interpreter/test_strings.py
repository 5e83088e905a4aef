"""Strings into a model, through control flow and out of it, as in LiteRT's Python interface."""

import numpy as np
import pytest

from jitlite.interpreter import CustomOperator, Interpreter
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops.comparison import EQUAL
from jitlite.schemas.ops.control import IF, STABLEHLO_COMPOSITE, WHILE
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.pad import FILL, TILE
from jitlite.schemas.ops.reshape import RESHAPE, SHAPE
from jitlite.schemas.ops.variables import ASSIGN_VARIABLE, VAR_HANDLE
from jitlite.schemas.strings import as_strings, decode_strings, encode_strings
from jitlite.schemas.tables import (
    AssignVariableOptions,
    Buffer,
    EqualOptions,
    FillOptions,
    GatherOptions,
    IfOptions,
    ReshapeOptions,
    ShapeOptions,
    SignatureDef,
    StableHLOCompositeOptions,
    TensorMap,
    TensorType,
    TileOptions,
    VarHandleOptions,
    WhileOptions,
)
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.interpreter.pairs import agree, allocated, step

T = TensorType


class Graph(GraphBuilder):
    def strings(self, value):
        values = as_strings(value)
        self.model.buffers.append(Buffer(data=encode_strings(values)))
        return self.tensor(values.shape, T.STRING, buffer=len(self.model.buffers) - 1)

    def reshape(self, x, *shape):
        return self.op(RESHAPE, [x], [self.tensor(shape, T.STRING)], ReshapeOptions(new_shape=list(shape)))

    def equal(self, x, y, *shape):
        return self.op(EQUAL, [x, y], [self.tensor(shape, T.BOOL)], EqualOptions())


def column():
    model = new_model()
    g = Graph(model)
    g.finish(g.reshape(g.input((2, 2), T.STRING), 4))
    return content(model)


@pytest.mark.parametrize(
    "value",
    [
        np.array([["a", "bé"], ["", b"x\0y\0"]], np.object_),
        np.array([["a", "€"], ["", "zz"]]),
        np.array([[b"a", b"bb"], [b"", b"z\0"]]),
        np.array([[b"a", b"bb"], [b"", b"z\0"]], np.object_).T,
    ],
)
def test_strings_go_in_and_out(value):
    both = allocated(column())
    agree(both, value)
    assert both[1].get_tensor(0).tolist() == both[0].get_tensor(0).tolist()


def test_details():
    expected, found = (interpreter.get_tensor_details()[0] for interpreter in allocated(column()))
    assert found["dtype"] is expected["dtype"] is np.bytes_
    assert found["shape"].tolist() == expected["shape"].tolist() == [2, 2]


@pytest.mark.parametrize("value", [np.zeros((2, 2), np.float32), np.array(["a"] * 4), np.array([["a", 1], ["b", "c"]], np.object_)])
def test_what_is_not_accepted(value):
    for interpreter in allocated(column()):
        with pytest.raises(ValueError):
            interpreter.set_tensor(0, value)


def test_strings_that_were_not_set_are_empty():
    interpreter = Interpreter(model_content=column())
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert interpreter.get_tensor(1).tolist() == [b""] * 4


def test_inputs_are_copied_and_results_are_copies():
    interpreter = Interpreter(model_content=column())
    interpreter.allocate_tensors()
    value = np.full((2, 2), b"a", np.object_)
    (found,) = step(interpreter, value)
    value[:] = found[:] = b"other"
    interpreter.invoke()
    assert interpreter.get_tensor(1).tolist() == [b"a"] * 4


def test_resized_inputs():
    model = new_model()
    g = Graph(model)
    x = g.input((1,), T.STRING)
    g.finish(g.equal(x, g.strings(["b"]), 1), g.op(SHAPE, [x], [g.tensor((1,), T.INT32)], ShapeOptions(out_type=T.INT32)))
    both = allocated(content(model))
    for interpreter in both:
        interpreter.resize_tensor_input(0, [3])
        interpreter.allocate_tensors()
    agree(both, np.array(["a", "b", "c"]))


def test_constants_are_results():
    model = new_model()
    g = Graph(model)
    x, c = g.input((2,), T.STRING), g.strings(["one", "", "three"])
    g.finish(c, g.op(GATHER, [c, g.constant([2, 0], np.int32)], [g.tensor((2,), T.STRING)], GatherOptions()), g.reshape(x, 2, 1))
    found = agree(allocated(content(model)), np.array(["p", "q"]))
    assert found[0].tolist() == [b"one", b"", b"three"]


def test_shapes_known_at_run_time():
    """A stage ends in front of the TILE; strings of the stages before it last."""
    model = new_model()
    g = Graph(model)
    x, times = g.input((2,), T.STRING), g.input((1,), T.INT32)
    head = g.reshape(x, 2)
    tiled = g.op(TILE, [head, times], [g.tensor((2,), T.STRING)], TileOptions())
    g.finish(g.equal(tiled, g.strings("a"), 2), tiled, head)
    both = allocated(content(model))
    for count in (1, 3, 0, 2):
        agree(both, np.array(["a", "b"]), np.array([count], np.int32))


def test_branches():
    model = new_model()
    g = Graph(model)
    condition, x = g.input((1,), T.BOOL), g.input((2,), T.STRING)
    chosen = g.op(IF, [condition, x], [g.tensor((2, 1), T.STRING)], IfOptions(then_subgraph_index=1, else_subgraph_index=2))
    g.finish(chosen, g.reshape(chosen, 2))
    yes, no = Graph(model), Graph(model)
    yes.finish(yes.reshape(yes.input((2,), T.STRING), 2, 1))
    y = no.input((2,), T.STRING)
    no.finish(no.op(GATHER, [no.reshape(y, 2), no.constant([[1], [0]], np.int32)], [no.tensor((2, 1), T.STRING)], GatherOptions()))
    both = allocated(content(model))
    for flag in (True, False, True):
        agree(both, np.array([flag]), np.array(["one", "two"]))


def test_branches_that_hand_strings_through():
    model = new_model()
    g = Graph(model)
    condition, x, y = g.input((1,), T.BOOL), g.input((2,), T.STRING), g.input((2,), T.STRING)
    g.finish(g.op(IF, [condition, x, y], [g.tensor((2,), T.STRING)], IfOptions(then_subgraph_index=1, else_subgraph_index=2)))
    for place in (0, 1):
        inner = Graph(model)
        inputs = [inner.input((2,), T.STRING), inner.input((2,), T.STRING)]
        inner.finish(inputs[place])
    both = allocated(content(model))
    for flag in (True, False):
        agree(both, np.array([flag]), np.array(["a", "b"]), np.array(["c", "d"]))


def test_a_loop_carries_strings():
    """While the first string is not the last one of four, turn them round."""
    model = new_model()
    g, test, body = Graph(model), Graph(model), Graph(model)
    x = g.input((4,), T.STRING)
    g.finish(g.op(WHILE, [x], [g.tensor((4,), T.STRING)], WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)))
    y = test.input((4,), T.STRING)
    first = test.op(GATHER, [y, test.constant([0], np.int32)], [test.tensor((1,), T.STRING)], GatherOptions())
    test.finish(test.equal(first, test.strings(["go"]), 1))
    z = body.input((4,), T.STRING)
    body.finish(body.op(GATHER, [z, body.constant([1, 2, 3, 0], np.int32)], [body.tensor((4,), T.STRING)], GatherOptions()))
    both = allocated(content(model))
    agree(both, np.array(["go", "go", "stop", "x"]))
    agree(both, np.array(["stop", "go", "a longer one", ""]))


def test_composites():
    model = new_model()
    g, inner = Graph(model), Graph(model)
    x = g.input((2, 1), T.STRING)
    options = StableHLOCompositeOptions(name="c", decomposition_subgraph_index=1)
    g.finish(g.op(STABLEHLO_COMPOSITE, [x], [g.tensor((2,), T.STRING)], options))
    inner.finish(inner.reshape(inner.input((2, 1), T.STRING), 2))
    interpreter = Interpreter(model_content=content(model))
    interpreter.allocate_tensors()
    assert step(interpreter, np.array([["a"], ["b"]]))[0].tolist() == [b"a", b"b"]


def test_signatures():
    model = new_model()
    g = Graph(model)
    x = g.input((2,), T.STRING)
    y = g.equal(x, g.strings("ü"), 2)
    g.finish(y, g.reshape(x, 1, 2))
    maps = [TensorMap(name="x", tensor_index=x)], [TensorMap(name=name, tensor_index=index) for name, index in zip("yz", g.graph.outputs)]
    model.signature_defs.append(SignatureDef(signature_key="s", inputs=maps[0], outputs=maps[1]))
    runners = [interpreter.get_signature_runner("s") for interpreter in allocated(content(model))]
    expected, found = (runner(x=np.array(["ü", "u"])) for runner in runners)
    assert {name: value.tolist() for name, value in found.items()} == {name: value.tolist() for name, value in expected.items()}


def test_operators_in_python_take_and_return_strings():
    model = new_model()
    g = Graph(model)
    g.finish(g.op("Upper", [g.reshape(g.input((2,), T.STRING), 2, 1)], [g.tensor((2, 1), T.STRING)]))

    def upper(x):
        return np.array([[item.decode().upper()] for item in x.reshape(-1)], np.object_)

    def upper_out(x, out):
        out[:, 0] = [item.decode().upper() for item in x.reshape(-1)]

    def same(call):
        return [call.inputs[0]]

    for operator in (upper, CustomOperator("Upper", upper, same), CustomOperator("Upper", upper_out, same)):
        interpreter = Interpreter(model_content=content(model), custom_operators={"Upper": operator})
        interpreter.allocate_tensors()
        assert step(interpreter, np.array(["a", "ß"]))[0].tolist() == [[b"A"], [b"SS"]]
    interpreter = Interpreter(model_content=content(model), custom_operators={"Upper": lambda x: np.zeros((2, 1))})
    interpreter.allocate_tensors()
    with pytest.raises(ExecutionError, match="text or bytes are required, found float64"):
        interpreter.invoke()


def test_preserved_strings():
    model = new_model()
    g = Graph(model)
    head = g.reshape(g.input((2,), T.STRING), 2, 1)
    g.finish(g.reshape(head, 1, 2))
    interpreter = Interpreter(model_content=content(model), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    step(interpreter, np.array(["a", "b"]))
    assert interpreter.get_tensor(head).tolist() == [[b"a"], [b"b"]]


def test_strings_count_against_the_memory_limit():
    model = new_model()
    g = Graph(model)
    g.finish(g.op(FILL, [g.constant([2**30], np.int32), g.strings("a")], [g.tensor((1,), T.STRING)], FillOptions()))
    with pytest.raises(UnsupportedError, match="tensor memory: at most 2147483648 bytes are allowed, found 8589934592"):
        Interpreter(model_content=content(model)).allocate_tensors()


def test_variables_of_strings_are_not_supported():
    model = new_model()
    g = Graph(model)
    handle = g.op(VAR_HANDLE, [], [g.tensor((), T.RESOURCE)], VarHandleOptions(shared_name="v"))
    x = g.input((1,), T.STRING)
    g.op(ASSIGN_VARIABLE, [handle, x], [0], AssignVariableOptions())
    g.graph.operators[-1].outputs = []
    g.finish(x)
    with pytest.raises(UnsupportedError, match="variables of numbers are supported"):
        Interpreter(model_content=content(model)).allocate_tensors()


def table(count, *places, text=b""):
    return np.array([count, *places], np.int32).tobytes() + text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\1\0\0", "a string table of at least 16 bytes"),
        (table(2, 16, 17, text=b"ab"), "a string table of at least|ascending string places|strings required"),
        (table(3, 16, 17, 18, text=b"ab"), "2 strings required, found 3"),
        (table(-1, 16, 17, 18, text=b"ab"), "2 strings required, found -1"),
        (table(2, 16, 18, 17, text=b"ab"), "ascending string places"),
        (table(2, 15, 17, 18, text=b"ab"), "ascending string places"),
        (table(2, 16, 17, 19, text=b"ab"), "ascending string places"),
        (table(2, 16, -1, 18, text=b"ab"), "ascending string places"),
        (table(2, 16, 17, 17, text=b"ab"), "ascending string places"),
    ],
)
def test_broken_tables_are_refused(data, message):
    model = new_model()
    g = Graph(model)
    model.buffers.append(Buffer(data=data))
    g.finish(g.equal(g.input((2,), T.STRING), g.tensor((2,), T.STRING, buffer=1), 2))
    with pytest.raises(InvalidModelError, match=message):
        Interpreter(model_content=content(model))


@pytest.mark.parametrize("items", [[], [b""], [b"a", b"", b"\0\xff", "€".encode()]])
def test_tables_come_back(items):
    values = as_strings(np.array(items, np.object_))
    assert decode_strings(encode_strings(values), values.shape, "here").tolist() == items
