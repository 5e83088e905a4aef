"""Custom operators in NumPy and in Numba's language."""

import re
from pathlib import Path

import numpy as np
import pytest
from flatbuffers import flexbuffers

import jitlite
from jitlite.interpreter import CustomOperator, Interpreter, custom
from jitlite.interpreter.segments import HostSegment
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.control import WHILE
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.pad import FILL
from jitlite.schemas.tables import AddOptions, FillOptions, LessOptions, MulOptions, TensorType, WhileOptions
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.interpreter.test_program import run

X = np.array([[1, -2, 3], [4, 5, -6]], np.float32)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "custom-operators.md"


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(custom, "CUSTOM_OPERATORS", {})


def same(call):
    return [call.inputs[0]]


def model_of(name="Mine", options=b"", operands=1, shape=(2, 3), type=TensorType.FLOAT32, outputs=((2, 3),)) -> bytes:
    """ADD 1, the operator, MUL by 2: the operator has `operands` equal operands."""
    model = new_model()
    g = GraphBuilder(model)
    number = np.float32 if type is TensorType.FLOAT32 else np.int32
    x = g.op(ADD, [g.input(shape, type), g.constant(1, number)], [g.tensor(shape, type)], AddOptions())
    results = [g.tensor(output, type) for output in outputs]
    g.op(name, [x] * operands, results)
    g.graph.operators[-1].custom_options = options
    g.finish(*(g.op(MUL, [y, g.constant(2, number)], [g.tensor(output, type)], MulOptions()) for y, output in zip(results, outputs)))
    return content(model)


def flex(**options) -> bytes:
    return bytes(flexbuffers.Dumps(options))


def runs(model, value=X, **settings):
    return run(Interpreter(model_content=model, **settings), value)


def test_registered_and_given_operators():
    @jitlite.custom_operator("Mine", infer=same)
    def mine(x, alpha, beta=1.0, *, gamma=0.0):
        return x * np.float32(alpha) + np.float32(beta) + np.float32(gamma)

    model = model_of(options=flex(alpha=3, gamma=0.5, unused="x"))
    np.testing.assert_array_equal(runs(model)[0], ((X + 1) * 3 + 1.5) * 2)
    given = CustomOperator("Mine", lambda x: -x)
    for settings in ({"custom_operators": [given]}, {"custom_op_registerers": [given]}, {"custom_operators": {"Mine": np.negative}}):
        np.testing.assert_array_equal(runs(model, **settings)[0], (X + 1) * -2)
    np.testing.assert_array_equal(mine(X, 2), X * 2 + 1)


def test_an_operator_that_writes_its_outputs():
    @jitlite.custom_operator("Mine", infer=lambda call: [call.inputs[0], (3, 2)])
    def mine(x, *, out):
        np.negative(x, out=out[0])
        out[1][...] = x.T

    found = runs(model_of(outputs=((2, 3), (3, 2))))
    np.testing.assert_array_equal(found[0], (X + 1) * -2)
    np.testing.assert_array_equal(found[1], (X + 1).T * 2)


def test_raw_and_whole_options():
    raw = CustomOperator("Mine", lambda x, options: x + options[0], same, options=bytes)
    np.testing.assert_array_equal(runs(model_of(options=b"\x07\x01"), custom_operators=[raw])[0], (X + 8) * 2)
    whole = CustomOperator("Mine", lambda x, **options: x + np.float32(sum(options["v"])), same)
    np.testing.assert_array_equal(runs(model_of(options=flex(v=[1, 2])), custom_operators=[whole])[0], (X + 4) * 2)


def test_shapes_from_options_and_from_values():
    tiled = CustomOperator("Mine", lambda x, n: np.tile(x, (n, 1)), lambda call: [(2 * call.options["n"], 3)])
    np.testing.assert_array_equal(
        runs(model_of(options=flex(n=2), outputs=((4, 3),)), custom_operators=[tiled])[0], np.tile(X + 1, (2, 1)) * 2
    )
    model = new_model()
    g = GraphBuilder(model)
    n = g.input((1,), TensorType.INT32)
    g.finish(g.op("Zeros", [g.op(ADD, [n, g.constant([1], np.int32)], [g.tensor((1,), TensorType.INT32)], AddOptions())], [g.tensor((1,))]))
    zeros = CustomOperator("Zeros", lambda n: np.zeros(n, np.float32), lambda call: [call.constant(0)])
    for count in (1, 4, 2):
        assert runs(content(model), np.array([count], np.int32), custom_operators=[zeros])[0].shape == (count + 1,)


