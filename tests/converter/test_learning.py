"""Operators of ai.onnx.ml on numbers against ONNX Runtime."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.converter.agreement import IR_VERSION, Array, check, floats

X = floats(6, 4)
X[1, 2] = 0
WHOLE = np.array([[3, 1, 7], [-4, 3, 0]], np.int64)
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def check_ml(kind: str, operands: list[Array], *results: int, **attributes: Any) -> None:
    names = [f"x{index}" for index in range(len(operands))]
    feeds = dict(zip(names, operands, strict=True))
    infos = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for name, x in feeds.items()]
    outputs = [helper.make_tensor_value_info(f"y{index}", result, None) for index, result in enumerate(results or (FLOAT,))]
    made = helper.make_node(kind, names, [info.name for info in outputs], name=kind, domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph([made], "test", infos, outputs)
    imports = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)
    model = onnx.shape_inference.infer_shapes(model)
    for info in model.graph.output:
        info.type.tensor_type.shape.SetInParent()
    check(model, feeds)


CASES: list[tuple[str, list[Array], int, dict[str, Any]]] = [
    ("Binarizer", [X], FLOAT, {"threshold": 0.3}),
    ("ArrayFeatureExtractor", [X, np.array([3, 0, 3], np.int64)], FLOAT, {}),
    ("Scaler", [X], FLOAT, {"offset": [0.1, 0.2, 0.3, 0.4], "scale": [1.0, 2.0, 3.0, -4.0]}),
    ("Scaler", [WHOLE], FLOAT, {"offset": [0.5], "scale": [3.0]}),
    ("Normalizer", [X], FLOAT, {"norm": "L1"}),
    ("Normalizer", [X], FLOAT, {"norm": "L2"}),
    ("Imputer", [X], FLOAT, {"replaced_value_float": 0.0, "imputed_value_floats": [1.0, 2.0, 3.0, 4.0]}),
    ("Imputer", [np.where(X > 1, np.nan, X)], FLOAT, {"replaced_value_float": float("nan"), "imputed_value_floats": [5.0]}),
    ("Imputer", [WHOLE], INT64, {"replaced_value_int64": 3, "imputed_value_int64s": [9]}),
    ("LinearRegressor", [X], FLOAT, {"coefficients": [1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.0, 2.0], "intercepts": [0.1, -2.0], "targets": 2}),
    ("OneHotEncoder", [WHOLE], FLOAT, {"cats_int64s": [3, 0, 7, -4], "zeros": 1}),
    ("OneHotEncoder", [WHOLE.astype(np.float32) + 0.25], FLOAT, {"cats_int64s": [3, 0], "zeros": 1}),
    ("LabelEncoder", [WHOLE], INT64, {"keys_int64s": [3, 0, 7], "values_int64s": [10, 20, 30]}),
    ("LabelEncoder", [WHOLE], FLOAT, {"keys_int64s": [3, 0, 7], "values_floats": [1.5, 2.5, 3.5], "default_float": -7.0}),
    ("LabelEncoder", [np.float32([0.5, 1.5])], INT64, {"keys_floats": [1.5, 2.5], "values_int64s": [4, 5], "default_int64": 6}),
]


@pytest.mark.parametrize(("kind", "operands", "result", "attributes"), CASES)
def test_operator_agrees_with_onnxruntime(kind: str, operands: list[Array], result: int, attributes: dict[str, Any]) -> None:
    check_ml(kind, operands, result, **attributes)


def forest(modes: list[str], **changed: Any) -> dict[str, Any]:
    """Two trees of two targets: one of two decisions, one of a decision; a leaf votes for two targets."""
    return {
        "n_targets": 2,
        "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
        "nodes_featureids": [0, 2, 0, 0, 0, 3, 0, 0],
        "nodes_values": [0.2, -0.5, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0],
        "nodes_modes": [modes[0], modes[1], "LEAF", "LEAF", "LEAF", modes[2], "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 3, 0, 0, 0, 1, 0, 0],
        "nodes_falsenodeids": [2, 4, 0, 0, 0, 2, 0, 0],
        "target_treeids": [0, 0, 0, 0, 1, 1],
        "target_nodeids": [2, 3, 3, 4, 1, 2],
        "target_ids": [0, 0, 1, 1, 0, 1],
        "target_weights": [1.0, 2.5, -3.0, 4.0, 0.5, -0.25],
        **changed,
    }


ONE_TARGET = {
    "n_targets": 1,
    "base_values": [0.5],
    "target_treeids": [0, 0, 0, 1, 1],
    "target_nodeids": [2, 3, 4, 1, 2],
    "target_ids": [0] * 5,
    "target_weights": [1.0, 2.5, -3.0, 4.0, 0.5],
}


@pytest.mark.parametrize("modes", [["BRANCH_LEQ"] * 3, ["BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"], ["BRANCH_EQ", "BRANCH_NEQ", "BRANCH_LEQ"]])
@pytest.mark.parametrize("changed", [{}, {"aggregate_function": "AVERAGE"}, ONE_TARGET])
def test_trees(modes: list[str], changed: dict[str, Any]) -> None:
    x = floats(40, 4, seed=3)
    x[::5, 0], x[::7, 2], x[::3, 3] = 0.2, -0.5, np.float32(0.1)
    check_ml("TreeEnsembleRegressor", [x], **forest(modes, **changed))


@pytest.mark.parametrize("tracks", [[0] * 8, [1] * 8, [1, 0, 0, 0, 0, 0, 0, 0]])
def test_trees_with_missing_values(tracks: list[int]) -> None:
    x = floats(40, 4, seed=3)
    x[::5, 0], x[::7, 2], x[::3, 3] = np.nan, np.nan, np.nan
    check_ml("TreeEnsembleRegressor", [x], **forest(["BRANCH_LEQ"] * 3, nodes_missing_value_tracks_true=tracks))


@pytest.mark.parametrize("last", ["NONE", "SOFTMAX", "LOGISTIC"])
@pytest.mark.parametrize("classes", [3, 4])
def test_classes(classes: int, last: str) -> None:
    given = forest(["BRANCH_LEQ"] * 3)
    places = {name.replace("target", "class"): value for name, value in given.items() if name.startswith(("nodes", "target"))}
    places |= {"class_nodeids": [2, 3, 4] * classes + [1, 2] * classes, "class_treeids": [0] * 3 * classes + [1] * 2 * classes}
    places["class_ids"] = [index for index in range(classes) for _ in range(3)] + [index for index in range(classes) for _ in range(2)]
    places["class_weights"] = floats(5 * classes, seed=5, low=0, high=1).tolist()
    labels = {"classlabels_int64s": [7, -1, 4, 0][:classes], "post_transform": last}
    check_ml("TreeEnsembleClassifier", [floats(40, 4, seed=3)], INT64, FLOAT, **places, **labels)
