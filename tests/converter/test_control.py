"""If, Loop and Scan that the run decides: IF and WHILE over subgraphs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.schemas.errors import ConversionError, ConversionWarning, ExecutionError
from tests.converter.agreement import Array, check, converted, floats, kinds, node, onnx_model, run_jitlite, run_tflite
from tests.converter.test_unroll import Infos, loop_body
from tests.converter.test_unroll import body as graph

FLOAT, FLOAT16, INT64, BOOL = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL


def branches(shape: Sequence[int] = (2, 3)) -> dict[str, onnx.GraphProto]:
    """One adds a constant and a value from around, the other gives a value from around back."""
    taken = graph([node("Mul", ["x", "factor"], ["a"]), node("Add", ["a", "y"], ["b"])], {}, {"b": (FLOAT, shape)})
    return {"then_branch": taken, "else_branch": graph([node("Identity", ["y"], ["same"])], {}, {"same": (FLOAT, shape)})}


def if_model(condition_shape: Sequence[int] = ()) -> onnx.ModelProto:
    nodes = [node("Neg", ["x"], ["y"]), node("If", ["c"], ["z"], **branches())]
    return onnx_model(nodes, {"x": floats(2, 3), "c": (condition_shape, np.bool_)}, ["z"], {"factor": np.float32(3)})


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("is_true", [False, True])
def test_a_branch_is_taken_at_run_time(is_true: bool, shape: tuple[int, ...]) -> None:
    found = check(if_model(shape), {"x": floats(2, 3), "c": np.full(shape, is_true)})
    assert found["IF"] == 1


def test_a_branch_gives_constants_and_several_results() -> None:
    first = graph(
        [node("Constant", [], ["five"], value_floats=[5.0, 5.0]), node("Relu", ["x"], ["r"])],
        {},
        {"five": (FLOAT, (2,)), "r": (FLOAT, (2,))},
    )
    second = graph([node("Abs", ["x"], ["s"]), node("Neg", ["s"], ["t"])], {}, {"s": (FLOAT, (2,)), "t": (FLOAT, (2,))})
    nodes = [node("ReduceSum", ["x"], ["sum"], keepdims=0), node("Greater", ["sum", "zero"], ["c"])]
    nodes += [node("If", ["c"], ["p", "q"], then_branch=first, else_branch=second), node("Sub", ["p", "q"], ["d"])]
    for sign in (1, -1):
        feeds = {"x": sign * np.array([3, -1], np.float32)}
        check(onnx_model(nodes, feeds, ["d", "q"], {"zero": np.float32(0)}), feeds)


@pytest.mark.parametrize("is_true", [False, True])
def test_branches_inside_branches(is_true: bool) -> None:
    inner = graph([node("If", ["d"], ["w"], **branches())], {}, {"w": (FLOAT, (2, 3))})
    other = graph([node("Exp", ["y"], ["v"])], {}, {"v": (FLOAT, (2, 3))})
    nodes = [node("Neg", ["x"], ["y"]), node("If", ["c"], ["z"], then_branch=inner, else_branch=other)]
    inputs = {"x": floats(2, 3), "c": ((), np.bool_), "d": ((), np.bool_)}
    model = onnx_model(nodes, inputs, ["z"], {"factor": np.float32(3)})
    for taken in (False, True):
        check(model, {"x": floats(2, 3), "c": np.array(taken), "d": np.array(is_true)})


def test_convolutions_of_a_branch_stay_channels_last_inside() -> None:
    taken = graph(
        [
            node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
            node("Relu", ["a"], ["b"]),
            node("Conv", ["b", "w"], ["c"], pads=[1, 1, 1, 1]),
        ],
        {},
        {"c": (FLOAT, (1, 4, 5, 6))},
    )
    other = graph([node("Identity", ["x"], ["d"])], {}, {"d": (FLOAT, (1, 4, 5, 6))})
    inputs = {"x": floats(1, 4, 5, 6), "go": ((), np.bool_)}
    model = onnx_model([node("If", ["go"], ["y"], then_branch=taken, else_branch=other)], inputs, ["y"], {"w": floats(4, 4, 3, 3, seed=1)})
    for is_true in (False, True):
        check(model, {"x": inputs["x"], "go": np.array(is_true)})


def test_halves_pass_into_branches_as_floats() -> None:
    taken = graph([node("Mul", ["x", "x"], ["a"])], {}, {"a": (FLOAT16, (3,))})
    other = graph([node("Add", ["x", "k"], ["b"])], {}, {"b": (FLOAT16, (3,))})
    inputs = {"x": ((3,), np.float16), "c": ((), np.bool_)}
    model = onnx_model([node("If", ["c"], ["y"], then_branch=taken, else_branch=other)], inputs, ["y"], {"k": np.ones(3, np.float16)})
    for is_true in (False, True):
        check(model, {"x": floats(3).astype(np.float16), "c": np.array(is_true)}, 1e-3)


def test_functions_inside_branches_are_expanded() -> None:
    taken = graph([node("MeanVarianceNormalization", ["x"], ["a"], axes=[0, 2, 3])], {}, {"a": (FLOAT, (2, 3, 4, 4))})
    other = graph([node("Shrink", ["x"], ["b"], lambd=0.5)], {}, {"b": (FLOAT, (2, 3, 4, 4))})
    inputs = {"x": floats(2, 3, 4, 4), "c": ((), np.bool_)}
    model = onnx_model([node("If", ["c"], ["y"], then_branch=taken, else_branch=other)], inputs, ["y"])
    for is_true in (False, True):
        check(model, {"x": inputs["x"], "c": np.array(is_true)})


def test_a_branch_that_is_illegal_for_the_sizes_given_fails_where_it_is_taken() -> None:
    """As in a model for two lengths of input, each with a branch of its own."""
    first = graph([node("Squeeze", ["x", "row"], ["a"])], {}, {"a": (FLOAT, ("n",))})
    second = graph([node("Squeeze", ["x", "column"], ["b"])], {}, {"b": (FLOAT, ("m",))})
    nodes = [node("Equal", ["rate", "known"], ["c"]), node("If", ["c"], ["y"], then_branch=first, else_branch=second)]
    constants = {"known": np.array(16000), "row": np.array([0]), "column": np.array([1])}
    model = onnx_model(nodes, {"x": (("m", "n"), np.float32), "rate": ((), np.int64)}, ["y"], constants)
    options = ConvertOptions(shapes={"x": (1, 12)})
    with pytest.warns(ConversionWarning, match="its else_branch is illegal for the sizes of the inputs, where it is taken"):
        check(model, {"x": floats(1, 12), "rate": np.array(16000)}, options=options)
    with pytest.warns(ConversionWarning):
        made = converted(model, options)
    with pytest.raises(ExecutionError, match=r"operator 1 \(IF\): an index inside its bound"):
        run_jitlite(made, {"x": floats(1, 12), "rate": np.array(8000)})
    with pytest.raises(RuntimeError):
        run_tflite(made, {"x": floats(1, 12), "rate": np.array(8000)})


def loop_model(condition: str, count: int | None, entry: bool | None, results: Sequence[str] = ("last", "squares")) -> onnx.ModelProto:
    """A `count` of None is found at run time, -1 none at all; an `entry` of None is none. "sum" is that of all squares."""
    operands = ["" if count == -1 else "count", "" if entry is None else "entry", "start"]
    nodes = [node("Neg", ["x"], ["start"]), node("Loop", operands, ["last", "squares"], body=loop_body(condition))]
    nodes.append(node("ReduceSum", ["squares", "first"], ["sum"]))
    inputs: dict[str, Any] = {"x": floats(2, 3), "factor": ((), np.float32)}
    constants: dict[str, Array] = {"limit": np.asarray(np.float32(9)), "first": np.array([0])}
    if count is None:
        inputs["count"] = ((), np.int64)
    elif count >= 0:
        constants["count"] = np.asarray(count, np.int64)
    if entry is not None:
        constants["entry"] = np.asarray(entry)
    return onnx_model(nodes, inputs, results, constants)


FEEDS = {"x": floats(2, 3), "factor": np.array(1.5, np.float32)}


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_number_of_turns_found_at_run_time(count: int) -> None:
    found = check(loop_model("kept", None, None, ("last", "squares" if count else "sum")), {**FEEDS, "count": np.array(count)})
    assert found["WHILE"] == 1


@pytest.mark.parametrize("entry", [None, True, False])
@pytest.mark.parametrize("count", [0, 2, 30])
def test_a_condition_ends_a_loop_of_limited_turns(count: int, entry: bool | None) -> None:
    has_turns = count > 0 and entry is not False
    assert check(loop_model("below", count, entry, ("last", "squares" if has_turns else "sum")), FEEDS)["WHILE"] == 1


@pytest.mark.parametrize("count", [513, 2000])
def test_a_long_loop_is_no_copy_of_its_body_for_every_turn(count: int) -> None:
    model = loop_model("kept", count, None)
    assert sum(check(model, {**FEEDS, "factor": np.array(0.5, np.float32)}).values()) < 12


def test_a_condition_alone_ends_a_loop() -> None:
    """The Collatz sequence: states of whole numbers, of one element, one of them never changing."""
    nodes = [
        node("Mod", ["n", "two"], ["odd"]),
        node("Div", ["n", "two"], ["half"]),
        node("Mul", ["n", "three"], ["triple"]),
        node("Add", ["triple", "one"], ["more"]),
        node("Equal", ["odd", "one"], ["is_odd"]),
        node("Where", ["is_odd", "more", "half"], ["next"]),
        node("Greater", ["next", "one"], ["go_on"]),
        node("Add", ["steps", "one"], ["following"]),
        node("Identity", ["three"], ["three_too"]),
    ]
    inputs: Infos = {"turn": (INT64, ()), "go": (BOOL, ()), "n": (INT64, ()), "steps": (INT64, ()), "three": (INT64, ())}
    outputs: Infos = {"go_on": (BOOL, ()), "next": (INT64, ()), "following": (INT64, ()), "three_too": (INT64, ())}
    constants = {name: np.array(value) for name, value in {"zero": 0, "one": 1, "two": 2, "trois": 3, "yes": True}.items()}
    loop = node("Loop", ["", "yes", "start", "zero", "trois"], ["last", "count", "unused"], body=graph(nodes, inputs, outputs))
    feeds = {"start": np.array(27)}
    check(onnx_model([loop], feeds, ["last", "count"], constants), feeds)


def test_states_change_places() -> None:
    """Fibonacci: each turn gives one state back in the place of the other."""
    body = graph(
        [node("Add", ["a", "b"], ["c"]), node("Identity", ["go"], ["on"])],
        {"turn": (INT64, (1,)), "go": (BOOL, (1,)), "a": (INT64, (2,)), "b": (INT64, (2,))},
        {"on": (BOOL, (1,)), "b": (INT64, (2,)), "c": (INT64, (2,))},
    )
    feeds = {"x": np.array([0, 1]), "y": np.array([1, 5]), "count": np.array([20])}
    check(onnx_model([node("Loop", ["count", "", "x", "y"], ["p", "q"], body=body)], feeds, ["p", "q"]), feeds)


def test_loops_inside_loops_see_what_is_around_both() -> None:
    inner = graph(
        [node("Mul", ["t", "factor"], ["u"]), node("Add", ["u", "place"], ["v"]), node("Identity", ["g"], ["h"])],
        {"i": (INT64, ()), "g": (BOOL, ()), "t": (FLOAT, (3,))},
        {"h": (BOOL, ()), "v": (FLOAT, (3,))},
    )
    nodes = [node("Cast", ["turn"], ["place"], to=FLOAT), node("Loop", ["turn", "", "total"], ["next"], body=inner)]
    outer = graph(
        [*nodes, node("Identity", ["go"], ["on"])],
        {"turn": (INT64, ()), "go": (BOOL, ()), "total": (FLOAT, (3,))},
        {"on": (BOOL, ()), "next": (FLOAT, (3,)), "place": (FLOAT, ())},
    )
    feeds = {"x": floats(3), "count": np.array(5), "factor": np.array(0.5, np.float32)}
    model = onnx_model([node("Loop", ["count", "", "x"], ["y", "places"], body=outer)], feeds, ["y", "places"])
    check(model, feeds)
    assert len(converted(model).subgraphs) == 5


@pytest.mark.parametrize("attributes", [{}, {"scan_input_directions": [1]}, {"scan_output_directions": [1], "scan_output_axes": [1]}])
@pytest.mark.parametrize("axis", [0, -1])
def test_a_long_scan_is_a_loop(axis: int, attributes: dict[str, Any]) -> None:
    nodes = [node("Mul", ["state", "decay"], ["less"]), node("Add", ["less", "item"], ["next"]), node("Tanh", ["next"], ["shown"])]
    body = graph(nodes, {"state": (FLOAT, (2, 4)), "item": (FLOAT, (2, 4))}, {"next": (FLOAT, (2, 4)), "shown": (FLOAT, (2, 4))})
    scan = node("Scan", ["start", "items"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_axes=[axis], **attributes)
    feeds = {"start": floats(2, 4, seed=1), "items": np.moveaxis(floats(600, 2, 4), 0, axis)}
    assert check(onnx_model([scan], feeds, ["last", "all"], {"decay": np.float32(0.8)}), feeds)["WHILE"] == 1


@pytest.mark.parametrize("batch", [1, 3])
def test_the_batch_stays_dynamic_around_and_inside_control_flow(batch: int) -> None:
    body = graph(
        [
            node("MatMul", ["h", "w"], ["m"]),
            node("Tanh", ["m"], ["n"]),
            node("Reshape", ["n", "flat"], ["r"]),
            node("Identity", ["go"], ["on"]),
        ],
        {"turn": (INT64, ()), "go": (BOOL, ()), "h": (FLOAT, ("n", 4))},
        {"on": (BOOL, ()), "n": (FLOAT, ("n", 4)), "r": (FLOAT, None)},
    )
    taken = graph([node("Softmax", ["y"], ["s"])], {}, {"s": (FLOAT, ("n", 4))})
    nodes = [
        node("Loop", ["count", "", "x"], ["y", "all"], body=body),
        node("If", ["c"], ["z"], then_branch=taken, else_branch=graph([node("Identity", ["y"], ["t"])], {}, {"t": (FLOAT, ("n", 4))})),
    ]
    inputs = {"x": (("n", 4), np.float32), "c": ((), np.bool_)}
    constants = {"w": floats(4, 4, seed=1), "count": np.array(600), "flat": np.array([-1])}
    for is_true in (False, True):
        check(onnx_model(nodes, inputs, ["z", "all"], constants), {"x": floats(batch, 4), "c": np.array(is_true)})


def refused(model: onnx.ModelProto) -> ConversionError:
    with pytest.raises(ConversionError) as caught:
        convert_onnx(model)
    return caught.value


def test_what_has_no_form_is_refused_with_a_reason() -> None:
    assert "a number of turns is required where turns add results up" in str(refused(loop_model("below", -1, True)))
    error = refused(loop_model("below", None, None))
    assert "a constant number of turns is required" in str(error)


def test_branches_of_different_shapes_need_a_known_condition() -> None:
    other = graph([node("Neg", ["y"], ["a"]), node("Reshape", ["a", "six"], ["b"])], {}, {"b": (FLOAT, (6,))})
    nodes = [node("Neg", ["x"], ["y"]), node("If", ["c"], ["z"], **{**branches(), "else_branch": other})]
    model = onnx_model(nodes, {"x": floats(2, 3), "c": ((), np.bool_)}, ["z"], {"factor": np.float32(3), "six": np.array([6])})
    error = refused(model)
    assert "branches with results of one type and shape" in str(error)
    assert error.inputs_to_fix == ("c",)
    assert kinds(convert_onnx(model, ConvertOptions(values={"c": np.array(True)})))["IF"] == 0


def test_states_that_grow_are_refused() -> None:
    body = graph(
        [node("Concat", ["s", "s"], ["t"], axis=0), node("Identity", ["go"], ["on"])],
        {"turn": (INT64, ()), "go": (BOOL, ()), "s": (FLOAT, None)},
        {"on": (BOOL, ()), "t": (FLOAT, None)},
    )
    model = onnx_model([node("Loop", ["n", "", "x"], ["y"], body=body)], {"x": floats(2), "n": ((), np.int64)}, ["y"])
    assert "states that keep their type and shape are required" in str(refused(model))