@pytest.mark.parametrize("infer", [same, None])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_kernel_is_a_native_step(infer, num_threads):
    @jitlite.custom_kernel("Mine", infer=infer, boundscheck=True)
    def mine(x, y, alpha, mode="plain", shift=2):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                y[i, j] = alpha * x[i, j] + (shift if mode == "plain" else 0)

    interpreter = Interpreter(model_content=model_of(options=flex(alpha=0.5)), num_threads=num_threads)
    np.testing.assert_array_equal(run(interpreter, X)[0], (X + 1) + 4)
    assert len(interpreter._main.program._first.runner.segments) == 1
    np.testing.assert_array_equal(runs(model_of(options=flex(alpha=2.0, mode="other")))[0], (X + 1) * 4)
    if infer is not None:
        interpreter.resize_tensor_input(0, (3, 5))
        np.testing.assert_array_equal(run(interpreter, np.ones((3, 5), np.float32))[0], np.full((3, 5), 6, np.float32))


def test_a_kernel_with_absent_operands_scalars_and_several_outputs():
    @jitlite.custom_kernel("Mine", infer=lambda call: [call.inputs[0], ((), np.int32)])
    def mine(x, bias, scale, y, count):
        for i in range(x.shape[0]):
            y[i] = x[i] * scale[()] + (0 if bias is None else bias[i])
        count[()] = x.shape[0]

    model = new_model()
    g = GraphBuilder(model)
    y, count = g.tensor((3,), TensorType.INT32), g.tensor((), TensorType.INT32)
    g.op("Mine", [g.input((3,), TensorType.INT32), -1, g.constant(5, np.int32)], [y, count])
    g.finish(y, count)
    found = runs(content(model), np.array([1, 2, 3], np.int32))
    assert found[0].tolist() == [5, 10, 15]
    assert found[1].item() == 3


def test_a_kernel_inside_a_loop():
    model = new_model()
    main, test, body = (GraphBuilder(model) for _ in range(3))
    main.finish(main.op(WHILE, [main.input((1,))], [main.tensor((1,))], WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)))
    test.finish(test.op(LESS, [test.input((1,)), test.constant([100])], [test.tensor((1,), TensorType.BOOL)], LessOptions()))
    body.finish(body.op("Double", [body.input((1,))], [body.tensor((1,))]))

    @jitlite.custom_kernel("Double", infer=same)
    def double(x, y):
        if x[0] > 1000:
            raise ValueError("too large")
        y[0] = 2 * x[0]

    interpreter = Interpreter(model_content=content(model))
    assert run(interpreter, np.array([3], np.float32))[0].item() == 192
    assert not any(isinstance(segment, HostSegment) for segment in interpreter._main.program._first.runner.segments)


def test_what_a_kernel_raises():
    @jitlite.custom_kernel("Mine", infer=same)
    def mine(x, y):
        if x[0, 0] > 5:
            raise ValueError("too large")
        y[:] = x

    interpreter = Interpreter(model_content=model_of())
    run(interpreter, X)
    with pytest.raises(ExecutionError, match=r"operator 1 \(Mine\): the custom kernel failed: ValueError\('too large'\)") as caught:
        run(interpreter, X * 9)
    assert isinstance(caught.value.__cause__, ValueError)
    np.testing.assert_array_equal(run(interpreter, X)[0], (X + 1) * 2)


