"""The custom operators of LiteRT's own set that look at signals and numbers; their options are FlexBuffers maps.

AudioSpectrogram: (samples, channels) to (channels, frames, bins). Mfcc: a spectrogram's frames to cepstral coefficients.
NumericVerify: what a quantized tensor differs from floats by. aeq.hadamard_rotation: Walsh-Hadamard transforms of parts of rows.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from jitlite.schemas.flexbuffers import Value, read_map
from jitlite.schemas.ops.operands import INT32_MAX, bounded, require_rank, require_shape, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, TensorType

_T = TensorType
_VERIFIED = (_T.UINT8, _T.INT8, _T.INT16, _T.FLOAT16)
_MOST_BANDS = 1 << 16
_MOST_COSINES = 1 << 24


def flex_options(call: Call) -> dict[str, Value]:
    """The operator's options; none where it has no bytes."""
    return read_map(call.custom_options) if call.custom_options else {}


def flex_integer(call: Call, options: dict[str, Value], name: str, low: int, high: int = INT32_MAX, default: int = 0) -> int:
    """An option as an integer between two bounds; `default` stands for one that is left out."""
    value = options.get(name, default)
    found = int(value) if isinstance(value, (bool, int)) or (isinstance(value, float) and abs(value) < 2**63) else None
    call.require(found is not None and low <= found <= high, f"{name} from {low} to {high} is required, found {value!r}")
    assert found is not None
    return found


class SpectrogramOptions(NamedTuple):
    window: int
    stride: int
    is_squared: bool


def spectrogram_options(call: Call) -> SpectrogramOptions:
    options = flex_options(call)
    window = flex_integer(call, options, "window_size", 2, 1 << 30)
    return SpectrogramOptions(window, flex_integer(call, options, "stride", 1), bool(options.get("magnitude_squared", False)))


def fft_length(window: int) -> int:
    """The power of two that holds a window."""
    return 1 << (window - 1).bit_length()


def _spectrogram(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (_T.FLOAT32,))
    require_rank(call, 0, 2, 2)
    options, (samples, channels) = spectrogram_options(call), call.input(0).shape
    frames = 0 if samples < options.window else 1 + (samples - options.window) // options.stride
    return [(bounded(call, (channels, frames, 1 + fft_length(options.window) // 2)), _T.FLOAT32)]


class MfccOptions(NamedTuple):
    """Frequencies in Hz, float32 numbers."""

    lower: float
    upper: float
    bands: int
    coefficients: int


def mfcc_options(call: Call) -> MfccOptions:
    options = flex_options(call)
    lower = flex_integer(call, options, "lower_frequency_limit", 0, 2**63 - 1)
    upper = flex_integer(call, options, "upper_frequency_limit", 0, 2**63 - 1)
    bands = flex_integer(call, options, "filterbank_channel_count", 1, _MOST_BANDS)
    found = MfccOptions(
        float(np.float32(lower)), float(np.float32(upper)), bands, flex_integer(call, options, "dct_coefficient_count", 1, bands)
    )
    call.require(found.lower < found.upper, f"an upper frequency above the lower one is required, found {upper} and {lower}")
    if found.bands * found.coefficients > _MOST_COSINES:
        raise call.unsupported(f"up to {_MOST_COSINES} cosines are supported, found {found.bands * found.coefficients}")
    return found


def _cepstrum(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (_T.FLOAT32,))
    require_rank(call, 0, 3, 3)
    require_type(call, 1, (_T.INT32,))
    x, rate = call.input(0), call.input(1)
    call.require(rate.size == 1, f"one sample rate is required, found shape {rate.shape}")
    call.require(x.shape[2] >= 2, f"frames of at least 2 bins are required, found shape {x.shape}")
    return [(bounded(call, (*x.shape[:2], mfcc_options(call).coefficients)), _T.FLOAT32)]


def _verified(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _VERIFIED)
    require_type(call, 1, (_T.FLOAT32,))
    x = call.input(0)
    require_shape(call, 1, x.shape)
    call.require(x.type is _T.FLOAT16 or x.is_quantized, "a quantized input is required, found one without a scale")
    flex_options(call)
    return [(x.shape, _T.FLOAT32)]


def rotated_size(call: Call) -> int:
    """The size of the transforms of an aeq.hadamard_rotation."""
    return flex_integer(call, flex_options(call), "hadamard_size", 1)


def rotations(call: Call) -> int:
    """How many transforms there are; they lie one behind the other, from the first element on."""
    shape = call.input(0).shape
    return prod(shape[:-1]) * (shape[-1] // rotated_size(call))


def _rotated(call: Call) -> list[tuple[Shape, TensorType]]:
    """The result has the input's bits where it is not rotated; integers are floats by their bits."""
    require_type(call, 0, (_T.FLOAT32, _T.INT32))
    require_rank(call, 0, 2, 3)
    rotated_size(call)
    type = call.outputs[0].type if call.outputs else _T.FLOAT32
    call.require(type in (_T.FLOAT32, _T.INT32), f"a result of type FLOAT32 or INT32 is required, found {type.name}")
    return [(call.input(0).shape, type)]


AUDIO_SPECTROGRAM = define(OpSpec("AudioSpectrogram", BuiltinOperator.CUSTOM, inputs=("input",), infer=_spectrogram))
MFCC = define(OpSpec("Mfcc", BuiltinOperator.CUSTOM, inputs=("spectrogram", "sample_rate"), infer=_cepstrum))
NUMERIC_VERIFY = define(OpSpec("NumericVerify", BuiltinOperator.CUSTOM, inputs=("input", "reference"), infer=_verified))
HADAMARD_ROTATION = define(OpSpec("aeq.hadamard_rotation", BuiltinOperator.CUSTOM, inputs=("input",), infer=_rotated))
