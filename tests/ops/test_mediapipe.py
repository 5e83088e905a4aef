"""MediaPipe's custom operators, which LiteRT's own interpreter lacks: compared with plain loops over their definitions."""

import struct

import numpy as np
import pytest

from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.mediapipe import CONVOLUTION_2D_TRANSPOSE_BIAS, MAX_POOLING_WITH_ARGMAX_2D, MAX_UNPOOLING_2D
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.record import replace
from jitlite.schemas.tables import TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, call, operand, result, run

F32 = TensorType.FLOAT32
SAME, VALID = 1, 2


def model(spec, options, inputs, shapes):
    """A model of one custom operator."""
    made = build(spec, None, inputs, [result(F32, shape=shape) for shape in shapes])
    made.operator_codes[0].custom_code = spec.name
    made.subgraphs[0].operators[0].custom_options = struct.pack(f"<{len(options)}i", *options)
    return write_model(made)


def inferred(spec, options, inputs):
    described: Call = call(spec, None, inputs)
    return infer(replace(described, custom_options=struct.pack(f"<{len(options)}i", *options)))


def padding_of(padding, size, output, window, stride):
    return max(0, (output - 1) * stride + window - size) // 2 if padding == SAME else 0


def transposed(x, w, bias, y_shape, stride, pad):
    y = np.zeros(y_shape) + bias
    for b, i, j in np.ndindex(*x.shape[:3]):
        for ky, kx in np.ndindex(*w.shape[1:3]):
            row, column = i * stride[0] - pad[0] + ky, j * stride[1] - pad[1] + kx
            if 0 <= row < y_shape[1] and 0 <= column < y_shape[2]:
                y[b, row, column] += w[:, ky, kx] @ x[b, i, j]
    return y


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 3)])
@pytest.mark.parametrize(("x", "w"), [((1, 4, 5, 3), (2, 2, 2, 3)), ((2, 3, 3, 4), (6, 3, 3, 4)), ((1, 5, 4, 2), (1, 4, 1, 2))])
@pytest.mark.parametrize("threads", [1, 3])
def test_transposed_convolutions(x, w, stride, padding, threads):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype(np.float32) for shape in (x, w, w[:1])]
    inputs = [operand(F32, x), operand(F32, w, value=values[1]), operand(F32, w[:1], value=values[2])]
    options = (padding, stride[1], stride[0])
    ((shape, _),) = inferred(CONVOLUTION_2D_TRANSPOSE_BIAS, options, inputs)
    cut = [max(0, w[axis + 1] - (x[axis + 1] - 1) % stride[axis] - 1) if padding == SAME else 0 for axis in (0, 1)]
    sizes = [stride[axis] * (x[axis + 1] - 1) + w[axis + 1] - cut[axis] for axis in (0, 1)]
    assert shape == (x[0], *sizes, w[0])
    (found,) = run(model(CONVOLUTION_2D_TRANSPOSE_BIAS, options, inputs, [shape]), values[:1], threads)
    expected = transposed(*values, shape, stride, [size // 2 for size in cut])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


POOLS = [
    ((1, 4, 6, 3), (2, 2), (2, 2), SAME),
    ((2, 5, 7, 4), (3, 2), (2, 2), SAME),
    ((1, 7, 7, 2), (3, 3), (1, 2), VALID),
    ((1, 6, 6, 33), (2, 3), (3, 1), VALID),
]


def pool_options(window, stride, padding, activation=0):
    return (padding, stride[1], stride[0], window[1], window[0], activation, 0, 0, -1, -1)


@pytest.mark.parametrize(("x", "window", "stride", "padding"), POOLS)
@pytest.mark.parametrize("activation", [0, 1])
@pytest.mark.parametrize("threads", [1, 3])
def test_max_pooling(x, window, stride, padding, activation, threads):
    values = np.random.default_rng(1).integers(-4, 5, x).astype(np.float32)
    options = pool_options(window, stride, padding, activation)
    (shape, _), _ = inferred(MAX_POOLING_WITH_ARGMAX_2D, options, [operand(F32, x)])
    largest, positions = np.zeros(shape), np.zeros(shape)
    pads = [padding_of(padding, x[axis + 1], shape[axis + 1], window[axis], stride[axis]) for axis in (0, 1)]
    for b, i, j, c in np.ndindex(*shape):
        taps = []
        for ky, kx in np.ndindex(*window):
            row, column = i * stride[0] - pads[0] + ky, j * stride[1] - pads[1] + kx
            if 0 <= row < x[1] and 0 <= column < x[2]:
                taps.append((values[b, row, column, c], -(ky * window[1] + kx)))
        best = max(taps)
        largest[b, i, j, c], positions[b, i, j, c] = max(best[0], 0) if activation else best[0], -best[1]
    found = run(model(MAX_POOLING_WITH_ARGMAX_2D, options, [operand(F32, x)], [shape, shape]), [values], threads)
    np.testing.assert_array_equal(found[0], largest)
    np.testing.assert_array_equal(found[1], positions.astype(np.float32) + np.float32(0.1))


@pytest.mark.parametrize(
    ("x", "window", "stride"), [((1, 3, 4, 5), (2, 2), (2, 2)), ((2, 3, 3, 2), (3, 2), (2, 2)), ((1, 4, 4, 1), (2, 3), (1, 3))]
)
@pytest.mark.parametrize("threads", [1, 3])
def test_max_unpooling(x, window, stride, threads):
    rng = np.random.default_rng(2)
    values = rng.normal(size=x).astype(np.float32)
    positions = (rng.integers(-2, window[0] * window[1] + 2, x) + 0.1).astype(np.float32)
    positions[0, 0, 0, 0] = np.nan
    options = pool_options(window, stride, VALID)
    inputs = [operand(F32, x), operand(F32, x)]
    ((shape, _),) = inferred(MAX_UNPOOLING_2D, options, inputs)
    assert shape == (x[0], x[1] * window[0], x[2] * window[1], x[3])
    pads = [padding_of(SAME, shape[axis + 1], x[axis + 1], window[axis], stride[axis]) for axis in (0, 1)]
    expected = np.zeros(shape, np.float32)
    for b, i, j, c in np.ndindex(*x):
        if not positions[b, i, j, c] > -1:
            continue
        ky, kx = divmod(int(positions[b, i, j, c]), window[1])
        row, column = i * stride[0] - pads[0] + ky, j * stride[1] - pads[1] + kx
        if 0 <= row < shape[1] and 0 <= column < shape[2]:
            expected[b, row, column, c] = values[b, i, j, c]
    (found,) = run(model(MAX_UNPOOLING_2D, options, inputs, [shape]), [values, positions], threads)
    np.testing.assert_array_equal(found, expected)


IMAGE = operand(F32, (1, 4, 4, 3))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (MAX_POOLING_WITH_ARGMAX_2D, (1, 2, 2), [IMAGE], "24 bytes of options are required, found 12"),
        (MAX_POOLING_WITH_ARGMAX_2D, (0, 2, 2, 2, 2, 0), [IMAGE], "padding 1 or 2"),
        (MAX_POOLING_WITH_ARGMAX_2D, (1, 0, 2, 2, 2, 0), [IMAGE], "stride_w from 1"),
        (MAX_POOLING_WITH_ARGMAX_2D, (2, 1, 1, 5, 2, 0), [IMAGE], "a VALID window of at most 4"),
        (MAX_POOLING_WITH_ARGMAX_2D, (1, 1, 1, 2, 2, 99), [IMAGE], "a fused activation is required"),
        (MAX_POOLING_WITH_ARGMAX_2D, (1, 1, 1, 2, 2, 0), [operand(F32, (4, 4))], "rank 4"),
        (MAX_UNPOOLING_2D, (1, 1, 1, 2, 2, 0), [IMAGE, operand(F32, (1, 4, 4, 2))], "positions of shape"),
        (CONVOLUTION_2D_TRANSPOSE_BIAS, (1, 1, 1), [IMAGE, operand(F32, (2, 2, 2, 4)), operand(F32, (2,))], "4 input channels"),
        (CONVOLUTION_2D_TRANSPOSE_BIAS, (1, 1, 1), [IMAGE, operand(F32, (2, 2, 2, 3)), operand(F32, (3,))], "a bias of shape"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        inferred(spec, options, inputs)


def test_activations_that_are_no_clamps_are_not_supported():
    with pytest.raises(UnsupportedError, match="TANH"):
        inferred(MAX_POOLING_WITH_ARGMAX_2D, (1, 1, 1, 2, 2, 4), [IMAGE])
