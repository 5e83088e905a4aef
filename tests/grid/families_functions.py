"""Operators of one operand that keep its shape: mathematical functions, activations and conversions of type."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import FULL, QUANTIZED, Feed, Graph, family, grid

SHAPES = [(), (1,), (1, 2), (5, 6, 7, 8), (3, 4, 5, 6), (None, 3), (1, None, 2)]
MODES = ["float", *QUANTIZED]


def _unary(name: str, path: str, *, low: float = -10, high: float = 10, modes: Any = ("float",), dtypes: Any = (), take: int = 12) -> None:
    """Registers TensorFlow's function at `path` as a family: of floats in the modes given, and of other types."""
    rows = grid(dtype=["float32"], shape=SHAPES, mode=modes)
    others = grid(dtype=dtypes, shape=SHAPES) if dtypes else []

    @family(name, rows, others, take=take, least=1)
    def build(tf: Any, p: SimpleNamespace) -> Graph:
        function = tf
        for part in path.split("."):
            function = getattr(function, part)
        return Graph(lambda x: function(x), [Feed(p.shape, p.dtype, low, high)])


_unary("abs", "abs", modes=MODES, dtypes=["int32", "int16"], take=16)
_unary("ceil", "math.ceil")
_unary("cos", "cos", low=-100, high=100)
_unary("sin", "sin", low=-100, high=100)
_unary("elu", "nn.elu", modes=MODES)
_unary("exp", "exp", modes=MODES)
_unary("expm1", "math.expm1")
_unary("floor", "floor")
_unary("hard_swish_relu6", "nn.relu6", modes=FULL, take=8)
_unary("log", "math.log", low=0.1, modes=MODES)
_unary("log1p", "math.log1p", low=0.1, take=6)
_unary("neg", "negative", modes=MODES, dtypes=["int32", "int64"])
_unary("relu", "nn.relu", modes=MODES)
_unary("relu6", "nn.relu6", modes=MODES)
_unary("round", "round")
_unary("rsqrt", "math.rsqrt", low=0.1, high=1, modes=MODES)
_unary("sqrt", "sqrt", low=0, modes=MODES)
_unary("square", "square", modes=MODES)
_unary("sigmoid", "sigmoid", modes=MODES, take=16)
_unary("tanh", "tanh", modes=MODES, take=16)
_unary("softplus", "nn.softplus")
_unary("softsign", "nn.softsign", take=6)
_unary("selu", "nn.selu", take=4)
_unary("swish", "nn.silu", modes=MODES, take=8)
_unary("sign", "sign", dtypes=["float64", "int32"])
_unary("is_finite", "math.is_finite", take=6)
_unary("is_nan", "math.is_nan", take=4)
_unary("reciprocal", "math.reciprocal", low=1, high=5, take=6)
_unary("zeros_like", "zeros_like", dtypes=["int32", "int64", "bool"])
_unary("ones_like", "ones_like", dtypes=["int32", "int64", "bool"], take=8)
_unary("identity", "identity", modes=MODES, dtypes=["int32", "string"])
_unary("logical_not", "logical_not", modes=(), dtypes=["bool"], take=5)


@family("relu1", grid(shape=SHAPES, mode=MODES))
def _relu1(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.minimum(1.0, tf.maximum(x, -1.0)), [Feed(p.shape, low=-3, high=3)])


@family("relu_0_to_1", grid(shape=SHAPES, mode=["float", "int8"]), take=8)
def _relu_0_to_1(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.minimum(1.0, tf.maximum(x, 0.0)), [Feed(p.shape, low=-3, high=3)])


@family("hard_swish", grid(shape=SHAPES, mode=["float", "int8", "int8_io", "uint8_io"]))
def _hard_swish(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: x * tf.nn.relu6(x + np.float32(3)) * np.float32(1.0 / 6.0), [Feed(p.shape, low=-6, high=6)])


@family("gelu", grid(shape=SHAPES, approximate=[True, False], mode=["float", "int8", "int8_io"]))
def _gelu(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.gelu(x, approximate=p.approximate), [Feed(p.shape)])


@family("leaky_relu", grid(shape=SHAPES, alpha=[0.1, 1.0, 2.0, -0.1, -1.0], mode=MODES), take=18)
def _leaky_relu(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.leaky_relu(x, p.alpha), [Feed(p.shape, low=-3, high=10)])


