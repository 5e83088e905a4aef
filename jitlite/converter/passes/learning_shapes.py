"""The shapes and types of the results of ai.onnx.ml, of which onnx's inference says little or nothing."""

from collections.abc import Callable

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Shape, Value

FLOAT32, INT64 = np.dtype(np.float32), np.dtype(np.int64)


def _set(value: Value, dtype: np.dtype | None, shape: Shape | None) -> None:
    """The shape as it is found here, the type unless inference has told it."""
    value.dtype = value.dtype or dtype
    value.shape = shape


def _rows(x: Value) -> int | None:
    """A row is the last axis; one without others is one row."""
    return None if x.shape is None else x.shape[0] if len(x.shape) > 1 else 1


def _like_operand(node: Node) -> None:
    _set(node.outputs[0], node.input(0).dtype, node.input(0).shape)


def _real_like_operand(node: Node) -> None:
    _set(node.outputs[0], FLOAT32, node.input(0).shape)


def _extracted(node: Node) -> None:
    x, places = node.input(0), node.input(1)
    if x.shape is None or places.shape is None:
        return
    _set(node.outputs[0], x.dtype, (*(x.shape[:-1] or (1,)), places.size))


def _joined(node: Node) -> None:
    shapes = [None if value is None else value.shape for value in node.inputs]
    known = [shape for shape in shapes if shape is not None and len(shape) == 2]
    if known and len(known) == len(shapes):
        _set(node.outputs[0], FLOAT32, (known[0][0], sum(shape[1] for shape in known)))


def _encoded(node: Node) -> None:
    """A new last axis, as long as there are categories that are numbers."""
    x, categories = node.input(0), attribute(node, "cats_int64s")
    if x.shape is not None and categories:
        _set(node.outputs[0], FLOAT32, (*x.shape, len(categories)))


def _targets(count: Callable[[Node], int]) -> Callable[[Node], None]:
    """FLOAT32 of shape (rows, targets)."""

    def infer(node: Node) -> None:
        rows = _rows(node.input(0))
        if rows is not None:
            _set(node.outputs[0], FLOAT32, (rows, count(node)))

    return infer


def _classes(scores: Callable[[Node, int], int]) -> Callable[[Node], None]:
    """Labels, one a row, and scores (rows, count); `scores` tells the count by the number of classes."""

    def infer(node: Node) -> None:
        rows = _rows(node.input(0))
        labels = attribute(node, "classlabels_int64s") or attribute(node, "classlabels_ints")
        if rows is None or not labels:
            return
        _set(node.outputs[0], INT64, (rows,))
        if len(node.outputs) > 1:
            _set(node.outputs[1], FLOAT32, (rows, scores(node, len(labels))))

    return infer


def _machine_scores(node: Node, classes: int) -> int:
    """Of a classifier without probabilities: one for every pair of classes, two for the only pair."""
    if not attribute(node, "vectors_per_class") or attribute(node, "prob_a") or classes == 2:
        return classes
    return classes * (classes - 1) // 2


LEARNING: dict[str, Callable[[Node], None]] = {
    "ai.onnx.ml.ArrayFeatureExtractor": _extracted,
    "ai.onnx.ml.Binarizer": _like_operand,
    "ai.onnx.ml.FeatureVectorizer": _joined,
    "ai.onnx.ml.Imputer": _like_operand,
    "ai.onnx.ml.LinearClassifier": _classes(lambda node, classes: classes),
    "ai.onnx.ml.LinearRegressor": _targets(lambda node: attribute(node, "targets", 1)),
    "ai.onnx.ml.Normalizer": _real_like_operand,
    "ai.onnx.ml.OneHotEncoder": _encoded,
    "ai.onnx.ml.SVMClassifier": _classes(_machine_scores),
    "ai.onnx.ml.SVMRegressor": _targets(lambda node: 1),
    "ai.onnx.ml.Scaler": _real_like_operand,
    "ai.onnx.ml.TreeEnsembleClassifier": _classes(lambda node, classes: classes),
    "ai.onnx.ml.TreeEnsembleRegressor": _targets(lambda node: attribute(node, "n_targets", 1)),
}
"""Corrections of what inference says, by operator."""
