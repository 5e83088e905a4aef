"""The machine's peaks, measured in this process: multiply-adds of float32, dot products of int8, reading memory.

The loops are LLVM IR compiled for this machine, so that no C compiler is needed. They hold more independent sums than it takes to hide the
latency of the units they use.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import llvmlite.binding as llvm
import numpy as np

CHAINS = 12
PROBE_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Dot:
    """An instruction that adds products of int8 to int32: its name, LLVM's, its lanes of int32, the type of its int8 operands."""

    title: str
    intrinsic: str
    lanes: int
    operand: str


DOTS = {
    "avx512vnni": Dot("vpdpbusd, 512 bits", "llvm.x86.avx512.vpdpbusd.512", 16, "<16 x i32>"),
    "avxvnni": Dot("vpdpbusd, 256 bits", "llvm.x86.avx512.vpdpbusd.256", 8, "<8 x i32>"),
    "dotprod": Dot("sdot, 128 bits", "llvm.aarch64.neon.sdot.v4i32.v16i8", 4, "<16 x i8>"),
}
"""By processor feature, the fastest first. Units that multiply matrices (AMX) are not counted."""

_LOOP = """
{declaration}
define void @probe(i64 %rounds, ptr %data, ptr %out) {{
entry:
{before}
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %next, %loop ]
{phis}
{steps}
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %rounds
  br i1 %more, label %loop, label %done
done:
{stores}
  ret void
}}
"""


def _loop(kind: str, step: str, declaration: str = "", before: str = "", each_round: str = "") -> str:
    """IR of `void probe(i64 rounds, ptr data, ptr out)`: CHAINS sums of type `kind`; `step` makes %n{i} of %s{i}, once a round each."""
    lines: dict[str, list[str]] = {"phis": [], "steps": [each_round], "stores": []}
    for i in range(CHAINS):
        lines["phis"].append(f"  %s{i} = phi {kind} [ zeroinitializer, %entry ], [ %n{i}, %loop ]")
        lines["steps"].append(step.format(i=i))
        lines["stores"].append(f"  %p{i} = getelementptr {kind}, ptr %out, i64 {i}\n  store {kind} %n{i}, ptr %p{i}, align 4")
    return _LOOP.format(declaration=declaration, before=before, **{name: "\n".join(texts) for name, texts in lines.items()})


def _operands(kind: str) -> str:
    return f"  %a = load volatile {kind}, ptr %data, align 4\n  %b = load volatile {kind}, ptr %data, align 4"


def _has(feature: str) -> bool:
    return bool(llvm.get_host_cpu_features().get(feature))


def _vector_bytes() -> int:
    return 64 if _has("avx512f") else 32 if _has("avx") else 16


class Probe:
    """A compiled loop over `data`; `work` is what one round of it does."""

    def __init__(self, text: str, work: float, data_bytes: int = 64) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features().flatten()
        machine = llvm.Target.from_default_triple().create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)
        module = llvm.parse_assembly(text)
        module.verify()
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
        self._function: Any = kind(self._engine.get_function_address("probe"))
        self._data, self._out = np.ones(data_bytes, np.uint8), np.zeros(CHAINS * 64, np.uint8)
        self._work, self._rounds = work, 1000
        self.rate()

    def rate(self) -> float:
        """Work a nanosecond: the best of three runs of about PROBE_NS."""
        best, tries = 0.0, 0
        while tries < 3:
            start = perf_counter_ns()
            self._function(self._rounds, self._data.ctypes.data, self._out.ctypes.data)
            spent = max(1, perf_counter_ns() - start)
            if spent < PROBE_NS / 2:
                self._rounds = max(self._rounds + 1, min(self._rounds * 100, int(self._rounds * PROBE_NS / spent)))
                continue
            best, tries = max(best, self._rounds * self._work / spent), tries + 1
        return best


def float_probe() -> Probe:
    """float32 multiply-adds, two operations each: GFLOP/s."""
    lanes = _vector_bytes() // 4
    kind = f"<{lanes} x float>"
    call = f"  %n{{i}} = call {kind} @llvm.fma.v{lanes}f32({kind} %a, {kind} %b, {kind} %s{{i}})"
    declaration = f"declare {kind} @llvm.fma.v{lanes}f32({kind}, {kind}, {kind})"
    return Probe(_loop(kind, call, declaration, _operands(kind)), 2.0 * lanes * CHAINS)


def int8_dot() -> Dot | None:
    """The processor's instruction for dot products of int8, if it has one that is known here."""
    return next((dot for feature, dot in DOTS.items() if _has(feature)), None)


def int8_probe(dot: Dot) -> Probe:
    """int8 products added to int32, two operations each: GOP/s."""
    kind = f"<{dot.lanes} x i32>"
    call = f"  %n{{i}} = call {kind} @{dot.intrinsic}({kind} %s{{i}}, {dot.operand} %a, {dot.operand} %b)"
    declaration = f"declare {kind} @{dot.intrinsic}({kind}, {dot.operand}, {dot.operand})"
    return Probe(_loop(kind, call, declaration, _operands(dot.operand)), 2.0 * 4 * dot.lanes * CHAINS)


def read_probe(size_bytes: int) -> Probe:
    """Reading a buffer of at least this size, a power of two, over and over: GB/s."""
    width, size = _vector_bytes(), 1 << max(12, (size_bytes - 1).bit_length())
    kind = f"<{width // 4} x i32>"
    each_round = (
        f"  %far = mul i64 %k, {CHAINS * width}\n  %near = and i64 %far, {size - 1}\n  %base = getelementptr i8, ptr %data, i64 %near"
    )
    step = "\n".join(
        (
            "  %q{i} = getelementptr " + f"[{width} x i8], ptr %base, i64 {{i}}",
            "  %v{i} = load " + f"{kind}, ptr %q{{i}}, align 4",
            "  %n{i} = xor " + f"{kind} %s{{i}}, %v{{i}}",
        )
    )
    return Probe(_loop(kind, step, each_round=each_round), CHAINS * width, size + CHAINS * width)
