import numpy as np
import pytest

from jitlite import Interpreter
from jitlite.schemas import Model, verify, write_model
from jitlite.schemas.merge import merge_models
from jitlite.schemas.model import new_operator_code, operator_name
from jitlite.schemas.tables import (
    AddOptions,
    Buffer,
    BuiltinOperator,
    IfOptions,
    Metadata,
    Operator,
    SignatureDef,
    SubGraph,
    Tensor,
    TensorMap,
    TensorType,
)

WEIGHTS = np.arange(4, dtype=np.float32)


def graph(name: str, *operators: Operator, shape: tuple[int, ...] = (4,)) -> SubGraph:
    """x and the constant w → y."""
    tensors = [Tensor(shape=list(shape), name=label) for label in ("x", "w", "y")]
    tensors[1].buffer = 2
    return SubGraph(tensors=tensors, inputs=[0], outputs=[2], operators=list(operators), name=name)


def arithmetic(code: BuiltinOperator, weights: np.ndarray = WEIGHTS) -> Model:
    options = AddOptions() if code is BuiltinOperator.ADD else None
    main = graph("main", Operator(opcode_index=0, inputs=[0, 1], outputs=[2], builtin_options=options))
    return Model(
        version=3,
        operator_codes=[new_operator_code(code)],
        subgraphs=[main],
        description="a test",
        buffers=[Buffer(), Buffer(), Buffer(data=weights.tobytes())],
        signature_defs=[signature(main)],
    )


def signature(main: SubGraph) -> SignatureDef:
    maps = [[TensorMap(name=main.tensors[index].name, tensor_index=index) for index in edge] for edge in (main.inputs, main.outputs)]
    return SignatureDef(inputs=maps[0], outputs=maps[1], signature_key="serving_default")


def branching() -> Model:
    """Y = x + w where the flag is set, else x - w."""
    main = SubGraph(
        tensors=[Tensor(shape=[], type=TensorType.BOOL, name="flag"), Tensor(shape=[4], name="x"), Tensor(shape=[4], name="y")],
        inputs=[0, 1],
        outputs=[2],
        operators=[
            Operator(opcode_index=0, inputs=[0, 1], outputs=[2], builtin_options=IfOptions(then_subgraph_index=1, else_subgraph_index=2))
        ],
    )
    branches = [graph(str(code), Operator(opcode_index=code, inputs=[0, 1], outputs=[2])) for code in (1, 2)]
    codes = [new_operator_code(code) for code in (BuiltinOperator.IF, BuiltinOperator.ADD, BuiltinOperator.SUB)]
    buffers = [Buffer(), Buffer(), Buffer(data=WEIGHTS.tobytes())]
    return Model(version=3, operator_codes=codes, subgraphs=[main, *branches], buffers=buffers, signature_defs=[signature(main)])


def run(model: Model, key: str, **feed: np.ndarray) -> np.ndarray:
    return Interpreter(model_content=write_model(model)).get_signature_runner(key)(**feed)["y"]


def test_signatures_share_what_is_equal():
    first, second = arithmetic(BuiltinOperator.ADD), arithmetic(BuiltinOperator.MUL)
    before = write_model(first)
    found = verify(merge_models({"sum": first, "product": second, "again": first}))
    assert [entry.signature_key for entry in found.signature_defs] == ["sum", "product", "again"]
    assert [entry.subgraph_index for entry in found.signature_defs] == [0, 1, 2]
    assert [subgraph.name for subgraph in found.subgraphs] == ["sum", "product", "again"]
    assert [operator_name(found, subgraph.operators[0]) for subgraph in found.subgraphs] == ["ADD", "MUL", "ADD"]
    assert len(found.operator_codes) == 2
    assert [bytes(buffer.data) for buffer in found.buffers].count(WEIGHTS.tobytes()) == 1
    assert [entry.name for entry in found.metadata] == ["min_runtime_version"]
    assert write_model(first) == before
    x = np.full(4, 3, np.float32)
    np.testing.assert_array_equal(run(found, "sum", x=x), x + WEIGHTS)
    np.testing.assert_array_equal(run(found, "product", x=x), x * WEIGHTS)


def test_branches_are_found_behind_other_signatures():
    found = verify(merge_models({"sum": arithmetic(BuiltinOperator.ADD), "choice": branching()}))
    assert [entry.subgraph_index for entry in found.signature_defs] == [0, 1]
    options = found.subgraphs[1].operators[0].builtin_options
    assert (options.then_subgraph_index, options.else_subgraph_index) == (2, 3)
    x = np.full(4, 3, np.float32)
    for flag, wanted in ((True, x + WEIGHTS), (False, x - WEIGHTS)):
        np.testing.assert_array_equal(run(found, "choice", flag=np.array(flag), x=x), wanted)


def test_other_weights_stay_apart():
    found = merge_models({"a": arithmetic(BuiltinOperator.ADD), "b": arithmetic(BuiltinOperator.ADD, WEIGHTS + 1)})
    x = np.zeros(4, np.float32)
    np.testing.assert_array_equal(run(found, "b", x=x) - run(found, "a", x=x), np.ones(4, np.float32))


def labelled(text: bytes) -> Model:
    model = arithmetic(BuiltinOperator.ADD)
    model.buffers.append(Buffer(data=text))
    model.metadata.append(Metadata(name="labels", buffer=3))
    return model


def test_metadata_are_stored_once():
    found = merge_models({"a": labelled(b"cat dog"), "b": labelled(b"cat dog"), "c": arithmetic(BuiltinOperator.ADD)})
    (entry,) = [entry for entry in found.metadata if entry.name == "labels"]
    assert found.buffers[entry.buffer].data == b"cat dog"


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({}, "at least one model is required"),
        ({"a": Model(version=3)}, "one signature is required of the model for 'a', found 0"),
        ({"a": labelled(b"cat"), "b": labelled(b"dog")}, "equal metadata 'labels' of all models are required, found others for 'b'"),
    ],
)
def test_models_that_do_not_go_together(models: dict[str, Model], message: str):
    with pytest.raises(ValueError, match=message):
        merge_models(models)
