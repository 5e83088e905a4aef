"""Cases of the signal operators: options, tensors and the seeds of their data, with what TensorFlow Lite Micro makes of them.

`signal_results.json` has checksums of results that TensorFlow Lite Micro's Python runtime gave (package tflite-micro,
0.dev20261023182759); `python -m tests.ops.signal_cases` writes them anew where that package is installed.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.tables import TensorType
from tests.interpreter.models import GraphBuilder, content, new_model

T = TensorType
RESULTS = Path(__file__).with_name("signal_results.json")
Tensors = tuple[tuple[TensorType, tuple[int, ...]], ...]


@dataclass(frozen=True)
class SignalCase:
    """One operator and several runs of it. Data fill their type's range times `amplitude`, or are the `values` given by operand."""

    name: str
    options: dict[str, Any]
    inputs: Tensors
    outputs: Tensors
    values: tuple[tuple[int, tuple[int, ...]], ...] = ()
    amplitude: float = 1.0
    runs: int = 1

    @property
    def key(self) -> str:
        shapes = " ".join(f"{type.name}{list(shape)}" for type, shape in self.inputs)
        return f"{self.name} {json.dumps(self.options)} {shapes} {self.amplitude:g}"

    def model(self) -> bytes:
        model = new_model()
        g = GraphBuilder(model)
        inputs = [g.input(shape, type) for type, shape in self.inputs]
        results = [g.tensor(shape, type) for type, shape in self.outputs]
        g.op(self.name, inputs, results)
        g.graph.operators[-1].custom_options = bytes(flexbuffers.Dumps(self.options))
        g.finish(*results)
        return content(model)

    def feeds(self) -> Iterator[list[NDArray[Any]]]:
        rng = np.random.default_rng(zlib.crc32(self.key.encode()))
        given = dict(self.values)
        for _ in range(self.runs):
            feeds = []
            for place, (type, shape) in enumerate(self.inputs):
                dtype = numpy_dtype(type)
                low, high = (-1.0, 1.0) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
                values = rng.uniform(float(low), float(high), shape) * self.amplitude
                edges = rng.choice([float(low), float(high), 0.0], shape)
                values = np.where(rng.random(shape) < 0.1, edges, values) if self.amplitude == 1 else values
                if dtype.kind != "f":
                    values = np.clip(np.floor(values), float(low), np.nextafter(float(high) + 1, 0))
                feeds.append(np.array(given[place], dtype).reshape(shape) if place in given else values.astype(dtype))
            yield feeds


def checksums(results: Sequence[NDArray[Any]]) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(result).tobytes()) for result in results]


LENGTHS = (4, 6, 8, 10, 16, 20, 24, 30, 32, 50, 64, 96, 128, 240, 512)


def _transforms() -> Iterator[SignalCase]:
    for type in (T.INT16, T.INT32):
        for length in LENGTHS:
            for amplitude in (1.0, 0.3, 0.001):
                options = {"T": int(type), "fft_length": length}
                wide, narrow = ((type, (3, length + 2)),), ((type, (3, length)),)
                yield SignalCase("SignalRfft", options, narrow, wide, amplitude=amplitude)
                yield SignalCase("SignalIrfft", options, wide, narrow, amplitude=amplitude)
        yield SignalCase("SignalRfft", {"T": int(type), "fft_length": 64}, ((type, (2, 2, 40)),), ((type, (2, 2, 66)),))


def _spectra() -> Iterator[SignalCase]:
    for shift in (0, 5, 12, 15):
        yield SignalCase("SignalWindow", {"shift": shift}, ((T.INT16, (2, 16)), (T.INT16, (16,))), ((T.INT16, (2, 16)),))
    yield SignalCase("SignalEnergy", {"start_index": 0, "end_index": 20}, ((T.INT16, (40,)),), ((T.UINT32, (20,)),))
    for amplitude in (1.0, 0.5, 0.01, 0.0001, 0.0):
        yield SignalCase("SignalFftAutoScale", {}, ((T.INT16, (33,)),), ((T.INT16, (33,)), (T.INT32, ())), amplitude=amplitude)
    for row in ((-32768, 5, -3), (-32768, -5, -3), (-32768, -5, -7, 3), (7, -32768), (100, -32768, -1, 50), (-32768, -9, -4, -2, -6)):
        shape = (len(row),)
        outputs = (T.INT16, shape), (T.INT32, ())
        yield SignalCase("SignalFftAutoScale", {"row": list(row)}, ((T.INT16, shape),), outputs, values=((0, row),))


