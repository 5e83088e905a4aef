"""Steps of convolutions and matrix products of INT16 activations."""

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.panels import bias_or_zeros, limits, multipliers, real_multipliers, require_constants
from jitlite.interpreter.binding.products import Int32s, shared_multiplier
from jitlite.interpreter.binding.registry import Argument, Step, kernels
from jitlite.interpreter.binding.windows import Windows
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.tables import ActivationFunctionType, TensorType

K = kernels("product_q16")

_LARGEST_SHIFT = 14
"""Sums of 64 bits are multiplied by less than 2 to this power."""


def is_q16(x: TensorInfo, weight: TensorInfo, y: TensorInfo) -> bool:
    return x.type is y.type is TensorType.INT16 and weight.type in (TensorType.INT8, TensorType.INT16)


def _rounding(call: Call, mantissas: Int32s, shifts: Int32s) -> Int32s:
    if len(shifts) and shifts.max() > _LARGEST_SHIFT:
        raise call.unsupported(f"products of scales below 2^{_LARGEST_SHIFT} times the output's are supported, found larger ones")
    return np.ascontiguousarray(np.stack([mantissas, shifts], axis=1), np.int32)


def _arguments(call: Call, bias: TensorInfo | None, y: TensorInfo, channels: int, rounding: Int32s) -> dict[str, Argument]:
    """Arguments that all kernels have. Sums wrap in 32 bits where the options ask for an INT32 bias."""
    require_constants(call, bias)
    activation = getattr(call.options, "fused_activation_function", ActivationFunctionType.NONE)
    _, low, high = limits(y, activation).tolist()
    is_wide = getattr(call.options, "quantized_bias_type", TensorType.FLOAT32) is not TensorType.INT32
    sums = bias_or_zeros(bias, channels, np.int64)
    return {"bias": sums, "y": y, "rounding": rounding, "is_wide": int(is_wide), "low": low, "high": high}


def convolution(call: Call, kernel: str, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, s: Windows) -> Step:
    """A step of one of the convolution kernels, which have a multiplier a channel."""
    y = call.outputs[0]
    channels = y.shape[3]
    rounding = _rounding(call, *multipliers(x, weight, y, channels))
    arguments = _arguments(call, bias, y, channels, rounding)
    return K.step(kernel, x=x, w=_stored(weight), sizes=s.sizes(), **arguments)


def _stored(weight: TensorInfo) -> Argument:
    """The weights as the kernel reads them: an array where their type was made wider."""
    return weight if weight.value is None else np.ascontiguousarray(weight.value)


class Layout(Record):
    """A batched matrix product: numbers of batches' left and right sides, sizes, and whether the sides are stored transposed."""

    rows: int
    columns: int
    depth: int
    lefts: NDArray[np.int64]
    rights: NDArray[np.int64]
    transposed_left: bool
    transposed_right: bool

    def sizes(self, is_short: bool) -> NDArray[np.int64]:
        x_steps = (1, self.rows) if self.transposed_left else (self.depth, 1)
        w_steps = (self.depth, 1) if self.transposed_right else (1, self.columns)
        fits = is_short and x_steps[1] == w_steps[1] == 1
        return np.array([self.lefts.size, self.rows, self.columns, self.depth, *x_steps, *w_steps, int(fits)], np.int64)

    def starts(self) -> NDArray[np.int64]:
        return np.ascontiguousarray(np.stack([self.lefts * self.rows * self.depth, self.rights * self.columns * self.depth], axis=1))


def matrix_product(call: Call, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, layout: Layout, is_real: bool) -> Step:
    """A step of products with weights of 8 or 16 bits; where `is_real`, sums of those of 8 bits are multiplied by float64 numbers."""
    y, columns = call.outputs[0], layout.columns
    scales = weight.quantization.scale if weight.quantization is not None else []
    mantissas, shifts = (multipliers if len(scales) > 1 else shared_multiplier)(x, weight, y, columns)
    is_narrow = weight.type is TensorType.INT8
    is_real = is_real and is_narrow
    rounding = np.zeros((columns, 2), np.int32) if is_real else _rounding(call, mantissas, shifts)
    arguments = _arguments(call, bias, y, columns, rounding)
    if not is_narrow:
        arguments["is_wide"] = 1
    return K.step(
        f"matmul_qs16_{'qs8' if is_narrow else 'qs16'}",
        x=x,
        w=_stored(weight),
        batches=layout.starts(),
        sizes=layout.sizes(is_narrow),
        reals=np.ascontiguousarray(real_multipliers(x, weight, y, columns)),
        is_real=int(is_real),
        zero_point=weight.zero_point if len(scales) == 1 else 0,
        **arguments,
    )
