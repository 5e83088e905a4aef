"""Calibration samples from files and Python objects, checked against the model's inputs."""

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.dtypes import has_numpy_dtype, numpy_dtype
from jitlite.schemas.errors import CalibrationError
from jitlite.schemas.strings import as_strings
from jitlite.schemas.tables import Model, TensorType

Array = NDArray[Any]
Feed = dict[str, Array]
Item = Array | Mapping[str, Any] | Sequence[Any]
Source = str | os.PathLike[str] | Iterable[Item]

_SUFFIXES = (".npy", ".npz")


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A main-subgraph input: `shape` has -1 where the model takes any size; `names` are the tensor's and those of signatures."""

    name: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def is_batched(self) -> bool:
        """True when the first axis is a batch that may hold one sample; the only axis, of any size, is no batch."""
        return self.shape[:1] == (1,) or (self.shape[:1] == (-1,) and len(self.shape) > 1)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample; batches of any size hold one."""
        return (1, *self.shape[1:]) if self.is_batched else self.shape

    def describe(self) -> str:
        shape = ", ".join("any" if dim < 0 else str(dim) for dim in self.shape)
        return f"'{self.name}' {self.dtype} [{shape}]"


class Feeds:
    """Checked samples: each is a dict from input tensor name to an array of the input's dtype and rank, with one sample per batch.

    It can be iterated as often as its source; files are read anew. Raises CalibrationError while iterating when a sample does not fit.
    """

    def __init__(self, source: Source, inputs: tuple[ModelInput, ...]) -> None:
        self._source = source
        self._inputs = inputs

    def __iter__(self) -> Iterator[Feed]:
        count = 0
        for where, item in _items(self._source, self._inputs):
            for feed in _samples(where, item, self._inputs):
                count += 1
                yield feed
        if not count:
            raise CalibrationError(f"{_describe(self._source)}: at least one sample is required, found none")


def load_feeds(source: Source, model: Model) -> Feeds:
    """Samples for the model's main subgraph from a file, a folder or Python objects.

    A `.npz` holds one array per input under the input's tensor or signature name, a `.npy` the array of a model with one input; the first
    axis counts samples. A folder holds such files, read in the order of their names. An iterable yields arrays (models with one input),
    sequences (in the order of the inputs) or mappings by name; each is a sample or a batch of samples, with or without a batch axis of 1.
    Pickled objects are refused. CalibrationError says what is required and what was found: at once for paths, otherwise while iterating.
    """
    inputs = model_inputs(model)
    if isinstance(source, (str, os.PathLike)):
        _files(Path(source))
    elif isinstance(source, Mapping) or not isinstance(source, Iterable):
        raise TypeError(f"load_feeds: a path or an iterable of samples is required, found {type(source).__name__}")
    return Feeds(source, inputs)


def model_inputs(model: Model) -> tuple[ModelInput, ...]:
    """The inputs of the main subgraph; CalibrationError where names do not tell them apart or NumPy lacks their type."""
    graph = model.subgraphs[0]
    inputs = []
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if not has_numpy_dtype(tensor.type) and tensor.type is not TensorType.STRING:
            raise CalibrationError(f"input '{tensor.name}': a numeric type or text is required, found {tensor.type.name}")
        maps = [entry for signature in model.signature_defs if signature.subgraph_index == 0 for entry in signature.inputs]
        names = dict.fromkeys((tensor.name, *(entry.name for entry in maps if entry.tensor_index == index)))
        shape = tuple(tensor.shape_signature) if len(tensor.shape_signature) == len(tensor.shape) else tuple(tensor.shape)
        dtype = np.dtype(np.bytes_) if tensor.type is TensorType.STRING else numpy_dtype(tensor.type)
        inputs.append(ModelInput(tensor.name, tuple(names), shape, dtype))
    if len({found.name for found in inputs}) != len(inputs):
        raise CalibrationError(f"model inputs: different tensor names are required, found {', '.join(found.name for found in inputs)}")
    return tuple(inputs)


def _describe(source: Source) -> str:
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else "calibration samples"


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
        if not found:
            raise CalibrationError(f"{path}: .npy or .npz files are required, found none")
        return found
    if not path.is_file():
        raise CalibrationError(f"{path}: a .npy or .npz file or a folder of them is required, found nothing there")
    if path.suffix not in _SUFFIXES:
        raise CalibrationError(f"{path}: a .npy or .npz file is required, found suffix '{path.suffix}'")
    return [path]


def _items(source: Source, inputs: tuple[ModelInput, ...]) -> Iterator[tuple[str, dict[str, Array]]]:
    """Where each item comes from, and its arrays by input tensor name."""
    if isinstance(source, (str, os.PathLike)):
        for path in _files(Path(source)):
            yield str(path), _named(str(path), _load(path), inputs)
    else:
        for number, item in enumerate(source):
            where = f"calibration sample {number}"
            yield where, _named(where, item, inputs)


def _load(path: Path) -> Array | dict[str, Array]:
    """A file's array, or arrays by name; every way in which a file can be damaged becomes a CalibrationError."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise CalibrationError(f"{path}: a NumPy file without pickled objects is required, found {error}") from error


