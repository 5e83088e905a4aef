"""Damage to an ONNX model's protobuf: shapes, types, names, operands, attributes, constants, operators, opsets and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from jitlite.converter.importer import decode_tensor
from jitlite.schemas.errors import ConversionError

INTEGERS = (
    *(-(2**63), -(2**31), -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7),
    *(255, 4096, 2**16, 2**20, 2**24, 2**28, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1),
)
SMALL = (-3, -2, -1, 0, 1, 2, 3, 4)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-8, 1e-45, 1e30, 3.4e38, float("inf"), -float("inf"), float("nan"))
TEXTS = (
    b"",
    b"a",
    b"linear",
    b"nearest",
    b"SAME_UPPER",
    b"NOTSET",
    b"Tanh",
    b"reflect",
    b"x" * 300,
    b"ij,jk->ik",
    b"\xff\xfe",
    b"bidirectional",
)
OPSETS = (*range(-1, 28), 100, 2**31, 2**40)
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training", "org.nobody", "x")
TYPES = (*range(27), 1, 1, 1, 6, 7, 7, 9, 10, 11, 2, 3, 99, -1)
PATHS = ("weights.bin", "../weights.bin", "/etc/passwd", "", "a\0b", ".", "..", "weights.bin/", "con", "x" * 5000)
OPERATORS = tuple(sorted({schema.name for schema in onnx.defs.get_all_schemas()}))

Edit = Callable[[onnx.ModelProto, Random], None]


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from graphs(inner)


def all_graphs(model: onnx.ModelProto) -> list[onnx.GraphProto]:
    return list(graphs(model.graph))


def all_nodes(model: onnx.ModelProto) -> list[NodeProto]:
    return [node for owner in (*all_graphs(model), *model.functions) for node in owner.node]


def all_tensors(model: onnx.ModelProto) -> list[TensorProto]:
    stored = [tensor for graph in all_graphs(model) for tensor in graph.initializer]
    stored += [part for graph in all_graphs(model) for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices)]
    return stored + [attribute.t for node in all_nodes(model) for attribute in node.attribute if attribute.HasField("t")]


def _infos(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    return [info for graph in all_graphs(model) for info in (*graph.input, *graph.output, *graph.value_info)]


def _names(model: onnx.ModelProto) -> list[str]:
    found = [name for node in all_nodes(model) for name in (*node.input, *node.output)]
    found += [info.name for info in _infos(model)] + [tensor.name for tensor in model.graph.initializer]
    return [*sorted(set(found)), "", "nobody"]


def _pick(items: Sequence[Any], rng: Random) -> Any:
    return rng.choice(items) if items else None


def _integer(rng: Random) -> int:
    return rng.choice(SMALL if rng.random() < 0.7 else INTEGERS)


def _number(rng: Random) -> float:
    return rng.choice(NUMBERS) if rng.random() < 0.5 else rng.uniform(-2, 2)


def change_dim(model: onnx.ModelProto, rng: Random) -> None:
    """A size, a name or nothing in place of a dimension; one more dimension; one less."""
    info = _pick([info for info in _infos(model) if info.type.HasField("tensor_type")], rng)
    if info is None:
        return
    shape = info.type.tensor_type.shape
    kind = rng.randrange(6)
    if kind == 0 and shape.dim:
        del shape.dim[rng.randrange(len(shape.dim))]
    elif kind == 1:
        shape.dim.add().dim_value = _integer(rng)
    elif kind == 2 and rng.random() < 0.3:
        info.type.tensor_type.ClearField("shape")
    elif shape.dim:
        dim = rng.choice(shape.dim)
        if kind == 3:
            dim.dim_param = rng.choice(("n", "h", "batch"))
        else:
            dim.dim_value = abs(_integer(rng)) % 9 if kind == 4 else _integer(rng)


def change_type(model: onnx.ModelProto, rng: Random) -> None:
    """The type of one value, or of all: a model of another type is often legal."""
    infos = [info for info in _infos(model) if info.type.HasField("tensor_type")]
    if not infos:
        return
    wanted = rng.choice(TYPES)
    if rng.random() < 0.3:
        old = rng.choice(infos).type.tensor_type.elem_type
        for info in infos:
            if info.type.tensor_type.elem_type == old:
                info.type.tensor_type.elem_type = wanted
        return
    info = rng.choice(infos)
    if rng.random() < 0.1:
        element = helper.make_tensor_type_proto(info.type.tensor_type.elem_type, [1])
        info.type.CopyFrom(rng.choice((helper.make_sequence_type_proto, helper.make_optional_type_proto))(element))
    else:
        info.type.tensor_type.elem_type = wanted


def _damage_tensor(tensor: TensorProto, rng: Random) -> None:
    kind = rng.randrange(9)
    if kind == 0:
        tensor.data_type = rng.choice(TYPES)
    elif kind == 1 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = _integer(rng)
    elif kind == 2:
        tensor.dims.append(_integer(rng))
    elif kind == 3 and tensor.raw_data:
        tensor.raw_data = rng.choice((tensor.raw_data[: rng.randrange(len(tensor.raw_data))], tensor.raw_data + rng.randbytes(4)))
    elif kind == 4:
        tensor.name = rng.choice(("", "other", tensor.name + "2"))
    elif kind == 5:
        tensor.data_location = TensorProto.EXTERNAL
        for key in ("location", "offset", "length")[: rng.randrange(4)]:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, rng.choice(PATHS) if key == "location" else str(_integer(rng))
    else:
        _change_values(tensor, rng)


def _change_values(tensor: TensorProto, rng: Random) -> None:
    try:
        data = decode_tensor(tensor).copy()
    except ConversionError:
        return
    if not data.size or data.dtype.kind not in "iufb":
        return
    flat = data.reshape(-1)
    with np.errstate(all="ignore"):
        for place in (range(flat.size), [rng.randrange(flat.size)])[rng.random() < 0.8]:
            given = np.array(_number(rng) if data.dtype.kind == "f" else _integer(rng))
            flat[place] = given.astype(data.dtype)
    changed = numpy_helper.from_array(data, tensor.name)
    tensor.CopyFrom(changed)


def change_tensor(model: onnx.ModelProto, rng: Random) -> None:
    tensor = _pick(all_tensors(model), rng)
    if tensor is not None:
        _damage_tensor(tensor, rng)


def change_operator(model: onnx.ModelProto, rng: Random) -> None:
    node = _pick(all_nodes(model), rng)
    if node is None:
        return
    kind = rng.randrange(8)
    if kind == 0:
        node.domain = rng.choice(DOMAINS)
    elif kind == 1:
        node.op_type = rng.choice(("", "Nothing", "a" * 300, "If", "Loop", "Scan", "Constant"))
    else:
        node.op_type = rng.choice(OPERATORS)


def change_operands(model: onnx.ModelProto, rng: Random) -> None:
    node = _pick(all_nodes(model), rng)
    if node is None:
        return
    kind = rng.randrange(8)
    names = _names(model)
    if kind == 0 and len(node.input) > 1:
        order = list(node.input)
        rng.shuffle(order)
        node.input[:] = order
    elif kind == 1 and node.input:
        del node.input[rng.randrange(len(node.input))]
    elif kind == 2:
        node.input.extend(rng.choices(names, k=rng.choice((1, 1, 2, 5, 2000))))
    elif kind == 3 and node.output:
        node.output[rng.randrange(len(node.output))] = rng.choice(names)
    elif kind == 4:
        node.output.extend(f"more{index}" for index in range(rng.choice((1, 1, 2, 5, 2000))))
    elif kind == 5 and node.output:
        del node.output[rng.randrange(len(node.output))]
    elif node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(names)


def _change_attribute(attribute: AttributeProto, rng: Random) -> None:
    kind = attribute.type
    if rng.random() < 0.1:
        attribute.type = rng.randrange(16)
    elif rng.random() < 0.05:
        attribute.ref_attr_name = rng.choice(("", "alpha", "nobody"))
    elif kind == AttributeProto.INT:
        attribute.i = _integer(rng)
    elif kind == AttributeProto.FLOAT:
        attribute.f = _number(rng)
    elif kind == AttributeProto.STRING:
        attribute.s = rng.choice(TEXTS)
    elif kind == AttributeProto.INTS:
        _change_list(attribute.ints, lambda: _integer(rng), rng)
    elif kind == AttributeProto.FLOATS:
        _change_list(attribute.floats, lambda: _number(rng), rng)
    elif kind == AttributeProto.STRINGS:
        _change_list(attribute.strings, lambda: rng.choice(TEXTS), rng)
    elif kind == AttributeProto.TENSOR:
        _damage_tensor(attribute.t, rng)


def _change_list(items: Any, made: Callable[[], Any], rng: Random) -> None:
    kind = rng.randrange(6)
    if kind == 0 and items:
        del items[rng.randrange(len(items))]
    elif kind == 1:
        items.extend(made() for _ in range(rng.choice((1, 1, 2, 2000))))
    elif items:
        items[rng.randrange(len(items))] = made()


def change_attribute(model: onnx.ModelProto, rng: Random) -> None:
    attribute = _pick([attribute for node in all_nodes(model) for attribute in node.attribute], rng)
    if attribute is not None:
        _change_attribute(attribute, rng)


def _default(kind: Any, rng: Random) -> Any:
    return {
        "INT": _integer(rng),
        "FLOAT": _number(rng),
        "STRING": rng.choice(TEXTS),
        "INTS": [_integer(rng)],
        "FLOATS": [_number(rng)],
    }.get(kind.name)


def add_or_drop_attribute(model: onnx.ModelProto, rng: Random) -> None:
    """An attribute that the operator's definition knows with any value, one there already once more, one less."""
    node = _pick(all_nodes(model), rng)
    if node is None:
        return
    kind = rng.randrange(4)
    if kind == 0 and node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]
    elif kind == 1 and node.attribute:
        node.attribute.add().CopyFrom(rng.choice(node.attribute))
    elif onnx.defs.has(node.op_type):
        known = onnx.defs.get_schema(node.op_type).attributes
        name = _pick([name for name in sorted(known) if all(attribute.name != name for attribute in node.attribute)], rng)
        value = None if name is None else _default(known[name].type, rng)
        if value is not None:
            node.attribute.append(helper.make_attribute(name, value))


