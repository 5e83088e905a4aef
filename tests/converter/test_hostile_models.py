"""Models made to harm: each is refused with a reason, in a moment and in little memory, or converted like any other."""

import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.converter.passes import subgraphs
from jitlite.schemas.errors import ConversionError
from tests.converter.agreement import kinds, node, onnx_model

HUGE = 2**31 - 1
I64 = np.int64
MOST_S = 10.0
"""Processor time for a refusal; they take a small part of a second, on machines that do nothing else."""
MOST_BYTES = 1 << 30
"""What the process may have grown by at its peak, all cases together."""

Info = tuple[list[int | str | None], int]


def plain(*nodes: onnx.NodeProto, x: list[Any] = [1, 4], opset: int = 17, outputs: str = "y", **constants: Any) -> onnx.ModelProto:  # noqa: B006
    """A model nobody has checked: float input x, constants by name."""
    infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)]
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    for info in made:
        info.type.tensor_type.shape.SetInParent()
    graph = helper.make_graph(list(nodes), "g", infos, made, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def edited(edit: Callable[[onnx.ModelProto], Any]) -> onnx.ModelProto:
    """A small legal model, then changed."""
    weights = {"w": np.ones((4, 4), np.float32), "b": np.ones(4, np.float32)}
    model = onnx_model([node("MatMul", "xw", "m"), node("Add", "mb", "y")], {"x": np.ones((1, 4), np.float32)}, ["y"], weights)
    edit(model)
    return model


def tensor(**fields: Any) -> onnx.ModelProto:
    """The legal model with fields of its first stored tensor changed."""

    def edit(model: onnx.ModelProto) -> None:
        stored = model.graph.initializer[0]
        for name, value in fields.items():
            if isinstance(value, list):
                del getattr(stored, name)[:]
                getattr(stored, name).extend(value)
            else:
                setattr(stored, name, value)

    return edited(edit)


def with_function(*nodes: onnx.NodeProto, name: str = "f", count: int = 1) -> onnx.ModelProto:
    """A model that calls a local function; `count` functions, each calling the next twice where there are more."""
    model = plain(helper.make_node("f0", ["x"], ["y"], domain="local"))
    for number in range(count):
        callee = [helper.make_node(f"f{number + 1}", [a], [b], domain="local") for a, b in (("a", "t"), ("t", "b"))]
        body = list(nodes) if nodes else callee if number < count - 1 else [helper.make_node("Neg", ["a"], ["b"])]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
        model.functions.append(helper.make_function("local", f"f{number}", ["a"], ["b"], body, opsets))
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model


def loop(turns: Any, depth: int = 1, condition: bool = True) -> onnx.ModelProto:
    """A Loop of so many turns, with others inside."""

    def body(level: int) -> onnx.GraphProto:
        inner = helper.make_node("Neg", [f"s{level}"], [f"r{level}"])
        if level < depth:
            inner = helper.make_node("Loop", ["n", "", f"s{level}"], [f"r{level}"], body=body(level + 1))
        keep = helper.make_node("Identity", [f"c{level}"], [f"d{level}"])
        infos = [
            helper.make_tensor_value_info(f"i{level}", TensorProto.INT64, []),
            helper.make_tensor_value_info(f"c{level}", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"s{level}", TensorProto.FLOAT, [1, 4]),
        ]
        results = [
            helper.make_tensor_value_info(f"d{level}", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"r{level}", TensorProto.FLOAT, [1, 4]),
        ]
        return helper.make_graph([inner, keep], f"b{level}", infos, results)

    return plain(helper.make_node("Loop", ["n", "", "x"], ["y"], body=body(1)), n=np.array(turns, I64))


def branches(then: list[onnx.NodeProto], condition: Any = True) -> onnx.ModelProto:
    made = helper.make_graph(then, "t", [], [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)])
    return plain(helper.make_node("If", ["c"], ["y"], then_branch=made, else_branch=made), c=np.array(condition))


def nested(depth: int) -> onnx.ModelProto:
    """If in If in If …, without the other branch."""
    model = plain(c=np.array(True))
    graph = model.graph
    for level in range(depth):
        outer = graph.node.add(op_type="If", input=["c"], output=["y" if level == 0 else "o"])
        attribute = outer.attribute.add(name="then_branch", type=AttributeProto.GRAPH)
        graph = attribute.g
        graph.name = "t"
        graph.output.add(name="o").type.tensor_type.elem_type = TensorProto.FLOAT
    graph.node.add(op_type="Neg", input=["x"], output=["o"])
    return model


