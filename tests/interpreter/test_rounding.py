"""Certified lines give the reference's outputs for every sum: at its steps and beside them, at extremes and anywhere."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.interpreter.binding.rounding import Line, certify_quantized, certify_real, sum_ranges
from jitlite.interpreter.codegen.isa import isa_of
from jitlite.interpreter.codegen.target import host_target, requested_target
from jitlite.interpreter.kernels.abi import f32p, i32p, i64
from jitlite.interpreter.kernels.rounding import round_fine_line, round_line
from jitlite.interpreter.kernels.vectors import LANES, load, store
from jitlite.schemas.affine import multiply_by_quantized_multiplier
from tests.interpreter.test_codegen import build

TRUNCATES = isa_of(requested_target() or host_target()).truncates
LEAST, MOST = -(2**31), 2**31 - 1
SIGNED, ONE_SIDED, MIDDLE, NARROW = (
    np.array(values, np.int32) for values in ((3, -128, 127), (-128, -128, 127), (-20, -20, 101), (5, 2, 7))
)


def lines(sums: i32p, scales: f32p, slopes: f32p, offsets: f32p, plain: i32p, fine: i32p, rows: i64, thread: i64, threads: i64) -> None:
    for row in range(rows):
        at = row * LANES
        x, scale, slope, offset = load(sums, at), load(scales, at), load(slopes, at), load(offsets, at)
        store(plain, at, round_line(x, scale, offset))
        store(fine, at, round_fine_line(x, scale, slope, offset))


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Lines as kernels compute them: (sums, scales, slopes, offsets) -> int32, all of one shape; plain ones wherever slopes are 0."""
    entry = build(tmp_path_factory.mktemp("lines"), {"lines": lines}).lines
    entry.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]

    def run(sums, scales, slopes, offsets):
        rows = -(-sums.size // LANES)
        dtypes = (np.int32, np.float32, np.float32, np.float32, np.int32, np.int32)
        padded = [np.zeros(rows * LANES, dtype) for dtype in dtypes]
        for memory, values in zip(padded, (sums, scales, slopes, offsets)):
            memory[: sums.size] = values.ravel()
        block = np.array([*(memory.ctypes.data for memory in padded), rows], np.int64)
        assert entry(block.ctypes.data, 0, 1) == 0
        plain, fine = (memory[: sums.size].reshape(sums.shape).astype(np.int64) for memory in padded[4:])
        assert (plain == fine)[slopes == 0].all()
        return fine

    return run


def of_quantized(mantissas, shifts):
    return lambda sums: multiply_by_quantized_multiplier(sums, mantissas[:, None], shifts[:, None]).astype(np.int64)


def of_real(multipliers):
    def rounded(sums):
        product = sums.astype(np.float64) * multipliers[:, None]
        whole = np.trunc(product)
        return (whole + np.where(np.abs(product - whole) >= 0.5, np.copysign(1, product), 0)).astype(np.int64)

    return rounded


def clamped(steps, limits):
    return np.clip(steps + int(limits[0]), int(limits[1]), int(limits[2]))


def thresholds(reference, ranges, limits):
    """The first sum of each channel's range that reaches each output, by bisection; the end of the range where none does."""
    outputs = np.arange(int(limits[1]) + 1, int(limits[2]) + 1)
    low = np.repeat(ranges[:, :1], outputs.size, axis=1)
    high = np.repeat(ranges[:, 1:], outputs.size, axis=1)
    while (low < high).any():
        middle = (low + high) // 2
        reached = clamped(reference(middle.astype(np.int32)), limits) >= outputs
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    return low


def sums_to_try(reference, ranges, limits, rng):
    """Sums within ±2 of every threshold, extremes and random ones of all sizes; int32 [channels, sums]."""
    steps = thresholds(reference, ranges, limits)
    channels = len(ranges)
    beside = [steps + distance for distance in (-2, -1, 0, 1, 2)]
    anywhere = rng.integers(ranges[:, :1], ranges[:, 1:] + 1, (channels, 200))
    small = rng.integers(-(2**31), 2**31, (channels, 200)) >> rng.integers(0, 31, (channels, 200))
    fixed = np.broadcast_to([LEAST, LEAST + 1, -1, 0, 1, MOST - 1, MOST], (channels, 7))
    return np.clip(np.concatenate([*beside, anywhere, small, fixed], axis=1), ranges[:, :1], ranges[:, 1:]).astype(np.int32)


def full(channels):
    return np.tile(np.array([LEAST, MOST], np.int64), (channels, 1))


def mismatches(machine, reference, line, ranges, limits, seed=0):
    """How many outputs of certified channels differ from the reference's."""
    sums = sums_to_try(reference, ranges, limits, np.random.default_rng(seed))
    found = machine(sums, *(np.repeat(terms[:, None], sums.shape[1], 1) for terms in (line.scales, line.slopes, line.offsets)))
    differ = clamped(found, limits) != clamped(reference(sums), limits)
    return int(differ[line.is_certified].sum())


MANTISSAS = {
    "random": lambda rng: rng.integers(2**30, 2**31, 96),
    "powers of two": lambda rng: np.full(8, 2**30),
    "near 2^30": lambda rng: 2**30 + np.arange(1, 40),
    "near 2^31": lambda rng: 2**31 - np.arange(1, 40),
    "few bits": lambda rng: rng.integers(2**8, 2**9, 60) << 22,
    "denormal": lambda rng: rng.integers(1, 2**30, 60),
    "zero": lambda rng: np.zeros(3),
}


@pytest.mark.parametrize("limits", [SIGNED, ONE_SIDED, MIDDLE, NARROW], ids=str)
@pytest.mark.parametrize("style", MANTISSAS)
def test_certified_lines_equal_the_fixed_point_reference(machine, style, limits):
    rng = np.random.default_rng(1)
    mantissas = MANTISSAS[style](rng).astype(np.int32)
    for shift in (0, -1, -2, -5, -7, -8, -9, -10, -11, -12, -14, -17, -24, -31):
        shifts = np.full(mantissas.size, shift, np.int32)
        line = certify_quantized(mantissas, shifts, limits)
        assert mismatches(machine, of_quantized(mantissas, shifts), line, full(mantissas.size), limits) == 0
        if style in ("random", "zero") and -8 <= shift <= 0:
            assert line.is_certified.all()
        if TRUNCATES and style != "denormal" and -12 <= shift < 0:
            assert line.is_certified.mean() > 0.98


@pytest.mark.parametrize("limits", [SIGNED, ONE_SIDED, NARROW], ids=str)
def test_certified_lines_equal_products_rounded_in_float64(machine, limits):
    rng = np.random.default_rng(2)
    for exponent in (0, -1, -3, -6, -8, -10, -13):
        multipliers = np.concatenate([2.0**exponent * rng.uniform(0.5, 1, 60), 2.0**exponent * rng.integers(1, 128, 40) / 128])
        line = certify_real(multipliers, limits)
        assert mismatches(machine, of_real(multipliers), line, full(100), limits) == 0
        if exponent >= -8:
            assert line.is_certified[:60].all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(-31, 12)), min_size=1, max_size=20),
    st.tuples(st.integers(-128, 127), st.integers(-128, 127), st.integers(0, 255)),
    st.tuples(st.integers(0, 30), st.integers(0, 30)),
    st.integers(0, 2**32),
)
def test_any_certified_line(machine, pairs, clamp, reach, seed):
    """Left shifts too, where the range of the sums excludes wrapping."""
    mantissas, shifts = (np.array(part, np.int32) for part in zip(*pairs))
    limits = np.array([clamp[0], clamp[1], min(127, clamp[1] + clamp[2])], np.int32)
    ranges = np.tile(np.array([-(2 ** reach[0]), 2 ** reach[1]], np.int64), (len(pairs), 1))
    line = certify_quantized(mantissas, shifts, limits, ranges)
    assert mismatches(machine, of_quantized(mantissas, shifts), line, ranges, limits, seed) == 0
    real = certify_real(mantissas * 2.0 ** (shifts - 31.0), limits, ranges)
    assert mismatches(machine, of_real(mantissas * 2.0 ** (shifts - 31.0)), real, ranges, limits, seed) == 0


