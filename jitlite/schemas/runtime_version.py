"""The oldest TFLite runtime that has every operator version a model asks for, as recorded in its `min_runtime_version` metadata.

Runtimes are numbered as in that metadata: by TensorFlow's releases from 1.5 to 2.19, and by the numbers LiteRT went on with from 2.20.
LiteRT's own packages count anew from 1.0; `LITERT_RUNTIMES` says which runtime is in them.
"""

import re
from collections.abc import Iterable

from jitlite.schemas.errors import ConversionError, NodeProblem
from jitlite.schemas.model import builtin_code, operator_code_of
from jitlite.schemas.tables import Buffer, BuiltinOperator, Metadata, Model

METADATA = "min_runtime_version"
METADATA_BYTES = 16
"""The size of the metadata's buffer; the version is followed by zeros."""
MOST_NAMED = 5
"""Tensors named for each operator version that is too new."""

Runtime = tuple[int, ...]
"""A version as three numbers; () for none."""

FIRST_RUNTIMES: dict[str, str] = {
    "ABS": "1.13 2.4 2.5 2.6 2.12",
    "ADD": "1.5 1.14 2.4 2.6 2.13 2.23",
    "ADD_N": "1.14",
    "ARG_MAX": "1.9 1.14 2.9",
    "ARG_MIN": "1.9 1.14 2.9",
    "ASSIGN_VARIABLE": "2.6",
    "ATAN2": "2.10",
    "AVERAGE_POOL_2D": "1.5 1.14 2.3",
    "BATCH_MATMUL": "2.3 2.3 2.4 2.5",
    "BATCH_TO_SPACE_ND": "1.6 1.14 2.3 2.12",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "1.14 1.14 1.14",
    "BIDIRECTIONAL_SEQUENCE_RNN": "1.14 1.14 2.3",
    "BITCAST": "2.13",
    "BITWISE_XOR": "2.13",
    "BROADCAST_ARGS": "2.6",
    "BROADCAST_TO": "- 2.5 2.5 2.23",
    "BUCKETIZE": "2.8",
    "CALL_ONCE": "2.5",
    "CAST": "1.5 2.7 2.8 2.9 2.12 2.15 2.17 2.21 2.23",
    "CEIL": "1.14",
    "COMPLEX_ABS": "2.5",
    "CONCATENATION": "1.5 1.14 2.3 2.14 2.21 2.23 2.23",
    "CONV_2D": "1.5 1.14 1.14 2.3 2.4 2.9 2.11 2.15",
    "CONV_3D": "2.5",
    "CONV_3D_TRANSPOSE": "2.6",
    "COS": "1.14 2.23",
    "CUMSUM": "2.4",
    "DENSIFY": "2.2",
    "DEPTHWISE_CONV_2D": "1.5 1.12 1.14 2.2 2.3 2.3 2.11",
    "DEPTH_TO_SPACE": "2.1 2.5",
    "DEQUANTIZE": "1.13.1 1.14 1.15 2.2 2.7 2.18 2.21 2.22 2.23",
    "DILATE": "2.15",
    "DIV": "1.6 2.3",
    "DYNAMIC_UPDATE_SLICE": "2.9 2.17 2.19 2.20 2.21 2.22",
    "ELU": "1.14",
    "EMBEDDING_LOOKUP": "1.13 1.14 1.14 2.18 2.21",
    "EMBEDDING_LOOKUP_SPARSE": "1.5",
    "EQUAL": "1.14 1.14 2.3 2.13 2.21",
    "EXP": "1.7 2.12",
    "EXPAND_DIMS": "1.10",
    "FAKE_QUANT": "1.5 1.10",
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
    "HASHTABLE": "2.5",
    "HASHTABLE_FIND": "2.5",
    "HASHTABLE_IMPORT": "2.5",
    "HASHTABLE_LOOKUP": "1.5",
    "HASHTABLE_SIZE": "2.5",
    "IF": "1.15",
    "IMAG": "2.5",
    "L2_NORMALIZATION": "1.5 1.14",
    "L2_POOL_2D": "1.5",
    "LEAKY_RELU": "1.13.1 2.3",
    "LESS": "1.14 1.14 2.13",
    "LESS_EQUAL": "1.14 1.14",
    "LOCAL_RESPONSE_NORMALIZATION": "1.5",
    "LOG": "1.14 2.15",
    "LOGICAL_AND": "1.11",
    "LOGICAL_NOT": "1.11",
    "LOGICAL_OR": "1.11",
    "LOGISTIC": "1.14 1.14 2.3",
    "LOG_SOFTMAX": "1.14 1.14",
    "LSH_PROJECTION": "1.5",
    "LSTM": "1.7 1.10 1.14 2.3",
    "MATRIX_DIAG": "1.14",
    "MATRIX_SET_DIAG": "1.14",
    "MAXIMUM": "1.14 1.14 2.3 2.3",
    "MAX_POOL_2D": "1.5 1.14 2.3",
    "MEAN": "1.6 1.14 2.4",
    "MINIMUM": "1.14 1.14 2.3 2.3",
    "MIRROR_PAD": "1.13.1 2.3 2.12",
    "MUL": "1.5 1.14 1.15 2.3 2.6 2.11 2.13 2.23",
    "MULTINOMIAL": "2.8",
    "NEG": "1.9",
    "NON_MAX_SUPPRESSION_V4": "2.1",
    "NON_MAX_SUPPRESSION_V5": "2.1",
    "NOT_EQUAL": "1.14 1.14 2.3 2.21",
    "ONE_HOT": "1.11",
    "PACK": "1.11 1.14 2.3 2.13 2.23",
    "PAD": "1.5 1.14 2.4 2.6 2.20 2.23",
    "PADV2": "1.9 1.14 2.4 2.6 2.20 2.23",
    "POW": "1.10",
    "PRELU": "1.8",
    "QUANTIZE": "1.14 1.15 2.7 2.21 2.21 2.21",
    "RANDOM_STANDARD_NORMAL": "2.8",
    "RANDOM_UNIFORM": "2.8",
    "RANGE": "1.13 2.14",
    "RANK": "1.14",
    "READ_VARIABLE": "2.6",
    "REAL": "2.5",
    "REDUCE_ALL": "2.6",
    "REDUCE_ANY": "1.11",
    "REDUCE_MAX": "1.11 1.14 2.5",
    "REDUCE_MIN": "1.11 1.14 2.5",
    "REDUCE_PROD": "1.11 2.6",
    "REDUCE_WINDOW": "2.15",
    "RELU": "1.5 2.1 2.5",
    "RELU6": "1.5 1.14 2.5",
    "RELU_0_TO_1": "2.10",
    "RELU_N1_TO_1": "1.5",
    "RESHAPE": "1.5",
    "RESIZE_BILINEAR": "1.7 1.14 2.2 2.5",
    "RESIZE_NEAREST_NEIGHBOR": "1.13.1 1.14 2.3 2.4",
    "REVERSE_SEQUENCE": "1.14",
    "REVERSE_V2": "1.14 2.2 2.5 2.23",
    "RFFT2D": "2.5",
    "RIGHT_SHIFT": "2.13",
    "RNN": "1.5 1.14 2.3",
    "ROUND": "1.14",
    "RSQRT": "1.10 2.5 2.15",
    "SCATTER_ND": "2.1",
    "SEGMENT_SUM": "2.2",
    "SELECT": "1.14 1.14 2.12 2.12",
    "SELECT_V2": "2.2 2.12",
    "SHAPE": "1.10",
    "SIGN": "2.11 2.12",
    "SIN": "1.9 2.23",
    "SKIP_GRAM": "1.5",
    "SLICE": "1.14 1.14 1.14 2.4 2.5 2.14 2.21 2.23",
    "SOFTMAX": "1.5 1.14 2.3 2.23",
    "SPACE_TO_BATCH_ND": "1.6 1.14 2.3 2.12",
    "SPACE_TO_DEPTH": "1.5 1.14",
    "SPARSE_TO_DENSE": "1.9 1.14 1.15",
    "SPLIT": "1.5 1.14 1.14 2.3 2.23",
    "SPLIT_V": "1.13.1 2.3 2.23",
    "SQRT": "1.10 2.21",
    "SQUARE": "1.12",
    "SQUARED_DIFFERENCE": "1.13.1 2.5",
    "SQUEEZE": "1.6 2.5",
    "STABLEHLO_ADD": "2.16",
    "STABLEHLO_AND": "2.17",
    "STABLEHLO_CASE": "2.17",
    "STABLEHLO_CBRT": "2.17",
    "STABLEHLO_COMPOSITE": "2.17",
    "STABLEHLO_GATHER": "2.16",
    "STABLEHLO_MAXIMUM": "2.16",
    "STABLEHLO_MINIMUM": "2.16",
    "STABLEHLO_MULTIPLY": "2.16",
    "STABLEHLO_PAD": "2.16",
    "STABLEHLO_REDUCE_WINDOW": "2.16",
    "STABLEHLO_RNG_BIT_GENERATOR": "2.15",
    "STABLEHLO_SCATTER": "2.15",
    "STABLEHLO_SHIFT_LEFT": "2.17",
    "STRIDED_SLICE": "1.6 1.14 2.1 2.2 2.5 2.6 2.14 2.14",
    "SUB": "1.6 1.14 2.3 2.4 2.4",
    "SUM": "1.10 1.15",
    "SVDF": "1.5 1.14 2.2 2.3",
    "TANH": "1.14 1.14 2.3",
    "TILE": "1.10.1 2.2 2.8",
    "TOPK_V2": "1.7 1.14 2.13",
    "TRANSPOSE": "1.6 1.14 1.15 2.3 2.4 2.12 2.14.4 2.22 2.23",
    "TRANSPOSE_CONV": "1.9 2.2 2.3 2.13 2.15",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "1.13.1 1.14 2.3 2.12",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "1.14 1.14 2.3",
    "UNIQUE": "1.14",
    "UNPACK": "1.11 1.14 2.2 2.3 2.22 2.23",
    "UNSORTED_SEGMENT_MAX": "2.10",
    "UNSORTED_SEGMENT_MIN": "2.11",
    "UNSORTED_SEGMENT_PROD": "2.10",
    "UNSORTED_SEGMENT_SUM": "2.10",
    "VAR_HANDLE": "2.6",
    "WHERE": "1.14 2.8",
    "WHILE": "1.15",
    "ZEROS_LIKE": "1.12",
}
"""For versions 1, 2, … of an operator, the first runtime that has it ("-": no runtime does); a missing third number is 0."""


