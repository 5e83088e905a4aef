"""Small float models, built operator by operator."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.dtypes import tensor_type
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.tables import (
    ActivationFunctionType,
    AddOptions,
    Buffer,
    BuiltinOperator,
    ConcatenationOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Metadata,
    Model,
    Operator,
    Padding,
    Pool2DOptions,
    ReshapeOptions,
    SignatureDef,
    SoftmaxOptions,
    SubGraph,
    Tensor,
    TensorMap,
    TensorType,
)
from jitlite.schemas.verify import verify

B = BuiltinOperator
_FIRST_VERSIONS = {B.BROADCAST_TO: 2}


class ModelBuilder:
    """Appends tensors and operators to a model of one subgraph; tensors are named by their indices here."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.graph = SubGraph(name="main")
        self.model = Model(version=3, subgraphs=[self.graph], buffers=[Buffer()])

    def tensor(self, name: str, shape: tuple[int, ...], kind: TensorType = TensorType.FLOAT32, **fields: Any) -> int:
        self.graph.tensors.append(Tensor(name=name, shape=list(shape), type=kind, **fields))
        return len(self.graph.tensors) - 1

    def input(self, name: str, shape: tuple[int, ...], kind: TensorType = TensorType.FLOAT32, **fields: Any) -> int:
        self.graph.inputs.append(self.tensor(name, shape, kind, **fields))
        return self.graph.inputs[-1]

    def constant(self, name: str, value: NDArray[Any]) -> int:
        index = self.tensor(name, value.shape, tensor_type(value.dtype))
        self.graph.tensors[index].buffer = len(self.model.buffers)
        self.model.buffers.append(Buffer(data=np.ascontiguousarray(value).tobytes()))
        return index

    def weights(self, name: str, *shape: int, scale: float = 0.5) -> int:
        return self.constant(name, (self.random.normal(size=shape) * scale).astype(np.float32))

    def op(self, code: BuiltinOperator, inputs: list[int], outputs: list[int], options: Any = None) -> list[int]:
        codes = [int(found.builtin_code) for found in self.model.operator_codes]
        if int(code) not in codes:
            codes.append(int(code))
            self.model.operator_codes.append(new_operator_code(code, _FIRST_VERSIONS.get(code, 1)))
        self.graph.operators.append(Operator(opcode_index=codes.index(int(code)), inputs=inputs, outputs=outputs, builtin_options=options))
        return outputs

    def unary(self, code: BuiltinOperator, x: int, name: str, options: Any = None, shape: tuple[int, ...] | None = None) -> int:
        found = tuple(self.graph.tensors[x].shape) if shape is None else shape
        return self.op(code, [x], [self.tensor(name, found)], options)[0]

    def conv(
        self,
        x: int,
        channels: int,
        name: str,
        size: int = 3,
        activation: ActivationFunctionType = ActivationFunctionType.NONE,
        weights: int | None = None,
        bias: int | None = None,
    ) -> int:
        """A convolution of stride 1 with SAME padding."""
        n, h, w, depth = self.graph.tensors[x].shape
        weights = self.weights(f"{name}/weights", channels, size, size, depth) if weights is None else weights
        bias = self.weights(f"{name}/bias", channels) if bias is None else bias
        options = Conv2DOptions(padding=Padding.SAME, stride_h=1, stride_w=1, fused_activation_function=activation)
        return self.op(B.CONV_2D, [x, weights, bias], [self.tensor(name, (n, h, w, channels))], options)[0]

    def depthwise(self, x: int, name: str) -> int:
        n, h, w, depth = self.graph.tensors[x].shape
        weights, bias = self.weights(f"{name}/weights", 1, 3, 3, depth), self.weights(f"{name}/bias", depth)
        options = DepthwiseConv2DOptions(padding=Padding.SAME, stride_h=1, stride_w=1, depth_multiplier=1)
        return self.op(B.DEPTHWISE_CONV_2D, [x, weights, bias], [self.tensor(name, (n, h, w, depth))], options)[0]

    def dense(self, x: int, units: int, name: str, with_bias: bool = True, weights: int | None = None) -> int:
        n, depth = self.graph.tensors[x].shape
        weights = self.weights(f"{name}/weights", units, depth) if weights is None else weights
        bias = self.weights(f"{name}/bias", units) if with_bias else -1
        return self.op(B.FULLY_CONNECTED, [x, weights, bias], [self.tensor(name, (n, units))], FullyConnectedOptions())[0]

    def add(self, a: int, b: int, name: str) -> int:
        shape = tuple(np.broadcast_shapes(self.graph.tensors[a].shape, self.graph.tensors[b].shape))
        return self.op(B.ADD, [a, b], [self.tensor(name, shape)], AddOptions())[0]

    def concat(self, parts: list[int], name: str) -> int:
        shapes = [self.graph.tensors[part].shape for part in parts]
        shape = (*shapes[0][:-1], sum(found[-1] for found in shapes))
        return self.op(B.CONCATENATION, parts, [self.tensor(name, shape)], ConcatenationOptions(axis=-1))[0]

    def max_pool(self, x: int, name: str) -> int:
        n, h, w, c = self.graph.tensors[x].shape
        options = Pool2DOptions(padding=Padding.VALID, stride_h=2, stride_w=2, filter_height=2, filter_width=2)
        return self.unary(B.MAX_POOL_2D, x, name, options, (n, h // 2, w // 2, c))

    def reshape(self, x: int, shape: tuple[int, ...], name: str) -> int:
        target = self.constant(f"{name}/shape", np.int32(shape))
        return self.op(B.RESHAPE, [x, target], [self.tensor(name, shape)], ReshapeOptions(new_shape=list(shape)))[0]

    def softmax(self, x: int, name: str) -> int:
        return self.unary(B.SOFTMAX, x, name, SoftmaxOptions(beta=1.0))

    def done(self, *outputs: int) -> Model:
        self.graph.outputs = list(outputs)
        return verify(self.model)


def classifier() -> Model:
    """Convolution, depthwise convolution, residual ADD, pooling, a dense layer and SOFTMAX, with a signature and metadata."""
    build = ModelBuilder()
    image = build.input("image", (1, 8, 8, 3))
    first = build.conv(image, 8, "first", activation=ActivationFunctionType.RELU6)
    second = build.depthwise(first, "second")
    joined = build.add(first, second, "joined")
    pooled = build.max_pool(joined, "pooled")
    flat = build.reshape(pooled, (1, 128), "flat")
    scores = build.dense(flat, 10, "scores")
    model = build.done(build.softmax(scores, "probabilities"))
    model.signature_defs = [
        SignatureDef(
            signature_key="serving_default",
            inputs=[TensorMap(name="x", tensor_index=image)],
            outputs=[TensorMap(name="y", tensor_index=model.subgraphs[0].outputs[0])],
        )
    ]
    model.buffers.append(Buffer(data=b"labels"))
    model.buffers.append(Buffer(data=b"1.5.0".ljust(16, b"\0")))
    last = len(model.buffers) - 1
    model.metadata = [Metadata(name="min_runtime_version", buffer=last), Metadata(name="notes", buffer=last - 1)]
    model.description = "a classifier"
    return verify(model)
