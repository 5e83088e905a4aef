"""A process that opens models and times them; `benchmarks.processes` starts it and asks, one JSON object a line each way.

Requests: `open` a session (engine, model, feeds, threads) under a key; `measure` sessions in turns; take one `turn` of a session; the
`differences` of sessions' outputs from the reference's; `close` all sessions. An engine's error is answered as a "problem"; only its
crash ends the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from itertools import repeat
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.engines import REFERENCE, Array, Session, difference, open_session, reason_of

Reply = dict[str, Any]


TURN_SECONDS = 0.02
LEAST_TURNS = 5
BATCH_NS = 20_000
"""Runs that are shorter are timed several at a time, so that reading the clock does not count."""


def take_turn(run: Callable[[], object], seconds: float) -> tuple[float, int]:
    """The median nanoseconds of runs that last `seconds` together, and how many there were.

    The first run is not timed unless it takes as long as the turn: it finds the caches full of another engine's data.
    """
    start = perf_counter_ns()
    run()
    first = perf_counter_ns() - start
    if first >= seconds * 1e9:
        return float(first), 1
    batch = max(1, int(BATCH_NS / max(first, 1)))
    times: list[float] = []
    end = perf_counter_ns() + int(seconds * 1e9)
    while not times or perf_counter_ns() < end:
        start = perf_counter_ns()
        for _ in repeat(None, batch):
            run()
        times.append((perf_counter_ns() - start) / batch)
    return float(np.median(times)), batch * len(times)


class Worker:
    """The sessions that are open, and what can be asked of them."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.first: dict[str, list[Array]] = {}

    def answer(self, request: Mapping[str, Any]) -> Reply:
        arguments = {name: value for name, value in request.items() if name != "ask"}
        reply: Reply = getattr(self, f"on_{request['ask']}")(**arguments)
        return reply

    def on_open(self, key: str, engine: str, model: str, feeds: str, threads: int) -> Reply:
        try:
            self.sessions[key] = open_session(engine, Path(model), _arrays(feeds), threads)
            self.first[key] = self.sessions[key].outputs()
        except Exception as error:  # engines raise whatever their operators do
            return {"problem": reason_of(error)}
        return {}

    def on_measure(self, keys: list[str], seconds: float) -> Reply:
        """The sessions take turns, `seconds` of them for each and at least LEAST_TURNS: every turn's median nanoseconds, and all runs."""
        turns: dict[str, list[float]] = {key: [] for key in keys}
        runs, spent = dict.fromkeys(keys, 0), 0.0
        start = perf_counter_ns()
        while len(turns[keys[0]]) < LEAST_TURNS or spent < seconds * len(keys):
            for key in keys if len(turns[keys[0]]) % 2 else reversed(keys):
                median, count = take_turn(self.sessions[key].run, TURN_SECONDS)
                turns[key].append(median)
                runs[key] += count
            spent = (perf_counter_ns() - start) / 1e9
        return {"turns": turns, "runs": runs}

    def on_turn(self, key: str) -> Reply:
        median, count = take_turn(self.sessions[key].run, TURN_SECONDS)
        return {"turn": median, "runs": count}

    def on_differences(self, keys: list[str], model: str, feeds: str) -> Reply:
        """How far the first outputs of each session are from those of LiteRT's reference kernels."""
        try:
            expected = open_session(REFERENCE, Path(model), _arrays(feeds), 1).outputs()
        except Exception as error:  # as above
            return {"problem": reason_of(error)}
        return {"differences": [difference(self.first[key], expected) for key in keys]}

    def on_close(self) -> Reply:
        self.sessions.clear()
        self.first.clear()
        return {}


def _arrays(feeds: str) -> list[Array]:
    with np.load(feeds) as data:
        return [data[name] for name in data.files]


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # engines write to the standard output as they please
    worker = Worker()
    for line in sys.stdin:
        replies.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