def test_a_narrower_range_certifies_more():
    mantissas, shifts = np.full(16, 1_500_000_001, np.int32), np.arange(-31, 1, 2, dtype=np.int32)
    narrow = np.tile(np.array([-40_000, 40_000], np.int64), (16, 1))
    assert certify_quantized(mantissas, shifts, SIGNED, narrow).is_certified.all()
    assert not certify_quantized(mantissas, shifts, SIGNED).is_certified.all()


def test_what_could_wrap_is_not_certified():
    mantissas, shifts = np.full(3, 1_500_000_000, np.int32), np.array([1, 4, 30], np.int32)
    assert not certify_quantized(mantissas, shifts, SIGNED).is_certified.any()
    small = np.tile(np.array([-1000, 1000], np.int64), (3, 1))
    assert certify_quantized(mantissas, shifts, SIGNED, small).is_certified.tolist() == [True, True, False]


def test_outputs_of_16_bits_are_not_certified():
    limits = np.array([0, -32768, 32767], np.int32)
    assert not certify_quantized(np.full(4, 2**30 + 5, np.int32), np.full(4, -3, np.int32), limits).is_certified.any()


@pytest.mark.parametrize("spoil", ["offset", "scale"])
def test_wrong_lines_are_seen(machine, spoil):
    """The comparison above tells lines that are slightly off, in every channel."""
    rng = np.random.default_rng(3)
    mantissas, shifts = rng.integers(2**30, 2**31, 64).astype(np.int32), np.full(64, -8, np.int32)
    line = certify_quantized(mantissas, shifts, SIGNED)
    assert line.is_certified.all()
    if spoil == "offset":
        line.offsets[:] += 2.0**-10
    else:
        line.scales[:] = (line.scales.view(np.int32) + 64).view(np.float32)
    for channel in range(64):
        line.is_certified[:] = np.arange(64) == channel
        assert mismatches(machine, of_quantized(mantissas, shifts), line, full(64), SIGNED) > 0


