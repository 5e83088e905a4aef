"""The data models are run on: samples from files, or random ones."""

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jitlite.quantization.feeds import Feeds, ModelInput
from jitlite.tools.errors import ToolError
from jitlite.tools.ports import Array, Feed, Port

DEFAULT_RANGE = (-1.0, 1.0)
"""Where random floating point inputs are drawn from; integers are 0 or 1, which any index, mask or length can be, unless their limit is
known."""
_TEXTS = (b"", b"a", b"b", b"word", b"two words", b"1")


def load_samples(source: Path, ports: Sequence[Port]) -> Feeds:
    """Samples for the inputs of a model from a .npz or .npy file or a folder of them; quantized inputs take real values, too.

    Errors are CalibrationErrors, raised while iterating.
    """
    if not source.exists():
        raise ToolError(f"{source}: no such file")
    kinds = _floating_arrays(source)
    inputs = []
    for port in ports:
        is_real = port.quantization is not None and any(kinds.get(name, kinds.get("", False)) for name in port.names)
        inputs.append(ModelInput(port.name, tuple(port.names), port.shape, np.dtype(np.float32) if is_real else port.dtype))
    return Feeds(source, tuple(inputs))


def _floating_arrays(source: Path) -> dict[str, bool]:
    """Whether the arrays of the first file hold floating point numbers, by name ("" for a .npy); empty where the file cannot be read."""
    path = source
    if source.is_dir():
        path = min((file for file in source.iterdir() if file.suffix in (".npy", ".npz")), default=source)
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                return {"": _header_dtype(file).kind == "f"}
        if path.suffix == ".npz":
            found = {}
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    with archive.open(name) as member:
                        found[name.removesuffix(".npy")] = _header_dtype(member).kind == "f"
            return found
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return {}
    return {}


def _header_dtype(file: Any) -> np.dtype[Any]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)[2]


def random_samples(
    ports: Sequence[Port],
    count: int,
    seed: int,
    bounds: tuple[float, float] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Iterator[dict[str, Array]]:
    """`count` samples of uniformly distributed values, the same for the same seed.

    Floating point inputs are drawn from `bounds`, else from `ranges` by name, else from DEFAULT_RANGE; quantized ones from what they can
    represent and given as real numbers; integers from `bounds`, else up to the port's limit, else 0 and 1; text from a few words. `sizes`
    overrides the shapes the ports state.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        feed = {}
        for port in ports:
            shape = tuple((sizes or {}).get(port.name, port.sizes))
            natural = (ranges or {}).get(port.name) or port.real_range()
            feed[port.name] = _random(rng, port, shape, bounds, natural)
        yield feed


def _random(
    rng: np.random.Generator, port: Port, shape: tuple[int, ...], bounds: tuple[float, float] | None, natural: tuple[float, float] | None
) -> Array:
    if port.dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if port.dtype.kind == "f" or port.quantization is not None:
        low, high = bounds or natural or DEFAULT_RANGE
        return rng.uniform(low, high, shape).astype(port.dtype if port.dtype.kind == "f" else np.float32)
    if port.dtype.kind in "iu":
        low, high = bounds or (0, 1 if port.limit is None else port.limit)
        edges = np.iinfo(port.dtype)
        return rng.integers(max(int(low), edges.min), min(int(high), edges.max), shape, np.int64, endpoint=True).astype(port.dtype)
    if port.dtype.kind == "S":
        return rng.choice(np.array(_TEXTS, np.object_), shape)
    raise ToolError(f"input {port.describe()}: random values are made of integers, booleans, real numbers and text only; give --input")


def stack_outputs(runs: Iterable[Mapping[str, Array]], is_batched: bool) -> dict[str, Array]:
    """One array per output of several samples' runs: joined along a batch axis of 1 where there is one, stacked otherwise.

    A single run's outputs stay as they are. ToolError when an output has another shape for every sample.
    """
    gathered: dict[str, list[Array]] = {}
    for outputs in runs:
        for name, value in outputs.items():
            gathered.setdefault(name, []).append(value)
    stacked = {}
    for name, values in gathered.items():
        if len({value.shape for value in values}) > 1:
            shapes = ", ".join(str(list(shape)) for shape in dict.fromkeys(value.shape for value in values))
            raise ToolError(f"output '{name}': one shape for every sample is required to join them, found {shapes}")
        joins = is_batched and values[0].shape[:1] == (1,)
        stacked[name] = values[0] if len(values) == 1 else np.concatenate(values) if joins else np.stack(values)
    return stacked


def is_batched(ports: Sequence[Port]) -> bool:
    """True when every input has a batch axis that may hold one sample."""
    return all(ModelInput(port.name, port.names, port.shape, port.dtype).is_batched for port in ports)


def as_real(ports: Sequence[Port], feed: Feed) -> dict[str, Array]:
    """The feed with quantized arrays turned into real numbers."""
    return {port.name: port.to_real(feed[port.name]) for port in ports}
