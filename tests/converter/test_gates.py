"""Recurrent layers beyond the usual ones: activations, clipping, peepholes, lengths of sequences, weights at run time."""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.converter.agreement import Array, assert_close, check_node, converted, floats, run_onnx, run_tflite

pytestmark = pytest.mark.usefixtures("form_of_steps")

STEPS, BATCH, FEATURES, HIDDEN = 5, 3, 4, 6
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FUNCTIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}
X = floats(STEPS, BATCH, FEATURES)


def operands(kind: str, directions: int = 1, lengths: Array | None = None, states: bool = True, peepholes: bool = False) -> list[Any]:
    rows = GATES[kind] * HIDDEN
    made: list[Any] = [X, floats(directions, rows, FEATURES, seed=1), floats(directions, rows, HIDDEN, seed=2)]
    made += [floats(directions, 2 * rows, seed=3), lengths]
    made += [floats(directions, BATCH, HIDDEN, seed=seed) if states else None for seed in (4, 5)[: 1 + (kind == "LSTM")]]
    return made + ([floats(directions, 3 * HIDDEN, seed=6)] if peepholes else [])


def check(kind: str, given: list[Any], stored: tuple[int, ...] = (1, 2, 3), **attributes: Any) -> None:
    check_node(kind, *given, constant=stored, outputs=3 if kind == "LSTM" else 2, hidden_size=HIDDEN, **attributes)


ACTIVATIONS: list[tuple[str, list[float], list[float]]] = [
    ("Relu", [], []),
    ("Softsign", [], []),
    ("Softplus", [], []),
    ("LeakyRelu", [0.1], []),
    ("ThresholdedRelu", [0.3], []),
    ("Elu", [0.7], []),
    ("Affine", [0.4], [0.1]),
    ("ScaledTanh", [0.8], [0.5]),
    ("HardSigmoid", [0.25], [0.4]),
]


@pytest.mark.parametrize(("name", "alpha", "beta"), ACTIVATIONS)
@pytest.mark.parametrize("kind", GATES)
def test_activations(kind: str, name: str, alpha: list[float], beta: list[float]) -> None:
    """The function as that of the cell and, between bounds, in the place of the gates'."""
    names = {"LSTM": ["Sigmoid", name, "Tanh"], "GRU": ["Sigmoid", name], "RNN": [name]}[kind]
    given = {"activations": names, "activation_alpha": alpha, "activation_beta": beta}
    check(kind, operands(kind), **{key: value for key, value in given.items() if value})


@pytest.mark.parametrize("kind", GATES)
def test_activations_of_two_directions(kind: str) -> None:
    count = FUNCTIONS[kind]
    names = ["HardSigmoid", "Tanh", "LeakyRelu"][:count] + ["Sigmoid", "HardSigmoid", "Softsign"][:count]
    alphas = {"LSTM": [0.25, 0.05, 0.3], "GRU": [0.25, 0.3], "RNN": [0.25]}[kind]
    betas = {"LSTM": [0.4, 0.6], "GRU": [0.4, 0.6], "RNN": [0.4]}[kind]
    check(kind, operands(kind, 2), direction="bidirectional", activations=names, activation_alpha=alphas, activation_beta=betas)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("more", [{}, {"linear_before_reset": 1}])
def test_clip(kind: str, more: dict[str, Any]) -> None:
    check(kind, operands(kind), clip=0.4, **(more if kind == "GRU" else {}))


@pytest.mark.parametrize("attributes", [{}, {"clip": 0.5}, {"input_forget": 1}])
@pytest.mark.parametrize("states", [True, False])
@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
def test_peepholes(attributes: dict[str, Any], states: bool, direction: str) -> None:
    given = operands("LSTM", 2 if direction == "bidirectional" else 1, states=states, peepholes=True)
    check("LSTM", given, (1, 2, 3, 7), direction=direction, **attributes)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("states", [True, False])
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("last", [1, 0])
def test_lengths(kind: str, states: bool, direction: str, last: int) -> None:
    lengths = np.array([3, 5, last], np.int32)
    given = operands(kind, 2 if direction == "bidirectional" else 1, lengths, states)
    check(kind, given, direction=direction)
    check(kind, given, (1, 2, 3, 4), direction=direction)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("more", [{}, {"linear_before_reset": 1}])
def test_weights_at_run_time(kind: str, more: dict[str, Any]) -> None:
    check(kind, operands(kind, 2), (), direction="bidirectional", **(more if kind == "GRU" else {}))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("columns", [False, True])
def test_weights_quantized_beforehand(dtype: type, columns: bool) -> None:
    """Inputs and states are quantized as they come; where a number lies between two steps runtimes may choose either."""
    rng, rows, count = np.random.default_rng(0), 4 * HIDDEN, 2
    shape = (count, rows) if columns else (count,)
    low, high = (-100, 100) if dtype is np.int8 else (20, 220)
    stored: dict[str, Array] = {"b": floats(count, 2 * rows, seed=3)}
    for name, depth in (("w", FEATURES), ("r", HIDDEN)):
        stored[name] = rng.integers(low, high, (count, depth, rows)).astype(dtype)
        stored[f"{name}s"] = rng.uniform(0.005, 0.01, shape).astype(np.float32)
        stored[f"{name}z"] = np.full(shape, (0 if columns else 3) if dtype is np.int8 else 125, dtype)
    names = ["x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs", "rz"]
    made = helper.make_node(
        "DynamicQuantizeLSTM", names, ["y", "h", "c"], domain="com.microsoft", direction="bidirectional", hidden_size=HIDDEN
    )
    graph = helper.make_graph(
        [made],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "yhc"],
        [numpy_helper.from_array(data, name) for name, data in stored.items()],
    )
    for info in graph.output:
        info.type.tensor_type.shape.SetInParent()
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    source = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    assert_close(run_tflite(converted(source), {"x": X}), run_onnx(source, {"x": X}))
