"""LiteRT and jitlite on one model, call by call, for what the operator oracle does not do: strings, state, several runs."""

from typing import Any

from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType
from numpy.typing import NDArray

from jitlite.interpreter import Interpreter

Pair = list[Any]


def allocated(model: bytes, resolver: OpResolverType = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, **options: Any) -> Pair:
    """LiteRT's interpreter and ours, with these options, ready to run the model."""
    both = [LiteRT(model_content=model, experimental_op_resolver_type=resolver), Interpreter(model_content=model, **options)]
    for interpreter in both:
        interpreter.allocate_tensors()
    return both


def step(interpreter: Any, *feeds: Any) -> list[NDArray[Any]]:
    """The outputs of one run on these inputs."""
    for detail, value in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def agree(both: Pair, *feeds: Any) -> list[NDArray[Any]]:
    """Our outputs of one run, asserted to equal LiteRT's."""
    expected, found = (step(interpreter, *feeds) for interpreter in both)
    for one, other in zip(expected, found, strict=True):
        assert (other.dtype, other.shape) == (one.dtype, one.shape)
        assert other.tolist() == one.tolist()
    return found
