"""The signal operators against TensorFlow Lite Micro: recorded checksums (`signal_cases.py`); transforms of floats by definition."""

import json

import numpy as np
import pytest
from flatbuffers import flexbuffers

from jitlite.interpreter import Interpreter
from jitlite.interpreter.binding.registry import BINDINGS
from jitlite.interpreter.registry import load_bindings
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops import signal
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import TensorType
from tests.ops.oracle import call, operand
from tests.ops.signal_cases import CASES, RESULTS, SignalCase, checksums

T = TensorType
RECORDED = json.loads(RESULTS.read_text())
load_bindings()


def results_of(case, interpreter):
    for feeds in case.feeds():
        yield step(interpreter, feeds)


def step(interpreter, feeds):
    for detail, value in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def allocated(case):
    interpreter = Interpreter(model_content=case.model())
    interpreter.allocate_tensors()
    return interpreter


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key[:90])
def test_as_recorded(case):
    """Where results are not valid there is in the reference whatever was in memory."""
    for number, results in enumerate(results_of(case, allocated(case))):
        for result, (type, shape) in zip(results, case.outputs, strict=True):
            assert (result.dtype.name, result.shape) == (type.name.lower(), shape)
        if case.outputs[-1][0] is T.BOOL and not results[-1]:
            results[0] = results[0][:0]
        assert checksums(results) == RECORDED[case.key][number], f"run {number}"


def test_every_operator_has_cases():
    named = {case.name for case in CASES}
    assert named == {spec.name for spec in vars(signal).values() if isinstance(spec, signal.OpSpec)}


@pytest.mark.parametrize("length", [4, 6, 10, 64, 480])
def test_transforms_of_floats(length):
    """By definition: there is no rounding to agree upon."""
    x = np.random.default_rng(length).normal(size=(3, length)).astype(np.float32)
    options = {"T": int(T.FLOAT32), "fft_length": length}
    there = SignalCase("SignalRfft", options, ((T.FLOAT32, (3, length)),), ((T.FLOAT32, (3, length + 2)),))
    back = SignalCase("SignalIrfft", options, ((T.FLOAT32, (3, length + 2)),), ((T.FLOAT32, (3, length)),))
    (spectrum,) = step(allocated(there), [x])
    np.testing.assert_allclose(spectrum.view(np.complex64), np.fft.rfft(x), rtol=1e-5, atol=1e-5)
    (again,) = step(allocated(back), [spectrum])
    np.testing.assert_allclose(again, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("type", [T.INT16, T.INT32])
def test_transforms_of_integers_are_divided_by_their_length(type):
    case = SignalCase("SignalRfft", {"T": int(type), "fft_length": 256}, ((type, (1, 256)),), ((type, (1, 258)),), amplitude=0.5)
    (feeds,) = case.feeds()
    (found,) = step(allocated(case), feeds)
    wanted = np.fft.rfft(feeds[0].astype(np.float64)) / 256
    np.testing.assert_allclose(found[:, 0::2] + 1j * found[:, 1::2], wanted, atol=8)


def test_a_reset_makes_operators_forget():
    for case in CASES:
        if case.runs > 1:
            interpreter = allocated(case)
            first = [[item.tolist() for item in results] for results in results_of(case, interpreter)]
            interpreter.reset_all_variables()
            assert [[item.tolist() for item in results] for results in results_of(case, interpreter)] == first


def flex(**options):
    return bytes(flexbuffers.Dumps(options))


X16, X32 = operand(T.INT16, (2, 8)), operand(T.UINT32, (8,))
V16 = operand(T.INT16, (8,))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (signal.RFFT, flex(T=2, fft_length=8), [X16], "option T of 7, INT16, is required, found 2"),
        (signal.RFFT, flex(T=7, fft_length=2), [X16], "fft_length from 4"),
        (signal.RFFT, flex(T=7, fft_length=6), [X16], "rows of at most 6 numbers"),
        (signal.IRFFT, flex(T=7, fft_length=8), [X16], "rows of 5 complex numbers"),
        (signal.RFFT, flex(T=0, fft_length=8), [X32], "type INT16 or INT32 or FLOAT32"),
        (signal.WINDOW, flex(shift=32), [X16, V16], "shift from 0 to 31"),
        (signal.WINDOW, flex(shift=3), [X16, operand(T.INT16, (5,))], "a whole number of windows"),
        (signal.ENERGY, flex(start_index=3, end_index=5), [V16], "end_index from 3 to 4"),
        (signal.ENERGY, flex(start_index=0, end_index=1), [operand(T.INT16, (7,))], "pairs of numbers"),
        (signal.FILTER_BANK, flex(num_channels=4), [X32, V16, V16, V16, V16, V16], "'frequency_starts' of 5 is required, found 8"),
        (signal.FILTER_BANK_SPECTRAL_SUBTRACTION, flex(num_channels=4), [X32], "num_channels from 8 to 8"),
        (signal.PCAN, flex(snr_shift=4), [X32, X32, V16], "a table of at least 125 numbers"),
        (signal.FILTER_BANK_LOG, flex(input_correction_bits=32), [X32], "input_correction_bits from 0 to 31"),
        (signal.STACKER, flex(num_channels=8, stacker_step=2), [V16], "stacker_step from 1 to 1"),
        (signal.FRAMER, flex(frame_size=4, frame_step=5), [X16], "frame_step from 1 to 4"),
        (signal.FRAMER, flex(frame_size=4, frame_step=3), [X16], "a whole number of steps of 3"),
        (signal.OVERLAP_ADD, flex(T=7, frame_step=9), [X16], "frame_step from 1 to 8"),
        (signal.DELAY, flex(delay_length=-1), [X16], "delay_length from 0"),
    ],
)
def test_broken_rules(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(spec, options, inputs))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (signal.RFFT, flex(T=7, fft_length=14), [X16], "without prime factors but 2, 3 and 5 are supported, found 14"),
        (signal.RFFT, flex(T=7, fft_length=9), [X16], "even lengths"),
        (signal.DELAY, flex(delay_length=2**30), [X16], "a state of up to"),
        (signal.STACKER, flex(num_channels=8, stacker_left_context=2**20, stacker_right_context=2**20, stacker_step=1), [X16], ""),
    ],
)
def test_what_is_not_supported(spec, options, inputs, message):
    with pytest.raises((UnsupportedError, InvalidModelError), match=message or None):
        infer(call(spec, options, inputs))


def test_there_may_be_no_frames_to_add():
    x, y = operand(T.FLOAT32, (0, 3, 6)), operand(T.FLOAT32, (0, 6))
    step = BINDINGS[signal.OVERLAP_ADD](call(signal.OVERLAP_ADD, flex(T=0, frame_step=2), [x], [y]))
    assert step.run([np.zeros(x.shape, np.float32)])[0].shape == y.shape


def test_values_are_checked_while_running():
    case = next(case for case in CASES if case.name == "SignalFilterBank")
    (feeds,) = case.feeds()
    for place, wrong in ((3, 22), (3, -1), (4, 18), (4, -2)):
        changed = [feed.copy() for feed in feeds]
        changed[place][0] = wrong
        with pytest.raises(ExecutionError, match="channels inside the input and its weights"):
            step(allocated(case), changed)
    case = next(case for case in CASES if case.name == "SignalFilterBankSquareRoot")
    with pytest.raises(ExecutionError, match="scale bits from 0 to 31 are required, found 32"):
        step(allocated(case), [next(case.feeds())[0], np.array(32, np.int32)])
