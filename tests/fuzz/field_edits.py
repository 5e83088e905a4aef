"""Damage to a model's fields, which still makes a well-formed file: what reading, verifying, planning and running must survive."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.errors import JitliteError
from jitlite.schemas.model import builtin_code, new_operator_code
from jitlite.schemas.ops.spec import CUSTOM_OPS, OPS, load_specs
from jitlite.schemas.table import Kind, Slot, Table
from jitlite.schemas.tables import (
    BUILTIN_OPTIONS_2,
    Buffer,
    BuiltinOperator,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SignatureDef,
    SubGraph,
    Tensor,
    TensorMap,
    TensorType,
)
from jitlite.schemas.write import write_model
from tests.fuzz.byte_edits import EDITS as BYTE_EDITS

FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-45, 1e-38, 1e-6, 1e6, 3e38, math.inf, -math.inf, math.nan)
RANGES = {"b": 7, "B": 8, "h": 15, "H": 16, "i": 31, "I": 32, "q": 63, "Q": 64}
SMALL_BYTES = 1 << 16
"""Constants are made up to this size."""


def number(rng: Random, format: str, old: Any = 0) -> Any:
    """A value of a struct format: a boundary, a small number, or something near the old one."""
    if format == "?":
        return not old
    if format in "fd":
        near = (old * 2, old / 2, -old, old + 1) if isinstance(old, float) and math.isfinite(old) and abs(old) < 1e30 else FLOATS
        return rng.choice(near) if rng.random() < 0.3 else rng.choice(FLOATS)
    bits = RANGES[format]
    low, high = (-(1 << bits), (1 << bits) - 1) if format.islower() else (0, (1 << bits) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        value = rng.choice((low, high, high - 1, low + 1, 1 << rng.randrange(bits), 0x7FFFFFFF, 0x80000000, 46341, 65536))
    elif kind == 1:
        value = rng.choice((-2, -1, 0, 0, 1, 1, 2, 3))
    elif kind == 2:
        value = rng.randrange(-4, 20)
    else:
        value = rng.choice((old - 1, old + 1, old * 2, -old, old // 2))
    return min(max(int(value), low), high)


def tables_in(value: Table) -> Iterator[Table]:
    """A table and all those below it."""
    yield value
    for slot in value.SLOTS:
        item = value.__dict__[slot.name]
        for inner in item if slot.kind is Kind.TABLES else [item]:
            if isinstance(inner, Table):
                yield from tables_in(inner)


def changed(slot: Slot, value: Any, rng: Random) -> Any:
    """Another value for a slot."""
    if slot.kind is Kind.NUMBER:
        return number(rng, slot.format, value)
    if slot.kind is Kind.CHOICE:
        return rng.choice(list(slot.members.values()))
    if slot.kind is Kind.CHOICES:
        return [rng.choice(list(slot.members.values())) for _ in range(rng.randrange(4))]
    if slot.kind is Kind.TEXT:
        return rng.choice(("", "x", value + "\udcff", "\n\x1b[31m", value * 3))
    if slot.kind is Kind.NUMBERS:
        return edited_list(value, lambda old: number(rng, slot.format, old), rng)
    if slot.kind is Kind.TABLES:
        return edited_list(value, lambda old: old.copy() if isinstance(old, Table) else slot.target(), rng)
    if slot.kind is Kind.RAW:
        return damaged_raw(bytes(value), rng)
    if slot.kind is Kind.UNION:
        kind = rng.choice(list(slot.targets.values()))
        return None if rng.random() < 0.3 else with_random_fields(kind(), rng)
    return None if value is not None and rng.random() < 0.5 else slot.target()


def edited_list(old: Sequence[Any], made: Callable[[Any], Any], rng: Random) -> list[Any]:
    """A list with an item changed, dropped, doubled or moved."""
    items = list(old)
    kind = rng.randrange(6)
    place = rng.randrange(len(items)) if items else 0
    if not items or kind == 0:
        items.insert(place, made(items[place] if items else 0))
    elif kind in (1, 2):
        items[place] = made(items[place])
    elif kind == 3:
        del items[place]
    elif kind == 4:
        items.insert(place, items[place])
    else:
        rng.shuffle(items)
    return items


def damaged_raw(data: bytes, rng: Random) -> bytes:
    edited = bytearray(data or b"\0")
    rng.choice(BYTE_EDITS)(edited, rng)
    return bytes(edited)


def with_random_fields(options: Table, rng: Random) -> Table:
    """The table with some fields changed from their defaults."""
    for slot in options.SLOTS:
        if rng.random() < 0.5:
            options.__dict__[slot.name] = changed(slot, options.__dict__[slot.name], rng)
    return options


class Fields:
    """A model that is being damaged; each method is one edit."""

    def __init__(self, model: Model, rng: Random) -> None:
        self.model = model
        self.rng = rng

    def graph(self) -> SubGraph:
        return self.rng.choice(self.model.subgraphs)

    def tensor(self) -> Tensor | None:
        """A tensor, most often one an operator uses."""
        tensors = self.graph().tensors
        return self.rng.choice(tensors) if tensors else None

    def operator(self) -> tuple[SubGraph, Operator] | None:
        graph = self.graph()
        return (graph, self.rng.choice(graph.operators)) if graph.operators else None

    def options(self) -> Table | None:
        found = self.operator()
        return None if found is None else found[1].builtin_options or found[1].builtin_options_2

    def constants(self) -> list[tuple[SubGraph, int]]:
        buffers = self.model.buffers
        return [
            (graph, index)
            for graph in self.model.subgraphs
            for index, tensor in enumerate(graph.tensors)
            if tensor.buffer < len(buffers) and len(buffers[tensor.buffer].data)
        ]

    def any_field(self) -> None:
        """Some field of some table; each class of tables is as likely as any other."""
        found: dict[type[Table], list[Table]] = {}
        for table in tables_in(self.model):
            found.setdefault(type(table), []).append(table)
        table = self.rng.choice(self.rng.choice(list(found.values())))
        self.change(table)

    def change(self, table: Table | None) -> None:
        if table is not None and table.SLOTS:
            slot = self.rng.choice(table.SLOTS)
            table.__dict__[slot.name] = changed(slot, table.__dict__[slot.name], self.rng)

    def option(self) -> None:
        self.change(self.options())

    def shape(self) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor.shape = edited_list(tensor.shape, lambda old: number(self.rng, "i", old), self.rng)

    def dimension(self) -> None:
        """One size everywhere by another."""
        sizes = [dim for graph in self.model.subgraphs for tensor in graph.tensors for dim in tensor.shape]
        if sizes:
            old, new = self.rng.choice(sizes), self.rng.choice((0, 1, 2, 3, 5, 17, 33, 64, 100, 1000, 1 << 16))
            for graph in self.model.subgraphs:
                for tensor in graph.tensors:
                    tensor.shape = [new if dim == old else dim for dim in tensor.shape]

    def type(self) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor.type = self.rng.choice(list(TensorType))

    def types(self) -> None:
        """One type everywhere by another."""
        tensor, new = self.tensor(), self.rng.choice(list(TensorType))
        if tensor is not None:
            old = tensor.type
            for graph in self.model.subgraphs:
                for other in graph.tensors:
                    other.type = new if other.type is old else other.type

    def constant(self) -> None:
        """Values of a constant: hostile numbers of its type."""
        found = self.constants()
        if not found:
            return
        small = [item for item in found if len(self.data(*item).data) <= 64]
        graph, index = self.rng.choice(small if small and self.rng.random() < 0.8 else found)
        buffer, tensor = self.data(graph, index), graph.tensors[index]
        format = {TensorType.INT32: "i", TensorType.INT64: "q", TensorType.FLOAT32: "f", TensorType.INT16: "h"}.get(tensor.type, "B")
        size = struct.calcsize(format)
        data = bytearray(buffer.data)
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            if len(data) >= size:
                at = self.rng.randrange(len(data) // size) * size
                struct.pack_into(f"<{format}", data, at, number(self.rng, format, struct.unpack_from(f"<{format}", data, at)[0]))
        buffer.data = bytes(data)

    def data(self, graph: SubGraph, index: int) -> Buffer:
        return self.model.buffers[graph.tensors[index].buffer]

    def constant_bytes(self) -> None:
        """A constant with more or fewer bytes."""
        found = self.constants()
        if found:
            buffer = self.data(*self.rng.choice(found))
            buffer.data = damaged_raw(bytes(buffer.data), self.rng)

    def operands(self) -> None:
        found = self.operator()
        if found is not None:
            graph, op = found
            field = self.rng.choice(("inputs", "inputs", "outputs", "intermediates"))
            setattr(op, field, edited_list(getattr(op, field), lambda old: self.rng.randrange(-1, len(graph.tensors) + 1), self.rng))

    def opcode(self) -> None:
        """Another operator for the same operands, with options of its own."""
        found = self.operator()
        if found is None:
            return
        load_specs()
        spec = self.rng.choice(sorted([*OPS.values(), *CUSTOM_OPS.values()], key=lambda spec: spec.name))
        if spec.code is BuiltinOperator.CUSTOM:
            code = OperatorCode(deprecated_builtin_code=32, builtin_code=BuiltinOperator.CUSTOM, custom_code=spec.name)
        else:
            code = new_operator_code(spec.code, self.rng.choice((1, 1, spec.max_version)))
        self.model.operator_codes.append(code)
        op = found[1]
        op.opcode_index, op.builtin_options, op.builtin_options_2 = len(self.model.operator_codes) - 1, None, None
        if spec.options is not None and self.rng.random() < 0.9:
            field = "builtin_options_2" if spec.options in BUILTIN_OPTIONS_2.values() else "builtin_options"
            setattr(op, field, with_random_fields(spec.options(), self.rng))

    def version(self) -> None:
        if self.model.operator_codes:
            code = self.rng.choice(self.model.operator_codes)
            code.version = self.rng.randrange(1, 16)

    def quantization(self) -> None:
        tensor = self.tensor()
        if tensor is None:
            return
        if tensor.quantization is None or self.rng.random() < 0.2:
            tensor.quantization = QuantizationParameters(
                scale=[self.rng.choice((0.5, 1.0, 1e-10, 1e10, 0.007, 3e38))], zero_point=[self.rng.choice((0, 0, 1, -128, 127, 255, 128))]
            )
        elif self.rng.random() < 0.3:
            tensor.quantization.scale = [number(self.rng, "f", scale) for scale in tensor.quantization.scale]
        else:
            self.change(tensor.quantization)

    def runtime(self) -> None:
        """A constant that becomes an input."""
        found = self.constants()
        if found:
            graph, index = self.rng.choice(found)
            graph.tensors[index].buffer = 0
            graph.tensors[index].sparsity = None
            graph.inputs.append(index)

    def fixed(self) -> None:
        """An input that becomes a constant."""
        graph = self.graph()
        if graph.inputs:
            index = graph.inputs.pop(self.rng.randrange(len(graph.inputs)))
            if 0 <= index < len(graph.tensors):
                graph.tensors[index].buffer = len(self.model.buffers)
                self.model.buffers.append(Buffer(data=b"\0"))

    def ends(self) -> None:
        """The inputs or outputs of a subgraph."""
        graph = self.graph()
        field = self.rng.choice(("inputs", "outputs"))
        setattr(graph, field, edited_list(getattr(graph, field), lambda old: self.rng.randrange(-1, len(graph.tensors) + 1), self.rng))

    def custom_options(self) -> None:
        found = self.operator()
        if found is not None:
            found[1].custom_options = damaged_raw(bytes(found[1].custom_options), self.rng)

    def variable(self) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor.is_variable = not tensor.is_variable

    def again(self) -> None:
        """An operator a second time, on the results of the first."""
        found = self.operator()
        if found is None:
            return
        graph, op = found
        if not op.inputs or not op.outputs or not all(0 <= index < len(graph.tensors) for index in op.outputs):
            return
        twin = op.copy()
        twin.outputs = []
        for index in op.outputs:
            graph.tensors.append(graph.tensors[index].copy())
            twin.outputs.append(len(graph.tensors) - 1)
        if self.rng.random() < 0.7:
            twin.inputs[self.rng.randrange(len(twin.inputs))] = op.outputs[0]
        graph.operators.insert(graph.operators.index(op) + 1, twin)
        graph.outputs = [*graph.outputs, *twin.outputs] if self.rng.random() < 0.5 else list(twin.outputs)

    def signature(self) -> None:
        """A signature of a subgraph, which further edits may damage."""
        number = self.rng.randrange(len(self.model.subgraphs))
        graph = self.model.subgraphs[number]
        ends = [[TensorMap(name=f"t{index}", tensor_index=max(index, 0)) for index in side] for side in (graph.inputs, graph.outputs)]
        key = self.rng.choice(("serve", "serving_default", ""))
        self.model.signature_defs.append(SignatureDef(inputs=ends[0], outputs=ends[1], signature_key=key, subgraph_index=number))

    def settle(self) -> None:
        """Constants and per-channel parameters of the size their tensors want, so that the damage reaches further."""
        used = set()
        for graph in self.model.subgraphs:
            for tensor in graph.tensors:
                tensor.shape_signature = []
                self._settle_scales(tensor)
                if not 0 < tensor.buffer < len(self.model.buffers) or not len(self.model.buffers[tensor.buffer].data):
                    continue
                if tensor.buffer in used:
                    self.model.buffers.append(Buffer(data=self.model.buffers[tensor.buffer].data))
                    tensor.buffer = len(self.model.buffers) - 1
                used.add(tensor.buffer)
                self._settle_data(tensor)

    def _settle_data(self, tensor: Tensor) -> None:
        if tensor.sparsity is not None or any(dim < 0 for dim in tensor.shape):
            return
        try:
            size = byte_size(tensor.type, tensor.shape)
        except JitliteError:
            return
        data = bytes(self.model.buffers[tensor.buffer].data)
        if len(data) != size <= SMALL_BYTES:
            self.model.buffers[tensor.buffer].data = (data * (size // len(data) + 1))[:size]

    def _settle_scales(self, tensor: Tensor) -> None:
        found = tensor.quantization
        if found is not None and len(found.scale) > 1 and 0 <= found.quantized_dimension < len(tensor.shape):
            wanted = tensor.shape[found.quantized_dimension]
            if 0 <= wanted <= 4096 and found.zero_point:
                found.scale = (found.scale * (wanted // len(found.scale) + 1))[:wanted]
                found.zero_point = (found.zero_point * (wanted // len(found.zero_point) + 1))[:wanted]


EDITS: tuple[Callable[[Fields], None], ...] = (
    *(Fields.any_field,) * 3,
    *(Fields.option,) * 4,
    *(Fields.shape,) * 4,
    *(Fields.dimension,) * 2,
    *(Fields.constant,) * 5,
    *(Fields.operands,) * 2,
    *(Fields.opcode,) * 3,
    *(Fields.quantization,) * 2,
    *(Fields.runtime,) * 3,
    *(Fields.type, Fields.types, Fields.constant_bytes, Fields.version, Fields.fixed, Fields.ends),
    *(Fields.custom_options, Fields.custom_options, Fields.variable, Fields.again, Fields.again, Fields.signature),
)


def damaged_fields(model: Model, rng: Random) -> bytes | None:
    """The file of the model, which is changed, with one to four edits; None where no file can say it."""
    fields = Fields(model, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        if model.subgraphs:
            rng.choice(EDITS)(fields)
    if rng.random() < 0.8:
        fields.settle()
    try:
        return write_model(model)
    except (ValueError, JitliteError):
        return None


def operator_names(model: Model) -> list[str]:
    """The operators of a model in order, as far as their codes are legal."""
    codes = [builtin_code(code) for code in model.operator_codes]
    names = [code.custom_code if kind is BuiltinOperator.CUSTOM else kind.name for kind, code in zip(codes, model.operator_codes)]
    return [names[op.opcode_index] for graph in model.subgraphs for op in graph.operators]
