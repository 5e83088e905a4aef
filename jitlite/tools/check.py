"""The check of a conversion: the converted model and its ONNX source run on the same data, layer by layer, and the differences judged.

Layers are the tensors that keep their ONNX name in the converted model. They are compared on one or a few samples, in an interpreter that
keeps all tensors, while outputs are compared on all samples in one that runs as it will for users. Not compared: what
depends on random numbers, and what stands in the graphs of branches and loops.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from jitlite.schemas import JitliteError
from jitlite.tools.comparison import Comparison, LayerDifference, Pairing, compare, feed_of_first, pair_models, sample_ranges, sample_sizes
from jitlite.tools.console import progress
from jitlite.tools.difference import Difference
from jitlite.tools.errors import ToolError
from jitlite.tools.feeds import load_samples, random_samples
from jitlite.tools.forms import pair_layers
from jitlite.tools.onnx_source import OnnxSource
from jitlite.tools.ports import Array
from jitlite.tools.runners import OnnxModel, TfliteModel

CHECK_SAMPLES = 8
"""The last random one has other sizes than the others in dynamic dimensions."""

LAYER_SAMPLES = 2
LAYER_BYTES = 256 << 20
"""Where the layers of one sample take more than half of this, one is compared, else LAYER_SAMPLES."""
GROUP_BYTES = 1 << 30
"""How much the layers compared in one run of the ONNX model may take."""

ROUNDING = 1e-6
"""A difference this small passes whatever the tensor's scale: float32 rounding of intermediate values around 1."""

GROWTH = 4.0
"""A layer whose error is this many times its inputs' adds one of its own."""


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """What passes: float models within `tolerance` of a tensor's scale, quantized ones with an SQNR of `min_sqnr` decibels or more."""

    tolerance: float
    min_sqnr: float
    is_quantized: bool

    def is_beyond(self, found: Difference) -> bool:
        """Of an output; whole numbers must be equal."""
        if self.is_quantized:
            return found.is_real and found.sqnr_db < self.min_sqnr
        return found.max_abs > 0 if not found.is_real else found.relative > self.tolerance and not _is_rounding(found)

    def is_layer_beyond(self, found: Difference) -> bool:
        """Of a tensor inside, where a few whole numbers and truth values may turn with the rounding of those they come from."""
        return self.is_beyond(found) if found.is_real or self.is_quantized else self.error(found) > self.tolerance

    def error(self, found: Difference) -> float:
        """A number that grows with the difference: the noise per signal in a quantized model, else the difference relative to the scale,
        or the share of whole numbers that differ.
        """
        if self.is_quantized:
            return float(10 ** (-found.sqnr_db / 20))
        if not found.is_real:
            return 0.0 if found.agreement is None else 1 - found.agreement
        return 0.0 if _is_rounding(found) else found.relative


def _is_rounding(found: Difference) -> bool:
    return found.max_abs <= ROUNDING and not found.unequal_specials


@dataclass(frozen=True, slots=True)
class CheckData:
    """What models are run on: calibration samples, in the layout of the converted model, or random ones."""

    calibration: Path | None = None
    bounds: tuple[float, float] | None = None
    seed: int = 0

    @property
    def kind(self) -> str:
        return "random" if self.calibration is None else "calibration"

    def samples(self, reference: OnnxModel, converted: TfliteModel, pairing: Pairing) -> list[dict[str, Array]]:
        """Feeds of the ONNX model."""
        if self.calibration is not None:
            found = islice(load_samples(self.calibration, converted.inputs), CHECK_SAMPLES)
            return [feed_of_first(pairing, feed) for feed in found]
        ranges, sizes, others = sample_ranges(pairing), sample_sizes(pairing), sample_sizes(pairing, others=True)
        count = CHECK_SAMPLES if sizes == others else CHECK_SAMPLES - 1
        feeds = list(random_samples(reference.inputs, count, self.seed, self.bounds, sizes, ranges))
        return feeds + list(random_samples(reference.inputs, CHECK_SAMPLES - count, self.seed, self.bounds, others, ranges))


@dataclass(frozen=True, slots=True)
class Layer:
    """One tensor that both models have, the ONNX node that makes it, and the largest error among the compared tensors it is made from.

    One that `is_start` is beyond the limits while its inputs' errors do not explain it.
    """

    found: LayerDifference
    operator: str
    node: str
    error: float
    inputs_error: float
    is_beyond: bool
    is_start: bool


@dataclass(frozen=True, slots=True)
class LayerCheck:
    """The compared layers in the order of the ONNX model, which has `total` of them, and on how many samples.

    `reason` says why none could be compared; `inner_nodes` counts those in branches and loops, which never are.
    """

    layers: tuple[Layer, ...]
    total: int
    samples: int
    inner_nodes: int
    reason: str = ""

    @property
    def worst(self) -> Layer | None:
        return max(self.layers, key=lambda layer: (layer.error, layer.found.difference.relative), default=None)

    @property
    def starts(self) -> tuple[Layer, ...]:
        """The layers where an error starts; where it only ever grows little by little, the first beyond the limits."""
        return tuple(layer for layer in self.layers if layer.is_start) or self.beyond[:1]

    @property
    def beyond(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if layer.is_beyond)


