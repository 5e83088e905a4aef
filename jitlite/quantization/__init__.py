"""Post-training quantization of float .tflite models: calibrate, decide, apply, compare.

The float model is run by a `Runner` the caller provides, so this package runs nothing itself.
"""

from collections.abc import Iterable, Mapping

from jitlite.quantization.apply import apply_plan, apply_prepared
from jitlite.quantization.assign import assign_dynamic, assign_int8
from jitlite.quantization.calibrate import Array, Progress, Runner, collect_ranges
from jitlite.quantization.feeds import Feeds, load_feeds
from jitlite.quantization.float16 import store_as_float16
from jitlite.quantization.graph import observed_tensors
from jitlite.quantization.observers import (
    MinMaxObserver,
    MovingAverageObserver,
    Observer,
    PercentileObserver,
    Range,
    observer_factory,
)
from jitlite.quantization.parameters import TensorParams
from jitlite.quantization.plan import OperatorPlan, QuantPlan
from jitlite.quantization.prepare import Prepared, unpack_constants
from jitlite.quantization.recipe import Recipe
from jitlite.quantization.report import Report, TensorReport, compare_models
from jitlite.schemas.tables import Model

__all__ = [
    "Feeds",
    "MinMaxObserver",
    "MovingAverageObserver",
    "Observer",
    "OperatorPlan",
    "PercentileObserver",
    "Progress",
    "QuantPlan",
    "Range",
    "Recipe",
    "Report",
    "Runner",
    "TensorParams",
    "TensorReport",
    "apply_plan",
    "collect_ranges",
    "compare_models",
    "load_feeds",
    "plan_quantization",
    "quantize",
]


def quantize(
    model: Model,
    recipe: Recipe,
    feeds: Iterable[Mapping[str, Array]] | None = None,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> Model:
    """A quantized copy of a float model.

    The scheme "int8" calibrates: `feeds` (see `load_feeds`) are run by `runner`, and `progress` is called after every sample; the other
    schemes use none of them. UnsupportedError when nothing in the model can be quantized so, CalibrationError for feeds that do not fit.
    """
    prepared = _prepared(model, recipe)
    if recipe.scheme == "float16":
        return store_as_float16(prepared, recipe)
    return apply_prepared(prepared, _plan(prepared, recipe, feeds, runner, progress))


def plan_quantization(
    model: Model,
    recipe: Recipe,
    feeds: Iterable[Mapping[str, Array]] | None = None,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> QuantPlan:
    """The decisions `quantize` would carry out, for `apply_plan`; of the schemes "int8" and "dynamic"."""
    if recipe.scheme == "float16":
        raise ValueError("plan_quantization: the scheme int8 or dynamic is required, found float16, which decides nothing")
    return _plan(_prepared(model, recipe), recipe, feeds, runner, progress)


def _prepared(model: Model, recipe: Recipe) -> Prepared:
    return unpack_constants(model, with_hybrid_weights=recipe.scheme == "int8")


def _plan(
    prepared: Prepared,
    recipe: Recipe,
    feeds: Iterable[Mapping[str, Array]] | None,
    runner: Runner | None,
    progress: Progress | None,
) -> QuantPlan:
    if recipe.scheme == "dynamic":
        return assign_dynamic(prepared, recipe)
    if feeds is None or runner is None:
        raise ValueError("quantize: feeds and a runner are required to calibrate for the scheme int8")
    make = observer_factory(recipe)
    observers = {tensor: make() for tensor in observed_tensors(prepared.model)}
    return assign_int8(prepared, collect_ranges(prepared.model, feeds, runner, observers, progress), recipe)
