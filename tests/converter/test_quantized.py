"""Models that ONNX Runtime's quantizer made become integer models: each operator within one step of ONNX Runtime's integers."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType

from jitlite.converter import ConvertOptions
from jitlite.converter.pipeline import to_tflite_graph
from jitlite.converter.rewrite import Trace
from tests.converter.agreement import Array, check, converted, floats, kinds, node, onnx_model, run_onnx, run_tflite
from tests.converter.quantizing import IMAGE, between, chain, check_steps, feeds, float_operators, quantized, weights

FORMS = pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=["qdq", "qoperator"])
TYPES = pytest.mark.parametrize(
    "options",
    [
        {"activation_type": QuantType.QUInt8},
        {"activation_type": QuantType.QUInt8, "per_channel": True},
        {"activation_type": QuantType.QInt8},
        {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QUInt8},
    ],
    ids=["u8s8", "per channel", "s8s8", "u8u8"],
)


CONV = node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1])
OPERATORS: dict[str, onnx.ModelProto] = {
    "conv": chain(CONV, node("Relu", ["c"], ["y"]), w=weights(6, 8, 3, 3), b=weights(6, 1)[:, 0]),
    "conv without bias": chain(node("Conv", ["x", "w"], ["y"], strides=[2, 2], dilations=[2, 2]), w=weights(6, 8, 3, 3)),
    "padded conv": chain(node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1]), w=weights(6, 8, 3, 3)),
    "depthwise": chain(node("Conv", ["x", "w", "b"], ["y"], group=8), w=weights(8, 1, 3, 3), b=weights(8, 1)[:, 0]),
    "conv of rows": chain(node("Conv", ["x", "w"], ["y"], pads=[1, 1]), shape=(1, 8, 20), w=weights(6, 8, 3)),
    "clipped conv": chain(
        CONV,
        node("Clip", ["c", "low", "high"], ["y"]),
        w=weights(6, 8, 3, 3),
        b=weights(6, 1)[:, 0],
        low=np.array(0, np.float32),
        high=np.array(6, np.float32),
    ),
    "transposed conv": chain(node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2]), w=weights(8, 6, 2, 2)),
    "matmul": chain(node("MatMul", ["x", "w"], ["y"]), shape=(3, 16), w=weights(16, 5)),
    "stacked matmul": chain(node("MatMul", ["x", "w"], ["y"]), shape=(2, 3, 16), w=weights(16, 5)),
    "gemm": chain(node("Gemm", ["x", "w", "b"], ["y"], transB=1), shape=(3, 16), w=weights(5, 16), b=weights(5, 1)[:, 0]),
    "add": chain(node("Add", ["x", "w"], ["y"]), w=weights(1, 8, 1, 1)),
    "sum of two": chain(node("MaxPool", ["x"], ["m"], kernel_shape=[1, 1]), node("Add", ["x", "m"], ["y"])),
    "mul": chain(node("Mul", ["x", "x"], ["y"])),
    "max pool": chain(node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])),
    "average pool": chain(node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])),
    "fine average pool": chain(node("AveragePool", ["x"], ["y"], kernel_shape=[9, 9])),
    "global average pool": chain(node("GlobalAveragePool", ["x"], ["y"])),
    "sigmoid": chain(node("Sigmoid", ["x"], ["y"])),
    "leaky relu": chain(node("LeakyRelu", ["x"], ["y"], alpha=0.2)),
    "softmax": chain(node("Softmax", ["x"], ["y"], axis=1), shape=(4, 6)),
    "softmax of channels": chain(node("Softmax", ["x"], ["y"], axis=1), shape=(1, 3, 4, 5)),
    "concat": chain(node("Sigmoid", ["x"], ["s"]), node("Concat", ["x", "s"], ["y"], axis=1)),
    "resize": chain(
        node("Resize", ["x", "", "sizes"], ["y"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        sizes=np.array([1, 1, 2, 2], np.float32),
    ),
    "moves": chain(
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1, 3]), node("Reshape", ["t", "s"], ["y"]), s=np.array([1, 20, 48], np.int64)
    ),
}


@FORMS
@TYPES
@pytest.mark.parametrize("name", OPERATORS)
def test_operator_is_within_one_step(name: str, form: QuantFormat, options: dict[str, Any], tmp_path: Path) -> None:
    model = quantized(OPERATORS[name], feeds(OPERATORS[name], 8), tmp_path, form, **options)
    if not any(each.op_type.startswith("Q") for each in model.graph.node):
        pytest.skip("ONNX Runtime leaves it as it is")
    check_steps(model, feeds(OPERATORS[name], 3, seed=1))


def network() -> onnx.ModelProto:
    """A bit of everything."""
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1], group=8),
        node("Clip", ["c2", "low", "high"], ["r2"]),
        node("Conv", ["r2", "w3", "b3"], ["c3"]),
        node("Add", ["c3", "r1"], ["a1"]),
        node("MaxPool", ["a1"], ["m1"], kernel_shape=[2, 2], strides=[2, 2]),
        node("AveragePool", ["a1"], ["m2"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Concat", ["m1", "m2"], ["k1"], axis=1),
        node("Sigmoid", ["k1"], ["s1"]),
        node("Mul", ["k1", "s1"], ["p1"]),
        node("LeakyRelu", ["p1"], ["l1"], alpha=0.1),
        node("Resize", ["l1", "", "z"], ["z1"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("GlobalAveragePool", ["z1"], ["g1"]),
        node("Flatten", ["g1"], ["f1"]),
        node("Gemm", ["f1", "w4", "b4"], ["o1"], transB=1),
        node("MatMul", ["o1", "w5"], ["o2"]),
        node("Softmax", ["o2"], ["y"], axis=1),
    ]
    stored = {
        "w1": weights(8, 3, 3, 3),
        "w2": weights(8, 1, 3, 3),
        "w3": weights(8, 8, 1, 1),
        "w4": 3 * weights(12, 16),
        "w5": 3 * weights(12, 10),
    }
    stored |= {f"b{index}": weights(count, 1, seed=index)[:, 0] for index, count in ((1, 8), (2, 8), (3, 8), (4, 12))}
    stored |= {"low": np.array(0, np.float32), "high": np.array(6, np.float32), "z": np.array([1, 1, 2, 2], np.float32)}
    return chain(*nodes, shape=(1, 3, 16, 16), **stored)


@FORMS
@TYPES
def test_network(form: QuantFormat, options: dict[str, Any], tmp_path: Path) -> None:
    model = quantized(network(), feeds(network(), 16), tmp_path, form, **options)
    found = check_steps(model, feeds(network(), 2, seed=1))
    assert found["TRANSPOSE"] == 1
    assert found["CONV_2D"] + found["DEPTHWISE_CONV_2D"] == 3
    made = converted(model)
    same = [np.argmax(run_tflite(made, feed)[0]) == np.argmax(run_onnx(model, feed)[0]) for feed in feeds(network(), 100, seed=2)]
    assert np.mean(same) >= 0.99


@pytest.mark.parametrize("level", ["ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_network_as_onnxruntime_optimizes_it(level: str, tmp_path: Path) -> None:
    """Operators of com.microsoft, from the second level on with channels last."""
    model = quantized(network(), feeds(network(), 16), tmp_path, QuantFormat.QDQ, activation_type=QuantType.QUInt8)
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    settings.log_severity_level = 3
    settings.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    better = onnx.load(settings.optimized_model_filepath)
    assert ("NhwcMaxPool" in {each.op_type for each in better.graph.node}) == (level == "ORT_ENABLE_ALL")
    check_steps(better, feeds(network(), 2, seed=1))


@pytest.mark.parametrize("name", ["conv", "matmul", "add", "global average pool"])
def test_inputs_and_outputs_of_whole_numbers(name: str, tmp_path: Path) -> None:
    """A model without the outer QUANTIZE and DEQUANTIZE takes and gives uint8 itself."""
    model = quantized(OPERATORS[name], feeds(OPERATORS[name], 8), tmp_path, QuantFormat.QDQ, activation_type=QuantType.QUInt8)
    first = next(each for each in model.graph.node if each.op_type == "QuantizeLinear" and each.input[0] == "x")
    last = next(each for each in model.graph.node if "y" in each.output)
    model.graph.node.remove(first)
    model.graph.node.remove(last)
    model.graph.input[0].name, model.graph.output[0].name = first.output[0], last.input[0]
    for info in (model.graph.input[0], model.graph.output[0]):
        info.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    made = converted(model)
    assert float_operators(made) == []
    assert "DEQUANTIZE" not in kinds(made)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    feed = {first.output[0]: np.random.default_rng(0).integers(0, 256, shape, np.uint8)}
    found, wanted = run_tflite(made, feed)[0], run_onnx(model, feed)[0]
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_training_with_quantization_in_mind() -> None:
    """Weights that are rounded inside the graph, biases that are not quantized, ReLU before its QuantizeLinear."""
    grid = {"s": np.array(0.02, np.float32), "z": np.array(0, np.int8), "ws": np.full(6, 0.01, np.float32), "wz": np.zeros(6, np.int8)}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("QuantizeLinear", ["w", "ws", "wz"], ["wq"], axis=0),
        node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=0),
        node("Conv", ["d", "wd", "b"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("QuantizeLinear", ["r", "s", "z"], ["rq"]),
        node("DequantizeLinear", ["rq", "s", "z"], ["y"]),
    ]
    model = chain(*nodes, w=weights(6, 8, 3, 3), b=weights(6, 1)[:, 0], **grid)
    assert check_steps(model, feeds(model, 3)) == Counter(QUANTIZE=1, TRANSPOSE=2, CONV_2D=1, DEQUANTIZE=1)


class TorchExport:
    """Nodes as PyTorch's exporter writes a network that was trained with quantization in mind (see tests/engines/test_torch_qat.py).

    Scales are vectors of one element, zero points pass through Identity, numbers of 7 bits are clipped by a Constant, weights are rounded
    in the graph, and convolutions are divided by what their weights were multiplied with before they are normalised.
    """

    def __init__(self) -> None:
        self.nodes = [node("Identity", ["zero8"], ["zero"])]
        self.stored: dict[str, Array] = {"zero8": np.array(0, np.uint8), "middle": np.array(64, np.uint8)}

    def rounded(self, x: str, scale: float, zero: str = "zero") -> str:
        self.stored[f"{x}_scale"] = np.array([scale], np.float32)
        self.nodes += [
            node("QuantizeLinear", [x, f"{x}_scale", zero], [f"{x}_q"]),
            node("Constant", [], [f"{x}_most"], value=numpy_helper.from_array(np.array(127, np.uint8))),
            node("Clip", [f"{x}_q", "", f"{x}_most"], [f"{x}_c"]),
            node("DequantizeLinear", [f"{x}_c", f"{x}_scale", zero], [f"{x}_d"]),
        ]
        return f"{x}_d"

    def weight(self, name: str, data: Array) -> str:
        grid = {f"{name}_s": np.abs(data).reshape(len(data), -1).max(1) / np.float32(127.5), f"{name}_z": np.zeros(len(data), np.int8)}
        self.stored |= {name: data, **grid}
        self.nodes += [
            node("QuantizeLinear", [name, *grid], [f"{name}_q"], axis=0),
            node("DequantizeLinear", [f"{name}_q", *grid], [f"{name}_d"], axis=0),
        ]
        return f"{name}_d"

    def conv(self, x: str, name: str, data: Array, **attributes: Any) -> str:
        """A convolution, and its normalisation with some factors below zero."""
        count, seed = len(data), len(self.nodes)
        factor = floats(count, seed=seed, low=0.5, high=1.5) * np.where(np.arange(count) % 3, 1, -1).astype(np.float32)
        weight = self.weight(name, data * factor.reshape(-1, 1, 1, 1))
        norm = {"g": factor, "b": floats(count, seed=seed + 1, low=-0.5, high=0.5), "m": np.zeros(count), "v": np.ones(count)}
        self.stored |= {f"{name}_{key}": given.astype(np.float32) for key, given in norm.items()}
        self.stored[f"{name}_f"] = factor.reshape(1, -1, 1, 1)
        self.nodes += [
            node("Conv", [x, weight], [f"{name}_y"], **attributes),
            node("Div", [f"{name}_y", f"{name}_f"], [f"{name}_n"]),
            node("BatchNormalization", [f"{name}_n", *(f"{name}_{key}" for key in "gbmv")], [f"{name}_o"]),
        ]
        return f"{name}_o"

    def op(self, kind: str, *operands: str, result: str, **attributes: Any) -> str:
        self.nodes.append(node(kind, operands, [result], **attributes))
        return result


def test_network_as_torch_exports_it() -> None:
    made = TorchExport()
    x = made.rounded("x", 0.05, "middle")
    x = made.rounded(made.op("Relu", made.conv(x, "w1", weights(16, 3, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2]), result="r1"), 0.02)
    y = made.rounded(made.op("Relu", made.conv(x, "w2", weights(16, 1, 3, 3), pads=[1, 1, 1, 1], group=16), result="r2"), 0.02)
    y = made.rounded(made.conv(y, "w3", weights(16, 16, 1, 1)), 0.02, "middle")
    x = made.rounded(made.op("Relu", made.op("Add", x, y, result="a"), result="r3"), 0.025)
    x = made.rounded(made.op("AveragePool", x, result="p", kernel_shape=[2, 2], strides=[2, 2]), 0.025)
    x = made.rounded(made.op("Flatten", made.rounded(made.op("GlobalAveragePool", x, result="g"), 0.025), result="f"), 0.025)
    made.stored["bias"] = weights(10, 1)[:, 0]
    y = made.rounded(made.op("Gemm", x, made.weight("w4", weights(10, 16)), "bias", result="o", transB=1), 0.02, "middle")
    model = chain(*made.nodes, node("Identity", [y], ["y"]), shape=(1, 3, 16, 16), **made.stored)
    given = feeds(model, 100)
    found = check_steps(model, given[:3], as_written=True)
    assert (found["CONV_2D"], found["DEPTHWISE_CONV_2D"], found["FULLY_CONNECTED"], found["TRANSPOSE"]) == (2, 1, 1, 1)
    small = converted(model)
    scores = [(run_tflite(small, feed)[0][0], run_onnx(model, feed, as_written=True)[0][0]) for feed in given]
    certain = sorted(scores, key=lambda pair: np.diff(np.sort(pair[1])[-2:])[0])[50:]
    assert np.mean([np.argmax(ours) == np.argmax(theirs) for ours, theirs in certain]) >= 0.99


ONE, TWO, HALF = (np.array(number, np.float32) for number in (1, 2, 0.5))
FUNCTIONS: dict[str, list[onnx.NodeProto]] = {
    **{
        kind: [node(kind, ["d"], ["n"])]
        for kind in ("HardSigmoid", "Softplus", "Erf", "Mish", "Selu", "Celu", "Elu", "Softsign", "ThresholdedRelu", "Gelu", "HardSwish")
    },
    **{
        kind: [node(kind, ["d"], ["n"])] for kind in ("Sin", "Cos", "Tan", "Sinh", "Atan", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg")
    },
    **{kind: [node(kind, ["d"], ["n"])] for kind in ("Floor", "Ceil", "Round", "Sign", "Sigmoid", "Tanh", "Relu", "LeakyRelu")},
    "Pow": [node("Pow", ["d", "two"], ["n"])],
    "power of a base": [node("Pow", ["two", "d"], ["n"])],
    "product with its sigmoid": [node("Sigmoid", ["d"], ["g"]), node("Mul", ["d", "g"], ["n"])],
    "gelu written out": [
        node("Mul", ["d", "half"], ["h"]),
        node("Erf", ["d"], ["e"]),
        node("Add", ["e", "one"], ["f"]),
        node("Mul", ["h", "f"], ["n"]),
    ],
    "choice": [node("Greater", ["d", "half"], ["g"]), node("Neg", ["d"], ["m"]), node("Where", ["g", "d", "m"], ["n"])],
    "clamped": [node("Clip", ["d", "half", "two"], ["n"])],
    "clamped sum": [node("Add", ["d", "one"], ["a"]), node("Relu", ["a"], ["r"]), node("Div", ["r", "two"], ["n"])],
}


@pytest.mark.parametrize("grid", ["uint8", "int8"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_single_numbers_have_integer_forms(name: str, grid: str) -> None:
    """Whatever has no kernel for bytes, or none close enough, is read from a table: of numbers whose function is none, too."""
    model = between(*FUNCTIONS[name], grid=grid, one=ONE, two=TWO, half=HALF)
    feed = {"x": np.linspace(-4.1, 4.1, 240, dtype=np.float32).reshape(2, 3, 40)}
    check_steps(model, [feed])


def test_bounds_of_the_grid_are_no_operators() -> None:
    stored = {
        "s": np.array(0.02, np.float32),
        "z": np.array(-128, np.int8),
        "low": np.array(0, np.float32),
        "high": np.array(5.2, np.float32),
    }
    quantize = node("QuantizeLinear", ["c", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])
    for bounds in (node("Relu", ["x"], ["c"]), node("Clip", ["x", "low", "high"], ["c"])):
        model = chain(bounds, *quantize, **stored)
        assert check_steps(model, feeds(model, 1)) == Counter(QUANTIZE=1, DEQUANTIZE=1)


def test_operators_without_integer_form_stay_between_quantizations() -> None:
    grid = {"s": np.array(0.02, np.float32), "z": np.array(3, np.uint8), "axis": np.array(1, np.int64)}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("CumSum", ["d", "axis"], ["n"]),
        node("QuantizeLinear", ["n", "s", "z"], ["nq"]),
        node("DequantizeLinear", ["nq", "s", "z"], ["y"]),
    ]
    model = chain(*nodes, **grid)
    made = converted(model)
    assert float_operators(made) == ["CUMSUM"]
    feed = feeds(model, 1)[0]
    np.testing.assert_allclose(run_tflite(made, feed)[0], run_onnx(model, feed)[0], atol=0.0201)
    trace = Trace()
    to_tflite_graph(model, {"x": IMAGE}, ConvertOptions(), trace)
    said = {reason for (_, name), reason in trace.declined.items() if name.startswith("n;")}
    assert "an operator with a form for whole numbers on grids is required, found CUMSUM" in said


def test_numbers_read_on_another_grid_than_they_were_made_on() -> None:
    """An operator on single elements must not move in front of where the numbers change their meaning."""
    nodes = [node("QuantizeLinear", "xsz", "q"), node("DequantizeLinear", "qs", "d"), node("LeakyRelu", "d", "l")]
    nodes += [node("QuantizeLinear", "ltu", "r"), node("DequantizeLinear", "rtu", "y")]
    constants = {"s": np.float32(0.03), "z": np.int8(11), "t": np.float32(0.016), "u": np.int8(-79)}
    model = onnx_model(nodes, {"x": floats(1, 8)}, ["y"], constants)
    check(model, {"x": floats(1, 8)}, tolerance=0.01)
