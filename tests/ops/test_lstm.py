from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.lstm  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.lstm import CELL_OPERANDS, GATES, LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import ActivationFunctionType, LSTMKernelType, LSTMOptions, TensorType, UnidirectionalSequenceLSTMOptions
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, operand, result, run
from tests.ops.recurrent import check_runs, variable, with_intermediates

T = TensorType
A = ActivationFunctionType
ALL = {"coupled": True, "peephole": True, "normal": True, "projected": True, "biased": True}


def cell(kind, batches, n_input, n_cell, n_output, *, seed=0, coupled=False, peephole=False, normal=False, projected=False, **more):
    """The operands of a cell by name, but for its input: constants with random values, and variables."""
    rng = np.random.default_rng(seed)

    def matrix(*shape, scale=0.01):
        if kind == "float":
            return operand(T.FLOAT32, shape, value=rng.uniform(-1, 1, shape))
        return operand(T.INT8, shape, scale, value=rng.integers(-127, 128, shape))

    def vector(size, scale=None, low=-1.0):
        if kind == "int8":
            return operand(T.INT32, (size,), value=rng.integers(-3000, 3000, size))
        return operand(T.FLOAT32, (size,), value=rng.uniform(low, 1, size))

    def narrow_vector(scale):
        return operand(T.INT16, (n_cell,), scale, value=rng.integers(-20000, 20000, n_cell))

    found = {}
    for number, gate in enumerate(GATES):
        if gate == "input" and coupled:
            continue
        found[f"input_to_{gate}_weights"] = matrix(n_cell, n_input, scale=0.01 + 0.001 * number)
        diagonal = more.get("diagonal", False)
        found[f"recurrent_to_{gate}_weights"] = matrix(n_cell) if diagonal else matrix(n_cell, n_output, scale=0.008)
        found[f"{gate}_gate_bias"] = vector(n_cell)
        if peephole and gate != "cell":
            found[f"cell_to_{gate}_weights"] = narrow_vector(3e-5) if kind == "int8" else matrix(n_cell)
        if normal:
            found[f"{gate}_layer_norm"] = narrow_vector(3e-5) if kind == "int8" else vector(n_cell, low=0.1)
    if projected:
        found["projection_weights"] = matrix(n_output, n_cell)
        if more.get("biased"):
            found["projection_bias"] = vector(n_output)
    is_integer = kind == "int8"
    found["output_state"] = variable(T.INT8, (batches, n_output), 0.008, 3) if is_integer else variable(T.FLOAT32, (batches, n_output))
    found["cell_state"] = variable(T.INT16, (batches, n_cell), 2.0**-11) if is_integer else variable(T.FLOAT32, (batches, n_cell))
    return found


def operands(found, x):
    names = CELL_OPERANDS if any("layer_norm" in name for name in found) else CELL_OPERANDS[:20]
    return [x if name == "input" else found.get(name) for name in names]


def between(kind, normal):
    if kind != "int8":
        return (), ()
    gates = [(2.0**-12 * (number + 3) / 4, 0) for number in range(4)] if normal else [(1.0, 0)] * 4
    return [*[T.INT16] * 4, T.INT8], [*gates, (0.0078125, -5)]


CELLS = [
    {},
    {"coupled": True},
    {"peephole": True},
    {"normal": True},
    {"projected": True},
    {"projected": True, "biased": True},
    {"coupled": True, "peephole": True, "normal": True},
    ALL,
]


@pytest.mark.parametrize("kind", ["float", "hybrid", "int8"])
@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("parts", CELLS)
def test_cells(kind, time_major, parts):
    batches, steps, n_input, n_cell = 3, 5, 37, 20
    n_output = 7 if parts.get("projected") and not (kind == "int8" and parts.get("peephole")) else n_cell
    shape = (steps, batches, n_input) if time_major else (batches, steps, n_input)
    x = operand(T.INT8, shape, 0.02, 5, low=-128, high=127) if kind == "int8" else operand(T.FLOAT32, shape)
    y = result(T.INT8, 0.008, 3) if kind == "int8" else result(T.FLOAT32)
    options = UnidirectionalSequenceLSTMOptions(fused_activation_function=A.TANH, time_major=time_major)
    inputs = operands(cell(kind, batches, n_input, n_cell, n_output, **parts), x)
    check_runs(UNIDIRECTIONAL_SEQUENCE_LSTM, options, inputs, [y], between=between(kind, parts.get("normal")))


