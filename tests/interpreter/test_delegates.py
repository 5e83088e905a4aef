"""Delegates: division, device memory, asynchronous runs, failures, shapes."""

import gc
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from flatbuffers import flexbuffers
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite
from jitlite.interpreter import Interpreter
from jitlite.interpreter.delegates import Delegate, DelegateKernel, DelegateWarning, load_delegate
from jitlite.interpreter.delegates.numpy_functions import FUNCTIONS, Function
from jitlite.schemas.errors import ExecutionError, UnsupportedError
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.control import WHILE
from jitlite.schemas.ops.elementwise import ABS, ADD, EXP, MUL, NEG, SUB
from jitlite.schemas.ops.pad import FILL
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.ops.selection import WHERE
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import (
    AbsOptions,
    AddOptions,
    ExpOptions,
    FillOptions,
    LessOptions,
    MulOptions,
    NegOptions,
    ReshapeOptions,
    SignatureDef,
    SubOptions,
    TensorMap,
    TensorType,
    WhereOptions,
    WhileOptions,
)
from tests.interpreter.devices import AsyncDevice, Device
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.interpreter.test_program import run

X = np.linspace(-2, 3, 12, dtype=np.float32).reshape(3, 4)
DEVICES = pytest.mark.parametrize("device", [Device, AsyncDevice])


OPTIONS = {ADD: AddOptions, MUL: MulOptions, SUB: SubOptions, ABS: AbsOptions, EXP: ExpOptions, NEG: NegOptions}


class Chain:
    """A graph of operators on tensors of one shape."""

    def __init__(self, shape=(3, 4)):
        self.model, self.shape = new_model(), shape
        self.g = GraphBuilder(self.model)
        self.x = self.g.input(shape)

    def op(self, spec, *inputs):
        return self.g.op(spec, list(inputs), [self.g.tensor(self.shape)], OPTIONS[spec]())

    def number(self, value):
        return self.g.constant(value)

    def done(self, *outputs) -> bytes:
        self.g.finish(*outputs)
        return content(self.model)


def mixed() -> bytes:
    """0 ADD, 1 MUL | 2 ABS | 3 SUB of 2 and 1, 4 ADD of 1 again | 5 EXP: two partitions for a device of arithmetic."""
    c = Chain()
    a = c.op(MUL, c.op(ADD, c.x, c.number(1)), c.number(0.5))
    b = c.op(SUB, c.op(ABS, a), a)
    return c.done(c.op(EXP, c.op(ADD, b, a)), b)


