"""Random numbers against LiteRT's reference kernels, which are the same for the same seeds."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

from jitlite.interpreter.binding import random
from jitlite.interpreter.interpreter import Interpreter
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.random import MULTINOMIAL, RANDOM_STANDARD_NORMAL, RANDOM_UNIFORM, STABLEHLO_RNG_BIT_GENERATOR
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import RandomOptions, RngAlgorithm, StablehloRngBitGeneratorOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, check, constant, operand, result, run

T = TensorType


@pytest.mark.parametrize("spec", [RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL])
@pytest.mark.parametrize("shape", [(), (1,), (4,), (3, 5, 7), (1000,), (2, 0, 3)])
@pytest.mark.parametrize(("seed", "seed2"), [(1234, 5678), (0, 1), (-1, -(2**40)), (2**63 - 1, 2**33), (2**31, 2**31 + 7)])
def test_floats(spec, shape, seed, seed2):
    shape = constant(np.array(shape, np.int32))
    check(spec, RandomOptions(seed=seed, seed2=seed2), [shape], [result(T.FLOAT32)], tolerance=1e-6, floor=1)


def test_shape_at_run_time():
    options, output = RandomOptions(seed=1, seed2=2), result(T.FLOAT32, shape=(3, 4))
    check(RANDOM_UNIFORM, options, [operand(T.INT32, (2,))], [output], feeds=[np.array([3, 4], np.int32)])


@pytest.mark.parametrize("type", [T.INT32, T.INT64])
@pytest.mark.parametrize(("batch", "classes", "samples"), [(1, 1, 1), (1, 5, 100), (3, 40, 7), (5000, 3, 3), (2, 3, 1)])
def test_multinomial(type, batch, classes, samples):
    logits = operand(T.FLOAT32, (batch, classes), low=-5, high=5)
    check(MULTINOMIAL, RandomOptions(seed=12, seed2=34), [logits, constant(samples)], [result(type)])


def test_multinomial_without_finite_logits():
    logits = np.array([[-np.inf, 0, np.nan, 1, np.inf], [np.inf] * 5], np.float32)
    inputs = [operand(T.FLOAT32, (2, 5)), constant(50)]
    check(MULTINOMIAL, RandomOptions(seed=12, seed2=34), inputs, [result(T.INT64)], feeds=[logits])


def test_many_numbers(monkeypatch):
    """What is made in several chunks, the last of them not a whole one."""
    monkeypatch.setattr(random, "_CHUNK", 5)
    seeds = RandomOptions(seed=2, seed2=-9)
    check(RANDOM_STANDARD_NORMAL, seeds, [constant([67])], [result(T.FLOAT32)], tolerance=1e-6, floor=1)
    check(MULTINOMIAL, seeds, [operand(T.FLOAT32, (3, 6), low=-2, high=2), constant(13)], [result(T.INT32)])
    for algorithm in (RngAlgorithm.PHILOX, RngAlgorithm.THREEFRY):
        options, outputs = (
            StablehloRngBitGeneratorOptions(algorithm=algorithm),
            [result(T.UINT64, shape=(2,)), result(T.UINT32, shape=(67,))],
        )
        feeds = [np.array([7, 2**64 - 8], np.uint64)]
        check(STABLEHLO_RNG_BIT_GENERATOR, options, [operand(T.UINT64, (2,))], outputs, feeds=feeds)


@pytest.mark.parametrize("spec", [RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL, MULTINOMIAL])
def test_runs_go_on(spec):
    inputs = [constant([7])] if spec is not MULTINOMIAL else [constant(np.arange(12.0).reshape(2, 6) / 6, T.FLOAT32), constant(6)]
    output = result(T.INT64 if spec is MULTINOMIAL else T.FLOAT32)
    content = write_model(build(spec, RandomOptions(seed=5, seed2=6), inputs, [output]))
    runs = []
    for interpreter in (
        LiteRT(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF),
        Interpreter(model_content=content),
    ):
        interpreter.allocate_tensors()
        index, found = interpreter.get_output_details()[0]["index"], []
        for _ in range(3):
            interpreter.invoke()
            found.append(interpreter.get_tensor(index))
        runs.append(np.stack(found))
    np.testing.assert_allclose(*runs, rtol=1e-5, atol=1e-6)
    assert (runs[1][0] != runs[1][1]).any()


def test_without_seeds_numbers_differ():
    content = write_model(build(RANDOM_UNIFORM, RandomOptions(), [constant([8])], [result(T.FLOAT32)]))
    first, second = run(content, [])[0], run(content, [])[0]
    assert (first != second).any()
    assert ((first >= 0) & (first < 1)).all()


@pytest.mark.parametrize("type", [T.INT32, T.INT64, T.UINT32, T.UINT64])
@pytest.mark.parametrize("shape", [(), (5,), (3, 4, 6), (0,)])
@pytest.mark.parametrize(
    ("algorithm", "state"),
    [
        (RngAlgorithm.DEFAULT, [1, 2]),
        (RngAlgorithm.PHILOX, [2**64 - 1, 2**64 - 2]),
        (RngAlgorithm.PHILOX, [3**40, 2**32 - 1, 5**20]),
        (RngAlgorithm.THREEFRY, [1, 2**32 - 2]),
        (RngAlgorithm.THREEFRY, [3**40, 2**64 - 1]),
    ],
)
def test_bits(type, shape, algorithm, state):
    options = StablehloRngBitGeneratorOptions(algorithm=algorithm)
    outputs = [result(T.UINT64, shape=(len(state),)), result(type, shape=shape)]
    feeds = [np.array(state, np.uint64)]
    check(STABLEHLO_RNG_BIT_GENERATOR, options, [operand(T.UINT64, (len(state),))], outputs, feeds=feeds)


LOGITS, SEEDS = operand(T.FLOAT32, (2, 3)), RandomOptions(seed=1)
THREEFRY = StablehloRngBitGeneratorOptions(algorithm=RngAlgorithm.THREEFRY)
BITS = [result(T.UINT64, shape=(3,)), result(T.UINT32, shape=(3,))]


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "outputs", "message"),
    [
        (RANDOM_UNIFORM, SEEDS, [constant([-1])], [], "dimensions in"),
        (RANDOM_UNIFORM, SEEDS, [constant([2**16, 2**16])], [], "at most"),
        (RANDOM_UNIFORM, SEEDS, [constant(3)], [], "rank 1"),
        (RANDOM_UNIFORM, SEEDS, [constant([3], T.INT64)], [], "INT32"),
        (MULTINOMIAL, SEEDS, [LOGITS, constant(-1)], [], "dimensions in"),
        (MULTINOMIAL, SEEDS, [LOGITS, constant([1])], [], "rank 0"),
        (MULTINOMIAL, SEEDS, [operand(T.FLOAT32, (2, 0)), constant(1)], [], "one class"),
        (MULTINOMIAL, SEEDS, [LOGITS, constant(1)], [result(T.FLOAT32)], "INT32 or INT64"),
        (STABLEHLO_RNG_BIT_GENERATOR, THREEFRY, [operand(T.UINT64, (3,))], BITS, "2 elements"),
        (STABLEHLO_RNG_BIT_GENERATOR, THREEFRY, [operand(T.INT64, (2,))], BITS, "UINT64"),
    ],
)
def test_illegal_calls(spec, options, inputs, outputs, message):
    infos = tuple(item.info(index) for index, item in enumerate(inputs))
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, infos, tuple(item.info(len(infos) + index) for index, item in enumerate(outputs))))