@pytest.mark.parametrize("kind", ["float", "hybrid", "int8"])
@pytest.mark.parametrize(("cell_clip", "proj_clip"), [(0.5, 0.0), (0.0, 0.3), (1.5, 0.2)])
def test_clips(kind, cell_clip, proj_clip):
    x = operand(T.INT8, (2, 4, 9), 0.02, 5, low=-128, high=127) if kind == "int8" else operand(T.FLOAT32, (2, 4, 9))
    y = result(T.INT8, 0.008, 3) if kind == "int8" else result(T.FLOAT32)
    options = UnidirectionalSequenceLSTMOptions(fused_activation_function=A.TANH, cell_clip=cell_clip, proj_clip=proj_clip)
    inputs = operands(cell(kind, 2, 9, 8, 5, projected=True), x)
    check_runs(UNIDIRECTIONAL_SEQUENCE_LSTM, options, inputs, [y], between=between(kind, False))


@pytest.mark.parametrize("activation", [A.NONE, A.RELU, A.RELU_N1_TO_1, A.RELU6, A.TANH])
def test_activations(activation):
    options = UnidirectionalSequenceLSTMOptions(fused_activation_function=activation)
    inputs = operands(cell("float", 1, 6, 17, 17), operand(T.FLOAT32, (1, 3, 6)))
    check_runs(UNIDIRECTIONAL_SEQUENCE_LSTM, options, inputs, [result(T.FLOAT32)])


@pytest.mark.parametrize("parts", [{}, {"projected": True, "biased": True}])
def test_asymmetric_inputs(parts):
    options = UnidirectionalSequenceLSTMOptions(fused_activation_function=A.TANH, asymmetric_quantize_inputs=True)
    inputs = operands(cell("hybrid", 2, 40, 12, 12, **parts), operand(T.FLOAT32, (2, 4, 40)))
    check_runs(UNIDIRECTIONAL_SEQUENCE_LSTM, options, inputs, [result(T.FLOAT32)], low=-1.0, high=3.0)


@pytest.mark.parametrize("kind", ["float", "hybrid"])
@pytest.mark.parametrize("parts", [{}, {"coupled": True}, {"projected": True, "biased": True, "normal": True}])
def test_weights_that_are_computed(kind, parts):
    """Some of them as inputs of the model."""
    found = cell(kind, 2, 7, 12, 12, **parts)
    names = ["input_to_forget_weights", "recurrent_to_cell_weights", "output_gate_bias", "projection_weights", "forget_layer_norm"]
    for name in names:
        if name in found:
            low, high = (-127, 127) if kind == "hybrid" and name.endswith("weights") else (0.1, 1)
            found[name] = replace(found[name], value=None, low=low, high=high)
    options = UnidirectionalSequenceLSTMOptions(fused_activation_function=A.TANH)
    check_runs(UNIDIRECTIONAL_SEQUENCE_LSTM, options, operands(found, operand(T.FLOAT32, (2, 3, 7))), [result(T.FLOAT32)])


def test_gates_of_bytes_are_not_supported():
    inputs = operands(cell("int8", 2, 6, 8, 8), operand(T.INT8, (2, 6), 0.02, 5))
    model = with_intermediates(build(LSTM, LSTMOptions(), inputs, [result(T.INT8, 0.008, 3)]), [T.INT8] * 12, [(0.1, 0)] * 12)
    with pytest.raises(UnsupportedError, match="gates of 16 bits, with 5 intermediates, are supported"):
        run(write_model(model), [np.zeros((2, 6), np.int8)])


def test_diagonal_recurrence():
    options = UnidirectionalSequenceLSTMOptions(fused_activation_function=A.TANH, diagonal_recurrent_tensors=True)
    inputs = operands(cell("float", 2, 6, 17, 17, diagonal=True), operand(T.FLOAT32, (2, 3, 6)))
    check_runs(UNIDIRECTIONAL_SEQUENCE_LSTM, options, inputs, [result(T.FLOAT32)], version=3)


