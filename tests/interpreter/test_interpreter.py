"""The public class against LiteRT's: same names, same details, same behaviour."""

import copy
import inspect

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType as LiteRTResolver

from jitlite.interpreter import Interpreter, OpResolverType
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.conversion import DEQUANTIZE, QUANTIZE
from jitlite.schemas.ops.elementwise import ADD, MUL, NEG
from jitlite.schemas.ops.rnn import RNN
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import ActivationFunctionType as A
from jitlite.schemas.tables import (
    AddOptions,
    MulOptions,
    NegOptions,
    QuantizationParameters,
    RNNOptions,
    SignatureDef,
    TensorMap,
    TensorType,
)
from tests.interpreter.models import GraphBuilder, content, new_model


def two_input_model() -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    x, y = g.input((1, 3)), g.input((1, 3))
    g.graph.tensors[x].shape_signature = [-1, 3]
    g.graph.tensors[y].shape_signature = [-1, 3]
    total = g.op(ADD, [x, y], [g.tensor((1, 3), shape_signature=[-1, 3])], AddOptions())
    result = g.op(MUL, [total, g.constant([1, 2, 3])], [g.tensor((1, 3), shape_signature=[-1, 3])], MulOptions())
    g.finish(result)
    inputs = [TensorMap(name="left", tensor_index=x), TensorMap(name="right", tensor_index=y)]
    model.signature_defs = [
        SignatureDef(signature_key="serving_default", inputs=inputs, outputs=[TensorMap(name="result", tensor_index=result)])
    ]
    return content(model)


def assert_same_details(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, expected in theirs.items():
        if isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(ours[key], expected)
            assert ours[key].dtype == expected.dtype
        elif isinstance(expected, dict) and key == "quantization_parameters":
            for part, value in expected.items():
                np.testing.assert_array_equal(ours[key][part], value)
        else:
            assert ours[key] == expected, key


CORPUS_MODELS = ["t0552_pretrainedresnet", "t0553_vww_96_int8", "t0353_micro_speech_quantized"]


@pytest.mark.parametrize("name", CORPUS_MODELS)
def test_details_are_litert_s(corpus, name):
    path = str(corpus / "models" / f"{name}.tflite")
    ours, theirs = Interpreter(path), LiteRT(path, experimental_op_resolver_type=LiteRTResolver.BUILTIN_REF)
    ours.allocate_tensors()
    theirs.allocate_tensors()
    pairs = [(ours.get_input_details(), theirs.get_input_details()), (ours.get_output_details(), theirs.get_output_details())]
    pairs.append((ours.get_tensor_details(), theirs.get_tensor_details()[: len(ours.get_tensor_details())]))
    for mine, other in pairs:
        assert len(mine) == len(other)
        for left, right in zip(mine, other):
            assert_same_details(left, right)
    assert ours.get_signature_list() == theirs.get_signature_list()
    assert ours.num_subgraphs() == theirs.num_subgraphs()
    for mine, other in zip(ours._get_ops_details(), theirs._get_ops_details(), strict=True):
        assert_same_details(mine, other)


def test_the_constructor_takes_what_litert_s_takes():
    ours, theirs = (inspect.signature(made.__init__).parameters for made in (Interpreter, LiteRT))
    for (name, mine), (wanted, other) in zip(ours.items(), theirs.items(), strict=False):
        assert name == wanted
        assert str(mine.default) == str(other.default)


def test_a_signature_without_inputs_runs():
    model = new_model()
    g = GraphBuilder(model)
    total = g.op(ADD, [g.constant([1, 2]), g.constant([3, 4])], [g.tensor((2,))], AddOptions())
    g.finish(total)
    model.signature_defs = [SignatureDef(signature_key="only", outputs=[TensorMap(name="total", tensor_index=total)])]
    assert Interpreter(model_content=content(model)).get_signature_runner()()["total"].tolist() == [4, 6]


def test_other_subgraphs_tensors_can_be_read():
    model = read_model(two_input_model())
    model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))
    second = copy.deepcopy(model.signature_defs[0])
    second.signature_key, second.subgraph_index = "second", 1
    model.signature_defs.append(second)
    results = []
    for made in (Interpreter, LiteRT):
        interpreter = made(model_content=content(model))
        runner = interpreter.get_signature_runner("second")
        runner(left=np.full((1, 3), 2, np.float32), right=np.ones((1, 3), np.float32))
        index = runner.get_output_details()["result"]["index"]
        results.append(interpreter.get_tensor(index, 1))
        assert [detail["name"] for detail in interpreter.get_tensor_details(1)[: index + 1]]
    np.testing.assert_array_equal(*results)
    interpreter = Interpreter(model_content=content(model))
    with pytest.raises(ValueError, match="subgraph_index: below 2 is required, found 2"):
        interpreter.get_tensor(0, 2)


