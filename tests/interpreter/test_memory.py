import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitlite.interpreter.memory import ALIGNMENT, Lifetime, aligned, aligned_bytes, lower_bound, plan_arena

lifetimes = st.lists(
    st.builds(
        lambda size, first, length: Lifetime(size, first, first + length), st.integers(0, 5000), st.integers(0, 20), st.integers(0, 8)
    ),
    max_size=30,
)


@given(lifetimes)
def test_buffers_alive_together_do_not_overlap(lives):
    layout = plan_arena(lives)
    places = list(zip(lives, layout.offsets))
    for i, (life, offset) in enumerate(places):
        assert offset % ALIGNMENT == 0
        assert 0 <= offset <= layout.n_bytes - life.n_bytes
        for other, other_offset in places[:i]:
            if life.first <= other.last and other.first <= life.last and life.n_bytes and other.n_bytes:
                assert offset + life.n_bytes <= other_offset or other_offset + other.n_bytes <= offset


@given(lifetimes)
def test_the_arena_is_never_below_the_lower_bound(lives):
    assert plan_arena(lives).n_bytes >= lower_bound(lives)


def test_buffers_of_different_times_share_memory():
    lives = [Lifetime(640, step, step + 1) for step in range(10)]
    assert plan_arena(lives).n_bytes == 1280 == lower_bound(lives)


def test_the_search_goes_beyond_the_largest_first():
    lives = [Lifetime(*life) for life in ((432, 0, 30), (288, 0, 1), (288, 1, 2), (576, 2, 3), (144, 3, 4), (288, 4, 5), (442, 0, 0))]
    assert plan_arena(lives, 1).n_bytes == lower_bound(lives, 1)


def test_aligned_bytes_are_zero_and_aligned():
    data = aligned_bytes(1000)
    assert data.ctypes.data % ALIGNMENT == 0
    assert data.size == 1000
    assert not data.any()


@pytest.mark.parametrize("start", [0, 1, 3])
def test_constants_are_aligned(start):
    values = aligned_bytes(400).view(np.int32)[start : start + 96].reshape(8, 12)
    values[...] = np.arange(96).reshape(8, 12)
    found = aligned(values)
    assert found.ctypes.data % ALIGNMENT == 0
    assert (found is values) == (start == 0)
    np.testing.assert_array_equal(found, values)
