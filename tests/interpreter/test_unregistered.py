"""Builtin operators that LiteRT's CPU runtime does not register: both refuse a model that has one, and name it."""

import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.spec import load_specs
from jitlite.schemas.tables import BuiltinOperator, Operator, TensorType
from tests.interpreter.models import GraphBuilder, content, new_model

UNREGISTERED = [code for code in BuiltinOperator if code not in load_specs() and code is not BuiltinOperator.CUSTOM]


def model_of(*codes: BuiltinOperator, type: TensorType = TensorType.FLOAT32) -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    x = g.input((2,), type)
    for number, code in enumerate(codes):
        model.operator_codes.append(new_operator_code(code))
        y = g.tensor((2,), type)
        g.graph.operators.append(Operator(opcode_index=number, inputs=[x], outputs=[y]))
        x = y
    g.finish(x)
    return content(model)


@pytest.mark.parametrize("code", UNREGISTERED, ids=lambda code: code.name)
def test_operators_without_kernels_are_named(code: BuiltinOperator) -> None:
    with pytest.raises(UnsupportedError, match=rf"operator {code.name} version 1 is not supported"):
        Interpreter(model_content=model_of(code)).allocate_tensors()
    for resolver in (OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        with pytest.raises((ValueError, RuntimeError)):
            LiteRT(model_content=model_of(code), experimental_op_resolver_type=resolver).allocate_tensors()


def test_all_of_a_model_are_named_at_once() -> None:
    with pytest.raises(UnsupportedError) as caught:
        Interpreter(
            model_content=model_of(BuiltinOperator.CALL, BuiltinOperator.CONCAT_EMBEDDINGS, BuiltinOperator.DELEGATE)
        ).allocate_tensors()
    assert [line.split("operator ")[2].split()[0] for line in str(caught.value).splitlines()] == ["CALL", "CONCAT_EMBEDDINGS", "DELEGATE"]