def check(model, delegates, *values, runs=2, **settings):
    """Runs a model with delegates and without: equal results. Returns the interpreter with."""
    expected = run(Interpreter(model_content=model), *values)
    interpreter = Interpreter(model_content=model, experimental_delegates=delegates, **settings)
    for _ in range(runs):
        for found, wanted in zip(run(interpreter, *values), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
    return interpreter


def labels(interpreter):
    return [label for _, label, _ in interpreter.profile()]


@DEVICES
@pytest.mark.parametrize("pinned", ["no", "yes"])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_mixed_partitions(device, pinned, num_threads):
    delegate = device(pinned=pinned)
    interpreter = check(mixed(), [delegate], X, num_threads=num_threads)
    assert delegate.calls[0] == ("prepare", [(0, 1), (3, 4)])
    assert [label for label in labels(interpreter) if "wait" not in label] == [
        f"DELEGATE {delegate.name}, 2 operators",
        "ABS",
        f"DELEGATE {delegate.name}, 2 operators",
        "EXP",
    ]
    x, scaled, positive, difference, total = 0, 4, 5, 6, 7
    assert delegate.copied.keys() == {x, scaled, positive, difference, total}
    assert set(delegate.copied.values()) == {3}
    assert bool(delegate.pinned) == (pinned == "yes")


def test_tensors_between_own_partitions_stay_on_the_device():
    c = Chain()
    a = c.op(ADD, c.x, c.number(1))
    b = c.op(MUL, c.op(ABS, c.x), a)
    model = c.done(b)
    delegate = Device()
    interpreter = check(model, [delegate], X)
    assert delegate.calls[0] == ("prepare", [(0,), (2,)])
    assert a not in delegate.copied
    with pytest.raises(ValueError, match="it has no data"):
        interpreter.get_tensor(a)


def test_waits_come_before_the_first_reader():
    c = Chain()
    far = c.op(ADD, c.x, c.number(1))
    near = c.op(ABS, c.op(EXP, c.x))
    model = c.done(c.op(ABS, far), near)
    delegate = AsyncDevice()
    interpreter = check(model, [delegate], X)
    found = labels(interpreter)
    assert found.index("DELEGATE async, 1 operators") < found.index("DELEGATE async, wait") < len(found) - 1
    assert delegate.calls[-2:] == [("invoke", 0), ("wait", 0)]


@DEVICES
def test_two_delegates_in_order(device):
    first, second = device(takes="ADD,ABS"), Device(takes="ADD,MUL,SUB,EXP")
    check(mixed(), [first, second], X)
    assert first.calls[0] == ("prepare", [(0,), (2,), (4,)])
    assert second.calls[0] == ("prepare", [(1,), (3,), (5,)])


@pytest.mark.parametrize("fails", ["prepare", "count", "decline"])
def test_what_cannot_be_prepared_runs_on_the_cpu(fails):
    delegate, other = Device(fails=fails), Device(takes="EXP")
    with pytest.warns(DelegateWarning, match="the CPU runs its operators"):
        interpreter = check(mixed(), [delegate, other], X)
    plain = Interpreter(model_content=mixed())
    plain.allocate_tensors()
    assert labels(interpreter)[:-1] == labels(plain)[:-1]
    assert labels(interpreter)[-1] == "DELEGATE device, 1 operators"
    assert delegate.open == (1 if fails == "count" else 0)


def test_memory_that_cannot_be_mapped_is_an_error():
    with pytest.raises(UnsupportedError, match="delegate device: memory for a partition failed"):
        run(Interpreter(model_content=mixed(), experimental_delegates=[Device(fails="bind")]), X)


@DEVICES
def test_a_run_that_fails_is_named(device):
    delegate = device(fails="invoke")
    interpreter = Interpreter(model_content=mixed(), experimental_delegates=[delegate])
    for _ in range(2):
        with pytest.raises(ExecutionError, match=r"DELEGATE .*the delegate failed: RuntimeError\('device lost'\)") as caught:
            run(interpreter, X)
        assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_cpu_operator_that_fails_waits_for_the_device():
    c = Chain()
    far = c.op(ADD, c.x, c.number(1))
    near = c.g.op("Broken", [c.x], [c.g.tensor(c.shape)])
    model = c.done(far, near)
    delegate = AsyncDevice()

    def broken(x):
        raise ValueError("no")

    interpreter = Interpreter(
        model_content=model,
        experimental_delegates=[delegate],
        custom_operators=[jitlite.interpreter.CustomOperator("Broken", broken, lambda call: [call.inputs[0]])],
    )
    with pytest.raises(ExecutionError, match="Broken"):
        run(interpreter, X)
    assert delegate.calls[-2:] == [("invoke", 0), ("wait", 0)]


@DEVICES
def test_resizing_prepares_anew(device):
    delegate = device()
    interpreter = check(mixed(), [delegate], X)
    assert delegate.open == 2
    interpreter.resize_tensor_input(0, (2, 4))
    assert delegate.open == 0
    np.testing.assert_allclose(run(interpreter, X[:2])[0], run(Interpreter(model_content=mixed()), X)[0][:2], rtol=1e-6)
    assert delegate.open == 2
    del interpreter
    assert delegate.open == 0


def staged() -> bytes:
    """ADD, then a FILL whose size is computed, then MUL and ADD of what it filled."""
    model = new_model()
    g = GraphBuilder(model)
    x, n = g.input((3, 4)), g.input((2,), TensorType.INT32)
    a = g.op(ADD, [x, g.constant(1)], [g.tensor((3, 4))], AddOptions())
    size = g.op(ADD, [n, g.constant([0, 0], np.int32)], [g.tensor((2,), TensorType.INT32)], AddOptions())
    filled = g.op(FILL, [size, g.constant(2)], [g.tensor((3, 4))], FillOptions())
    b = g.op(MUL, [filled, a], [g.tensor((3, 4))], MulOptions())
    g.finish(g.op(ADD, [b, a], [g.tensor((3, 4))], AddOptions()), a)
    return content(model)


@DEVICES
@pytest.mark.parametrize("is_fixed", [True, False])
def test_shapes_that_depend_on_values(device, is_fixed):
    class Chosen(device):
        needs_fixed_shapes = is_fixed

    delegate = Chosen()
    interpreter = check(staged(), [delegate], X, np.array([3, 4], np.int32))
    prepared = [call for call in delegate.calls if call[0] == "prepare"]
    assert prepared == [("prepare", [(0,)])] + ([] if is_fixed else [("prepare", [(3, 4)])])
    for size in ([1, 4], [3, 1], [3, 4]):
        expected = run(Interpreter(model_content=staged()), X, np.array(size, np.int32))
        np.testing.assert_allclose(run(interpreter, X, np.array(size, np.int32))[0], expected[0], rtol=1e-6)
        assert delegate.open == (1 if is_fixed else 2)


@DEVICES
def test_steps_that_need_a_value(device):
    """WHERE's output shape is declared, but its step needs the condition."""
    c = Chain()
    a = c.op(ADD, c.x, c.number(1))
    less = c.g.op(LESS, [a, c.number(2)], [c.g.tensor((3, 4), TensorType.BOOL)], LessOptions())
    where = c.g.op(WHERE, [less], [c.g.tensor((12, 2), TensorType.INT64)], WhereOptions())
    model = c.done(c.op(MUL, a, a), where)
    delegate = device()
    interpreter = check(model, [delegate], X)
    check(model, [delegate], -X)
    assert next(call for call in delegate.calls if call[0] == "prepare") == ("prepare", [(0,)])
    assert any(label.startswith("DELEGATE") for label in labels(interpreter))


def test_operators_in_python_of_unknown_shapes_end_their_stage():
    c = Chain()
    a = c.op(ADD, c.x, c.number(1))
    kept = c.g.op("Keep", [c.op(ABS, c.x)], [c.g.tensor((3, 4))])
    model = c.done(c.op(MUL, kept, c.number(2)), c.op(SUB, a, c.number(1)))
    for device in (Device, AsyncDevice):
        delegate = device()
        interpreter = Interpreter(model_content=model, experimental_delegates=[delegate], custom_operators={"Keep": lambda x: x[x > 1]})
        for value in (X, -X, X):
            found = run(interpreter, value)
            np.testing.assert_array_equal(found[0], np.abs(value)[np.abs(value) > 1] * 2)
            np.testing.assert_allclose(found[1], value, atol=1e-6)


@pytest.mark.parametrize(
    "settings", [{"experimental_preserve_all_tensors": True}, {"experimental_disable_delegate_node_fusion": True}], ids=["all", "no fusion"]
)
def test_every_operator_is_a_partition(settings):
    delegate = Device()
    interpreter = check(mixed(), [delegate], X, **settings)
    assert delegate.calls[0] == ("prepare", [(0,), (1,), (3,), (4,)])
    if "experimental_preserve_all_tensors" in settings:
        np.testing.assert_allclose(interpreter.get_tensor(2), X + 1)


def test_partitions_of_operators_that_follow_each_other():
    c = Chain()
    a, b = c.op(ADD, c.x, c.number(1)), c.op(ABS, c.x)
    model = c.done(c.op(SUB, c.op(MUL, c.x, c.number(3)), c.number(1)), a, b)
    together, apart = Device(), Device()
    check(model, [together], X)
    check(model, [apart], X, experimental_disable_delegate_clustering=True)
    assert together.calls[0] == ("prepare", [(0, 2, 3)])
    assert apart.calls[0] == ("prepare", [(0,), (2, 3)])


def test_limits():
    delegate = Device(max_delegated_partitions="1")
    check(mixed(), [delegate], X)
    assert delegate.calls[0] == ("prepare", [(0, 1)])
    none = Device(min_nodes_per_partition="3")
    check(mixed(), [none], X)
    assert none.calls == []
    with pytest.raises(ValueError, match="min_nodes_per_partition that is a number is required, found 'x'"):
        Device(min_nodes_per_partition="x")


def test_loops_run_on_the_cpu():
    model = new_model()
    main, test, body = (GraphBuilder(model) for _ in range(3))
    x = main.op(ADD, [main.input((1,)), main.constant([1])], [main.tensor((1,))], AddOptions())
    main.finish(main.op(WHILE, [x], [main.tensor((1,))], WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)))
    test.finish(test.op(LESS, [test.input((1,)), test.constant([100])], [test.tensor((1,), TensorType.BOOL)], LessOptions()))
    body.finish(body.op(MUL, [body.input((1,)), body.constant([2])], [body.tensor((1,))], MulOptions()))
    delegate = Device()
    interpreter = check(content(model), [delegate], np.array([2], np.float32))
    assert labels(interpreter) == ["DELEGATE device, 1 operators", "WHILE", "WHILE"]


