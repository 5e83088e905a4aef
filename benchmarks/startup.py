"""Start-up of a fresh process, ours and LiteRT's in turns: time from its start to its first result, and its peak memory.

    python benchmarks/startup.py MODEL.tflite... [--rounds 11] [--json FILE]

Kernels and byte code are cached before the first measured process, as they are on a machine that has run the model before. Both engines
use one thread. Times are medians over the rounds; a round starts one process of each engine, one at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from pathlib import Path
from statistics import median
from time import monotonic_ns

ROOT = Path(__file__).resolve().parent.parent

MODULES = {"jitlite": "jitlite.interpreter", "litert": "ai_edge_litert.interpreter"}

PROGRAM = """
import sys
from importlib import import_module
module, model = sys.argv[1:]
import numpy
if module:
    interpreter = import_module(module).Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], numpy.zeros(details["shape"], details["dtype"]))
    interpreter.invoke()
    for details in interpreter.get_output_details():
        interpreter.get_tensor(details["index"])
import time
end, used = time.monotonic_ns(), time.process_time_ns()
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(end, used, peak)
"""


@dataclass(frozen=True)
class Start:
    """What one process took to its first result: milliseconds by the clock and of processor time, and its peak memory in KiB."""

    wall_ms: float
    processor_ms: float
    peak_kib: int


def start(module: str, model: str) -> Start:
    """Starts a process that runs a model once; without a module it only imports NumPy."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    begin = monotonic_ns()
    run = subprocess.run([sys.executable, "-c", PROGRAM, module, model], capture_output=True, text=True, env=environment)
    if run.returncode:
        raise RuntimeError(f"{module} {model}: {run.stderr.strip().splitlines()[-1] if run.stderr.strip() else run.returncode}")
    end, used, peak = map(int, run.stdout.split()[-3:])
    return Start((end - begin) / 1e6, used / 1e6, peak)


def measure(modules: Sequence[str], model: str, rounds: int) -> list[Start]:
    """The median start of each module, after one that is not counted."""
    for module in modules:
        start(module, model)
    turns = [[start(module, model) for module in modules] for _ in range(rounds)]
    return [
        Start(median(s.wall_ms for s in starts), median(s.processor_ms for s in starts), int(median(s.peak_kib for s in starts)))
        for starts in zip(*turns)
    ]


def compare(model: str, rounds: int) -> dict[str, object]:
    """Both engines' starts on one model, and how many times LiteRT's time and memory ours are."""
    ours, theirs = measure(list(MODULES.values()), model, rounds)
    return {
        "model": Path(model).name,
        "jitlite": asdict(ours),
        "litert": asdict(theirs),
        "time_ratio": ours.wall_ms / theirs.wall_ms,
        "processor_ratio": ours.processor_ms / theirs.processor_ms,
        "memory_ratio": ours.peak_kib / theirs.peak_kib,
    }


def line(found: dict[str, object]) -> str:
    ours, theirs = found["jitlite"], found["litert"]
    assert isinstance(ours, dict)
    assert isinstance(theirs, dict)
    columns = [f"{ours[name]:9.1f} {theirs[name]:8.1f} {found[ratio]:5.2f}" for name, ratio in RATIOS[:2]]
    peak = f"{ours['peak_kib'] / 1024:9.1f} {theirs['peak_kib'] / 1024:8.1f} {found['memory_ratio']:5.2f}"
    return f"{str(found['model'])[:40]:40} {' '.join(columns)} {peak}"


RATIOS = (("wall_ms", "time_ratio"), ("processor_ms", "processor_ratio"), ("peak_kib", "memory_ratio"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a .tflite file")
    parser.add_argument("--rounds", type=int, default=11, help="processes of each engine")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    (floor,) = measure([""], "", options.rounds)
    print(
        f"Python with NumPy alone: {floor.wall_ms:.1f} ms, {floor.processor_ms:.1f} ms of processor time, {floor.peak_kib / 1024:.1f} MiB"
    )
    print(f"{'':40} {'wall ms: ours':>13} {'LiteRT':>6} {'':4} {'processor ms':>13} {'':11} {'peak MiB':>10}")
    results = []
    for model in options.models:
        try:
            results.append(compare(model, options.rounds))
        except RuntimeError as error:
            print(error, flush=True)
        else:
            print(line(results[-1]), flush=True)
    if results:
        means = [exp(sum(log(found[ratio]) for found in results) / len(results)) for _, ratio in RATIOS]  # type: ignore[arg-type]
        print(f"geometric means of ours / LiteRT: time {means[0]:.2f}, processor time {means[1]:.2f}, peak memory {means[2]:.2f}")
    if options.json:
        options.json.write_text(json.dumps({"numpy": asdict(floor), "models": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
