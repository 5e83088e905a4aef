"""How much work an operator is, in units of about a multiply-add: a bound on its time, within a factor, for any sizes a file asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log2, prod

from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import TensorType

STEP_WORK = 4000
"""What a step costs whatever its size."""
ELEMENT_WORK = 32
"""What it costs to read or write an element, and to compute a function of it."""
TEXT_WORK = 4096
"""The same for a string, and for an element that Python itself looks at."""

Work = Callable[[Call], int]


def work_of(call: Call) -> int:
    """The work of a call whose output shapes are known."""
    tensors = [info for info in (*call.inputs, *call.outputs) if info is not None]
    elements = sum(info.size * (TEXT_WORK if info.type is TensorType.STRING else ELEMENT_WORK) for info in tensors)
    own = WORK.get(call.spec.name)
    return STEP_WORK + elements + (own(call) if own is not None else 0)


def _convolution(call: Call) -> int:
    """A sum over the window and the input channels for each output."""
    weights = call.input(1).shape
    return call.outputs[0].size * prod(weights) // max(weights[0], 1)


def _depthwise(call: Call) -> int:
    weights = call.input(1).shape
    return call.outputs[0].size * prod(weights[:-1]) * 4


def _spread(call: Call) -> int:
    """Each input channel of each position times the weights of a window and all output channels; each phase of the strides is a step."""
    o = call.options
    steps = o.stride_h * o.stride_w * STEP_WORK
    work: int = call.input(2).size * prod(call.input(1).shape[:3]) + steps
    return work


def _custom_spread(call: Call) -> int:
    return call.input(0).size * prod(call.input(1).shape[:3])


def _convolution_3d(call: Call) -> int:
    return call.outputs[0].size * prod(call.input(1).shape[:4])


def _spread_3d(call: Call) -> int:
    return call.input(2).size * prod(call.input(1).shape[:4])


def _fully_connected(call: Call) -> int:
    return call.outputs[0].size * call.input(1).shape[-1]


def _matrix_product(call: Call) -> int:
    return call.outputs[0].size * call.input(0).shape[-2 if call.options.adj_x else -1]


def _pooled(call: Call) -> int:
    x, o = call.input(0), call.options
    window = min(o.filter_height, x.shape[1]) * min(o.filter_width, x.shape[2])
    work: int = call.outputs[0].size * window * 4
    return work


def _pooled_custom(call: Call) -> int:
    return call.outputs[0].size * prod(call.input(0).shape[1:3]) * 4


def _windows(call: Call) -> int:
    from jitlite.schemas.ops.window import windows

    return ELEMENT_WORK * call.outputs[0].size * prod(windows(call).sizes)


def _stretched_windows(call: Call) -> int:
    from jitlite.schemas.ops.window import stretched_windows

    looks = stretched_windows(call)
    return ELEMENT_WORK * (call.outputs[0].size * prod(looks.sizes) + prod(looks.stretch.shape))


def _recurrent(call: Call) -> int:
    """Every weight once for each step of each sequence."""
    x = call.input(0)
    depth = max(x.shape[-1], 1) if x.shape else 1
    return (x.size // depth) * sum(info.size for info in call.inputs[1:] if info is not None) * 2


def _sorted(call: Call) -> int:
    count = call.input(0).size
    return int(ELEMENT_WORK * count * log2(count + 2))


def _transformed(call: Call) -> int:
    """Sizes that are primes take Bluestein's way: a few transforms of the next powers of two."""
    count = max(call.input(0).size, call.outputs[0].size)
    return int(8 * ELEMENT_WORK * count * log2(count + 2))


def _suppressed(call: Call) -> int:
    """Each box against all those selected before."""
    boxes = call.input(0).shape[0] if call.input(0).shape else 1
    return ELEMENT_WORK * boxes * boxes


def _detected(call: Call) -> int:
    boxes, classes = call.input(1).shape[-2:]
    return ELEMENT_WORK * classes * boxes * boxes


def _normalized(call: Call) -> int:
    depth = call.input(0).shape[-1] if call.input(0).shape else 1
    window: int = min(max(2 * call.options.radius + 1, 1), depth)
    return call.input(0).size * window


def _searched(call: Call) -> int:
    return int(ELEMENT_WORK * call.input(0).size * log2(len(call.options.boundaries) + 2))


def _drawn(call: Call) -> int:
    return call.outputs[0].size * max(call.input(0).shape[-1], 1)


def _looked_up(call: Call) -> int:
    """Each key in Python, whatever its type."""
    return TEXT_WORK * call.input(1).size


def _hashed(call: Call) -> int:
    """Each row of the input with each seed in front of it."""
    seeds, x = call.input(0), call.input(1)
    return ELEMENT_WORK * seeds.size * (x.size + x.shape[0])


def _grams(call: Call) -> int:
    """As many steps as SKIP_GRAM may take."""
    return TEXT_WORK << 22


def _spectrogram(call: Call) -> int:
    count = call.outputs[0].size
    return int(8 * ELEMENT_WORK * count * log2(count + 2))


def _cepstrum(call: Call) -> int:
    from jitlite.schemas.ops.audio import mfcc_options

    options, (channels, frames, bins) = mfcc_options(call), call.input(0).shape
    return channels * frames * (ELEMENT_WORK * (bins + options.bands) + options.bands * options.coefficients)


def _fixed_transform(call: Call) -> int:
    count = call.outputs[0].size
    return int(64 * ELEMENT_WORK * count * log2(count + 2))


def _banks(call: Call) -> int:
    return ELEMENT_WORK * call.input(5).size * call.input(1).size


WORK: Mapping[str, Work] = {
    "AudioSpectrogram": _spectrogram,
    "HASHTABLE_FIND": _looked_up,
    "HASHTABLE_IMPORT": _looked_up,
    "LSH_PROJECTION": _hashed,
    "Mfcc": _cepstrum,
    "SKIP_GRAM": _grams,
    "SignalFilterBank": _banks,
    "SignalIrfft": _fixed_transform,
    "SignalRfft": _fixed_transform,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _spread,
    "Convolution2DTransposeBias": _custom_spread,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _spread_3d,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _matrix_product,
    "AVERAGE_POOL_2D": _pooled,
    "MAX_POOL_2D": _pooled,
    "L2_POOL_2D": _pooled,
    "MaxPoolingWithArgmax2D": _pooled_custom,
    "REDUCE_WINDOW": _windows,
    "STABLEHLO_REDUCE_WINDOW": _stretched_windows,
    "LSTM": _recurrent,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recurrent,
    "BIDIRECTIONAL_SEQUENCE_LSTM": _recurrent,
    "RNN": _recurrent,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recurrent,
    "BIDIRECTIONAL_SEQUENCE_RNN": _recurrent,
    "SVDF": _recurrent,
    "TOPK_V2": _sorted,
    "UNIQUE": _sorted,
    "RFFT2D": _transformed,
    "NON_MAX_SUPPRESSION_V4": _suppressed,
    "NON_MAX_SUPPRESSION_V5": _suppressed,
    "TFLite_Detection_PostProcess": _detected,
    "LOCAL_RESPONSE_NORMALIZATION": _normalized,
    "BUCKETIZE": _searched,
    "MULTINOMIAL": _drawn,
}
"""The work of operators that do more than look at each element of their operands and results."""
