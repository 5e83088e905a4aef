"""One row a rule: what is done to a legal model, and what verify says of it."""

import math
import struct
from collections.abc import Callable

import numpy as np
import pytest

from jitlite.schemas import (
    InvalidModelError,
    Model,
    Operator,
    QuantizationParameters,
    SubGraph,
    Tensor,
    TensorType,
    read_model,
    verify,
    write_model,
)
from jitlite.schemas.model import (
    builtin_code,
    called_subgraphs,
    constant_indices,
    new_operator_code,
    operator_name,
    options_of,
    printable,
    signature,
    tensor_data,
)
from jitlite.schemas.tables import (
    BlockwiseQuantization,
    Buffer,
    BuiltinOperator,
    CallOnceOptions,
    DimensionMetadata,
    DimensionType,
    ExternalBuffer,
    ExternalBufferGroup,
    IfOptions,
    Int32Vector,
    MultiAxisQuantization,
    OperatorCode,
    SparsityParameters,
    StablehloCaseOptions,
    Uint8Vector,
    Uint16Vector,
    WhileOptions,
)
from tests.schemas.schema_samples import add_model

Change = Callable[[Model], object]


def tensor(index: int, **fields: object) -> Change:
    return lambda model: [setattr(model.subgraphs[0].tensors[index], name, value) for name, value in fields.items()]


def operator(**fields: object) -> Change:
    return lambda model: [setattr(model.subgraphs[0].operators[0], name, value) for name, value in fields.items()]


def subgraph(**fields: object) -> Change:
    return lambda model: [setattr(model.subgraphs[0], name, value) for name, value in fields.items()]


def model(**fields: object) -> Change:
    return lambda found: [setattr(found, name, value) for name, value in fields.items()]


def both(*changes: Change) -> Change:
    return lambda found: [change(found) for change in changes]


def quantized(**fields: object) -> Change:
    return tensor(0, quantization=QuantizationParameters(**fields))


def data(content: bytes, **fields: object) -> Change:
    return both(lambda found: setattr(found.buffers[1], "data", content), tensor(1, quantization=None, **fields))


def strings(*texts: bytes) -> bytes:
    places = np.cumsum([4 * (len(texts) + 2), *map(len, texts)]).tolist()
    return struct.pack(f"<{len(places) + 1}i", len(texts), *places) + b"".join(texts)


def dense(size: int) -> DimensionMetadata:
    return DimensionMetadata(dense_size=size)


def compressed(segments: list[int], indices: list[int]) -> DimensionMetadata:
    return DimensionMetadata(
        format=DimensionType.SPARSE_CSR, array_segments=Int32Vector(values=segments), array_indices=Int32Vector(values=indices)
    )


def sparse(count: int, *levels: DimensionMetadata, order: list[int] | None = None, blocks: list[int] | None = None) -> Change:
    order = list(range(len(levels))) if order is None else order
    parameters = SparsityParameters(traversal_order=order, block_map=blocks or [], dim_metadata=list(levels))
    return data(bytes(count), shape=[2, 4], sparsity=parameters)


def call(code: BuiltinOperator, options: object, to: int = 1) -> Change:
    """Appends an operator without operands to the first subgraph, and subgraphs that do nothing."""

    def change(found: Model) -> None:
        found.operator_codes.append(new_operator_code(code))
        two = isinstance(options, StablehloCaseOptions)
        op = Operator(opcode_index=1, builtin_options_2=options) if two else Operator(opcode_index=1, builtin_options=options)
        found.subgraphs[0].operators.append(op)
        found.subgraphs += [SubGraph() for _ in range(to)]

    return change


CUSTOM = new_operator_code(BuiltinOperator.CUSTOM)
EXTERNAL = both(
    model(external_buffer_groups=[ExternalBufferGroup(name="weights/a.bin")], external_buffers=[ExternalBuffer(id=7, length=6)]),
    tensor(1, buffer=0, external_buffer=7),
)

