"""Decisions and edits of the int8 scheme on small models."""

import dataclasses

import numpy as np
import pytest

from jitlite.quantization import Recipe, apply_plan, compare_models, load_feeds, plan_quantization, quantize
from jitlite.quantization.assign import assign_int8
from jitlite.quantization.observers import Range
from jitlite.quantization.parameters import TensorParams
from jitlite.quantization.prepare import unpack_constants
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.model import builtin_code, operator_code_of, tensor_data
from jitlite.schemas.runtime_version import minimum_runtime
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BuiltinOperator,
    Conv2DOptions,
    DivOptions,
    EqualOptions,
    FullyConnectedOptions,
    IfOptions,
    L2NormOptions,
    MulOptions,
    Padding,
    SquareOptions,
    SubGraph,
    Tensor,
    TensorType,
    TransposeOptions,
)
from jitlite.schemas.write import write_model
from tests.quantization import litert
from tests.quantization.conformance import check
from tests.quantization.conversion import FLOAT_IO, converted, form, names, types
from tests.quantization.models import B, ModelBuilder, classifier

PROBABILITY = TensorParams(TensorType.INT8, (1 / 256,), (-128,))


def test_a_classifier_becomes_int8_throughout():
    model = classifier()
    found = converted(model)
    graph = found.subgraphs[0]
    assert names(found) == names(model)
    assert types(found, graph.inputs + graph.outputs) == [TensorType.INT8, TensorType.INT8]
    assert {tensor.type for tensor in graph.tensors} == {TensorType.INT8, TensorType.INT32}
    assert [operator_code_of(found, op).version for op in graph.operators] == [3, 3, 2, 2, 1, 4, 2]
    assert form(found, "probabilities") == (1 / 256, -128)
    assert form(found, "joined") == form(found, "pooled") == form(found, "flat")
    feeds = litert.random_feeds(model, 4, seed=1)
    assert compare_models(model, found, feeds, litert.run).outputs[0].sqnr_db > 25


def test_float_io_adds_one_conversion_at_each_edge_and_keeps_names():
    model = classifier()
    found = converted(model, FLOAT_IO)
    graph = found.subgraphs[0]
    assert names(found) == ["QUANTIZE", *names(model), "DEQUANTIZE"]
    assert types(found, graph.inputs + graph.outputs) == [TensorType.FLOAT32, TensorType.FLOAT32]
    assert [graph.tensors[index].name for index in graph.inputs + graph.outputs] == ["image", "probabilities"]
    assert {"image_int8", "probabilities_int8"} <= {tensor.name for tensor in graph.tensors}
    assert form(found, "image_int8") == form(converted(model), "image")


@pytest.mark.parametrize("recipe", [Recipe(), FLOAT_IO, Recipe("dynamic", min_weight_elements=1), Recipe("float16")])
def test_the_float_model_stays_as_it_is_and_everything_else_survives(recipe):
    model = classifier()
    before = write_model(model)
    found = quantize(model, recipe, litert.random_feeds(model, 2), litert.run)
    assert write_model(model) == before
    signature = found.signature_defs[0]
    tensors = found.subgraphs[0].tensors
    assert (signature.signature_key, signature.inputs[0].name, signature.outputs[0].name) == ("serving_default", "x", "y")
    assert [entry.tensor_index for entry in signature.inputs] == found.subgraphs[0].inputs
    assert [entry.tensor_index for entry in signature.outputs] == found.subgraphs[0].outputs
    assert tensors[signature.outputs[0].tensor_index].name == "probabilities"
    assert found.description == "a classifier"
    assert [entry.name for entry in found.metadata] == ["notes", "min_runtime_version"]
    needed = minimum_runtime((builtin_code(code), code.version) for code in found.operator_codes)
    assert bytes(found.buffers[found.metadata[1].buffer].data).rstrip(b"\0") == needed.encode() != b""
    assert bytes(found.buffers[found.metadata[0].buffer].data) == b"labels"


def test_the_result_is_deterministic():
    model = classifier()
    first, second = (write_model(converted(model, Recipe(observer="percentile"))) for _ in range(2))
    assert first == second


def test_the_default_kernels_agree_with_the_reference_ones():
    model = classifier()
    found = converted(model)
    image = np.random.default_rng(3).integers(-128, 128, (1, 8, 8, 3)).astype(np.int8)
    (reference,), (default,) = litert.outputs(found, {"image": image}), litert.outputs_by_default(found, {"image": image})
    assert np.abs(reference.astype(int) - default).max() <= 1


