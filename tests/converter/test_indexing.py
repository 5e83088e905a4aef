"""Operators on indices, order, bits and whole numbers against ONNX Runtime: rows as in `test_operators`."""

from typing import Any

import numpy as np
import pytest

from tests.converter.agreement import Array, check, check_node, floats, node, onnx_model, run_jitlite, run_tflite
from tests.converter.agreement import converted as converted_model
from tests.converter.test_operators import case, ints

I64 = np.int64
CUBE = floats(2, 3, 4)
ALONG = {
    0: np.array([[[1, 0, -1, 0]], [[0, -2, 1, 1]], [[0, 0, 1, -1]]], I64),
    1: np.array([[[2, 0, -1], [1, 1, 0]], [[-3, 2, 2], [0, 0, 0]]], I64),
    2: np.array([[[3, 0], [-1, 2]], [[1, 1], [0, -4]]], I64),
}
DISTINCT = np.array([[[2, 0, 1, 0], [1, 1, -3, -1]], [[0, 1, -1, 2], [-1, 0, 0, 0]]], I64)
REPEATED = np.zeros((2, 2, 4), I64) - 1
ROWS = np.array([[1, -1], [0, 0], [-1, 1]], I64)
SAME_ROWS = np.array([[1, 2], [1, 2], [0, -3]], I64)
TIES = np.array([[3, 1, 3, 1], [2, 2, 2, 2], [-1, 5, -1, 5]], np.float32)
WORDS = [np.float16, np.float64, np.int8, np.uint8, np.int16, np.uint16, np.uint32, np.uint64, np.bool_]


def typed(kind: Any, *shape: int) -> Array:
    return np.random.default_rng(3).integers(0, 2 if kind is np.bool_ else 100, shape).astype(kind)


READING = [
    *(case("GatherElements", CUBE, ALONG[axis], axis=axis, name=f"{axis}") for axis in ALONG),
    *(case("GatherElements", CUBE, ALONG[axis], constant=(1,), axis=axis - 3, name=f"{axis} constant") for axis in ALONG),
    case("GatherElements", floats(5), ints(4, -5, 0, 0, 2, 2), name="vector"),
    case("GatherElements", CUBE, ALONG[2].astype(np.int32), axis=2, name="int32"),
    *(case("GatherElements", typed(kind, 3, 4), np.array([[0, -1], [2, 3]], I64), axis=1, name=np.dtype(kind).name) for kind in WORDS),
    *(case("Gather", typed(kind, 3, 4), ints(2, 0), axis=1, name=np.dtype(kind).name) for kind in WORDS if kind is not np.bool_),
    case("GatherND", CUBE, np.array([[[1, -1]], [[0, 2]]], I64), batch_dims=1, name="batch"),
    case("GatherND", CUBE, np.array([[[2], [0]], [[-1], [1]]], I64), constant=(1,), batch_dims=1, name="batch constant"),
    case("GatherND", floats(2, 3, 4, 5), np.array([[[1, 4], [0, -1], [2, 2]]] * 2, I64)[:, :, :1], batch_dims=2, name="two batches"),
    case("Compress", CUBE, np.array([0, 1, 1], bool), constant=(1,), axis=1),
    case("Compress", CUBE, np.array([0, 1, 1, 0, 1], bool), constant=(1,), name="flat"),
    case("OneHot", np.array([0, 2, -1, -4, 7], I64), ints(3), np.array([0, 5], np.float32), constant=(1,), name="run-time values"),
    case("OneHot", np.array([0.0, 2.0, -1.0], np.float32), ints(3), np.array([1, 5], I64), constant=(1, 2), axis=0, name="float indices"),
    *(case("Trilu", floats(2, 4, 5), np.array(k, I64), upper=up, name=f"{up} {k}") for up in (0, 1) for k in (-7, -1, 0, 2, 9)),
    *(
        case("Trilu", floats(4, 3), np.array(k, I64), constant=(1,), upper=up, name=f"{up} {k} constant")
        for up in (0, 1)
        for k in (-1, 0, 9)
    ),
    case("Trilu", np.full((3, 3), np.nan, np.float32), name="nan"),
    case("Trilu", typed(np.int64, 3, 3), name="int64"),
    case("EyeLike", floats(3, 5), k=1),
    case("EyeLike", floats(3, 5), k=-2, dtype=7),
    case("Pad", CUBE, ints(0, 1, 3, 0, 2, 4), constant=(1,), opset=19, mode="wrap"),
    *(case("Slice", CUBE, ints(5), ints(9), ints(axis), constant=(1, 2, 3), name=f"empty {axis}") for axis in (0, 2)),
]

