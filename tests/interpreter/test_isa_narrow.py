"""The functions of bytes and words that code generation defines for each target, against NumPy."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest

from jitlite.interpreter.codegen.backend import emit_assembly
from jitlite.interpreter.codegen.isa_narrow import CUT, DOT2, INT8, LOOKUP, PACK, UINT8, narrow_definitions
from jitlite.interpreter.codegen.target import Target, host_target

_TABLE = ", ".join(["<64 x i8>"] * 5)
_DECLARED = f"""
declare <64 x i8> @{LOOKUP}(ptr, {_TABLE})
declare <16 x i32> @{DOT2}(<16 x i32>, <32 x i16>, <32 x i16>)
declare <32 x i16> @{PACK}(<16 x i32>, <16 x i32>)
declare <16 x i32> @{CUT}(<16 x float>)
declare <64 x i8> @{INT8}(<16 x i32>, <16 x i32>, <16 x i32>, <16 x i32>, <32 x i16>)
declare <64 x i8> @{UINT8}(<16 x i32>, <16 x i32>, <16 x i32>, <16 x i32>, <32 x i16>)
"""
_ENTRIES = f"""
define void @look_up(ptr %table, ptr %places, ptr %result) {{
  %p1 = getelementptr i8, ptr %table, i64 64
  %p2 = getelementptr i8, ptr %table, i64 128
  %p3 = getelementptr i8, ptr %table, i64 192
  %t0 = load <64 x i8>, ptr %table, align 1
  %t1 = load <64 x i8>, ptr %p1, align 1
  %t2 = load <64 x i8>, ptr %p2, align 1
  %t3 = load <64 x i8>, ptr %p3, align 1
  %at = load <64 x i8>, ptr %places, align 1
  %r = call <64 x i8> @{LOOKUP}(ptr %table, <64 x i8> %t0, <64 x i8> %t1, <64 x i8> %t2, <64 x i8> %t3, <64 x i8> %at)
  store <64 x i8> %r, ptr %result, align 1
  ret void
}}

define void @dot(ptr %total, ptr %pairs, ptr %factors, ptr %result) {{
  %t = load <16 x i32>, ptr %total, align 1
  %p = load <32 x i16>, ptr %pairs, align 1
  %f = load <32 x i16>, ptr %factors, align 1
  %r = call <16 x i32> @{DOT2}(<16 x i32> %t, <32 x i16> %p, <32 x i16> %f)
  store <16 x i32> %r, ptr %result, align 1
  ret void
}}

define void @pack(ptr %low, ptr %high, ptr %result) {{
  %l = load <16 x i32>, ptr %low, align 1
  %h = load <16 x i32>, ptr %high, align 1
  %r = call <32 x i16> @{PACK}(<16 x i32> %l, <16 x i32> %h)
  store <32 x i16> %r, ptr %result, align 1
  ret void
}}

define void @cut(ptr %x, ptr %result) {{
  %v = load <16 x float>, ptr %x, align 1
  %r = call <16 x i32> @{CUT}(<16 x float> %v)
  store <16 x i32> %r, ptr %result, align 1
  ret void
}}

