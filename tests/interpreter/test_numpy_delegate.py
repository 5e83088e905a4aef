"""The delegate `numpy` against LiteRT's reference kernels, operator by operator, and against the CPU on whole models."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.registry
from jitlite.interpreter import Interpreter, load_delegate
from jitlite.interpreter.delegates import DelegateWarning
from jitlite.interpreter.delegates.numpy_delegate import NumpyDelegate
from jitlite.interpreter.delegates.numpy_functions import FUNCTIONS
from jitlite.interpreter.delegates.report import explain
from jitlite.schemas.errors import JitliteError, UnsupportedError
from jitlite.schemas.ops.spec import load_specs
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BatchMatMulOptions,
    ConcatenationOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    LeakyReluOptions,
    PackOptions,
    Padding,
    Pool2DOptions,
    ReducerOptions,
    ReshapeOptions,
    SoftmaxOptions,
    SplitOptions,
    SqueezeOptions,
    TensorType,
)
from jitlite.schemas.write import write_model
from tests.conftest import CORPUS
from tests.interpreter.test_delegates import ADD, Chain
from tests.interpreter.test_program import run
from tests.ops.oracle import OPTIMIZED, REFERENCE, build, constant, operand, random_values, reference, result

SPECS = {spec.name: spec for spec in load_specs().values()}
jitlite.interpreter.registry.load_bindings()
A, T = ActivationFunctionType, TensorType
SAME, VALID = Padding.SAME, Padding.VALID


def floats(*shape, low=-5, high=5):
    return operand(T.FLOAT32, shape, low=low, high=high)


def fixed(*shape, seed=1):
    return operand(T.FLOAT32, shape, value=np.random.default_rng(seed).normal(0, 1, shape))


def ints(*values):
    return constant(np.array(values, np.int32))


def conv(padding=SAME, stride=(1, 1), dilation=(1, 1), activation=A.NONE):
    fields = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1], "fused_activation_function": activation}
    return Conv2DOptions(**fields, dilation_h_factor=dilation[0], dilation_w_factor=dilation[1])


def depthwise(multiplier, **fields):
    plain = conv(**fields)
    names = ("padding", "stride_h", "stride_w", "fused_activation_function", "dilation_h_factor", "dilation_w_factor")
    return DepthwiseConv2DOptions(depth_multiplier=multiplier, **{name: getattr(plain, name) for name in names})


def pool(window, stride, padding=SAME, activation=A.NONE):
    return Pool2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        filter_height=window[0],
        filter_width=window[1],
        fused_activation_function=activation,
    )


def binary(name, left, right, activation=A.NONE):
    """An element-wise operator with an activation where it may have one."""
    spec = SPECS[name]
    chosen = spec.options() if spec.options is not None else None
    if hasattr(chosen, "fused_activation_function"):
        chosen.fused_activation_function = activation
    return name, chosen, [left, right], 1


UNARY = [
    *("ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LOGISTIC", "NEG"),
    *("RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "SIN", "SQUARE", "TANH"),
]
CASES = [
    *((name, SPECS[name].options and SPECS[name].options(), [floats(2, 3, 4)], 1) for name in UNARY),
    *((name, SPECS[name].options and SPECS[name].options(), [floats(2, 3, 4, low=0.1, high=9)], 1) for name in ("LOG", "SQRT", "RSQRT")),
    *(
        binary(name, floats(2, 3, 4), other, activation)
        for name in ("ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "SQUARED_DIFFERENCE", "SUB")
        for other, activation in ((floats(4, low=1), A.RELU), (floats(2, 1, 4, low=1), A.RELU6), (fixed(3, 1), A.RELU_N1_TO_1))
    ),
    ("LEAKY_RELU", LeakyReluOptions(alpha=0.2), [floats(3, 5)], 1),
    ("PRELU", None, [floats(2, 3, 4, 5), fixed(1, 1, 5)], 1),
    ("SOFTMAX", SoftmaxOptions(beta=1.0), [floats(2, 3, 7)], 1),
    ("SOFTMAX", SoftmaxOptions(beta=0.3), [floats(7)], 1),
    ("LOG_SOFTMAX", SPECS["LOG_SOFTMAX"].options and SPECS["LOG_SOFTMAX"].options(), [floats(4, 7)], 1),
    ("CONV_2D", conv(), [floats(2, 9, 8, 3), fixed(5, 3, 3, 3), fixed(5)], 1),
    ("CONV_2D", conv(VALID, (2, 3), (2, 1), A.RELU), [floats(1, 11, 12, 4), fixed(6, 3, 2, 4), fixed(6)], 1),
    ("CONV_2D", conv(activation=A.RELU6), [floats(1, 4, 5, 16), fixed(8, 1, 1, 16), fixed(8)], 1),
    ("CONV_2D", conv(stride=(2, 2)), [floats(2, 7, 7, 8), fixed(6, 3, 3, 4), fixed(6)], 1),
    ("CONV_2D", conv(), [floats(1, 90, 90, 32), fixed(4, 5, 5, 32), fixed(4)], 1),
    ("CONV_2D", conv(), [floats(1, 3, 9, 30_000), fixed(2, 3, 3, 30_000), fixed(2)], 1),
    ("CONV_2D", conv(), [floats(1, 6, 6, 2), floats(3, 3, 3, 2), floats(3)], 1),
    ("DEPTHWISE_CONV_2D", depthwise(1), [floats(2, 9, 8, 5), fixed(1, 3, 3, 5), fixed(5)], 1),
    ("DEPTHWISE_CONV_2D", depthwise(2, stride=(2, 2), activation=A.RELU), [floats(1, 9, 8, 3), fixed(1, 3, 5, 6), fixed(6)], 1),
    ("DEPTHWISE_CONV_2D", depthwise(1, padding=VALID, dilation=(2, 2)), [floats(1, 9, 9, 4), fixed(1, 3, 3, 4), fixed(4)], 1),
    ("MAX_POOL_2D", pool((3, 3), (2, 2)), [floats(2, 7, 9, 4)], 1),
    ("MAX_POOL_2D", pool((2, 3), (1, 2), VALID, A.RELU), [floats(1, 7, 9, 4)], 1),
    ("AVERAGE_POOL_2D", pool((3, 3), (2, 2)), [floats(2, 7, 9, 4)], 1),
    ("AVERAGE_POOL_2D", pool((2, 2), (5, 4), VALID), [floats(1, 9, 9, 3)], 1),
    ("FULLY_CONNECTED", FullyConnectedOptions(fused_activation_function=A.RELU), [floats(3, 2, 7), fixed(5, 7), fixed(5)], 1),
    ("FULLY_CONNECTED", FullyConnectedOptions(keep_num_dims=True), [floats(3, 2, 7), fixed(5, 7), None], 1),
    ("BATCH_MATMUL", BatchMatMulOptions(), [floats(2, 3, 4), floats(2, 4, 5)], 1),
    ("BATCH_MATMUL", BatchMatMulOptions(adj_x=True, adj_y=True), [floats(2, 1, 4, 3), floats(3, 5, 4)], 1),
    ("RESHAPE", ReshapeOptions(new_shape=[4, 6]), [floats(2, 3, 4), ints(4, 6)], 1),
    ("SQUEEZE", SqueezeOptions(squeeze_dims=[1]), [floats(2, 1, 4)], 1),
    ("EXPAND_DIMS", SPECS["EXPAND_DIMS"].options and SPECS["EXPAND_DIMS"].options(), [floats(2, 4), ints(1)], 1),
    ("TRANSPOSE", SPECS["TRANSPOSE"].options(), [floats(2, 3, 4), ints(2, 0, 1)], 1),
    ("CONCATENATION", ConcatenationOptions(axis=-1), [floats(2, 3), floats(2, 4), fixed(2, 1)], 1),
    ("PACK", PackOptions(values_count=2, axis=1), [floats(2, 3), floats(2, 3)], 1),
    ("SPLIT", SplitOptions(num_splits=3), [constant(np.int32(1)), floats(2, 6)], 3),
    ("SLICE", SPECS["SLICE"].options and SPECS["SLICE"].options(), [floats(3, 4, 5), ints(1, 0, 2), ints(2, -1, 3)], 1),
    ("PAD", SPECS["PAD"].options and SPECS["PAD"].options(), [floats(2, 3), ints((1, 0), (2, 3))], 1),
    ("PADV2", SPECS["PADV2"].options and SPECS["PADV2"].options(), [floats(2, 3), ints((1, 0), (2, 3)), fixed(1)], 1),
    *(
        (name, ReducerOptions(keep_dims=keeps), [floats(2, 3, 4, 5), ints(*axes)], 1)
        for name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
        for keeps, axes in ((True, (1, 2)), (False, (-1,)), (False, (0, 1, 2, 3)))
    ),
]


def check(name, options, inputs, count):
    spec = SPECS[name]
    model = build(spec, options, inputs, [result(T.FLOAT32)] * count)
    content = write_model(model)
    report = explain(model, [NumpyDelegate()])
    assert report["left"] == []
    rng = np.random.default_rng(0)
    feeds = [random_values(item, rng) for item in inputs if item is not None and item.value is None]
    expected = reference(content, feeds, OPTIMIZED if name in ("CEIL", "ELU") else REFERENCE)
    interpreter = Interpreter(model_content=content, experimental_delegates=[NumpyDelegate()])
    interpreter.allocate_tensors()
    for _ in range(2):
        for detail, value in zip(interpreter.get_input_details(), feeds, strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        for detail, wanted in zip(interpreter.get_output_details(), expected, strict=True):
            found = interpreter.get_tensor(detail["index"])
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5 * max(1e-3, float(np.abs(wanted).max(initial=0))))


@pytest.mark.parametrize(("name", "options", "inputs", "count"), CASES, ids=[f"{case[0]}-{place}" for place, case in enumerate(CASES)])
def test_an_operator(name, options, inputs, count):
    check(name, options, inputs, count)


def test_every_function_is_tested():
    assert {case[0] for case in CASES} == FUNCTIONS.keys()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"]),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.booleans(),
)
def test_windows(name, image, window, stride, dilation, is_same):
    reach = [(size - 1) * step + 1 for size, step in zip(window, dilation if name.endswith("CONV_2D") else (1, 1))]
    padding = SAME if is_same or reach[0] > image[0] or reach[1] > image[1] else VALID
    x, channels = floats(1, *image), image[2]
    if name == "CONV_2D":
        check(name, conv(padding, stride, dilation), [x, fixed(3, *window, channels), fixed(3)], 1)
    elif name == "DEPTHWISE_CONV_2D":
        step = (min(stride), min(stride))
        check(name, depthwise(1, padding=padding, stride=step, dilation=dilation), [x, fixed(1, *window, channels), fixed(channels)], 1)
    else:
        check(name, pool(window, stride, padding), [x], 1)


@pytest.mark.parametrize(
    ("name", "options", "inputs", "output", "reason"),
    [
        ("NEG", None, [operand(T.INT32, (3,))], T.INT32, "results of type FLOAT32 are supported, found INT32"),
        ("GELU", SPECS["GELU"].options(), [floats(3)], T.FLOAT32, "it has no function for this operator"),
        ("SOFTMAX", SoftmaxOptions(beta=1.0), [floats(0, 3)], T.FLOAT32, "tensors without elements are left to the CPU"),
        (
            "MAX_POOL_2D",
            pool((65, 64), (1, 1)),
            [floats(1, 4, 4, 1)],
            T.FLOAT32,
            "windows of at most 4096 elements are supported, found 4160",
        ),
        (
            "CONV_2D",
            conv(),
            [floats(3, 2, 2, 2048), fixed(2048, 1, 1, 1), fixed(2048)],
            T.FLOAT32,
            "groups of at most 4096 images are supported, found 6144",
        ),
        (
            "CONV_2D",
            conv(dilation=(1 << 20, 1)),
            [floats(1, 4, 4, 1), fixed(1, 2, 1, 1), fixed(1)],
            T.FLOAT32,
            "windows that reach far beyond the image are not supported, found 1048580×4 for 4×4",
        ),
        (
            "FULLY_CONNECTED",
            FullyConnectedOptions(),
            [floats(3, 4), operand(T.INT8, (2, 4), 0.1, value=np.ones((2, 4)))],
            T.FLOAT32,
            "operands of type FLOAT32 are supported, found INT8",
        ),
    ],
)
def test_what_it_leaves(name, options, inputs, output, reason):
    (left,) = explain(build(SPECS[name], options, inputs, [result(output)]), [NumpyDelegate()])["left"]
    assert left["reasons"] == {"numpy": reason}


def test_memory_in_between_counts():
    c = Chain((8, 8))
    x = c.x
    for _ in range(4):
        x = c.op(ADD, c.op(ADD, x, c.number(1)), c.number(2))
    model = c.done(x)
    interpreter = Interpreter(model_content=model, experimental_delegates=[NumpyDelegate()])
    np.testing.assert_array_equal(run(interpreter, np.ones((8, 8), np.float32))[0], np.full((8, 8), 13))
    at_ends, in_between = 2 * 256, 2 * 256
    assert interpreter._options.memory.used_bytes >= at_ends + in_between
    interpreter = Interpreter(model_content=model, experimental_delegates=[NumpyDelegate()], arena_limit_bytes=in_between - 1)
    with pytest.warns(DelegateWarning, match="at most 511 bytes are allowed"), pytest.raises(UnsupportedError, match="tensor memory"):
        interpreter.allocate_tensors()


def outcome(data, delegates):
    """The kind of error a model ends in, or its results."""
    try:
        interpreter = Interpreter(model_content=data, experimental_delegates=delegates, arena_limit_bytes=1 << 24)
        interpreter.allocate_tensors()
        interpreter.invoke()
        return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
    except JitliteError as error:
        return type(error)


@pytest.mark.filterwarnings("ignore::jitlite.interpreter.delegates.DelegateWarning")
@pytest.mark.parametrize("name", ["CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "PAD", "MEAN", "SPLIT"])
def test_damaged_models_end_as_they_do_without(name):
    _, options, inputs, count = next(case for case in CASES if case[0] == name)
    content, rng = write_model(build(SPECS[name], options, inputs, [result(T.FLOAT32)] * count)), np.random.default_rng(1)
    kinds = set()
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            damaged[place] = rng.choice([0, 1, 2, 127, 255, damaged[place] ^ (1 << rng.integers(8))])
        plain, found = outcome(bytes(damaged), ()), outcome(bytes(damaged), [NumpyDelegate()])
        assert isinstance(plain, list) == isinstance(found, list)
        if isinstance(plain, list):
            assert [item.shape for item in plain] == [item.shape for item in found]
        else:
            assert plain is found
        kinds.add(plain if isinstance(plain, type) else list)
    assert len(kinds) > 1


ANY = 1e9
SMALL = ["t0397_planestrike_tf", "t0437_okay_nabu", "t0573_mobilenet_v2_035_96_embedder_with_metada", "t0879_vww96_f"]


def models(is_small: bool) -> list[tuple[str, float]]:
    """Models of the corpus and how near, as a part of an output's largest value, results must be: models that round floats while they run
    make steps of differences in the last place.
    """
    if not CORPUS.exists():
        return []
    items = [item for item in json.loads((CORPUS / "manifest.json").read_text()) if item["format"] == "tflite"]
    return [
        (item["id"], 1e-3 if item["scheme"].startswith("float") else ANY)
        for item in items
        if (item["id"] in SMALL) == is_small and not item["custom_ops"]
    ]


def agree(path, tolerance):
    plain, delegated = Interpreter(path), Interpreter(path, experimental_delegates=[load_delegate("numpy")])
    rng = np.random.default_rng(0)
    for interpreter in (plain, delegated):
        interpreter.allocate_tensors()
    for detail in plain.get_input_details():
        dtype = np.dtype(detail["dtype"])
        value = rng.standard_normal(detail["shape"]) if dtype.kind == "f" else rng.integers(0, 5, detail["shape"])
        for interpreter in (plain, delegated):
            interpreter.set_tensor(detail["index"], value.astype(dtype))
    for _ in range(2):
        plain.invoke()
        delegated.invoke()
        for detail in plain.get_output_details():
            wanted, found = (interpreter.get_tensor(detail["index"]) for interpreter in (plain, delegated))
            if wanted.dtype.kind == "f":
                assert found.shape == wanted.shape
                np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * max(1e-3, float(np.abs(wanted).max(initial=0))))
            elif tolerance < ANY:
                np.testing.assert_array_equal(found, wanted)
    return delegated


@pytest.mark.parametrize(("name", "tolerance"), models(is_small=True))
def test_a_small_model(corpus, name, tolerance):
    labels = [label for _, label, _ in agree(corpus / "models" / f"{name}.tflite", tolerance).profile()]
    assert any(label.startswith("DELEGATE numpy") for label in labels)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tolerance"), models(is_small=False))
def test_a_model(corpus, name, tolerance):
    agree(corpus / "models" / f"{name}.tflite", tolerance)