WRITING = [
    *(
        case("ScatterElements", CUBE, DISTINCT, floats(2, 2, 4, seed=1), constant=constant, axis=1, name=str(constant))
        for constant in ((), (1,))
    ),
    *(
        case("ScatterElements", CUBE, REPEATED, floats(2, 2, 4, seed=1), constant=constant, opset=18, axis=1, reduction=reduction)
        for reduction in ("add", "mul", "max", "min")
        for constant in ((), (1,))
    ),
    case("ScatterElements", np.arange(6, dtype=np.int32), ints(0, -1, 0), np.array([9, -9, 7], np.int32), opset=18, reduction="max"),
    case("ScatterElements", np.arange(6), ints(0, -1, 3), ints(9, -9, 7), name="int64"),
    case(
        "ScatterElements", np.full(4, -np.inf, np.float32), ints(2), np.array([1], np.float32), opset=18, reduction="max", name="infinite"
    ),
    *(
        case(
            "ScatterElements",
            np.array([sign, sign, sign, -sign, 1], np.float32),
            ints(0, 1, 1, 3),
            np.array([sign, sign, 2, sign], np.float32),
            constant=constant,
            opset=18,
            reduction=reduction,
            name=f"all {sign}",
        )
        for reduction, sign in (("max", -np.inf), ("min", np.inf))
        for constant in ((), (2,))
    ),
    case("Scatter", CUBE, DISTINCT, floats(2, 2, 4, seed=1), opset=10, axis=1),
    case("ScatterND", floats(2, 3, 4), ROWS, floats(3, 4, seed=1)),
    case("ScatterND", floats(2, 3, 4), ROWS, floats(3, 4, seed=1), constant=(1,), name="constant"),
    case("ScatterND", floats(5, 3), np.array([[[4], [0]], [[-2], [2]]], I64), floats(2, 2, 3, seed=1), name="one axis"),
    case("ScatterND", floats(2, 3), np.array([[1, 2], [0, -3]], I64), floats(2, seed=1), name="elements"),
    *(
        case("ScatterND", floats(2, 3, 4), SAME_ROWS, floats(3, 4, seed=1), constant=constant, opset=18, reduction=reduction)
        for reduction in ("add", "mul", "max", "min")
        for constant in ((), (1,))
    ),
]

ORDER = [
    *(
        case(kind, TIES, axis=axis, keepdims=keep, select_last_index=last, opset=13)
        for kind in ("ArgMax", "ArgMin")
        for axis in (0, 1)
        for keep in (0, 1)
        for last in (0, 1)
    ),
    *(
        case(kind, TIES.astype(dtype), axis=1, name=dtype)
        for kind in ("ArgMax", "ArgMin")
        for dtype in ("int32", "int64", "int8", "float64")
    ),
    case("ArgMin", np.array([[-(2**63), 2**63 - 1]], I64), axis=1, name="extremes"),
    *(case("Hardmax", TIES, axis=axis, opset=opset) for axis in (0, 1) for opset in (11, 13)),
    case("Hardmax", CUBE, opset=11),
    case("ReverseSequence", floats(4, 3, 2), ints(1, 4, 2), opset=10),
    case("ReverseSequence", floats(3, 4, 2), ints(1, 4, 2), opset=10, batch_axis=0, time_axis=1),
]

