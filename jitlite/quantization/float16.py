"""The float16 scheme: constants are stored as float16 and become float32 when the model runs."""

import numpy as np

from jitlite.quantization.compact import compact
from jitlite.quantization.graph import MainGraph
from jitlite.quantization.prepare import Prepared
from jitlite.quantization.recipe import Recipe, is_selected
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.conversion import DEQUANTIZE
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import Buffer, DequantizeOptions, Model, Operator, Tensor, TensorType
from jitlite.schemas.verify import verify

_SUFFIX = "_float16"


def store_as_float16(prepared: Prepared, recipe: Recipe) -> Model:
    """A new, verified model whose main subgraph reads its float32 constants through DEQUANTIZE from float16 ones.

    Constants stay float32 that have one element, that the recipe names, that only operators read which it names, or that hold values
    beyond float16's range.
    UnsupportedError when no constant can be stored so.
    """
    view = MainGraph(prepared.model)
    work = prepared.model.copy()
    graph = work.subgraphs[0]
    readers = _readers(view, prepared.operator_indices, recipe)
    conversions = []
    for index in sorted(view.constants):
        value, name = view.value(index) if view.is_real(index) else None, view.tensors[index].name
        if value is None or value.size < 2 or not readers.get(index) or is_selected(recipe.float_tensors, index, (name,)):
            continue
        with np.errstate(over="ignore"):
            halves = value.astype(np.float16)
        if not np.array_equal(np.isfinite(halves), np.isfinite(value)):
            continue
        source = _add(work, view.tensors[index], halves.tobytes())
        full = graph.tensors[index].copy(buffer=0)
        graph.tensors.append(full)
        for reader in readers[index]:
            op = graph.operators[reader]
            op.inputs = [len(graph.tensors) - 1 if tensor == index else tensor for tensor in op.inputs]
        conversions.append(_conversion(work, source, len(graph.tensors) - 1))
    if not conversions:
        raise UnsupportedError("quantize: a float32 constant that float16 can hold is required, found none")
    graph.operators = [*conversions, *graph.operators]
    compact(work, first_new_tensor=len(view.tensors))
    return verify(work)


def _readers(view: MainGraph, operator_indices: tuple[int, ...], recipe: Recipe) -> dict[int, list[int]]:
    """For each tensor the operators that read it and are not to be left as they are."""
    readers: dict[int, list[int]] = {}
    for index, source in enumerate(operator_indices):
        names = tuple(view.tensors[tensor].name for tensor in view.operators[index].outputs)
        if not is_selected(recipe.float_nodes, source, (view.name(index), *names)):
            for tensor in dict.fromkeys(view.operators[index].inputs):
                readers.setdefault(tensor, []).append(index)
    return readers


def _add(model: Model, like: Tensor, data: bytes) -> int:
    tensors = model.subgraphs[0].tensors
    tensors.append(Tensor(name=f"{like.name}{_SUFFIX}", type=TensorType.FLOAT16, shape=list(like.shape), buffer=len(model.buffers)))
    model.buffers.append(Buffer(data=data))
    return len(tensors) - 1


def _conversion(model: Model, source: int, target: int) -> Operator:
    tensors = model.subgraphs[0].tensors
    infos = [TensorInfo(tuple(tensors[index].shape), tensors[index].type, index=index) for index in (source, target)]
    version = DEQUANTIZE.version(Call(DEQUANTIZE, DequantizeOptions(), (infos[0],), (infos[1],)))
    places = [place for place, code in enumerate(model.operator_codes) if (code.builtin_code, code.version) == (DEQUANTIZE.code, version)]
    if not places:
        places = [len(model.operator_codes)]
        model.operator_codes.append(new_operator_code(DEQUANTIZE.code, version))
    return Operator(opcode_index=places[0], inputs=[source], outputs=[target], builtin_options=DequantizeOptions())
