"""The signal operators of TensorFlow Lite Micro's audio front ends: custom operators in integers, with options in FlexBuffers maps.

Complex numbers are pairs along the last dimension. SignalFramer, SignalStacker, SignalOverlapAdd, SignalDelay and
SignalFilterBankSpectralSubtraction remember what they saw from run to run.
"""

from math import prod

from jitlite.schemas.ops.audio import flex_integer, flex_options
from jitlite.schemas.ops.operands import INT32_MAX, INT32_MIN, bounded, require_rank, require_shape, require_type
from jitlite.schemas.ops.spec import Call, Inference, OpSpec, Shape, TensorInfo, define
from jitlite.schemas.tables import BuiltinOperator, TensorType

_T = TensorType
_MOST_STATE = 1 << 26
_MOST_LENGTH = 1 << 20

Results = list[tuple[Shape, TensorType]]


def signal_option(call: Call, name: str, low: int = INT32_MIN, high: int = INT32_MAX) -> int:
    """An integer option; one that is left out is 0."""
    return flex_integer(call, flex_options(call), name, low, high)


def _vector(call: Call, index: int, type: TensorType) -> TensorInfo:
    require_type(call, index, (type,))
    require_rank(call, index, 1, 1)
    return call.input(index)


def _require_typed(call: Call, types: tuple[TensorType, ...]) -> TensorInfo:
    """The first operand, whose type the option T names, as a number of the format."""
    require_type(call, 0, types)
    x = call.input(0)
    require_rank(call, 0, 1, max(1, x.rank))
    code = signal_option(call, "T")
    call.require(code == int(x.type), f"option T of {int(x.type)}, {x.type.name}, is required, found {code}")
    return x


def _require_state(call: Call, count: int) -> None:
    if count > _MOST_STATE:
        raise call.unsupported(f"a state of up to {_MOST_STATE} numbers is supported, found {count}")


def fft_size(call: Call) -> int:
    """The length of a transform of real numbers."""
    length = signal_option(call, "fft_length", 4, _MOST_LENGTH)
    rest = length
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    if length % 2 or rest != 1:
        raise call.unsupported(f"even lengths without prime factors but 2, 3 and 5 are supported, found {length}")
    return length


_TRANSFORMED = (_T.INT16, _T.INT32, _T.FLOAT32)


def _transformed(call: Call) -> Results:
    x, length = _require_typed(call, _TRANSFORMED), fft_size(call)
    call.require(x.shape[-1] <= length, f"rows of at most {length} numbers are required, found shape {x.shape}")
    return [(bounded(call, (*x.shape[:-1], length + 2)), x.type)]


def _transformed_back(call: Call) -> Results:
    x, length = _require_typed(call, _TRANSFORMED), fft_size(call)
    call.require(x.shape[-1] == length + 2, f"rows of {length // 2 + 1} complex numbers are required, found shape {x.shape}")
    return [(bounded(call, (*x.shape[:-1], length)), x.type)]


def _windowed(call: Call) -> Results:
    require_type(call, 0, (_T.INT16,))
    x, weights = call.input(0), _vector(call, 1, _T.INT16)
    require_rank(call, 0, 1, max(1, x.rank))
    fits = weights.size > 0 and x.size % weights.size == 0
    call.require(fits, f"an input of a whole number of windows is required, found {x.shape} and {weights.size} weights")
    signal_option(call, "shift", 0, 31)
    return [(x.shape, _T.INT16)]


def energy_range(call: Call) -> tuple[int, int]:
    """The complex numbers whose energy is computed: from a first one to one behind the last."""
    count = call.input(0).shape[0] // 2
    start = signal_option(call, "start_index", 0, count)
    return start, signal_option(call, "end_index", start, count)


