"""Between DequantizeLinear and QuantizeLinear, in models of other tools: everything becomes integer, within one step."""

from typing import Any

import numpy as np
import onnx
import pytest

from tests.converter.agreement import Array, check, floats, node, onnx_model
from tests.converter.quantizing import IMAGE, between, check_steps, feeds

CHANNELS = {"k": floats(8, 1, 1, seed=1), "l": floats(8, 1, 1, seed=2), "slopes": floats(8, 1, 1, seed=3, low=0.05, high=0.4)}
NORM = {"g": floats(8, seed=1), "b": floats(8, seed=2), "m": floats(8, seed=3), "v": floats(8, seed=4, low=0.5, high=2)}


def rounded(x: str, scale: str = "t") -> list[onnx.NodeProto]:
    """A pair of quantizations, from x to x with "d" behind it."""
    return [node("QuantizeLinear", [x, scale, "z"], [f"{x}q"]), node("DequantizeLinear", [f"{x}q", scale, "z"], [f"{x}d"])]


def weighted(name: str, *shape: int, axis: int = 0) -> tuple[list[onnx.NodeProto], dict[str, Array]]:
    """Weights with a scale for each entry of an axis, and their DequantizeLinear."""
    rng = np.random.default_rng(len(name))
    stored: dict[str, Array] = {f"{name}q": rng.integers(-127, 128, shape).astype(np.int8), f"{name}z": np.zeros(shape[axis], np.int8)}
    stored[f"{name}s"] = rng.uniform(0.002, 0.01, shape[axis]).astype(np.float32)
    return [node("DequantizeLinear", [f"{name}q", f"{name}s", f"{name}z"], [name], axis=axis)], stored


W, WEIGHTS = weighted("w", 8, 8, 3, 3)
CONV = [*W, node("Conv", ["d", "w"], ["c"], pads=[1, 1, 1, 1]), *rounded("c")]
TURNED, TURNED_WEIGHTS = weighted("w", 8, 6, 4, 4, axis=1)
ROWS, ROW_WEIGHTS = weighted("w", 5, 16)
FLAT, FLAT_WEIGHTS = weighted("f", 5, 960)
COLUMNS, COLUMN_WEIGHTS = weighted("w", 16, 5, axis=1)
PRODUCT = [node("Transpose", ["d"], ["a"], perm=[0, 1, 3, 2]), node("MatMul", ["d", "a"], ["e"])]

