"""Quantizes small models and looks at what came out."""

from jitlite.quantization import Recipe, quantize
from jitlite.schemas.model import operator_name
from jitlite.schemas.tables import Model, TensorType
from tests.quantization import litert
from tests.quantization.conformance import check

INT8 = Recipe()
FLOAT_IO = Recipe(io_type="float32")


def names(model: Model) -> list[str]:
    return [operator_name(model, op) for op in model.subgraphs[0].operators]


def types(model: Model, indices: list[int]) -> list[TensorType]:
    return [model.subgraphs[0].tensors[index].type for index in indices]


def form(model: Model, name: str) -> tuple[float, int]:
    (tensor,) = [tensor for tensor in model.subgraphs[0].tensors if tensor.name == name]
    assert len(tensor.quantization.scale) == 1
    return tensor.quantization.scale[0], tensor.quantization.zero_point[0]


def converted(model: Model, recipe: Recipe = INT8, feeds=None) -> Model:
    feeds = feeds or litert.random_feeds(model, 4)
    found = quantize(model, recipe, feeds, litert.run)
    check(found)
    litert.interpreter(found).allocate_tensors()
    return found
