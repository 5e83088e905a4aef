"""Windows over one, two and three spatial axes beyond the common ones: volumes, norms, indices of maxima and their way back."""

from typing import Any

import numpy as np
import pytest

from tests.converter.agreement import Array, check, check_node, floats, node, onnx_model

VOLUME = floats(2, 4, 5, 6, 7)

CONVOLUTIONS: list[tuple[int, int, dict[str, Any]]] = [
    (6, 4, {}),
    (6, 4, {"pads": [1, 1, 1, 1, 1, 1]}),
    (6, 4, {"pads": [0, 1, 2, 1, 0, 1], "strides": [2, 1, 2]}),
    (6, 4, {"dilations": [2, 1, 3]}),
    (6, 4, {"auto_pad": "SAME_LOWER", "strides": [2, 2, 2]}),
    (6, 2, {"group": 2, "pads": [1, 0, 1, 1, 2, 1]}),
    (4, 1, {"group": 4, "strides": [2, 1, 2], "dilations": [1, 2, 1]}),
    (8, 1, {"group": 4, "dilations": [2, 1, 1], "pads": [2, 1, 1, 2, 1, 1]}),
]


@pytest.mark.parametrize(("units", "depth", "attributes"), CONVOLUTIONS)
@pytest.mark.parametrize("constant", [(1, 2), ()])
def test_conv(units: int, depth: int, attributes: dict[str, Any], constant: tuple[int, ...]) -> None:
    check_node("Conv", VOLUME, floats(units, depth, 3, 3, 3, seed=1), floats(units, seed=2), constant=constant, **attributes)


@pytest.mark.parametrize(
    ("units", "attributes"),
    [
        (3, {}),
        (3, {"strides": [2, 2, 2], "pads": [1, 1, 1, 1, 1, 1]}),
        (3, {"strides": [2, 1, 3], "output_padding": [1, 0, 2]}),
        (3, {"strides": [2, 2, 2], "auto_pad": "SAME_UPPER"}),
        (2, {"group": 2, "dilations": [1, 2, 1]}),
    ],
)
def test_conv_transpose(units: int, attributes: dict[str, Any]) -> None:
    check_node("ConvTranspose", VOLUME, floats(4, units, 3, 3, 3, seed=1), constant=(1,), **attributes)


POOLS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 5, 6, 7), {"kernel_shape": [2, 3, 2]}),
    ((2, 3, 5, 6, 7), {"kernel_shape": [3, 3, 3], "pads": [1, 1, 1, 1, 1, 1], "strides": [2, 1, 2]}),
    ((2, 3, 5, 6, 7), {"kernel_shape": [3, 2, 2], "strides": [2, 2, 2], "ceil_mode": 1, "pads": [1, 0, 0, 0, 1, 1]}),
    ((2, 3, 5, 6, 7), {"kernel_shape": [2, 2, 2], "dilations": [2, 3, 1], "pads": [1, 1, 0, 0, 1, 1]}),
    ((2, 3, 5, 6, 7), {"kernel_shape": [3, 3, 3], "strides": [2, 2, 2], "auto_pad": "SAME_UPPER"}),
    ((2, 3, 40), {"kernel_shape": [7], "dilations": [5], "strides": [2], "pads": [3, 2]}),
    ((2, 3, 12, 14), {"kernel_shape": [4, 3], "dilations": [2, 3], "strides": [2, 1], "pads": [1, 2, 0, 2]}),
]


@pytest.mark.parametrize(("shape", "attributes"), POOLS)
@pytest.mark.parametrize(
    ("kind", "more"),
    [("MaxPool", {}), ("AveragePool", {}), ("AveragePool", {"count_include_pad": 1}), ("LpPool", {"p": 1}), ("LpPool", {"p": 3})],
)
def test_pool(kind: str, more: dict[str, Any], shape: tuple[int, ...], attributes: dict[str, Any]) -> None:
    check_node(kind, floats(*shape), opset=22, **attributes, **more)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 6), (2, 3, 7)])
@pytest.mark.parametrize(("kind", "more"), [("GlobalAveragePool", {}), ("GlobalMaxPool", {}), ("GlobalLpPool", {"p": 3})])
def test_global_pool(kind: str, more: dict[str, Any], shape: tuple[int, ...]) -> None:
    check_node(kind, floats(*shape), **more)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_max_pool_of_bytes(dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (1, 3, 8, 9)).astype(dtype)
    check_node("MaxPool", pixels, opset=12, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])


@pytest.mark.parametrize(("shape", "attributes"), POOLS)
@pytest.mark.parametrize("storage_order", [0, 1])
def test_indices_of_maxima(shape: tuple[int, ...], attributes: dict[str, Any], storage_order: int) -> None:
    x = np.random.default_rng(0).integers(-3, 4, shape).astype(np.float32)
    check_node("MaxPool", x, opset=22, outputs=2, storage_order=storage_order, **attributes)


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ((2, 3, 8, 6), {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ((2, 3, 9, 9), {"kernel_shape": [3, 3], "strides": [2, 2]}),
        ((2, 3, 8), {"kernel_shape": [2], "strides": [2]}),
        ((1, 2, 4, 6, 4), {"kernel_shape": [2, 3, 2], "strides": [2, 3, 2]}),
    ],
)
def test_unpooling(shape: tuple[int, ...], attributes: dict[str, Any]) -> None:
    nodes = [node("MaxPool", "x", ["p", "i"], **attributes), node("MaxUnpool", "pi", "y", **attributes)]
    x = floats(*shape)
    kinds = check(onnx_model(nodes, {"x": x}, ["y"], opset=22), {"x": x})
    assert kinds["SCATTER_ND"] == 1 + any(np.less(attributes["strides"], attributes["kernel_shape"]))


@pytest.mark.parametrize(
    ("columns", "image", "block", "attributes"),
    [
        ((2, 8, 12), [4, 5], [2, 2], {}),
        ((1, 12, 30), [5, 6], [3, 2], {"pads": [1, 0, 1, 1]}),
        ((1, 8, 6), [6, 6], [2, 2], {"strides": [3, 2], "pads": [0, 0, 0, 0]}),
        ((1, 18, 4), [6, 6], [3, 3], {"dilations": [2, 2]}),
        ((2, 6, 5), [7], [3], {}),
        ((1, 10, 12), [3, 4, 5], [1, 1, 5], {}),
    ],
)
def test_col_to_im(columns: tuple[int, ...], image: list[int], block: list[int], attributes: dict[str, Any]) -> None:
    operands: list[Array] = [floats(*columns), np.array(image, np.int64), np.array(block, np.int64)]
    check_node("Col2Im", *operands, constant=(1, 2), opset=18, **attributes)
