"""Every operator against ONNX Runtime, one row a case: operands, which of them are stored in the model, opset, attributes."""

from typing import Any

import numpy as np
import pytest

from tests.converter.agreement import Array, check_node, floats

I64 = np.int64


def case(kind: str, *operands: Array | None, constant: tuple[int, ...] = (), opset: int = 17, name: str = "", **attributes: Any) -> Any:
    shown = name or ",".join(f"{key}={value}" for key, value in attributes.items() if not isinstance(value, np.ndarray))
    return pytest.param(kind, operands, constant, opset, attributes, id=f"{kind}-{opset}-{shown}".rstrip("-"))


def ints(*values: int) -> Array:
    return np.array(values, I64)


IMAGE = floats(2, 6, 7, 9)
POSITIVE = floats(2, 3, 4, low=0.1, high=3)
CUBE = floats(2, 3, 4)

ACTIVATIONS = [
    *(
        case(kind, CUBE)
        for kind in (
            "Relu",
            "Sigmoid",
            "Tanh",
            "Softplus",
            "Softsign",
            "Erf",
            "Exp",
            "Abs",
            "Neg",
            "Floor",
            "Ceil",
            "Sign",
            "Sin",
            "Cos",
            "Elu",
            "Selu",
        )
    ),
    *(case(kind, POSITIVE) for kind in ("Log", "Sqrt", "Reciprocal")),
    *(case(kind, np.array([-5, 0, 7, -(1 << 40), 1 << 62], np.int64), name="int64") for kind in ("Abs", "Sign", "Neg")),
    case("Tan", floats(3, 4, low=-1, high=1)),
    case("Erf", floats(100, low=-5, high=5), name="wide"),
    case("Round", np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.2, 7.8], np.float32)),
    case("LeakyRelu", CUBE, alpha=0.2),
    case("LeakyRelu", CUBE),
    case("Elu", CUBE, alpha=0.5),
    case("Celu", CUBE, alpha=0.7),
    case("ThresholdedRelu", CUBE, alpha=0.3),
    case("ThresholdedRelu", np.array([-np.inf, np.inf, 0.3, 2], np.float32), alpha=0.3, name="infinite"),
    case("HardSigmoid", CUBE),
    case("HardSigmoid", CUBE, alpha=1 / 6, beta=0.5),
    case("HardSwish", floats(4, 5, low=-5, high=5)),
    case("Mish", CUBE, opset=18),
    case("Gelu", CUBE, opset=20),
    case("Gelu", CUBE, opset=20, approximate="tanh"),
    case("PRelu", IMAGE, floats(6, 1, 1, seed=1), constant=(1,)),
    case("PRelu", IMAGE, floats(1, seed=1), constant=(1,), name="one slope"),
    case("PRelu", CUBE, floats(4, seed=1), constant=(1,), name="last axis"),
    case("Clip", CUBE, opset=10, min=-0.5, max=0.7),
    case("Clip", CUBE, opset=10, min=0.0, max=6.0),
    case("Clip", CUBE, np.float32(-1), np.float32(1), constant=(1, 2)),
    case("Clip", CUBE, np.float32(0), np.float32(1), constant=(1, 2), name="to one"),
    case("Clip", CUBE, None, np.float32(0.3), constant=(2,), name="above"),
    case("Clip", CUBE, np.float32(0.1), constant=(1,), name="below"),
    case("Clip", CUBE, np.array(-0.4, np.float32), np.array(0.4, np.float32), name="run time"),
    case("Clip", np.arange(12, dtype=np.int32), np.int32(3), np.int32(8), constant=(1, 2), name="int32"),
    *(case(kind, CUBE, opset=opset, axis=axis) for kind in ("Softmax", "LogSoftmax") for opset in (11, 13) for axis in (0, 1, 2)),
    *(case(kind, CUBE, opset=opset) for kind in ("Softmax", "LogSoftmax") for opset in (11, 17)),
    case("Softmax", IMAGE, axis=1, name="channels"),
    case("Softmax", floats(2, 5, 1, 1), opset=9, axis=1, name="squeezable"),
]

