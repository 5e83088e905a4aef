"""The coverage report of `jitlite convert --report`: what each ONNX node became, or why it could not be converted.

The report is JSON:

    version     1, the version of this schema; fields may be added under the same version
    model       the file the command was given
    converted   whether every node has a form in .tflite (the check of the result is no part of this)
    error       what went wrong, in the conversion or behind it; or null
    notes       what could not be kept of what the model says, and why
    signatures  by the signature's key ("serving_default" where there is one alone):
        counts      how many nodes have each status
        operators   how many operators of each kind the result has
        nodes       the nodes of the ONNX model in its order, its local functions written out; those in branches and loops belong to the
                    node that holds them
            index, name, operator, domain, outputs    as in the ONNX model
            status      converted    the operators listed compute it under its own name
                        merged       the operators listed, those of the nodes behind it among them, compute it with what they do
                        constant     its results are known at conversion, or serve only what is
                        unused       no output depends on it
                        unsupported  it has no form, for the `reason`
                        untried      the conversion failed before, or because of a node this one depends on (`reason`)
                        supported    the conversion failed, but not because of this node
            reason      a text or null
            operators   of each operator the `operator`'s name, the `tensors` that are its results, whether it is `quantized`, and the
                        `reason` why it computes on real numbers in a quantized model, or null; one with results of several nodes is
                        listed under each
        others      operators no node stands behind: transposes of inputs, sizes that follow the batch

Tensors keep the names of ONNX values, with suffixes, see `jitlite.converter.convert_onnx`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jitlite.quantization import QuantPlan
from jitlite.schemas import ConversionError, JitliteError, Model
from jitlite.schemas.errors import NodeProblem
from jitlite.schemas.model import operator_name
from jitlite.schemas.tables import SubGraph, TensorType
from jitlite.tools.forms import base_name
from jitlite.tools.onnx_source import OnnxSource

if TYPE_CHECKING:
    from jitlite.converter import Trace

VERSION = 1
HOLDING_GRAPHS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
WHOLE = frozenset({TensorType.INT8, TensorType.UINT8, TensorType.INT16, TensorType.INT4})


@dataclass(slots=True)
class SignatureCoverage:
    """What is known of a signature's conversion: its source, what happened, the model before quantization, and the plan of that."""

    source: Any
    trace: "Trace"
    model: Model | None = None
    plan: QuantPlan | None = None


@dataclass(slots=True)
class Coverage:
    """Gathers what the report tells; signatures are added as their conversion starts."""

    model: str
    signatures: dict[str, SignatureCoverage] = field(default_factory=dict)
    error: JitliteError | None = None
    notes: list[str] = field(default_factory=list)
    """What could not be kept of what the model says, and why."""

    def as_dict(self) -> dict[str, Any]:
        is_refused = isinstance(self.error, ConversionError)
        return {
            "version": VERSION,
            "model": self.model,
            "converted": not is_refused and all(found.model is not None for found in self.signatures.values()),
            "error": None if self.error is None else str(self.error),
            "notes": self.notes,
            "signatures": {key: signature_dict(found, self.error) for key, found in self.signatures.items()},
        }


def signature_dict(found: SignatureCoverage, error: JitliteError | None) -> dict[str, Any]:
    """The report on one signature; `error` is what went wrong, perhaps behind its conversion."""
    from jitlite.converter.importer import load_model

    try:
        source = OnnxSource(load_model(found.source, {}))
    except ConversionError:
        return {"counts": {}, "operators": {}, "nodes": [], "others": []}
    problems = error.nodes if isinstance(error, ConversionError) else ()
    if found.model is None or problems:
        nodes = _of_failure(source, problems)
        return {"counts": _counts(nodes), "operators": {}, "nodes": nodes, "others": []}
    operators = list(_operators(found.model, found.trace, found.plan))
    by_owner: dict[int | None, list[dict[str, Any]]] = {}
    for each in operators:
        for place in dict.fromkeys(owner(source, name) for name in each["tensors"]):
            by_owner.setdefault(place, []).append(each)
    nodes = [_entry(source, place, *_became(source, place, by_owner, found.trace)) for place in range(len(source.graph.node))]
    counts = Counter(each["operator"] for each in operators)
    return {"counts": _counts(nodes), "operators": dict(counts.most_common()), "nodes": nodes, "others": _of_no_node(source, operators)}


