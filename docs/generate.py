"""Writes docs/operators.md from the registries: `python docs/generate.py` (with --check: only says whether it is up to date)."""

import sys
from pathlib import Path

from jitlite.converter.lowerings.registry import LOWERINGS
from jitlite.interpreter.binding.registry import BINDINGS
from jitlite.interpreter.registry import load_bindings
from jitlite.schemas.ops.spec import CUSTOM_OPS, OPS, OpSpec, QuantKind

TARGET = Path(__file__).parent / "operators.md"
HEADER = """# Operators

Generated from the registries by `python docs/generate.py`; do not edit.

"""


def _quantization(spec: OpSpec) -> str:
    if spec.quant.kind is QuantKind.FIXED:
        return "fixed: " + ", ".join(f"{type.name} {scale:g}, {zero_point}" for type, (scale, zero_point) in spec.quant.output.items())
    return spec.quant.kind.value


def _tflite_rows() -> list[str]:
    rows = ["## TFLite operators", "", "| operator | versions | interpreter | int8 rule |", "|---|---|---|---|"]
    for spec in sorted([*OPS.values(), *CUSTOM_OPS.values()], key=lambda spec: spec.name):
        runs = "runs" if spec in BINDINGS or not spec.is_bound else "–"
        rows.append(f"| {spec.name} | 1–{spec.max_version} | {runs} | {_quantization(spec)} |")
    return rows


def _onnx_rows() -> list[str]:
    rows = ["", "## ONNX operators the converter lowers", "", "| operator | since opset |", "|---|---|"]
    return rows + [f"| {name} | {min(versions)} |" for name, versions in sorted(LOWERINGS.items())]


def text() -> str:
    load_bindings()
    return HEADER + "\n".join([*_tflite_rows(), *_onnx_rows()]) + "\n"


if __name__ == "__main__":
    wanted = text()
    if "--check" not in sys.argv:
        TARGET.write_text(wanted)
    elif TARGET.read_text() != wanted:
        sys.exit("docs/operators.md is out of date: run python docs/generate.py")
