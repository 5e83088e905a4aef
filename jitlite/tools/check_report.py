"""What people and machines read of a check: the outputs' differences, a line on the layers, and where an error starts."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from jitlite.schemas.model import printable
from jitlite.tools.check import Check, CheckLimits, Layer
from jitlite.tools.console import shape_text, table
from jitlite.tools.difference import Difference

AROUND = 3
"""Layers shown before and behind the first where an error starts."""
MOST_STARTS = 5


def check_dict(check: Check) -> dict[str, Any]:
    """Plain data for JSON.

    `layers` has the tensors compared, in order: `operator` and `node` of the ONNX model, the numbers of a `Difference`, `error` (noise per
    signal in a quantized model, else the difference relative to the scale), the largest `inputs_error`, and whether the layer is beyond the
    limits and is where an error starts.
    """
    layers = check.layers
    return {
        "against": check.engine,
        "data": check.data,
        "samples": check.found.samples,
        "outputs": {name: found.as_dict() for name, found in check.found.outputs.items()},
        "random_outputs": sorted(check.random_outputs),
        "failures": check.failures(),
        "layers_compared": len(layers.layers),
        "layers_total": layers.total,
        "layers_samples": layers.samples,
        "layers_not_compared": layers.reason or None,
        "inner_nodes": layers.inner_nodes,
        "note": check.note or None,
        "layers": [_layer_dict(layer) for layer in layers.layers],
    }


def _layer_dict(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.found.name,
        "operator": layer.operator,
        "node": layer.node,
        "shape": list(layer.found.shape),
        **layer.found.difference.as_dict(),
        "error": layer.error,
        "inputs_error": layer.inputs_error,
        "is_beyond": layer.is_beyond,
        "is_start": layer.is_start,
    }


def print_check(console: Console, source: str, check: Check) -> None:
    """The outputs' table, the summary of the layers and, where something is beyond the limits, the table of where it starts."""
    rows = [(name, *_row(found, name in check.random_outputs)) for name, found in check.found.outputs.items()]
    title = f"against {source} in {check.engine}, {check.found.samples} {check.data} samples"
    console.print(table(title, ("output", "max abs", "of scale", "SQNR", "agreement"), rows))
    for line in _summary(check):
        console.print(printable(line))
    if check.failures() and check.layers.starts:
        console.print()
        console.print(_starts_table(check))


def _row(found: Difference, is_random: bool) -> tuple[str, ...]:
    if is_random:
        return "random", "", "", ""
    return f"{found.max_abs:.3g}", f"{found.relative:.2e}", decibels(found), "" if found.agreement is None else f"{found.agreement:.2%}"


def decibels(found: Difference) -> str:
    return "exact" if found.sqnr_db == float("inf") else f"{found.sqnr_db:.1f} dB"


def _summary(check: Check) -> Iterator[str]:
    layers, worst = check.layers, check.layers.worst
    if layers.reason:
        yield f"layers are not compared: {layers.reason}"
    elif worst is None:
        yield f"none of {layers.total} layers keeps its name, so that none is compared"
    else:
        count = f"{len(layers.layers)} of {layers.total} layers compared on {layers.samples} sample{'s' if layers.samples > 1 else ''}"
        yield f"{count}, {_extreme(worst, check.limits)} at '{worst.found.name}' ({worst.operator})"
    if check.note:
        yield check.note
    if layers.inner_nodes:
        yield f"{layers.inner_nodes} nodes in branches and loops are not compared"
    if check.random_outputs:
        names = ", ".join(f"'{name}'" for name in sorted(check.random_outputs))
        yield f"not comparable, as they depend on random numbers: {names}"
    if not check.failures() and layers.beyond:
        first = layers.starts[0]
        yield (
            f"the outputs are within the limits, but {len(layers.beyond)} layers are not; the first is "
            f"'{first.found.name}' ({first.operator}): {_measure(first, check.limits)}"
        )


def _extreme(layer: Layer, limits: CheckLimits) -> str:
    if limits.is_quantized:
        return f"lowest SQNR {decibels(layer.found.difference)}"
    found = layer.found.difference
    return f"largest difference {found.relative if found.is_real else layer.error:.1e}"


def _measure(layer: Layer, limits: CheckLimits) -> str:
    found = layer.found.difference
    if limits.is_quantized:
        return decibels(found)
    return f"{found.relative:.2e} of its scale" if found.is_real else f"{1 - (found.agreement or 0):.2%} of its values differ"


def where_it_starts(check: Check) -> str:
    """One line on the first layer where an error starts; on what else could be the cause where there is none."""
    layers = check.layers
    if layers.starts:
        first = layers.starts[0]
        name = f" '{first.node}'" if first.node else ""
        where = printable(f"node{name} ({first.operator}), tensor '{first.found.name}'")
        return f"the error starts at {where}: {_measure(first, check.limits)}"
    if layers.layers:
        return f"none of the {len(layers.layers)} layers compared inside is beyond the limits"
    return f"no layer could be compared{f': {layers.reason}' if layers.reason else ''}"


def _starts_table(check: Check) -> Any:
    layers, starts = check.layers.layers, check.layers.starts[:MOST_STARTS]
    first = layers.index(starts[0])
    shown = {*range(max(0, first - AROUND), min(len(layers), first + AROUND + 1)), *(layers.index(layer) for layer in starts)}
    rows: list[tuple[object, ...]] = []
    last = None
    for place in sorted(shown):
        if last is not None and place > last + 1:
            rows.append(("", "…", "", "", "", "", ""))
        last = place
        layer = layers[place]
        found = layer.found.difference
        error = decibels(found) if check.limits.is_quantized else f"{layer.error:.2e}"
        marked = ">" if layer in starts else "x" if layer.is_beyond else ""
        shape = shape_text(layer.found.shape)
        rows.append((marked, layer.operator, layer.found.name, shape, f"{found.max_abs:.3g}", error, f"{layer.inputs_error:.2e}"))
    measure = "SQNR" if check.limits.is_quantized else "of scale"
    title = "where the error starts (>), and layers around it (x: beyond the limits, too), in the order of the ONNX model"
    return table(title, ("", "operator", "tensor", "shape", "max abs", measure, "inputs' error"), rows, left=4)
