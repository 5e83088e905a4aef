"""A small network and data for it, and a way to run commands."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from jitlite.tools.cli import main

CLASSES = 5


def network(batch: int | str = "batch", seed: int = 7) -> onnx.ModelProto:
    """image [batch, 3, 8, 8] → convolution, ReLU, flatten, dense → scores [batch, 5]."""
    rng = np.random.default_rng(seed)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["image", "filter", "offset"], ["features"], "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["features"], ["positive"], "relu"),
        helper.make_node("Flatten", ["positive"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"], "dense", transB=1),
    ]
    initializers = [constant("filter", 16, 3, 3, 3), constant("offset", 16), constant("weights", CLASSES, 256), constant("bias", CLASSES)]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def unsupported_network() -> onnx.ModelProto:
    """Two nodes that have no .tflite form."""
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"], "fine"),
        helper.make_node("Coins", ["positive"], ["coins"], "first_culprit", domain="com.example"),
        helper.make_node("Noise", ["x"], ["noise"], "second_culprit", domain="com.example"),
        helper.make_node("Add", ["coins", "noise"], ["y"], "sum"),
    ]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in ("x", "y")]
    return helper.make_model(
        helper.make_graph(nodes, "g", value[:1], value[1:]),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)],
        ir_version=10,
    )


def images(count: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0, 1, (count, 3, 8, 8)).astype(np.float32)


@dataclass(frozen=True)
class Files:
    """The network as files; tests only read them."""

    onnx: Path
    float32: Path
    int8: Path
    samples: Path


def invoke(*arguments: object) -> Result:
    """Runs `jitlite ARGUMENTS` in this process; an exception that would be a traceback fails the test."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def succeed(*arguments: object) -> Result:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    return result


def parsed(*arguments: object) -> Any:
    """The JSON that a command prints; nothing else may be on stdout."""
    return json.loads(succeed(*arguments, "--json").stdout)


def fail(*arguments: object, code: int = 1) -> str:
    """The message of a command that fails as it should: nothing on stdout, no traceback on stderr."""
    result = invoke(*arguments)
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    assert "Error: " in result.stderr
    return result.stderr
