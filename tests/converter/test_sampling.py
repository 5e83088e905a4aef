"""Reading images at positions known only at run time, against ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from tests.converter.agreement import Array, check_node, floats

I64 = np.int64
F32 = np.float32


def grid(*shape: int) -> Array:
    return floats(*shape, seed=3, low=-1.6, high=1.6)


@pytest.mark.parametrize("align_corners", [0, 1])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (1, 4, 2, 7), (1, 2, 1, 3)])
def test_grid_sample(shape: tuple[int, ...], mode: str, padding_mode: str, align_corners: int) -> None:
    if padding_mode == "reflection" and align_corners and 1 in shape[2:]:
        pytest.skip("ONNX Runtime divides by a period of 0")
    attributes: dict[str, Any] = {"padding_mode": padding_mode, "align_corners": align_corners}
    check_node("GridSample", floats(*shape), grid(shape[0], 7, 9, 2), opset=20, mode=mode, **attributes)
    older = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    check_node("GridSample", floats(*shape), grid(shape[0], 1, 4, 2), opset=16, mode=older, **attributes)


@pytest.mark.parametrize("align_corners", [0, 1])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_grid_sample_of_a_volume(mode: str, padding_mode: str, align_corners: int) -> None:
    operands = floats(2, 3, 4, 5, 6), grid(2, 3, 2, 4, 3)
    check_node("GridSample", *operands, opset=20, mode=mode, padding_mode=padding_mode, align_corners=align_corners)


@pytest.mark.parametrize("align_corners", [0, 1])
@pytest.mark.parametrize("sizes", [(2, 3, 4, 5), (1, 2, 3, 4, 5), (2, 3, 1, 5)])
def test_affine_grid(sizes: tuple[int, ...], align_corners: int) -> None:
    if align_corners and 1 in sizes[2:]:
        pytest.skip("the definition divides by 0")
    count = len(sizes) - 2
    theta = floats(sizes[0], count, count + 1)
    check_node("AffineGrid", theta, np.array(sizes, I64), constant=(1,), opset=20, align_corners=align_corners)


ROIS = np.array([[0, 0, 4, 4], [2, 1, 9, 7], [-3, -2, 5, 30], [6, 6, 5, 5], [1.2, 0.3, 1.4, 3.9]], F32)
REGIONS: list[dict[str, Any]] = [
    {"output_height": 3, "output_width": 2, "sampling_ratio": 2},
    {"output_height": 2, "output_width": 4, "sampling_ratio": 3, "spatial_scale": 0.5},
    {"output_height": 1, "output_width": 1, "sampling_ratio": 1},
]


@pytest.mark.parametrize("attributes", REGIONS)
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align(attributes: dict[str, Any], mode: str) -> None:
    operands = floats(2, 3, 8, 9), ROIS, np.array([0, 1, 1, 0, 1], I64)
    check_node("RoiAlign", *operands, opset=10, mode=mode, **attributes)
    check_node("RoiAlign", *operands, opset=16, mode=mode, **attributes)
    check_node("RoiAlign", *operands, opset=16, mode=mode, coordinate_transformation_mode="output_half_pixel", **attributes)


@pytest.mark.parametrize(
    ("image", "weight", "outputs", "attributes"),
    [
        ((1, 2, 5, 6), (3, 2, 3, 3), (3, 4), {}),
        ((2, 4, 6, 6), (6, 2, 3, 2), (6, 5), {"group": 2, "pads": [1, 0, 1, 0]}),
        ((1, 4, 7, 7), (3, 4, 2, 2), (3, 3), {"offset_group": 2, "strides": [2, 2]}),
        ((2, 4, 7, 8), (4, 2, 2, 2), (5, 6), {"offset_group": 4, "group": 2, "dilations": [2, 2]}),
    ],
)
def test_deform_conv(image: tuple[int, ...], weight: tuple[int, ...], outputs: tuple[int, int], attributes: dict[str, Any]) -> None:
    taps = attributes.get("offset_group", 1) * weight[2] * weight[3]
    x, w, bias = floats(*image), floats(*weight, seed=1), floats(weight[0], seed=2)
    offset = floats(image[0], 2 * taps, *outputs, seed=3, low=-3, high=3)
    mask = floats(image[0], taps, *outputs, seed=4)
    check_node("DeformConv", x, w, offset, bias, mask, constant=(1, 3), opset=19, **attributes)
    check_node("DeformConv", x, w, offset, opset=22, **attributes)
