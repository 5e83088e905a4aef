"""What happens to a model before lowering: functions, branches, initialisers, folding."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from jitlite.converter import convert_onnx
from tests.converter.agreement import check, check_node, floats, kinds, node, onnx_model


def test_functions_of_the_model_are_inlined() -> None:
    function = helper.make_function(
        "local", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    graph = helper.make_graph(
        [helper.make_node("Double", ["x"], ["y"], domain="local"), helper.make_node("Double", ["y"], ["z"], domain="local")],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [2, 3])],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("local", 1)], functions=[function], ir_version=8
    )
    assert check(model, {"x": floats(2, 3)}) == {"ADD": 2}


@pytest.mark.parametrize("taken", [True, False])
def test_branch_on_a_constant(taken: bool) -> None:
    def branch(kind: str) -> onnx.GraphProto:
        result = helper.make_tensor_value_info(f"{kind}_y", onnx.TensorProto.FLOAT, [2, 3])
        return helper.make_graph([helper.make_node(kind, ["x", "c"], [f"{kind}_y"])], kind, [], [result])

    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("Size", ["s"], ["n"]),
            helper.make_node("Equal", ["n", "wanted"], ["b"]),
            helper.make_node("If", ["b"], ["y"], then_branch=branch("Add"), else_branch=branch("Mul")),
        ],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 3])],
        [numpy_helper.from_array(np.array(2 if taken else 3, np.int64), "wanted"), numpy_helper.from_array(floats(3), "c")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert check(model, {"x": floats(2, 3)}) == {"ADD" if taken else "MUL": 1}


@pytest.mark.parametrize(
    ("kind", "opset", "attributes"),
    [("Shrink", 18, {"lambd": 0.5, "bias": 0.2}), ("MeanVarianceNormalization", 13, {"axes": [0, 2]})],
)
def test_operators_that_are_functions_of_others(kind: str, opset: int, attributes: dict[str, object]) -> None:
    check_node(kind, floats(3, 4, 5), opset=opset, **attributes)


def test_graph_outputs_that_are_inputs_or_constants() -> None:
    nodes = [node("Identity", "x", "y"), node("Identity", "x", "z"), node("Constant", "", "c", value=numpy_helper.from_array(floats(2, 3)))]
    x = floats(2, 3, seed=1)
    assert check(onnx_model(nodes, {"x": x}, ["y", "z", "c"]), {"x": x}) == {"RESHAPE": 3}


def test_outputs_keep_their_names() -> None:
    x = floats(2, 3)
    source = onnx_model([node("Relu", "x", "a"), node("Identity", "a", "b"), node("Neg", "a", "c")], {"x": x}, ["b", "a", "c"])
    made = convert_onnx(source)
    tensors, signature = made.subgraphs[0].tensors, made.signature_defs[0]
    assert signature.signature_key == "serving_default"
    assert [entry.name for entry in signature.outputs] == ["b", "a", "c"]
    assert {tensors[entry.tensor_index].name for entry in signature.outputs} == {"b", "a", "c"}
    check(source, {"x": x})


def test_shape_arithmetic_disappears() -> None:
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "si", "h", axis=0),
        node("Mul", "hh", "q"),
        node("Unsqueeze", "qz", "u"),
        node("Concat", "um", "t", axis=0),
        node("Reshape", "xt", "y"),
    ]
    constants = {"i": np.array(1, np.int64), "z": np.array([0], np.int64), "m": np.array([-1], np.int64)}
    x = floats(3, 3, 2)
    assert check(onnx_model(nodes, {"x": x}, ["y"], constants), {"x": x}) == {"RESHAPE": 1}


def test_sparse_initializers() -> None:
    model = onnx_model([node("Add", "xc", "y")], {"x": ((2, 3), np.float32)}, ["y"], {"c": np.zeros((2, 3), np.float32)})
    del model.graph.initializer[:]
    values = numpy_helper.from_array(np.array([5, 7], np.float32), "c")
    places = numpy_helper.from_array(np.array([1, 5], np.int64), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [2, 3]))
    assert kinds(convert_onnx(model)) == {"ADD": 1}
    check(model, {"x": floats(2, 3)})


def test_initializers_listed_as_inputs_are_no_inputs() -> None:
    model = onnx_model([node("Add", "xc", "y")], {"x": ((2, 3), np.float32)}, ["y"], {"c": floats(3)})
    model.graph.input.append(helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, [3]))
    assert [entry.name for entry in convert_onnx(model).signature_defs[0].inputs] == ["x"]


def test_nodes_in_any_order() -> None:
    """Of a branch that takes a value from around it, too, and with notes on values that say nothing."""
    result = helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, [2, 3])
    branches = [
        helper.make_graph(
            [helper.make_node("Neg", ["b"], [f"{kind}_a"]), helper.make_node(kind, [f"{kind}_a", "c"], ["inner"])], kind, [], [result]
        )
        for kind in ("Add", "Mul")
    ]
    nodes = [
        helper.make_node("Abs", ["x"], ["b"]),
        helper.make_node("Exp", ["b"], ["c"]),
        helper.make_node("If", ["go"], ["y"], then_branch=branches[0], else_branch=branches[1]),
    ]
    model = onnx_model(nodes, {"x": floats(2, 3)}, ["y"], {"go": np.array(True)})
    model.graph.node.reverse()
    model.graph.value_info.add().name = "c"
    assert check(model, {"x": floats(2, 3)}) == {"ABS": 1, "EXP": 1, "NEG": 1, "ADD": 1}


def test_stored_tensors_that_are_no_inputs_in_old_files() -> None:
    model = onnx_model([node("Add", "xc", "y")], {"x": floats(2, 3)}, ["y"], {"c": floats(3)}, opset=8)
    model.ir_version = 3
    assert check(model, {"x": floats(2, 3)}) == {"ADD": 1}


@pytest.mark.parametrize(("kind", "opset"), [("Hardmax", 11), ("Softmax", 11), ("LogSoftmax", 11), ("Softmax", 13)])
def test_constants_are_folded_by_the_definition_of_their_opset(kind: str, opset: int) -> None:
    check_node(kind, floats(3, 4), constant=[0], opset=opset, axis=0)


def test_clip_of_constants() -> None:
    weights = [floats(1, 6, 4), floats(1, 6, 6), floats(1, 12)]
    check_node("RNN", floats(5, 3, 4), *weights, constant=range(4), outputs=2, hidden_size=6, clip=0.5)


@pytest.mark.parametrize("is_constant", [True, False])
def test_axes_counted_from_the_back_of_the_result(is_constant: bool) -> None:
    check_node("Unsqueeze", floats(2, 3, 4), constant=[0] if is_constant else [], opset=11, axes=[-3, 3])
    check_node("Squeeze", floats(2, 1, 4, 1), constant=[0] if is_constant else [], opset=11, axes=[-3, 3])
