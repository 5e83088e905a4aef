"""From a graph of TFLite operators to a `Model`: lowest operator versions, shared buffers, one signature, the oldest runtime it runs on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jitlite.converter.builder import call_of, tensor_info
from jitlite.converter.element_types import stored
from jitlite.converter.graph import Array, Graph, Node, Shape, Value, data_bytes, digest
from jitlite.schemas.model import SUBGRAPH_FIELDS, new_operator_code
from jitlite.schemas.ops.spec import Call, OpSpec
from jitlite.schemas.runtime_version import record_minimum_runtime
from jitlite.schemas.table import Table
from jitlite.schemas.tables import (
    BUILTIN_OPTIONS_2,
    Buffer,
    BuiltinOperator,
    Model,
    Operator,
    SignatureDef,
    SubGraph,
    Tensor,
    TensorMap,
)

SIGNATURE = "serving_default"


def _little_endian(data: Array) -> Array:
    return data.astype(data.dtype.newbyteorder("<"), copy=False)


@dataclass(slots=True)
class Contents:
    """What the subgraphs of a model share: buffers, operator codes, and the subgraphs' numbers; numbered as they come up."""

    signatures: Mapping[Value, Shape]
    buffers: list[Buffer] = field(default_factory=lambda: [Buffer()])
    codes: dict[tuple[BuiltinOperator, int], int] = field(default_factory=dict)
    stored: dict[bytes, int] = field(default_factory=dict)
    subgraphs: list[SubGraph] = field(default_factory=list)

    def buffer(self, value: Value) -> int:
        if value.data is None:
            return 0
        data = _little_endian(stored(value.data))
        content = digest(data)
        if content not in self.stored:
            self.stored[content] = len(self.buffers)
            self.buffers.append(Buffer(data=data_bytes(data)))
        return self.stored[content]

    def subgraph(self, graph: Graph) -> int:
        """Adds a graph, in front of the bodies inside it; its number."""
        index = len(self.subgraphs)
        self.subgraphs.append(SubGraph(name=graph.name if index else "main"))
        emitter = Emitter(self)
        made = self.subgraphs[index]
        made.inputs = [emitter.tensor(value) for value in graph.inputs]
        made.operators = [emitter.operator(node) for node in graph.nodes]
        made.outputs = [emitter.tensor(value) for value in graph.outputs]
        made.tensors = emitter.tensors
        return index


class Emitter:
    """Numbers the tensors of one subgraph as they come up."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.tensors: list[Tensor] = []
        self.places: dict[Value, int] = {}

    def tensor(self, value: Value | None) -> int:
        """The tensor's index; -1 for an absent operand."""
        if value is None:
            return -1
        if value not in self.places:
            self.places[value] = len(self.tensors)
            signature = self.contents.signatures.get(value, ())
            info = tensor_info(value)
            tensor = Tensor(shape=list(value.dims), type=info.type, buffer=self.contents.buffer(value), name=value.name)
            tensor.quantization = info.quantization
            if -1 in signature:
                tensor.shape_signature = list(signature)
            self.tensors.append(tensor)
        return self.places[value]

    def operator(self, node: Node) -> Operator:
        assert isinstance(node.op, OpSpec)
        call = call_of(node)
        key = (node.op.code, node.op.version(Call(node.op, node.options, call.inputs, call.outputs)))
        index = self.contents.codes.setdefault(key, len(self.contents.codes))
        options = self._options(node)
        second = type(options) in BUILTIN_OPTIONS_2.values()
        return Operator(
            opcode_index=index,
            inputs=[self.tensor(value) for value in node.inputs],
            outputs=[self.tensor(value) for value in node.outputs],
            builtin_options=None if second else options,
            builtin_options_2=options if second else None,
        )

    def _options(self, node: Node) -> Table | None:
        """The node's options; the numbers of its bodies, from 1, become those of subgraphs."""
        if not node.bodies:
            return node.options
        assert node.options is not None
        options = node.options.copy()
        numbers = [self.contents.subgraph(body) for body in node.bodies]
        for name in SUBGRAPH_FIELDS[type(options)]:
            setattr(options, name, numbers[getattr(options, name) - 1])
        return options


def emit(graph: Graph, inputs: Sequence[str], outputs: Sequence[str], signatures: Mapping[Value, Shape]) -> Model:
    """The model of a graph. `inputs` and `outputs` are the signature's names; `signatures` gives shapes with -1 for dynamic dimensions."""
    contents = Contents(signatures)
    contents.subgraph(graph)
    main = contents.subgraphs[0]
    signature = SignatureDef(
        inputs=[TensorMap(name=name, tensor_index=index) for name, index in zip(inputs, main.inputs, strict=True)],
        outputs=[TensorMap(name=name, tensor_index=index) for name, index in zip(outputs, main.outputs, strict=True)],
        signature_key=SIGNATURE,
        subgraph_index=0,
    )
    model = Model(
        version=3,
        operator_codes=[new_operator_code(code, version) for code, version in contents.codes],
        subgraphs=contents.subgraphs,
        description="jitlite",
        buffers=contents.buffers,
        signature_defs=[signature],
    )
    record_minimum_runtime(model)
    return model