def test_a_delegate_that_looks_at_neighbours():
    class Pairs(Device):
        """Takes an ADD only where a MUL reads it."""

        def decline_each(self, calls):
            read = {info.index for call in calls if call.spec.name == "MUL" for info in call.inputs}
            return [None if call.spec.name == "ADD" and call.outputs[0].index in read else "no MUL reads it" for call in calls]

    delegate = Pairs()
    check(mixed(), [delegate], X)
    assert delegate.calls[0] == ("prepare", [(0,)])


def test_operators_without_kernels_are_all_named_beside_delegates():
    c = Chain()
    a = c.g.op("First", [c.op(ADD, c.x, c.x)], [c.g.tensor((3, 4))])
    model = c.done(c.g.op("Second", [a], [c.g.tensor((3, 4))]))
    delegate = Device()
    with pytest.raises(UnsupportedError, match="custom operators First, Second are required"):
        run(Interpreter(model_content=model, experimental_delegates=[delegate]), X)
    assert delegate.calls == []


def test_custom_operators_of_a_delegate(monkeypatch):
    class Knowing(Device):
        CUSTOM_OPERATORS = {"Twice": lambda call: [call.inputs[0]], "Keep": lambda call: [call.inputs[0]]}  # noqa: RUF012

    monkeypatch.setitem(
        FUNCTIONS, "Twice", Function(lambda call: lambda arrays, outs: np.multiply(arrays[0], call.options["n"], out=outs[0]))
    )
    c = Chain()
    twice = c.g.op("Twice", [c.op(ABS, c.x)], [c.g.tensor((3, 4))])
    c.g.graph.operators[-1].custom_options = bytes(flexbuffers.Dumps({"n": 2}))
    model = c.done(c.op(EXP, twice))
    interpreter = Interpreter(model_content=model, experimental_delegates=[Knowing(takes="Twice")])
    np.testing.assert_allclose(run(interpreter, X)[0], np.exp(2 * np.abs(X)), rtol=1e-6)
    with pytest.raises(UnsupportedError, match=r"operator 1 \(Twice .* has no kernels"):
        run(Interpreter(model_content=model, experimental_delegates=[Knowing()]), X)
    given = jitlite.interpreter.CustomOperator("Twice", lambda x: 3 * x)
    found = run(Interpreter(model_content=model, experimental_delegates=[Knowing()], custom_operators=[given]), X)
    np.testing.assert_allclose(found[0], np.exp(3 * np.abs(X)), rtol=1e-5)