def first_runtime(code: BuiltinOperator, version: int) -> Runtime:
    """The first runtime that has this version of an operator; () where that is not known."""
    listed = FIRST_RUNTIMES.get(code.name, "").split()
    if version > len(listed) or listed[version - 1] == "-":
        return ()
    numbers = tuple(int(part) for part in listed[version - 1].split("."))
    return numbers + (0,) * (3 - len(numbers))


LITERT_RUNTIMES: dict[tuple[int, int], Runtime] = {
    (1, 0): (2, 18, 0),
    (1, 1): (2, 19, 0),
    (1, 2): (2, 19, 0),
    (1, 3): (2, 20, 0),
    (1, 4): (2, 20, 0),
    (2, 0): (2, 20, 0),
    (2, 1): (2, 21, 0),
    (2, 2): (2, 23, 0),
}
"""The newest operator versions that every release of a LiteRT version has, as the table in its sources shows; later ones have more."""

OLDEST_TARGET: Runtime = (1, 14, 0)


def parse_runtime(text: str) -> Runtime:
    """The runtime that "2.4", "1.15.2" or "litert-2.1" names. ValueError for other texts and for what is older than 1.14."""
    found = re.fullmatch(r"(litert[- ]?)?(\d+)\.(\d+)(?:\.(\d+))?", text.strip().lower())
    if found is None:
        raise ValueError(f"target_runtime: a version such as 2.4, 1.14.0 or litert-2.1 is required, found {text!r}")
    major, minor, patch = (int(number or 0) for number in found.groups()[1:])
    if found[1]:
        known = [version for version in LITERT_RUNTIMES if version <= (major, minor)]
        if not known:
            raise ValueError(f"target_runtime: LiteRT 1.0 or newer is required, found {text!r}")
        return LITERT_RUNTIMES[max(known)]
    if (major, minor, patch) < OLDEST_TARGET:
        raise ValueError(f"target_runtime: {runtime_text(OLDEST_TARGET)} or newer is required, found {text!r}")
    return major, minor, patch


