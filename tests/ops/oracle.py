"""Runs one operator in LiteRT's reference kernels and in jitlite, on the same random data, and compares the results.

A test describes the operator's operands with `operand(...)`: those with a `value` become constants of the model, the others get random
run-time data. `check` does the rest; `build`, `random_values`, `reference` and `tests.ops.execution.run` are its parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType
from numpy.typing import NDArray

from jitlite.schemas.dtypes import INTEGER_RANGE, numpy_dtype, stored_dtype
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.spec import Call, OpSpec, TensorInfo, infer
from jitlite.schemas.record import replace as replace_fields
from jitlite.schemas.strings import as_strings, encode_strings
from jitlite.schemas.table import Table
from jitlite.schemas.tables import (
    BUILTIN_OPTIONS_2,
    Buffer,
    BuiltinOperator,
    Model,
    Operator,
    QuantizationParameters,
    SubGraph,
    Tensor,
    TensorType,
)
from jitlite.schemas.write import write_model
from tests.ops.execution import Case, record
from tests.ops.execution import run as run

Array = NDArray[Any]

REFERENCE = OpResolverType.BUILTIN_REF
OPTIMIZED = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
"""For the operators the reference set lacks (CEIL, ELU, ROUND)."""

FLOAT_CORNERS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -3.0, 6.0, 1e-6, -1e-6, 88.0, -88.0, 1000.0, -1000.0)
WORDS = (b"", b"a", b"b", b"word", b"two words", "ä€".encode(), b"\0nul\0", b"x" * 200, b"\xff\x80")
UNKNOWN = (-1,)
"""The shape of an output operand that inference is to find."""


Options = Table | bytes | None
"""An operator's options, those of a custom operator as bytes."""


@dataclass(frozen=True)
class Operand:
    """One tensor of the operator under test. Random data are drawn from [low, high], by default what is ordinary for the type."""

    type: TensorType
    shape: tuple[int, ...]
    quantization: QuantizationParameters | None = None
    value: Array | None = None
    low: float | None = None
    high: float | None = None
    is_variable: bool = False

    def info(self, index: int) -> TensorInfo:
        return TensorInfo(self.shape, self.type, self.value, self.quantization, index, f"t{index}", self.is_variable)


def operand(
    type: TensorType,
    shape: Sequence[int],
    scale: float | Sequence[float] | None = None,
    zero_point: int | Sequence[int] = 0,
    *,
    axis: int = 0,
    value: Any = None,
    low: float | None = None,
    high: float | None = None,
) -> Operand:
    """An operand; `scale` and `zero_point` may be sequences along `axis`; `value` makes a constant (packed: bytes, BFLOAT16: bits)."""
    quantization = None
    if scale is not None:
        scales = [float(np.float32(item)) for item in np.atleast_1d(scale)]
        zero_points = [int(item) for item in np.broadcast_to(zero_point, len(scales))]
        quantization = QuantizationParameters(scale=scales, zero_point=zero_points, quantized_dimension=axis)
    if value is not None:
        if type is TensorType.STRING:
            return Operand(type, tuple(shape), quantization, as_strings(value).reshape(tuple(shape)))
        packed = type in (TensorType.INT4, TensorType.UINT4, TensorType.INT2)
        value = np.ascontiguousarray(value, np.uint8 if packed else stored_dtype(type))
        value = value if packed else value.reshape(tuple(shape))
    return Operand(type, tuple(shape), quantization, value, low, high)


def constant(value: Any, type: TensorType = TensorType.INT32) -> Operand:
    """A constant operand with the shape of `value`; INT32 serves axes, sizes and paddings."""
    array = np.asarray(value)
    return operand(type, array.shape, value=array)


def call(spec: OpSpec, options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Operand] = ()) -> Call:
    """The call shape inference sees; tensors are numbered inputs first."""
    if isinstance(options, bytes):
        return replace_fields(call(spec, None, inputs, outputs), custom_options=options)
    infos = tuple(None if item is None else item.info(index) for index, item in enumerate(inputs))
    return Call(spec, options, infos, tuple(item.info(len(inputs) + index) for index, item in enumerate(outputs)))


