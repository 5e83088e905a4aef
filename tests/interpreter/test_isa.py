"""The functions that code generation defines for each target, against NumPy."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest

from jitlite.interpreter.codegen.backend import emit_assembly
from jitlite.interpreter.codegen.isa import DOT4_SIGNED, DOT4_UNSIGNED, definitions, isa_of
from jitlite.interpreter.codegen.target import Target, host_target

_ENTRY = """
declare <16 x i32> @DOT4(<16 x i32>, i32, <16 x i32>)

define void @entry(ptr %total, i32 %quad, ptr %weights, ptr %result) {
  %t = load <16 x i32>, ptr %total, align 4
  %w = load <16 x i32>, ptr %weights, align 4
  %r = call <16 x i32> @DOT4(<16 x i32> %t, i32 %quad, <16 x i32> %w)
  store <16 x i32> %r, ptr %result, align 4
  ret void
}
"""
_X86 = "x86_64-unknown-linux-gnu"


def _without(target: Target, *names: str) -> Target:
    kept = [feature for feature in target.features.split(",") if feature[1:] not in names]
    return Target(target.triple, target.cpu, ",".join([*kept, *(f"-{name}" for name in names)]))


def _variants() -> list[Target]:
    host = host_target()
    features = host.features.split(",")
    found = [host, _without(host, "avx512vnni", "avxvnni")]
    if "+avxvnni" in features:
        found.append(_without(host, "avx512vnni"))
    return found


def _run(target: Target, name: str, total: np.ndarray, quad: np.ndarray, weights: np.ndarray) -> np.ndarray:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(definitions(target) + _ENTRY.replace("DOT4", name).split("\n", 2)[2])
    machine = llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)(engine.get_function_address("entry"))
    result = np.zeros(16, np.int32)
    entry(total.ctypes.data, int(quad.view(np.int32)[0]), weights.ctypes.data, result.ctypes.data)
    return result


@pytest.mark.parametrize("target", _variants(), ids=["host", "portable", "avxvnni"][: len(_variants())])
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
    ("target", "instruction"),
    [
        (Target(_X86, "znver4", "+avx512f,+avx512vnni"), "vpdpbusd"),
        (Target(_X86, "alderlake", "+avx2,+avxvnni"), "vpdpbusd"),
        (Target(_X86, "haswell", "+avx2"), "vpm"),
        (Target(_X86, "x86-64"), "pm"),
        (Target("aarch64-unknown-linux-gnu", "cortex-a72"), "mla"),
        (Target("aarch64-unknown-linux-gnu", "neoverse-n1", "+dotprod"), "mla"),
    ],
    ids=lambda value: value.cpu if isinstance(value, Target) else value,
)
def test_dot4_compiles_for(target: Target, instruction: str) -> None:
    assembly = emit_assembly([_ENTRY.replace("DOT4", DOT4_SIGNED)], {"entry"}, target)
    assert instruction in assembly
    assert ("vpdpbusd" in assembly) == (instruction == "vpdpbusd")
