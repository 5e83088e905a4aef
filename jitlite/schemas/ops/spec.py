"""What is true of an operator whoever writes or runs it: names, operands, options, versions, shapes and quantization rules."""

import os
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.record import Record
from jitlite.schemas.table import Table
from jitlite.schemas.tables import BuiltinOperator, QuantizationParameters, TensorType

Shape = tuple[int, ...]


class TensorInfo(Record):
    """What is known of one tensor before anything runs: its shape, type, quantization and, for a constant, its value.

    `index` is the tensor's place in its subgraph (-1 where there is none yet). `value` has `shape` and the dtype `stored_dtype` gives;
    packed types stay packed, one-dimensional uint8. `block_scales` are the scales of a tensor quantized block by block, row by row.
    """

    shape: Shape
    type: TensorType
    value: NDArray[Any] | None = None
    quantization: QuantizationParameters | None = None
    index: int = -1
    name: str = ""
    is_variable: bool = False
    block_scales: NDArray[Any] | None = None

    @property
    def size(self) -> int:
        """Number of elements, as a Python integer."""
        count = 1
        for dim in self.shape:
            count *= dim
        return count

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_quantized(self) -> bool:
        return self.quantization is not None and bool(self.quantization.scale)

    @property
    def scale(self) -> float:
        """The per-tensor scale; InvalidModelError when the tensor has none or several."""
        if self.quantization is None or len(self.quantization.scale) != 1:
            found = 0 if self.quantization is None else len(self.quantization.scale)
            raise InvalidModelError(f"tensor '{self.name}': one scale is required, found {found}")
        return self.quantization.scale[0]

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point, 0 where the file leaves it out."""
        return self.quantization.zero_point[0] if self.quantization is not None and self.quantization.zero_point else 0


class NeedsValue(Exception):  # noqa: N818 - a signal of shape inference, not an error
    """Raised by `infer` when the output's shape depends on a run-time value of the operand `index`."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class Call(Record):
    """One operator with its operands, as shape inference, version rules and binding see it.

    `outputs` holds what the file declares of the results (types and quantization; its shapes are only a hint); it is empty while a
    converter is still building the operator. `intermediates` are tensors the file gives an operator for results of its own. Where
    `is_reference` says so, results are LiteRT's reference kernels' even where these are at fault.
    """

    spec: "OpSpec"
    options: Any
    inputs: tuple[TensorInfo | None, ...]
    outputs: tuple[TensorInfo, ...] = ()
    version: int = 1
    where: str = ""
    custom_options: bytes = b""
    intermediates: tuple[TensorInfo, ...] = ()
    is_reference: bool = False

    def input(self, index: int) -> TensorInfo:
        """The operand, which must be present; InvalidModelError names it otherwise."""
        found = self.optional_input(index)
        if found is None:
            raise self.invalid(f"operand '{self.spec.operand_name(index)}' is required, found none")
        return found

    def optional_input(self, index: int) -> TensorInfo | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> NDArray[Any]:
        """The value of a constant operand; NeedsValue when it is only known at run time."""
        value = self.input(index).value
        if value is None:
            raise NeedsValue(index)
        return value

    def invalid(self, message: str) -> InvalidModelError:
        return InvalidModelError(f"{self.where or self.spec.name}: {message}")

    def unsupported(self, message: str) -> UnsupportedError:
        return UnsupportedError(f"{self.where or self.spec.name}: {message}")

    def require(self, condition: bool, message: str) -> None:
        """Raises InvalidModelError with `message` ("what is required, what was found") unless the condition holds."""
        if not condition:
            raise self.invalid(message)


class QuantKind(Enum):
    """How an operator's output parameters relate to its inputs' (8-bit specification)."""

    FREE = "free"
    SAME = "same scale"
    FIXED = "fixed output"
    FLOAT = "stays float"
    INDEX = "not a real number"


class Quant(Record):
    """The quantization rule of an operator, as data.

    `activations` are the operand positions that carry real numbers (None = all that are float); `weight` is the position of the weight
    operand with its per-channel `axis`; `bias` the position of the int32 bias. `output` gives fixed (scale, zero point) per integer type.
    """

    kind: QuantKind = QuantKind.FLOAT
    activations: tuple[int, ...] | None = None
    weight: int | None = None
    axis: int | None = None
    bias: int | None = None
    output: Mapping[TensorType, tuple[float, int]] = MappingProxyType({})


Inference = Callable[[Call], Sequence[tuple[Shape, TensorType]]]


