"""Which dimensions of the inputs are fixed and which stay dynamic.

The first dimension of an input may stay dynamic (the batch); all inputs share it. Every other unknown dimension needs a number from the
caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from operator import index
from typing import SupportsIndex

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import numpy_helper

from jitlite.converter.graph import Shape
from jitlite.converter.importer import element_dtype, graph_inputs
from jitlite.converter.options import ConvertOptions
from jitlite.schemas.errors import ConversionError
from jitlite.schemas.ops.operands import INT32_MAX

PROBES = (7, 13)
"""Two sizes tried for the dynamic batch: primes that are no likely size of anything else."""


@dataclass(frozen=True, slots=True)
class InputShapes:
    """The inputs' dimensions by name; None stands for the dynamic batch."""

    dims: dict[str, tuple[int | None, ...]]

    @property
    def is_dynamic(self) -> bool:
        return any(None in dims for dims in self.dims.values())

    def bound(self, batch: int) -> dict[str, Shape]:
        return {name: tuple(batch if dim is None else dim for dim in dims) for name, dims in self.dims.items()}

    def describe(self) -> str:
        """The inputs whose batch is dynamic."""
        return ", ".join(f"'{name}'" for name, dims in self.dims.items() if None in dims)

    def hint(self) -> str:
        """The option that fixes the batch at 1."""
        fixed = ", ".join(
            f"{name!r}: {_tuple([1 if dim is None else dim for dim in dims])}" for name, dims in self.dims.items() if None in dims
        )
        return f"ConvertOptions(shapes={{{fixed}}})"


def fix_inputs(model: onnx.ModelProto, values: Mapping[str, ArrayLike]) -> onnx.ModelProto:
    """Makes inputs constants, in place. ConversionError unless the names are inputs and the values have their types and shapes."""
    inputs = {info.name: info for info in graph_inputs(model)}
    for name, given in values.items():
        if name not in inputs:
            raise ConversionError(f"values: the model's inputs are {', '.join(inputs)}; found {name}")
        dims = _declared(inputs[name], None if inputs[name].type.tensor_type.HasField("shape") else np.shape(given))
        dtype = element_dtype(inputs[name].type.tensor_type.elem_type, f"input '{name}'")
        array = np.asarray(given)
        made = array.astype(dtype)
        fits = array.ndim == len(dims) and all(isinstance(dim, str) or dim == size for dim, size in zip(dims, array.shape))
        if not fits or (array.dtype != dtype and not np.array_equal(made, array)):
            raise ConversionError(
                f"values: input '{name}' is declared {dtype} ({', '.join(map(str, dims))}), found {array.dtype} of shape {array.shape}"
            )
        model.graph.initializer.append(numpy_helper.from_array(made, name))
    return model


def bind_inputs(model: onnx.ModelProto, options: ConvertOptions) -> InputShapes:
    """The shapes of the inputs under the caller's options. ConversionError lists each dimension that needs a number, and how to give it."""
    inputs = {info.name: _declared(info, options.shapes.get(info.name)) for info in graph_inputs(model)}
    unknown = sorted(set(options.shapes) - set(inputs))
    if unknown:
        raise ConversionError(f"shapes: the model's inputs are {', '.join(inputs)}; found {', '.join(unknown)}")
    known: dict[str, int] = {}
    for name, given in options.shapes.items():
        for dim, wanted in zip(inputs[name], map(_size, given), strict=True):
            if isinstance(dim, str) and wanted is not None and known.setdefault(dim, wanted) != wanted:
                raise ConversionError(f"shapes: dimension '{dim}' must have one size, found {known[dim]} and {wanted}")
    bound: dict[str, tuple[int | None, ...]] = {}
    missing = []
    for name, dims in inputs.items():
        result = [known.get(dim) if isinstance(dim, str) else dim for dim in dims]
        lacking = [(axis, dim) for axis, dim in enumerate(dims) if axis > 0 and result[axis] is None]
        missing += [f"input '{name}' dimension {axis} ({dim})" for axis, dim in lacking]
        bound[name] = tuple(result)
    if missing:
        example = ", ".join(f"{name!r}: {_example(dims)}" for name, dims in bound.items() if None in dims[1:])
        raise ConversionError(
            f"only the first dimension of an input can stay dynamic; these need a number: {'; '.join(missing)}. "
            f"Give it with ConvertOptions(shapes={{{example}}})"
        )
    return InputShapes(bound)


def check_channels_last(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """ConversionError unless these are inputs and outputs that can be channels-last, as far as the model declares it."""
    ports = {info.name: info for info in (*graph_inputs(model), *model.graph.output)}
    unknown = sorted(set(names) - set(ports))
    if unknown:
        raise ConversionError(f"channels_last: the model's inputs and outputs are {', '.join(ports)}; found {', '.join(unknown)}")
    for name in names:
        if ports[name].type.tensor_type.HasField("shape"):
            require_channels(name, len(ports[name].type.tensor_type.shape.dim))


def require_channels(name: str, rank: int) -> None:
    """ConversionError for an input or output that has no axis of channels between others."""
    if not 3 <= rank <= 5:
        raise ConversionError(f"channels_last: '{name}' must have three to five dimensions, found {rank}")


def _declared(info: onnx.ValueInfoProto, given: Sequence[SupportsIndex | str | None] | None) -> list[int | str]:
    """Each dimension as a number or the name of an unknown; `given` fills in an input that declares no shape at all."""
    if not info.type.HasField("tensor_type"):
        raise ConversionError(f"input '{info.name}': a tensor is required, found {info.type.WhichOneof('value') or 'nothing'}")
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        if given is None:
            raise ConversionError(
                f"input '{info.name}': the model does not say its shape; give it with ConvertOptions(shapes={{{info.name!r}: (…)}})"
            )
        return [f"{info.name}[{axis}]" for axis in range(len(given))]
    dims = [_dim(info.name, axis, dim) for axis, dim in enumerate(tensor.shape.dim)]
    if prod(dim for dim in dims if isinstance(dim, int)) > INT32_MAX:
        raise ConversionError(f"input '{info.name}': at most {INT32_MAX} elements are required, found ({', '.join(map(str, dims))})")
    if given is not None:
        fits = len(given) == len(dims) and all(isinstance(dim, str) or _size(wanted) in (None, dim) for dim, wanted in zip(dims, given))
        if not fits:
            raise ConversionError(
                f"shapes: input '{info.name}' is declared ({', '.join(map(str, dims))}), found ({', '.join(map(str, given))})"
            )
    return dims


def _size(wanted: SupportsIndex | str | None) -> int | None:
    """The number asked for; None where the model's dimension is to be kept. TypeError for what is no whole number."""
    number = -1 if wanted is None or isinstance(wanted, str) else index(wanted)
    return number if number >= 0 else None


def _dim(name: str, axis: int, dim: onnx.TensorShapeProto.Dimension) -> int | str:
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return int(dim.dim_value)
    return str(dim.dim_param) or f"{name}[{axis}]"


def _example(dims: Sequence[int | None]) -> str:
    return _tuple([str(dim) if dim is not None else "None" if axis == 0 else "<size>" for axis, dim in enumerate(dims)])


def _tuple(items: Sequence[object]) -> str:
    return f"({', '.join(map(str, items))}{',' if len(items) == 1 else ''})"
