import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.rnn  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.rnn import RNN, SVDF, UNIDIRECTIONAL_SEQUENCE_RNN
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import ActivationFunctionType, RNNOptions, SequenceRNNOptions, SVDFOptions, TensorType
from tests.ops.oracle import operand, result
from tests.ops.recurrent import check_runs, variable

T = TensorType
A = ActivationFunctionType
RNG = np.random.default_rng(0)


def weights(kind, *shape, scale=0.01):
    if kind == "float":
        return operand(T.FLOAT32, shape, value=RNG.uniform(-0.5, 0.5, shape))
    return operand(T.INT8, shape, scale, value=RNG.integers(-127, 128, shape))


def floats(*shape):
    return operand(T.FLOAT32, shape, value=RNG.uniform(-1, 1, shape))


def rnn(kind, x, units, batches):
    cell = [weights(kind, units, x[-1]), weights(kind, units, units, scale=0.004), floats(units), variable(T.FLOAT32, (batches, units))]
    return [operand(T.FLOAT32, x), *cell]


@pytest.mark.parametrize(("kind", "asymmetric"), [("float", False), ("hybrid", False), ("hybrid", True)])
@pytest.mark.parametrize(("x", "units"), [((1, 5), 3), ((3, 37), 20), ((2, 64), 33)])
def test_rnn(kind, asymmetric, x, units):
    options = RNNOptions(fused_activation_function=A.TANH, asymmetric_quantize_inputs=asymmetric)
    check_runs(RNN, options, rnn(kind, x, units, x[0]), [result(T.FLOAT32)], low=-0.1, high=0.3)


@pytest.mark.parametrize("activation", [A.NONE, A.RELU, A.RELU_N1_TO_1, A.RELU6, A.TANH])
def test_activations(activation):
    check_runs(RNN, RNNOptions(fused_activation_function=activation), rnn("float", (2, 5), 18, 2), [result(T.FLOAT32)])


@pytest.mark.parametrize(("kind", "asymmetric"), [("float", False), ("hybrid", False), ("hybrid", True)])
@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize(("x", "units"), [((1, 4, 5), 3), ((3, 2, 37), 20)])
def test_sequences(kind, asymmetric, time_major, x, units):
    options = SequenceRNNOptions(fused_activation_function=A.TANH, asymmetric_quantize_inputs=asymmetric, time_major=time_major)
    inputs = rnn(kind, x, units, x[1] if time_major else x[0])
    check_runs(UNIDIRECTIONAL_SEQUENCE_RNN, options, inputs, [result(T.FLOAT32)], low=-0.1, high=0.3)


def svdf(kind, batches, n_input, units, rank, memory, has_bias):
    filters = units * rank
    if kind == "int8":
        w, times = (
            weights(kind, filters, n_input),
            operand(T.INT16, (filters, memory), 3e-5, value=RNG.integers(-9000, 9000, (filters, memory))),
        )
        bias = operand(T.INT32, (units,), value=RNG.integers(-90000, 90000, units))
        x, state = (
            operand(T.INT8, (batches, n_input), 0.02, -7, low=-128, high=127),
            variable(T.INT16, (batches, memory * filters), 4e-5 * 16),
        )
    else:
        w, times, bias = weights(kind, filters, n_input), weights(kind, filters, memory), floats(units)
        x, state = operand(T.FLOAT32, (batches, n_input)), variable(T.FLOAT32, (batches, memory * filters))
    return [x, w, times, bias if has_bias else None, state]


@pytest.mark.parametrize(("kind", "asymmetric"), [("float", False), ("hybrid", False), ("hybrid", True), ("int8", False)])
@pytest.mark.parametrize("sizes", [(1, 5, 3, 1, 4, True), (3, 40, 16, 2, 10, True), (2, 33, 5, 3, 1, False)])
def test_svdf(kind, asymmetric, sizes):
    y = result(T.INT8, 0.01, 3) if kind == "int8" else result(T.FLOAT32)
    options = SVDFOptions(rank=sizes[3], fused_activation_function=A.RELU, asymmetric_quantize_inputs=asymmetric)
    check_runs(SVDF, options, svdf(kind, *sizes), [y], runs=6)


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(["float", "int8"]),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 70), st.integers(1, 9), st.integers(1, 3), st.integers(1, 20), st.booleans()),
)
def test_any_sizes_of_svdf(kind, sizes):
    y = result(T.INT8, 0.01, 3) if kind == "int8" else result(T.FLOAT32)
    options = SVDFOptions(rank=sizes[3], fused_activation_function=A.RELU)
    check_runs(SVDF, options, svdf(kind, *sizes), [y], runs=3)


def found(spec, options, inputs):
    return infer(Call(spec, options, tuple(None if item is None else item.info(index) for index, item in enumerate(inputs))))


def changed(inputs, **changes):
    return [changes.get(f"_{index}", item) for index, item in enumerate(inputs)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_0": operand(T.FLOAT32, (2, 6))}, "'input_weights' of shape"),
        ({"_2": operand(T.FLOAT32, (3, 4))}, "'recurrent_weights' of shape"),
        ({"_3": operand(T.FLOAT32, (4,))}, "'bias' of shape"),
        ({"_4": operand(T.FLOAT32, (2, 3))}, "'hidden_state' that is a variable"),
        ({"_4": variable(T.FLOAT32, (3, 3))}, "'hidden_state' of shape"),
    ],
)
def test_broken_rnns_are_refused(changes, message):
    with pytest.raises(InvalidModelError, match=message):
        found(RNN, RNNOptions(), changed(rnn("float", (2, 5), 3, 2), **changes))


@pytest.mark.parametrize(
    ("rank", "changes", "message"),
    [
        (0, {}, "a rank above 0"),
        (5, {}, "filters that 5 divides"),
        (2, {"_2": operand(T.FLOAT32, (6, 0))}, "a memory of at least 1"),
        (2, {"_4": variable(T.FLOAT32, (2, 5))}, "'state' of shape"),
    ],
)
def test_broken_svdfs_are_refused(rank, changes, message):
    with pytest.raises(InvalidModelError, match=message):
        found(SVDF, SVDFOptions(rank=rank), changed(svdf("float", 2, 5, 3, 2, 4, True), **changes))


def test_int8_svdf_has_one_activation():
    with pytest.raises(UnsupportedError, match="the activation RELU is supported for INT8, found NONE"):
        check_runs(SVDF, SVDFOptions(rank=1), svdf("int8", 1, 5, 3, 1, 4, True), [result(T.INT8, 0.01, 3)])


@pytest.mark.parametrize(
    ("kind", "asymmetric", "version"), [("float", False, 1), ("hybrid", False, 2), ("int8", False, 3), ("hybrid", True, 4)]
)
def test_svdf_versions(kind, asymmetric, version):
    infos = tuple(item.info(index) for index, item in enumerate(svdf(kind, 1, 5, 3, 1, 4, True)))
    assert SVDF.version(Call(SVDF, SVDFOptions(rank=1, asymmetric_quantize_inputs=asymmetric), infos)) == version
