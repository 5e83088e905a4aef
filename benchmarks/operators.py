"""Where a model's time goes beside LiteRT: every operator of a .tflite file as a model of its own, in both engines, one thread.

    python -m benchmarks.operators MODEL.tflite... [--seconds S] [--top N]

An operator's cost inside the model differs from its cost alone where an engine fuses it with its neighbours; "in model" is its time inside
jitlite's own run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.engines import LITERT, OURS, Session, open_session, reason_of
from jitlite.interpreter import Interpreter
from jitlite.schemas import read_model, write_model
from jitlite.schemas.errors import JitliteError
from jitlite.schemas.model import called_subgraphs, operator_name
from jitlite.schemas.tables import Model, Operator, SubGraph, Tensor
from jitlite.tools.console import note, progress, results, shape_text, table, time_text
from jitlite.tools.feeds import random_samples
from jitlite.tools.latency import RunOptions, measure
from jitlite.tools.profile import profile_nodes
from jitlite.tools.runners import TfliteModel


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """One distinct operator call: how often the model has it, nanoseconds alone in both engines, ours inside the model (all its calls)."""

    op: str
    shapes: str
    count: int
    ours_ns: float
    litert_ns: float
    in_model_ns: float

    @property
    def loss_ns(self) -> float:
        """What the model would gain if each of its calls took LiteRT's time."""
        return self.count * (self.ours_ns - self.litert_ns)


def single_operator(model: Model, graph: SubGraph, op: Operator) -> Model:
    """A model of this operator and of those that make its constants; its other operands become inputs."""
    ops = [*_constant_producers(model, graph, op), op]
    made = {index for producer in ops for index in producer.outputs}
    order = list(dict.fromkeys(index for part in ops for index in (*part.inputs, *part.outputs) if index >= 0))
    place = {index: number for number, index in enumerate(order)}
    main, buffers = SubGraph(name="main"), [model.buffers[0]]
    for index in order:
        tensor = copy(graph.tensors[index])
        if _is_constant(model, tensor):
            buffers.append(model.buffers[tensor.buffer])
            tensor.buffer = len(buffers) - 1
        else:
            tensor.buffer, tensor.shape_signature = 0, []
        main.tensors.append(tensor)
    for part in ops:
        moved = copy(part)
        moved.inputs, moved.outputs = [place.get(index, -1) for index in part.inputs], [place[index] for index in part.outputs]
        main.operators.append(moved)
    given = [index for index in dict.fromkeys(op.inputs) if index >= 0 and index not in made]
    main.inputs = [place[index] for index in given if not _is_constant(model, graph.tensors[index])]
    main.outputs = [place[index] for index in op.outputs]
    return Model(version=model.version, operator_codes=model.operator_codes, subgraphs=[main], buffers=buffers)


def _is_constant(model: Model, tensor: Tensor) -> bool:
    buffer = model.buffers[tensor.buffer]
    return bool(tensor.external_buffer) or len(buffer.data) > 0 or buffer.offset > 1


def _is_folded(model: Model, graph: SubGraph, op: Operator) -> bool:
    """True when every operand is constant, so that engines compute the operator when they load the model."""
    return all(index < 0 or _is_constant(model, graph.tensors[index]) for index in op.inputs)


def _constant_producers(model: Model, graph: SubGraph, op: Operator) -> list[Operator]:
    wanted = {index for index in op.inputs if index >= 0 and not _is_constant(model, graph.tensors[index])}
    return [other for other in graph.operators if wanted.intersection(other.outputs) and _is_folded(model, graph, other)]


def _signature(graph: SubGraph, op: Operator) -> str:
    """Text that two calls share when they do the same work."""
    tensors = [graph.tensors[index] if index >= 0 else None for index in (*op.inputs, *op.outputs)]
    shapes = [None if tensor is None else (tuple(tensor.shape), tensor.type, tensor.is_variable) for tensor in tensors]
    return repr((op.opcode_index, op.builtin_options, op.builtin_options_2, bytes(op.custom_options), shapes))


def _shapes(graph: SubGraph, op: Operator) -> str:
    found = [shape_text(graph.tensors[index].shape) for index in op.inputs[:2] if index >= 0]
    result = graph.tensors[op.outputs[0]] if op.outputs else None
    return " ".join(found) + ("" if result is None else f" → {shape_text(result.shape)} {result.type.name.lower()}")


