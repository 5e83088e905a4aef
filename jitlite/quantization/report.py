"""How far a quantized model strays from its float original, tensor by tensor, over many samples."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import tee
from math import inf, log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.quantization.apply import INTEGER_SUFFIX
from jitlite.quantization.calibrate import Array, Progress, Runner
from jitlite.quantization.feeds import model_inputs
from jitlite.quantization.graph import observed_tensors
from jitlite.quantization.parameters import TensorParams, params_of
from jitlite.quantization.plan import QuantPlan
from jitlite.quantization.prepare import unpack_constants
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.errors import CalibrationError
from jitlite.schemas.tables import Model, Tensor, TensorType

_COMPARABLE = frozenset({*INTEGER_RANGE, TensorType.FLOAT32})


@dataclass(frozen=True, slots=True)
class TensorReport:
    """The error of one tensor over all samples.

    `sqnr_db` is 10 · log10(sum of squares of the float values / sum of squares of the differences): infinite when equal, -inf when only
    the quantized values are not zero. `cosine` is 1 when both are zero throughout. `scale` and `zero_point` are None for tensors that are
    float in both models; `low` and `high` are the extremes of the float values; `step` is the place in the order of execution (inputs: -1).
    """

    name: str
    type: str
    sqnr_db: float
    cosine: float
    max_abs_error: float
    scale: float | None
    zero_point: int | None
    low: float
    high: float
    step: int
    is_output: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: infinities become None with `is_exact` set where there is no difference."""
        found = asdict(self)
        found["is_exact"] = self.sqnr_db == inf
        if self.sqnr_db in (inf, -inf):
            found["sqnr_db"] = None
        return found