def _energies(call: Call) -> Results:
    x = _vector(call, 0, _T.INT16)
    call.require(x.size % 2 == 0, f"pairs of numbers are required, found {x.size} numbers")
    energy_range(call)
    return [((x.size // 2,), _T.UINT32)]


def _accumulated(call: Call) -> Results:
    _vector(call, 0, _T.UINT32)
    weights, unweights = _vector(call, 1, _T.INT16), _vector(call, 2, _T.INT16)
    call.require(weights.size == unweights.size, f"as many unweights as weights are required, found {unweights.size} and {weights.size}")
    channels = signal_option(call, "num_channels", 1, _MOST_LENGTH)
    for index in (3, 4, 5):
        found = _vector(call, index, _T.INT16).size
        call.require(found == channels + 1, f"operand '{call.spec.operand_name(index)}' of {channels + 1} is required, found {found}")
    return [((channels,), _T.UINT64)]


def _rooted(call: Call) -> Results:
    x = _vector(call, 0, _T.UINT64)
    require_type(call, 1, (_T.INT32,))
    require_shape(call, 1, ())
    return [(x.shape, _T.UINT32)]


SUBTRACTION = ("smoothing", "one_minus_smoothing", "alternate_smoothing", "alternate_one_minus_smoothing", "min_signal_remaining")
"""The options of SignalFilterBankSpectralSubtraction that are factors, as unsigned integers."""


def _subtracted(call: Call) -> Results:
    x = _vector(call, 0, _T.UINT32)
    signal_option(call, "num_channels", x.size, x.size)
    for name in SUBTRACTION:
        signal_option(call, name)
    signal_option(call, "smoothing_bits", 0, 31)
    signal_option(call, "spectral_subtraction_bits", 0, 63)
    return [(x.shape, _T.UINT32)] * 2


def _gained(call: Call) -> Results:
    x = _vector(call, 0, _T.UINT32)
    require_type(call, 1, (_T.UINT32,))
    require_shape(call, 1, x.shape)
    table = _vector(call, 2, _T.INT16)
    call.require(table.size >= 125, f"a table of at least 125 numbers is required, found {table.size}")
    signal_option(call, "snr_shift", 0, 63)
    return [(x.shape, _T.UINT32)]


def _logarithms(call: Call) -> Results:
    x = _vector(call, 0, _T.UINT32)
    signal_option(call, "output_scale")
    signal_option(call, "input_correction_bits", 0, 31)
    return [(x.shape, _T.INT16)]


def stacked_frames(call: Call) -> tuple[int, int, int]:
    """Frames to the left and to the right of the one in the middle, and how many the next result is further."""
    left, right = (signal_option(call, f"stacker_{side}_context", 0, _MOST_LENGTH) for side in ("left", "right"))
    return left, right, signal_option(call, "stacker_step", 1, left + right + 1)


def _stacked(call: Call) -> Results:
    x = _vector(call, 0, _T.INT16)
    signal_option(call, "num_channels", x.size, x.size)
    left, right, _ = stacked_frames(call)
    _require_state(call, x.size * (left + right + 1))
    return [((x.size * (left + right + 1),), _T.INT16), ((), _T.BOOL)]


def frame_sizes(call: Call) -> tuple[int, int]:
    """The size of a frame and of the step to the next one."""
    size = signal_option(call, "frame_size", 1)
    return size, signal_option(call, "frame_step", 1, size)


def _framed(call: Call) -> Results:
    require_type(call, 0, (_T.INT16,))
    x, (size, step) = call.input(0), frame_sizes(call)
    require_rank(call, 0, 1, max(1, x.rank))
    fits = x.shape[-1] > 0 and x.shape[-1] % step == 0
    call.require(fits, f"rows of a whole number of steps of {step} are required, found shape {x.shape}")
    _require_state(call, prod(x.shape[:-1]) * (size + step))
    return [(bounded(call, (*x.shape[:-1], x.shape[-1] // step, size)), _T.INT16), ((), _T.BOOL)]


def _overlapped(call: Call) -> Results:
    x = _require_typed(call, (_T.INT16, _T.FLOAT32))
    require_rank(call, 0, 2, max(2, x.rank))
    step = signal_option(call, "frame_step", 1, x.shape[-1])
    _require_state(call, prod(x.shape[:-2]) * x.shape[-1])
    return [(bounded(call, (*x.shape[:-2], x.shape[-2] * step)), x.type)]


def _delayed(call: Call) -> Results:
    require_type(call, 0, (_T.INT16,))
    x = call.input(0)
    require_rank(call, 0, 1, max(1, x.rank))
    call.require(x.shape[-1] > 0, f"rows of at least one number are required, found shape {x.shape}")
    _require_state(call, prod(x.shape[:-1]) * signal_option(call, "delay_length", 0))
    return [(x.shape, _T.INT16)]


def _scaled(call: Call) -> Results:
    return [(_vector(call, 0, _T.INT16).shape, _T.INT16), ((), _T.INT32)]


def _define(name: str, inputs: str, infer: Inference, outputs: str = "output") -> OpSpec:
    return define(OpSpec(f"Signal{name}", BuiltinOperator.CUSTOM, tuple(inputs.split()), infer, tuple(outputs.split())))


RFFT = _define("Rfft", "input", _transformed)
IRFFT = _define("Irfft", "input", _transformed_back)
WINDOW = _define("Window", "input weights", _windowed)
ENERGY = _define("Energy", "input", _energies)
FILTER_BANK = _define("FilterBank", "input weights unweights frequency_starts weight_starts widths", _accumulated)
FILTER_BANK_SQUARE_ROOT = _define("FilterBankSquareRoot", "input scale_bits", _rooted)
FILTER_BANK_SPECTRAL_SUBTRACTION = _define("FilterBankSpectralSubtraction", "input", _subtracted, "output noise_estimate")
FILTER_BANK_LOG = _define("FilterBankLog", "input", _logarithms)
PCAN = _define("PCAN", "input noise_estimate gain_table", _gained)
STACKER = _define("Stacker", "input", _stacked, "output is_valid")
FRAMER = _define("Framer", "input", _framed, "output is_valid")
OVERLAP_ADD = _define("OverlapAdd", "input", _overlapped)
DELAY = _define("Delay", "input", _delayed)
FFT_AUTO_SCALE = _define("FftAutoScale", "input", _scaled, "output scale_bits")
