"""`jitlite benchmark`: latency, start-up time, memory and size of .tflite models on this machine."""

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.table import Table

from jitlite.tools.console import byte_text, note, print_json, progress, results, shape_text, table, time_text
from jitlite.tools.delegates import delegate_options, open_delegate
from jitlite.tools.errors import ToolError
from jitlite.tools.feeds import random_samples
from jitlite.tools.latency import RunOptions, Timings, measure, speedup
from jitlite.tools.operators import LOADED, operators_option
from jitlite.tools.options import ExampleCommand, FilePath, json_option, range_option, seed_option, threads_option
from jitlite.tools.probe import Setup
from jitlite.tools.profile import NodeTime, by_type, profile_nodes
from jitlite.tools.runners import TfliteModel, is_onnx

TOP_NODES = 10
PROBES = 3
PLAIN = Setup()


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of one model; `probe` holds the numbers of `jitlite.tools.probe`, taken in a process of its own."""

    path: Path
    file_bytes: int
    probe: dict[str, int]
    timings: Timings
    nodes: tuple[NodeTime, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The numbers under the names of the JSON report, times in microseconds."""
        found: dict[str, Any] = {
            "model": str(self.path),
            "size_bytes": self.file_bytes,
            "init_us": self.probe["init_ns"] / 1000,
            "first_inference_us": self.probe["first_inference_ns"] / 1000,
            "import_us": self.probe["import_ns"] / 1000,
            "peak_memory_bytes": self.probe["peak_bytes"],
            "model_memory_bytes": self.probe["model_bytes"],
            "arena_bytes": self.probe["arena_bytes"],
            "latency_us": self.timings.latency.as_microseconds(),
        }
        if self.nodes:
            found["profile"] = {
                "by_type": [
                    {"op": group.op, "count": group.count, "time_us": group.nanoseconds / 1000, "share": group.share}
                    for group in by_type(self.nodes)
                ],
                "nodes": [
                    {"node": node.node, "op": node.op, "name": node.name, "shape": list(node.shape), "time_us": node.nanoseconds / 1000}
                    for node in self.nodes
                ],
            }
        return found


@click.command(
    short_help="Measure latency, start-up time, memory and size.",
    cls=ExampleCommand,
    examples=(
        "jitlite benchmark model.tflite",
        "jitlite benchmark float32.tflite int8.tflite --min-secs 3",
        "jitlite benchmark model.tflite --profile --json > report.json",
    ),
)
@click.argument("models", type=FilePath(), nargs=-1, required=True)
@threads_option
@click.option(
    "--warmup-runs", type=click.IntRange(min=1), metavar="N", default=3, show_default=True, help="Untimed runs before the timed ones."
)
@click.option("--num-runs", type=click.IntRange(min=1), metavar="N", default=50, show_default=True, help="Least number of timed runs.")
@click.option(
    "--min-secs", type=click.FloatRange(min=0), metavar="S", default=1.0, show_default=True, help="Least time of timed runs, each model."
)
@click.option(
    "--max-secs", type=click.FloatRange(min=0, min_open=True), metavar="S", default=150.0, show_default=True, help="Most time, each model."
)
@delegate_options
@operators_option
@click.option("--profile", "with_profile", is_flag=True, help="Show which operators take the time.")
@range_option
@seed_option
@json_option
def benchmark(models: tuple[Path, ...], **options: Any) -> None:
    """Measure MODELS (.tflite) on this machine; with several, say how they compare to the first.

    Latencies are taken in one process, the models taking turns. Start-up time, first inference and peak memory come from fresh
    processes, three for each model, with compiled kernels in the cache. Inputs are random; those of any size have the size the file states.
    """
    run_options = RunOptions(options["warmup_runs"], options["num_runs"], options["min_secs"], options["max_secs"])
    setup = Setup(options["delegate"], options["delegate_settings"], LOADED)
    with progress("measuring", int(run_options.min_secs * 1000) * len(models)) as advance:
        found = measure_models(
            models,
            run_options,
            num_threads=options["num_threads"],
            bounds=options["bounds"],
            seed=options["seed"],
            with_profile=options["with_profile"],
            setup=setup,
            advance=advance,
        )
    verdicts = [verdict(found[0], other) for other in found[1:]]
    if options["as_json"]:
        print_json({"machine": machine(), "delegate": setup.delegate, "models": [item.as_dict() for item in found], "verdicts": verdicts})
        return
    results().print(_table(found))
    if options["with_profile"]:
        _print_profile(found)
    for line in verdicts:
        results().print(line)
    if any(item.timings.latency.runs < run_options.num_runs for item in found):
        note(f"fewer than {run_options.num_runs} runs fit into --max-secs {run_options.max_secs:g}")


