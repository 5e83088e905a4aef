"""Functions of real numbers against float64: errors in units of the last place of the true value."""

import math

import numpy as np
import pytest

import jitlite.interpreter.binding.activation
import jitlite.interpreter.binding.elementwise  # noqa: F401 - registers the bindings
from jitlite.schemas.ops import activation, elementwise
from jitlite.schemas.tables import GeluOptions, SoftmaxOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.execution import Case, record, run
from tests.ops.oracle import build, operand, result

F32 = TensorType.FLOAT32


def ulps(found, true):
    """Distances in units of the last place of the true values, float64; equal float32 (both infinite, both NaN) are 0 apart."""
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = true.astype(np.float32)
        unit = np.where(np.isfinite(nearest), np.spacing(np.abs(nearest)), 2.0**104).astype(np.float64)
        distance = np.abs(found.astype(np.float64) - true) / unit
    same = (found == nearest) | (np.isnan(found) & np.isnan(true))
    return np.where(same, 0, np.where(np.isnan(distance), np.inf, distance))


def every(step):
    """Every so-many-th float32 of all there are, with zeros, infinities and NaN."""
    patterns = np.arange(0, 1 << 32, step, dtype=np.uint64).astype(np.uint32)
    return np.concatenate([patterns.view(np.float32), np.array([0, -0.0, np.inf, -np.inf, np.nan], np.float32)])


def dense():
    """Numbers where functions bend, most of them near 0."""
    rng = np.random.default_rng(0)
    spread = rng.normal(0, 1, 60000) * 10.0 ** rng.integers(-6, 3, 60000)
    return np.concatenate([np.linspace(-20, 20, 80001), np.linspace(-1.5, 1.5, 60001), spread]).astype(np.float32)


def logistic(x):
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, 1) / (1 + power)


def gelu(x):
    return 0.5 * x * np.array([math.erfc(-value * math.sqrt(0.5)) for value in x])


def gelu_tanh(x):
    return x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