def produced(kind: str, operands: Sequence[str], **rest: Any) -> onnx.ModelProto:
    """A value made of constants, and read."""
    attributes = {name: rest.pop(name) for name in list(rest) if not isinstance(rest[name], (np.ndarray, np.generic))}
    nodes = [helper.make_node(kind, list(operands), ["v"], **attributes), helper.make_node("Add", ["x", "v"], ["y"])]
    return plain(*nodes, x=[1], **rest)


def many(kind: str, count: int) -> onnx.ModelProto:
    """So many constants of 1 MB each, all of them read."""
    nodes = [helper.make_node(kind, ["s"], [f"v{index}"]) for index in range(count)]
    nodes += [helper.make_node("Add", [f"t{index}" if index else "x", f"v{index}"], [f"t{index + 1}"]) for index in range(count)]
    return plain(*nodes, helper.make_node("Identity", [f"t{count}"], ["y"]), x=[1], s=np.array([250_000], I64))


def attribute_of(kind: str, operands: list[str], **attributes: Any) -> onnx.ModelProto:
    return plain(helper.make_node(kind, operands, ["y"], **attributes), x=[1, 4, 8, 8], w=np.ones((4, 4, 3, 3), np.float32))


HOSTILE: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "no graph": (lambda: onnx.ModelProto(ir_version=8), "a graph is required, found none"),
    "a cycle": (lambda: plain(node("Add", "xz", "y"), node("Neg", "y", "z")), "z"),
    "a node that reads its result": (lambda: plain(node("Add", "xy", "y")), "y"),
    "one result twice": (lambda: plain(node("Neg", "x", "y"), node("Abs", "x", "y")), "y"),
    "a result named like an input": (lambda: plain(node("Neg", "x", "x"), node("Abs", "x", "y")), "x"),
    "an output nobody makes": (lambda: plain(node("Neg", "x", "z")), "y"),
    "a missing initialiser": (lambda: edited(lambda m: m.graph.initializer.pop()), "b"),
    "two initialisers of a name": (lambda: edited(lambda m: m.graph.initializer.append(m.graph.initializer[0])), "w"),
    "an initialiser without a name": (lambda: tensor(name=""), "name"),
    "bytes too few": (lambda: tensor(raw_data=bytes(60)), "tensor name: w"),
    "bytes too many": (lambda: tensor(raw_data=bytes(68)), "'w'"),
    "a negative dimension": (lambda: tensor(dims=[-4, -4]), "tensor name: w"),
    "dimensions that overflow": (lambda: tensor(dims=[2**32, 2**32, 4]), "tensor name: w"),
    "a huge dimension and an empty one": (lambda: tensor(dims=[2**62, 0], raw_data=b""), "too big"),
    "an unknown element type": (lambda: tensor(data_type=99), "99"),
    "strings for numbers": (lambda: tensor(data_type=TensorProto.STRING), "tensor name: w"),
    "weights of another type": (lambda: tensor(data_type=TensorProto.INT32), "MatMul"),
    "an input of 2^62": (lambda: plain(node("Neg", "x", "y"), x=[2**31, 2**31]), "elements"),
    "opset 0": (lambda: plain(node("Neg", "x", "y"), opset=0), "opset 1 to"),
    "opset 2^40": (lambda: plain(node("Neg", "x", "y"), opset=2**40), "opset 1 to"),
    "no opset": (lambda: edited(lambda m: m.ClearField("opset_import")), "opset"),
    "an unknown domain": (lambda: plain(helper.make_node("Neg", ["x"], ["y"], domain="org.nobody")), "org.nobody"),
    "texts that are no UTF-8": (lambda: onnx.ModelProto.FromString(small().replace(b"MatMul", b"Mat\xff\xfel")), "UTF-8"),
    "blocks of more elements than there are": (
        lambda: plain(
            node("Reshape", ["x", "parts"], ["a"]),
            node("Transpose", ["a"], ["b"], perm=[0, 1, 4, 2, 5, 3]),
            node("Reshape", ["b", "whole"], ["y"]),
            x=[1, 8, 2, 2],
            parts=[1, 3, 2, 2, 2, 2],
            whole=[1, 3, 4, 4],
        ),
        "elements is required",
    ),
    "too few operands": (lambda: plain(helper.make_node("Add", ["x"], ["y"])), "Add"),
    "too many operands": (lambda: plain(helper.make_node("Neg", ["x"] * 1000, ["y"])), "Neg"),
    "an absent operand": (lambda: plain(helper.make_node("Add", ["x", ""], ["y"])), "input 1"),
    "too many results": (lambda: plain(helper.make_node("Neg", ["x"], ["y", "z"])), "Neg"),
    "no results": (lambda: plain(node("Neg", "x", "y"), helper.make_node("Neg", ["x"], [])), "Neg"),
    "an attribute of another type": (lambda: plain(helper.make_node("Softmax", ["x"], ["y"], axis="last")), "axis"),
    "an attribute twice": (
        lambda: edited(lambda m: m.graph.node[0].attribute.extend([helper.make_attribute("a", 1)] * 2)),
        "multiple times",
    ),
    "a reference to no function": (lambda: edited(lambda m: m.graph.node[0].attribute.add(name="a", ref_attr_name="b", type=2)), "MatMul"),
    "a slope that is no number": (lambda: plain(helper.make_node("LeakyRelu", ["x"], ["y"], alpha=float("nan"))), "finite numbers"),
    "a flag of 7": (lambda: plain(helper.make_node("ReduceSum", ["x"], ["y"], keepdims=7)), "0 or 1"),
    "an axis of 2^40": (lambda: plain(helper.make_node("Softmax", ["x"], ["y"], axis=2**40)), "an axis from"),
    "an axis past the end": (lambda: plain(helper.make_node("Softmax", ["x"], ["y"], axis=2)), "Softmax"),
    "a function that calls itself": (lambda: with_function(helper.make_node("f0", ["a"], ["b"], domain="local")), "do not call themselves"),
    "functions that double 60 times": (lambda: with_function(count=60), "nodes are supported once functions are written out"),
    "functions 200 deep": (lambda: with_function(count=200), "supported"),
    "a loop of 2^60 turns around another": (lambda: loop(2**60, 2), "required"),
    "a body without inputs": (lambda: edited(lambda m: bare_loop(m)), "Loop"),
    "a branch that makes nothing": (lambda: branches([]), "o"),
    "a branch that reads nothing known": (lambda: branches([node("Neg", "q", "o")]), "q"),
    "a branch without the other": (lambda: nested(1), "else_branch"),
    "branches 200 deep": (lambda: nested(200), "that protobuf can copy"),
    "ConstantOfShape of 2^62": (lambda: produced("ConstantOfShape", ["s"], s=np.array([2**31, 2**31], I64)), "required"),
    "ConstantOfShape below 0": (lambda: produced("ConstantOfShape", ["s"], s=np.array([-5], I64)), "non-negative"),
    "Expand to 2^40": (lambda: produced("Expand", ["c", "s"], c=np.ones(1, np.float32), s=np.array([2**20, 2**20], I64)), "elements"),
    "Tile by 2^40": (lambda: produced("Tile", ["c", "s"], c=np.ones(2, np.float32), s=np.array([2**40], I64)), "required"),
    "Range to 2^62": (
        lambda: produced("Range", ["a", "b", "c"], a=np.array(0, I64), b=np.array(2**62, I64), c=np.array(1, I64)),
        "required",
    ),
    "Range without step": (lambda: produced("Range", "abc", a=np.float32(0), b=np.float32(5), c=np.float32(0)), ""),
    "OneHot of 2^40": (
        lambda: produced("OneHot", ["i", "d", "o"], i=np.zeros(2, I64), d=np.array(2**40, I64), o=np.ones(2, np.float32)),
        "required",
    ),
    "Pad by 2^40": (lambda: produced("Pad", ["c", "p"], c=np.ones(2, np.float32), p=np.array([0, 2**40], I64)), "required"),
    "EyeLike of 30 000": (lambda: produced("EyeLike", ["c"], c=np.ones((1, 1), np.float32), dtype=99), "EyeLike"),
    "Resize to 2^40": (
        lambda: plain(helper.make_node("Resize", ["x", "", "", "s"], ["y"]), x=[1, 1, 2, 2], s=np.array([1, 1, 2**40, 2], I64)),
        "required",
    ),
    "Reshape to -1 twice": (lambda: plain(node("Reshape", "xs", "y"), s=np.array([-1, -1], I64)), "Reshape"),
    "Split into 3 of 2": (lambda: plain(helper.make_node("Split", ["x"], ["y", "z"], num_outputs=3), opset=18), "num_outputs"),
    "Gather past the end": (lambda: produced("Gather", ["c", "i"], c=np.ones(3, np.float32), i=np.array([7], I64)), ""),
    "an equation that never ends": (lambda: plain(helper.make_node("Einsum", ["x"], ["y"], equation=b"\xff\xfe")), "an equation of"),
    "batch dimensions below 0": (
        lambda: plain(helper.make_node("GatherND", ["x", "i"], ["y"], batch_dims=-3), i=np.zeros((1, 1), I64)),
        "batch_dims",
    ),
    "strides of 0": (lambda: attribute_of("Conv", ["x", "w"], strides=[0, 0]), "Conv"),
    "strides of 2^40": (lambda: attribute_of("Conv", ["x", "w"], strides=[2**40, 1]), "Conv"),
    "a kernel of 2^40": (lambda: attribute_of("MaxPool", ["x"], kernel_shape=[2**40, 2**40]), "MaxPool"),
    "groups of 0": (lambda: attribute_of("Conv", ["x", "w"], group=0), "Conv"),
    "dilations of 2^60": (lambda: attribute_of("Conv", ["x", "w"], dilations=[2**60, 2**60]), "Conv"),
    "pads of 2^60": (lambda: attribute_of("Conv", ["x", "w"], pads=[2**60] * 4), "Conv"),
    "a million strides": (lambda: attribute_of("Conv", ["x", "w"], strides=[1] * 1_000_000), "Conv"),
    "a permutation of other axes": (lambda: plain(helper.make_node("Transpose", ["x"], ["y"], perm=[0, 7])), "Transpose"),
    "blocks of 2^40": (lambda: attribute_of("DepthToSpace", ["x"], blocksize=2**40), "DepthToSpace"),
    "scales of a model quantized by nothing": (
        lambda: plain(node("QuantizeLinear", "xs", "q"), node("DequantizeLinear", "qs", "y"), s=np.array(float("nan"), np.float32)),
        "",
    ),
    "sparse indices outside": (lambda: sparse([3, 99]), "out of range"),
    "a sparse tensor of 2^60": (lambda: sparse([0, 1], dims=[2**30, 2**30]), "a shape of at most"),
}