class OpSpec(Record):
    """One builtin operator, or a custom one by its name (code CUSTOM; its options are bytes that `infer` reads).

    Operand names end in "?" when optional, in "*" when the last one repeats and in "?*" when it may also be absent. `infer` returns
    (shape, type) of each output, checks every option and shape rule of the operator (InvalidModelError), and raises NeedsValue when a
    shape depends on a run-time value. `version` gives the lowest operator version that expresses a call; `max_version` the newest one
    understood. `value` gives the output where it follows from shapes and types alone (SHAPE, RANK). An operator may lack its options
    where their table has no fields or `options_optional` says so. One that is not `is_bound` has no binding: the interpreter's
    planner itself makes its steps. One that `sets_type` gives its output the inferred type, whatever the file says.
    The outputs of one that `is_sized_by_run` have the inferred shapes only until it has run.
    """

    name: str
    code: BuiltinOperator
    inputs: tuple[str, ...]
    infer: Inference
    outputs: tuple[str, ...] = ("output",)
    options: type[Table] | None = None
    quant: Quant = Quant()
    version: Callable[[Call], int] = lambda call: 1
    max_version: int = 1
    options_optional: bool = False
    value: Callable[[Call], NDArray[Any]] | None = None
    is_bound: bool = True
    sets_type: bool = False
    is_sized_by_run: bool = False

    def operand_name(self, index: int) -> str:
        names = self.inputs
        if index < len(names):
            return names[index].rstrip("?*")
        return f"{names[-1].rstrip('?*')}[{index - len(names) + 1}]" if names and names[-1].endswith("*") else f"#{index}"

    @property
    def is_variadic(self) -> bool:
        return bool(self.inputs) and self.inputs[-1].endswith("*")

    @property
    def required_inputs(self) -> int:
        return sum("?" not in name for name in self.inputs)

    def __repr__(self) -> str:
        return f"OpSpec({self.name})"


OPS: dict[BuiltinOperator, OpSpec] = {}
"""Every builtin operator jitlite knows, by builtin code; filled by the modules of this package."""

CUSTOM_OPS: dict[str, OpSpec] = {}
"""The custom operators jitlite knows, by the name models give them: those of LiteRT's own set."""


def define(spec: OpSpec) -> OpSpec:
    """Registers a spec; each builtin code, and each name of a custom operator, has one."""
    if spec.code is BuiltinOperator.CUSTOM:
        assert spec.name not in CUSTOM_OPS, f"{spec.name} is defined twice"
        CUSTOM_OPS[spec.name] = spec
    else:
        assert spec.code not in OPS, f"{spec.name} is defined twice"
        OPS[spec.code] = spec
    return spec


def find_spec(builtin: BuiltinOperator, name: str) -> OpSpec | None:
    """The spec of a builtin operator, or of the custom operator `name`; None for those jitlite does not know."""
    return CUSTOM_OPS.get(name) if builtin is BuiltinOperator.CUSTOM else OPS.get(builtin)


def load_specs() -> dict[BuiltinOperator, OpSpec]:
    """OPS, after importing every operator family of this package."""
    from importlib import import_module
    from pkgutil import iter_modules

    for module in iter_modules([os.path.dirname(__file__)]):
        import_module(f"jitlite.schemas.ops.{module.name}")
    return OPS


def check_operands(call: Call) -> None:
    """Checks the operand count and that required operands are present: InvalidModelError names the first fault."""
    spec, count = call.spec, len(call.inputs)
    most = count if spec.is_variadic else len(spec.inputs)
    if not spec.required_inputs <= count <= most:
        raise call.invalid(f"{spec.required_inputs} to {most} operands are required, found {count}")
    for index, info in enumerate(call.inputs):
        if info is None and not (index < len(spec.inputs) and spec.inputs[index].endswith("?")):
            raise call.invalid(f"operand '{spec.operand_name(index)}' is required, found none")
    if call.outputs and len(call.outputs) != len(spec.outputs) and not (spec.outputs and spec.outputs[-1].endswith("*")):
        raise call.invalid(f"{len(spec.outputs)} outputs are required, found {len(call.outputs)}")


def infer(call: Call) -> list[tuple[Shape, TensorType]]:
    """Shapes and types of a call's outputs, after checking operands and the options' table type."""
    check_operands(call)
    spec = call.spec
    may_lack = call.options is None and spec.options is not None and (spec.options_optional or not spec.options.SLOTS)
    if spec.options is not None and not isinstance(call.options, spec.options) and not may_lack:
        found = type(call.options).__name__ if call.options is not None else "none"
        raise call.invalid(f"options {spec.options.__name__} are required, found {found}")
    return list(spec.infer(call))
