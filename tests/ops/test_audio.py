"""AudioSpectrogram, Mfcc, NumericVerify and aeq.hadamard_rotation against LiteRT; its reference set lacks the last one."""

import numpy as np
import pytest
from flatbuffers import flexbuffers

from jitlite.interpreter.registry import load_bindings
from jitlite.schemas.errors import ExecutionError, InvalidModelError
from jitlite.schemas.ops.audio import AUDIO_SPECTROGRAM, HADAMARD_ROTATION, MFCC, NUMERIC_VERIFY
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, build, call, check, constant, operand, reference, result, run

T = TensorType
load_bindings()


def flex(**options):
    return bytes(flexbuffers.Dumps(options))


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize(
    ("samples", "channels", "window", "stride"),
    [
        (16000, 1, 480, 160),
        (100, 2, 16, 16),
        (100, 3, 17, 40),
        (64, 1, 64, 1),
        (63, 1, 64, 1),
        (33, 1, 2, 1),
        (40, 1, 3, 2),
        (300, 1, 255, 7),
    ],
)
def test_spectrogram(samples, channels, window, stride, squared):
    options = flex(window_size=window, stride=stride, magnitude_squared=squared)
    x = operand(T.FLOAT32, (samples, channels), low=-1, high=1)
    check(AUDIO_SPECTROGRAM, options, [x], [result(T.FLOAT32)], tolerance=1e-5, floor=0.1)


@pytest.mark.parametrize(
    ("shape", "rate", "lower", "upper", "bands", "coefficients"),
    [
        ((1, 49, 257), 16000, 20, 4000, 40, 13),
        ((2, 3, 65), 8000, 0, 3999, 20, 20),
        ((1, 2, 513), 44100, 300, 20000, 80, 1),
        ((1, 2, 9), 16000, 20, 4000, 40, 13),
        ((1, 2, 33), 16000, 20, 9000, 10, 5),
        ((1, 0, 33), 16000, 20, 4000, 10, 5),
        ((1, 1, 129), 16000, 7999, 8000, 3, 2),
    ],
)
def test_mfcc(shape, rate, lower, upper, bands, coefficients):
    options = flex(
        upper_frequency_limit=upper, lower_frequency_limit=lower, filterbank_channel_count=bands, dct_coefficient_count=coefficients
    )
    inputs = [operand(T.FLOAT32, shape, low=0, high=100), constant(rate)]
    check(MFCC, options, inputs, [result(T.FLOAT32)], tolerance=1e-5, floor=1.0)


MFCC_OPTIONS = {"upper_frequency_limit": 4000, "lower_frequency_limit": 20, "filterbank_channel_count": 40, "dct_coefficient_count": 13}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lower_frequency_limit": 4000}, "an upper frequency above the lower one"),
        ({"lower_frequency_limit": -1}, "lower_frequency_limit from 0"),
        ({"filterbank_channel_count": 0}, "filterbank_channel_count from 1"),
        ({"dct_coefficient_count": 41}, "dct_coefficient_count from 1 to 40"),
    ],
)
def test_options_of_mfcc(changes, message):
    options, inputs = flex(**(MFCC_OPTIONS | changes)), [operand(T.FLOAT32, (1, 2, 33)), constant(16000)]
    with pytest.raises(InvalidModelError, match=message):
        infer(call(MFCC, options, inputs))
    content = write_model(build(MFCC, options, inputs, [result(T.FLOAT32, shape=(1, 2, 13))]))
    with pytest.raises(RuntimeError):
        reference(content, [np.ones((1, 2, 33), np.float32)])


