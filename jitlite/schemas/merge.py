"""Several models as one file: a signature for each, over buffers and operator codes they share."""

from collections.abc import Mapping
from hashlib import sha256

from jitlite.schemas.model import SUBGRAPH_FIELDS
from jitlite.schemas.runtime_version import METADATA, record_minimum_runtime
from jitlite.schemas.table import Table
from jitlite.schemas.tables import Buffer, Metadata, Model, OperatorCode, SubGraph

CodeKey = tuple[int, int, int, str]


def merge_models(models: Mapping[str, Model]) -> Model:
    """One model with the signature of each of the given ones under its key, in their order; they stay as they are.

    Equal buffers, operator codes and metadata are stored once; subgraphs are numbered through, the main one of each model being named after
    its key. ValueError for no model, for one without exactly one signature, for metadata of one name that differ, and for data outside the
    file.
    """
    if not models:
        raise ValueError("merge_models: at least one model is required, found none")
    merger = _Merger()
    for key, model in models.items():
        merger.add(key, model)
    record_minimum_runtime(merger.result)
    return merger.result


class _Merger:
    def __init__(self) -> None:
        self.result = Model(version=3, buffers=[Buffer()])
        self._buffers: dict[tuple[int, bytes], int] = {}
        self._codes: dict[CodeKey, int] = {}

    def add(self, key: str, model: Model) -> None:
        if len(model.signature_defs) != 1:
            raise ValueError(f"merge_models: one signature is required of the model for '{key}', found {len(model.signature_defs)}")
        if model.external_buffers or any(buffer.offset > 1 for buffer in model.buffers):
            raise ValueError(f"merge_models: data inside the model for '{key}' are required, found some outside")
        result, first = self.result, len(self.result.subgraphs)
        result.description = result.description or model.description
        codes = [self._code(code) for code in model.operator_codes]
        signature = model.signature_defs[0].copy(signature_key=key)
        signature.subgraph_index += first
        for number, graph in enumerate(model.subgraphs):
            moved = self._subgraph(model, graph, codes, first)
            moved.name = key if number + first == signature.subgraph_index else moved.name
            result.subgraphs.append(moved)
        result.signature_defs.append(signature)
        self._metadata(key, model)

    def _subgraph(self, model: Model, graph: SubGraph, codes: list[int], first: int) -> SubGraph:
        moved = graph.copy()
        for tensor in moved.tensors:
            tensor.buffer = self._buffer(model.buffers[tensor.buffer])
        for op in moved.operators:
            op.opcode_index = codes[op.opcode_index]
            for options in (op.builtin_options, op.builtin_options_2):
                _shift_subgraphs(options, first)
        return moved

    def _buffer(self, buffer: Buffer) -> int:
        """The index of the merged model's buffer with these data; all that are empty are the first."""
        if not len(buffer.data):
            return 0
        key = len(buffer.data), sha256(buffer.data).digest()
        if key not in self._buffers:
            self._buffers[key] = len(self.result.buffers)
            self.result.buffers.append(Buffer(data=buffer.data))
        return self._buffers[key]

    def _code(self, code: OperatorCode) -> int:
        key = int(code.builtin_code), code.deprecated_builtin_code, code.version, code.custom_code
        if key not in self._codes:
            self._codes[key] = len(self.result.operator_codes)
            self.result.operator_codes.append(code.copy())
        return self._codes[key]

    def _metadata(self, key: str, model: Model) -> None:
        known = {entry.name: entry.buffer for entry in self.result.metadata}
        for entry in model.metadata:
            if entry.name == METADATA:
                continue
            buffer = self._buffer(model.buffers[entry.buffer])
            if known.setdefault(entry.name, buffer) != buffer:
                raise ValueError(f"merge_models: equal metadata '{entry.name}' of all models are required, found others for '{key}'")
        self.result.metadata = [Metadata(name=name, buffer=buffer) for name, buffer in known.items()]


def _shift_subgraphs(options: Table | None, first: int) -> None:
    """Adds to the subgraph indices of an operator's options, in place; -1 means none."""
    for name in () if options is None else SUBGRAPH_FIELDS.get(type(options), ()):
        value = getattr(options, name)
        if isinstance(value, list):
            setattr(options, name, [index + first for index in value])
        elif value >= 0:
            setattr(options, name, value + first)