Case = tuple[list[onnx.NodeProto], dict[str, Array], tuple[int, ...]]
PATTERNS: dict[str, Case] = {
    "normalised": ([*CONV, node("BatchNormalization", ["cd", *"gbmv"], ["n"])], WEIGHTS | NORM, IMAGE),
    "normalised and clamped": (
        [*CONV, node("BatchNormalization", ["cd", *"gbmv"], ["e"]), node("Relu", ["e"], ["n"])],
        WEIGHTS | NORM,
        IMAGE,
    ),
    "channels scaled": ([*CONV, node("Mul", ["cd", "k"], ["n"])], WEIGHTS | CHANNELS, IMAGE),
    "channels shifted": ([*CONV, node("Add", ["cd", "k"], ["n"])], WEIGHTS | CHANNELS, IMAGE),
    "channels less": ([*CONV, node("Sub", ["cd", "k"], ["n"])], WEIGHTS | CHANNELS, IMAGE),
    "less channels": ([*CONV, node("Sub", ["k", "cd"], ["n"])], WEIGHTS | CHANNELS, IMAGE),
    "slopes of channels": ([*CONV, node("PRelu", ["cd", "slopes"], ["n"])], WEIGHTS | CHANNELS, IMAGE),
    "last axis": ([node("Mul", ["d", "k"], ["e"]), node("Add", ["e", "l"], ["n"])], {"k": floats(12), "l": floats(12, seed=1)}, (2, 5, 12)),
    "transposed conv": ([*TURNED, node("ConvTranspose", ["d", "w"], ["n"], strides=[2, 2], pads=[1, 1, 1, 1])], TURNED_WEIGHTS, IMAGE),
    "gemm of parts": (
        [*ROWS, node("Gemm", ["d", "w", "k"], ["n"], transB=1, alpha=0.5, beta=2.0)],
        ROW_WEIGHTS | {"k": floats(5)},
        (3, 16),
    ),
    "flattened image": (
        [*CONV, node("Flatten", ["cd"], ["e"]), *rounded("e"), *FLAT, node("Gemm", ["ed", "f", "k"], ["n"], transB=1)],
        WEIGHTS | FLAT_WEIGHTS | {"k": floats(5)},
        IMAGE,
    ),
    "columns of weights": (
        [*COLUMNS, node("MatMul", ["d", "w"], ["e"]), node("Add", ["e", "k"], ["n"])],
        COLUMN_WEIGHTS | {"k": floats(5)},
        (2, 3, 16),
    ),
    "product": ([*PRODUCT[:1], node("MatMul", ["d", "a"], ["n"])], {}, IMAGE),
    "scaled product": ([*PRODUCT, node("Mul", ["e", "k"], ["n"])], {"k": np.array(0.125, np.float32)}, IMAGE),
    "mean of two": ([*rounded("d"), node("Mean", ["d", "dd"], ["n"])], {}, IMAGE),
    "difference": ([*rounded("d"), node("Sub", ["d", "dd"], ["n"])], {}, IMAGE),
    "maximum": ([*rounded("d"), node("Max", ["d", "dd"], ["n"])], {}, IMAGE),
    "joined": ([*rounded("d"), node("Concat", ["d", "dd"], ["n"], axis=1)], {}, IMAGE),
    "padded": ([node("Pad", ["d", "k"], ["n"])], {"k": np.array([0, 0, 1, 2, 0, 0, 3, 1])}, IMAGE),
    "padded by a number": ([node("Pad", ["d", "k", "l"], ["n"])], {"k": np.array([0, 0, 1, 2, 0, 0, 3, 1]), "l": np.float32(0.5)}, IMAGE),
    "means": ([node("ReduceMean", ["d", "k"], ["n"], keepdims=0)], {"k": np.array([1])}, IMAGE),
    "sums": ([node("ReduceSum", ["d", "k"], ["n"])], {"k": np.array([2, 3])}, IMAGE),
    "resized": ([node("Resize", ["d", "", "k"], ["n"], mode="linear")], {"k": np.array([1, 1, 2, 2], np.float32)}, IMAGE),
    "averages without padding": ([node("AveragePool", ["d"], ["n"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])], {}, IMAGE),
    "channels weighted by what they hold": (
        [
            node("GlobalAveragePool", ["d"], ["e"]),
            *rounded("e"),
            *weighted("w", 8, 8, 1, 1)[0],
            node("Conv", ["ed", "w"], ["h"]),
            *rounded("h"),
            node("HardSigmoid", ["hd"], ["i"]),
            *rounded("i", "s"),
            node("Mul", ["d", "id"], ["n"]),
        ],
        weighted("w", 8, 8, 1, 1)[1],
        IMAGE,
    ),
}


@pytest.mark.parametrize("grid", ["uint8", "int8"])
@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_becomes_integer(name: str, grid: str) -> None:
    nodes, stored, shape = PATTERNS[name]
    model = between(*nodes, grid=grid, shape=shape, **stored)
    check_steps(model, feeds(model, 2, seed=3), as_written=True)


MOVES: dict[str, list[onnx.NodeProto]] = {
    "slice": [node("Slice", ["q", "k", "l", "k"], ["p"])],
    "constants behind Identity": [node("Identity", ["q"], ["e"]), node("Transpose", ["e"], ["p"], perm=[0, 2, 1])],
    "padding without a number": [node("Pad", ["q", "places"], ["p"])],
    "bounds": [node("Clip", ["q", "", "most"], ["p"])],
}


@pytest.mark.parametrize("is_input", [False, True])
@pytest.mark.parametrize("name", MOVES)
def test_whole_numbers_are_moved_as_such(name: str, is_input: bool) -> None:
    """Behind a QuantizeLinear, and between an input of whole numbers and the DequantizeLinear that says what they stand for."""
    stored = {"k": np.array([1]), "l": np.array([3]), "places": np.array([0, 1, 2, 0, 3, 4]), "most": np.array(200, np.uint8)}
    stored |= {"s": np.array(0.02, np.float32), "z": np.array(77, np.uint8)}
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), *MOVES[name], node("DequantizeLinear", ["p", "s", "z"], ["y"])]
    given: dict[str, Any] = {"x": ((2, 3, 40), np.float32)}
    if is_input:
        nodes, given = nodes[1:], {"q": ((2, 3, 40), np.uint8)}
    used = {name for each in nodes for name in each.input}
    model = onnx_model(nodes, given, ["y"], {key: data for key, data in stored.items() if key in used})
    ((entry, (shape, kind)),) = given.items()
    numbers = np.random.default_rng(0).integers(0, 256, shape).astype(kind)
    found = check(model, {entry: numbers if is_input else numbers * np.float32(0.02) - 2})
    assert "RESHAPE" not in found
    assert sum(found.values()) <= 4
