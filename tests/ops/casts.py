"""Checks operators on types NumPy lacks: CASTs from and to FLOAT32 stand around the operator, so that both sides see ordinary arrays."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ai_edge_litert.interpreter import OpResolverType

from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.table import Table
from jitlite.schemas.tables import BuiltinOperator, CastOptions, Operator, SubGraph, Tensor, TensorType
from jitlite.schemas.write import write_model
from tests.ops.execution import Case, record
from tests.ops.oracle import OPTIMIZED, Array, Operand, build, random_values, reference

FOREIGN = frozenset({TensorType.BFLOAT16, TensorType.INT4, TensorType.UINT4, TensorType.INT2})


def check_between_casts(
    spec: OpSpec,
    options: Table | None,
    inputs: Sequence[Operand | None],
    outputs: Sequence[Operand],
    *,
    tolerance: float = 1e-6,
    resolver: OpResolverType = OPTIMIZED,
    seed: int = 0,
    feeds: Sequence[Array] | None = None,
) -> list[Array]:
    """Asserts that jitlite computes what LiteRT does; run-time operands and results of foreign types are cast from and to FLOAT32."""
    model = build(spec, options, inputs, outputs)
    graph = model.subgraphs[0]
    graph.inputs, graph.outputs = list(graph.inputs), list(graph.outputs)
    before, after = [], []
    for place, index in enumerate(graph.inputs):
        if graph.tensors[index].type in FOREIGN:
            graph.inputs[place] = _float32(graph, index)
            before.append(_cast(graph.inputs[place], index))
    for place, index in enumerate(graph.outputs):
        if graph.tensors[index].type in FOREIGN:
            graph.outputs[place] = _float32(graph, index)
            after.append(_cast(index, graph.outputs[place]))
    model.operator_codes.append(new_operator_code(BuiltinOperator.CAST, 1))
    graph.operators = [*before, *graph.operators, *after]
    content, rng = write_model(model), np.random.default_rng(seed)
    if feeds is None:
        given = [item for item in inputs if item is not None and item.value is None]
        feeds = [random_values(replace(item, type=TensorType.FLOAT32) if item.type in FOREIGN else item, rng) for item in given]
    case = Case(content, list(feeds), reference(content, feeds, resolver), tolerance, 1e-3, (1, 3))
    found = case.check()
    record(case)
    return found


def _float32(graph: SubGraph, index: int) -> int:
    """A new FLOAT32 tensor of the same shape."""
    graph.tensors.append(Tensor(shape=list(graph.tensors[index].shape), type=TensorType.FLOAT32, name=f"{index} as float32"))
    return len(graph.tensors) - 1


def _cast(source: int, target: int) -> Operator:
    return Operator(opcode_index=1, inputs=[source], outputs=[target], builtin_options=CastOptions())