ARITHMETIC = [
    *(case(kind, CUBE, floats(2, 3, 4, seed=1)) for kind in ("Add", "Sub", "Mul", "Div")),
    *(case(kind, CUBE, floats(3, 1, seed=1), name="broadcast") for kind in ("Add", "Sub", "Mul", "Div")),
    *(case(kind, floats(4, seed=1), CUBE, constant=(0,), name="constant") for kind in ("Add", "Sub", "Mul", "Div")),
    *(
        case(kind, np.arange(6, dtype=dtype), np.arange(1, 7, dtype=dtype), name=dtype.__name__)
        for kind in ("Add", "Sub", "Mul")
        for dtype in (np.int32, np.int64)
    ),
    case("Div", np.array([7, -7, 9], np.int32), np.array([2, 2, -4], np.int32), name="int32"),
    *(case("Pow", POSITIVE, np.float32(exponent), constant=(1,), name=str(exponent)) for exponent in (1, 2, 3, 0.5, -1.5)),
    case("Pow", POSITIVE, floats(4, seed=3), name="run time"),
    case("Pow", POSITIVE, np.array(2, I64), constant=(1,), name="integer exponent"),
    *(case(kind, CUBE, floats(4, seed=1), floats(2, 1, 4, seed=2)) for kind in ("Min", "Max", "Sum", "Mean")),
    *(case(kind, CUBE, name="single") for kind in ("Min", "Max", "Sum", "Mean")),
    *(case(kind, np.arange(4, dtype=np.int32), np.array([2, 2, 2, 2], np.int32), name="int32") for kind in ("Min", "Max")),
    *(
        case(kind, floats(3, 4).astype(kind_of), floats(4, seed=1).astype(kind_of), name=kind_of)
        for kind in ("Add", "Mul", "Sub", "Div")
        for kind_of in ("float16", "float64")
    ),
    *(
        case("Max", np.array([250, 3], kind_of), np.array([7, 9], kind_of), opset=13, name=kind_of)
        for kind_of in ("uint8", "float16", "float64")
    ),
    case("ReduceSum", floats(3, 4).astype(np.float64), ints(1), constant=(1,), name="float64"),
    case("Mod", np.array([7, -7, 9, -9], np.int32), np.array([3, 3, -4, -4], np.int32)),
    case("Mod", floats(20, low=-9, high=9), floats(20, seed=1, low=1, high=4), fmod=1),
]

LOGIC = [
    *(case(kind, floats(2, 3), floats(3, seed=1)) for kind in ("Greater", "Less", "GreaterOrEqual", "LessOrEqual")),
    *(case(kind, floats(2, 3), floats(3, seed=1), opset=13, name="opset_13") for kind in ("GreaterOrEqual", "LessOrEqual")),
    *(
        case(kind, np.array([1, 2, 3], dtype), np.array([3, 2, 1], dtype), name=dtype.__name__)
        for kind in ("Equal", "Greater", "LessOrEqual")
        for dtype in (np.int32, np.int64)
    ),
    *(case(kind, np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)) for kind in ("And", "Or", "Xor")),
    case("Not", np.array([0, 1], bool)),
    case("Where", np.array([[1, 0, 1], [0, 1, 0]], bool), floats(2, 3), floats(3, seed=1)),
    case("Where", np.array([1, 0, 1], bool), floats(3), np.float32(-1e9), constant=(2,), name="fill"),
    case("IsNaN", np.array([1, np.nan, np.inf], np.float32)),
    case("IsInf", np.array([1, np.nan, np.inf, -np.inf], np.float32), opset=10),
    case("IsInf", np.array([1, np.nan, np.inf, -np.inf], np.float32), opset=10, detect_negative=0),
]

CASTS = [
    case("Cast", np.array([-1.7, 0.2, 2.9], np.float32), to=6),
    case("Cast", np.array([-1.7, 0.2, 2.9], np.float32), to=7),
    case("Cast", np.array([-1, 0, 2], np.int32), to=1),
    case("Cast", np.array([-1, 0, 2], np.int64), to=6),
    case("Cast", np.array([-1, 0, 2], np.int64), to=9),
    case("Cast", np.array([True, False]), to=1),
    case("CastLike", np.array([-1, 0, 2], np.int32), np.zeros(1, np.float32), constant=(1,)),
]

REDUCTIONS = [
    *(
        case(kind, POSITIVE, opset=13 if kind != "ReduceSum" else 12, axes=[1], keepdims=keep)
        for kind in (
            "ReduceMean",
            "ReduceSum",
            "ReduceMax",
            "ReduceMin",
            "ReduceProd",
            "ReduceL1",
            "ReduceL2",
            "ReduceSumSquare",
            "ReduceLogSum",
            "ReduceLogSumExp",
        )
        for keep in (0, 1)
    ),
    *(
        case(kind, POSITIVE, ints(0, -1), constant=(1,), opset=18)
        for kind in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2")
    ),
    case("ReduceMean", CUBE, opset=13, name="all axes"),
    case("ReduceSum", CUBE, None, opset=13, noop_with_empty_axes=1),
    case("ReduceMean", IMAGE, opset=13, axes=[2, 3]),
    case("ReduceMax", np.arange(6, dtype=np.int32).reshape(2, 3), opset=13, axes=[1], name="int32"),
    *(case(kind, CUBE, axis=axis, keepdims=keep) for kind in ("ArgMax", "ArgMin") for axis in (0, 2, -2) for keep in (0, 1)),
    case("CumSum", CUBE, np.array(1, I64), constant=(1,)),
    case("CumSum", CUBE, np.array(-1, I64), constant=(1,), exclusive=1, reverse=1),
    case("LpNormalization", CUBE, axis=1),
]

