"""Models of float16: float32 inside, halves at the inputs and outputs."""

from collections import Counter

import numpy as np
import pytest

from tests.converter.agreement import Array, check, floats, node, onnx_model

HALF = np.float16


def halves(*shape: int, seed: int = 0) -> Array:
    return floats(*shape, seed=seed).astype(HALF)


def test_one_cast_at_each_end() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 3, 1]),
        node("MatMul", ["t", "m"], ["p"]),
        node("Softmax", ["p"], ["y"], axis=-1),
    ]
    stored = {"w": halves(4, 3, 3, 3), "b": halves(4, seed=1), "m": halves(4, 5, seed=2)}
    feed = {"x": halves(1, 3, 6, 6, seed=3)}
    found = check(onnx_model(nodes, feed, ["y"], stored), feed, tolerance=2e-3)
    assert found == Counter(CAST=2, TRANSPOSE=1, CONV_2D=1, FULLY_CONNECTED=1, SOFTMAX=1)


def test_casts_inside_are_dropped() -> None:
    nodes = [
        node("Cast", ["x"], ["h"], to=10),
        node("Exp", ["h"], ["e"]),
        node("Cast", ["e"], ["f"], to=1),
        node("Sqrt", ["f"], ["y"]),
    ]
    feed = {"x": floats(3, 4)}
    assert check(onnx_model(nodes, feed, ["y"]), feed, tolerance=2e-3) == Counter(EXP=1, SQRT=1)


def test_values_that_are_outputs_and_go_on() -> None:
    nodes = [node("Exp", ["x"], ["e"]), node("Neg", ["e"], ["n"]), node("Split", ["n"], ["a", "b"], axis=1)]
    feed = {"x": halves(3, 4)}
    check(onnx_model(nodes, feed, ["e", "a", "n"], opset=11), feed, tolerance=2e-3)


@pytest.mark.parametrize("name", ["x", "y"])
def test_inputs_and_constants_that_are_outputs(name: str) -> None:
    nodes = [node("Identity", ["x"], ["y"]), node("Exp", ["x"], ["z"])]
    feed = {"x": halves(2, 3)}
    check(onnx_model(nodes, feed, ["y", "z"] if name == "y" else ["z", "y"]), feed, tolerance=2e-3)
