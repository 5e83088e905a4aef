"""Recurrent layers, written out and as loops, against ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from jitlite.converter import convert_onnx
from jitlite.schemas import ConversionError
from tests.converter.agreement import (
    Array,
    assert_close,
    check_node,
    converted,
    floats,
    node,
    onnx_model,
    run_jitlite,
    run_onnx,
    run_tflite,
)

STEPS, BATCH, FEATURES, HIDDEN = 4, 2, 3, 5
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
X = floats(STEPS, BATCH, FEATURES)


def weights(kind: str, directions: int = 1) -> list[Array]:
    rows = GATES[kind] * HIDDEN
    return [floats(directions, rows, FEATURES, seed=1), floats(directions, rows, HIDDEN, seed=2), floats(directions, 2 * rows, seed=3)]


@pytest.mark.usefixtures("form_of_steps")
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("opset", [7, 14])
def test_directions(kind: str, direction: str, opset: int) -> None:
    operands = weights(kind, 2 if direction == "bidirectional" else 1)
    outputs = 3 if kind == "LSTM" else 2
    check_node(kind, X, *operands, constant=(1, 2, 3), opset=opset, outputs=outputs, direction=direction, hidden_size=HIDDEN)


@pytest.mark.usefixtures("form_of_steps")
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("stored", [False, True])
def test_initial_state(kind: str, stored: bool) -> None:
    states = [floats(2, BATCH, HIDDEN, seed=seed) for seed in (4, 5)][: 2 if kind == "LSTM" else 1]
    lengths = np.full(BATCH, STEPS, np.int32)
    operands = [X, *weights(kind, 2), lengths, *states]
    constant = (1, 2, 3, 4, *(range(5, 5 + len(states)) if stored else ()))
    check_node(kind, *operands, constant=constant, direction="bidirectional", hidden_size=HIDDEN)


@pytest.mark.usefixtures("form_of_steps")
@pytest.mark.parametrize("attributes", [{"linear_before_reset": 1}, {"linear_before_reset": 0}])
def test_gru_without_bias(attributes: dict[str, Any]) -> None:
    check_node("GRU", X, *weights("GRU")[:2], constant=(1, 2), hidden_size=HIDDEN, **attributes)


@pytest.mark.usefixtures("form_of_steps")
def test_late_reset_with_state() -> None:
    check_node(
        "GRU",
        X,
        *weights("GRU"),
        None,
        floats(1, BATCH, HIDDEN, seed=4),
        constant=(1, 2, 3),
        hidden_size=HIDDEN,
        linear_before_reset=1,
        outputs=2,
    )


@pytest.mark.usefixtures("form_of_steps")
def test_dynamic_batch_with_zero_state() -> None:
    """The usual export: zeros expanded to the batch."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "si", "b", axis=0),
        node("Concat", "dbh", "t", axis=0),
        node("ConstantOfShape", "t", "z"),
        node("LSTM", ["x", "w", "r", "v", "", "z", "z"], ["y", "f"], hidden_size=HIDDEN),
    ]
    constants = dict(zip("wrv", weights("LSTM"), strict=True))
    constants |= {"i": np.array([0], np.int64), "d": np.array([1], np.int64), "h": np.array([HIDDEN], np.int64)}
    batch_first = [node("Transpose", "q", "x", perm=[1, 0, 2]), *nodes]
    batch_first[2] = node("Gather", ["s", "one"], ["b"], axis=0)
    source = onnx_model(batch_first, {"q": (("n", STEPS, FEATURES), np.float32)}, ["y", "f"], constants | {"one": np.array([1], np.int64)})
    made = converted(source)
    for batch in (1, 3):
        q = floats(batch, STEPS, FEATURES, seed=batch)
        assert_close(run_tflite(made, {"q": q}), run_onnx(source, {"q": q}))