LEGAL = {
    "as it is": lambda found: None,
    "a scalar": tensor(0, shape=[], shape_signature=[]),
    "no quantization": quantized(),
    "zero points without scales": quantized(zero_point=[4]),
    "scales of a dimension": quantized(scale=[0.5, 0.25, 2.0], zero_point=[0, 0, 0], quantized_dimension=1),
    "blocks": quantized(details=BlockwiseQuantization(scales=1, zero_points=-1, block_size=32)),
    "several axes": quantized(details=MultiAxisQuantization(scales=1, zero_points=1, quantized_dimensions=[0, 1])),
    "4 bits, rounded up": data(bytes(3), type=TensorType.INT4, shape=[5]),
    "2 bits, rounded up": data(bytes(2), type=TensorType.INT2, shape=[5]),
    "strings": data(strings(b"a", b"", b"ccc"), type=TensorType.STRING, shape=[3]),
    "no strings": data(strings(), type=TensorType.STRING, shape=[0]),
    "a missing operand": operator(inputs=[0, -1]),
    "an output that is an input": subgraph(outputs=[2, 0]),
    "a constant output": subgraph(outputs=[2, 1]),
    "an empty tensor nothing writes": both(data(b"", shape=[0])),
    "a variable": both(data(b""), tensor(1, is_variable=True)),
    "an external buffer": EXTERNAL,
    "calls": call(BuiltinOperator.IF, IfOptions(then_subgraph_index=1, else_subgraph_index=2), to=2),
    "a dense tree": sparse(8, dense(2), dense(4)),
    "a compressed level": sparse(3, dense(2), compressed([0, 2, 3], [0, 3, 1])),
    "an empty segment": sparse(1, dense(2), compressed([0, 0, 1], [3])),
    "blocks of 2": sparse(4, dense(2), compressed([0, 1, 2], [1, 0]), dense(2), blocks=[1]),
}