def _named(where: str, item: Item, inputs: tuple[ModelInput, ...]) -> dict[str, Array]:
    required = ", ".join(found.describe() for found in inputs) or "no input"
    if isinstance(item, Mapping):
        return _by_name(where, item, inputs, required)
    if isinstance(item, (str, bytes)):
        raise CalibrationError(f"{where}: arrays are required, found {type(item).__name__}")
    values = [item] if not isinstance(item, (list, tuple)) or not any(isinstance(value, np.ndarray) for value in item) else list(item)
    if len(values) != len(inputs):
        raise CalibrationError(f"{where}: {len(inputs)} arrays are required ({required}), found {len(values)}")
    return {found.name: _array(where, found, value) for found, value in zip(inputs, values)}


def _by_name(where: str, item: Mapping[str, Any], inputs: tuple[ModelInput, ...], required: str) -> dict[str, Array]:
    tensor_names = {found.name for found in inputs}
    arrays: dict[str, Array] = {}
    taken: set[str] = set()
    for found in inputs:
        keys = [name for name in found.names if name in item and (name == found.name or name not in tensor_names)]
        if len(keys) != 1:
            problem = f"found {', '.join(map(str, item)) or 'nothing'}" if not keys else f"found {' and '.join(keys)}"
            raise CalibrationError(f"{where}: one array for each of {required} is required, {problem}")
        taken.add(keys[0])
        arrays[found.name] = _array(where, found, item[keys[0]])
    unknown = [str(name) for name in item if name not in taken]
    if unknown:
        raise CalibrationError(f"{where}: arrays for {required} are required, found also {', '.join(unknown)}")
    return arrays


def _array(where: str, found: ModelInput, value: Any) -> Array:
    """The value in the input's dtype: floats convert to floats, integers to integers that hold them, text to bytes, nothing else."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise CalibrationError(f"{where}: an array for {found.describe()} is required, found {error}") from error
    if found.dtype.kind == "S" and array.dtype.kind in "OSU":
        return _strings(where, found, array)
    if array.dtype.kind != found.dtype.kind and {array.dtype.kind, found.dtype.kind} != {"i", "u"}:
        raise CalibrationError(f"{where}: {found.describe()} is required, found dtype {array.dtype}")
    with np.errstate(over="ignore"):
        converted = array.astype(found.dtype)
    if found.dtype.kind in "fc":
        if not np.isfinite(converted).all():
            bad = int(np.count_nonzero(~np.isfinite(converted)))
            raise CalibrationError(f"{where}: finite values for {found.describe()} are required, found {bad} that are not or are too large")
    elif not np.array_equal(converted, array):
        raise CalibrationError(f"{where}: values that fit {found.describe()} are required, found {array.min()} to {array.max()}")
    return converted


def _strings(where: str, found: ModelInput, array: Array) -> Array:
    try:
        return as_strings(array)
    except ValueError as error:
        raise CalibrationError(f"{where}: {found.describe()}: {error}") from error


def _samples(where: str, arrays: dict[str, Array], inputs: tuple[ModelInput, ...]) -> Iterator[Feed]:
    """Splits an item into samples; every input must hold the same number of them."""
    batches = {found.name: _as_batch(where, found, arrays[found.name]) for found in inputs}
    counts = {len(batch) for batch in batches.values()}
    if len(counts) > 1:
        sizes = ", ".join(f"{len(batch)} for '{name}'" for name, batch in batches.items())
        raise CalibrationError(f"{where}: as many samples for every input are required, found {sizes}")
    for place in range(min(counts, default=0)):
        yield {found.name: batches[found.name][place].reshape(_sized(found, batches[found.name])) for found in inputs}


def _as_batch(where: str, found: ModelInput, array: Array) -> Array:
    """The array with a leading axis that counts samples."""
    shape = array.shape
    if found.is_batched and _fits(shape[1:], found.shape[1:]) and len(shape) == len(found.shape):
        return array
    if _fits(shape, found.sample_shape) or (found.is_batched and _fits(shape, found.shape[1:])):
        return array[np.newaxis]
    if _fits(shape[1:], found.sample_shape) and len(shape) == len(found.shape) + 1:
        return array
    leading = ("samples", *found.shape[1:]) if found.is_batched else ("samples", *found.shape)
    raise CalibrationError(
        f"{where}: shape [{', '.join('any' if dim == -1 else str(dim) for dim in leading)}] or that of one sample is required "
        f"for '{found.name}', found {list(shape)}"
    )


def _sized(found: ModelInput, batch: Array) -> tuple[int, ...]:
    return (1, *batch.shape[len(batch.shape) - len(found.shape) + 1 :]) if found.is_batched else batch.shape[1:]


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(want in (-1, dim) for dim, want in zip(shape, wanted))