def test_signatures_of_delegated_subgraphs():
    model = read_model(mixed())
    entry = TensorMap(name="x", tensor_index=0), TensorMap(name="y", tensor_index=model.subgraphs[0].outputs[1])
    model.signature_defs = [SignatureDef(inputs=[entry[0]], outputs=[entry[1]], signature_key="go", subgraph_index=0)]
    delegate = Device()
    interpreter = Interpreter(model_content=content(model), experimental_delegates=[delegate])
    runner = interpreter.get_signature_runner("go")
    for value in (X, X[:1], X[:1] * 2, X):
        np.testing.assert_allclose(runner(x=value)["y"], np.abs(value + 1) * 0.5 - (value + 1) * 0.5, atol=1e-6)
        assert delegate.open == 2


def test_interpreters_in_several_threads_share_a_delegate():
    delegate, plain = load_delegate("numpy"), run(Interpreter(model_content=mixed()), X)

    def work(number):
        interpreter = Interpreter(model_content=mixed(), experimental_delegates=[delegate])
        for _ in range(20):
            np.testing.assert_allclose(run(interpreter, X)[0], plain[0], rtol=1e-6)
        return number

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(8))) == list(range(8))


def test_constants_are_released_when_no_kernel_needs_them():
    model = new_model()
    g = GraphBuilder(model)
    c = g.op(RESHAPE, [g.constant(np.ones((1, 8))), g.constant([8], np.int32)], [g.tensor((8,))], ReshapeOptions())
    g.finish(g.op(ADD, [g.input((8,)), c], [g.tensor((8,))], AddOptions()))
    seen = []

    class Copying(Device):
        def prepare(self, partitions):
            (call,) = partitions[0].operators
            seen.append(weakref.ref(call.inputs[1].value.base if call.inputs[1].value.base is not None else call.inputs[1].value))
            return [Adding(call.inputs[0].index, call.outputs[0].index, call.inputs[1].value.copy())]

    class Adding(DelegateKernel):
        def __init__(self, *fields):
            self.fields = fields

        def bind(self, arrays):
            x, y, weights = self.fields
            self.invoke = lambda: np.copyto(arrays[y], arrays[x] + weights)

    interpreter = Interpreter(model_content=content(model), experimental_delegates=[Copying()])
    np.testing.assert_array_equal(run(interpreter, np.arange(8, dtype=np.float32))[0], np.arange(1, 9))
    gc.collect()
    assert seen[0]() is None


