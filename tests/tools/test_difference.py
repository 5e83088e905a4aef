from math import inf, isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jitlite.tools.difference import Difference, DifferenceMeter


def difference(reference: object, other: object) -> Difference:
    meter = DifferenceMeter()
    meter.update(np.asarray(reference), np.asarray(other))
    return meter.result()


def test_numbers_of_a_small_example() -> None:
    found = difference([3.0, -4.0], [3.0, -3.5])
    assert (found.elements, found.max_abs, found.scale, found.relative) == (2, 0.5, 4.0, 0.125)
    assert isclose(found.sqnr_db, 20.0)
    assert isclose(found.cosine, (9 + 14) / (5 * np.hypot(3, 3.5)))
    assert found.agreement is None


def test_equal_values() -> None:
    found = difference([1.0, 2.0], [1.0, 2.0])
    assert (found.max_abs, found.relative, found.sqnr_db) == (0, 0, inf)
    assert isclose(found.cosine, 1)


def test_zeros_have_no_scale() -> None:
    assert difference([0.0], [0.0]).sqnr_db == inf
    assert difference([0.0], [0.0]).cosine == 1
    found = difference([0.0], [0.25])
    assert (found.relative, found.sqnr_db, found.cosine) == (0.25, -inf, 0)


@pytest.mark.parametrize(
    ("reference", "other", "specials"),
    [([np.nan, 1.0], [np.nan, 1.0], 0), ([np.inf], [np.inf], 0), ([np.inf], [-np.inf], 1), ([np.nan], [1.0], 1), ([1.0], [np.inf], 1)],
)
def test_special_values_must_be_the_same(reference: list[float], other: list[float], specials: int) -> None:
    found = difference(reference, other)
    assert found.unequal_specials == specials
    assert (found.relative == inf) == bool(specials)


def test_class_scores_and_integers_agree_in_shares() -> None:
    assert difference([[0.1, 0.9], [0.8, 0.2]], [[0.2, 0.8], [0.3, 0.7]]).agreement == 0.5
    found = difference(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 5]))
    assert (found.agreement, found.is_real, found.max_abs) == (0.75, False, 1)
    assert difference(np.array([True, False]), np.array([True, True])).agreement == 0.5


finite = arrays(np.float32, st.integers(1, 20), elements=st.floats(-100, 100, width=32))


@given(finite, st.integers(1, 19), st.randoms())
def test_samples_add_up(values: np.ndarray, cut: int, random: object) -> None:
    other = values + np.float32(0.5)
    whole = difference(values, other)
    meter = DifferenceMeter()
    for part in np.split(np.arange(len(values)), [min(cut, len(values))]):
        meter.update(values[part], other[part])
    parts = meter.result()
    assert (parts.elements, parts.max_abs, parts.scale) == (whole.elements, whole.max_abs, whole.scale)
    assert isclose(parts.cosine, whole.cosine, abs_tol=1e-9)
    assert isclose(parts.sqnr_db, whole.sqnr_db, abs_tol=1e-9) or parts.sqnr_db == whole.sqnr_db