def script(make):
    """What a script written for LiteRT does."""
    interpreter = make(model_content=two_input_model())
    interpreter.allocate_tensors()
    left, right = (detail["index"] for detail in interpreter.get_input_details())
    out = interpreter.get_output_details()[0]["index"]
    interpreter.set_tensor(left, np.array([[1, 2, 3]], np.float32))
    interpreter.tensor(right)()[:] = 10
    interpreter.invoke()
    results = [interpreter.get_tensor(out), interpreter.tensor(out)().copy()]
    for index in (left, right):
        interpreter.resize_tensor_input(index, [2, 3])
    interpreter.allocate_tensors()
    interpreter.set_tensor(left, np.arange(6, dtype=np.float32).reshape(2, 3))
    interpreter.set_tensor(right, np.ones((2, 3), np.float32))
    interpreter.invoke()
    results.append(interpreter.get_tensor(out))
    runner = interpreter.get_signature_runner("serving_default")
    results.append(runner(left=np.ones((1, 3), np.float32), right=np.zeros((1, 3), np.float32))["result"])
    results.append(runner(left=np.ones((4, 3), np.float32), right=np.zeros((4, 3), np.float32))["result"])
    return results, runner.get_input_details().keys(), runner.get_output_details().keys(), interpreter.get_signature_list()


def test_a_litert_script_runs_after_changing_the_import():
    ours, theirs = script(Interpreter), script(LiteRT)
    for mine, other in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert ours[1:] == theirs[1:]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((1, 3), np.float64), "float32 of shape"),
        (np.zeros((1, 4), np.float32), "found float32 of shape"),
        (np.zeros(3, np.float32), "is required"),
    ],
)
def test_set_tensor_refuses_what_does_not_fit(value, message):
    interpreter = Interpreter(model_content=two_input_model())
    interpreter.allocate_tensors()
    with pytest.raises(ValueError, match=message):
        interpreter.set_tensor(0, value)


def test_misuse_is_told():
    interpreter = Interpreter(model_content=two_input_model())
    with pytest.raises(RuntimeError, match="allocate_tensors"):
        interpreter.invoke()
    with pytest.raises(ValueError, match="one of the inputs"):
        interpreter.resize_tensor_input(2, [1])
    for size in (-1, 2**31):
        with pytest.raises(ValueError, match=f"sizes from 0 to {2**31 - 1} are required, found .*{size}"):
            interpreter.resize_tensor_input(0, [1, size])
    with pytest.raises(ValueError, match="fits"):
        interpreter.resize_tensor_input(0, [1, 4], strict=True)
    interpreter.allocate_tensors()
    with pytest.raises(ValueError, match="index below"):
        interpreter.get_tensor(99)
    with pytest.raises(ValueError, match="serving_default"):
        interpreter.get_signature_runner("other")
    with pytest.raises(ValueError, match="inputs \\['left', 'right'\\] are required"):
        interpreter.get_signature_runner()(left=np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="num_threads"):
        Interpreter(model_content=two_input_model(), num_threads=0)
    with pytest.raises(ValueError, match="either model_path or model_content"):
        Interpreter()
    with pytest.raises(TypeError, match="delegates"):
        Interpreter(model_content=two_input_model(), experimental_delegates=[object()])


def test_shapes_that_do_not_broadcast_are_refused_at_allocation():
    interpreter = Interpreter(model_content=two_input_model())
    interpreter.resize_tensor_input(0, [2, 4])
    with pytest.raises(InvalidModelError, match="subgraph 0, operator 0"):
        interpreter.allocate_tensors()


def test_intermediates_are_kept_on_request_and_change_nothing(corpus):
    path = str(corpus / "models" / "t0552_pretrainedresnet.tflite")
    plain, keeping = (
        Interpreter(path),
        Interpreter(path, experimental_preserve_all_tensors=True, experimental_op_resolver_type=OpResolverType.BUILTIN_REF),
    )
    reference = LiteRT(path, experimental_op_resolver_type=LiteRTResolver.BUILTIN_REF, experimental_preserve_all_tensors=True)
    x = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    for interpreter in (plain, keeping, reference):
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
    out = plain.get_output_details()[0]["index"]
    assert plain.get_tensor(out).tobytes() == keeping.get_tensor(out).tobytes()
    for op in keeping.model.subgraphs[0].operators:
        expected = reference.get_tensor(op.outputs[0])
        np.testing.assert_allclose(keeping.get_tensor(op.outputs[0]), expected, atol=1e-4 * max(1e-6, np.abs(expected).max()))


def test_variables_keep_their_values_between_runs_until_they_are_reset():
    model = new_model()
    g = GraphBuilder(model)
    total = g.tensor((2,), is_variable=True)
    g.finish(g.op(ADD, [g.input((2,)), total], [g.tensor((2,))], AddOptions()))
    interpreter = Interpreter(model_content=content(model))
    interpreter.allocate_tensors()
    interpreter.tensor(total)()[:] = [5, 7]
    interpreter.set_tensor(1, np.array([1, 2], np.float32))
    for _ in range(2):
        interpreter.invoke()
        assert interpreter.get_tensor(2).tolist() == [6.0, 9.0]
    interpreter.reset_all_variables()
    interpreter.invoke()
    assert interpreter.get_tensor(2).tolist() == [1.0, 2.0]