RULES: dict[str, tuple[Change, str]] = {
    "version": (model(version=4), "version: 3 required, found 4"),
    "no subgraphs": (model(subgraphs=[]), "subgraphs: at least 1 subgraph required, found none"),
    "custom code": (model(operator_codes=[CUSTOM]), "operator_codes[0].custom_code: the name of a custom operator required"),
    "version of an operator": (
        model(operator_codes=[new_operator_code(BuiltinOperator.ADD, version=0)]),
        "operator_codes[0].version: 1 or more for ADD required, found 0",
    ),
    "no buffers": (model(buffers=[]), "buffers: an empty buffer in place 0 required"),
    "buffer 0": (lambda found: setattr(found.buffers[0], "data", b"1"), "buffers[0]: an empty buffer required, found 1 bytes"),
    "metadata": (lambda found: setattr(found.metadata[0], "buffer", 3), "metadata[0] (min_runtime_version).buffer: an index below 3"),
    "old metadata": (model(metadata_buffer=[-1]), "metadata_buffer[0]: an index below 3 required, found -1"),
    "opcode index": (operator(opcode_index=1), "subgraphs[0].operators[0].opcode_index: an index below 1 required, found 1"),
    "operand": (operator(inputs=[0, 3]), "subgraphs[0].operators[0] (ADD).inputs[1]: a tensor index below 3, or -1 for none, required"),
    "operand below -1": (operator(inputs=[-2, 1]), "(ADD).inputs[0]: a tensor index below 3, or -1 for none, required, found -2"),
    "intermediate": (operator(intermediates=[5]), "(ADD).intermediates[0]: a tensor index below 3"),
    "result": (operator(outputs=[3]), "(ADD).outputs[0]: a tensor index below 3 required, found 3"),
    "missing result": (operator(outputs=[-1]), "(ADD).outputs[0]: a tensor index below 3 required, found -1"),
    "use before produce": (operator(inputs=[2, 1]), "(ADD).inputs[0]: a constant, a variable, an input or an earlier result required"),
    "result is an input": (operator(outputs=[0]), "a tensor without a value required, found %0, an input of the subgraph"),
    "result is a constant": (operator(outputs=[1]), "a tensor without a value required, found %1, a constant"),
    "result is a variable": (
        both(data(b"", is_variable=True), operator(outputs=[1])),
        "a tensor without a value required, found %1, a variable",
    ),
    "two producers": (
        lambda found: found.subgraphs[0].operators.append(found.subgraphs[0].operators[0].copy()),
        "operators[1] (ADD).outputs[0]: a tensor without a value required, found %2, which operator 0 writes",
    ),
    "subgraph input": (subgraph(inputs=[-1]), "subgraphs[0].inputs[0]: a tensor index below 3 required, found -1"),
    "subgraph output": (subgraph(outputs=[3]), "subgraphs[0].outputs[0]: a tensor index below 3 required, found 3"),
    "output nobody writes": (operator(outputs=[]), "subgraphs[0].outputs[0]: a tensor with a value required, found %2"),
    "called subgraph": (
        call(BuiltinOperator.WHILE, WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)),
        "operators[1] (WHILE).body_subgraph_index: a subgraph below 2 required, found 2",
    ),
    "called case": (
        call(BuiltinOperator.STABLEHLO_CASE, StablehloCaseOptions(branch_subgraph_indices=[1, -1])),
        "branch_subgraph_indices[1]: a subgraph below 2 required, found -1",
    ),
    "recursion": (
        call(BuiltinOperator.CALL_ONCE, CallOnceOptions(init_subgraph_index=0)),
        "subgraphs: calls that never come back to their subgraph required, found 0 calls 0",
    ),
    "signature subgraph": (
        lambda found: setattr(found.signature_defs[0], "subgraph_index", 1),
        "signature_defs[0] (serving_default).subgraph_index: a subgraph below 1 required, found 1",
    ),
    "signature input": (
        lambda found: setattr(found.signature_defs[0].inputs[0], "tensor_index", 9),
        "inputs[0] (x): an input of subgraph 0 required, found %9",
    ),
    "signature output": (
        lambda found: setattr(found.signature_defs[0].outputs[0], "tensor_index", 0),
        "outputs[0] (y): an output or a result in subgraph 0 required, found %0",
    ),
    "buffer of a tensor": (tensor(0, buffer=3), "subgraphs[0].tensors[0] (x).buffer: an index below 3 required, found 3"),
    "too few bytes": (data(bytes(5)), "tensors[1] (w): 6 bytes of data for INT8 [2, 3] required, found 5"),
    "too many bytes": (data(bytes(7)), "tensors[1] (w): 6 bytes of data for INT8 [2, 3] required, found 7"),
    "4 bits": (data(bytes(2), type=TensorType.INT4, shape=[5]), "3 bytes of data for INT4 [5] required, found 2"),
    "data of a resource": (data(bytes(2), type=TensorType.RESOURCE), "a RESOURCE tensor without constant data required"),
    "data of a variable": (tensor(1, is_variable=True), "a variable without constant data required, found 6 bytes"),
    "negative dimension": (tensor(0, shape=[-1, 3]), "tensors[0] (x).shape: dimensions of 0 or more required, found [-1, 3]"),
    "elements": (tensor(0, shape=[65536, 32768]), "shape: at most 2147483647 elements required"),
    "elements besides a zero": (tensor(0, shape=[0, 65536, 65536]), "shape: at most 2147483647 elements required"),
    "rank": (tensor(0, shape=[1] * 17), "shape: at most 16 dimensions required, found 17"),
    "signature rank": (tensor(0, shape_signature=[-1]), "shape_signature: -1 or the dimension in each place of [2, 3] required"),
    "signature dimension": (tensor(0, shape_signature=[2, 4]), "shape_signature: -1 or the dimension in each place of [2, 3] required"),
    "scale count": (quantized(scale=[1.0, 1.0], zero_point=[0, 0], quantized_dimension=1), "scale: 1 or 3 scales for dimension 1"),
    "zero point count": (quantized(scale=[1.0]), "zero_point: 1 zero points, one a scale, required, found 0"),
    "quantized dimension": (quantized(scale=[1.0, 1.0], zero_point=[0, 0], quantized_dimension=2), "quantized_dimension: a dimension of"),
    "negative quantized dimension": (
        quantized(scale=[1.0, 1.0], zero_point=[0, 0], quantized_dimension=-1),
        "quantized_dimension: a dimension of [2, 3] required, found -1",
    ),
    "scale 0": (quantized(scale=[0.0], zero_point=[0]), "scale: finite scales above 0 (but for channels of zeros) required, found 0.0"),
    "scale infinite": (
        quantized(scale=[math.inf], zero_point=[0]),
        "scale: finite scales above 0 (but for channels of zeros) required, found inf",
    ),
    "scale not a number": (
        quantized(scale=[math.nan], zero_point=[0]),
        "scale: finite scales above 0 (but for channels of zeros) required, found nan",
    ),
    "zero point": (quantized(scale=[1.0], zero_point=[128]), "zero_point: zero points from -128 to 127 for INT8 required, found 128"),
    "zero point of 33 bits": (
        both(quantized(scale=[1.0], zero_point=[2**32]), tensor(0, type=TensorType.INT64)),
        "zero_point: zero points from -2147483648 to 2147483647 for INT64 required, found 4294967296",
    ),
    "scales of blocks": (
        quantized(details=BlockwiseQuantization(scales=3, block_size=2)),
        "details.scales: a tensor index below 3 required",
    ),
    "zero points of blocks": (
        quantized(details=BlockwiseQuantization(zero_points=-2, block_size=2)),
        "details.zero_points: -1 or a tensor index below 3 required, found -2",
    ),
    "block size": (quantized(details=BlockwiseQuantization()), "details: blocks of 1 or more required, found 0"),
    "block shape": (quantized(details=BlockwiseQuantization(block_shape=[2, 0])), "details: blocks of 1 or more required, found [2, 0]"),
    "axes": (quantized(details=MultiAxisQuantization(quantized_dimensions=[0, 2])), "quantized_dimensions: different dimensions of [2, 3]"),
    "axis twice": (quantized(details=MultiAxisQuantization(quantized_dimensions=[1, 1])), "quantized_dimensions: different dimensions"),
    "external id": (both(EXTERNAL, tensor(1, external_buffer=8)), "external_buffer: the id of an external buffer required, found 8"),
    "external and data": (both(EXTERNAL, tensor(1, buffer=1)), "either a buffer with data or an external buffer required, found both"),
    "external group": (both(EXTERNAL, model(external_buffer_groups=[])), "external_buffers[0].group: an index below 0 required, found 0"),
    "external path up": (
        both(EXTERNAL, model(external_buffer_groups=[ExternalBufferGroup(name="a/../../b")])),
        "external_buffer_groups[0].name: a path below the model's folder required, found 'a/../../b'",
    ),
    "external path absolute": (
        both(EXTERNAL, model(external_buffer_groups=[ExternalBufferGroup(name="/etc/passwd")])),
        "a path below the model's folder required",
    ),
    "string table": (data(bytes(8), type=TensorType.STRING, shape=[2]), "a string table of at least 16 bytes for [2] required"),
    "string count": (data(strings(b"a", b"b"), type=TensorType.STRING, shape=[1]), "1 strings required, found 2"),
    "string places": (
        data(struct.pack("<4i", 2, 16, 99, 17) + b"a", type=TensorType.STRING, shape=[2]),
        "ascending string places from 16 to 17 required",
    ),
    "string end": (data(strings(b"a") + b"!", type=TensorType.STRING, shape=[1]), "ascending string places from 12 to 14 required"),
    "sparse order": (sparse(8, dense(2), dense(4), order=[0, 0]), "traversal_order: the 2 dimensions, then the 0 block dimensions"),
    "sparse levels": (sparse(8, dense(2), order=[0, 1]), "dim_metadata: 2 levels required, found 1"),
    "sparse block map": (sparse(8, dense(2), dense(4), dense(2), blocks=[2]), "block_map: different dimensions below 2 required"),
    "sparse block size": (sparse(8, dense(2), dense(1), dense(3), blocks=[1]), "a dense block that divides dimension 1 of [2, 4] required"),
    "sparse block format": (
        sparse(8, dense(2), dense(2), compressed([0], []), blocks=[1]),
        "a dense block that divides dimension 1 of [2, 4] required, found SPARSE_CSR of 0",
    ),
    "sparse dense size": (sparse(8, dense(3), dense(4)), "dim_metadata[0].dense_size: 2 required, found 3"),
    "sparse vector": (
        sparse(8, dense(2), DimensionMetadata(format=DimensionType.SPARSE_CSR)),
        "array_segments: a vector required, found none",
    ),
    "sparse segments": (sparse(3, dense(2), compressed([0, 3], [0, 1, 2])), "array_segments: 3 ascending places from 0 to 3 required"),
    "sparse segments fall": (sparse(3, dense(2), compressed([0, 3, 2], [0, 1])), "array_segments: 3 ascending places from 0 to 2 required"),
    "sparse index": (sparse(2, dense(2), compressed([0, 1, 2], [0, 4])), "array_indices: indices below 4 required, found 0 to 4"),
    "sparse index twice": (sparse(3, dense(2), compressed([0, 2, 3], [1, 1, 0])), "array_indices: ascending indices in every segment"),
    "sparse scalar": (
        data(b"\0", shape=[], sparsity=SparsityParameters(dim_metadata=[])),
        "sparsity.dim_metadata: a tensor with dimensions required, found a scalar",
    ),
    "sparse data": (sparse(2, dense(2), compressed([0, 2, 3], [0, 1, 0])), "3 bytes of data for INT8 [2, 4] required, found 2"),
}


