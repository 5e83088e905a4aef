"""Models the schema tests share: files of the corpus, a small legal model, and tables with every field set."""

from pathlib import Path

import numpy as np
import pytest

from jitlite.schemas import tables
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.table import Kind, Slot, Table
from jitlite.schemas.tables import (
    AddOptions,
    Buffer,
    BuiltinOperator,
    Metadata,
    Model,
    Operator,
    QuantizationParameters,
    SignatureDef,
    SubGraph,
    Tensor,
    TensorMap,
    TensorType,
)

PLACEHOLDERS = {"offset", "large_custom_options_offset"}
"""Offsets from which a reader takes a range of the file, unless they are 0 or 1."""

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
UNIONS = (tables.BUILTIN_OPTIONS, tables.BUILTIN_OPTIONS_2, tables.QUANTIZATION_DETAILS, tables.SPARSE_INDEX_VECTOR)
MEMBERS = dict.fromkeys(kind for union in UNIONS for kind in union.values())
"""Classes of unions; having been asked for, they stand in the module."""
TABLES = [value for value in vars(tables).values() if isinstance(value, type) and issubclass(value, Table) and value is not Table]


def corpus(folder: str) -> list:
    """One parameter a .tflite file of a corpus folder; a single skipped one where there is no corpus."""
    found = sorted((CORPUS / folder).glob("*.tflite"))
    missing = pytest.param(None, marks=pytest.mark.skip(reason=f"no corpus in {CORPUS}"))
    return [pytest.param(path, id=path.stem) for path in found] or [missing]


def add_model() -> Model:
    """%2 = ADD(%0, constant %1) in int8, with a signature and metadata."""
    quantized = {"type": TensorType.INT8, "shape": [2, 3]}
    return Model(
        version=3,
        description="one addition",
        operator_codes=[new_operator_code(BuiltinOperator.ADD, version=2)],
        buffers=[Buffer(), Buffer(data=np.arange(6, dtype=np.int8).tobytes()), Buffer(data=b"2.0.0")],
        subgraphs=[
            SubGraph(
                name="main",
                tensors=[
                    Tensor(
                        name="x", quantization=QuantizationParameters(scale=[0.5], zero_point=[-1]), shape_signature=[-1, 3], **quantized
                    ),
                    Tensor(name="w", quantization=QuantizationParameters(scale=[0.25], zero_point=[0]), buffer=1, **quantized),
                    Tensor(name="y", quantization=QuantizationParameters(scale=[0.75], zero_point=[3]), **quantized),
                ],
                inputs=[0],
                outputs=[2],
                operators=[Operator(inputs=[0, 1], outputs=[2], builtin_options=AddOptions(pot_scale_int16=False))],
            )
        ],
        metadata=[Metadata(name="min_runtime_version", buffer=2)],
        signature_defs=[
            SignatureDef(
                signature_key="serving_default",
                inputs=[TensorMap(name="x", tensor_index=0)],
                outputs=[TensorMap(name="y", tensor_index=2)],
            )
        ],
    )


def filled(kind: type[Table]) -> Table:
    """A table whose every field differs from its default, down to the leaves."""
    return kind(**{slot.name: _filled(slot) for slot in kind.SLOTS})


def _filled(slot: Slot) -> object:
    if slot.name in PLACEHOLDERS and slot.format == "Q":
        return 1
    if slot.kind is Kind.NUMBER:
        return not slot.default if slot.format == "?" else slot.default + (0.5 if slot.format in "fd" else 3 + slot.index)
    if slot.kind in (Kind.CHOICE, Kind.CHOICES):
        members = list(slot.members.values())
        return members if slot.kind is Kind.CHOICES else members[-1] if slot.default is members[0] else members[0]
    if slot.kind is Kind.TEXT:
        return f"{slot.name} ü\udcff"
    if slot.kind is Kind.RAW:
        return bytes(range(1, 6))
    if slot.kind is Kind.NUMBERS:
        return [True, False, True] if slot.format == "?" else [1.5, -2.0] if slot.format in "fd" else [7, 0, 5]
    if slot.kind is Kind.UNION:
        return filled(list(slot.targets.values())[-1])
    return filled(slot.target) if slot.kind is Kind.TABLE else [filled(slot.target), slot.target()]


def every_option_model() -> Model:
    """A model with one operator for each option table, every field set; it has no meaning."""
    one, two = tables.BUILTIN_OPTIONS.values(), tables.BUILTIN_OPTIONS_2.values()
    operators = [Operator(builtin_options=filled(kind)) for kind in one] + [Operator(builtin_options_2=filled(kind)) for kind in two]
    details = [QuantizationParameters(details=filled(kind)) for kind in tables.QUANTIZATION_DETAILS.values()]
    levels = [tables.DimensionMetadata(array_segments=filled(kind)) for kind in tables.SPARSE_INDEX_VECTOR.values()]
    tensors = [Tensor(quantization=one) for one in details] + [Tensor(sparsity=tables.SparsityParameters(dim_metadata=levels))]
    model = filled(Model)
    model.subgraphs.append(SubGraph(operators=operators, tensors=tensors))
    return model