SHAPES = [
    case("Reshape", CUBE, ints(0, -1), constant=(1,)),
    case("Reshape", CUBE, ints(4, 6), constant=(1,)),
    case("Reshape", floats(2, 3, 4), ints(2, 3, 4), constant=(1,), opset=14, allowzero=1),
    *(case("Flatten", IMAGE, axis=axis) for axis in (0, 1, 2, -1)),
    case("Squeeze", floats(1, 3, 1, 4), opset=11, axes=[0, 2]),
    case("Squeeze", floats(1, 3, 1, 4), opset=8, axes=[2, 0], name="axes in any order"),
    case("Squeeze", floats(1, 3, 1, 4), ints(-2), constant=(1,)),
    case("Unsqueeze", CUBE, opset=11, axes=[0, 3]),
    case("Unsqueeze", CUBE, ints(1, -1), constant=(1,)),
    case("Transpose", CUBE),
    case("Transpose", IMAGE, perm=[0, 2, 3, 1]),
    case("Transpose", floats(2, 3, 2, 3, 2), perm=[4, 2, 0, 1, 3]),
    case("Concat", CUBE, floats(2, 5, 4, seed=1), axis=1),
    case("Concat", CUBE, floats(2, 3, 1, seed=1), floats(2, 3, 2, seed=2), axis=-1),
    case("Expand", floats(3, 1), ints(2, 3, 4), constant=(1,)),
    case("Expand", floats(2, 1, 4), ints(1, 3, 1), constant=(1,)),
    case("Tile", CUBE, ints(1, 2, 3), constant=(1,)),
    case("Identity", CUBE),
    case("Dropout", CUBE, opset=10),
    case("DepthToSpace", floats(1, 8, 2, 3), blocksize=2),
    case("DepthToSpace", floats(1, 18, 2, 3), blocksize=3, mode="CRD"),
    case("SpaceToDepth", floats(1, 3, 4, 6), blocksize=2),
]

SLICES = [
    case("Slice", IMAGE, opset=9, starts=[1, 2], ends=[5, -1], axes=[1, 3]),
    case("Slice", IMAGE, ints(1, -3), ints(2**31, 7), ints(1, 2), constant=(1, 2, 3)),
    case("Slice", IMAGE, ints(0, 8), ints(7, -20), ints(2, 3), ints(2, -3), constant=(1, 2, 3, 4)),
    case("Slice", IMAGE, ints(6), ints(0), ints(2), ints(-1), constant=(1, 2, 3, 4), name="backwards"),
    case("Slice", IMAGE, ints(0, 0), ints(1, 2), constant=(1, 2), name="default axes"),
    case("Gather", CUBE, ints(0, -1, 1), constant=(1,), axis=1),
    case("Gather", CUBE, np.array(-1, I64), constant=(1,), axis=2, name="scalar"),
    case("Gather", CUBE, np.array([[0, 1], [1, 0]], I64), constant=(1,), name="matrix"),
    case("Gather", floats(10, 4), np.array([[1, 2, 9]], I64), constant=(0,), name="embedding"),
    case("GatherND", CUBE, np.array([[0, 2], [1, -1]], I64), constant=(1,)),
    case("OneHot", np.array([0, 2, 1], I64), ints(3), np.array([0, 5], np.float32), constant=(1, 2)),
    case("OneHot", np.array([[0, 2, 1]], I64), ints(3), np.array([-1, 5], np.float32), constant=(1, 2), axis=1),
    case("Pad", IMAGE, opset=10, pads=[0, 1, 0, 2, 0, 0, 3, 1]),
    case("Pad", IMAGE, opset=10, pads=[0, 0, 1, 2, 0, 0, 3, 1], value=1.5),
    case("Pad", IMAGE, opset=10, pads=[0, 0, 1, 2, 0, 0, 3, 1], mode="reflect"),
    case("Pad", IMAGE, opset=10, pads=[0, 1, 1, 2, 1, 0, 3, 0], mode="edge"),
    case("Pad", IMAGE, ints(0, 0, -1, 2, 0, 0, 1, -2), constant=(1,), name="crop"),
    case("Pad", IMAGE, ints(1, 2, 0, 3), np.float32(-1), ints(2, -1), constant=(1, 2, 3), opset=18, name="axes"),
]