def broken(x=(2, 3, 6), drop=(), extra=None, options=None, **parts):
    found = cell("float", 2, 6, 8, 8, **parts) | (extra or {})
    inputs = operands({name: item for name, item in found.items() if name not in drop}, operand(T.FLOAT32, x))
    infos = tuple(None if item is None else item.info(index) for index, item in enumerate(inputs))
    return infer(Call(UNIDIRECTIONAL_SEQUENCE_LSTM, options or UnidirectionalSequenceLSTMOptions(), infos))


FLOATS = operand(T.FLOAT32, (9,))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"x": (2, 6)}, "an input of rank 3 is required, found 2"),
        ({"x": (2, 3, 7)}, "operand 'input_to_input_weights' of shape"),
        ({"drop": ("recurrent_to_input_weights",)}, "both or neither of the input gate's weights"),
        ({"drop": ("input_gate_bias",)}, "an input gate's bias with its weights"),
        ({"extra": {"forget_gate_bias": FLOATS}}, "operand 'forget_gate_bias' of shape"),
        ({"extra": {"projection_bias": operand(T.FLOAT32, (8,))}}, "a projection's weights with its bias"),
        ({"peephole": True, "drop": ("cell_to_forget_weights",)}, "peephole weights of all gates or none"),
        ({"normal": True, "drop": ("cell_layer_norm",)}, "layer norm coefficients of all gates or none"),
        ({"extra": {"cell_state": operand(T.FLOAT32, (2, 8))}}, "operand 'cell_state' that is a variable"),
        ({"extra": {"cell_state": variable(T.FLOAT32, (3, 8))}}, "operand 'cell_state' of 16 elements is required, found 24"),
        ({"options": UnidirectionalSequenceLSTMOptions(cell_clip=-1.0)}, "cell_clip of at least 0"),
    ],
)
def test_broken_rules_are_refused(case, message):
    with pytest.raises(InvalidModelError, match=message):
        broken(**case)


def test_other_inputs_are_not_supported():
    found = cell("float", 2, 6, 8, 8)
    infos = tuple(
        None if item is None else item.info(index) for index, item in enumerate(operands(found, operand(T.INT16, (2, 3, 6), 0.1)))
    )
    with pytest.raises(UnsupportedError, match="inputs of type FLOAT32 or INT8 are supported, found INT16"):
        infer(Call(UNIDIRECTIONAL_SEQUENCE_LSTM, UnidirectionalSequenceLSTMOptions(), infos))


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(["float", "int8"]),
    outer=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    n_input=st.integers(1, 70),
    n_cell=st.integers(1, 40),
    time_major=st.booleans(),
)
def test_any_sizes(kind, outer, n_input, n_cell, time_major):
    x = operand(T.INT8, (*outer, n_input), 0.02, 5, low=-128, high=127) if kind == "int8" else operand(T.FLOAT32, (*outer, n_input))
    y = result(T.INT8, 0.008, 3) if kind == "int8" else result(T.FLOAT32)
    options = UnidirectionalSequenceLSTMOptions(fused_activation_function=A.TANH, time_major=time_major)
    inputs = operands(cell(kind, outer[1 if time_major else 0], n_input, n_cell, n_cell), x)
    check_runs(UNIDIRECTIONAL_SEQUENCE_LSTM, options, inputs, [y], between=between(kind, False), runs=2)


def test_cells_without_cells_are_refused():
    inputs = operands(cell("float", 2, 6, 0, 0), operand(T.FLOAT32, (2, 3, 6)))
    infos = tuple(None if item is None else item.info(index) for index, item in enumerate(inputs))
    with pytest.raises(InvalidModelError, match="cells and outputs are required, found 0 and 0"):
        infer(Call(UNIDIRECTIONAL_SEQUENCE_LSTM, UnidirectionalSequenceLSTMOptions(), infos))


