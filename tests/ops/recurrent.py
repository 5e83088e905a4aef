"""Runs recurrent operators for several invokes, with state, in LiteRT and in jitlite."""

from dataclasses import replace

import numpy as np
from ai_edge_litert.interpreter import Interpreter as LiteRT

from jitlite.interpreter import Interpreter
from jitlite.schemas.tables import QuantizationParameters, Tensor
from jitlite.schemas.write import write_model
from tests.ops.execution import assert_close, run
from tests.ops.oracle import REFERENCE, build, operand, random_values


def variable(type, shape, scale=None, zero_point=0):
    """An operand that keeps its value from run to run."""
    return replace(operand(type, shape, scale, zero_point), is_variable=True)


def with_intermediates(model, types, parameters):
    """The model with tensors for intermediate results of its one operator, by type and (scale, zero point)."""
    graph = model.subgraphs[0]
    for kind, (scale, zero_point) in zip(types, parameters, strict=True):
        quantization = QuantizationParameters(scale=[float(np.float32(scale))], zero_point=[zero_point])
        graph.operators[0].intermediates.append(len(graph.tensors))
        graph.tensors.append(Tensor(shape=[], type=kind, name=f"between{len(graph.tensors)}", quantization=quantization))
    return model


def check_runs(spec, options, inputs, outputs, *, runs=4, tolerance=1e-4, between=((), ()), seed=0, low=-2.0, high=2.0, version=None):
    """Asserts that outputs agree in each of several runs, after a reset of variables too, and that threads change nothing."""
    content = write_model(with_intermediates(build(spec, options, inputs, outputs, version), *between))
    lite = LiteRT(model_content=content, experimental_op_resolver_type=REFERENCE, num_threads=1)
    ours = Interpreter(model_content=content)
    lite.allocate_tensors()
    ours.allocate_tensors()
    rng = np.random.default_rng(seed)
    given = [item for item in inputs if item is not None and item.value is None and not item.is_variable]
    for number in range(runs):
        feeds = [random_values(replace(item, low=low, high=high) if item.low is None else item, rng) for item in given]
        for detail, value in zip(lite.get_input_details(), feeds, strict=True):
            lite.set_tensor(detail["index"], value)
            ours.set_tensor(detail["index"], value)
        lite.invoke()
        ours.invoke()
        found = [ours.get_tensor(detail["index"]) for detail in ours.get_output_details()]
        for detail, one in zip(lite.get_output_details(), found, strict=True):
            assert_close(one, lite.get_tensor(detail["index"]), tolerance, 1.0)
        if number == 0:
            for one, shared in zip(found, run(content, feeds, 3), strict=True):
                assert one.tobytes() == shared.tobytes()
        if number == runs - 2:
            lite.reset_all_variables()
            ours.reset_all_variables()
    return found
