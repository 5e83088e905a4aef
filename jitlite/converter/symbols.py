"""Which dimensions of the inputs are fixed and which stay dynamic, and the sizes tried in the place of those.

Unknown first dimensions are the batch, which all inputs share; other unknown dimensions are those of the same name.
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

BATCH = "batch size"
"""The name of the first dimension that inputs share; a model's own dimension of this name is taken for it."""
BATCHES = (7, 13, (5,))
"""Sizes tried for the batch: primes that are no likely size of anything else."""
LENGTHS = ((37, 53, (1201, 491, 71)), (64, 96, (1216, 160)), (1600, 2400, (40000, 4000)), (16000, 24000, (40000,)))
EXTENTS = ((192, 256, (331, 352)),)
"""Sizes tried one set after the other for lengths of sequences, and for heights and widths, which often must be multiples of 32.

The third is the first of these that the model takes: far from the others, for what steps of many elements give is the same for neighbours.
"""
APART = 32
"""What the sizes of a dimension and of the next differ by, so that none is taken for another."""
IMAGE_RANK = 4


@dataclass(frozen=True, slots=True)
class Symbol:
    """A dimension that is not known: the sizes tried in its place, and the one that tensors declare."""

    name: str
    first: int
    second: int
    thirds: tuple[int, ...]
    """The third is the first of these that the model takes."""
    default: int
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class InputShapes:
    """The inputs' dimensions by name; text names those that stay dynamic, the same text the same size."""

    dims: dict[str, tuple[int | str, ...]]

    @property
    def unknown(self) -> list[str]:
        """The names of dynamic dimensions, the batch first."""
        found = dict.fromkeys(dim for dims in self.dims.values() for dim in dims if isinstance(dim, str))
        return sorted(found, key=lambda name: name != BATCH)

    def of_one(self) -> "InputShapes":
        """The shapes where the batch is 1."""
        return InputShapes({name: tuple(1 if dim == BATCH else dim for dim in dims) for name, dims in self.dims.items()})

    @property
    def attempts(self) -> int:
        """How many sets of sizes there are to try."""
        kinds = {self._is_extent(name) for name in self.unknown if name != BATCH}
        return max((len(EXTENTS if is_extent else LENGTHS) for is_extent in kinds), default=1)

    def symbols(self, attempt: int) -> list[Symbol]:
        """The dynamic dimensions with the sizes of this attempt."""
        found = []
        for place, name in enumerate(name for name in self.unknown if name != BATCH):
            sets = EXTENTS if self._is_extent(name) else LENGTHS
            first, second, thirds = sets[min(attempt, len(sets) - 1)]
            apart = APART * place
            found.append(Symbol(name, first + apart, second + apart, tuple(size + apart for size in thirds), first + apart))
        return [Symbol(BATCH, *BATCHES, 1, is_batch=True), *found] if BATCH in self.unknown else found

    def _is_extent(self, name: str) -> bool:
        return any(len(dims) >= IMAGE_RANK for dims in self.dims.values() if name in dims)

    def bound(self, sizes: Mapping[str, int]) -> dict[str, Shape]:
        return {name: tuple(sizes[dim] if isinstance(dim, str) else dim for dim in dims) for name, dims in self.dims.items()}

    def describe(self) -> str:
        """The dimensions that were left dynamic, and the option that fixes them."""
        kept = [
            f"the first dimension of {', '.join(f'{name!r}' for name, dims in self.dims.items() if BATCH in dims)}" if dim == BATCH else dim
            for dim in self.unknown
        ]
        batch = 1 if self.unknown == [BATCH] else None
        fixed = ", ".join(
            f"{name!r}: {_tuple([batch if dim == BATCH else '<size>' if isinstance(dim, str) else dim for dim in dims])}"
            for name, dims in self.dims.items()
            if any(isinstance(dim, str) for dim in dims)
        )
        were, fixes = ("was", "fixes it") if len(kept) == 1 else ("were", "fixes them")
        return f"{' and '.join(kept)} {were} left dynamic; ConvertOptions(shapes={{{fixed}}}) {fixes}"


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
    """The shapes of the inputs under the caller's options. ConversionError for options that do not fit the model."""
    inputs = {info.name: _declared(info, options.shapes.get(info.name)) for info in graph_inputs(model)}
    unknown = sorted(set(options.shapes) - set(inputs))
    if unknown:
        raise ConversionError(f"shapes: the model's inputs are {', '.join(inputs)}; found {', '.join(unknown)}")
    known: dict[str, int] = {}
    for name, given in options.shapes.items():
        for dim, wanted in zip(inputs[name], map(_size, given), strict=True):
            if isinstance(dim, str) and wanted is not None and known.setdefault(dim, wanted) != wanted:
                raise ConversionError(f"shapes: dimension '{dim}' must have one size, found {known[dim]} and {wanted}")
    batches = {dims[0] for dims in inputs.values() if dims and isinstance(dims[0], str) and dims[0] not in known}
    names = dict.fromkeys(batches, BATCH)
    return InputShapes(
        {name: tuple(known.get(dim, names.get(dim, dim)) if isinstance(dim, str) else dim for dim in dims) for name, dims in inputs.items()}
    )


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


def _tuple(items: Sequence[object]) -> str:
    return f"({', '.join(map(str, items))}{',' if len(items) == 1 else ''})"
