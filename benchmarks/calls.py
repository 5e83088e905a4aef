"""What a call costs: set_tensor, invoke and get_tensor of models so small that their kernels take no time.

    python -m benchmarks.calls [--seconds S] [--json FILE]

The models are chains of LOGISTIC on a few numbers. The time of a run over the length of the chain is a line: its start is what a run costs
beyond the kernels, its slope what an operator costs. ONNX Runtime runs the same chain as an ONNX model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.engines import LITERT, ONNXRUNTIME, OURS, TITLES, Array, open_session
from benchmarks.sections import Section, write_result
from benchmarks.worker import take_turn
from jitlite.schemas import write_model
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.tables import Buffer, BuiltinOperator, Model, Operator, SignatureDef, SubGraph, Tensor, TensorMap, TensorType
from jitlite.tools.console import byte_text, progress, time_text

LENGTHS = (1, 2, 4, 8, 16, 32)
SMALL, LARGE = (1, 10), (1, 512, 512, 1)
ENGINES = (OURS, LITERT, ONNXRUNTIME)


def chain(length: int, shape: Sequence[int]) -> bytes:
    """A .tflite file of `length` LOGISTIC operators one after the other, with a signature."""
    tensors = [Tensor(shape=list(shape), type=TensorType.FLOAT32, name=f"t{number}") for number in range(length + 1)]
    operators = [Operator(inputs=[number], outputs=[number + 1]) for number in range(length)]
    signature = SignatureDef(
        inputs=[TensorMap(name="x", tensor_index=0)], outputs=[TensorMap(name="y", tensor_index=length)], signature_key="run"
    )
    model = Model(
        version=3,
        operator_codes=[new_operator_code(BuiltinOperator.LOGISTIC)],
        buffers=[Buffer()],
        subgraphs=[SubGraph(tensors=tensors, inputs=[0], outputs=[length], operators=operators, name="main")],
        signature_defs=[signature],
    )
    return bytes(write_model(model))


def onnx_chain(length: int, shape: Sequence[int]) -> bytes:
    """The same as an ONNX file."""
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Sigmoid", [f"t{number}"], [f"t{number + 1}"]) for number in range(length)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name in ("t0", f"t{length}")]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:])
    content: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    return content


@dataclass(frozen=True, slots=True)
class CallTime:
    """Nanoseconds of a call: the median over the turns, and the quartiles."""

    median: float
    low: float
    high: float

    @property
    def text(self) -> str:
        return f"{time_text(self.median)} ({time_text(self.low)}–{time_text(self.high)})"


def time_calls(calls: Mapping[tuple[str, ...], Callable[[], object]], seconds: float) -> dict[tuple[str, ...], CallTime]:
    """The calls take turns, `seconds` of them for each."""
    turns: dict[tuple[str, ...], list[float]] = {key: [] for key in calls}
    end = perf_counter() + seconds * len(calls)
    while perf_counter() < end or any(len(taken) < 5 for taken in turns.values()):
        for key, call in calls.items():
            turns[key].append(take_turn(call, 0.003)[0])
    found = {}
    for key, taken in turns.items():
        low, median, high = (float(value) for value in np.percentile(taken, (25, 50, 75)))
        found[key] = CallTime(median, low, high)
    return found


def calls_of(shape: Sequence[int]) -> dict[tuple[str, ...], Callable[[], object]]:
    """The calls of a model with one operator, by (call, engine)."""
    data = np.zeros(tuple(shape), np.float32)
    found: dict[tuple[str, ...], Callable[[], object]] = {}
    for engine in (OURS, LITERT):
        for call, function in _calls_of_engine(engine, chain(1, shape), data).items():
            found[call, engine] = function
    return found


def _calls_of_engine(engine: str, content: bytes, data: Array) -> dict[str, Callable[[], object]]:
    interpreter: Any = open_session(engine, content, [data], 1).interpreter  # type: ignore[attr-defined]
    # LiteRT refuses to run an interpreter while a signature runner refers to its memory.
    runner = open_session(engine, content, [data], 1).interpreter.get_signature_runner("run")  # type: ignore[attr-defined]
    first, last = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    return {
        "set_tensor": lambda: interpreter.set_tensor(first, data),
        "invoke": interpreter.invoke,
        "get_tensor": lambda: interpreter.get_tensor(last),
        "all three": lambda: _round_trip(interpreter, first, last, data),
        "signature runner": lambda: runner(x=data),
    }


def _round_trip(interpreter: Any, first: int, last: int, data: Array) -> Array:
    interpreter.set_tensor(first, data)
    interpreter.invoke()
    result: Array = interpreter.get_tensor(last)
    return result


def chain_calls() -> dict[tuple[str, ...], Callable[[], object]]:
    """Runs of chains of every length, by (length, engine)."""
    data = np.zeros(SMALL, np.float32)
    found: dict[tuple[str, ...], Callable[[], object]] = {}
    for length in LENGTHS:
        for engine in ENGINES:
            content = onnx_chain(length, SMALL) if engine == ONNXRUNTIME else chain(length, SMALL)
            found[str(length), engine] = open_session(engine, content, [data], 1).run
    return found


def line(times: Mapping[tuple[str, ...], CallTime], engine: str) -> tuple[float, float]:
    """Start and slope, in nanoseconds, of an engine's run times over the length of the chain (least squares)."""
    slope, start = np.polyfit(LENGTHS, [times[str(length), engine].median for length in LENGTHS], 1)
    return float(start), float(slope)