BINARY_VALUES = np.array([0, 1, -1, 5, -6, 2**31 - 1, -(2**31)], np.int32)
UNSIGNED = np.array([0, 1, 2**63, 2**64 - 1, 5], np.uint64)
DIVIDENDS = np.array([7, -7, 0, 2**62 + 12345, -(2**63) + 1, 2**53 + 1, 999999999999], I64)
DIVISORS = np.array([2, 2, 5, -3, 7, 3, 1000003], I64)

WHOLE = [
    *(case(kind, BINARY_VALUES, BINARY_VALUES[::-1].copy(), opset=18) for kind in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    *(case(kind, DIVIDENDS, DIVISORS, opset=18, name="int64") for kind in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    *(case(kind, UNSIGNED[:, None], UNSIGNED, opset=18, name="uint64") for kind in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    *(case("BitwiseNot", x, opset=18, name=str(x.dtype)) for x in (BINARY_VALUES, DIVIDENDS, UNSIGNED, np.array([0, 200], np.uint8))),
    *(
        case("BitShift", np.array([1, 2**w - 1, 5, 2 ** (w - 1)], f"uint{w}"), np.array([0, w - 1, 2, 1], f"uint{w}"), direction=way)
        for way in ("LEFT", "RIGHT")
        for w in (8, 32, 64)
    ),
    case("Div", DIVIDENDS, DIVISORS, name="int64"),
    case("Div", DIVIDENDS, ints(-3), constant=(1,), name="int64 constant"),
    case("Div", np.array([200, 7], np.uint8), np.array([7, 200], np.uint8), opset=14, name="uint8"),
    case("Mod", DIVIDENDS, DIVISORS, name="int64"),
    case("Mod", DIVIDENDS[[0, 1, 2, 6]], DIVISORS[[0, 1, 3, 6]], fmod=1, name="int64"),
    case("Mod", np.array([7, -7, 7, -7, -8], np.int32), np.array([4, 4, -4, -4, 4], np.int32), fmod=1, name="int32"),
    case("Mod", np.array([1e8, -5.25, 7.5, 0], np.float32), np.array([3, 2, -2, 4], np.float32), fmod=1, name="large"),
    case("Pow", ints(3, -2, 0, 1, -1, 7), ints(5, 3, 0, 100, 101, 18), name="int64"),
    case("Pow", ints(3, -2, 0, 1, -1, 7), ints(5, 3, 0, 100, 101, 18), constant=(1,), name="int64 constant"),
    case("Pow", np.array([3, -2, 5], np.int32), np.array([2, 3, 0], np.float32), constant=(1,), name="int32 float"),
    case("Pow", floats(3, low=0.5, high=2), ints(2, 3, -1), name="float int64"),
    *(case(kind, DIVIDENDS[:, None], ints(*DIVIDENDS[::-1]), name="int64") for kind in ("Max", "Min")),
    case("CumSum", np.arange(6, dtype=np.int32).reshape(2, 3), np.array(1, I64), constant=(1,), name="int32"),
]

FUNCTIONS = [
    *(case(kind, np.array([-1, -0.9999, -0.5, -1e-4, 0, 1e-4, 0.7, 1], np.float32)) for kind in ("Asin", "Acos")),
    case("Atanh", np.array([-0.999, -0.5, -1e-4, 0, 1e-5, 0.7], np.float32)),
    *(case(kind, np.array([-80, -3, -1, -1e-4, 0, 1e-3, 0.5, 2, 88], np.float32)) for kind in ("Sinh", "Cosh", "Asinh", "Atan")),
    case("Asinh", np.array([-1e20, 1e10, 3e38], np.float32), name="large"),
    case("Acosh", np.array([1, 1.0001, 1.5, 20, 1e20], np.float32)),
    case("Shrink", floats(20), lambd=0.7, bias=0.3),
    case("Det", floats(3, 3)),
    case("Det", floats(2, 2, 5, 5)),
    case("Det", floats(2, 1, 1)),
    case("Einsum", floats(2, 3, 4), floats(4, 5, seed=1), equation="...ij,jk->...ik"),
    case("Einsum", floats(2, 3, 3), equation="bii->bi"),
    case("Einsum", floats(3, 3), equation="ii"),
    case("Einsum", floats(2, 3), floats(3, 4, seed=1), floats(4, 2, seed=2), equation="ij,jk,kl->il"),
    case("Einsum", floats(2, 3), floats(3, 4, seed=1), floats(4, seed=2), equation="ij,jk,k->j"),
    case("Einsum", floats(5, 1, 3, 4), floats(1, 2, 4, 6, seed=1), equation="...ij,...jk->...ik", name="broadcast"),
]


@pytest.mark.parametrize(("kind", "operands", "constant", "opset", "attributes"), [*READING, *WRITING, *ORDER, *WHOLE, *FUNCTIONS])
def test_operator_agrees_with_onnxruntime(
    kind: str, operands: tuple[Array, ...], constant: tuple[int, ...], opset: int, attributes: dict[str, Any]
) -> None:
    check_node(kind, *operands, constant=constant, opset=opset, **attributes)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "float16", "uint8"])
def test_top_k(axis: int, largest: int, dtype: str) -> None:
    x = np.array([[3, 1, 3, 1], [2, 2, 2, 2], [9, 5, 9, 5]], dtype)
    if dtype == "uint8":
        x = x + np.uint8(200)
    check_node("TopK", x, ints(2), constant=(1,), outputs=2, axis=axis, largest=largest)


@pytest.mark.parametrize("largest", [0, 1])
def test_top_k_of_unsigned_numbers_of_64_bits(largest: int) -> None:
    model = onnx_model([node("TopK", ["x", "k"], ["y", "i"], largest=largest)], {"x": UNSIGNED}, "yi", {"k": ints(5)})
    wanted = np.sort(UNSIGNED)[:: -1 if largest else 1]
    for run in (run_tflite, run_jitlite):
        values, places = run(converted_model(model), {"x": UNSIGNED})
        np.testing.assert_array_equal(values, wanted)
        np.testing.assert_array_equal(UNSIGNED[places], wanted)


def test_top_k_of_extremes() -> None:
    x = np.array([0, -(2**63), 2**63 - 1, -1], I64)
    check_node("TopK", x, ints(4), constant=(1,), outputs=2, largest=0)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Max", "Min", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"])