define void @saturate(ptr %x, ptr %zero, ptr %signed, ptr %unsigned) {{
  %p1 = getelementptr i8, ptr %x, i64 64
  %p2 = getelementptr i8, ptr %x, i64 128
  %p3 = getelementptr i8, ptr %x, i64 192
  %a = load <16 x i32>, ptr %x, align 1
  %b = load <16 x i32>, ptr %p1, align 1
  %c = load <16 x i32>, ptr %p2, align 1
  %d = load <16 x i32>, ptr %p3, align 1
  %z = load <32 x i16>, ptr %zero, align 1
  %r = call <64 x i8> @{INT8}(<16 x i32> %a, <16 x i32> %b, <16 x i32> %c, <16 x i32> %d, <32 x i16> %z)
  %u = call <64 x i8> @{UINT8}(<16 x i32> %a, <16 x i32> %b, <16 x i32> %c, <16 x i32> %d, <32 x i16> %z)
  store <64 x i8> %r, ptr %signed, align 1
  store <64 x i8> %u, ptr %unsigned, align 1
  ret void
}}
"""
_X86 = "x86_64-unknown-linux-gnu"
_LACKING = {
    "host": (),
    "512 bits": ("avx512vbmi", "avx512vnni"),
    "256 bits": ("avx512", "avx10"),
    "128 bits": ("avx512", "avx10", "avx2", "avxvnni", "avxifma", "avxneconvert"),
    "portable": ("avx", "ssse3", "sse4", "xop", "fma", "f16c", "vaes", "vpclmulqdq", "gfni", "sha", "aes", "pclmul"),
}
"""What makes the host choose another definition: the beginnings of names of features it is told not to have."""


def _variants() -> dict[str, Target]:
    host = host_target()
    if not host.triple.startswith("x86_64"):
        return {"host": host}
    features = [feature for feature in host.features.split(",") if feature.startswith("+")]
    found = {}
    for name, lacking in _LACKING.items():
        kept = [feature for feature in features if not feature[1:].startswith(lacking)] if lacking else features
        found[name] = Target(host.triple, "x86-64", ",".join(kept))
    return found


VARIANTS = _variants()


def _call(target: Target, entry: str, *arrays: np.ndarray) -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(narrow_definitions(target) + _ENTRIES)
    engine = llvm.create_mcjit_compiler(
        module, llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features)
    )
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))(engine.get_function_address(entry))
    function(*(array.ctypes.data for array in arrays))


@pytest.mark.parametrize("target", VARIANTS.values(), ids=VARIANTS)
def test_every_byte_is_looked_up(target: Target) -> None:
    rng = np.random.default_rng(0)
    table, places, found = rng.permutation(256).astype(np.uint8), rng.permutation(256).astype(np.uint8), np.zeros(64, np.uint8)
    for start in range(0, 256, 64):
        _call(target, "look_up", table, places[start : start + 64].copy(), found)
        np.testing.assert_array_equal(found, table[places[start : start + 64]])


@pytest.mark.parametrize("target", VARIANTS.values(), ids=VARIANTS)
def test_products_of_pairs(target: Target) -> None:
    rng = np.random.default_rng(0)
    extremes = np.tile(np.array([-32768, 32767, -32768, -32767], np.int16), 8)
    for pairs, factors in ((extremes, extremes), (extremes, extremes[::-1].copy()), *rng.integers(-32768, 32768, (4, 2, 32), np.int16)):
        total, found = rng.integers(-(2**31), 2**31, 16, np.int64), np.zeros(16, np.int32)
        expected = total + (pairs.astype(np.int64) * factors).reshape(16, 2).sum(1)
        _call(target, "dot", total.astype(np.int32), np.ascontiguousarray(pairs), np.ascontiguousarray(factors), found)
        np.testing.assert_array_equal(found, expected.astype(np.int32))


@pytest.mark.parametrize("target", VARIANTS.values(), ids=VARIANTS)
def test_packed_words_saturate(target: Target) -> None:
    rng = np.random.default_rng(0)
    low, high = rng.integers(-40000, 40000, (2, 16), np.int32)
    high[:4] = np.array([2**31 - 1, -(2**31), 32768, -32769])
    found = np.zeros(32, np.int16)
    _call(target, "pack", low, high, found)
    expected = np.stack([low.reshape(4, 4), high.reshape(4, 4)], axis=1).reshape(-1)
    np.testing.assert_array_equal(found, np.clip(expected, -32768, 32767))


@pytest.mark.parametrize("target", VARIANTS.values(), ids=VARIANTS)
def test_floats_are_cut(target: Target) -> None:
    values = [
        0.0,
        -0.0,
        0.99,
        -0.99,
        1.5,
        -1.5,
        2147483520.0,
        -2147483648.0,
        -2147483904.0,
        -1e30,
        -np.inf,
        np.nan,
        127.9,
        -128.9,
        1e-40,
        3e8,
    ]
    found, least = np.zeros(16, np.int32), -(2**31)
    _call(target, "cut", np.array(values, np.float32), found)
    expected = [0, 0, 0, 0, 1, -1, 2147483520, least, least, least, least, least, 127, -128, 0, 300000000]
    assert found.tolist() == expected


@pytest.mark.parametrize("zero", [0, 100, -128, 255])
@pytest.mark.parametrize("target", VARIANTS.values(), ids=VARIANTS)
def test_bytes_saturate_in_order(target: Target, zero: int) -> None:
    x = np.random.default_rng(0).integers(-400, 400, 64, np.int32)
    x[[0, 17, 40, 63]] = 2**31 - 1, -(2**31), 32767, -32768
    signed, unsigned = np.zeros(64, np.int8), np.zeros(64, np.uint8)
    _call(target, "saturate", x, np.full(32, zero, np.int16), signed, unsigned)
    moved = np.clip(np.clip(x, -32768, 32767) + zero, -32768, 32767)
    np.testing.assert_array_equal(signed, np.clip(moved, -128, 127))
    np.testing.assert_array_equal(unsigned, np.clip(moved, 0, 255))


@pytest.mark.parametrize(
    ("target", "instructions"),
    [
        (
            Target(_X86, "icelake-server", "+avx512f,+avx512bw,+avx512vbmi,+avx512vnni"),
            ("vpermt2b|vpermi2b", "vpdpwssd", "vpackssdw", "vcvttps2dq", "vpacksswb", "vpackuswb"),
        ),
        (Target(_X86, "skylake-avx512", "+avx512f,+avx512bw,+avx2"), ("vpshufb", "vpmaddwd", "vpackssdw")),
        (Target(_X86, "haswell", "+avx2,+ssse3"), ("vpshufb", "vpmaddwd", "vpackssdw", "vcvttps2dq", "vpacksswb", "vpackuswb")),
        (Target(_X86, "nehalem", "+ssse3"), ("pshufb", "pmaddwd", "packssdw")),
        (Target(_X86, "x86-64"), ("movzbl", "pmaddwd", "packssdw")),
        (Target("aarch64-unknown-linux-gnu", "cortex-a72"), ("tbx", "smlal", "sqxtn", "fcvtzs", "sqxtun|uqxtn")),
        (Target("riscv64-unknown-linux-gnu", "generic-rv64"), ("lbu", "mul")),
    ],
    ids=lambda value: value.cpu if isinstance(value, Target) else "",
)
def test_compiles_for(target: Target, instructions: tuple[str, ...]) -> None:
    assembly = emit_assembly([_DECLARED + _ENTRIES], {"look_up", "dot", "pack", "cut", "saturate"}, target)
    for choice in instructions:
        assert any(name in assembly for name in choice.split("|")), choice
