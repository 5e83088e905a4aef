"""Latencies of several models, measured in turns so that a machine that changes its speed changes it for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

TURN_NS = 20_000_000
"""How long a model keeps its turn, if one run is not longer."""

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """For each model `warmup_runs` untimed runs, then at least `num_runs` timed ones and `min_secs` of them, at most `max_secs`."""

    warmup_runs: int = 3
    num_runs: int = 50
    min_secs: float = 1.0
    max_secs: float = 150.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Nanoseconds of `runs` runs."""

    runs: int
    p50: float
    p90: float
    p99: float
    mean: float
    std: float
    min: float
    max: float

    def as_microseconds(self) -> dict[str, Any]:
        """The numbers in microseconds, and the count of runs."""
        return {name: value if name == "runs" else value / 1000 for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Timings:
    """One model's run times in nanoseconds, a row of them for each of its turns."""

    turns: tuple[NDArray[np.int64], ...]

    @property
    def latency(self) -> Latency:
        every = np.concatenate(self.turns)
        p50, p90, p99 = (float(value) for value in np.percentile(every, (50, 90, 99)))
        return Latency(len(every), p50, p90, p99, float(every.mean()), float(every.std()), float(every.min()), float(every.max()))


def measure(runs: Sequence[Run], options: RunOptions, advance: Callable[[int], None] = lambda count: None) -> list[Timings]:
    """Times every function's runs; `advance` gets the milliseconds of timed runs as they pass, `min_secs` of them for each function.

    The functions take turns. The run after a change of turns is not timed when a turn has several: it finds the caches full of the other
    model.
    """
    per_turn = [_runs_per_turn(run, options) for run in runs]
    turns: list[list[NDArray[np.int64]]] = [[] for _ in runs]
    spent, counts = [0] * len(runs), [0] * len(runs)
    budget_ns, limit_ns = int(options.min_secs * 1e9), int(options.max_secs * 1e9)

    def is_done(place: int) -> bool:
        return spent[place] >= limit_ns or (spent[place] >= budget_ns and counts[place] >= options.num_runs)

    backwards = False
    while not all(is_done(place) for place in range(len(runs))):
        for place in reversed(range(len(runs))) if backwards else range(len(runs)):
            times = _take_turn(runs[place], per_turn[place], skips_first=len(runs) > 1 and per_turn[place] > 1)
            turns[place].append(times)
            before = min(spent[place], budget_ns)
            spent[place] += int(times.sum())
            counts[place] += len(times)
            advance((min(spent[place], budget_ns) - before) // 1_000_000)
        backwards = not backwards
    return [Timings(tuple(taken)) for taken in turns]


def _runs_per_turn(run: Run, options: RunOptions) -> int:
    fastest = TURN_NS
    for _ in range(options.warmup_runs):
        start = perf_counter_ns()
        run()
        fastest = min(fastest, perf_counter_ns() - start)
    return max(1, min(options.num_runs, TURN_NS // max(1, fastest)))


def _take_turn(run: Run, count: int, skips_first: bool) -> NDArray[np.int64]:
    if skips_first:
        run()
    times = np.empty(count, np.int64)
    for place in range(count):
        start = perf_counter_ns()
        run()
        times[place] = perf_counter_ns() - start
    return times


@dataclass(frozen=True, slots=True)
class Speedup:
    """How many times faster the second of two models is: the middle of its turns' ratios, and the range 80 % of them lie in."""

    ratio: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """False when some of the turns say the opposite of others."""
        return self.low > 1.0 or self.high < 1.0


def speedup(first: Timings, second: Timings) -> Speedup:
    """Compares the medians of turns taken one after the other."""
    ratios = [float(np.median(a) / np.median(b)) for a, b in zip(first.turns, second.turns)]
    low, middle, high = (float(value) for value in np.percentile(ratios, (10, 50, 90)))
    return Speedup(middle, low, high)