def runtime_text(runtime: Runtime) -> str:
    return ".".join(map(str, runtime))


def require_runtime(model: Model, target: Runtime) -> None:
    """ConversionError with the operators that a runtime as old as `target` does not have, and the tensors they make."""
    newer: dict[tuple[str, int, Runtime], list[str]] = {}
    for graph in model.subgraphs:
        for op in graph.operators:
            code = operator_code_of(model, op)
            builtin = builtin_code(code)
            first = first_runtime(builtin, code.version)
            if builtin is not BuiltinOperator.CUSTOM and (not first or first > target):
                names = newer.setdefault((builtin.name, code.version, first), [])
                names += [graph.tensors[index].name for index in op.outputs[:1]]
    if not newer:
        return
    problems = []
    lines = [f"runtime {runtime_text(target)}: {len(newer)} operator{'s need' if len(newer) > 1 else ' needs'} a newer one"]
    for (name, version, first), tensors in newer.items():
        more = f" and {len(tensors) - MOST_NAMED} more" if len(tensors) > MOST_NAMED else ""
        needs = f"needs runtime {runtime_text(first)}" if first else "is in no runtime known here"
        lines.append(f"{name} version {version} {needs}, for {', '.join(map(repr, tensors[:MOST_NAMED]))}{more}")
        problems += [NodeProblem(tensor, name, f"{name} version {version} {needs}", (tensor,)) for tensor in tensors]
    raise ConversionError("\n  ".join(lines), nodes=problems)


def minimum_runtime(codes: Iterable[tuple[BuiltinOperator, int]]) -> str:
    """The oldest runtime for these operator versions, as "2.3.0"; "" where none of them is known."""
    newest = max((first_runtime(code, version) for code, version in codes), default=())
    return runtime_text(newest)


def record_minimum_runtime(model: Model) -> None:
    """Writes the oldest runtime for the model's operator versions into its metadata, in place of what stood there."""
    codes = ((builtin_code(code), code.version) for code in model.operator_codes)
    model.metadata = [entry for entry in model.metadata if entry.name != METADATA]
    model.buffers.append(Buffer(data=minimum_runtime(codes).encode("ascii").ljust(METADATA_BYTES, b"\0")))
    model.metadata.append(Metadata(name=METADATA, buffer=len(model.buffers) - 1))
