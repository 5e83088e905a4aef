"""The decision of quantization, as frozen data: which operators run on integers and in which form each of their tensors is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jitlite.quantization.observers import Range
from jitlite.quantization.parameters import TensorParams


@dataclass(frozen=True, slots=True)
class OperatorPlan:
    """One operator of the main subgraph: its index in the float model, and the form of each operand and result (None: as it was).

    `reason` says why an operator stays in float; it is empty for quantized operators and for those that touch no float32 tensor.
    """

    index: int
    name: str
    is_quantized: bool
    reason: str
    operands: tuple[TensorParams | None, ...]
    results: tuple[TensorParams | None, ...]


@dataclass(frozen=True, slots=True)
class QuantPlan:
    """What to do with the main subgraph of a model.

    `tensors` maps float32 inputs and results, by index, to their integer form; those it lacks stay float. `clamped` maps tensors that
    only a clamp (RELU, MINIMUM with a constant …) reads to the bounds of their form, which cut off values the clamp would cut off.
    `io_type` and `output_type` are those of inputs and outputs. `ranges` are the calibrated ranges the plan was made from. Constants have
    forms only per operator, in `operators`.
    """

    scheme: str
    io_type: str
    output_type: str
    operators: tuple[OperatorPlan, ...]
    tensors: Mapping[int, TensorParams] = field(default_factory=dict)
    clamped: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    ranges: Mapping[int, Range] = field(default_factory=dict)

    @property
    def quantized_count(self) -> int:
        return sum(op.is_quantized for op in self.operators)

    @property
    def float_operators(self) -> tuple[OperatorPlan, ...]:
        """The operators that stay in float, with reasons."""
        return tuple(op for op in self.operators if op.reason)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "scheme": self.scheme,
            "io_type": self.io_type,
            "output_type": self.output_type,
            "operators": [{"index": op.index, "name": op.name, "quantized": op.is_quantized, "reason": op.reason} for op in self.operators],
            "tensors": {
                str(index): {"scale": params.scale[0], "zero_point": params.zero_point[0], "type": params.type.name}
                for index, params in sorted(self.tensors.items())
            },
        }