@pytest.mark.parametrize("per_channel", [True, False])
def test_weight_scales_follow_the_recipe(per_channel):
    found = converted(classifier(), Recipe(per_channel=per_channel))
    counts = {t.name: (len(t.quantization.scale), t.quantization.quantized_dimension) for t in found.subgraphs[0].tensors if "/w" in t.name}
    assert counts == {
        "first/weights": (8, 0) if per_channel else (1, 0),
        "second/weights": (8, 3) if per_channel else (1, 0),
        "scores/weights": (1, 0),
    }


def test_a_fused_activation_narrows_the_range_to_what_comes_out():
    scale, zero_point = form(converted(classifier()), "first")
    assert zero_point == -128
    assert scale <= 6 / 255 * (1 + 1e-6)


def test_weights_shared_by_layers_with_different_needs_are_duplicated():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    weights, bias = build.weights("weights", 2, 3, 3, 2), build.weights("bias", 2)
    first = build.conv(x, 2, "first", weights=weights, bias=bias)
    scaled = build.op(B.MUL, [first, build.constant("ten", np.float32(10))], [build.tensor("scaled", (1, 4, 4, 2))], MulOptions())[0]
    second = build.conv(scaled, 2, "second", weights=weights, bias=bias)
    found = converted(build.done(second))
    tensors = found.subgraphs[0].tensors
    biases = [tensor for tensor in tensors if tensor.name.startswith("bias")]
    assert sorted(tensor.name for tensor in biases) == ["bias", "bias_1"]
    assert biases[0].quantization.scale != biases[1].quantization.scale
    assert [tensor.name for tensor in tensors if tensor.name.startswith("weights")] == ["weights"]


def test_a_constant_of_a_float_and_an_integer_operator_exists_in_both_forms():
    build = ModelBuilder()
    x = build.input("x", (1, 4))
    shared = build.weights("shared", 1, 4)
    powered = build.op(B.DIV, [x, shared], [build.tensor("quotient", (1, 4))], DivOptions())[0]
    found = converted(build.done(build.add(powered, shared, "y")))
    assert sorted((t.name, t.type.name) for t in found.subgraphs[0].tensors if t.name.startswith("shared")) == [
        ("shared", "FLOAT32"),
        ("shared_1", "INT8"),
    ]


def test_an_operator_without_int8_form_gets_one_pair_of_conversions():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    first = build.conv(x, 2, "first")
    rounded = build.unary(B.FLOOR, build.unary(B.FLOOR, first, "floor"), "floor2")
    model = build.done(build.add(build.conv(rounded, 2, "second"), build.conv(rounded, 2, "third"), "y"))
    plan = plan_quantization(model, Recipe(), litert.random_feeds(model, 2), litert.run)
    assert [(op.index, op.reason) for op in plan.float_operators] == [(1, "it has no int8 form"), (2, "it has no int8 form")]
    found = converted(model)
    assert names(found) == ["CONV_2D", "DEQUANTIZE", "FLOOR", "FLOOR", "QUANTIZE", "CONV_2D", "CONV_2D", "ADD"]


@pytest.mark.parametrize(("recipe", "expected"), [(Recipe(), TensorType.INT8), (FLOAT_IO, TensorType.FLOAT32)])
def test_io_types_hold_for_edges_of_float_operators_too(recipe, expected):
    build = ModelBuilder()
    x, label = build.input("x", (1, 4)), build.input("label", (1,), TensorType.INT32)
    inner = build.dense(build.unary(B.FLOOR, x, "floor"), 4, "inner")
    model = build.done(build.unary(B.FLOOR, inner, "y"), label, x)
    found = converted(model, recipe)
    graph = found.subgraphs[0]
    assert types(found, graph.inputs) == [expected, TensorType.INT32]
    assert types(found, graph.outputs) == [expected, TensorType.INT32, expected]
    assert [graph.tensors[index].name for index in graph.outputs] == ["y", "label", "x"]