def test_a_variable_that_a_dequantize_sets_starts_with_that_value():
    """What the converter writes before recurrent operators of models of half floats."""
    model = new_model()
    g = GraphBuilder(model)
    x, state = g.input((2, 3)), g.tensor((2, 4), is_variable=True)
    g.op(DEQUANTIZE, [g.constant([[0.5, 0, -0.25, 1], [0, 0, 2, 0]], np.float16)], [state])
    rng = np.random.default_rng(0)
    weights, recurrent, bias = (g.constant(rng.uniform(-1, 1, shape)) for shape in ((4, 3), (4, 4), (4,)))
    g.finish(g.op(RNN, [x, weights, recurrent, bias, state], [g.tensor((2, 4))], RNNOptions(fused_activation_function=A.TANH)))
    ours = Interpreter(model_content=content(model))
    theirs = LiteRT(model_content=content(model), experimental_op_resolver_type=LiteRTResolver.BUILTIN_REF)
    for number in range(6):
        found = []
        for interpreter in (ours, theirs):
            if number in (0, 4):
                interpreter.allocate_tensors()
            if number == 3:
                interpreter.reset_all_variables()
            interpreter.set_tensor(x, np.full((2, 3), number / 4, np.float32))
            interpreter.invoke()
            found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
        np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_an_output_without_elements_needs_no_operator():
    model = new_model()
    g = GraphBuilder(model)
    g.input((0, 3))
    g.finish(g.tensor((0, 3)))
    interpreter = Interpreter(model_content=content(model))
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert interpreter.get_tensor(1).shape == (0, 3)


def test_a_negation_of_int16_whose_result_the_file_calls_float32():
    """What the converter writes with INT16 activations: LiteRT takes the operand's type, and the scale that is not there for 0."""
    model = new_model()
    g = GraphBuilder(model)
    scaled = [QuantizationParameters(scale=[scale], zero_point=[0]) for scale in (0.001, 0.002)]
    x = g.tensor((2, 3), TensorType.INT16, quantization=scaled[0])
    g.graph.inputs.append(x)
    negated = g.op(NEG, [x], [g.tensor((2, 3))], NegOptions())
    y = g.op(QUANTIZE, [negated], [g.tensor((2, 3), TensorType.INT16, quantization=scaled[1])])
    g.finish(negated, y)
    value = np.array([[5, -7, 0], [32767, -32768, 1]], np.int16)
    found = []
    for kind, options in ((Interpreter, {}), (LiteRT, {"experimental_op_resolver_type": LiteRTResolver.BUILTIN_REF})):
        interpreter = kind(model_content=content(model), **options)
        interpreter.allocate_tensors()
        interpreter.set_tensor(x, value)
        interpreter.invoke()
        found.append([interpreter.get_tensor(index) for index in (negated, y)])
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_a_signature_may_call_an_intermediate_result_an_output():
    """What the converter's older quantizer writes: it adds a DEQUANTIZE behind the outputs and leaves signatures as they were."""
    model = new_model()
    g = GraphBuilder(model)
    x = g.input((2, 3))
    total = g.op(ADD, [x, x], [g.tensor((2, 3))], AddOptions())
    g.finish(g.op(MUL, [total, total], [g.tensor((2, 3))], MulOptions()))
    named = [TensorMap(name="x", tensor_index=x)], [TensorMap(name="total", tensor_index=total)]
    model.signature_defs = [SignatureDef(signature_key="serving_default", inputs=named[0], outputs=named[1])]
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    theirs = LiteRT(model_content=content(model), experimental_op_resolver_type=LiteRTResolver.BUILTIN_REF)
    for interpreter in (Interpreter(model_content=content(model)), theirs):
        np.testing.assert_array_equal(interpreter.get_signature_runner()(x=value)["total"], value * 2)


def test_a_negation_whose_result_the_file_calls_packed():
    model = new_model()
    g = GraphBuilder(model)
    g.finish(g.op(NEG, [g.input(())], [g.tensor((), TensorType.UINT4)], NegOptions()))
    interpreter = Interpreter(model_content=content(model))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.float32(2.5))
    interpreter.invoke()
    assert interpreter.get_tensor(1) == np.float32(-2.5)
    assert interpreter.get_output_details()[0]["dtype"] is np.float32


def test_details_of_zero_points_without_scales():
    model = new_model()
    g = GraphBuilder(model)
    x = g.tensor((2,), quantization=QuantizationParameters(zero_point=[2**62 + 3]))
    g.graph.inputs.append(x)
    g.finish(g.op(ADD, [x, x], [g.tensor((2,))], AddOptions()))
    interpreter = Interpreter(model_content=content(model))
    assert interpreter.get_input_details()[0]["quantization_parameters"]["zero_points"].tolist() == [3]