EINSUMS = [
    ("ab,bc->ac", [(2, 3), (3, 4)]),
    ("abcd,cde->abe", [(2, 3, 4, 5), (4, 5, 6)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
    ("bqhd,bkhd->bhqk", [(2, 4, 3, 5), (2, 6, 3, 5)]),
    ("i,j->ij", [(3,), (4,)]),
    ("ab,ab->", [(3, 4), (3, 4)]),
    ("abc->ca", [(2, 3, 4)]),
    ("abc,bd", [(2, 3, 4), (3, 5)]),
    ("abc,cd->ad", [(2, 3, 4), (4, 5)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EINSUMS)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    operands = [floats(*shape, seed=index) for index, shape in enumerate(shapes)]
    check_node("Einsum", *operands, equation=equation)
    if len(operands) == 2:
        check_node("Einsum", *operands, constant=(1,), equation=equation)


@pytest.mark.parametrize(
    ("places", "updates"),
    [
        (np.array([[1], [3]], np.int64), floats(2, 3, 2, seed=1)),
        (np.array([[[0, 1], [2, -1]]], np.int64), floats(1, 2, 2, seed=1)),
        (np.indices((5, 3)).transpose(1, 2, 0).astype(np.int64), floats(5, 3, 2, seed=1)),
    ],
)
def test_scatter_to_constant_places(places: Array, updates: Array) -> None:
    check_node("ScatterND", floats(5, 3, 2), places, updates, constant=(1,))


def test_a_long_sequence_is_a_loop() -> None:
    found = check_node("GRU", floats(600, 1, FEATURES), *weights("GRU"), constant=(1, 2, 3), outputs=2, hidden_size=HIDDEN)
    assert found["WHILE"] == 1


@pytest.mark.parametrize("kind", GATES)
def test_the_length_of_sequences_stays_dynamic(kind: str) -> None:
    """Two layers, one of them in both directions, batch and length known at run time."""
    constants = {
        name: value
        for layer, count in (("a", 2), ("b", 1))
        for name, value in zip((f"{layer}w", f"{layer}r", f"{layer}b"), weights(kind, count))
    }
    constants["bw"] = floats(1, GATES[kind] * HIDDEN, 2 * HIDDEN, seed=6)
    nodes = [
        node(kind, ["x", "aw", "ar", "ab"], ["p"], hidden_size=HIDDEN, direction="bidirectional"),
        node("Transpose", ["p"], ["q"], perm=[0, 2, 1, 3]),
        node("Reshape", ["q", "joined"], ["r"]),
        node(kind, ["r", "bw", "br", "bb"], ["y", "last"], hidden_size=HIDDEN),
    ]
    source = onnx_model(nodes, {"x": (("length", "n", FEATURES), np.float32)}, ["y", "last"], {**constants, "joined": np.array([0, 0, -1])})
    made = converted(source)
    for steps, batch in ((5, 1), (12, 3), (1, 2)):
        feeds = {"x": floats(steps, batch, FEATURES, seed=steps)}
        assert_close(run_tflite(made, feeds), run_onnx(source, feeds))
        assert_close(run_jitlite(made, feeds), run_onnx(source, feeds))


def test_the_first_dimension_may_be_the_length() -> None:
    source = onnx_model(
        [node("GRU", ["x", "w", "r", "b"], ["y", "last"], hidden_size=HIDDEN)],
        {"x": (("frames", 1, FEATURES), np.float32)},
        ["y", "last"],
        dict(zip("wrb", weights("GRU"), strict=True)),
    )
    made = converted(source)
    for steps in (1, 9):
        feeds = {"x": floats(steps, 1, FEATURES)}
        assert_close(run_tflite(made, feeds), run_onnx(source, feeds))


def test_initial_states_of_another_size_are_refused() -> None:
    operands = ["x", "w", "r", "", "", "", "c"]
    w, r, *_ = weights("LSTM")
    model = onnx_model(
        [node("LSTM", operands, ["y"], hidden_size=r.shape[-1])],
        {"x": floats(4, 2, w.shape[-1])},
        ["y"],
        {"w": w, "r": r, "c": floats(1, 2, 9)},
    )
    with pytest.raises(ConversionError, match=r"initial states of shape \(1, 2, \d\) are required, found \(1, 2, 9\)"):
        convert_onnx(model)
