"""LiteRT as the runner that calibration is given, and as the judge of quantized models."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from jitlite.schemas.tables import Model
from jitlite.schemas.write import write_model

Array = NDArray[Any]


REFERENCE = OpResolverType.BUILTIN_REF
OPTIMIZED = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def interpreter(model: Model, kernels: OpResolverType = REFERENCE, preserve_all: bool = False) -> Interpreter:
    return Interpreter(
        model_content=write_model(model),
        experimental_op_resolver_type=kernels,
        experimental_preserve_all_tensors=preserve_all,
        num_threads=1,
    )


def run(
    model: Model, feeds: Iterable[Mapping[str, Array]], indices: Sequence[int], kernels: OpResolverType = REFERENCE
) -> Iterator[list[Array]]:
    """A `jitlite.quantization.Runner`."""
    engine = interpreter(model, kernels, preserve_all=True)
    by_name = {model.subgraphs[0].tensors[index].name: index for index in model.subgraphs[0].inputs}
    details = {entry["index"]: entry for entry in engine.get_input_details()}
    engine.allocate_tensors()
    for feed in feeds:
        for name, value in feed.items():
            index = by_name[name]
            if tuple(details[index]["shape"]) != value.shape:
                engine.resize_tensor_input(index, value.shape)
                engine.allocate_tensors()
                details = {entry["index"]: entry for entry in engine.get_input_details()}
        for name, value in feed.items():
            engine.set_tensor(by_name[name], value)
        engine.invoke()
        yield [engine.get_tensor(index) for index in indices]


def run_optimized(model: Model, feeds: Iterable[Mapping[str, Array]], indices: Sequence[int]) -> Iterator[list[Array]]:
    """A `Runner` on the optimized kernels, for what the reference ones lack."""
    return run(model, feeds, indices, OPTIMIZED)


def outputs(model: Model, feed: Mapping[str, Array]) -> list[Array]:
    return next(run(model, [feed], model.subgraphs[0].outputs))


def outputs_by_default(model: Model, feed: Mapping[str, Array]) -> list[Array]:
    """Outputs of the default kernels, with the delegate LiteRT adds by itself."""
    engine = Interpreter(model_content=write_model(model), num_threads=1)
    engine.allocate_tensors()
    by_name = {model.subgraphs[0].tensors[index].name: index for index in model.subgraphs[0].inputs}
    for name, value in feed.items():
        engine.set_tensor(by_name[name], value)
    engine.invoke()
    return [engine.get_tensor(entry["index"]) for entry in engine.get_output_details()]


def random_feeds(model: Model, count: int, seed: int = 0) -> list[dict[str, Array]]:
    """Samples for the main subgraph's inputs: floats uniform in [-1, 1], integers and bools small."""
    generator = np.random.default_rng(seed)
    tensors = [model.subgraphs[0].tensors[index] for index in model.subgraphs[0].inputs]
    return [
        {
            tensor.name: (
                generator.uniform(-1, 1, tensor.shape).astype(np.float32)
                if tensor.type.name == "FLOAT32"
                else generator.integers(0, 2, tensor.shape).astype(tensor.type.name.lower())
            )
            for tensor in tensors
        }
        for _ in range(count)
    ]