@dataclass(frozen=True, slots=True)
class Check:
    """The converted model against the ONNX model: on which data, and what was found."""

    engine: str
    data: str
    limits: CheckLimits
    found: Comparison
    layers: LayerCheck
    random_outputs: frozenset[str] = field(default_factory=frozenset)
    """Outputs that depend on random numbers: only their shapes are compared."""
    note: str = ""

    def failures(self) -> list[str]:
        """What is beyond the limits, a line for each output."""
        return [
            f"output '{name}': {_failure(difference, self.limits)}"
            for name, difference in self.found.outputs.items()
            if name not in self.random_outputs and self.limits.is_beyond(difference)
        ]


def _failure(found: Difference, limits: CheckLimits) -> str:
    if limits.is_quantized:
        return f"an SQNR of at least {limits.min_sqnr:g} dB is required, found {found.sqnr_db:.1f} dB"
    if not found.is_real:
        return f"equal values are required, found {found.agreement or 0:.2%} of them equal"
    return f"a difference of at most {limits.tolerance:g} of the output's scale is required, found {found.relative:.2e}"


def check_conversion(
    reference: OnnxModel, content: bytes, data: CheckData, limits: CheckLimits, *, channels_last: Collection[str] = ()
) -> Check:
    """Runs both models; `channels_last` names the inputs and outputs that are so in the converted one. ToolError where one cannot run."""
    source = reference.source
    try:
        converted = TfliteModel(content)
        pairing = pair_models(reference, converted, channels_last=channels_last)
        samples, note = _that_run(reference, data.samples(reference, converted, pairing))
        with progress("checking", len(samples)) as advance:
            found = compare(reference, converted, pairing, samples, advance=advance)
    except JitliteError as error:
        raise ToolError(f"the converted model cannot be checked, so it is not written (--no-check writes it): {error}") from error
    layers = _check_layers(reference, content, pairing, samples, limits)
    return Check(reference.engine, data.kind, limits, found, layers, source.random & found.outputs.keys(), note)


def _that_run(reference: OnnxModel, samples: list[dict[str, Array]]) -> tuple[list[dict[str, Array]], str]:
    """The samples without the last one where that is of another size which the ONNX model itself does not run; and a note on that."""
    shapes = [{name: value.shape for name, value in sample.items()} for sample in samples]
    if len(samples) < 2 or shapes[0] == shapes[-1]:
        return samples, ""
    try:
        reference.run(samples[-1])
    except ToolError as error:
        tried = ", ".join(f"'{name}' {list(shape)}" for name, shape in shapes[-1].items())
        return samples[:-1], f"not tried with other sizes than the model's, as the ONNX model itself does not run with {tried}: {error}"
    return samples, ""


def _check_layers(
    reference: OnnxModel, content: bytes, pairing: Pairing, samples: Sequence[Mapping[str, Array]], limits: CheckLimits
) -> LayerCheck:
    source, total = reference.source, len(reference.layers)
    try:
        converted = TfliteModel(content, preserve_all=True)
        pairs = {name: twin for name, twin in pair_layers(reference.layers, converted.layers).items() if name not in source.random}
        sizes = converted.layer_bytes()
        count = max(1, min(len(samples), LAYER_SAMPLES, LAYER_BYTES // max(1, sum(sizes[twin] for twin in pairs.values()))))
        groups = list(_groups(pairs, sizes))
        found: list[LayerDifference] = []
        with progress("checking layers", len(groups) * count) as advance:
            for group in groups:
                found += compare(reference, converted, pairing, samples[:count], layers=group, advance=advance).layers
    except JitliteError as error:
        return LayerCheck((), total, 0, source.inner_nodes, str(error))
    return LayerCheck(tuple(_judged(found, source, limits)), total, count, source.inner_nodes)


def _groups(pairs: Mapping[str, str], sizes: Mapping[str, int]) -> Iterator[dict[str, str]]:
    """The pairs in their order, in groups that take GROUP_BYTES at most (or are one large tensor)."""
    group: dict[str, str] = {}
    taken = 0
    for name, twin in pairs.items():
        if group and taken + sizes[twin] > GROUP_BYTES:
            yield group
            group, taken = {}, 0
        group[name] = twin
        taken += sizes[twin]
    if group:
        yield group


def _judged(found: Sequence[LayerDifference], source: OnnxSource, limits: CheckLimits) -> Iterator[Layer]:
    errors = {layer.name: limits.error(layer.difference) for layer in found}
    for layer in found:
        before = max((errors[name] for name in source.nearest(layer.name, errors)), default=0.0)
        node, error, is_beyond = source.makers[layer.name], errors[layer.name], limits.is_layer_beyond(layer.difference)
        yield Layer(layer, node.op_type, node.name, error, before, is_beyond, is_beyond and error > GROWTH * before)