FUNCTIONS = {
    "exp": (elementwise.EXP, None, np.exp),
    "log": (elementwise.LOG, None, np.log),
    "sin": (elementwise.SIN, None, np.sin),
    "cos": (elementwise.COS, None, np.cos),
    "sqrt": (elementwise.SQRT, None, np.sqrt),
    "rsqrt": (elementwise.RSQRT, None, lambda x: 1 / np.sqrt(x)),
    "square": (elementwise.SQUARE, None, np.square),
    "abs": (elementwise.ABS, None, np.abs),
    "floor": (elementwise.FLOOR, None, np.floor),
    "ceil": (elementwise.CEIL, None, np.ceil),
    "round": (elementwise.ROUND, None, np.rint),
    "tanh": (activation.TANH, None, np.tanh),
    "logistic": (activation.LOGISTIC, None, logistic),
    "elu": (activation.ELU, None, lambda x: np.where(x < 0, np.expm1(x), x)),
    "hard_swish": (activation.HARD_SWISH, None, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "gelu": (activation.GELU, GeluOptions(), gelu),
    "gelu_tanh": (activation.GELU, GeluOptions(approximate=True), gelu_tanh),
}
UNDEFINED = {"hard_swish", "gelu", "gelu_tanh"}
"""Functions whose value at -∞ is the reference's: NaN, a product of an infinity and zero."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_within_four_ulp(name):
    spec, options, function = FUNCTIONS[name]
    x = np.concatenate([every(40009), dense()])
    with np.errstate(all="ignore"):
        true = function(x.astype(np.float64))
    if name in UNDEFINED:
        true[x == -np.inf] = np.nan
    content = write_model(build(spec, options, [operand(F32, x.shape)], [result(F32)]))
    found = run(content, [x])[0]
    errors = ulps(found, true)
    # Below -5.9 the tail of GELU goes through more roundings.
    limit = np.where(x < -5.9, 5, 4) if name == "gelu" else 4
    worst = np.argmax(errors / limit)
    assert errors[worst] <= np.broadcast_to(limit, x.shape)[worst], f"{name}({x[worst]!r}) = {found[worst]!r}, {true[worst]!r} is true"
    with np.errstate(over="ignore"):
        record(Case(content, [x], [true.astype(np.float32)], 3e-6, 1e-30, (1,)))


def test_bounded_functions_stay_in_bounds():
    x = np.concatenate([every(10007), np.linspace(1.4, 1.75, 100001).astype(np.float32), np.linspace(7, 10, 100001).astype(np.float32)])
    for name in ("sin", "cos", "tanh", "logistic"):
        spec, options, _ = FUNCTIONS[name]
        found = run(write_model(build(spec, options, [operand(F32, x.shape)], [result(F32)])), [x])[0]
        assert np.nanmax(np.abs(found)) <= 1, name


def test_sines_of_large_numbers():
    """Numbers next to multiples of π / 2, where the sine or the cosine nearly vanishes; expected values by integer arithmetic."""
    # 1 / π to 1200 bits, by Machin's formula.
    bits = 1200

    def arctangent_of_inverse(n):
        total, term, k = 0, (1 << bits) // n, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term //= n * n
            k += 2
        return total

    pi = 4 * (4 * arctangent_of_inverse(5) - arctangent_of_inverse(239))
    numbers = [16367173 * 2.0**72, 2.0**127, 3.4028235e38, 1e30, 1e10, 131073.0, 5871781e2, 6.0e15, -7.0e20, -(2.0**100)]
    x = np.array(numbers, np.float32)
    for spec, quarter, function in ((elementwise.SIN, 0, math.sin), (elementwise.COS, 1, math.cos)):
        true = []
        for value in x.tolist():
            units = abs(int(value)) << bits
            turns = (2 * units + pi // 2) // pi
            rest = (units - turns * pi // 2) / (1 << bits)
            signed = [math.sin(rest), math.cos(rest), -math.sin(rest), -math.cos(rest)][(turns + quarter) % 4]
            true.append(-signed if value < 0 and function is math.sin else signed)
        content = write_model(build(spec, None, [operand(F32, x.shape)], [result(F32)]))
        assert ulps(run(content, [x])[0], np.array(true)).max() <= 4


def powers(x, y):
    # With one exponent for all, NumPy takes roots, and of -∞ there is none.
    y = np.repeat(y, len(x) // len(y))
    with np.errstate(all="ignore"):
        return np.power(x.astype(np.float64), y.astype(np.float64))


def pow_of(x, y):
    inputs = [operand(F32, x.shape), operand(F32, y.shape)]
    return run(write_model(build(elementwise.POW, elementwise.POW.options and elementwise.POW.options(), inputs, [result(F32)])), [x, y])[0]


def test_powers_are_within_four_ulp():
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [every(40009)[:100000], np.exp(rng.normal(0, 3, 100000)).astype(np.float32), rng.uniform(0.9, 1.1, 50000).astype(np.float32)]
    )
    y = np.concatenate([rng.normal(0, 3, 150000), rng.integers(-9, 10, 50000) / 2, rng.normal(0, 300, len(x) - 200000)]).astype(np.float32)
    errors = ulps(pow_of(x, y), powers(x, y))
    worst = np.argmax(errors)
    assert errors[worst] <= 4, f"{x[worst]!r} ** {y[worst]!r}"


def test_powers_of_special_numbers():
    numbers = np.array(
        [0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 1.5, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-40, -1e-40, 16777217, -7], np.float32
    )
    x, y = (part.ravel() for part in np.meshgrid(numbers, numbers))
    found, true = pow_of(x, y), powers(x, y)
    assert ulps(found, true).max() <= 4
    zeros = true == 0
    assert (np.signbit(found[zeros]) == np.signbit(true[zeros])).all()


@pytest.mark.parametrize("exponent", [2.0, 3.0, 0.5, 1.0, 0.0, -1.0, -0.5, 2.5, np.inf, np.nan])
def test_powers_with_one_exponent(exponent):
    x = np.concatenate([every(400009), dense()[::7]])
    y = np.full((1,), exponent, np.float32)
    assert ulps(pow_of(x, y), powers(x, y)).max() <= 4


def softmax(x):
    power = np.exp(x - x.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)


@pytest.mark.parametrize("shift", [0, 45, 80, -30, 1e4, -3e38], ids=str)
@pytest.mark.parametrize("depth", [1, 2, 5, 16, 17, 100])
def test_softmax_of_any_numbers(depth, shift):
    rng = np.random.default_rng(depth)
    x = (rng.normal(0, 4, (40, depth)) + shift).astype(np.float32)
    x[::5, 0] = -np.inf if depth > 1 else 0
    x[1::5, -1] -= 1e9
    content = write_model(build(activation.SOFTMAX, SoftmaxOptions(beta=1.0), [operand(F32, x.shape)], [result(F32)]))
    found, true = run(content, [x])[0], softmax(x.astype(np.float64))
    # Differences from the largest element are rounded to float32.
    np.testing.assert_allclose(found, true, rtol=2e-5 if abs(shift) < 1000 else 1e-2, atol=1e-37)
    assert (found[true == 0] == 0).all()


def test_softmax_of_undefined_rows():
    x = np.zeros((4, 20), np.float32)
    x[0, 3], x[1, 3], x[2], x[3, 3] = np.nan, np.inf, -np.inf, 1
    x[0:1, 3:4].view(np.int32)[...] = -1
    for depth in (20, 7):
        content = write_model(build(activation.SOFTMAX, SoftmaxOptions(beta=1.0), [operand(F32, (4, depth))], [result(F32)]))
        found = run(content, [x[:, :depth].copy()])[0]
        assert np.isnan(found[[0, 2]]).all()
        assert np.isnan(found[1, 3])
        assert np.isfinite(found[3]).all()