def test_rates_are_checked_while_running():
    content = write_model(build(MFCC, flex(**MFCC_OPTIONS), [operand(T.FLOAT32, (1, 2, 33)), operand(T.INT32, ())], [result(T.FLOAT32)]))
    feeds = [np.ones((1, 2, 33), np.float32), np.array(0, np.int32)]
    with pytest.raises(ExecutionError, match="a sample rate above 0"):
        run(content, feeds)
    with pytest.raises(RuntimeError):
        reference(content, feeds)


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (AUDIO_SPECTROGRAM, flex(window_size=1, stride=1), [operand(T.FLOAT32, (9, 1))], "window_size from 2"),
        (AUDIO_SPECTROGRAM, flex(window_size=4, stride=0), [operand(T.FLOAT32, (9, 1))], "stride from 1"),
        (AUDIO_SPECTROGRAM, b"", [operand(T.FLOAT32, (9, 1))], "window_size from 2"),
        (AUDIO_SPECTROGRAM, flex(window_size=4, stride=1), [operand(T.FLOAT32, (9,))], "rank 2"),
        (AUDIO_SPECTROGRAM, flex(window_size=4, stride=1), [operand(T.INT16, (9, 1))], "type FLOAT32"),
        (AUDIO_SPECTROGRAM, flex(window_size=2**30, stride=1), [operand(T.FLOAT32, (9, 64))], "at most"),
        (NUMERIC_VERIFY, b"", [operand(T.INT8, (4,), 0.5), operand(T.FLOAT32, (5,))], r"shape \(4,\)"),
        (NUMERIC_VERIFY, b"", [operand(T.INT32, (4,), 0.5), operand(T.FLOAT32, (4,))], "type UINT8"),
        (NUMERIC_VERIFY, b"", [operand(T.INT8, (4,)), operand(T.FLOAT32, (4,))], "a quantized input"),
        (HADAMARD_ROTATION, b"", [operand(T.FLOAT32, (4, 4))], "hadamard_size from 1"),
        (HADAMARD_ROTATION, flex(hadamard_size=4), [operand(T.FLOAT32, (4,))], "rank 2 to 3"),
        (HADAMARD_ROTATION, flex(hadamard_size=4), [operand(T.INT8, (4, 4))], "type FLOAT32 or INT32"),
    ],
)
def test_broken_rules(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(spec, options, inputs))


@pytest.mark.parametrize(
    "x",
    [
        operand(T.UINT8, (3, 4), 0.13, 100),
        operand(T.INT8, (3, 4), 0.13, -5),
        operand(T.INT16, (3, 4), 0.002),
        operand(T.INT8, (3, 4), [0.1, 0.2, 0.3, 0.7], 0, axis=1),
        operand(T.FLOAT16, (3, 4)),
    ],
    ids=lambda x: x.type.name,
)
def test_differences(x):
    for options in (flex(tolerance=0.0, log_if_failed=True), flex(tolerance=5.0, log_if_failed=False)):
        check(NUMERIC_VERIFY, options, [x, operand(T.FLOAT32, (3, 4))], [result(T.FLOAT32)], tolerance=0)


@pytest.mark.parametrize("wrong", [0.0, 2.9, 3.1, np.nan])
def test_differences_beyond_the_tolerance_fail(wrong):
    inputs = [operand(T.INT8, (2, 2), 0.5, 3), operand(T.FLOAT32, (2, 2))]
    values = np.array([[1, 2], [3, -128]], np.int8)
    floats = ((values.astype(np.float32) - 3) * 0.5).astype(np.float32)
    floats[1, 0] += np.float32(wrong)
    content = write_model(build(NUMERIC_VERIFY, flex(tolerance=6.0, log_if_failed=True), inputs, [result(T.FLOAT32)]))
    if wrong == 3.1:
        with pytest.raises(ExecutionError, match=r"differences of at most 3.0 are required, found 3\.09"):
            run(content, [values, floats])
        with pytest.raises(RuntimeError):
            reference(content, [values, floats])
    else:
        np.testing.assert_array_equal(run(content, [values, floats])[0], reference(content, [values, floats])[0])


@pytest.mark.parametrize(
    ("shape", "size"),
    [((3, 8), 4), ((2, 3, 16), 16), ((2, 256), 128), ((1, 512), 512), ((3, 10), 4), ((2, 12), 6), ((2, 2), 4), ((2, 3, 5), 1)],
)
def test_rotation(shape, size):
    options = flex(hadamard_size=size, random_binary_vector=[1, -1])
    check(HADAMARD_ROTATION, options, [operand(T.FLOAT32, shape)], [result(T.FLOAT32)], resolver=OPTIMIZED, tolerance=1e-5, floor=1.0)


def test_rotation_takes_integers_for_floats():
    x = operand(T.INT32, (2, 4))
    feeds = [np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32).view(np.int32)]
    content = write_model(build(HADAMARD_ROTATION, flex(hadamard_size=4), [x], [result(T.INT32)]))
    np.testing.assert_allclose(run(content, feeds)[0].view(np.float32), [[5, -1, -2, 0], [13, -1, -2, 0]])
    np.testing.assert_array_equal(run(content, feeds)[0], reference(content, feeds, OPTIMIZED)[0])