def small() -> bytes:
    return bytes(edited(lambda model: None).SerializeToString())


def bare_loop(model: onnx.ModelProto) -> None:
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("Loop", ["", "", "x"], ["y"], body=onnx.GraphProto(name="b")))


def sparse(indices: list[int], dims: list[int] = [4]) -> onnx.ModelProto:  # noqa: B006
    model = plain(node("Add", "xs", "y"), x=[1])
    stored = model.graph.sparse_initializer.add()
    stored.values.CopyFrom(numpy_helper.from_array(np.ones(len(indices), np.float32), "s"))
    stored.indices.CopyFrom(numpy_helper.from_array(np.array(indices, I64), "at"))
    stored.dims.extend(dims)
    return model


def refusal(model: onnx.ModelProto) -> str:
    """The error's text; nothing where the model is converted."""
    try:
        convert_onnx(model)
    except ConversionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models_are_refused(name: str) -> None:
    make, reason = HOSTILE[name]
    model = make()
    started_s, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = refusal(model)
    assert reason in end
    assert ": " in end or not (end or reason)
    assert time.process_time() - started_s < MOST_S
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_BYTES


def test_loops_in_loops_are_not_all_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them would be 60^3 nodes."""
    monkeypatch.setattr(subgraphs, "MOST_WRITTEN", 500)
    made = convert_onnx(loop(60, 3))
    assert sum(len(graph.operators) for graph in made.subgraphs) < 1000
    assert len(made.subgraphs) > 1


def test_many_large_constants_are_not_all_folded() -> None:
    """Each is below the limit of one constant; all of them together are not."""
    made = convert_onnx(many("ConstantOfShape", 100), ConvertOptions(fold_limit_bytes=1 << 20))
    assert kinds(made)["FILL"] == 1