def change_nodes(model: onnx.ModelProto, rng: Random) -> None:
    """A node less, one twice, two in each other's place, one wrapped into a function that may call itself."""
    owner = rng.choice([*all_graphs(model), *model.functions])
    if not owner.node:
        return
    kind, place = rng.randrange(5), rng.randrange(len(owner.node))
    if kind == 0:
        del owner.node[place]
    elif kind == 1:
        owner.node.add().CopyFrom(owner.node[place])
    elif kind == 2:
        nodes = [NodeProto.FromString(node.SerializeToString()) for node in owner.node]
        rng.shuffle(nodes)
        del owner.node[:]
        owner.node.extend(nodes)
    else:
        _wrap(model, owner.node[place], rng)


def _wrap(model: onnx.ModelProto, node: NodeProto, rng: Random) -> None:
    name, domain = f"wrapped{len(model.functions)}", rng.choice(("local", "", "ai.onnx"))
    inner = NodeProto.FromString(node.SerializeToString())
    if rng.random() < 0.1:
        inner.op_type, inner.domain = name, domain
    opsets = [helper.make_opsetid(entry.domain, entry.version) for entry in model.opset_import]
    names = list(dict.fromkeys(name for name in node.input if name))
    function = model.functions.add()
    function.CopyFrom(helper.make_function(domain, name, names, [made for made in node.output if made], [inner], opsets))
    node.op_type, node.domain = name, domain
    kept = names
    del node.input[:], node.attribute[:]
    node.input.extend(kept)
    if rng.random() < 0.9:
        model.opset_import.append(helper.make_opsetid(domain, 1))