def sections_of(chains: Mapping[tuple[str, ...], CallTime], calls: Mapping[str, Mapping[tuple[str, ...], CallTime]]) -> list[Section]:
    """What a run costs beyond the kernels, and what each call costs."""
    rows = []
    for engine in ENGINES:
        start, slope = line(chains, engine)
        rows.append(
            (TITLES[engine], time_text(max(start, 0)), time_text(slope), *(chains[str(n), engine].text for n in (LENGTHS[0], LENGTHS[-1])))
        )
    text = (
        f"Chains of LOGISTIC on {SMALL[1]} numbers, one thread. A run costs the first column beyond its operators, each operator the "
        "second. In brackets: quartiles over the turns."
    )
    columns = ("engine", "a run", "an operator", f"run of {LENGTHS[0]} operator", f"run of {LENGTHS[-1]} operators")
    found = [Section("Calls: what a run costs", text, columns, tuple(rows))]
    table = []
    for size, times in calls.items():
        for call in dict.fromkeys(key[0] for key in times):
            ours, theirs = times[call, OURS], times[call, LITERT]
            table.append((call, size, ours.text, theirs.text, f"{theirs.median / ours.median:.2f}"))
    columns = ("call", "tensor", TITLES[OURS], TITLES[LITERT], "LiteRT/jitlite")
    found.append(
        Section("Calls: the Python interface", "A model of one LOGISTIC on a float32 tensor of this size.", columns, tuple(table), 2)
    )
    return found


def as_data(chains: Mapping[tuple[str, ...], CallTime], calls: Mapping[str, Mapping[tuple[str, ...], CallTime]]) -> dict[str, Any]:
    """The numbers for the JSON file, in nanoseconds."""
    runs = []
    for engine in ENGINES:
        start, slope = line(chains, engine)
        runs.append({"engine": engine, "run_ns": round(start), "operator_ns": round(slope)})
    return {
        "runs": runs,
        "calls": [
            {"call": call, "tensor": size, "engine": engine, "ns": round(time.median)}
            for size, times in calls.items()
            for (call, engine), time in times.items()
        ],
    }


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each call and engine (default: 0.3)")
    parser.add_argument("--json", type=Path, default=None, help="file for the results")
    options = parser.parse_args(None if arguments is None else list(arguments))
    with progress("measuring calls", 3) as advance:
        chains = time_calls(chain_calls(), options.seconds)
        advance(1)
        calls = {}
        for shape in (SMALL, LARGE):
            calls[byte_text(4 * int(np.prod(shape)))] = time_calls(calls_of(shape), options.seconds)
            advance(1)
    sections = sections_of(chains, calls)
    for section in sections:
        section.print()
    if options.json is not None:
        write_result(options.json, "calls", sections, as_data(chains, calls))


if __name__ == "__main__":
    main()