@pytest.mark.parametrize("name", LEGAL)
def test_legal(name: str) -> None:
    found = add_model()
    LEGAL[name](found)
    assert verify(found) is found
    assert verify(read_model(write_model(found))) == found


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    change, message = RULES[name]
    found = add_model()
    change(found)
    with pytest.raises(InvalidModelError) as caught:
        verify(found)
    assert message in str(caught.value)
    assert " required, found " in str(caught.value)


@pytest.mark.parametrize("vector", [Uint8Vector(values=bytes([0, 1, 2])), Uint16Vector(values=[0, 1, 2])])
def test_narrow_sparse_vectors(vector: Uint8Vector | Uint16Vector) -> None:
    found = add_model()
    level = DimensionMetadata(
        format=DimensionType.SPARSE_CSR, array_segments=vector, array_indices=Uint8Vector(values=memoryview(b"\x03\x00"))
    )
    sparse(2, dense(2), level)(found)
    verify(found)


def test_names_from_files_cannot_steer_a_terminal() -> None:
    found = add_model()
    tensor(0, name="a\x1b[31m\nb\udcff", shape=[-1])(found)
    with pytest.raises(InvalidModelError) as caught:
        verify(found)
    assert str(caught.value).isprintable()
    assert printable("tensor ü") == "tensor ü"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (0, 0, "ADD"),
        (3, 0, "CONV_2D"),
        (0, 3, "CONV_2D"),
        (127, 206, "STABLEHLO_COMPOSITE"),
        (127, 127, "PLACEHOLDER_FOR_GREATER_OP_CODES"),
    ],
)
def test_the_larger_operator_code_is_in_force(old: int, new: int, expected: str) -> None:
    assert builtin_code(OperatorCode(deprecated_builtin_code=old, builtin_code=BuiltinOperator(new))).name == expected