def test_the_plain_line_is_not_certified(machine):
    """Where no line is found the obvious one is wrong somewhere."""
    rng = np.random.default_rng(4)
    mantissas, shifts = rng.integers(2**30, 2**31, 64).astype(np.int32), np.full(64, -18, np.int32)
    line = certify_quantized(mantissas, shifts, ONE_SIDED)
    missing = ~line.is_certified
    assert missing.sum() > 32
    line.scales[:], line.offsets[:] = mantissas * 2.0 ** (-18.0 - 31), 0.5
    line.is_certified[:] = missing
    assert mismatches(machine, of_quantized(mantissas, shifts), line, full(64), ONE_SIDED) >= missing.sum()


def test_panels_are_certified_whole():
    certified = np.ones(40, np.bool_)
    certified[20] = False
    scales, slopes, offsets = np.arange(120, dtype=np.float32).reshape(3, 40)
    line = Line(scales, slopes, offsets, certified)
    assert line.by_panel(groups=2).tolist() == [1, 1, 0, 1]
    for words, terms in zip(line.words(), (scales, slopes, offsets)):
        np.testing.assert_array_equal(words.view(np.float32), terms)


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_ranges_hold_every_sum(axis):
    rng = np.random.default_rng(6)
    weights, biases = rng.integers(-128, 128, (5, 3, 3, 40)).astype(np.int8), rng.integers(-(2**20), 2**20, 5).astype(np.int32)
    zero_point = 3 * (axis == 3)
    ranges = sum_ranges(np.moveaxis(weights, 0, axis), axis, biases, -128 - 7, 127 - 7, zero_point)
    for channel in range(5):
        kernel = weights[channel].astype(np.int64) - zero_point
        extremes = [biases[channel] + np.where((kernel > 0) == up, 120, -135).ravel() @ kernel.ravel() for up in (False, True)]
        assert ranges[channel].tolist() == extremes
    biases[2] = MOST - 5
    assert sum_ranges(np.moveaxis(weights, 0, axis), axis, biases, -135, 120)[2].tolist() == [LEAST, MOST]
