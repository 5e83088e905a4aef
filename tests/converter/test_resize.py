"""Resizing in every mode against ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from tests.converter.agreement import Array, check_node, floats

I64 = np.int64
F32 = np.float32
COORDINATES = ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric")
IMAGE = floats(1, 2, 5, 7)


def sizes(*numbers: int) -> Array:
    return np.array(numbers, I64)


@pytest.mark.parametrize("after", [(10, 13), (3, 4), (2, 9)])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "cubic"},
        {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
        {"mode": "cubic", "antialias": 1},
        {"mode": "cubic", "antialias": 1, "exclude_outside": 1},
        {"mode": "linear", "antialias": 1},
        {"mode": "linear", "antialias": 1, "exclude_outside": 1},
    ],
    ids=lambda found: ",".join(f"{key}={value}" for key, value in found.items()),
)
def test_filters(after: tuple[int, int], coordinates: str, attributes: dict[str, Any]) -> None:
    operands = (IMAGE, None, None, sizes(1, 2, *after))
    check_node("Resize", *operands, constant=(3,), opset=19, coordinate_transformation_mode=coordinates, **attributes)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_wide_filters_are_products(mode: str) -> None:
    kinds = check_node("Resize", floats(1, 3, 40, 40), None, None, sizes(1, 3, 6, 7), constant=(3,), opset=18, mode=mode, antialias=1)
    assert kinds["BATCH_MATMUL"] == 2


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_aspect_ratio(policy: str, mode: str) -> None:
    attributes = {"keep_aspect_ratio_policy": policy, "axes": [3, 2]}
    check_node("Resize", IMAGE, None, None, sizes(13, 10), constant=(3,), opset=19, mode=mode, **attributes)


@pytest.mark.parametrize("roi", [(0, 0, 0.1, 0.2, 1, 1, 0.9, 0.7), (0, 0, -0.2, 0.2, 1, 1, 0.9, 1.3)])
@pytest.mark.parametrize("after", [(3, 3), (8, 9), (1, 1)])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_crop(roi: tuple[float, ...], after: tuple[int, int], mode: str) -> None:
    attributes = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.0}
    operands = (IMAGE, np.array(roi, F32), None, sizes(1, 2, *after))
    check_node("Resize", *operands, constant=(1, 3), mode=mode, **attributes)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(
    ("shape", "scales"),
    [
        ((1, 2, 4, 5, 6), (1, 1, 1.5, 2, 0.7)),
        ((4, 5), (1.5, 2)),
        ((2, 4, 5, 3), (1, 1.5, 2, 1)),
        ((2, 3, 8), (1, 1, 2.5)),
    ],
)
def test_other_axes(mode: str, shape: tuple[int, ...], scales: tuple[float, ...]) -> None:
    check_node("Resize", floats(*shape), None, np.array(scales, F32), constant=(2,), mode=mode)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_whole_numbers(dtype: type, mode: str) -> None:
    pixels = (np.arange(30).reshape(1, 1, 5, 6) * 3).astype(dtype)
    check_node("Resize", pixels, None, None, sizes(1, 1, 10, 12), constant=(3,), mode=mode)