def owner(source: OnnxSource, name: str) -> int | None:
    """The place of the ONNX node that a tensor belongs to by its name, whatever suffixes follow; None where there is none."""
    while name:
        if name in source.owners:
            return source.owners[name]
        name = name.rpartition(";")[0]
    return None


def _of_no_node(source: OnnxSource, operators: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in operators if all(owner(source, name) is None for name in each["tensors"])]


def _counts(nodes: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(node["status"] for node in nodes).most_common())


def _entry(source: OnnxSource, place: int, status: str, operators: list[dict[str, Any]], reason: str | None = None) -> dict[str, Any]:
    node = source.graph.node[place]
    return {
        "index": place,
        "name": node.name,
        "operator": node.op_type,
        "domain": node.domain,
        "outputs": [name for name in node.output if name],
        "status": status,
        "reason": reason,
        "operators": operators,
    }


def _became(
    source: OnnxSource, place: int, by_owner: Mapping[int | None, list[dict[str, Any]]], trace: "Trace"
) -> tuple[str, list[dict[str, Any]]]:
    """The status of a node of a model that was converted, and the operators that compute it."""
    node = source.graph.node[place]
    own = by_owner.get(place, [])
    if any(base_name(name).removesuffix(";flat") in node.output for each in own for name in each["tensors"]):
        return "converted", own
    if place not in source.useful:
        return "unused", []
    if not own and node.op_type not in HOLDING_GRAPHS and all(name in trace.folded for name in node.output if name):
        return "constant", []
    found = {id(each): each for each in (*own, *_behind(source, place, by_owner))}
    return ("merged", list(found.values())) if found else ("constant", [])


def _behind(source: OnnxSource, place: int, by_owner: Mapping[int | None, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The operators of the nearest nodes behind one that have some."""
    waiting, seen = [place], {place}
    while waiting:
        for name in source.graph.node[waiting.pop()].output:
            for user in source.user_places.get(name, ()):
                if user in seen:
                    continue
                seen.add(user)
                if user in by_owner:
                    yield from by_owner[user]
                else:
                    waiting.append(user)


def _operators(model: Model, trace: "Trace", plan: QuantPlan | None) -> Iterator[dict[str, Any]]:
    for number, graph in enumerate(model.subgraphs):
        planned = {} if plan is None or number else {op.index: op for op in plan.operators}
        for index, op in enumerate(graph.operators):
            tensors = [graph.tensors[place].name for place in op.outputs]
            is_quantized, reason = _is_quantized(graph, op.outputs), trace.float_reasons.get(tensors[0]) if tensors else None
            if index in planned:
                is_quantized, reason = planned[index].is_quantized, planned[index].reason or None
            yield {"operator": operator_name(model, op), "tensors": tensors, "quantized": is_quantized, "reason": reason}


def _is_quantized(graph: SubGraph, outputs: list[int]) -> bool:
    tensors = [graph.tensors[index] for index in outputs]
    return any(each.type in WHOLE and each.quantization is not None and bool(each.quantization.scale) for each in tensors)


def _of_failure(source: OnnxSource, problems: Sequence[NodeProblem]) -> list[dict[str, Any]]:
    """The nodes of a model that was not converted."""
    reasons: dict[int, str] = {}
    for problem in problems:
        place = next((found for name in problem.values if (found := owner(source, name)) is not None), None)
        if place is not None:
            reasons[place] = f"{reasons[place]}; {problem.reason}" if place in reasons else problem.reason
    behind: dict[int, str] = {}
    for place in sorted(reasons):
        node = source.graph.node[place]
        for later in _reached(source, place):
            behind.setdefault(later, f"it depends on '{node.name or node.output[0]}' ({node.op_type}), which is unsupported")
    nodes = []
    for place in range(len(source.graph.node)):
        if place in reasons:
            nodes.append(_entry(source, place, "unsupported", [], reasons[place]))
        elif place in behind or not problems:
            nodes.append(_entry(source, place, "untried", [], behind.get(place)))
        else:
            nodes.append(_entry(source, place, "supported" if place in source.useful else "unused", []))
    return nodes


def _reached(source: OnnxSource, place: int) -> set[int]:
    """The nodes that depend on one."""
    waiting, seen = [place], set[int]()
    while waiting:
        found = {user for name in source.graph.node[waiting.pop()].output for user in source.user_places.get(name, ())}
        waiting += found - seen
        seen |= found
    return seen
