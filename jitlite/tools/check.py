"""The check of a conversion: the converted model and its ONNX source run on the same data, and the differences judged."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jitlite.schemas import JitliteError
from jitlite.tools.comparison import Comparison, Pairing, compare, feed_of_first, pair_models
from jitlite.tools.console import progress
from jitlite.tools.errors import ToolError
from jitlite.tools.feeds import load_samples, random_samples
from jitlite.tools.ports import Array
from jitlite.tools.runners import OnnxModel, TfliteModel

CHECK_SAMPLES = 8

ROUNDING = 1e-6
"""A difference this small passes whatever the output's scale: float32 rounding of intermediate values around 1."""


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """What passes: float models within `tolerance` of an output's scale, quantized ones with an SQNR of `min_sqnr` decibels or more."""

    tolerance: float
    min_sqnr: float
    is_quantized: bool


@dataclass(frozen=True, slots=True)
class CheckData:
    """What models are run on: calibration samples, in the layout of the converted model, or random ones."""

    calibration: Path | None = None
    bounds: tuple[float, float] | None = None
    seed: int = 0

    @property
    def kind(self) -> str:
        return "random" if self.calibration is None else "calibration"

    def samples(self, converted: TfliteModel, pairing: Pairing) -> Iterable[dict[str, Array]]:
        """Feeds of the ONNX model."""
        if self.calibration is not None:
            feeds: Iterable[dict[str, Array]] = islice(load_samples(self.calibration, converted.inputs), CHECK_SAMPLES)
        else:
            feeds = random_samples(converted.inputs, CHECK_SAMPLES, self.seed, self.bounds)
        return (feed_of_first(pairing, feed) for feed in feeds)


@dataclass(frozen=True, slots=True)
class Check:
    """The converted model against the ONNX model: on which data, and what was found."""

    engine: str
    data: str
    found: Comparison

    def failures(self, limits: CheckLimits) -> list[str]:
        """What is beyond the limits, a line for each output."""
        lines = []
        for name, difference in self.found.outputs.items():
            if not difference.is_real:
                if not limits.is_quantized and difference.max_abs > 0:
                    lines.append(f"output '{name}': equal values are required, found {difference.agreement or 0:.2%} of them equal")
            elif not limits.is_quantized and difference.relative > limits.tolerance and not difference.max_abs <= ROUNDING:
                lines.append(
                    f"output '{name}': a difference of at most {limits.tolerance:g} of the output's scale is required, "
                    f"found {difference.relative:.2e}"
                )
            elif limits.is_quantized and difference.sqnr_db < limits.min_sqnr:
                lines.append(f"output '{name}': an SQNR of at least {limits.min_sqnr:g} dB is required, found {difference.sqnr_db:.1f} dB")
        return lines


def check_conversion(reference: OnnxModel, content: bytes, data: CheckData, *, channels_last: bool = False) -> Check:
    """Runs both models; `channels_last` says that inputs of four dimensions are so in the converted one. ToolError where one cannot run."""
    try:
        converted = TfliteModel(content)
        pairing = pair_models(reference, converted, channels_last=channels_last)
        samples = list(data.samples(converted, pairing))
        with progress("checking", len(samples)) as advance:
            found = compare(reference, converted, pairing, samples, advance=advance)
    except JitliteError as error:
        raise ToolError(f"the converted model cannot be checked, so it is not written (--no-check writes it): {error}") from error
    return Check(reference.engine, data.kind, found)
