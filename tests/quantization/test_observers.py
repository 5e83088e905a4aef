import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jitlite.quantization.observers import (
    LARGEST_REAL,
    MinMaxObserver,
    MovingAverageObserver,
    PercentileObserver,
    Range,
    observer_factory,
)
from jitlite.quantization.recipe import Recipe

FLOATS = st.floats(-1e6, 1e6, width=32)
SAMPLES = st.lists(arrays(np.float32, st.integers(0, 40), elements=FLOATS), min_size=1, max_size=5)


def observed(observer, samples):
    for sample in samples:
        observer.update(sample)
    return observer.range()


@given(SAMPLES)
def test_minmax_is_numpys(samples):
    found = observed(MinMaxObserver(), samples)
    values = np.concatenate(samples)
    assert (found.low, found.high) == ((values.min(), values.max()) if values.size else (0, 0))
    assert found.is_finite


@given(SAMPLES, st.floats(0, 0.99))
def test_moving_average_follows_the_recurrence(samples, momentum):
    found = observed(MovingAverageObserver(momentum), samples)
    bounds = None
    for sample in samples:
        if sample.size:
            new = np.array([sample.min(), sample.max()], np.float64)
            bounds = new if bounds is None else momentum * bounds + (1 - momentum) * new
    expected = np.zeros(2) if bounds is None else bounds
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-12, atol=1e-12)


@given(SAMPLES, st.sampled_from([75.0, 99.0, 99.9, 100.0]))
def test_percentile_is_numpys_within_a_bin(samples, percentile):
    observer = PercentileObserver(percentile)
    found = observed(observer, samples)
    values = np.concatenate(samples).astype(np.float64)
    if not values.size:
        assert (found.low, found.high) == (0, 0)
        return
    for result, percent in ((found.low, 100 - percentile), (found.high, percentile)):
        below, above = (np.percentile(values, percent, method=method) for method in ("lower", "higher"))
        assert below - observer.bin_width() <= result <= above + observer.bin_width()


@given(SAMPLES, st.randoms(use_true_random=False))
def test_percentile_ignores_order_and_grouping(samples, random):
    shuffled = [np.concatenate(samples)]
    random.shuffle(samples)
    a, b = PercentileObserver(90.0, bins=64), PercentileObserver(90.0, bins=64)
    assert observed(a, samples) == observed(b, shuffled)
    assert a.bin_width() == b.bin_width()


def test_percentile_cuts_outliers_of_a_large_sample():
    values = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    observer = PercentileObserver(99.9)
    for part in np.split(values, 100):
        observer.update(part)
    found = observer.range()
    np.testing.assert_allclose([found.low, found.high], np.percentile(values, [0.1, 99.9]), atol=observer.bin_width())
    assert observer.bin_width() < 0.005


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0.0, 1e-30, -1e-12, 1.0, -3e4, LARGEST_REAL]), min_size=1, max_size=20))
def test_percentile_keeps_bounded_histograms(values):
    observer = PercentileObserver(99.0, bins=32)
    for value in values:
        observer.update(np.float32([value]))
    found = observer.range()
    seen = np.float32(values)
    assert observer._counts.size <= 32
    assert observer._counts.sum() == len(values)
    assert seen.min() <= found.low <= found.high <= seen.max()


@pytest.mark.parametrize("make", [MinMaxObserver, lambda: MovingAverageObserver(0.5), lambda: PercentileObserver(99.0)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, np.float32(-3.4e38)])
def test_values_that_are_no_numbers_are_flagged_and_left_out(make, bad):
    observer = make()
    observer.update(np.float32([1.0, bad, 2.0]))
    found = observer.range()
    assert not found.is_finite
    assert 1.0 <= found.low <= found.high <= 2.0


@pytest.mark.parametrize("make", [MinMaxObserver, lambda: MovingAverageObserver(0.5), lambda: PercentileObserver(99.0)])
def test_nothing_seen_is_an_empty_range(make):
    observer = make()
    assert observer.range() == Range(0.0, 0.0)
    observer.update(np.zeros((0, 3), np.float32))
    assert observer.range() == Range(0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("minmax", MinMaxObserver), ("moving_average", MovingAverageObserver), ("percentile", PercentileObserver)],
)
def test_recipes_choose_observers(name, expected):
    assert isinstance(observer_factory(Recipe(observer=name))(), expected)


def test_union_covers_both_ranges():
    assert Range(-1.0, 2.0).union(Range(0.0, 3.0, is_finite=False)) == Range(-1.0, 3.0, is_finite=False)
