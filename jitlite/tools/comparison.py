"""Runs two models on the same data and measures how far their outputs, and what lies between, are apart."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jitlite.tools.difference import Difference, DifferenceMeter
from jitlite.tools.errors import ToolError
from jitlite.tools.feeds import as_real
from jitlite.tools.ports import Array, Feed, Port, RunnableModel

TO_CHANNELS_LAST = (0, 2, 3, 1)
TO_CHANNELS_FIRST = (0, 3, 1, 2)
TURNS = {3: ((0, 2, 1),), 4: (TO_CHANNELS_FIRST, TO_CHANNELS_LAST)}
"""The permutations of axes by rank that two models' layouts differ by."""

FORM = re.compile(r"(;(nhwc|nwc|perm\d+))?(_int8|_float32)?$")
"""What follows a tensor's name in the names of its other forms."""


@dataclass(frozen=True, slots=True)
class PortPair:
    """The same input or output of two models; `axes` turns the first's array into the second's, where their layouts differ."""

    first: Port
    second: Port
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Pairing:
    """How the ports of two models belong together: by a name they share, else by their order."""

    inputs: tuple[PortPair, ...]
    outputs: tuple[PortPair, ...]


def pair_models(first: RunnableModel, second: RunnableModel, *, channels_last: bool = False) -> Pairing:
    """Pairs the ports of two models; ToolError when they do not fit together.

    Inputs of four dimensions may be channels-first in one model and channels-last in the other; `channels_last` says that those of the
    second model are channels-last where shapes alone leave it open.
    """
    inputs = _pair(first.inputs, second.inputs, "inputs", first.label, second.label)
    outputs = _pair(first.outputs, second.outputs, "outputs", first.label, second.label)
    return Pairing(
        tuple(PortPair(a, b, _axes(a, b, channels_last)) for a, b in inputs),
        tuple(PortPair(a, b) for a, b in outputs),
    )


def _pair(first: tuple[Port, ...], second: tuple[Port, ...], what: str, label: str, other: str) -> list[tuple[Port, Port]]:
    if len(first) != len(second):
        found = f"{len(first)} ({', '.join(port.name for port in first)}) and {len(second)} ({', '.join(port.name for port in second)})"
        raise ToolError(f"{what} of {label} and {other}: as many are required, found {found}")
    by_name = [[b for b in second if set(a.names) & set(b.names)] for a in first]
    if all(len(found) == 1 for found in by_name) and len({found[0].name for found in by_name}) == len(second):
        return [(a, found[0]) for a, found in zip(first, by_name)]
    return list(zip(first, second))


def _axes(a: Port, b: Port, channels_last: bool) -> tuple[int, ...] | None:
    for axes in (TO_CHANNELS_LAST, None, TO_CHANNELS_FIRST) if channels_last else (None, TO_CHANNELS_LAST, TO_CHANNELS_FIRST):
        if axes is None:
            shape = a.shape
        elif len(a.shape) == len(b.shape) == 4:
            shape = tuple(a.shape[axis] for axis in axes)
        else:
            continue
        if len(shape) == len(b.shape) and all(left == right or -1 in (left, right) for left, right in zip(shape, b.shape)):
            return axes
    if len(a.shape) != len(b.shape) and (not a.shape or not b.shape):
        return None
    raise ToolError(f"input {a.describe()} and {b.describe()}: shapes that fit each other are required")


def sample_sizes(pairing: Pairing) -> dict[str, tuple[int, ...]]:
    """A size for every dimension of the first model's inputs: its own, else the second's, else 1."""
    found = {}
    for pair in pairing.inputs:
        if not pair.first.shape:
            found[pair.first.name] = pair.second.sizes
            continue
        sizes = list(pair.first.sizes)
        for place, axis in enumerate(pair.axes or range(len(sizes))):
            if pair.first.shape[axis] < 0 and place < len(pair.second.sizes):
                sizes[axis] = pair.second.sizes[place]
        found[pair.first.name] = tuple(sizes)
    return found


def sample_ranges(pairing: Pairing) -> dict[str, tuple[float, float]]:
    """The real values that both models' inputs can represent, for inputs that are quantized in one of them."""
    found = {}
    for pair in pairing.inputs:
        ranges = [ends for ends in (pair.first.real_range(), pair.second.real_range()) if ends is not None]
        if ranges:
            found[pair.first.name] = max(low for low, _ in ranges), min(high for _, high in ranges)
    return found


def feed_of_second(pairing: Pairing, feed: Feed) -> dict[str, Array]:
    """The second model's feed for a feed of the first."""
    real = as_real([pair.first for pair in pairing.inputs], feed)
    return {
        pair.second.name: np.ascontiguousarray(real[pair.first.name].transpose(pair.axes)) if pair.axes else real[pair.first.name]
        for pair in pairing.inputs
    }


