"""The oldest TFLite runtime that has every operator version a model asks for, as recorded in its `min_runtime_version` metadata."""

from collections.abc import Iterable

from jitlite.schemas.model import builtin_code
from jitlite.schemas.tables import Buffer, BuiltinOperator, Metadata, Model

METADATA = "min_runtime_version"
METADATA_BYTES = 16
"""The size of the metadata's buffer; the version is followed by zeros."""

FIRST_RUNTIMES: dict[str, str] = {
    "ABS": "1.13 2.4 2.5 2.6 2.12",
    "ADD": "1.5 1.14 2.4 2.6 2.13 2.23",
    "ADD_N": "1.14",
    "ARG_MAX": "1.9 1.14 2.9",
    "ARG_MIN": "1.9 1.14 2.9",
    "AVERAGE_POOL_2D": "1.5 1.14 2.3",
    "BATCH_MATMUL": "2.3 2.3 2.4 2.5",
    "BATCH_TO_SPACE_ND": "1.6 1.14 2.3 2.12",
    "BROADCAST_TO": "- 2.5 2.5 2.23",
    "CAST": "1.5 2.7 2.8 2.9 2.12 2.15 2.17 2.21 2.23",
    "CEIL": "1.14",
    "CONCATENATION": "1.5 1.14 2.3 2.14 2.21 2.23 2.23",
    "CONV_2D": "1.5 1.14 1.14 2.3 2.4 2.9 2.11 2.15",
    "COS": "1.14 2.23",
    "CUMSUM": "2.4",
    "DEPTHWISE_CONV_2D": "1.5 1.12 1.14 2.2 2.3 2.3 2.11",
    "DEPTH_TO_SPACE": "2.1 2.5",
    "DEQUANTIZE": "1.13.1 1.14 1.15 2.2 2.7 2.18 2.21 2.22 2.23",
    "DIV": "1.6 2.3",
    "ELU": "1.14",
    "EQUAL": "1.14 1.14 2.3 2.13 2.21",
    "EXP": "1.7 2.12",
    "EXPAND_DIMS": "1.10",
    "FILL": "1.13 2.3 2.5 2.12 2.23",
    "FLOOR": "1.9",
    "FLOOR_DIV": "1.14 1.14 2.13",
    "FLOOR_MOD": "1.13 2.13",
    "FULLY_CONNECTED": "1.5 1.10 1.14 1.14 2.0 2.1 2.3 2.3 2.3 2.11 2.15 2.17 2.18 2.21",
    "GATHER": "1.6 1.14 1.15 2.4 2.5 2.13 2.15 2.23",
    "GATHER_ND": "1.14 2.3 2.5 2.13 2.16 2.23",
    "GELU": "2.9 2.9 2.23",
    "GREATER": "1.14 1.14",
    "GREATER_EQUAL": "1.14 1.14 2.13",
    "HARD_SWISH": "1.15",
    "IF": "1.15",
    "L2_NORMALIZATION": "1.5 1.14",
    "L2_POOL_2D": "1.5",
    "LEAKY_RELU": "1.13.1 2.3",
    "LESS": "1.14 1.14 2.13",
    "LESS_EQUAL": "1.14 1.14",
    "LOG": "1.14 2.15",
    "LOGICAL_AND": "1.11",
    "LOGICAL_NOT": "1.11",
    "LOGICAL_OR": "1.11",
    "LOGISTIC": "1.14 1.14 2.3",
    "LOG_SOFTMAX": "1.14 1.14",
    "MAXIMUM": "1.14 1.14 2.3 2.3",
    "MAX_POOL_2D": "1.5 1.14 2.3",
    "MEAN": "1.6 1.14 2.4",
    "MINIMUM": "1.14 1.14 2.3 2.3",
    "MIRROR_PAD": "1.13.1 2.3 2.12",
    "MUL": "1.5 1.14 1.15 2.3 2.6 2.11 2.13 2.23",
    "NEG": "1.9",
    "NOT_EQUAL": "1.14 1.14 2.3 2.21",
    "ONE_HOT": "1.11",
    "PACK": "1.11 1.14 2.3 2.13 2.23",
    "PAD": "1.5 1.14 2.4 2.6 2.20 2.23",
    "PADV2": "1.9 1.14 2.4 2.6 2.20 2.23",
    "POW": "1.10",
    "PRELU": "1.8",
    "QUANTIZE": "1.14 1.15 2.7 2.21 2.21 2.21",
    "RANGE": "1.13 2.14",
    "RANK": "1.14",
    "REDUCE_ALL": "2.6",
    "REDUCE_ANY": "1.11",
    "REDUCE_MAX": "1.11 1.14 2.5",
    "REDUCE_MIN": "1.11 1.14 2.5",
    "REDUCE_PROD": "1.11 2.6",
    "RELU": "1.5 2.1 2.5",
    "RELU6": "1.5 1.14 2.5",
    "RELU_0_TO_1": "2.10",
    "RELU_N1_TO_1": "1.5",
    "RESHAPE": "1.5",
    "RESIZE_BILINEAR": "1.7 1.14 2.2 2.5",
    "RESIZE_NEAREST_NEIGHBOR": "1.13.1 1.14 2.3 2.4",
    "REVERSE_V2": "1.14 2.2 2.5 2.23",
    "ROUND": "1.14",
    "RSQRT": "1.10 2.5 2.15",
    "SELECT": "1.14 1.14 2.12 2.12",
    "SELECT_V2": "2.2 2.12",
    "SHAPE": "1.10",
    "SIGN": "2.11 2.12",
    "SIN": "1.9 2.23",
    "SLICE": "1.14 1.14 1.14 2.4 2.5 2.14 2.21 2.23",
    "SOFTMAX": "1.5 1.14 2.3 2.23",
    "SPACE_TO_BATCH_ND": "1.6 1.14 2.3 2.12",
    "SPACE_TO_DEPTH": "1.5 1.14",
    "SPLIT": "1.5 1.14 1.14 2.3 2.23",
    "SPLIT_V": "1.13.1 2.3 2.23",
    "SQRT": "1.10 2.21",
    "SQUARE": "1.12",
    "SQUARED_DIFFERENCE": "1.13.1 2.5",
    "SQUEEZE": "1.6 2.5",
    "STRIDED_SLICE": "1.6 1.14 2.1 2.2 2.5 2.6 2.14 2.14",
    "SUB": "1.6 1.14 2.3 2.4 2.4",
    "SUM": "1.10 1.15",
    "TANH": "1.14 1.14 2.3",
    "TILE": "1.10.1 2.2 2.8",
    "TOPK_V2": "1.7 1.14 2.13",
    "TRANSPOSE": "1.6 1.14 1.15 2.3 2.4 2.12 2.14.4 2.22 2.23",
    "TRANSPOSE_CONV": "1.9 2.2 2.3 2.13 2.15",
    "UNPACK": "1.11 1.14 2.2 2.3 2.22 2.23",
    "WHILE": "1.15",
}
"""For versions 1, 2, … of an operator, the first runtime that has it ("-": no runtime does); a missing third number is 0."""


def first_runtime(code: BuiltinOperator, version: int) -> tuple[int, ...]:
    """The first runtime that has this version of an operator; () where that is not known."""
    listed = FIRST_RUNTIMES.get(code.name, "").split()
    if version > len(listed) or listed[version - 1] == "-":
        return ()
    numbers = tuple(int(part) for part in listed[version - 1].split("."))
    return numbers + (0,) * (3 - len(numbers))


def minimum_runtime(codes: Iterable[tuple[BuiltinOperator, int]]) -> str:
    """The oldest runtime for these operator versions, as "2.3.0"; "" where none of them is known."""
    newest = max((first_runtime(code, version) for code, version in codes), default=())
    return ".".join(map(str, newest))


def record_minimum_runtime(model: Model) -> None:
    """Writes the oldest runtime for the model's operator versions into its metadata, in place of what stood there."""
    codes = ((builtin_code(code), code.version) for code in model.operator_codes)
    model.metadata = [entry for entry in model.metadata if entry.name != METADATA]
    model.buffers.append(Buffer(data=minimum_runtime(codes).encode("ascii").ljust(METADATA_BYTES, b"\0")))
    model.metadata.append(Metadata(name=METADATA, buffer=len(model.buffers) - 1))
