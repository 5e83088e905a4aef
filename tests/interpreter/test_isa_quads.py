"""The functions of quads that code generation defines for each target, against NumPy."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest

from jitlite.interpreter.codegen.backend import emit_assembly
from jitlite.interpreter.codegen.isa_quads import DOT4_LANES, SHRINK, quad_definitions
from jitlite.interpreter.codegen.target import Target
from tests.interpreter.test_isa_narrow import VARIANTS

_DECLARED = f"""
declare <16 x i32> @{DOT4_LANES}(<16 x i32>, <16 x i32>, <16 x i32>)
declare <64 x i8> @{SHRINK}(<32 x i16>, <32 x i16>)
"""
_ENTRIES = f"""
define void @dot(ptr %total, ptr %quads, ptr %weights, ptr %result) {{
  %t = load <16 x i32>, ptr %total, align 1
  %q = load <16 x i32>, ptr %quads, align 1
  %w = load <16 x i32>, ptr %weights, align 1
  %r = call <16 x i32> @{DOT4_LANES}(<16 x i32> %t, <16 x i32> %q, <16 x i32> %w)
  store <16 x i32> %r, ptr %result, align 1
  ret void
}}

define void @shrink(ptr %low, ptr %high, ptr %result) {{
  %l = load <32 x i16>, ptr %low, align 1
  %h = load <32 x i16>, ptr %high, align 1
  %r = call <64 x i8> @{SHRINK}(<32 x i16> %l, <32 x i16> %h)
  store <64 x i8> %r, ptr %result, align 1
  ret void
}}
"""
_X86 = "x86_64-unknown-linux-gnu"


def _with(target: Target, feature: str) -> Target:
    return Target(target.triple, target.cpu, f"{target.features},{feature}")


TARGETS = dict(VARIANTS)
if "256 bits" in VARIANTS and "+avxvnni" in VARIANTS["host"].features.split(","):
    TARGETS["avxvnni"] = _with(VARIANTS["256 bits"], "+avxvnni")


def _call(target: Target, entry: str, *arrays: np.ndarray) -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(quad_definitions(target) + _ENTRIES)
    machine = llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))(engine.get_function_address(entry))
    function(*(array.ctypes.data for array in arrays))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_products_of_quads(target: Target) -> None:
    rng = np.random.default_rng(0)
    extremes = [(np.full((16, 4), x, np.uint8), np.full((16, 4), w, np.int8)) for x in (0, 255) for w in (-128, 127)]
    drawn = [(rng.integers(0, 256, (16, 4), np.uint8), rng.integers(-128, 128, (16, 4), np.int8)) for _ in range(4)]
    for quads, weights in extremes + drawn:
        total, found = rng.integers(-(2**31), 2**31, 16, np.int64), np.zeros(16, np.int32)
        _call(target, "dot", total.astype(np.int32), quads, weights, found)
        np.testing.assert_array_equal(found, (total + (quads.astype(np.int64) * weights).sum(1)).astype(np.int32))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_shrunk_words_saturate(target: Target) -> None:
    low, high = np.random.default_rng(0).integers(-200, 200, (2, 32), np.int16)
    high[:4] = np.array([32767, -32768, 128, -129])
    found = np.zeros(64, np.int8)
    _call(target, "shrink", low, high, found)
    expected = np.stack([low.reshape(4, 8), high.reshape(4, 8)], axis=1).reshape(-1)
    np.testing.assert_array_equal(found, np.clip(expected, -128, 127))


@pytest.mark.parametrize(
    ("target", "instructions"),
    [
        (Target(_X86, "icelake-server", "+avx512f,+avx512bw,+avx512vnni"), ("vpdpbusd", "vpacksswb")),
        (Target(_X86, "alderlake", "+avx2,+avxvnni"), ("vpdpbusd", "vpacksswb")),
        (Target(_X86, "skylake-avx512", "+avx512f,+avx512bw,+avx2"), ("vpmaddwd", "vpacksswb")),
        (Target(_X86, "haswell", "+avx2"), ("vpmaddwd", "vpacksswb")),
        (Target(_X86, "x86-64"), ("pmaddwd", "packsswb")),
        (Target("aarch64-unknown-linux-gnu", "cortex-a72"), ("mla", "sqxtn")),
        (Target("riscv64-unknown-linux-gnu", "generic-rv64"), ("mul", "lbu")),
    ],
    ids=lambda value: value.cpu if isinstance(value, Target) else "",
)
def test_compiles_for(target: Target, instructions: tuple[str, ...]) -> None:
    assembly = emit_assembly([_DECLARED + _ENTRIES], {"dot", "shrink"}, target)
    for name in instructions:
        assert name in assembly
