"""Runs two models on the same data and measures how far their outputs, and what lies between, are apart."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from jitlite.tools.difference import Difference, DifferenceMeter
from jitlite.tools.errors import ToolError
from jitlite.tools.feeds import as_real
from jitlite.tools.forms import TO_CHANNELS_FIRST, TO_CHANNELS_LAST, align_layer, aligned, in_real_numbers, with_infinities
from jitlite.tools.ports import Array, Feed, Port, RunnableModel


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


def pair_models(first: RunnableModel, second: RunnableModel, *, channels_last: Collection[str] = ()) -> Pairing:
    """Pairs the ports of two models; ToolError when they do not fit together.

    Inputs of four dimensions may be channels-first in one model and channels-last in the other, where shapes tell. `channels_last` names
    the first model's inputs and outputs, of three to five dimensions, that are channels-last in the second.
    """
    inputs = _pair(first.inputs, second.inputs, "inputs", first.label, second.label)
    outputs = _pair(first.outputs, second.outputs, "outputs", first.label, second.label)
    return Pairing(
        tuple(PortPair(a, b, _to_channels_last(b) if a.name in channels_last else _axes(a, b)) for a, b in inputs),
        tuple(PortPair(a, b, _to_channels_last(b) if a.name in channels_last else None) for a, b in outputs),
    )


def _pair(first: tuple[Port, ...], second: tuple[Port, ...], what: str, label: str, other: str) -> list[tuple[Port, Port]]:
    if len(first) != len(second):
        found = f"{len(first)} ({', '.join(port.name for port in first)}) and {len(second)} ({', '.join(port.name for port in second)})"
        raise ToolError(f"{what} of {label} and {other}: as many are required, found {found}")
    by_name = [[b for b in second if set(a.names) & set(b.names)] for a in first]
    if all(len(found) == 1 for found in by_name) and len({found[0].name for found in by_name}) == len(second):
        return [(a, found[0]) for a, found in zip(first, by_name)]
    return list(zip(first, second))


def _to_channels_last(port: Port) -> tuple[int, ...]:
    """The turn of an array that becomes this channels-last one."""
    return (0, *range(2, len(port.shape)), 1)


def _axes(a: Port, b: Port) -> tuple[int, ...] | None:
    for axes in (None, TO_CHANNELS_LAST, TO_CHANNELS_FIRST):
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


OTHER_BATCH = 2
OTHER_STEP = 32
"""What heights, widths and lengths grow by to be other ones that many networks still take."""


def sample_sizes(pairing: Pairing, *, others: bool = False) -> dict[str, tuple[int, ...]]:
    """A size for every dimension of the first model's inputs: its own, else the second's, else 1.

    With `others`, dimensions that neither model fixes have other sizes than those.
    """
    found = {}
    for pair in pairing.inputs:
        if not pair.first.shape:
            found[pair.first.name] = pair.second.sizes
            continue
        sizes = list(pair.first.sizes)
        for place, axis in enumerate(pair.axes or range(len(sizes))):
            if pair.first.shape[axis] < 0 and place < len(pair.second.sizes):
                sizes[axis] = pair.second.sizes[place]
                if others and pair.second.shape[place] < 0:
                    sizes[axis] = OTHER_BATCH if axis == 0 else sizes[axis] + OTHER_STEP
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
    layers: Mapping[str, str] | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Comparison:
    """Runs both models on every sample, given as feeds of the first; the first is the reference.

    `layers` gives tensors to compare inside, the second model's by the first's (see `pair_layers`), in the order to report them.
    """
    pairs = layers or {}
    meters = {pair.first.name: DifferenceMeter() for pair in pairing.outputs}
    inside = _LayerMeters(first, second, pairs)
    count = 0
    for feed in samples:
        reference = first.run_layers(feed, tuple(pairs))
        other = second.run_layers(feed_of_second(pairing, feed), tuple(pairs.values()))
        for pair in pairing.outputs:
            ours, theirs = in_real_numbers(reference[pair.first.name], pair.first, other[pair.second.name], pair.second)
            meters[pair.first.name].update(ours, _aligned_output(pair, ours, theirs))
        inside.update(reference, other)
        count += 1
        advance(1)
    _require_values(meters)
    return Comparison({name: meter.result() for name, meter in meters.items()}, inside.results(), count)


class _LayerMeters:
    """Differences of the tensors inside two models."""

    def __init__(self, first: RunnableModel, second: RunnableModel, pairs: Mapping[str, str]) -> None:
        self._ports = {name: (first.layer_port(name), second.layer_port(twin)) for name, twin in pairs.items()}
        self._pairs = pairs
        self._meters: dict[str, DifferenceMeter] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def update(self, reference: Mapping[str, Array], other: Mapping[str, Array]) -> None:
        for name, twin in self._pairs.items():
            port, other_port = self._ports[name]
            ours, theirs = in_real_numbers(reference[name], port, other[twin], other_port)
            fitting = align_layer(name, ours, twin, theirs)
            if fitting is not None:
                self._shapes[name] = ours.shape
                self._meters.setdefault(name, DifferenceMeter()).update(ours, with_infinities(ours, fitting))

    def results(self) -> tuple[LayerDifference, ...]:
        return tuple(LayerDifference(name, self._shapes[name], self._meters[name].result()) for name in self._pairs if name in self._meters)


def _require_values(meters: Mapping[str, DifferenceMeter]) -> None:
    for name, meter in meters.items():
        found = meter.result()
        if found.elements and not meter.compared and not found.unequal_specials:
            raise ToolError(f"output '{name}': finite values are required to compare, found only NaN and infinities; other data may help")


def _aligned_output(pair: PortPair, reference: Array, other: Array) -> Array:
    found = aligned(reference, other, None if pair.axes is None else tuple(int(axis) for axis in np.argsort(pair.axes)))
    if found is None:
        shapes = f"{list(reference.shape)} and {list(other.shape)}"
        raise ToolError(f"output '{pair.first.name}': arrays of one shape are required, found {shapes}")
    return found