def build(
    spec: OpSpec, options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Operand], version: int | None = None
) -> Model:
    """A model of this one operator, with the lowest operator version that expresses it; outputs of unknown shape get the inferred one."""
    if any(item.shape == UNKNOWN for item in outputs):
        found = infer(call(spec, options, inputs, outputs))
        outputs = [replace(item, shape=shape) if item.shape == UNKNOWN else item for item, (shape, _) in zip(outputs, found, strict=True)]
    described = call(spec, options, inputs, outputs)
    custom = spec.name if spec.code is BuiltinOperator.CUSTOM else ""
    code = new_operator_code(spec.code, version or spec.version(described), custom)
    model = Model(version=3, buffers=[Buffer()], operator_codes=[code])
    graph = SubGraph(name="main")
    for info in (*described.inputs, *described.outputs):
        if info is not None:
            buffer = 0
            if info.value is not None:
                buffer = len(model.buffers)
                is_string = info.type is TensorType.STRING
                model.buffers.append(Buffer(data=encode_strings(info.value) if is_string else info.value.tobytes()))
            graph.tensors.append(
                Tensor(
                    shape=list(info.shape),
                    type=info.type,
                    buffer=buffer,
                    name=info.name,
                    quantization=info.quantization,
                    is_variable=info.is_variable,
                )
            )
    numbers = iter(range(len(graph.tensors)))
    used = [-1 if item is None else next(numbers) for item in inputs]
    results = list(numbers)
    op = Operator(opcode_index=0, inputs=used, outputs=results)
    if isinstance(options, bytes):
        op.custom_options = options
    elif options is not None:
        field = "builtin_options_2" if type(options) in BUILTIN_OPTIONS_2.values() else "builtin_options"
        setattr(op, field, options)
    graph.operators = [op]
    graph.inputs = [index for index, item in zip(used, inputs) if item is not None and item.value is None and not item.is_variable]
    graph.outputs = results
    model.subgraphs = [graph]
    return model


def random_values(item: Operand, rng: np.random.Generator) -> Array:
    """Random data of an operand's type and shape, with corner values sprinkled in."""
    size = int(np.prod(item.shape, dtype=np.int64))
    if item.type is TensorType.STRING:
        return as_strings(rng.choice(np.array(WORDS, np.object_), size)).reshape(item.shape)
    dtype = numpy_dtype(item.type)
    if dtype.kind == "b":
        return rng.integers(0, 2, item.shape).astype(np.bool_)
    if dtype.kind == "f":
        low, high = -1000.0 if item.low is None else item.low, 1000.0 if item.high is None else item.high
        spread = min(4.0, (high - low) / 2)
        centre = min(max(0.0, low + spread), high - spread)
        values = np.clip(rng.normal(centre, spread, size), low, high)
        corners = np.array([low, high, *(corner for corner in FLOAT_CORNERS if low <= corner <= high)])
    elif dtype.kind in "iu":
        edges = np.iinfo(dtype)
        ordinary = INTEGER_RANGE[item.type] if dtype.itemsize <= 1 else (-1000, 1000)
        least = int(max(edges.min, ordinary[0] if item.low is None else item.low))
        most = int(min(edges.max, ordinary[1] if item.high is None else item.high))
        values = rng.integers(least, most, size, np.int64, endpoint=True)
        corners = np.array([least, most, *(corner for corner in (-1, 0, 1) if least <= corner <= most)])
    else:
        values = rng.normal(0, 4, size) + 1j * rng.normal(0, 4, size)
        corners = np.array([0, 1, 1j])
    chosen = rng.random(size) < 0.25
    values = np.where(chosen, rng.choice(corners, size), values)
    return values.astype(dtype).reshape(item.shape)


def reference(model: bytes, feeds: Sequence[Array], resolver: OpResolverType = REFERENCE) -> list[Array]:
    """LiteRT's results; RuntimeError or ValueError when it refuses the model or the data."""
    lite = LiteRT(model_content=model, experimental_op_resolver_type=resolver, num_threads=1)
    lite.allocate_tensors()
    for detail, value in zip(lite.get_input_details(), feeds, strict=True):
        lite.set_tensor(detail["index"], value)
    lite.invoke()
    return [lite.get_tensor(detail["index"]) for detail in lite.get_output_details()]


def check(
    spec: OpSpec,
    options: Options,
    inputs: Sequence[Operand | None],
    outputs: Sequence[Operand],
    *,
    tolerance: float = 1e-6,
    floor: float = 1e-3,
    seed: int = 0,
    threads: Sequence[int] = (1, 3),
    resolver: OpResolverType = REFERENCE,
    feeds: Sequence[Array] | None = None,
) -> list[Array]:
    """Asserts that jitlite computes what LiteRT does, with every number of threads alike; returns jitlite's results.

    Run-time operands get random data from `seed` unless `feeds` gives them, in the operands' order.
    """
    content = write_model(build(spec, options, inputs, outputs))
    rng = np.random.default_rng(seed)
    if feeds is None:
        feeds = [random_values(item, rng) for item in inputs if item is not None and item.value is None]
    case = Case(content, list(feeds), reference(content, feeds, resolver), tolerance, floor, tuple(threads))
    found = case.check()
    record(case)
    return found


def like(item: Operand, type: TensorType | None = None, scale: float | None = None, zero_point: int = 0) -> Operand:
    """An output operand whose shape inference finds; type and quantization as `item` has them unless given."""
    quantization = item.quantization
    if scale is not None:
        quantization = QuantizationParameters(scale=[float(np.float32(scale))], zero_point=[zero_point])
    return Operand(item.type if type is None else type, UNKNOWN, quantization)


def result(type: TensorType, scale: float | None = None, zero_point: int = 0, shape: Sequence[int] = UNKNOWN) -> Operand:
    """An output operand; without `shape` inference finds it."""
    return operand(type, shape, scale, zero_point)