@pytest.mark.parametrize(
    ("recipe", "operators", "edges"),
    [
        (Recipe(), ["FULLY_CONNECTED"], (TensorType.INT8, TensorType.INT8)),
        (Recipe(io_type="uint8"), ["QUANTIZE", "FULLY_CONNECTED", "QUANTIZE"], (TensorType.UINT8, TensorType.UINT8)),
        (Recipe(output_type="uint8"), ["FULLY_CONNECTED", "QUANTIZE"], (TensorType.INT8, TensorType.UINT8)),
        (Recipe(output_type="float32"), ["FULLY_CONNECTED", "DEQUANTIZE"], (TensorType.INT8, TensorType.FLOAT32)),
        (Recipe(io_type="float32", output_type="int8"), ["QUANTIZE", "FULLY_CONNECTED"], (TensorType.FLOAT32, TensorType.INT8)),
    ],
)
def test_inputs_and_outputs_have_types_of_their_own(recipe, operators, edges):
    build = ModelBuilder()
    model = build.done(build.dense(build.input("x", (1, 4)), 4, "y"))
    feeds = list(litert.random_feeds(model, 4))
    found = converted(model, recipe, feeds)
    graph = found.subgraphs[0]
    assert names(found) == operators
    assert types(found, [*graph.inputs, *graph.outputs]) == list(edges)
    assert [graph.tensors[index].name for index in (*graph.inputs, *graph.outputs)] == ["x", "y"]
    plan = plan_quantization(model, recipe, feeds, litert.run)
    report = compare_models(model, found, feeds, litert.run, plan)
    assert report.outputs[0].sqnr_db > 30


def test_one_type_for_an_input_that_is_an_output():
    build = ModelBuilder()
    x = build.input("x", (1, 4))
    model = build.done(build.dense(x, 4, "y"), x)
    with pytest.raises(UnsupportedError, match=r"tensor 'x': one type of inputs and outputs is required .*, found int8 and float32"):
        converted(model, Recipe(output_type="float32"))


def test_comparisons_read_floats_and_keep_their_results():
    build = ModelBuilder()
    x = build.input("x", (1, 8))
    y = build.dense(x, 8, "y")
    found = build.op(B.GREATER, [y, build.constant("limit", np.float32(0.1))], [build.tensor("found", (1, 8), TensorType.BOOL)])
    result = converted(build.done(*found, y))
    assert names(result) == ["FULLY_CONNECTED", "DEQUANTIZE", "GREATER"]
    assert types(result, result.subgraphs[0].outputs) == [TensorType.BOOL, TensorType.INT8]


def test_integer_tensors_are_untouched():
    build = ModelBuilder()
    numbers = build.input("numbers", (1, 8), TensorType.INT32)
    same = build.op(
        B.EQUAL, [numbers, build.constant("three", np.int32(3))], [build.tensor("same", (1, 8), TensorType.BOOL)], EqualOptions()
    )
    y = build.dense(build.input("x", (1, 8)), 4, "y")
    model = build.done(*same, y)
    plan = plan_quantization(model, Recipe(), litert.random_feeds(model, 1), litert.run)
    assert [(op.name, op.is_quantized, op.reason) for op in plan.operators] == [("EQUAL", False, ""), ("FULLY_CONNECTED", True, "")]
    assert types(converted(model), [numbers]) == [TensorType.INT32]


def test_subgraphs_other_than_the_main_one_stay_float():
    build = ModelBuilder()
    condition, x = build.input("condition", (), TensorType.BOOL), build.input("x", (1, 4))
    inner = build.dense(x, 4, "inner")
    chosen = build.op(B.IF, [condition, inner], [build.tensor("chosen", (1, 4))], IfOptions(then_subgraph_index=1, else_subgraph_index=1))
    branch = SubGraph(tensors=[Tensor(name="b", shape=[1, 4])], inputs=[0], outputs=[0], name="branch")
    build.model.subgraphs.append(branch)
    model = build.done(build.dense(chosen[0], 4, "y"))
    found = converted(model)
    assert names(found) == ["FULLY_CONNECTED", "DEQUANTIZE", "IF", "QUANTIZE", "FULLY_CONNECTED"]
    assert found.subgraphs[1] == branch


@pytest.mark.parametrize(
    ("selectors", "floats"),
    [
        ({"float_nodes": (1,)}, {1}),
        ({"float_nodes": ("CONV_2D",)}, {0}),
        ({"float_nodes": ("sc.*",)}, {5}),
        ({"float_nodes": ("ADD", "SOFTMAX", "conv")}, {2, 6}),
        ({"float_tensors": ("first/weights",)}, {0}),
        ({"float_tensors": ("joined",)}, {2, 3}),
        ({"float_tensors": (0,)}, {0}),
    ],
)
def test_recipes_keep_operators_in_float(selectors, floats):
    model = classifier()
    recipe = Recipe(**selectors)
    plan = plan_quantization(model, recipe, litert.random_feeds(model, 2), litert.run)
    assert {op.index for op in plan.float_operators} == floats
    assert all("of the recipe name" in op.reason for op in plan.float_operators)
    converted(model, recipe)