@family("prelu", grid(shape=[(1, 10, 10, 3), (3, 3, 3, 3), (None, 4, 5, 3)], axes=[(1, 2), (1,), ()], mode=MODES))
def _prelu(tf: Any, p: SimpleNamespace) -> Graph:
    sizes = [1 if index + 1 in p.axes else size for index, size in enumerate(p.shape[1:])]
    slope = np.random.uniform(-1, 2, sizes).astype(np.float32)
    return Graph(lambda x: tf.nn.relu(x) + slope * (-tf.nn.relu(-x)), [Feed(p.shape, low=-5, high=5)])


@family("prelu_layer", grid(shape=[(1, 10, 10, 3), (2, 7)], mode=["float", "int8", "float16"]), take=5)
def _prelu_layer(tf: Any, p: SimpleNamespace) -> Graph:
    layer = tf.keras.layers.PReLU(alpha_initializer=tf.keras.initializers.RandomUniform(0, 1, seed=1))
    layer.build(p.shape)
    return Graph(lambda x: layer(x), [Feed(p.shape, low=-5, high=5)], layer)


@family("softmax", grid(shape=[(1, 3, 4, 3), (2, 3), (5,), (None, 7), (2, 3, 4, 2, 3)], dim=[-1, 0], beta=[1.0, 2.5], mode=MODES), take=20)
def _softmax(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.softmax(x * p.beta, axis=p.dim), [Feed(p.shape, low=-1, high=1)])


@family("log_softmax", grid(shape=[(1, 100), (3, 20), (2, 3, 4, 7), (None, 5)], mode=["float", "int8", "int8_io", "uint8_io", "int16x8"]))
def _log_softmax(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.log_softmax(x), [Feed(p.shape, low=-2, high=2)])


@family("sigmoid_grad", grid(shape=[(1, 3, 4, 3), (4,), ()], mode=["float", "int8"]), take=4)
def _sigmoid_grad(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda y, d: tf.raw_ops.SigmoidGrad(y=y, dy=d), [Feed(p.shape, low=0, high=1)] * 2)


NUMBERS = ["float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool"]


@family("cast", grid(source=NUMBERS, target=NUMBERS, shape=[(), (1, 2), (3, 4, 5, 6), (None, 3)]), take=60)
def _cast(tf: Any, p: SimpleNamespace) -> Graph:
    low = 0 if p.source in ("float32", "float16", "float64") and p.target.startswith("u") else -100
    return Graph(lambda x: tf.cast(x, p.target), [Feed(p.shape, p.source, low, 100)])


@family("cast_complex", grid(source=["complex64", "float32", "int32"], target=["complex64", "float32"], shape=[(3, 4)]), take=4)
def _cast_complex(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.cast(x, p.target), [Feed(p.shape, p.source)])


_WIDER = [("int16", "uint32"), ("uint16", "uint32"), ("int16", "float32"), ("int8", "int32"), ("uint8", "int16"), ("int32", "int64")]
_SAME = [("int32", "uint32"), ("uint32", "int32"), ("float32", "int32"), ("int8", "uint8"), ("int64", "float64")]
_NARROWER = [("uint32", "int16"), ("int32", "int16"), ("float32", "int16"), ("int64", "int32"), ("int16", "int8")]


@family(
    "bitcast",
    grid(types=_SAME + _NARROWER, shape=[(), (1,), (1, 2), (3, 4, 5, 6)]),
    grid(types=_WIDER, shape=[(2,), (1, 2), (1, 2, 2), (3, 4, 5, 6, 2)]),
    take=24,
)
def _bitcast(tf: Any, p: SimpleNamespace) -> Graph:
    source, target = p.types
    ratio = np.dtype(target).itemsize // np.dtype(source).itemsize
    shape = (*p.shape[:-1], ratio) if ratio > 1 else p.shape
    return Graph(lambda x: tf.bitcast(x, target), [Feed(shape, source)])


@family(
    "fake_quant",
    grid(shape=[(1, 3, 4, 3), (5,)], bits=[4, 8, 16], narrow=[True, False], ends=[(-1.0, 1.0), (0.0, 6.0), (-2.5, 7.3)]),
    take=10,
)
def _fake_quant(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any) -> Any:
        return tf.quantization.fake_quant_with_min_max_args(x, *p.ends, p.bits, p.narrow)

    return Graph(function, [Feed(p.shape, low=-8, high=8)])


@family(
    "complex_parts",
    grid(part=["real", "imag", "complex_abs"], dtype=["complex64", "complex128"], shape=[(5,), (2, 3, 4), (3, 4, 5, 6), ()]),
)
def _complex_parts(tf: Any, p: SimpleNamespace) -> Graph:
    function = {"real": tf.math.real, "imag": tf.math.imag, "complex_abs": tf.abs}[p.part]
    return Graph(lambda x: function(x), [Feed(p.shape, p.dtype)])
