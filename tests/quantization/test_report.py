import json
from math import inf, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jitlite.quantization import Recipe, collect_ranges, compare_models, plan_quantization, quantize
from jitlite.quantization.graph import observed_tensors
from jitlite.quantization.observers import MinMaxObserver
from jitlite.quantization.report import ErrorSums
from jitlite.schemas.errors import CalibrationError
from tests.quantization import litert
from tests.quantization.models import B, ModelBuilder, classifier

VALUES = arrays(np.float32, 6, elements=st.floats(-1e3, 1e3, width=32))


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4))
def test_measures_over_samples_are_numpys_over_all_values(pairs):
    sums = ErrorSums()
    for expected, found in pairs:
        sums.update(expected, found)
    a, b = (np.concatenate(part).astype(np.float64) for part in zip(*pairs))
    noise = ((a - b) ** 2).sum()
    if noise == 0:
        assert sums.sqnr_db == inf
    elif not (a**2).sum():
        assert sums.sqnr_db == -inf
    else:
        assert sums.sqnr_db == pytest.approx(10 * log10((a**2).sum() / noise), abs=1e-6)
    length = np.linalg.norm(a) * np.linalg.norm(b)
    if length > 1e-100:
        assert sums.cosine == pytest.approx(a @ b / length, abs=1e-9)
    assert sums.largest == np.abs(a - b).max()
    assert (sums.low, sums.high) == (a.min(), a.max())


@pytest.mark.parametrize(
    ("a", "b", "sqnr", "cosine"), [([0], [0], inf, 1.0), ([0], [1], -inf, 0.0), ([1], [0], 0.0, 0.0), ([2], [2], inf, 1.0)]
)
def test_measures_of_zeros(a, b, sqnr, cosine):
    sums = ErrorSums()
    sums.update(np.float32(a), np.float32(b))
    assert (sums.sqnr_db, sums.cosine) == (sqnr, cosine)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(io_type="float32")])
def test_every_activation_is_reported_with_its_integer_form(recipe):
    model = classifier()
    feeds = litert.random_feeds(model, 4)
    plan = plan_quantization(model, recipe, feeds, litert.run)
    found = quantize(model, recipe, feeds, litert.run)
    report = compare_models(model, found, iter(feeds), litert.run, plan)
    tensors = model.subgraphs[0].tensors
    assert report.samples == 4
    assert [entry.name for entry in report.in_order()] == [tensors[index].name for index in observed_tensors(model)]
    assert [entry.sqnr_db for entry in report.tensors] == sorted(entry.sqnr_db for entry in report.tensors)
    assert [entry.name for entry in report.outputs] == ["probabilities"]
    for index in observed_tensors(model):
        entry, form = report.tensor(tensors[index].name), plan.tensors.get(index)
        assert entry.type == "INT8"
        assert form is None or (entry.scale, entry.zero_point) == (form.scale[0], form.zero_point[0])
        assert entry.low == pytest.approx(plan.ranges[index].low)
        assert entry.high == pytest.approx(plan.ranges[index].high)
    assert report.tensor("image").max_abs_error <= report.tensor("image").scale / 2 * 1.001
    assert report.tensor("image").step == -1


def test_the_numbers_are_those_of_the_runs():
    model = classifier()
    feeds = litert.random_feeds(model, 3)
    found = quantize(model, Recipe(io_type="float32"), feeds, litert.run)
    entry = compare_models(model, found, feeds, litert.run).outputs[0]
    expected = np.stack([litert.outputs(model, feed)[0] for feed in feeds]).astype(np.float64)
    result = np.stack([litert.outputs(found, feed)[0] for feed in feeds]).astype(np.float64)
    assert entry.max_abs_error == pytest.approx(np.abs(expected - result).max())
    assert entry.sqnr_db == pytest.approx(10 * np.log10((expected**2).sum() / ((expected - result) ** 2).sum()))


def test_a_model_compared_with_itself_is_exact():
    model = classifier()
    report = compare_models(model, model, litert.random_feeds(model, 2), litert.run)
    assert all((entry.sqnr_db, entry.max_abs_error, entry.scale) == (inf, 0.0, None) for entry in report.tensors)
    assert report.tensors[0].to_dict()["is_exact"]


def test_reports_become_json():
    model = classifier()
    feeds = litert.random_feeds(model, 2)
    report = compare_models(model, quantize(model, Recipe(), feeds, litert.run), feeds, litert.run)
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["samples"] == 2
    assert set(data["tensors"][0]) == {"name", "type", "sqnr_db", "cosine", "max_abs_error", "scale", "zero_point"} | {
        "low",
        "high",
        "step",
        "is_output",
        "is_exact",
    }
    json.dumps(compare_models(model, model, feeds, litert.run).to_dict(), allow_nan=False)


def test_a_name_both_models_have_is_required():
    model = classifier()
    report = compare_models(model, model, litert.random_feeds(model, 1), litert.run)
    with pytest.raises(ValueError, match="the name of a tensor both models have is required, found 'absent'"):
        report.tensor("absent")


def test_comparison_needs_samples_and_equal_inputs():
    model, build = classifier(), ModelBuilder()
    other = build.done(build.unary(B.RELU, build.input("x", (1, 4)), "y"))
    with pytest.raises(CalibrationError, match="at least one sample is required, found none"):
        compare_models(model, model, [], litert.run)
    with pytest.raises(CalibrationError, match="samples for x are required, found image"):
        compare_models(model, other, litert.random_feeds(model, 1), litert.run)


def test_progress_is_told_of_every_sample():
    model = classifier()
    feeds, counts = litert.random_feeds(model, 3), []
    found = quantize(model, Recipe(), feeds, litert.run, counts.append)
    compare_models(model, found, feeds, litert.run, progress=counts.append)
    assert counts == [1, 2, 3, 1, 2, 3]


def test_ranges_are_those_of_the_values_with_their_shapes():
    model = classifier()
    feeds = litert.random_feeds(model, 3)
    indices = observed_tensors(model)
    ranges = collect_ranges(model, feeds, litert.run, {index: MinMaxObserver() for index in indices})
    for place, values in enumerate(zip(*litert.run(model, feeds, indices))):
        found = ranges[indices[place]]
        assert (found.low, found.high, found.shape) == (np.min(values), np.max(values), values[0].shape)
    with pytest.raises(CalibrationError, match="calibration: at least one sample is required, found none"):
        collect_ranges(model, [], litert.run, {})
