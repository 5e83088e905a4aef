"""Classifiers and support vector machines of ai.onnx.ml against ONNX Runtime, alone and before other operators."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from jitlite.tools.runners import OnnxModel
from tests.converter.agreement import IR_VERSION, assert_close, check, converted, floats, node, run_onnx, run_tflite
from tests.converter.test_learning import FLOAT, INT64, check_ml, forest

X = floats(12, 4, seed=7)
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX"]
KERNELS = [("LINEAR", [0.0, 0.0, 0.0]), ("POLY", [0.3, 0.5, 3.0]), ("RBF", [0.4, 0.0, 0.0]), ("SIGMOID", [0.2, -0.1, 0.0])]


def weights(count: int, seed: int = 1) -> list[float]:
    made: list[float] = floats(count, seed=seed).tolist()
    return made


@pytest.mark.parametrize("last", TRANSFORMS)
@pytest.mark.parametrize(("labels", "scores"), [([0, 1], 1), ([7, -3], 2), ([5, 9, 1], 3)])
def test_linear_classifiers(labels: list[int], scores: int, last: str) -> None:
    given = {"coefficients": weights(4 * scores), "intercepts": weights(scores, seed=2)}
    check_ml("LinearClassifier", [X], INT64, FLOAT, **given, classlabels_ints=labels, post_transform=last)


@pytest.mark.parametrize("last", TRANSFORMS)
@pytest.mark.parametrize("low", [0.0, -1.0])
@pytest.mark.parametrize("base", [[], [0.25]])
def test_trees_that_vote_on_two_classes(last: str, low: float, base: list[float]) -> None:
    places = {name: value for name, value in forest(["BRANCH_LEQ"] * 3).items() if name.startswith("nodes")}
    places |= {"class_treeids": [0, 0, 0, 1, 1], "class_nodeids": [2, 3, 4, 1, 2], "class_ids": [0] * 5}
    places |= {"class_weights": floats(5, seed=5, low=low, high=0.5).tolist()} | ({"base_values": base} if base else {})
    check_ml("TreeEnsembleClassifier", [X], INT64, FLOAT, **places, classlabels_int64s=[4, -2], post_transform=last)


def machine(kind: str, parameters: list[float], counts: list[int]) -> dict[str, Any]:
    total, pairs = sum(counts), len(counts) * (len(counts) - 1) // 2
    return {
        "kernel_type": kind,
        "kernel_params": parameters,
        "vectors_per_class": counts,
        "support_vectors": weights(4 * total),
        "coefficients": weights(total * (len(counts) - 1), seed=2),
        "rho": weights(pairs, seed=3),
        "classlabels_ints": [3, 8, -5, 0][: len(counts)],
    }


@pytest.mark.parametrize(("kind", "parameters"), KERNELS)
@pytest.mark.parametrize("counts", [[2, 3], [3, 1, 2], [1, 2, 2, 1]])
def test_vector_machines_that_classify(kind: str, parameters: list[float], counts: list[int]) -> None:
    check_ml("SVMClassifier", [X], INT64, FLOAT, **machine(kind, parameters, counts))


@pytest.mark.parametrize("counts", [[2, 3], [3, 1, 2], [1, 2, 2, 1]])
def test_probabilities_of_vector_machines(counts: list[int]) -> None:
    pairs = len(counts) * (len(counts) - 1) // 2
    check_ml("SVMClassifier", [X], INT64, FLOAT, **machine(*KERNELS[2], counts), prob_a=weights(pairs), prob_b=weights(pairs, seed=9))


@pytest.mark.parametrize(("kind", "parameters"), KERNELS)
@pytest.mark.parametrize("changed", [{}, {"one_class": 1}])
def test_vector_machines_that_estimate(kind: str, parameters: list[float], changed: dict[str, Any]) -> None:
    given = {"n_supports": 5, "support_vectors": weights(20), "coefficients": weights(5, seed=2), "rho": [0.3]}
    check_ml("SVMRegressor", [X], kernel_type=kind, kernel_params=parameters, **given, **changed)


def test_a_vector_machine_without_vectors() -> None:
    check_ml("SVMRegressor", [X], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], n_supports=0, coefficients=weights(4), rho=[0.3])


def test_operators_behind_classifiers() -> None:
    """Their results have shapes and types that nodes behind them can be lowered with."""
    ml: dict[str, Any] = {"domain": "ai.onnx.ml"}
    nodes = [
        node("Scaler", ["x"], ["s"], offset=[0.5], scale=[2.0], **ml),
        node("LinearClassifier", ["s"], ["l", "p"], coefficients=weights(12), intercepts=weights(3), classlabels_ints=[4, 5, 6], **ml),
        node("ArrayFeatureExtractor", ["p", "place"], ["column"], **ml),
        node("Cast", ["l"], ["label"], to=FLOAT),
        node("Reshape", ["column", "all"], ["flat"]),
        node("Add", ["label", "flat"], ["y"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.array([1], np.int64), "place"),
        onnx.numpy_helper.from_array(np.array([-1], np.int64), "all"),
    ]
    inputs, outputs = [helper.make_tensor_value_info("x", FLOAT, X.shape)], [helper.make_tensor_value_info("y", FLOAT, None)]
    graph = helper.make_graph(nodes, "test", inputs, outputs, constants)
    imports = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)
    model.graph.output[0].type.tensor_type.shape.SetInParent()
    check(model, {"x": X})


def test_dictionaries_among_the_outputs_become_tensors() -> None:
    """The columns stand in the order of ZipMap's classes, whatever these are; a comparison of the two models finds them equal."""
    ml: dict[str, Any] = {"domain": "ai.onnx.ml"}
    nodes = [
        node("LinearClassifier", ["x"], ["label", "p"], coefficients=weights(12), intercepts=weights(3), classlabels_ints=[4, 6, 5], **ml),
        node("ZipMap", ["p"], ["probabilities"], classlabels_int64s=[4, 6, 5], **ml),
    ]
    mapped = helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(FLOAT, None))
    outputs = [
        helper.make_tensor_value_info("label", INT64, ["n"]),
        helper.make_value_info("probabilities", helper.make_sequence_type_proto(mapped)),
    ]
    graph = helper.make_graph(nodes, "test", [helper.make_tensor_value_info("x", FLOAT, ["n", 4])], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)], ir_version=IR_VERSION)
    label, dictionaries = run_onnx(model, {"x": X})
    wanted = [label, np.array([[row[key] for key in (4, 6, 5)] for row in dictionaries], np.float32)]
    assert_close(run_tflite(converted(model), {"x": X}), wanted)
    found = OnnxModel(model).run({"x": X})
    assert_close([found["label"], found["probabilities"]], wanted)
