"""Conversion of a large transformer: the time it takes, and the memory as a multiple of the weights'.

    python -m benchmarks.conversion [--megabytes 100] [--json FILE]

Each conversion runs in a process of its own, which has converted a small model before: what is counted is the conversion, from the file to
the file, not the start of Python. The last row is the whole command, its check against ONNX Runtime included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.processes import ROOT
from benchmarks.sections import Section, write_result
from jitlite.tools.console import progress

WIDTH, HEADS, TOKENS, WORDS = 512, 8, 64, 8192
LAYER_BYTES = 4 * 12 * WIDTH * WIDTH
MIB = 1 << 20

CHILD = """
import json, sys
from time import perf_counter
from jitlite.converter import convert_onnx
from jitlite.schemas import save_model
from benchmarks.conversion import transformer

convert_onnx(transformer(1, width=16, words=8))

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before, started = status("VmRSS"), perf_counter()
save_model(convert_onnx(sys.argv[1]), sys.argv[2])
print(json.dumps({"seconds": perf_counter() - started, "bytes": status("VmHWM") - before}))
"""


def transformer(layers: int, batch: int | str = 1, width: int = WIDTH, words: int = WORDS) -> onnx.ModelProto:
    """An encoder as frameworks export it: numbers of words (batch, tokens) to a vector for each, (batch, tokens, width)."""
    numbers = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    stored: list[TensorProto] = []

    def constant(*shape: int) -> str:
        name = f"weight_{len(stored)}"
        data = numbers.standard_normal(shape, np.float32) * np.float32(0.02)
        stored.append(numpy_helper.from_array(data, name))
        return name

    def fixed(*entries: int) -> str:
        name = f"shape_{len(stored)}"
        stored.append(numpy_helper.from_array(np.array(entries, np.int64), name))
        return name

    def node(kind: str, *operands: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(operands), [name], name=name, **attributes))
        return name

    def dense(x: str, before: int, after: int) -> str:
        return node("Add", node("MatMul", x, constant(before, after)), constant(after))

    def heads(x: str, order: Sequence[int]) -> str:
        return node("Transpose", node("Reshape", dense(x, width, width), fixed(0, 0, HEADS, width // HEADS)), perm=list(order))

    x = node("Gather", constant(words, width), "words")
    for _ in range(layers):
        query, key, value = heads(x, (0, 2, 1, 3)), heads(x, (0, 2, 3, 1)), heads(x, (0, 2, 1, 3))
        scores = node("Softmax", node("Mul", node("MatMul", query, key), constant(1)), axis=-1)
        mixed = node("Transpose", node("MatMul", scores, value), perm=[0, 2, 1, 3])
        attended = dense(node("Reshape", mixed, fixed(0, 0, width)), width, width)
        x = node("LayerNormalization", node("Add", x, attended), constant(width), constant(width))
        hidden = node("Relu", dense(x, width, 4 * width))
        x = node("LayerNormalization", node("Add", x, dense(hidden, 4 * width, width)), constant(width), constant(width))
    nodes.append(helper.make_node("Identity", [x], ["vectors"], name="vectors"))
    graph = helper.make_graph(
        nodes,
        "transformer",
        [helper.make_tensor_value_info("words", TensorProto.INT64, [batch, TOKENS])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [batch, TOKENS, width])],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weight_bytes(model: onnx.ModelProto) -> int:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def measure(model: Path, target: Path) -> dict[str, float]:
    """Seconds, and the bytes that the process grew by at its peak."""
    command = [sys.executable, "-c", CHILD, str(model), str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_command(model: Path, target: Path) -> dict[str, float]:
    """The same of `jitlite convert` with its check, the start of Python included."""
    script = (
        "import resource, sys, subprocess; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024); sys.exit(done.returncode)"
    )
    command = [
        sys.executable,
        "-m",
        "jitlite",
        "convert",
        str(model),
        "-o",
        str(target),
        "--shape",
        f"words=1x{TOKENS}",
        "--range",
        "0",
        "63",
    ]
    started = perf_counter()
    done = subprocess.run([sys.executable, "-c", script, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return {"seconds": perf_counter() - started, "bytes": float(done.stdout.split()[-1])}


def run(megabytes: int, folder: Path) -> list[dict[str, Any]]:
    """The measurements of every way to store the model."""
    layers = max(1, round((megabytes * 1_000_000 - 4 * WIDTH * WORDS) / LAYER_BYTES))
    found = []
    ways = {"weights in the file": (1, False), "weights beside it": (1, True), "dynamic batch": ("n", False)}
    with progress("converting", len(ways) + 1) as advance:
        for way, (batch, beside) in ways.items():
            made = transformer(layers, batch)
            path, size = folder / f"{len(found)}.onnx", weight_bytes(made)
            onnx.save(made, path, save_as_external_data=beside, location=f"{len(found)}.data")
            del made
            found.append({"way": way, "weights": size, **measure(path, folder / "model.tflite")})
            advance(1)
        found.append({"way": "jitlite convert, checked", "weights": size, **measure_command(folder / "0.onnx", folder / "command.tflite")})
        advance(1)
    return found


def sections_of(found: Sequence[Mapping[str, Any]]) -> list[Section]:
    rows = [
        (
            str(entry["way"]),
            f"{entry['weights'] / MIB:.0f} MiB",
            f"{entry['seconds']:.1f} s",
            f"{entry['bytes'] / MIB:.0f} MiB",
            f"{entry['bytes'] / entry['weights']:.2f}",
        )
        for entry in found
    ]
    text = (
        "A transformer's encoder in float32, from ONNX file to .tflite file: time, and the memory the process grew by at its peak, also as "
        "a multiple of the weights'. The last row is the whole command with its check in ONNX Runtime, the process as a whole."
    )
    return [Section("Conversion", text, ("model", "weights", "time", "memory", "memory/weights"), tuple(rows))]


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversion", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100, help="size of the weights (default: 100)")
    parser.add_argument("--json", type=Path, default=None, help="file for the results")
    options = parser.parse_args(None if arguments is None else list(arguments))
    with tempfile.TemporaryDirectory() as folder:
        found = run(options.megabytes, Path(folder))
    sections = sections_of(found)
    for section in sections:
        section.print()
    if options.json is not None:
        write_result(options.json, "conversion", sections, {"models": found})


if __name__ == "__main__":
    main()
