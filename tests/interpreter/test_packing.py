"""Packed weights, number by number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitlite.interpreter.binding.panels import COLUMNS, pack, pack_s8, panels
from jitlite.interpreter.memory import ALIGNMENT

SIZES = {"groups": st.integers(1, 3), "channels": st.integers(1, 35), "runs": st.integers(0, 3), "depth": st.integers(0, 9)}


def places(groups, channels, *sizes):
    """(index of a channel's number, panel, lane) for every number of weights [groups · channels, *sizes]."""
    for index in np.ndindex(groups * channels, *sizes):
        group, channel = divmod(index[0], channels)
        yield index, group * panels(channels) + channel // COLUMNS, channel % COLUMNS


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@given(**SIZES)
def test_levels(dtype, groups, channels, runs, depth):
    weights = np.arange(1, 1 + groups * channels * runs * depth, dtype=dtype).reshape(groups * channels, runs, depth)
    packed = pack(weights, groups)
    expected = np.zeros((groups * panels(channels), runs, depth, COLUMNS), dtype)
    for index, panel, lane in places(groups, channels, runs, depth):
        expected[panel, *index[1:], lane] = weights[index]
    np.testing.assert_array_equal(packed, expected, strict=True)
    assert packed.size == 0 or packed.ctypes.data % ALIGNMENT == 0


@given(**SIZES)
def test_quads_and_their_sums(groups, channels, runs, depth):
    weights = np.random.default_rng(depth).integers(-128, 128, (groups * channels, runs, depth), np.int8)
    packed, sums = pack_s8(weights, groups)
    expected = np.zeros((groups * panels(channels), runs, -(-depth // 4), COLUMNS, 4), np.int8)
    expected_sums = np.zeros((groups * panels(channels), COLUMNS), np.int32)
    for (channel, run, k), panel, lane in places(groups, channels, runs, depth):
        expected[panel, run, k // 4, lane, k % 4] = weights[channel, run, k]
        expected_sums[panel, lane] += weights[channel, run, k]
    np.testing.assert_array_equal(packed, expected, strict=True)
    np.testing.assert_array_equal(sums, expected_sums, strict=True)
    assert packed.size == 0 or packed.ctypes.data % ALIGNMENT == 0


def test_weights_that_are_not_contiguous():
    weights = np.arange(96, dtype=np.float32).reshape(6, 16).T
    np.testing.assert_array_equal(pack(weights)[0].T, weights)