PRODUCTS = [
    case("MatMul", floats(3, 4), floats(4, 5, seed=1), constant=(1,)),
    case("MatMul", floats(2, 3, 4), floats(4, 5, seed=1), constant=(1,)),
    case("MatMul", floats(2, 3, 4), floats(2, 4, 5, seed=1), name="run time"),
    case("MatMul", floats(2, 3, 4), floats(1, 4, 5, seed=1), constant=(1,), name="stacked constant"),
    case("MatMul", floats(3, 4), floats(4, 5, seed=1), constant=(0,), name="constant left"),
    case("MatMul", floats(2, 1, 3, 4), floats(5, 4, 2, seed=1), name="broadcast"),
    case("MatMul", floats(4), floats(4, 5, seed=1), constant=(1,), name="vector left"),
    case("MatMul", floats(2, 3, 4), floats(4, seed=1), constant=(1,), name="vector right"),
    case("MatMul", floats(4), floats(4, seed=1), name="vectors"),
    case("Gemm", floats(3, 4), floats(4, 5, seed=1), floats(5, seed=2), constant=(1, 2)),
    case("Gemm", floats(3, 4), floats(5, 4, seed=1), floats(1, 5, seed=2), constant=(1, 2), transB=1, alpha=0.5, beta=2.0),
    case("Gemm", floats(4, 3), floats(4, 5, seed=1), constant=(1,), transA=1),
    case("Gemm", floats(3, 4), floats(4, 5, seed=1), floats(3, 1, seed=2), constant=(1, 2), beta=0.5, name="column bias"),
    case("Gemm", floats(3, 4), floats(4, 5, seed=1), floats(3, 5, seed=2), name="run time"),
    case("Gemm", floats(4, 3), floats(5, 4, seed=1), floats(5, seed=2), transA=1, transB=1, alpha=0.3, beta=0.7, name="run time"),
]

NORMALIZATIONS = [
    case(
        "BatchNormalization",
        IMAGE,
        floats(6, seed=1),
        floats(6, seed=2),
        floats(6, seed=3),
        floats(6, low=0.5, seed=4),
        constant=(1, 2, 3, 4),
    ),
    case(
        "BatchNormalization",
        floats(3, 6),
        floats(6, seed=1),
        floats(6, seed=2),
        floats(6, seed=3),
        floats(6, low=0.5, seed=4),
        constant=(1, 2, 3, 4),
        opset=9,
        epsilon=0.01,
    ),
    case("LayerNormalization", CUBE, floats(4, seed=1), floats(4, seed=2), constant=(1, 2)),
    case("LayerNormalization", CUBE, floats(3, 4, seed=1), constant=(1,), axis=1),
    case("InstanceNormalization", IMAGE, floats(6, seed=1), floats(6, seed=2), constant=(1, 2)),
    case("GroupNormalization", IMAGE, floats(6, seed=1), floats(6, seed=2), constant=(1, 2), opset=21, num_groups=3),
]


@pytest.mark.parametrize(
    ("kind", "operands", "constant", "opset", "attributes"),
    [*ACTIVATIONS, *ARITHMETIC, *LOGIC, *CASTS, *REDUCTIONS, *SHAPES, *SLICES, *PRODUCTS, *NORMALIZATIONS],
)
def test_operator_agrees_with_onnxruntime(
    kind: str, operands: tuple[Array, ...], constant: tuple[int, ...], opset: int, attributes: dict[str, Any]
) -> None:
    check_node(kind, *operands, constant=constant, opset=opset, **attributes)


@pytest.mark.parametrize("newer", [21, 25])
@pytest.mark.parametrize(("kind", "operands", "constant", "opset", "attributes"), [*ARITHMETIC, *LOGIC, *PRODUCTS])
def test_operator_of_newer_opsets(
    kind: str, operands: tuple[Array, ...], constant: tuple[int, ...], opset: int, newer: int, attributes: dict[str, Any]
) -> None:
    check_node(kind, *operands, constant=constant, opset=newer, **attributes)


@pytest.mark.parametrize(("sizes", "opset"), [([2, 1], 11), ([1, 1, 1], 11), (None, 11), ([1, 2], 13), (None, 13)])
def test_split(sizes: list[int] | None, opset: int) -> None:
    count = 3 if sizes is None else len(sizes)
    if opset == 13 and sizes is not None:
        check_node("Split", CUBE, ints(*sizes), constant=(1,), opset=13, outputs=count, axis=1)
    else:
        check_node("Split", CUBE, opset=opset, outputs=count, axis=1, **({"split": sizes} if sizes is not None else {}))


def test_topk() -> None:
    check_node("TopK", CUBE, ints(2), constant=(1,), outputs=2, axis=1)
