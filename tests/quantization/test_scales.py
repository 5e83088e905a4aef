"""Which tensors share one form, and which ranges forms cover."""

import numpy as np
import pytest

from jitlite.quantization import Recipe, compare_models, plan_quantization
from jitlite.schemas.tables import (
    MaximumMinimumOptions,
)
from tests.quantization import litert
from tests.quantization.conversion import FLOAT_IO, converted, form, names
from tests.quantization.models import B, ModelBuilder


def test_data_movers_share_one_form_and_requantize_nothing():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    left, right = build.conv(x, 2, "left"), build.conv(x, 4, "right")
    both = build.concat([left, right], "both")
    pooled = build.max_pool(both, "pooled")
    flat = build.reshape(pooled, (1, 24), "flat")
    found = converted(build.done(build.dense(flat, 3, "y"), right))
    assert len({form(found, name) for name in ("left", "right", "both", "pooled", "flat")}) == 1
    assert "QUANTIZE" not in names(found)


def test_a_fixed_output_pins_its_group():
    build = ModelBuilder()
    x = build.input("x", (1, 8))
    scores = build.softmax(build.dense(x, 8, "logits"), "scores")
    other = build.unary(B.LOGISTIC, x, "other")
    found = converted(build.done(build.reshape(build.concat([scores, other], "both"), (2, 8), "y")))
    assert {form(found, name) for name in ("scores", "other", "both", "y")} == {(1 / 256, -128)}
    assert "QUANTIZE" not in names(found)


@pytest.mark.parametrize("code", [B.LOGISTIC, B.TANH])
def test_a_fixed_output_that_does_not_fit_its_reader_is_requantized(code):
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    gate = build.unary(code, build.conv(x, 2, "conv"), "gate")
    wide = build.conv(x, 2, "wide")
    found = converted(build.done(build.concat([gate, wide], "both")))
    assert names(found).count("QUANTIZE") == 1
    assert form(found, "gate_int8") == form(found, "both") == form(found, "wide")
    assert form(found, "gate") == ((1 / 256, -128) if code is B.LOGISTIC else (1 / 128, 0))


def test_two_different_fixed_outputs_are_both_requantized_once():
    build = ModelBuilder()
    x = build.input("x", (1, 4))
    a, b = build.unary(B.LOGISTIC, x, "a"), build.unary(B.TANH, x, "b")
    found = converted(build.done(build.concat([a, b], "both"), build.concat([a, b], "again")))
    assert names(found).count("QUANTIZE") in (2, 4)
    assert form(found, "a") == (1 / 256, -128)
    assert form(found, "b") == (1 / 128, 0)


def test_data_movers_between_float_operators_stay_float():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    floor = build.unary(B.FLOOR, build.conv(x, 2, "first"), "floor")
    moved = build.reshape(build.reshape(floor, (1, 32), "a"), (1, 4, 4, 2), "b")
    model = build.done(build.conv(build.unary(B.FLOOR, moved, "floor2"), 2, "y"))
    assert names(converted(model)) == ["CONV_2D", "DEQUANTIZE", "FLOOR", "RESHAPE", "RESHAPE", "FLOOR", "QUANTIZE", "CONV_2D"]


def test_data_movers_beside_integer_operators_move_integers():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    moved = build.reshape(build.conv(x, 2, "first"), (1, 32), "moved")
    assert names(converted(build.done(build.unary(B.FLOOR, moved, "y")), FLOAT_IO)) == [
        "QUANTIZE",
        "CONV_2D",
        "RESHAPE",
        "DEQUANTIZE",
        "FLOOR",
    ]


def test_clamps_narrow_what_only_they_read():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    before = build.conv(x, 4, "before")
    after = build.unary(B.RELU, before, "after")
    model = build.done(build.conv(after, 2, "y"))
    feeds = litert.random_feeds(model, 4)
    plan = plan_quantization(model, Recipe(), feeds, litert.run)
    found = converted(model, feeds=feeds)
    assert form(found, "before") == form(found, "after")
    assert form(found, "before")[1] == -128
    assert set(plan.clamped) == {before}
    with_plan, without = (compare_models(model, found, feeds, litert.run, known).tensor("before") for known in (plan, None))
    assert with_plan.sqnr_db > 30 > without.sqnr_db


def test_clamping_constants_do_not_widen_the_range():
    build = ModelBuilder()
    x = build.input("x", (1, 8))
    y = build.dense(x, 8, "y")
    low = build.op(B.MAXIMUM, [y, build.constant("c0", np.float32(-1000))], [build.tensor("low", (1, 8))], MaximumMinimumOptions())
    high = build.op(B.MINIMUM, [*low, build.constant("c1", np.float32(0.5))], [build.tensor("high", (1, 8))], MaximumMinimumOptions())
    model = build.done(*high)
    feeds = litert.random_feeds(model, 8)
    found = converted(model, feeds=feeds)
    assert len({form(found, name) for name in ("y", "low", "high")}) == 1
    scale, zero_point = form(found, "high")
    assert (127 - zero_point) * scale < 0.6
    assert compare_models(model, found, feeds, litert.run).outputs[0].sqnr_db > 30


def test_a_clamped_tensor_that_something_else_reads_keeps_its_range():
    build = ModelBuilder()
    y = build.dense(build.input("x", (1, 8)), 8, "y")
    found = converted(build.done(build.unary(B.RELU, y, "after"), y))
    assert form(found, "y")[1] > -100
