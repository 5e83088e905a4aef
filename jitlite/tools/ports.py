"""What models take and give, in one form for .tflite and ONNX."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.affine import dequantize, quantize
from jitlite.schemas.dtypes import INTEGER_RANGE, tensor_type
from jitlite.tools.errors import ToolError

Array = NDArray[Any]
Feed = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output.

    `names` are all names it goes by, `name` the one that is printed. `shape` has -1 where any size will do, `sizes` the sizes the file
    states in those places (1 where it states none). `quantization` is (scale, zero point) of a per-tensor quantized port. `limit` is the
    largest valid value of an input of indices, where that is known.
    """

    name: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    quantization: tuple[float, int] | None = None
    limit: int | None = None

    def describe(self) -> str:
        shape = ", ".join("any" if dim < 0 else str(dim) for dim in self.shape)
        return f"'{self.name}' {self.dtype} [{shape}]"

    def to_real(self, values: Array) -> Array:
        """The real values behind quantized ones; others as they are."""
        if self.quantization is None or values.dtype != self.dtype:
            return values
        return dequantize(values, *self.quantization)

    def to_raw(self, values: Array) -> Array:
        """Values in the port's dtype: real ones are quantized where the port is; ToolError where the dtype does not fit."""
        if values.dtype == self.dtype or (self.dtype.kind == "S" and values.dtype.kind in "OSU"):
            return values
        if self.quantization is not None and values.dtype.kind == "f":
            return quantize(values, *self.quantization, dtype=tensor_type(self.dtype))
        if values.dtype.kind == self.dtype.kind or {values.dtype.kind, self.dtype.kind} == {"i", "u"}:
            return values.astype(self.dtype)
        raise ToolError(f"input '{self.name}': {self.dtype} is required, found {values.dtype}")

    def real_range(self) -> tuple[float, float] | None:
        """The smallest and largest real value of a quantized port, None for others."""
        if self.quantization is None:
            return None
        scale, zero_point = self.quantization
        low, high = INTEGER_RANGE[tensor_type(self.dtype)]
        return (low - zero_point) * scale, (high - zero_point) * scale


class RunnableModel(Protocol):
    """A model that runs: `run` takes an array for each input by name and gives the outputs by name.

    Quantized inputs take real (floating point) values too. `layers` names the results of its operators in the order they run; `run_layers`
    gives the values of some of them as well, which `layer_port` describes.
    """

    label: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def layers(self) -> tuple[str, ...]: ...

    def layer_port(self, name: str) -> Port: ...

    def run(self, feed: Feed) -> dict[str, Array]: ...

    def run_layers(self, feed: Feed, names: tuple[str, ...]) -> dict[str, Array]: ...