def test_unsigned_numbers_of_64_bits(kind: str) -> None:
    check_by_numpy(kind, UNSIGNED[:, None], UNSIGNED)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Max", "Min"])
def test_doubles_stay_doubles(kind: str) -> None:
    check_by_numpy(kind, np.array([[1e300], [1 / 3]]), np.array([1e-300, 7.0]))


NUMPY: dict[str, Any] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Max": np.maximum,
    "Min": np.minimum,
    "Equal": np.equal,
    "Less": np.less,
    "Greater": np.greater,
    "LessOrEqual": np.less_equal,
    "GreaterOrEqual": np.greater_equal,
}


def check_by_numpy(kind: str, a: Array, b: Array) -> None:
    """ONNX Runtime lacks some of these; both engines have to give NumPy's numbers."""
    model = converted_model(onnx_model([node(kind, "ab", "y")], {"a": a, "b": b}, ["y"]))
    for run in (run_tflite, run_jitlite):
        np.testing.assert_array_equal(run(model, {"a": a, "b": b})[0], NUMPY[kind](a, b))


SIZED = {
    "NonZero": ([np.array([[1, 0, 3], [0, 0, 7]], np.float32)], 1, {}),
    "NonZero of truth": ([np.array([True, False, True])], 1, {}),
    "Compress": ([CUBE, np.array([False, True, True])], 1, {"axis": 1}),
    "Unique": ([np.array([3, 1, 3, 2, 1], np.float32)], 4, {}),
    "Unique in order": ([np.array([3, 1, 3, 2, 1, 0], I64)], 4, {"sorted": 0}),
    "Unique of rows": ([np.array([[1, 2], [0, 5], [1, 2], [0, 4]], np.float32)], 4, {"axis": 0}),
    "Unique of rows in order": ([np.array([[1, 2], [0, 5], [1, 2], [0, 4]], np.float32)], 4, {"axis": 0, "sorted": 0}),
    "Unique of columns": ([np.array([[[1, 0, 1]], [[2, 7, 2]]], I64)], 4, {"axis": -1}),
    "Unique of a matrix": ([np.array([[3, 1], [3, 2]], np.float32)], 1, {}),
}


