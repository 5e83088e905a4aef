"""Models of one layer, for measuring it alone: convolutions, depthwise convolutions and fully connected layers, float32 and int8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.engines import Array
from jitlite.schemas import write_model
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.tables import (
    ActivationFunctionType,
    Buffer,
    BuiltinOperator,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Model,
    Operator,
    Padding,
    QuantizationParameters,
    SubGraph,
    Tensor,
    TensorType,
)

RELU6 = ActivationFunctionType.RELU6
POINTWISE, SPATIAL, DEPTHWISE, CONNECTED = "pointwise", "3x3", "depthwise", "fully connected"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of one kind: input height and width (1 for fully connected: `height` rows), channels in and out, stride.

    `study` is the share of the float32 peak and of the int8 peak that the feasibility study reached, where it measured the layer.
    """

    kind: str
    height: int
    channels: int
    filters: int
    stride: int = 1
    study: tuple[float | None, float | None] = (None, None)

    @property
    def is_square(self) -> bool:
        return self.kind != CONNECTED

    @property
    def kernel(self) -> int:
        return 3 if self.kind in (SPATIAL, DEPTHWISE) else 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (1, self.height, self.height, self.channels) if self.is_square else (self.height, self.channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        size = -(-self.height // self.stride)
        return (1, size, size, self.filters) if self.is_square else (self.height, self.filters)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        if self.kind == DEPTHWISE:
            return (1, 3, 3, self.filters)
        return (self.filters, self.kernel, self.kernel, self.channels) if self.is_square else (self.filters, self.channels)

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        depth = self.kernel**2 * (1 if self.kind == DEPTHWISE else self.channels)
        return 2 * int(np.prod(self.output_shape)) * depth

    def moved_bytes(self, is_int8: bool) -> int:
        """What has to be read and written at least once."""
        elements = sum(int(np.prod(shape)) for shape in (self.input_shape, self.output_shape, self.weight_shape))
        return elements * (1 if is_int8 else 4)

    @property
    def name(self) -> str:
        step = f", stride {self.stride}" if self.stride > 1 else ""
        size = f"{self.height}×{self.height}" if self.is_square else f"{self.height} row{'s' if self.height > 1 else ''}"
        return f"{size}, {self.channels} → {self.filters}{step}" if self.kind != DEPTHWISE else f"{size}, {self.channels}{step}"


def build(layer: Layer, is_int8: bool, seed: int = 0) -> tuple[bytes, Array]:
    """The .tflite file of a layer with a fused RELU6, random weights and a bias, and a random input."""
    rng = np.random.default_rng(seed)
    depth = int(np.prod(layer.weight_shape)) // layer.filters
    if is_int8:
        data = rng.integers(-128, 128, layer.input_shape).astype(np.int8)
        weights = rng.integers(-127, 128, layer.weight_shape).astype(np.int8)
        bias = rng.integers(-1000, 1000, layer.filters).astype(np.int32)
    else:
        data = rng.uniform(-1, 1, layer.input_shape).astype(np.float32)
        weights = (rng.normal(0, 1, layer.weight_shape) / np.sqrt(depth)).astype(np.float32)
        bias = rng.normal(0, 0.1, layer.filters).astype(np.float32)
    scales = _quantization(layer, depth, rng) if is_int8 else [None] * 4
    tensors = [
        _tensor("input", layer.input_shape, data, 0, scales[0]),
        _tensor("weights", layer.weight_shape, weights, 1, scales[1]),
        _tensor("bias", (layer.filters,), bias, 2, scales[2]),
        _tensor("output", layer.output_shape, data, 0, scales[3]),
    ]
    operator = Operator(inputs=[0, 1, 2], outputs=[3], builtin_options=_options(layer))
    model = Model(
        version=3,
        operator_codes=[new_operator_code(_CODES[layer.kind], 3 if is_int8 else 1)],
        buffers=[Buffer(), Buffer(data=weights.tobytes()), Buffer(data=bias.tobytes())],
        subgraphs=[SubGraph(tensors=tensors, inputs=[0], outputs=[3], operators=[operator], name="main")],
    )
    return bytes(write_model(model)), data


_CODES = {
    POINTWISE: BuiltinOperator.CONV_2D,
    SPATIAL: BuiltinOperator.CONV_2D,
    DEPTHWISE: BuiltinOperator.DEPTHWISE_CONV_2D,
    CONNECTED: BuiltinOperator.FULLY_CONNECTED,
}


def _options(layer: Layer) -> Conv2DOptions | DepthwiseConv2DOptions | FullyConnectedOptions:
    if layer.kind == CONNECTED:
        return FullyConnectedOptions(fused_activation_function=RELU6)
    options = DepthwiseConv2DOptions(depth_multiplier=1) if layer.kind == DEPTHWISE else Conv2DOptions()
    options.stride_h = options.stride_w = layer.stride
    options.padding, options.fused_activation_function = Padding.SAME, RELU6
    return options


def _quantization(layer: Layer, depth: int, rng: np.random.Generator) -> list[QuantizationParameters]:
    """Scales of input, weights, bias and output so that sums reach about the output's range: those of convolutions are per channel."""
    about, count = 2.0 / (74 * np.sqrt(depth)), 1 if layer.kind == CONNECTED else layer.filters
    weights = [float(np.float32(scale)) for scale in rng.uniform(0.5 * about, about, count)]
    source = 1 / 128
    return [
        _scales([source], -1),
        _scales(weights, 0, axis=3 if layer.kind == DEPTHWISE else 0),
        _scales([source * scale for scale in weights], 0),
        _scales([6 / 255], -128),
    ]


def _scales(scales: list[float], zero_point: int, axis: int = 0) -> QuantizationParameters:
    return QuantizationParameters(
        scale=[float(np.float32(scale)) for scale in scales], zero_point=[zero_point] * len(scales), quantized_dimension=axis
    )


def _tensor(name: str, shape: tuple[int, ...], like: Array, buffer: int, quantization: QuantizationParameters | None) -> Tensor:
    return Tensor(shape=list(shape), type=TensorType[like.dtype.name.upper()], buffer=buffer, name=name, quantization=quantization)