def feed_of_first(pairing: Pairing, feed: Feed) -> dict[str, Array]:
    """The first model's feed for a feed of the second."""
    real = as_real([pair.second for pair in pairing.inputs], feed)
    return {
        pair.first.name: np.ascontiguousarray(real[pair.second.name].transpose(np.argsort(pair.axes)))
        if pair.axes
        else real[pair.second.name]
        for pair in pairing.inputs
    }


def pair_layers(first: Sequence[str], second: Sequence[str]) -> dict[str, str]:
    """Names of the second model's tensors by the first's, for those that hold the same values.

    Besides equal names these are the forms the converter and quantization give to one tensor: "name;nhwc" and "name;perm…" for another
    order of axes, "name_int8" and "name_float32" for copies of another type. A plain name is preferred to one with a suffix.
    """
    plain: dict[str, str] = {}
    for name in second:
        base = FORM.sub("", name)
        if base not in plain or name == base:
            plain[base] = name
    known = set(second)
    taken: dict[str, str] = {}
    for name in first:
        twin = name if name in known else plain.get(FORM.sub("", name))
        if twin is not None and twin not in taken:
            taken[twin] = name
    return {name: twin for twin, name in taken.items()}


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """The difference of one tensor; `name` is the reference's."""

    name: str
    shape: tuple[int, ...]
    difference: Difference


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences of the outputs, by the first model's names, and of layers in the order the first model computes them."""

    outputs: Mapping[str, Difference]
    layers: tuple[LayerDifference, ...]
    samples: int


def compare(
    first: RunnableModel,
    second: RunnableModel,
    pairing: Pairing,
    samples: Iterable[Feed],
    *,
    layers: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> Comparison:
    """Runs both models on every sample, given as feeds of the first; the first is the reference."""
    pairs = pair_layers(first.layers, second.layers) if layers else {}
    meters = {pair.first.name: DifferenceMeter() for pair in pairing.outputs}
    layer_meters: dict[str, DifferenceMeter] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    count = 0
    for feed in samples:
        reference = first.run_layers(feed, tuple(pairs))
        other = second.run_layers(feed_of_second(pairing, feed), tuple(pairs.values()))
        for pair in pairing.outputs:
            ours, theirs = pair.first.to_real(reference[pair.first.name]), pair.second.to_real(other[pair.second.name])
            meters[pair.first.name].update(ours, _aligned_output(pair, ours, theirs))
        for name, twin in pairs.items():
            ours = _real_layer(first, name, reference)
            aligned = _aligned(ours, _real_layer(second, twin, other))
            if aligned is not None:
                shapes[name] = ours.shape
                layer_meters.setdefault(name, DifferenceMeter()).update(ours, aligned)
        count += 1
        advance(1)
    _require_values(meters)
    return Comparison(
        {name: meter.result() for name, meter in meters.items()},
        tuple(LayerDifference(name, shapes[name], layer_meters[name].result()) for name in pairs if name in layer_meters),
        count,
    )


def _real_layer(model: RunnableModel, name: str, values: Mapping[str, Array]) -> Array:
    port = next((port for port in model.outputs if port.name == name), None)
    return values[name] if port is None else port.to_real(values[name])


def _require_values(meters: Mapping[str, DifferenceMeter]) -> None:
    for name, meter in meters.items():
        found = meter.result()
        if found.elements and not meter.compared and not found.unequal_specials:
            raise ToolError(f"output '{name}': finite values are required to compare, found only NaN and infinities; other data may help")


def _aligned_output(pair: PortPair, reference: Array, other: Array) -> Array:
    found = _aligned(reference, other)
    if found is None:
        shapes = f"{list(reference.shape)} and {list(other.shape)}"
        raise ToolError(f"output '{pair.first.name}': arrays of one shape are required, found {shapes}")
    return found


def _aligned(reference: Array, other: Array) -> Array | None:
    """`other` with the axes of `reference`; of two layouts that are possible, the one that is closer. None where shapes do not fit."""
    candidates = [other] if other.shape == reference.shape else []
    if other.ndim == reference.ndim:
        turned = (other.transpose(axes) for axes in TURNS.get(other.ndim, ()))
        candidates += [array for array in turned if array.shape == reference.shape]
    if not candidates and other.size == reference.size and _without_ones(other) == _without_ones(reference):
        candidates = [other.reshape(reference.shape)]
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    return min(candidates, key=lambda array: _distance(reference, array))


def _distance(a: Array, b: Array) -> float:
    with np.errstate(all="ignore"):
        return float(np.nan_to_num(np.abs(a.astype(np.float64) - b.astype(np.float64))).max(initial=0.0))


def _without_ones(array: Array) -> list[int]:
    return [dim for dim in array.shape if dim != 1]