def measure_operators(path: Path, seconds: float) -> tuple[list[OperatorTime], list[str]]:
    """Times of a model's distinct operator calls, and what could not be measured and why; JitliteError where we cannot run the model."""
    model = read_model(path)
    graph = model.subgraphs[0]
    groups: dict[str, list[int]] = {}
    for number, op in enumerate(graph.operators):
        if not _is_folded(model, graph, op):
            groups.setdefault(_signature(graph, op), []).append(number)
    inside = _profile(path)
    found, problems = [], []
    options = RunOptions(warmup_runs=2, num_runs=5, min_secs=seconds, max_secs=20 * seconds)
    with progress(path.name, len(groups)) as advance:
        for numbers in groups.values():
            op = graph.operators[numbers[0]]
            name = operator_name(model, op)
            try:
                sessions = _sessions(model, graph, op)
                ours, theirs = (timing.latency.p50 for timing in measure([session.run for session in sessions], options))
                spent = sum(inside.get(number, 0.0) for number in numbers)
                found.append(OperatorTime(name, _shapes(graph, op), len(numbers), ours, theirs, spent))
            except (JitliteError, RuntimeError, ValueError) as error:
                problems.append(f"{name} {_shapes(graph, op)}: {reason_of(error)}")
            advance(1)
    return sorted(found, key=lambda item: -item.loss_ns), problems


def _sessions(model: Model, graph: SubGraph, op: Operator) -> list[Session]:
    if any(called_subgraphs(op)):
        raise ValueError("an operator without subgraphs is required")
    if any(graph.tensors[index].is_variable for index in op.inputs if index >= 0):
        raise ValueError("an operator without variable tensors is required")
    content = write_model(single_operator(model, graph, op))
    runner = TfliteModel(content)
    (sample,) = random_samples(runner.inputs, 1, 0)
    feeds = [port.to_raw(np.asarray(sample[port.name])) for port in runner.inputs]
    return [open_session(engine, content, feeds, 1) for engine in (OURS, LITERT)]


def _profile(path: Path) -> dict[int, float]:
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    return {node.node: node.nanoseconds for node in profile_nodes(interpreter, 0.2, 3)}


def print_operators(path: Path, times: Sequence[OperatorTime], problems: Sequence[str], top: int) -> None:
    """The calls that lose the most time, then all calls by operator type."""
    columns = ("operator", "operands", "calls", "jitlite", "LiteRT", "LiteRT/ours", "lost in all calls", "in model, all calls")
    rows = [_row(item.op, item.shapes, item.count, item.ours_ns, item.litert_ns, item.loss_ns, item.in_model_ns) for item in times[:top]]
    results().print(table(f"{path.name}: calls that lose the most", columns, rows, left=2))
    totals: dict[str, list[float]] = {}
    for item in times:
        total = totals.setdefault(item.op, [0, 0, 0, 0])
        for place, value in enumerate((item.count, item.count * item.ours_ns, item.count * item.litert_ns, item.in_model_ns)):
            total[place] += value
    rows = [
        _row(op, "", int(count), ours, theirs, ours - theirs, inside)
        for op, (count, ours, theirs, inside) in sorted(totals.items(), key=lambda entry: entry[1][2] - entry[1][1])
    ]
    results().print(table(f"{path.name}: by operator type", columns, rows, left=2))
    for problem in problems:
        note(f"not measured: {problem}")


def _row(op: str, shapes: str, count: int, ours: float, theirs: float, loss: float, inside: float) -> tuple[str, ...]:
    lost = time_text(loss) if loss > 0 else f"–{time_text(-loss)}"
    return op, shapes, str(count), time_text(ours), time_text(theirs), f"{theirs / ours:.2f}", lost, time_text(inside)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operators", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.tflite")
    parser.add_argument("--seconds", type=float, default=0.03, help="time for each distinct call and engine (default: 0.03)")
    parser.add_argument("--top", type=int, default=12, help="how many calls to print (default: 12)")
    options = parser.parse_args()
    for path in options.models:
        times, problems = measure_operators(path, options.seconds)
        print_operators(path, times, problems, options.top)


if __name__ == "__main__":
    main()