def change_opset(model: onnx.ModelProto, rng: Random) -> None:
    kind = rng.randrange(6)
    if kind == 0 and model.opset_import:
        rng.choice(model.opset_import).domain = rng.choice(DOMAINS)
    elif kind == 1:
        model.opset_import.append(helper.make_opsetid(rng.choice(DOMAINS), rng.choice(OPSETS)))
    elif kind == 2 and model.opset_import:
        del model.opset_import[rng.randrange(len(model.opset_import))]
    elif kind == 3:
        model.ir_version = rng.choice((0, 1, 3, 4, 8, 10, 13, 14, 2**40))
    elif model.opset_import:
        rng.choice(model.opset_import).version = rng.choice(OPSETS)


def change_ports(model: onnx.ModelProto, rng: Random) -> None:
    """Inputs and outputs more, less, or under other names; a value inside that becomes an output."""
    graph = rng.choice(all_graphs(model))
    ports = rng.choice((graph.input, graph.output))
    kind = rng.randrange(5)
    if kind == 0 and ports:
        del ports[rng.randrange(len(ports))]
    elif kind == 1 and ports:
        ports.add().CopyFrom(rng.choice(ports))
    elif kind == 2 and ports:
        rng.choice(ports).name = rng.choice(_names(model))
    else:
        info = graph.output.add()
        info.name = rng.choice(_names(model))
        info.type.tensor_type.elem_type = rng.choice(TYPES)


def fix_input(model: onnx.ModelProto, rng: Random) -> None:
    """An input becomes a constant."""
    info = _pick([info for info in model.graph.input if info.type.HasField("tensor_type")], rng)
    if info is None:
        return
    tensor = info.type.tensor_type
    dims = [dim.dim_value for dim in tensor.shape.dim]
    if not 1 <= tensor.elem_type <= 13 or tensor.elem_type == TensorProto.STRING or int(np.prod([1, *map(abs, dims)], dtype=object)) > 4096:
        return
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    numbers = np.random.default_rng(rng.getrandbits(32))
    data = numbers.uniform(-2, 2, dims) if dtype.kind == "f" else numbers.integers(0, 4, [abs(dim) for dim in dims])
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(data).astype(dtype), info.name))
    if rng.random() < 0.8:
        model.graph.input.remove(info)


def free_constant(model: onnx.ModelProto, rng: Random) -> None:
    """A constant becomes an input."""
    tensor = _pick(model.graph.initializer, rng)
    if tensor is not None and min(tensor.dims, default=0) >= 0:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
        if rng.random() < 0.9:
            model.graph.initializer.remove(tensor)


EDITS: tuple[Edit, ...] = (
    *(change_dim, change_dim, change_type, change_tensor, change_tensor, change_operator, change_operands, change_operands),
    *(change_attribute, change_attribute, change_attribute, add_or_drop_attribute, change_nodes, change_opset, change_ports),
    *(fix_input, fix_input, free_constant),
)


def damaged_model(content: bytes, rng: Random) -> bytes:
    """The model with one to four edits."""
    model = onnx.ModelProto.FromString(content)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        try:
            rng.choice(EDITS)(model, rng)
        except (ValueError, TypeError, UnicodeDecodeError):  # protobuf takes no such value for this field
            continue
    return bytes(model.SerializeToString())
