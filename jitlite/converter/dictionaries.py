"""ZipMap, with which exports of scikit-learn give probabilities as dictionaries: the format has tensors alone."""

import onnx
from onnx import TensorProto, helper

ANY_OPSET = 13
"""Of the standard's operators, in a model that uses none of them."""


def dictionaries_as_tensors(model: onnx.ModelProto) -> None:
    """Replaces, in place, the dictionaries among a model's outputs by the tensors they are made of, FLOAT (rows, classes): the columns
    stand in the order of ZipMap's classes. Others than outputs are left alone.
    """
    outputs = {info.name: info for info in model.graph.output}
    replaced = [node for node in model.graph.node if _is_zip(node) and node.output[0] in outputs]
    for node in replaced:
        name = node.output[0]
        node.CopyFrom(helper.make_node("Identity", [node.input[0]], [name], name=node.name))
        outputs[name].type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    if replaced and all(entry.domain not in ("", "ai.onnx") for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", ANY_OPSET))


def _is_zip(node: onnx.NodeProto) -> bool:
    return (node.domain, node.op_type) == ("ai.onnx.ml", "ZipMap")