@dataclass(frozen=True, slots=True)
class Report:
    """The tensors both models have, worst first, and the number of samples compared."""

    tensors: tuple[TensorReport, ...]
    samples: int

    @property
    def outputs(self) -> tuple[TensorReport, ...]:
        return tuple(found for found in self.tensors if found.is_output)

    def in_order(self) -> tuple[TensorReport, ...]:
        """The tensors in the order in which the float model makes them."""
        return tuple(sorted(self.tensors, key=lambda found: found.step))

    def tensor(self, name: str) -> TensorReport:
        """The report of the tensor with a name; ValueError when the models do not share one."""
        for found in self.tensors:
            if found.name == name:
                return found
        raise ValueError(f"report: the name of a tensor both models have is required, found {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"samples": self.samples, "tensors": [found.to_dict() for found in self.tensors]}


class ErrorSums:
    """Running sums from which the measures of one tensor follow; float64 throughout."""

    def __init__(self) -> None:
        self._signal = 0.0
        self._noise = 0.0
        self._other = 0.0
        self._product = 0.0
        self.largest = 0.0
        self.low = inf
        self.high = -inf

    def update(self, expected: NDArray[np.floating[Any]], found: NDArray[np.floating[Any]]) -> None:
        a, b = expected.astype(np.float64).ravel(), found.astype(np.float64).ravel()
        if not a.size:
            return
        difference = a - b
        self._signal += float(a @ a)
        self._noise += float(difference @ difference)
        self._other += float(b @ b)
        self._product += float(a @ b)
        self.largest = max(self.largest, float(np.abs(difference).max()))
        self.low, self.high = min(self.low, float(a.min())), max(self.high, float(a.max()))

    @property
    def sqnr_db(self) -> float:
        if self._noise == 0.0:
            return inf
        return 10.0 * log10(self._signal / self._noise) if self._signal else -inf

    @property
    def cosine(self) -> float:
        length = sqrt(self._signal) * sqrt(self._other)
        if length == 0.0:
            return 1.0 if self._signal == self._other else 0.0
        return self._product / length


@dataclass(frozen=True, slots=True)
class _Pair:
    """One tensor in both models."""

    original: int
    quantized: int
    step: int
    is_output: bool
    bounds: tuple[float, float] | None


def compare_models(
    original: Model,
    quantized: Model,
    feeds: Iterable[Mapping[str, Array]],
    runner: Runner,
    plan: QuantPlan | None = None,
    progress: Progress | None = None,
) -> Report:
    """Runs both models on the same samples and measures every float32 tensor of `original` that `quantized` has under its name.

    `feeds` are for `original`; inputs that are integers in `quantized` are quantized with their parameters. Where a name belongs to a
    float tensor that has an integer twin, the integers are compared. With the `plan`, tensors that only a clamp reads are compared after
    clamping, since what the clamp cuts off is not represented on purpose. CalibrationError when the models do not share their inputs, or
    there is no sample.
    """
    pairs = _pairs(original, quantized, plan)
    mine, theirs = tee(feeds)
    values = runner(original, mine, [pair.original for pair in pairs])
    others = runner(quantized, _as_inputs(quantized, theirs), [pair.quantized for pair in pairs])
    tensors = quantized.subgraphs[0].tensors
    forms = [params_of(tensors[pair.quantized].quantization, tensors[pair.quantized].type) for pair in pairs]
    sums = [ErrorSums() for _ in pairs]
    count = 0
    for expected, found in zip(values, others, strict=True):
        for pair, form, total, a, b in zip(pairs, forms, sums, expected, found):
            reference = a if pair.bounds is None else np.clip(a, *pair.bounds)
            total.update(reference, b if form is None else form.dequantize(b))
        count += 1
        if progress is not None:
            progress(count)
    if not count:
        raise CalibrationError("compare: at least one sample is required, found none")
    rows = [_row(original, tensors[pair.quantized], pair, form, total) for pair, form, total in zip(pairs, forms, sums)]
    return Report(tuple(sorted(rows, key=lambda row: (row.sqnr_db, row.step))), count)


def _row(original: Model, tensor: Tensor, pair: _Pair, form: TensorParams | None, total: ErrorSums) -> TensorReport:
    return TensorReport(
        name=original.subgraphs[0].tensors[pair.original].name,
        type=tensor.type.name,
        sqnr_db=total.sqnr_db,
        cosine=total.cosine,
        max_abs_error=total.largest,
        scale=form.scale[0] if form is not None else None,
        zero_point=form.zero_point[0] if form is not None else None,
        low=total.low,
        high=total.high,
        step=pair.step,
        is_output=pair.is_output,
    )


def _pairs(original: Model, quantized: Model, plan: QuantPlan | None) -> list[_Pair]:
    first, second = original.subgraphs[0], quantized.subgraphs[0]
    computed = {tensor for op in second.operators for tensor in op.outputs} | set(second.inputs)
    by_name = {second.tensors[index].name: index for index in sorted(computed) if second.tensors[index].type in _COMPARABLE}
    steps = {tensor: step for step, op in enumerate(first.operators) for tensor in op.outputs}
    clamped = plan.clamped if plan is not None else {}
    pairs = []
    for index in observed_tensors(unpack_constants(original, with_hybrid_weights=False).model):
        name = first.tensors[index].name
        twin = by_name.get(f"{name}{INTEGER_SUFFIX}", by_name.get(name))
        if name and twin is not None and _has_one_scale(second.tensors[twin]):
            pairs.append(_Pair(index, twin, steps.get(index, -1), index in first.outputs, clamped.get(index)))
    return pairs


def _has_one_scale(tensor: Tensor) -> bool:
    if tensor.type is TensorType.FLOAT32:
        return True
    form = params_of(tensor.quantization, tensor.type)
    return form is not None and not form.is_per_channel


def _as_inputs(model: Model, feeds: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
    """Samples of the float original as samples of the quantized model."""
    names = {found.name for found in model_inputs(model)}
    graph = model.subgraphs[0]
    forms = {graph.tensors[index].name: params_of(graph.tensors[index].quantization, graph.tensors[index].type) for index in graph.inputs}
    for feed in feeds:
        if set(feed) != names:
            raise CalibrationError(f"compare: samples for {', '.join(sorted(names))} are required, found {', '.join(sorted(feed))}")
        yield {
            name: form.quantize(value) if (form := forms[name]) is not None and value.dtype.kind == "f" else value
            for name, value in feed.items()
        }
