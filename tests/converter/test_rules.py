"""The rewrite rules: what they make of small models, and that they keep the result."""

from math import pi, sqrt
from typing import Any

import numpy as np
import onnx
import pytest

from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.converter.graph import Graph, Node, OnnxOp
from jitlite.converter.passes.fuse import fuse_activation
from jitlite.converter.pipeline import ONNX_RULES, TFLITE_RULES, to_tflite_graph
from jitlite.converter.rewrite import Rule, Trace, rewrite
from tests.converter.agreement import Array, check, floats, node, onnx_model

F32 = np.float32
X = floats(2, 6, 5, 5, low=-5, high=5)
NUMBERS = {
    "half": F32(0.5),
    "one": F32(1),
    "three": F32(3),
    "six": F32(6),
    "sixth": F32(1 / 6),
    "zero": F32(0),
    "root": F32(sqrt(2)),
    "inverse": F32(sqrt(0.5)),
    "cube": F32(0.044715),
    "tanh": F32(sqrt(2 / pi)),
    "exponent": F32(3),
}


def agree(nodes: list[onnx.NodeProto], constants: dict[str, Any] | None = None, opset: int = 17) -> dict[str, int]:
    used = {operand for each in nodes for operand in each.input}
    stored: dict[str, Array] = {name: np.asarray(data) for name, data in {**NUMBERS, **(constants or {})}.items() if name in used}
    return dict(check(onnx_model(nodes, {"x": X}, ["y"], stored, opset), {"x": X}))


def chain(text: str) -> list[onnx.NodeProto]:
    """Nodes written as "Kind operand … result", separated by semicolons."""
    words = [each.split() for each in text.split(";")]
    return [node(kind, operands, [result]) for kind, *operands, result in words]


HARD_SWISHES = {
    "divided at the end": chain("Add x three a; Clip a zero six c; Mul x c m; Div m six y"),
    "divided first": chain("Add three x a; Clip a zero six c; Div c six d; Mul d x y"),
    "times a sixth": chain("Add x three a; Clip a zero six c; Mul c sixth d; Mul x d y"),
    "hard sigmoid": [node("HardSigmoid", ["x"], ["h"], alpha=1 / 6, beta=0.5), *chain("Mul h x y")],
}


@pytest.mark.parametrize("name", HARD_SWISHES)
def test_hard_swish_is_recognised(name: str) -> None:
    assert agree(HARD_SWISHES[name]) == {"HARD_SWISH": 1}


def test_almost_hard_swish_is_not() -> None:
    assert "HARD_SWISH" not in agree(chain("Add x one a; Clip a zero six c; Mul x c m; Div m six y"))


@pytest.mark.parametrize("text", ["Mul x one a", "Mul one x a", "Div x one a", "Add x zero a", "Add zero x a", "Sub x zero a"])
def test_neutral_operands_are_dropped(text: str) -> None:
    assert agree(chain(f"{text}; Tanh a y")) == {"TANH": 1}


@pytest.mark.parametrize("text", ["Sub zero x a", "Div one x a", "Mul x zero a", "Add x one a"])
def test_others_are_not(text: str) -> None:
    assert agree(chain(f"{text}; Tanh a y")).get("TANH", 0) == 1
    assert sum(agree(chain(f"{text}; Tanh a y")).values()) == 2


def pooled(before: str, **attributes: Any) -> dict[str, int]:
    return agree([*chain(before), node("MaxPool", ["a"], ["y"], **attributes)])


def test_maxima_of_what_is_not_negative_are_padded_with_zeros() -> None:
    assert pooled("Relu x a", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 0])["PAD"] == 1
    assert "PADV2" in pooled("Neg x a", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 0])


GELUS = {
    "exact": "Div x root a; Erf a e; Add e one b; Mul x b m; Mul m half y",
    "exact, half first": "Mul x inverse a; Erf a e; Add one e b; Mul half x h; Mul h b y",
    "tanh": "Pow x exponent p; Mul p cube q; Add x q s; Mul s tanh t; Tanh t u; Add u one v; Mul x half h; Mul h v y",
    "tanh, factored": "Mul x x p; Mul p cube q; Add q one s; Mul x tanh w; Mul w s t; Tanh t u; Add u one v; Mul x v m; Mul m half y",
}


@pytest.mark.parametrize("name", GELUS)
def test_gelu_is_recognised(name: str) -> None:
    assert agree(chain(GELUS[name])) == {"GELU": 1}


WEIGHTS = {
    "w": floats(4, 6, 3, 3, seed=1),
    "d": floats(6, 1, 3, 3, seed=2),
    "t": floats(6, 4, 2, 2, seed=3),
    "b": floats(4, seed=4),
    "s": floats(4, 1, 1, seed=5, low=0.5),
    "six": floats(6, 1, 1, seed=6, low=0.5),
}


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        ([node("Conv", "xwb", "c"), node("Mul", "cs", "m"), node("Add", "ms", "a"), node("Relu", "a", "y")], {"CONV_2D": 1}),
        ([node("Conv", "xw", "c"), node("Div", "cs", "m"), node("Sub", "ms", "y")], {"CONV_2D": 1}),
        ([node("Conv", "xd", "c", group=6), node("Mul", ["six", "c"], "m"), node("Add", ["m", "six"], "y")], {"DEPTHWISE_CONV_2D": 1}),
        ([node("ConvTranspose", "xt", "c", strides=[2, 2]), node("Mul", "cs", "m"), node("Add", "ms", "y")], {"TRANSPOSE_CONV": 1}),
        ([node("Conv", "xw", "c"), node("Relu", "c", "r"), node("Mul", "rs", "y")], {"CONV_2D": 1, "MUL": 1}),
        ([node("Conv", "xw", "c"), node("Sub", "sc", "y")], {"CONV_2D": 1, "SUB": 1}),
        ([node("Conv", "xw", "c"), node("Clip", ["c", "zero", "six_"], "y")], {"CONV_2D": 1}),
        ([node("Conv", "xw", "c"), node("Relu", "c", "r"), node("Add", "cr", "y")], {"CONV_2D": 1, "RELU": 1, "ADD": 1}),
        ([node("Add", "xx", "c"), node("Relu", "c", "y")], {"ADD": 1}),
    ],
)  # fmt: skip
def test_constants_and_activations_go_into_operators(nodes: list[onnx.NodeProto], wanted: dict[str, int]) -> None:
    found = agree(nodes, {**WEIGHTS, "six_": F32(6)})
    found.pop("TRANSPOSE", None)
    assert found == wanted