@pytest.mark.parametrize(("kind", "asymmetric", "version"), [("float", False, 1), ("hybrid", False, 2), ("hybrid", True, 3)])
def test_versions(kind, asymmetric, version):
    inputs = operands(cell(kind, 2, 6, 8, 8), operand(T.FLOAT32, (2, 3, 6)))
    infos = tuple(None if item is None else item.info(index) for index, item in enumerate(inputs))
    options = UnidirectionalSequenceLSTMOptions(asymmetric_quantize_inputs=asymmetric)
    assert UNIDIRECTIONAL_SEQUENCE_LSTM.version(Call(UNIDIRECTIONAL_SEQUENCE_LSTM, options, infos)) == version
    options = UnidirectionalSequenceLSTMOptions(diagonal_recurrent_tensors=True)
    assert UNIDIRECTIONAL_SEQUENCE_LSTM.version(Call(UNIDIRECTIONAL_SEQUENCE_LSTM, options, infos)) == 4


@pytest.mark.parametrize("kind", ["float", "hybrid", "int8"])
@pytest.mark.parametrize("parts", CELLS)
def test_one_step(kind, parts):
    n_output = 7 if parts.get("projected") and not (kind == "int8" and parts.get("peephole")) else 20
    x = operand(T.INT8, (3, 37), 0.02, 5, low=-128, high=127) if kind == "int8" else operand(T.FLOAT32, (3, 37))
    y = result(T.INT8, 0.008, 3) if kind == "int8" else result(T.FLOAT32)
    options = LSTMOptions(fused_activation_function=A.TANH, cell_clip=2.0)
    check_runs(LSTM, options, operands(cell(kind, 3, 37, 20, n_output, **parts), x), [y], between=between(kind, parts.get("normal")))


def basic(type, batches, n_input, depth):
    rng = np.random.default_rng(1)
    shape, is_float = (4 * depth, n_input + depth), type is T.FLOAT32
    if is_float:
        w, bias = operand(type, shape, value=rng.uniform(-1, 1, shape)), operand(type, shape[:1], value=rng.uniform(-1, 1, shape[0]))
        x, last, state = operand(type, (batches, n_input)), variable(type, (batches, depth)), variable(type, (batches, depth))
    else:
        w = operand(type, shape, 0.01, 117, value=rng.integers(0, 256, shape))
        bias = operand(T.INT32, shape[:1], 0.01 / 128, value=rng.integers(-9000, 9000, shape[0]))
        x, last = operand(type, (batches, n_input), 1 / 128, 128, low=0, high=255), variable(type, (batches, depth), 1 / 128, 128)
        state = variable(T.INT16, (batches, depth), 2.0**-11)
    wide = result(type) if is_float else result(T.INT16, 2.0**-11)
    near = result(type) if is_float else result(type, 1 / 128, 128)
    return [x, last, w, bias, state], [near, wide, near, result(type) if is_float else result(T.INT16, 2.0**-12)]


@pytest.mark.parametrize("type", [T.FLOAT32, T.UINT8])
@pytest.mark.parametrize("sizes", [(1, 2, 3), (3, 37, 20)])
def test_basic_cells(type, sizes):
    options = LSTMOptions(kernel_type=LSTMKernelType.BASIC, fused_activation_function=A.TANH)
    check_runs(LSTM, options, *basic(type, *sizes))


@pytest.mark.parametrize("type", [T.FLOAT32, T.UINT8])
def test_basic_cells_with_states_that_are_inputs(type):
    inputs, outputs = basic(type, 3, 37, 20)
    inputs[1], inputs[4] = (replace(inputs[place], is_variable=False) for place in (1, 4))
    if type is T.UINT8:
        inputs[1], inputs[4] = replace(inputs[1], low=0, high=255), replace(inputs[4], low=-9000, high=9000)
    check_runs(LSTM, LSTMOptions(kernel_type=LSTMKernelType.BASIC, fused_activation_function=A.TANH), inputs, outputs)


def test_full_cells_need_their_operands():
    infos = tuple(item.info(0) if item is not None else None for item in operands(cell("float", 2, 6, 8, 8), operand(T.FLOAT32, (2, 6))))
    with pytest.raises(InvalidModelError, match="operand 'forget_gate_bias' is required, found none"):
        infer(Call(LSTM, LSTMOptions(), (*infos[:13], None, *infos[14:])))
    with pytest.raises(InvalidModelError, match="5 operands are required, found 20"):
        infer(Call(LSTM, LSTMOptions(kernel_type=LSTMKernelType.BASIC), infos))