def test_masks_that_stand_for_infinity_stay_float():
    build = ModelBuilder()
    x = build.input("x", (1, 4))
    masked = build.add(build.dense(x, 4, "y"), build.constant("mask", np.float32([[0, 0, -3.4e38, 0]])), "masked")
    model = build.done(build.softmax(masked, "p"))
    plan = plan_quantization(model, Recipe(), litert.random_feeds(model, 2), litert.run)
    assert [op.name for op in plan.operators if op.is_quantized] == ["FULLY_CONNECTED"]
    assert all("stand for them" in op.reason for op in plan.float_operators)
    converted(model)


def test_an_operand_computed_at_run_time_keeps_a_convolution_in_float():
    build = ModelBuilder()
    x, weights, bias = build.input("x", (1, 4, 4, 2)), build.input("weights", (2, 1, 1, 2)), build.input("bias", (2,))
    constant = build.weights("constant", 2, 1, 1, 2)
    options = Conv2DOptions(padding=Padding.SAME, stride_h=1, stride_w=1)
    a = build.op(B.CONV_2D, [x, weights, build.weights("b", 2)], [build.tensor("a", (1, 4, 4, 2))], options)[0]
    b = build.op(B.CONV_2D, [x, constant, bias], [build.tensor("b2", (1, 4, 4, 2))], options)[0]
    model = build.done(build.add(a, b, "y"))
    plan = plan_quantization(model, Recipe(), litert.random_feeds(model, 1), litert.run)
    assert [op.reason for op in plan.operators] == ["its weights are computed at run time", "its bias is computed at run time", ""]
    converted(model)


def test_what_the_specification_refuses_stays_float():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    options = L2NormOptions(fused_activation_function=ActivationFunctionType.RELU)
    y = build.op(B.L2_NORMALIZATION, [x], [build.tensor("y", (1, 4, 4, 2))], options)[0]
    model = build.done(build.add(y, x, "sum"))
    ranges = {tensor: Range(-1.0, 1.0) for tensor in (x, y, model.subgraphs[0].outputs[0])}
    plan = assign_int8(unpack_constants(model, with_hybrid_weights=True), ranges, Recipe())
    assert [op.is_quantized for op in plan.operators] == [False, True]
    assert "fused activation" in plan.operators[0].reason


def test_results_too_small_for_a_kernel_keep_the_operator_in_float():
    build = ModelBuilder()
    x = build.input("x", (1, 4))
    difference = build.op(B.SQUARED_DIFFERENCE, [x, x], [build.tensor("d", (1, 4))])[0]
    total = build.add(x, build.constant("c", np.float32(1000)), "total")
    model = build.done(difference, total, build.dense(x, 2, "y"))
    ranges = {x: Range(-1, 1), difference: Range(0, 1e-9), total: Range(0, 1e-5), model.subgraphs[0].outputs[2]: Range(-1, 1)}
    plan = assign_int8(unpack_constants(model, with_hybrid_weights=True), ranges, Recipe())
    assert [op.is_quantized for op in plan.operators] == [False, False, True]
    found = apply_plan(model, plan)
    check(found)
    litert.interpreter(found).allocate_tensors()


def test_a_bias_far_above_its_weights_fits_in_int32():
    build = ModelBuilder()
    x = build.input("x", (1, 2, 2, 2))
    weights = build.constant("weights", np.float32([1e-9, 1e-9, 1, 1]).reshape(2, 1, 1, 2))
    conv = build.conv(x, 2, "conv", size=1, weights=weights, bias=build.constant("bias", np.float32([100, 100])))
    flat = build.reshape(conv, (1, 8), "flat")
    rows = build.constant("rows", np.full((2, 8), 1e-12, np.float32))
    operands = [flat, rows, build.constant("offset", np.float32([300, -300]))]
    y = build.op(B.FULLY_CONNECTED, operands, [build.tensor("y", (1, 2))], FullyConnectedOptions())[0]
    model = build.done(y, conv)
    feeds = litert.random_feeds(model, 4)
    found = converted(model, feeds=feeds)
    report = compare_models(model, found, feeds, litert.run)
    assert min(entry.sqnr_db for entry in report.outputs) > 40


