"""The functions that code generation defines for each target, against NumPy."""

import ctypes
import re

import llvmlite.binding as llvm
import numpy as np
import pytest

from jitlite.interpreter.codegen.backend import emit_assembly
from jitlite.interpreter.codegen.isa import DOT4_SIGNED, DOT4_UNSIGNED, definitions, isa_of
from jitlite.interpreter.codegen.target import Target, host_target

_X86 = "x86_64-unknown-linux-gnu"
_ARM = "aarch64-unknown-linux-gnu"


def _without(target: Target, *names: str) -> Target:
    kept = [feature for feature in target.features.split(",") if feature[1:] not in names]
    return Target(target.triple, target.cpu, ",".join([*kept, *(f"-{name}" for name in names)]))


def _variants() -> dict[str, Target]:
    """Targets whose code this machine executes."""
    host = host_target()
    features = host.features.split(",")
    found = {"host": host}
    if host.is_x86:
        found["without VNNI"] = _without(host, "avx512vnni", "avxvnni")
        found["without AVX"] = Target(host.triple, "x86-64")
        if "+avx2" in features:
            found["AVX2"] = Target(host.triple, "haswell", "+avx2,+fma")
        if "+avxvnni" in features:
            found["AVX-VNNI"] = _without(host, "avx512vnni")
    return found


def _entry(name: str, target: Target) -> str:
    """IR of a function that calls a dot product on what its arguments point to."""
    sums = f"<{16 * isa_of(target).partial_sums} x i32>"
    return f"""
define void @entry(ptr %total, i32 %quad, ptr %weights, ptr %result) {{
  %t = load {sums}, ptr %total, align 4
  %w = load <16 x i32>, ptr %weights, align 4
  %r = call {sums} @{name}({sums} %t, i32 %quad, <16 x i32> %w)
  store {sums} %r, ptr %result, align 4
  ret void
}}
"""


def _run(target: Target, name: str, total: np.ndarray, quad: np.ndarray, weights: np.ndarray) -> np.ndarray:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(definitions(target) + _entry(name, target))
    machine = llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)(engine.get_function_address("entry"))
    parts = isa_of(target).partial_sums
    given, result = np.zeros((16, parts), np.int32), np.zeros((16, parts), np.int32)
    given[:, 0] = total
    entry(given.ctypes.data, int(quad.view(np.int32)[0]), weights.ctypes.data, result.ctypes.data)
    return result.sum(axis=1, dtype=np.int32)


@pytest.mark.parametrize("target", _variants().values(), ids=_variants())
def test_dot4_is_exact(target: Target) -> None:
    rng = np.random.default_rng(0)
    extremes = [(-128, -128), (127, -128), (127, 127), (-128, 127)]
    cases = [(np.full(4, a, np.int8), np.full((16, 4), b, np.int8)) for a, b in extremes]
    cases += [(rng.integers(-128, 128, 4, np.int8), rng.integers(-128, 128, (16, 4), np.int8)) for _ in range(4)]
    isa = isa_of(target)
    for quad, weights in cases:
        total = rng.integers(-(2**20), 2**20, 16, np.int32)
        for name, numbers, offset in (
            (DOT4_SIGNED, quad, isa.signed_offset),
            (DOT4_UNSIGNED, quad.view(np.uint8), isa.unsigned_offset),
        ):
            expected = total + weights.astype(np.int32) @ (numbers.astype(np.int32) + offset)
            np.testing.assert_array_equal(_run(target, name, total, quad, weights), expected)


@pytest.mark.parametrize(
    ("target", "instruction", "count"),
    [
        (Target(_X86, "znver4", "+avx512f,+avx512vnni"), "vpdpbusd", 1),
        (Target(_X86, "alderlake", "+avx2,+avxvnni"), "vpdpbusd", 2),
        (Target(_X86, "skylake-avx512", "+avx512f,+avx512bw"), "vpmaddwd", 2),
        (Target(_X86, "haswell", "+avx2"), "vpmaddwd", 4),
        (Target(_X86, "x86-64"), "pmaddwd", 8),
        (Target(_ARM, "cortex-a76"), "sdot", 4),
        (Target(_ARM, "generic", "+dotprod"), "sdot", 4),
        (Target(_ARM, "cortex-a72"), "sadalp", 8),
        (Target(_ARM, "generic"), "sadalp", 8),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, Target) else None,
)
def test_dot4_compiles_to(target: Target, instruction: str, count: int) -> None:
    sums = f"<{16 * isa_of(target).partial_sums} x i32>"
    declared = f"declare {sums} @{DOT4_SIGNED}({sums}, i32, <16 x i32>)\n"
    assembly = emit_assembly([declared + _entry(DOT4_SIGNED, target)], {"entry"}, target)
    products = re.findall(r"^\t(?:\{vex\}\s+)?(vpdp\w+|v?pmadd\w+|v?pmul\w+|[su]dot|sadalp|mla)\b", assembly, re.MULTILINE)
    assert products == [instruction] * count