def _banks() -> Iterator[SignalCase]:
    vectors = [(T.INT16, (20,)), (T.INT16, (20,)), (T.INT16, (5,)), (T.INT16, (5,)), (T.INT16, (5,))]
    channels = (2, (3, 7, 9, 1, 20)), (3, (0, 4, 8, 12, 16)), (4, (4, 4, 3, 2, 0))
    values = tuple((place + 1, value) for place, value in channels)
    inputs = ((T.UINT32, (24,)), *vectors)
    for amplitude in (1.0, 0.001):
        yield SignalCase("SignalFilterBank", {"num_channels": 4}, inputs, ((T.UINT64, (4,)),), values=values, amplitude=amplitude)
    for bits in (0, 3, 20):
        for amplitude in (1.0, 1e-9, 1e-12, 1e-17):
            inputs = (T.UINT64, (40,)), (T.INT32, ())
            options = {"unused": bits}
            yield SignalCase("SignalFilterBankSquareRoot", options, inputs, ((T.UINT32, (40,)),), ((1, (bits,)),), amplitude)
    small = tuple(range(60)), tuple((1 << k) + d for k in range(2, 64, 3) for d in (-1, 0, 1))
    for row in small:
        inputs = (T.UINT64, (len(row),)), (T.INT32, ())
        yield SignalCase("SignalFilterBankSquareRoot", {}, inputs, ((T.UINT32, (len(row),)),), ((0, row), (1, (0,))))
    for scale, bits in ((1600, 3), (65536, 0), (1, 10), (100000, 0), (-5, 2)):
        options = {"output_scale": scale, "input_correction_bits": bits}
        for amplitude in (1.0, 0.001, 1e-8):
            yield SignalCase("SignalFilterBankLog", options, ((T.UINT32, (50,)),), ((T.INT16, (50,)),), amplitude=amplitude)
    row = tuple(range(300)), tuple((1 << k) + d for k in range(2, 32) for d in (-1, 0, 1))
    for values_of in row:
        shape = (len(values_of),)
        options = {"output_scale": 65536, "input_correction_bits": 0}
        yield SignalCase("SignalFilterBankLog", options, ((T.UINT32, shape),), ((T.INT16, shape),), ((0, values_of),))


def _gains() -> Iterator[SignalCase]:
    for shift in (0, 6, 12, 31):
        for amplitude in (1.0, 0.001, 1e-7):
            inputs = (T.UINT32, (40,)), (T.UINT32, (40,)), (T.INT16, (125,))
            yield SignalCase("SignalPCAN", {"snr_shift": shift}, inputs, ((T.UINT32, (40,)),), amplitude=amplitude)
    levels = tuple((1 << k) + d for k in range(2, 32) for d in (-1, 0, 1))
    table = tuple(int(20000 / (1 + k)) for k in range(125))
    inputs = (T.UINT32, (len(levels),)), (T.UINT32, (len(levels),)), (T.INT16, (125,))
    yield SignalCase("SignalPCAN", {"snr_shift": 12}, inputs, ((T.UINT32, (len(levels),)),), ((1, levels), (2, table)), 0.0001)


def _streams() -> Iterator[SignalCase]:
    for length in (0, 1, 3, 8, 20):
        yield SignalCase("SignalDelay", {"delay_length": length}, ((T.INT16, (2, 8)),), ((T.INT16, (2, 8)),), runs=5)
    for size, step, prefill in ((6, 2, True), (6, 2, False), (8, 8, False), (7, 3, True), (7, 3, False), (5, 4, True)):
        options = {"frame_size": size, "frame_step": step, "prefill": prefill}
        outputs = (T.INT16, (2, 3, size)), (T.BOOL, ())
        yield SignalCase("SignalFramer", options, ((T.INT16, (2, 3 * step)),), outputs, runs=5)
    for left, right, step in ((1, 1, 1), (2, 0, 1), (0, 2, 3), (1, 2, 2), (0, 0, 1), (3, 1, 5)):
        options = {"num_channels": 3, "stacker_left_context": left, "stacker_right_context": right, "stacker_step": step}
        outputs = (T.INT16, (3 * (left + right + 1),)), (T.BOOL, ())
        yield SignalCase("SignalStacker", options, ((T.INT16, (3,)),), outputs, runs=9)
    for type in (T.INT16, T.FLOAT32):
        for size, step in ((6, 2), (6, 6), (7, 3)):
            options = {"T": int(type), "frame_step": step}
            yield SignalCase("SignalOverlapAdd", options, ((type, (2, 3, size)),), ((type, (2, 3 * step)),), runs=4)
    for clamping in (False, True):
        for smoothing_bits, bits in ((10, 14), (0, 16), (4, 10)):
            options = {
                "num_channels": 9,
                "smoothing": 655,
                "one_minus_smoothing": 15729,
                "alternate_smoothing": 983,
                "alternate_one_minus_smoothing": 15401,
                "smoothing_bits": smoothing_bits,
                "min_signal_remaining": 819,
                "clamping": clamping,
                "spectral_subtraction_bits": bits,
            }
            for amplitude in (1.0, 0.0001):
                outputs = (T.UINT32, (9,)), (T.UINT32, (9,))
                inputs = ((T.UINT32, (9,)),)
                yield SignalCase("SignalFilterBankSpectralSubtraction", options, inputs, outputs, amplitude=amplitude, runs=4)


CASES = [*_transforms(), *_spectra(), *_banks(), *_gains(), *_streams()]


def _recorded(case: SignalCase) -> list[list[int]]:
    from tflite_micro.python.tflite_micro import runtime

    micro = runtime.Interpreter.from_bytes(case.model(), arena_size=1 << 20)
    found = []
    for feeds in case.feeds():
        for place, value in enumerate(feeds):
            micro.set_input(value, place)
        micro.invoke()
        results = [np.array(micro.get_output(place)) for place in range(len(case.outputs))]
        if case.outputs[-1][0] is T.BOOL and not results[-1]:
            results[0] = results[0][:0]
        found.append(checksums(results))
    return found


if __name__ == "__main__":
    results = {case.key: _recorded(case) for case in CASES}
    assert len(results) == len(CASES), "cases differ in their keys"
    RESULTS.write_text(json.dumps(results, indent=0) + "\n")