def test_tensors_that_are_always_zero_have_a_form():
    build = ModelBuilder()
    x = build.input("x", (1, 4))
    dead = build.op(
        B.FULLY_CONNECTED,
        [x, build.constant("w", np.zeros((4, 4), np.float32)), -1],
        [build.tensor("dead", (1, 4))],
        FullyConnectedOptions(),
    )
    model = build.done(build.add(*dead, x, "y"))
    feeds = [{"x": np.zeros((1, 4), np.float32)}]
    found = converted(model, feeds=feeds)
    assert form(found, "x") == form(found, "dead") == form(found, "y") == (1.0, 0)
    assert compare_models(model, found, feeds, litert.run).outputs[0].sqnr_db == float("inf")


def test_a_free_batch_stays_free():
    build = ModelBuilder()
    x = build.input("x", (1, 8), shape_signature=[-1, 8])
    model = build.done(build.dense(x, 4, "y"))
    model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]].shape_signature = [-1, 4]
    data = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    found = converted(model, FLOAT_IO, list(load_feeds([{"x": data}], model)))
    (result,) = litert.outputs(found, {"x": data})
    (expected,) = litert.outputs(model, {"x": data})
    assert result.shape == (6, 4)
    assert np.abs(result - expected).max() < 0.1


def test_old_operator_codes_are_completed():
    model = classifier()
    for code in model.operator_codes:
        code.deprecated_builtin_code, code.builtin_code = int(code.builtin_code), BuiltinOperator.ADD
    found = converted(model)
    assert names(found) == names(classifier())


def test_results_nobody_reads_are_quantized_like_others():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 2))
    moved = build.op(B.TRANSPOSE, [x, build.constant("order", np.int32([0, 2, 1]))], [build.tensor("moved", (1, 2, 4))], TransposeOptions())
    unread = build.tensor("unread", (1, 2, 4))
    build.op(B.RELU, moved, [unread])
    found = converted(build.done(*moved))
    assert types(found, [index for op in found.subgraphs[0].operators for index in op.outputs]) == [TensorType.INT8, TensorType.INT8]


def test_plans_are_frozen_data():
    model = classifier()
    plan = plan_quantization(model, Recipe(), litert.random_feeds(model, 2), litert.run)
    assert plan.quantized_count == 7
    assert plan.tensors[model.subgraphs[0].outputs[0]] == PROBABILITY
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.scheme = "dynamic"
    data = plan.to_dict()
    assert data["operators"][0] == {"index": 0, "name": "CONV_2D", "quantized": True, "reason": ""}
    assert data["tensors"][str(model.subgraphs[0].outputs[0])] == {"scale": 1 / 256, "zero_point": -128, "type": "INT8"}


def test_a_plan_belongs_to_its_model():
    model = classifier()
    plan = plan_quantization(model, Recipe(), litert.random_feeds(model, 2), litert.run)
    assert write_model(apply_plan(model, plan)) == write_model(converted(model, feeds=litert.random_feeds(model, 2)))
    other = ModelBuilder()
    with pytest.raises(ValueError, match="the model the plan was made for is required"):
        apply_plan(other.done(other.unary(B.RELU, other.input("x", (1,)), "y")), plan)


def test_a_model_with_nothing_to_quantize_is_unsupported():
    build = ModelBuilder()
    model = build.done(build.unary(B.SQUARE, build.unary(B.FLOOR, build.input("x", (1, 4)), "a"), "y", SquareOptions()))
    with pytest.raises(
        UnsupportedError, match=r"an operator with an int8 form is required, found none \(FLOOR, SQUARE: it has no int8 form\)"
    ):
        quantize(model, Recipe(), litert.random_feeds(model, 1), litert.run)


@pytest.mark.parametrize("missing", ["feeds", "runner"])
def test_calibration_needs_feeds_and_a_runner(missing):
    model = classifier()
    given = {"feeds": litert.random_feeds(model, 1), "runner": litert.run}
    del given[missing]
    with pytest.raises(ValueError, match="feeds and a runner are required"):
        quantize(model, Recipe(), **given)


def test_weights_are_the_nearest_integers():
    model = classifier()
    found = converted(model)
    (before,) = [tensor for tensor in model.subgraphs[0].tensors if tensor.name == "second/weights"]
    (after,) = [tensor for tensor in found.subgraphs[0].tensors if tensor.name == "second/weights"]
    scales = np.float64(after.quantization.scale)
    real, integers = tensor_data(model, before), tensor_data(found, after)
    assert np.abs(integers * scales - real).max() <= scales.max() / 2
    assert (np.abs(integers).max(axis=(0, 1, 2)) == 127).all()