@pytest.mark.parametrize("name", SIZED)
def test_results_as_large_as_values_say(name: str) -> None:
    """Behind the operator the size is used by a Reshape and a concatenation."""
    operands, outputs, attributes = SIZED[name]
    names, results = [f"x{index}" for index in range(len(operands))], [f"r{index}" for index in range(outputs)]
    nodes = [
        node(name.split()[0], names, results, **attributes),
        node("Cast", [results[0]], ["f"], to=1),
        node("Reshape", ["f", "flat"], ["v"]),
        node("Concat", ["v", "tail"], ["y"], axis=0),
        node("Shape", ["v"], ["n"]),
    ]
    constants = {"flat": ints(-1), "tail": floats(3)}
    feeds = dict(zip(names, operands, strict=True))
    check(onnx_model(nodes, feeds, [*results, "y", "n"], constants), feeds)


@pytest.mark.parametrize("centered", [0, 1])
@pytest.mark.parametrize("threshold", [0.3, 0.5])
@pytest.mark.parametrize("constant", [(2,), (2, 3, 4)])
def test_non_max_suppression(centered: int, threshold: float, constant: tuple[int, ...]) -> None:
    boxes, scores = floats(2, 12, 4, low=0, high=1), floats(2, 3, 12, seed=1, low=0, high=1)
    limits = np.array([threshold], np.float32), np.array([0.2], np.float32)
    check_node("NonMaxSuppression", boxes, scores, ints(4), *limits, constant=constant, center_point_box=centered)


def test_non_max_suppression_and_what_it_selects() -> None:
    boxes, scores = floats(1, 20, 4, low=0, high=1), floats(1, 1, 20, seed=1, low=0, high=1)
    nodes = [
        node("NonMaxSuppression", ["boxes", "scores", "most", "overlap"], ["picked"]),
        node("Gather", ["picked", "column"], ["index"], axis=1),
        node("Squeeze", ["index", "one"], ["rows"]),
        node("Squeeze", ["boxes", "zero"], ["all"]),
        node("Gather", ["all", "rows"], ["y"]),
    ]
    constants = {"most": ints(20), "overlap": np.array([0.4], np.float32), "column": ints(2), "one": ints(1), "zero": ints(0)}
    feeds = {"boxes": boxes, "scores": scores}
    check(onnx_model(nodes, feeds, ["y"], constants), feeds)


@pytest.mark.parametrize("span", [(5, -4, 3), (1, 9, 3), (9, 1, -2), (1, 9, -2), (1, 1, 1)])
def test_range_of_a_run_may_be_empty(span: tuple[int, ...]) -> None:
    given = {name: np.array(number, np.int32) for name, number in zip("abc", span, strict=True)}
    nodes = [node("Range", [*given], ["r"]), node("Concat", ["r", "k"], ["y"], axis=0)]
    check(onnx_model(nodes, given, ["y"], {"k": np.array([7], np.int32)}), given)