def test_several_interpreters_share_a_delegate():
    delegate = Device()
    first, second = (check(mixed(), [delegate], X) for _ in range(2))
    assert delegate.open == 4
    del first
    gc.collect()
    assert delegate.open == 2
    np.testing.assert_allclose(run(second, X)[1], run(Interpreter(model_content=mixed()), X)[1], atol=1e-6)


def test_plans_with_delegates_are_not_kept(tmp_path, monkeypatch):
    (tmp_path / "model.tflite").write_bytes(mixed())
    monkeypatch.setattr("jitlite.interpreter.plan_cache.SETTLED_NS", 0)
    interpreter = Interpreter(tmp_path / "model.tflite", experimental_delegates=[Device()])
    assert interpreter._plans.of(0) is None


def test_a_delegate_may_keep_everything():
    class Nothing(Delegate):
        name = "nothing"

        def decline(self, call):
            return "no"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interpreter = check(mixed(), [Nothing()], X)
    assert "ABS" in labels(interpreter)


@st.composite
def random_graphs(draw):
    """Operators on earlier results, some of which are outputs; and which of them two delegates take."""
    size = draw(st.integers(1, 12))
    specs = draw(st.lists(st.sampled_from([ADD, MUL, SUB, ABS, NEG]), min_size=size, max_size=size))
    inputs = [[draw(st.integers(0, place)) for _ in range(2)] for place in range(size)]
    outputs = draw(st.sets(st.integers(1, size), min_size=1))
    return specs, inputs, sorted(outputs), draw(st.booleans()), draw(st.booleans())


@settings(max_examples=150, deadline=None)
@given(random_graphs(), st.permutations(["ADD", "MUL", "SUB", "ABS", "NEG"]), st.integers(0, 5), st.integers(0, 5))
def test_random_graphs(graph, names, first, second):
    specs, inputs, outputs, pinned, keeps_all = graph
    c = Chain()
    tensors = [c.x]
    for spec, places in zip(specs, inputs):
        tensors.append(c.op(spec, *(tensors[place] for place in places[: 1 if spec in (ABS, NEG) else 2])))
    model = c.done(*(tensors[place] for place in outputs))
    texts = {"takes": ",".join(names[:first]), "pinned": "yes" if pinned else "no"}
    delegates = [AsyncDevice(texts), Device(takes=",".join(names[second:]))]
    check(model, delegates, X / 4, experimental_preserve_all_tensors=keeps_all)