def test_pads_go_into_the_convolution() -> None:
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    found = agree([node("Pad", "xp", "q"), node("Conv", "qw", "y")], {"w": WEIGHTS["w"], "p": pads})
    assert found == {"TRANSPOSE": 2, "CONV_2D": 1}
    found = agree([node("Pad", "xp", "q"), node("Conv", "qw", "y", pads=[1, 0, 1, 1])], {"w": WEIGHTS["w"], "p": pads})
    assert found == {"TRANSPOSE": 2, "PAD": 1, "CONV_2D": 1}


def test_channel_order_goes_into_the_weights() -> None:
    found = agree([node("Conv", "xw", "c"), node("DepthToSpace", "c", "y", blocksize=2, mode="CRD")], {"w": floats(8, 6, 2, 2)})
    assert found == {"TRANSPOSE": 2, "CONV_2D": 1, "DEPTH_TO_SPACE": 1}


def test_divisions_become_multiplications() -> None:
    assert agree([node("Div", "xs", "y")], {"s": floats(5, low=0.5)}) == {"MUL": 1}
    assert agree([node("Abs", "x", "a"), node("Add", ["a", "one"], "b"), node("Sqrt", "b", "r"), node("Div", "xr", "y")]) == {
        "ABS": 1,
        "ADD": 1,
        "RSQRT": 1,
        "MUL": 1,
    }
    assert agree([node("Add", ["x", "six"], "a"), node("Div", ["one", "a"], "y")]) == {"ADD": 1, "DIV": 1}


def test_equal_operators_are_shared() -> None:
    assert agree([node("Sigmoid", "x", "a"), node("Sigmoid", "x", "b"), node("Mul", "ab", "y")]) == {"LOGISTIC": 1, "MUL": 1}


def test_rules_have_names_of_their_own() -> None:
    names = [rule.name for rule in (*ONNX_RULES, *TFLITE_RULES)]
    assert len(set(names)) == len(names)


def test_a_rule_that_does_not_fire_says_why() -> None:
    trace = Trace()
    model = onnx_model([node("Conv", "xw", "c"), node("Relu", "c", "r"), node("Add", "cr", "y")], {"x": X}, ["y"], {"w": WEIGHTS["w"]})
    to_tflite_graph(onnx.shape_inference.infer_shapes(model), {"x": X.shape}, ConvertOptions(), trace)
    reasons = [reason for (name, _), reason in trace.declined.items() if name == fuse_activation.name]
    assert reasons == ["an operand made by an operator that clamps, and read by nothing else, is required"]


def test_rules_that_never_rest_are_a_bug() -> None:
    graph = Graph()
    x = graph.add_input(graph.value("x", (1,), np.dtype(F32)))
    y = graph.value("y", (1,), np.dtype(F32))
    graph.add_node(Node(OnnxOp("Relu", "", 6, 17), (x,), (y,)))
    graph.outputs.append(y)
    with pytest.raises(AssertionError, match="do not come to rest"):
        rewrite(graph, [Rule("restless", frozenset({"Relu"}), lambda graph, node: None)], Trace())


def test_the_model_tells_the_oldest_runtime() -> None:
    model = convert_onnx(onnx_model([node("Gelu", "x", "y")], {"x": X}, ["y"], opset=20))
    (metadata,) = model.metadata
    assert metadata.name == "min_runtime_version"
    assert bytes(model.buffers[metadata.buffer].data) == b"2.9.0".ljust(16, b"\0")
    assert model.description == "jitlite"
    assert [(code.builtin_code.name, code.deprecated_builtin_code, code.version) for code in model.operator_codes] == [("GELU", 127, 1)]


def test_equal_constants_share_a_buffer() -> None:
    model = convert_onnx(
        onnx_model(
            [node("Add", "xs", "a"), node("Relu", "a", "b"), node("Mul", "bt", "y")], {"x": X}, ["y"], {"s": floats(5), "t": floats(5)}
        )
    )
    (constants,) = {tensor.buffer for tensor in model.subgraphs[0].tensors if tensor.buffer}
    assert bytes(model.buffers[constants].data) == floats(5).tobytes()


def test_normalization_of_constants() -> None:
    """Folded as outside training, which onnx's evaluator does from opset 14 on alone."""
    constants = {"c": floats(1, 3, 2), **{name: floats(3, low=0.5) for name in "sbmv"}}
    nodes = [node("BatchNormalization", "csbmv", "n"), node("Add", "xn", "y")]
    feeds = {"x": floats(1, 3, 2)}
    assert check(onnx_model(nodes, feeds, ["y"], constants, opset=11), feeds) == {"ADD": 1}