def measure_models(
    paths: Sequence[Path],
    options: RunOptions,
    *,
    num_threads: int | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    with_profile: bool = False,
    setup: Setup = PLAIN,
    advance: Any = lambda count: None,
) -> list[Measurement]:
    """Measures .tflite files; ToolError or the interpreter's errors when one cannot run. `setup` is for all of them."""
    for path in paths:
        if is_onnx(path):
            raise ToolError(f"{path}: a .tflite model is required, found an ONNX model; `jitlite convert` makes one from it")
    loaded = [TfliteModel(path, num_threads=num_threads, delegates=open_delegate(setup.delegate, setup.options)) for path in paths]
    for model in loaded:
        (feed,) = random_samples(model.inputs, 1, seed, bounds)
        model.set_inputs({port.name: port.to_raw(feed[port.name]) for port in model.inputs})
        model.interpreter.invoke()
    timings = measure([model.interpreter.invoke for model in loaded], options, advance)
    return [
        Measurement(
            path,
            path.stat().st_size,
            run_probe(path, num_threads, setup),
            timing,
            tuple(profile_nodes(model.interpreter)) if with_profile else (),
        )
        for path, model, timing in zip(paths, loaded, timings)
    ]


def run_probe(path: Path, num_threads: int | None, setup: Setup = PLAIN, processes: int = PROBES) -> dict[str, int]:
    """Start-up times and memory of a model, each the median of several processes of its own."""
    found = [_probe_once(path, num_threads, setup) for _ in range(processes)]
    return {name: int(median(probe[name] for probe in found)) for name in found[0]}


def _probe_once(path: Path, num_threads: int | None, setup: Setup) -> dict[str, int]:
    command = [sys.executable, "-m", "jitlite.tools.probe", str(path), str(num_threads or 0), setup.as_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise ToolError(f"{path}: a process of its own cannot run the model: {reason}")
    found: dict[str, int] = json.loads(done.stdout)
    return found


def machine() -> dict[str, Any]:
    """The machine and the versions that numbers were measured with."""
    import os

    import numpy

    from jitlite import __version__

    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "jitlite": __version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        for key, value in fields.items():
            if key.strip() in ("model name", "Model"):
                return value.strip()
    return platform.processor() or platform.machine()


def verdict(first: Measurement, second: Measurement) -> str:
    """One sentence: how much faster or slower, smaller or larger the second is."""
    found, name = speedup(first.timings, second.timings), first.path.name
    if not found.is_clear:
        speed = f"about as fast as {name} (ratio {found.ratio:.2f}, turns from {found.low:.2f} to {found.high:.2f})"
    elif found.ratio > 1:
        speed = f"{found.ratio:.2f}x faster than {name}"
    else:
        speed = f"{1 / found.ratio:.2f}x slower than {name}"
    return f"{second.path.name} is {speed} and {_size(first, second)}."


def _size(first: Measurement, second: Measurement) -> str:
    ratio = first.file_bytes / second.file_bytes
    if 0.995 < ratio < 1.005:
        return "as large"
    return f"{ratio:.2f}x smaller" if ratio > 1 else f"{1 / ratio:.2f}x larger"


def _table(found: Sequence[Measurement]) -> Table:
    """A column for each model, so that a terminal of 80 characters holds three of them."""
    latencies = [item.timings.latency for item in found]
    rows = (
        ("latency p50", *(time_text(latency.p50) for latency in latencies)),
        ("latency p90", *(time_text(latency.p90) for latency in latencies)),
        ("latency p99", *(time_text(latency.p99) for latency in latencies)),
        ("latency mean", *(time_text(latency.mean) for latency in latencies)),
        ("runs", *(latency.runs for latency in latencies)),
        ("init (file to tensors)", *(time_text(item.probe["init_ns"]) for item in found)),
        ("first inference", *(time_text(item.probe["first_inference_ns"]) for item in found)),
        ("peak memory of the process", *(byte_text(item.probe["peak_bytes"]) for item in found)),
        ("  added by the model", *(byte_text(item.probe["model_bytes"]) for item in found)),
        ("  of it tensor arena", *(byte_text(item.probe["arena_bytes"]) for item in found)),
        ("file size", *(byte_text(item.file_bytes) for item in found)),
    )
    return table("", ("", *(str(item.path) for item in found)), rows)


def _print_profile(found: Sequence[Measurement]) -> None:
    console = results()
    console.print()
    console.print(_types_table(found))
    for item in found:
        total = sum(node.nanoseconds for node in item.nodes) or 1.0
        top = sorted(item.nodes, key=lambda node: -node.nanoseconds)[:TOP_NODES]
        rows = [
            (node.name, node.op, node.node, shape_text(node.shape), time_text(node.nanoseconds), f"{node.nanoseconds / total:.1%}")
            for node in top
        ]
        console.print()
        console.print(table(f"{item.path}: slowest nodes", ("result", "operator", "node", "shape", "time", "share"), rows, left=2))
    console.print()


def _types_table(found: Sequence[Measurement]) -> Table:
    """A row for each operator type, with the count, time and share in each model; the slowest of any model first."""
    groups = [{group.op: group for group in by_type(item.nodes)} for item in found]
    slowest: dict[str, float] = {}
    for types in groups:
        for op, group in types.items():
            slowest[op] = max(slowest.get(op, 0.0), group.nanoseconds)
    rows = []
    for op in sorted(slowest, key=lambda name: -slowest[name]):
        cells = []
        for types in groups:
            held = types.get(op)
            cells += ["", "", ""] if held is None else [str(held.count), time_text(held.nanoseconds), f"{held.share:.1%}"]
        rows.append((op, *cells))
    columns = [name for item in found for name in ("count", item.path.name if len(found) > 1 else "time", "share")]
    return table("time by operator type", ("operator", *columns), rows)
