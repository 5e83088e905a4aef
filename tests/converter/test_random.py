"""Random numbers: their distribution, in LiteRT."""

from typing import Any

import numpy as np
import pytest

from tests.converter.agreement import Array, converted, node, onnx_model, run_tflite

SHAPE = (200, 300)
X = np.zeros(SHAPE, np.float32)


def drawn(kind: str, inputs: str = "", x: Array = X, **attributes: Any) -> Array:
    """Added to the input where the operator does not read it, so that the model has one."""
    if inputs:
        nodes = [node(kind, inputs, "y", **attributes)]
    else:
        nodes = [node(kind, "", "r", shape=list(SHAPE), **attributes), node("Add", "xr", "y")]
    (found,) = run_tflite(converted(onnx_model(nodes, {"x": x}, ["y"], opset=15)), {"x": x})
    return found


@pytest.mark.parametrize("inputs", ["", "x"])
def test_uniform(inputs: str) -> None:
    y = drawn(f"RandomUniform{'Like' if inputs else ''}", inputs, low=-1.0, high=3.0)
    assert -1 <= y.min() < -0.99
    assert 2.99 < y.max() <= 3
    assert abs(y.mean() - 1) < 0.02
    assert abs(y.std() - 4 / 12**0.5) < 0.02


@pytest.mark.parametrize("inputs", ["", "x"])
def test_normal(inputs: str) -> None:
    y = drawn(f"RandomNormal{'Like' if inputs else ''}", inputs, mean=2.0, scale=3.0, seed=7.0)
    assert abs(y.mean() - 2) < 0.06
    assert abs(y.std() - 3) < 0.06


@pytest.mark.parametrize(("dtype", "wanted"), [(None, np.float32), (7, np.int64), (9, np.bool_)])
def test_bernoulli(dtype: int | None, wanted: type) -> None:
    chances = np.broadcast_to(np.linspace(0, 1, 5, dtype=np.float32), (4000, 5)).copy()
    y = drawn("Bernoulli", "x", chances, **({} if dtype is None else {"dtype": dtype}))
    assert y.dtype == wanted
    assert set(np.unique(y)) == {0, 1}
    np.testing.assert_allclose(y.mean(axis=0), chances[0], atol=0.05)


def test_multinomial() -> None:
    chances = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-30]], np.float32)
    y = drawn("Multinomial", "x", np.log(chances), sample_size=5000)
    assert y.dtype == np.int32
    counts = [[np.mean(row == choice) for choice in range(3)] for row in y]
    np.testing.assert_allclose(counts, chances, atol=0.05)


def test_two_nodes_draw_other_numbers() -> None:
    nodes = [node("RandomNormalLike", "x", "a"), node("RandomNormalLike", "x", "b"), node("Sub", "ab", "y")]
    (y,) = run_tflite(converted(onnx_model(nodes, {"x": X}, ["y"])), {"x": X})
    assert abs(y.std() - 2**0.5) < 0.05
