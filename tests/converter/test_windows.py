"""Convolutions, pooling and resizing against ONNX Runtime, by table and for shapes nobody thought of."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.converter.agreement import Array, check_node, floats

I64 = np.int64
F32 = np.float32


def row(*operands: Any, constant: tuple[int, ...] = (), opset: int = 17, name: str = "", **attributes: Any) -> Any:
    return pytest.param(
        operands, constant, opset, attributes, id=f"{opset}-{name}-" + ",".join(f"{key}={value}" for key, value in attributes.items())
    )


def conv(x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, name: str = "", **attributes: Any) -> Any:
    operands = [floats(*x), floats(*w, seed=1)] + ([floats(w[0], seed=2)] if bias else [])
    return row(*operands, constant=tuple(range(1, len(operands))), name=name or f"{x}{w}", **attributes)


@pytest.mark.parametrize(
    ("operands", "constant", "opset", "attributes"),
    [
        conv((1, 3, 8, 9), (4, 3, 3, 3)),
        conv((2, 3, 8, 9), (4, 3, 3, 3), bias=False),
        conv((1, 3, 8, 9), (4, 3, 3, 3), pads=[1, 1, 1, 1]),
        conv((1, 3, 8, 9), (4, 3, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2]),
        conv((1, 3, 8, 9), (4, 3, 2, 5), pads=[0, 1, 2, 3], strides=[2, 1]),
        conv((1, 3, 9, 9), (4, 3, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
        conv((1, 3, 8, 8), (4, 3, 3, 3), auto_pad="SAME_LOWER", strides=[2, 2]),
        conv((1, 3, 8, 8), (4, 3, 3, 3), auto_pad="VALID", strides=[2, 3]),
        conv((1, 3, 12, 12), (4, 3, 3, 3), dilations=[2, 3], pads=[2, 3, 2, 3]),
        conv((1, 6, 8, 8), (6, 1, 3, 3), group=6, pads=[1, 1, 1, 1]),
        conv((1, 6, 8, 8), (12, 1, 3, 3), group=6, strides=[2, 2]),
        conv((1, 6, 9, 9), (6, 1, 3, 3), group=6, dilations=[2, 2], pads=[2, 2, 2, 2]),
        conv((1, 6, 8, 8), (9, 2, 3, 3), group=3, pads=[1, 1, 1, 1]),
        conv((1, 1, 8, 8), (4, 1, 3, 3), group=1),
        conv((2, 3, 20), (5, 3, 4), name="one axis"),
        conv((2, 3, 20), (5, 3, 3), pads=[1, 1], strides=[2], name="one axis"),
        conv((2, 4, 20), (4, 1, 3), group=4, dilations=[3], name="one axis"),
        row(floats(1, 3, 6, 6), floats(4, 3, 3, 3, seed=1), name="run-time weights", pads=[1, 1, 1, 1]),
        row(floats(1, 3, 6, 6), floats(4, 3, 3, 3, seed=1), floats(4, seed=2), constant=(1,), name="run-time bias"),
    ],
)
def test_conv(operands: tuple[Array, ...], constant: tuple[int, ...], opset: int, attributes: dict[str, Any]) -> None:
    check_node("Conv", *operands, constant=constant, opset=opset, **attributes)


def transposed(x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **attributes: Any) -> Any:
    units = w[1] * attributes.get("group", 1)
    operands = [floats(*x), floats(*w, seed=1)] + ([floats(units, seed=2)] if bias else [])
    return row(*operands, constant=tuple(range(1, len(operands))), name=f"{x}{w}", **attributes)


@pytest.mark.parametrize(
    ("operands", "constant", "opset", "attributes"),
    [
        transposed((1, 3, 4, 5), (3, 4, 3, 3)),
        transposed((2, 3, 4, 5), (3, 4, 2, 2), strides=[2, 2]),
        transposed((1, 3, 4, 5), (3, 4, 4, 4), strides=[2, 2], pads=[1, 1, 1, 1]),
        transposed((1, 3, 4, 5), (3, 4, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        transposed((1, 3, 4, 5), (3, 4, 3, 3), bias=False, strides=[2, 2], pads=[0, 1, 1, 2]),
        transposed((1, 3, 4, 5), (3, 4, 3, 3), bias=False, strides=[3, 3], output_padding=[2, 1]),
        transposed((1, 3, 4, 5), (3, 4, 3, 3), dilations=[2, 2]),
        transposed((1, 6, 4, 5), (6, 2, 3, 3), group=3, strides=[2, 2]),
        transposed((1, 6, 4, 5), (6, 1, 3, 3), group=6, strides=[2, 2], pads=[1, 1, 1, 1]),
        transposed((1, 3, 4, 5), (3, 4, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
        transposed((1, 3, 4, 5), (3, 4, 1, 2), strides=[3, 2], auto_pad="SAME_LOWER", output_padding=[0, 1]),
        transposed((1, 3, 4, 5), (3, 4, 3, 3), strides=[2, 2], output_shape=[8, 10]),
        transposed((1, 3, 7), (3, 4, 4), strides=[2], pads=[1, 1]),
        transposed((2, 8, 4, 5), (8, 1, 4, 3), group=8, strides=[2, 1], pads=[1, 1, 1, 0]),
        transposed((1, 10, 4, 5), (10, 3, 2, 2), group=5, strides=[2, 3], dilations=[2, 1], output_padding=[1, 2]),
        transposed((1, 6, 7), (6, 1, 4), group=6, strides=[2], pads=[1, 1]),
        transposed((1, 6, 4, 4), (6, 1, 1, 1), group=6, strides=[3, 3]),
        transposed((1, 6, 4, 4), (6, 1, 3, 3), group=6, pads=[2, 2, 2, 2]),
        transposed((1, 3, 4, 5), (3, 4, 2, 2), strides=[3, 3], output_padding=[2, 1]),
        row(floats(1, 4, 5, 6), floats(4, 3, 3, 3, seed=1), floats(6, seed=2), name="run-time weights", group=2, strides=[2, 2]),
    ],
)
def test_conv_transpose(operands: tuple[Array, ...], constant: tuple[int, ...], opset: int, attributes: dict[str, Any]) -> None:
    check_node("ConvTranspose", *operands, constant=constant, opset=opset, **attributes)


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("shape", "opset", "attributes"),
    [
        ((1, 3, 8, 9), 7, {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ((2, 3, 8, 9), 11, {"kernel_shape": [3, 2]}),
        ((1, 3, 8, 9), 11, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ((1, 3, 8, 9), 11, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ((1, 3, 8, 9), 11, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 1, 0]}),
        ((1, 3, 8, 9), 11, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
        ((1, 3, 8, 9), 19, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 0, 1, 0]}),
        ((1, 3, 8, 9), 11, {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ((1, 3, 8, 9), 11, {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
        ((1, 3, 9, 9), 19, {"kernel_shape": [3, 2], "dilations": [2, 3]}),
        ((1, 3, 9, 9), 19, {"kernel_shape": [3, 3], "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
        ((2, 3, 20), 11, {"kernel_shape": [4], "strides": [3]}),
        ((2, 3, 20), 11, {"kernel_shape": [3], "pads": [1, 1]}),
    ],
)
def test_pool(kind: str, shape: tuple[int, ...], opset: int, attributes: dict[str, Any]) -> None:
    check_node(kind, floats(*shape), opset=opset, **attributes)


@pytest.mark.parametrize(
    ("opset", "attributes"),
    [
        (11, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        (11, {"kernel_shape": [3, 2], "pads": [1, 0, 2, 1], "strides": [2, 2]}),
        (19, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "ceil_mode": 1}),
        (19, {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "dilations": [2, 2]}),
    ],
)
def test_average_pool_that_counts_padding(opset: int, attributes: dict[str, Any]) -> None:
    check_node("AveragePool", floats(1, 3, 8, 9), opset=opset, count_include_pad=1, **attributes)


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 7)])
def test_global_pool(kind: str, shape: tuple[int, ...]) -> None:
    check_node(kind, floats(*shape))


def resized(kind: str, sizes: tuple[int, int], mode: str, coordinates: str, rounding: str = "round_prefer_floor") -> Any:
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        attributes["nearest_mode"] = rounding
    if kind == "sizes":
        operands = (floats(1, 3, 5, 6), None, None, np.array([1, 3, *sizes], I64))
        return row(*operands, constant=(3,), name=f"{sizes}", **attributes)
    operands = (floats(1, 3, 5, 6), None, np.array([1, 1, sizes[0] / 5, sizes[1] / 6], F32))
    return row(*operands, constant=(2,), name=f"scales {sizes}", **attributes)


@pytest.mark.parametrize(
    ("operands", "constant", "opset", "attributes"),
    [
        *(
            resized(kind, sizes, "nearest", "asymmetric", "floor")
            for kind in ("sizes", "scales")
            for sizes in ((10, 12), (15, 18), (3, 4), (7, 11))
        ),
        *(
            resized("sizes", sizes, "nearest", "half_pixel", rounding)
            for sizes in ((10, 12), (3, 3), (8, 13))
            for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        ),
        *(
            resized("sizes", sizes, "nearest", coordinates)
            for sizes in ((10, 12), (4, 4))
            for coordinates in ("align_corners", "pytorch_half_pixel", "half_pixel_symmetric")
        ),
        *(
            resized(kind, sizes, "linear", coordinates)
            for kind in ("sizes", "scales")
            for sizes in ((10, 12), (7, 4))
            for coordinates in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
        ),
        resized("sizes", (1, 12), "linear", "pytorch_half_pixel"),
        row(floats(1, 3, 5, 6), None, np.array([1, 1, 1.7, 2.3], F32), constant=(2,), name="odd scales", mode="linear"),
        row(floats(1, 3, 5, 6), None, np.array([1, 1, 1.7, 2.3], F32), constant=(2,), name="odd scales", mode="nearest"),
        row(floats(1, 3, 5, 6), np.array([1, 1, 2, 2], F32), constant=(1,), opset=10, mode="nearest"),
        row(floats(1, 3, 5, 6), np.array([1, 1, 2, 3], F32), constant=(1,), opset=10, mode="linear"),
        row(floats(1, 3, 8), None, np.array([1, 1, 2], F32), constant=(2,), name="one axis", mode="linear"),
        row(floats(1, 3, 5, 6), None, np.array([2, 2], F32), constant=(2,), opset=18, mode="nearest", axes=[2, 3]),
    ],
)
def test_resize(operands: tuple[Array | None, ...], constant: tuple[int, ...], opset: int, attributes: dict[str, Any]) -> None:
    check_node("Resize", *operands, constant=constant, opset=opset, **attributes)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsample(mode: str) -> None:
    check_node("Upsample", floats(1, 3, 4, 5), opset=7, scales=[1.0, 1.0, 2.0, 3.0], mode=mode)
    check_node("Upsample", floats(1, 3, 4, 5), np.array([1, 1, 2, 2], F32), constant=(1,), opset=9, mode=mode)


small = st.integers(1, 3)
QUICK = settings(max_examples=40, deadline=None)


@QUICK
@given(
    sizes=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    kernel=st.tuples(small, small),
    strides=st.tuples(small, small),
    dilations=st.tuples(small, small),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    layers=st.sampled_from([(1, 3, 4), (3, 3, 6), (2, 4, 6)]),
)
def test_conv_of_any_shape(
    sizes: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, ...],
    layers: tuple[int, int, int],
) -> None:
    group, channels, units = layers
    spans = [(window - 1) * step + 1 for window, step in zip(kernel, dilations, strict=True)]
    assume(all(size + pads[axis] + pads[axis + 2] >= span for axis, (size, span) in enumerate(zip(sizes, spans, strict=True))))
    weight = floats(units, channels // group, *kernel, seed=1)
    check_node(
        "Conv",
        floats(1, channels, *sizes),
        weight,
        constant=(1,),
        group=group,
        strides=list(strides),
        dilations=list(dilations),
        pads=list(pads),
    )


@QUICK
@given(
    kind=st.sampled_from(["MaxPool", "AveragePool"]),
    sizes=st.tuples(st.integers(4, 12), st.integers(4, 12)),
    kernel=st.tuples(small, small),
    strides=st.tuples(small, small),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    ceil_mode=st.integers(0, 1),
)
def test_pool_of_any_shape(
    kind: str, sizes: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, ...], ceil_mode: int
) -> None:
    assume(all(pads[axis] < kernel[axis % 2] for axis in range(4)))
    check_node(kind, floats(1, 2, *sizes), opset=19, kernel_shape=list(kernel), strides=list(strides), pads=list(pads), ceil_mode=ceil_mode)


@QUICK
@given(
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    kernel=st.tuples(small, small),
    strides=st.tuples(small, small),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
)
def test_conv_transpose_of_any_shape(
    sizes: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, ...]
) -> None:
    outputs = [
        (size - 1) * stride + window - pads[axis] - pads[axis + 2]
        for axis, (size, stride, window) in enumerate(zip(sizes, strides, kernel, strict=True))
    ]
    assume(min(outputs) >= 1)
    check_node(
        "ConvTranspose",
        floats(1, 3, *sizes),
        floats(3, 4, *kernel, seed=1),
        floats(4, seed=2),
        constant=(1, 2),
        strides=list(strides),
        pads=list(pads),
    )