def test_new_operator_codes_fill_both_fields() -> None:
    assert new_operator_code(BuiltinOperator.STABLEHLO_COMPOSITE).deprecated_builtin_code == 127
    assert new_operator_code(BuiltinOperator.CONV_2D, 3) == OperatorCode(
        builtin_code=BuiltinOperator.CONV_2D, deprecated_builtin_code=3, version=3
    )


def test_looking_into_a_model() -> None:
    found = add_model()
    first = found.subgraphs[0]
    assert operator_name(found, first.operators[0]) == "ADD"
    assert options_of(first.operators[0]) is first.operators[0].builtin_options
    assert signature(found, "serving_default") is found.signature_defs[0]
    with pytest.raises(ValueError, match=r"one of 'serving_default' required, found 'main'"):
        signature(found, "main")
    assert constant_indices(found, first) == {1}
    call(BuiltinOperator.IF, IfOptions(then_subgraph_index=1, else_subgraph_index=2))(found)
    assert list(called_subgraphs(first.operators[1])) == [("then_subgraph_index", 1), ("else_subgraph_index", 2)]


def test_constant_data_are_read_only_views() -> None:
    found = add_model()
    first = found.subgraphs[0]
    values = tensor_data(found, first.tensors[1])
    assert values is not None
    assert values.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not values.flags.writeable
    assert np.shares_memory(values, np.frombuffer(found.buffers[1].data, np.int8))
    assert tensor_data(found, first.tensors[0]) is None
    found.buffers.append(Buffer(data=b"\x21\x03"))
    assert tensor_data(found, Tensor(shape=[3], type=TensorType.INT4, buffer=3)).tolist() == [0x21, 3]
    with pytest.raises(InvalidModelError, match="3 bytes of data required, found 2"):
        tensor_data(found, Tensor(shape=[3], type=TensorType.INT8, buffer=3))
