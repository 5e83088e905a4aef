"""Loads a model and runs it once in a process of its own, and prints times and memory as JSON.

`python -m jitlite.tools.probe MODEL THREADS SETUP` does, where SETUP is a `Setup` in JSON. Nothing but the standard library is imported
before the clock starts.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns
from types import MappingProxyType
from typing import Any, NamedTuple

STATUS = Path("/proc/self/status")


def memory_bytes(field: str) -> int:
    """A field of this process's status on Linux, VmHWM (largest resident size so far) or VmRSS (now); elsewhere the largest size."""
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Setup(NamedTuple):
    """What a model runs with beside the CPU: a delegate by its name with its options, and files that register custom operators."""

    delegate: str | None = None
    options: Mapping[str, str] = MappingProxyType({})
    operators: Sequence[str] = ()

    def as_json(self) -> str:
        return json.dumps(self._replace(options=dict(self.options))._asdict())


def probe(path: str, num_threads: int | None, setup: Setup) -> dict[str, int]:
    """Nanoseconds to import the interpreter, to load the model (file to allocated tensors) and to run it once; peak memory in bytes.

    `model_bytes` is what of the peak came on top of the imported interpreter.
    """
    start = perf_counter_ns()
    from jitlite.interpreter import Interpreter

    imported = perf_counter_ns()
    before = memory_bytes("VmRSS")
    created = perf_counter_ns()
    interpreter = Interpreter(model_path=path, num_threads=num_threads, experimental_delegates=_delegates(setup))
    interpreter.allocate_tensors()
    ready = perf_counter_ns()
    for details in interpreter.get_input_details():
        values = interpreter.tensor(details["index"])()
        values[...] = b"" if values.dtype == object else 0
    started = perf_counter_ns()
    interpreter.invoke()
    ended = perf_counter_ns()
    peak = memory_bytes("VmHWM")
    return {
        "import_ns": imported - start,
        "init_ns": ready - created,
        "first_inference_ns": ended - started,
        "peak_bytes": peak,
        "model_bytes": max(0, peak - before),
        "arena_bytes": interpreter.arena_bytes(),
    }


def _delegates(setup: Setup) -> list[Any]:
    """The delegate, after the custom operators."""
    if setup.operators:
        from jitlite.tools.operators import load_operators

        load_operators(setup.operators)
    if setup.delegate is None:
        return []
    from jitlite.interpreter.delegates import load_delegate

    return [load_delegate(setup.delegate, setup.options)]


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1], int(sys.argv[2]) or None, Setup(**json.loads(sys.argv[3])))))
