"""Calibration: runs the float model on samples and gives the range of every observed tensor."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from jitlite.quantization.observers import Observer, Range
from jitlite.schemas.errors import CalibrationError
from jitlite.schemas.tables import Model

Array = NDArray[Any]
Runner = Callable[[Model, Iterable[Mapping[str, Array]], Sequence[int]], Iterator[Sequence[Array]]]
"""Runs a model: (model, feeds by main-subgraph input tensor name, indices of main-subgraph tensors) → those tensors' values, per feed."""

Progress = Callable[[int], None]
"""Called after every sample with the number of samples done."""


def collect_ranges(
    model: Model,
    feeds: Iterable[Mapping[str, Array]],
    runner: Runner,
    observers: Mapping[int, Observer],
    progress: Progress | None = None,
) -> dict[int, Range]:
    """The range of each observed tensor of the main subgraph over all feeds; `observers` are keyed by tensor index and are updated.

    CalibrationError when there is no feed.
    """
    indices = tuple(observers)
    shapes: dict[int, tuple[int, ...]] = {}
    count = 0
    for values in runner(model, feeds, indices):
        assert len(values) == len(indices), "a runner gives one array per requested tensor"
        for index, array in zip(indices, values):
            observers[index].update(array)
            shapes[index] = array.shape
        count += 1
        if progress is not None:
            progress(count)
    if not count:
        raise CalibrationError("calibration: at least one sample is required, found none")
    return {index: replace(observer.range(), shape=shapes[index]) for index, observer in observers.items()}