def test_what_a_function_raises():
    with pytest.raises(ExecutionError, match=r"operator 1 \(Mine\): .*ZeroDivisionError") as caught:
        runs(model_of(), custom_operators={"Mine": lambda x: 1 // 0})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("operator", "error", "message"),
    [
        (CustomOperator("Mine", lambda x: x, lambda call: 1 // 0), UnsupportedError, "infer failed: ZeroDivisionError"),
        (CustomOperator("Mine", lambda x: x, lambda call: [(2, -3)]), UnsupportedError, "infer failed.*sizes of at least 0"),
        (CustomOperator("Mine", lambda x: x, lambda call: [(2, 1.5)]), UnsupportedError, "infer failed"),
        (CustomOperator("Mine", lambda x: x, lambda call: None), UnsupportedError, "infer failed: TypeError"),
        (CustomOperator("Mine", lambda x: x, lambda call: [(2, 3), (2, 3)]), InvalidModelError, "1 outputs of infer are required, found 2"),
        (CustomOperator("Mine", lambda x: x, lambda call: [((2, 3), np.int8)]), InvalidModelError, "type INT8 is required, found FLOAT32"),
        (CustomOperator("Mine", lambda x: x[0], same), ExecutionError, r"shape \(2, 3\) is required, found \(3,\)"),
        (CustomOperator("Mine", lambda x: x.astype(np.float64), same), ExecutionError, "float32 is required, found float64"),
        (CustomOperator("Mine", lambda x, alpha: x, same), InvalidModelError, r"option 'alpha' is required, found \['beta'\]"),
        (CustomOperator("Mine", lambda: 0, same), UnsupportedError, "a function of 1 arrays is required, found one of 0"),
        (CustomOperator("Mine", lambda x, out: None), UnsupportedError, "must have 'infer'"),
        (CustomOperator("Mine", lambda x, y: y.nonsense(), same, is_kernel=True), UnsupportedError, "does not compile"),
        (
            CustomOperator("Mine", lambda x: None, same, is_kernel=True),
            UnsupportedError,
            "a function of 2 arrays is required, found one of 1",
        ),
        (CustomOperator("Mine", lambda x: x, same, options=lambda data: data[999]), UnsupportedError, "options failed: IndexError"),
    ],
)
def test_operators_that_do_not_fit(operator, error, message):
    with pytest.raises(error, match=message) as caught:
        runs(model_of(options=flex(beta=1)), custom_operators=[operator])
    assert "Mine" in str(caught.value)


def test_an_operand_cannot_be_written():
    def mine(x, y):
        x[0, 0] = 1

    with pytest.raises(UnsupportedError, match="does not compile"):
        runs(model_of(), custom_operators=[CustomOperator("Mine", mine, same, is_kernel=True)])


def test_damaged_options_are_refused():
    with pytest.raises(InvalidModelError, match=r"Mine.*FlexBuffers"):
        runs(model_of(options=b"\xff\xff\xff"), custom_operators={"Mine": np.negative})


def test_things_that_are_no_operators():
    with pytest.raises(TypeError, match="custom_operators"):
        Interpreter(model_content=model_of(), custom_operators=[np.negative])


def test_all_missing_operators_are_named_at_once():
    model = new_model()
    g = GraphBuilder(model)
    size = g.input((1,), TensorType.INT32)
    x = g.op("First", [g.input((2,))], [g.tensor((2,))])
    filled = g.op(FILL, [size, g.constant(1)], [g.tensor((1,))], FillOptions())
    g.finish(g.op("Second", [filled], [g.tensor((2,))]), g.op("Third", [x], [g.tensor((2,))]))
    interpreter = Interpreter(model_content=content(model), custom_operators={"Third": np.negative})
    with pytest.raises(UnsupportedError, match="custom operators First, Second are required in custom_operators"):
        interpreter.allocate_tensors()
    known = Interpreter(model_content=content(model), custom_operators={"First": np.negative, "Third": np.negative})
    with pytest.raises(UnsupportedError, match="custom operators Second are required in custom_operators"):
        known.allocate_tensors()


def test_the_page_runs(tmp_path, monkeypatch):
    (tmp_path / "model.tflite").write_bytes(model_of("Softsign", flex(scale=2.0)))
    monkeypatch.chdir(tmp_path)
    numpy_block, numba_block = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    expected = (X + 1) / (np.abs(X + 1) + 2) * 2
    for block in (numpy_block, numba_block):
        space = {}
        exec(block, space)
        np.testing.assert_allclose(run(jitlite.Interpreter("model.tflite"), X)[0], expected, rtol=1e-6)
