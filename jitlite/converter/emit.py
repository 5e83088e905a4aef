"""From a graph of TFLite operators to a `Model`: lowest operator versions, shared buffers, one signature, the oldest runtime it runs on."""

from collections.abc import Mapping, Sequence

from jitlite.converter.builder import call_of, tensor_info
from jitlite.converter.element_types import stored
from jitlite.converter.graph import Array, Graph, Node, Shape, Value
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.spec import Call, OpSpec
from jitlite.schemas.runtime_version import record_minimum_runtime
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


class Emitter:
    """Numbers tensors, buffers and operator codes as they come up."""

    def __init__(self, signatures: Mapping[Value, Shape]) -> None:
        self.signatures = signatures
        self.tensors: list[Tensor] = []
        self.buffers = [Buffer()]
        self.codes: dict[tuple[BuiltinOperator, int], int] = {}
        self.places: dict[Value, int] = {}
        self.stored: dict[bytes, int] = {}

    def tensor(self, value: Value | None) -> int:
        """The tensor's index; -1 for an absent operand."""
        if value is None:
            return -1
        if value not in self.places:
            self.places[value] = len(self.tensors)
            signature = self.signatures.get(value, ())
            info = tensor_info(value)
            tensor = Tensor(shape=list(value.dims), type=info.type, buffer=self._buffer(value), name=value.name)
            tensor.quantization = info.quantization
            if -1 in signature:
                tensor.shape_signature = list(signature)
            self.tensors.append(tensor)
        return self.places[value]

    def _buffer(self, value: Value) -> int:
        if value.data is None:
            return 0
        data = _little_endian(stored(value.data)).tobytes()
        if data not in self.stored:
            self.stored[data] = len(self.buffers)
            self.buffers.append(Buffer(data=data))
        return self.stored[data]

    def operator(self, node: Node) -> Operator:
        assert isinstance(node.op, OpSpec)
        call = call_of(node)
        key = (node.op.code, node.op.version(Call(node.op, node.options, call.inputs, call.outputs)))
        index = self.codes.setdefault(key, len(self.codes))
        second = type(node.options) in BUILTIN_OPTIONS_2.values()
        return Operator(
            opcode_index=index,
            inputs=[self.tensor(value) for value in node.inputs],
            outputs=[self.tensor(value) for value in node.outputs],
            builtin_options=None if second else node.options,
            builtin_options_2=node.options if second else None,
        )


def emit(graph: Graph, inputs: Sequence[str], outputs: Sequence[str], signatures: Mapping[Value, Shape]) -> Model:
    """The model of a graph. `inputs` and `outputs` are the signature's names; `signatures` gives shapes with -1 for dynamic dimensions."""
    emitter = Emitter(signatures)
    given = [emitter.tensor(value) for value in graph.inputs]
    operators = [emitter.operator(node) for node in graph.nodes]
    results = [emitter.tensor(value) for value in graph.outputs]
    subgraph = SubGraph(tensors=emitter.tensors, inputs=given, outputs=results, operators=operators, name="main")
    signature = SignatureDef(
        inputs=[TensorMap(name=name, tensor_index=index) for name, index in zip(inputs, given, strict=True)],
        outputs=[TensorMap(name=name, tensor_index=index) for name, index in zip(outputs, results, strict=True)],
        signature_key=SIGNATURE,
        subgraph_index=0,
    )
    model = Model(
        version=3,
        operator_codes=[new_operator_code(code, version) for code, version in emitter.codes],
        subgraphs=[subgraph],
        description="jitlite",
        buffers=emitter.buffers,
        signature_defs=[signature],
    )
    record_minimum_runtime(model)
    return model
