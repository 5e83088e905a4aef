"""Fourier transforms, windows and normalisations over neighbours, against ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from jitlite.converter.lowerings import signal
from tests.converter.agreement import Array, assert_close, check, check_node, converted, floats, kinds, node, onnx_model, run_tflite

I64 = np.int64
PLACES = [((2, 8, 1), 1), ((2, 9, 2), 1), ((2, 5, 6, 1), 2), ((2, 5, 6, 2), 1), ((3, 1, 4, 2), -2)]


@pytest.mark.parametrize(("shape", "axis"), PLACES)
@pytest.mark.parametrize("length", [None, 4, 12])
@pytest.mark.parametrize("attributes", [{}, {"onesided": 1}, {"inverse": 1}])
def test_dft(shape: tuple[int, ...], axis: int, length: int | None, attributes: dict[str, Any]) -> None:
    if (shape[-1] == 2) == ("onesided" in attributes) or (shape[-1] == 1 and "inverse" in attributes):
        pytest.skip("not legal")
    operands: list[Any] = [floats(*shape)] + ([] if length is None else [np.array(length, I64)])
    check_node("DFT", *operands, constant=tuple(range(1, len(operands))), opset=17, axis=axis, **attributes)
    operands = [floats(*shape), None if length is None else np.array(length, I64), np.array(axis, I64)]
    check_node("DFT", *operands, constant=(2,) if length is None else (1, 2), opset=20, **attributes)


@pytest.mark.parametrize("length", [7, 8])
def test_real_inverse(length: int) -> None:
    """There and back again."""
    nodes = [node("DFT", "xna", "f", onesided=1), node("DFT", "fna", "y", onesided=1, inverse=1)]
    x = floats(2, length, 3, 1)
    source = onnx_model(nodes, {"x": x}, ["y"], {"n": np.array(length, I64), "a": np.array(1, I64)}, opset=20)
    assert_close(run_tflite(converted(source), {"x": x}), [x])


@pytest.mark.parametrize(
    ("signal", "step", "window", "length", "stored"),
    [
        ((2, 40, 1), 4, floats(16, seed=1), 16, True),
        ((2, 40, 1), 5, floats(9, seed=1), None, True),
        ((2, 40, 1), 5, floats(9, seed=1), 9, False),
        ((1, 40, 1), 3, None, 10, True),
        ((1, 40), 3, None, 10, True),
    ],
)
@pytest.mark.parametrize("onesided", [0, 1])
def test_stft(signal: tuple[int, ...], step: int, window: Array | None, length: int | None, stored: bool, onesided: int) -> None:
    operands: list[Any] = [floats(*signal), np.array(step, I64), window] + ([] if length is None else [np.array(length, I64)])
    constant = [index for index in range(1, len(operands)) if operands[index] is not None and (index != 2 or stored)]
    check_node("STFT", *operands, constant=tuple(constant), onesided=onesided)


def test_stft_of_complex_numbers() -> None:
    operands = floats(2, 40, 2), np.array(4, I64), None, np.array(12, I64)
    check_node("STFT", *operands, constant=(1, 3), onesided=0)


@pytest.mark.parametrize("kind", ["HannWindow", "HammingWindow", "BlackmanWindow"])
@pytest.mark.parametrize("attributes", [{}, {"periodic": 0}])
def test_windows(kind: str, attributes: dict[str, Any]) -> None:
    x = floats(3, 10)
    nodes = [node(kind, "n", "w", **attributes), node("Mul", "xw", "y")]
    check(onnx_model(nodes, {"x": x}, ["y"], {"n": np.array(10, I64)}), {"x": x})


def test_mel_filters() -> None:
    x = floats(3, 33)
    constants = {"m": np.array(8, I64), "d": np.array(64, I64), "r": np.array(16000, I64)}
    constants |= {"l": np.array(20, np.float32), "u": np.array(7600, np.float32)}
    nodes = [node("MelWeightMatrix", "mdrlu", "w"), node("MatMul", "xw", "y")]
    check(onnx_model(nodes, {"x": x}, ["y"], constants), {"x": x})


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_local_response_normalization(size: int) -> None:
    check_node("LRN", floats(2, 7, 3, 4), size=size, alpha=0.3, beta=0.6, bias=1.5)


@pytest.mark.parametrize("size", [2, 3, 4, 8])
@pytest.mark.parametrize("shape", [(2, 7, 3, 4), (2, 7), (2, 7, 5), (1, 7, 2, 3, 2)])
def test_local_response_normalization_by_definition(shape: tuple[int, ...], size: int) -> None:
    x = floats(*shape)
    source = onnx_model([node("LRN", "x", "y", size=size, alpha=0.3, beta=0.6, bias=1.5)], {"x": x}, ["y"])
    first, last = (size - 1) // 2, size // 2
    sums = [np.square(x[:, max(0, c - first) : c + last + 1]).sum(axis=1) for c in range(shape[1])]
    assert_close(run_tflite(converted(source), {"x": x}), [x / (1.5 + 0.3 / size * np.stack(sums, axis=1)) ** 0.6])


@pytest.mark.parametrize(
    ("wanted", "axes"), [([4, 3, 5], None), ([9, 4], [0, -1]), ([3, 8, 2], None), ([5], [1]), ([10, 10, 10], [2, 0, 1])]
)
def test_center_crop_pad(wanted: list[int], axes: list[int] | None) -> None:
    attributes = {} if axes is None else {"axes": axes}
    check_node("CenterCropPad", floats(6, 5, 7), np.array(wanted, I64), constant=(1,), opset=18, **attributes)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (4, 3), (2, 3, 6)])
def test_batch_normalization_with_run_time_statistics(shape: tuple[int, ...]) -> None:
    check_node("BatchNormalization", floats(*shape), *(floats(3, seed=seed, low=0.2) for seed in range(1, 5)), epsilon=1e-3)


@pytest.mark.parametrize(("length", "parts", "inverse"), [(1200, 2, 0), (2048, 2, 1), (2025, 1, 0), (1499, 1, 0)])
def test_long_transforms(length: int, parts: int, inverse: int) -> None:
    """Against NumPy: of lengths that are no powers of two ONNX Runtime's results are good to three digits."""
    x = floats(2, length, parts)
    source = onnx_model([node("DFT", "x", "y", axis=1, inverse=inverse)], {"x": x}, ["y"])
    made = converted(source)
    numbers = x[..., 0] + (1j * x[..., 1] if parts == 2 else 0)
    wanted = (np.fft.ifft if inverse else np.fft.fft)(numbers.astype(np.complex128), axis=1)
    assert_close(run_tflite(made, {"x": x}), [np.stack([wanted.real, wanted.imag], axis=-1).astype(np.float32)], 1e-5)
    assert kinds(made)["BATCH_MATMUL"] == (length != 1499)


@pytest.mark.parametrize("attributes", [{}, {"onesided": 1}])
@pytest.mark.parametrize("length", [None, 8, 12, 15])
def test_transforms_in_two_steps(length: int | None, attributes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "LARGEST_WHOLE", 16)
    operands: list[Any] = [floats(2, 12, 3, 1)] + ([] if length is None else [np.array(length, I64)])
    found = check_node("DFT", *operands, constant=tuple(range(1, len(operands))), axis=1, **attributes)
    assert found["BATCH_MATMUL"] == 1
