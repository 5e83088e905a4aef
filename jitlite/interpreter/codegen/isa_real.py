"""What functions of real numbers leave to the target; `isa` adds these definitions to its own. All work on 16 float32 lanes.

`jitlite.scale(x, n)`: x · 2^n for whole n, |n| ≤ 250; too small results are rounded once (AVX-512) or twice, too large ones infinite.

`jitlite.significand(x)`: the m in [¾, 1½) with x = m · 2^e for a whole e; 1 for zeros and infinity, NaN for negative numbers and NaN.

`jitlite.exponent(x, m)`: this e for x ≥ 0, m = `significand(x)`; -∞ for zeros, ∞ for infinity.

`jitlite.quotient(a, b)`: a / b within one ulp, where b and the result are normal numbers and |b| < 2¹²⁶.

`jitlite.root(x)` and `jitlite.inverse_root(x)`: √x and 1/√x within one ulp, with their IEEE values for zeros, infinities and NaN.

`jitlite.whole(x)`: the int32 of whole numbers below 2³¹; 0 or -2³¹ for NaN.

`jitlite.fused(a, b, c)`: a · b + c; the product is exact.

`jitlite.entry(low, high, places)`: for 16 int32 the entries, at the places that their low five bits say, of the 32 float32 in `low` and
`high`.
"""

import struct

from jitlite.interpreter.codegen.target import Target

SCALE, SIGNIFICAND, EXPONENT, QUOTIENT = "jitlite.scale", "jitlite.significand", "jitlite.exponent", "jitlite.quotient"
ROOT, INVERSE_ROOT, FUSED = "jitlite.root", "jitlite.inverse_root", "jitlite.fused"
WHOLE, ENTRY = "jitlite.whole", "jitlite.entry"

_V, _I, _D = "<16 x float>", "<16 x i32>", "<16 x double>"


def _number(value: float) -> str:
    """A float32 in every lane, as IR text; LLVM writes float constants as the bits of the equal float64."""
    return f"splat (float 0x{struct.pack('>d', value).hex().upper()})"


def _define(name: str, parameters: str, body: str) -> str:
    declared = ", ".join(f"{_V} %{parameter}" for parameter in parameters.split())
    return f"define {_V} @{name}({declared}) alwaysinline {{\n{body}}}\n"


_DECLARATIONS = f"""
declare {_V} @llvm.fma.v16f32({_V}, {_V}, {_V})
declare {_V} @llvm.sqrt.v16f32({_V})
"""

_AVX512_DECLARATIONS = f"""
declare {_V} @llvm.x86.avx512.mask.scalef.ps.512({_V}, {_V}, {_V}, i16, i32)
declare {_V} @llvm.x86.avx512.mask.getexp.ps.512({_V}, {_V}, i16, i32)
declare {_V} @llvm.x86.avx512.mask.getmant.ps.512({_V}, i32, {_V}, i16, i32)
declare {_V} @llvm.x86.avx512.rcp14.ps.512({_V}, {_V}, i16)
declare {_V} @llvm.x86.avx512.rsqrt14.ps.512({_V}, {_V}, i16)
declare <16 x i1> @llvm.x86.avx512.fpclass.ps.512({_V}, i32)
"""

_ZEROS_AND_INFINITY = 2 + 4 + 8
"""Classes of FPCLASS."""

_AVX512 = (
    _AVX512_DECLARATIONS
    + _define(
        SCALE,
        "x n",
        f"""  %y = call {_V} @llvm.x86.avx512.mask.scalef.ps.512({_V} %x, {_V} %n, {_V} zeroinitializer, i16 -1, i32 4)
  ret {_V} %y
""",
    )
    + _define(
        SIGNIFICAND,
        "x",
        f"""  %m = call {_V} @llvm.x86.avx512.mask.getmant.ps.512({_V} %x, i32 15, {_V} zeroinitializer, i16 -1, i32 4)
  ret {_V} %m
""",
    )
    + _define(
        EXPONENT,
        "x m",
        f"""  %e = call {_V} @llvm.x86.avx512.mask.getexp.ps.512({_V} %x, {_V} zeroinitializer, i16 -1, i32 4)
  %lower = call {_V} @llvm.x86.avx512.mask.getexp.ps.512({_V} %m, {_V} zeroinitializer, i16 -1, i32 4)
  %found = fsub {_V} %e, %lower
  ret {_V} %found
""",
    )
    + _define(
        ROOT,
        "x",
        f"""  %is.small = fcmp olt {_V} %x, {_number(2.0**-100)}
  %large = fmul {_V} %x, {_number(2.0**48)}
  %v = select <16 x i1> %is.small, {_V} %large, {_V} %x
  %r = call {_V} @llvm.x86.avx512.rsqrt14.ps.512({_V} %v, {_V} zeroinitializer, i16 -1)
  %s = fmul {_V} %v, %r
  %half = fmul {_V} %r, {_number(0.5)}
  %minus = fneg {_V} %s
  %rest = call {_V} @llvm.fma.v16f32({_V} %minus, {_V} %s, {_V} %v)
  %q = call {_V} @llvm.fma.v16f32({_V} %rest, {_V} %half, {_V} %s)
  %back = fmul {_V} %q, {_number(2.0**-24)}
  %found = select <16 x i1> %is.small, {_V} %back, {_V} %q
  %is.same = call <16 x i1> @llvm.x86.avx512.fpclass.ps.512({_V} %x, i32 {_ZEROS_AND_INFINITY})
  %y = select <16 x i1> %is.same, {_V} %x, {_V} %found
  ret {_V} %y
""",
    )
    + _define(
        INVERSE_ROOT,
        "x",
        f"""  %r = call {_V} @llvm.x86.avx512.rsqrt14.ps.512({_V} %x, {_V} zeroinitializer, i16 -1)
  %s = fmul {_V} %x, %r
  %half = fmul {_V} %r, {_number(0.5)}
  %minus = fneg {_V} %s
  %rest = call {_V} @llvm.fma.v16f32({_V} %minus, {_V} %r, {_V} {_number(1)})
  %q = call {_V} @llvm.fma.v16f32({_V} %rest, {_V} %half, {_V} %r)
  %is.exact = call <16 x i1> @llvm.x86.avx512.fpclass.ps.512({_V} %x, i32 {_ZEROS_AND_INFINITY})
  %y = select <16 x i1> %is.exact, {_V} %r, {_V} %q
  ret {_V} %y
""",
    )
)

_PORTABLE = (
    _define(
        SCALE,
        "x n",
        f"""  %k = fptosi {_V} %n to {_I}
  %first = ashr {_I} %k, splat (i32 1)
  %second = sub {_I} %k, %first
  %first.biased = add {_I} %first, splat (i32 127)
  %second.biased = add {_I} %second, splat (i32 127)
  %first.bits = shl {_I} %first.biased, splat (i32 23)
  %second.bits = shl {_I} %second.biased, splat (i32 23)
  %a = bitcast {_I} %first.bits to {_V}
  %b = bitcast {_I} %second.bits to {_V}
  %half = fmul {_V} %x, %a
  %y = fmul {_V} %half, %b
  ret {_V} %y
""",
    )
    + _define(
        SIGNIFICAND,
        "x",
        f"""  %is.small = fcmp olt {_V} %x, {_number(2.0**-126)}
  %large = fmul {_V} %x, {_number(2.0**24)}
  %v = select <16 x i1> %is.small, {_V} %large, {_V} %x
  %bits = bitcast {_V} %v to {_I}
  %above = sub {_I} %bits, splat (i32 {0x3F400000})
  %power = and {_I} %above, splat (i32 {-(1 << 23)})
  %rest = sub {_I} %bits, %power
  %m = bitcast {_I} %rest to {_V}
  %is.zero = fcmp oeq {_V} %x, zeroinitializer
  %nonzero = select <16 x i1> %is.zero, {_V} {_number(1)}, {_V} %m
  %is.real = fcmp oge {_V} %x, zeroinitializer
  %y = select <16 x i1> %is.real, {_V} %nonzero, {_V} {_number(float("nan"))}
  ret {_V} %y
""",
    )
    + _define(
        EXPONENT,
        "x m",
        f"""  %is.small = fcmp olt {_V} %x, {_number(2.0**-126)}
  %large = fmul {_V} %x, {_number(2.0**24)}
  %v = select <16 x i1> %is.small, {_V} %large, {_V} %x
  %bits = bitcast {_V} %v to {_I}
  %rest = bitcast {_V} %m to {_I}
  %power = sub {_I} %bits, %rest
  %k = ashr {_I} %power, splat (i32 23)
  %raised = sitofp {_I} %k to {_V}
  %lowered = fsub {_V} %raised, {_number(24)}
  %e = select <16 x i1> %is.small, {_V} %lowered, {_V} %raised
  %is.zero = fcmp oeq {_V} %x, zeroinitializer
  %nonzero = select <16 x i1> %is.zero, {_V} {_number(float("-inf"))}, {_V} %e
  %is.infinite = fcmp oeq {_V} %x, {_number(float("inf"))}
  %y = select <16 x i1> %is.infinite, {_V} %x, {_V} %nonzero
  ret {_V} %y
""",
    )
    + _define(ROOT, "x", f"  %y = call {_V} @llvm.sqrt.v16f32({_V} %x)\n  ret {_V} %y\n")
    + _define(INVERSE_ROOT, "x", f"  %root = call {_V} @llvm.sqrt.v16f32({_V} %x)\n  %y = fdiv {_V} {_number(1)}, %root\n  ret {_V} %y\n")
)

_DIVISION = _define(QUOTIENT, "a b", f"  %y = fdiv {_V} %a, %b\n  ret {_V} %y\n")

_REFINED_RECIPROCAL = _define(
    QUOTIENT,
    "a b",
    f"""  %r = call {_V} @llvm.x86.avx512.rcp14.ps.512({_V} %b, {_V} zeroinitializer, i16 -1)
  %q = fmul {_V} %a, %r
  %minus = fneg {_V} %b
  %rest = call {_V} @llvm.fma.v16f32({_V} %minus, {_V} %q, {_V} %a)
  %y = call {_V} @llvm.fma.v16f32({_V} %rest, {_V} %r, {_V} %q)
  ret {_V} %y
""",
)

_FUSED_ONCE = _define(FUSED, "a b c", f"  %y = call {_V} @llvm.fma.v16f32({_V} %a, {_V} %b, {_V} %c)\n  ret {_V} %y\n")

_FUSED_IN_DOUBLE = _define(
    FUSED,
    "a b c",
    "".join(f"  %{name}.wide = fpext {_V} %{name} to {_D}\n" for name in "abc")
    + f"""  %product = fmul {_D} %a.wide, %b.wide
  %sum = fadd {_D} %product, %c.wide
  %y = fptrunc {_D} %sum to {_V}
  ret {_V} %y
""",
)


_WHOLE_HEAD = f"define {_I} @{WHOLE}({_V} %x) alwaysinline {{\n"

_WHOLE_512 = f"""
declare {_I} @llvm.x86.avx512.mask.cvttps2dq.512({_V}, {_I}, i16, i32)
{_WHOLE_HEAD}  %y = call {_I} @llvm.x86.avx512.mask.cvttps2dq.512({_V} %x, {_I} zeroinitializer, i16 -1, i32 4)
  ret {_I} %y
}}
"""

_WHOLE_SATURATING = f"""
declare {_I} @llvm.fptosi.sat.v16i32.v16f32({_V})
{_WHOLE_HEAD}  %y = call {_I} @llvm.fptosi.sat.v16i32.v16f32({_V} %x)
  ret {_I} %y
}}
"""

_TRUNCATIONS = {4: "llvm.x86.sse2.cvttps2dq", 8: "llvm.x86.avx.cvtt.ps2dq.256"}


def _places(first: int, count: int) -> str:
    return f"<{count} x i32> <{', '.join(f'i32 {place}' for place in range(first, first + count))}>"


def _whole_in_parts(width: int) -> str:
    """Parts of `width` lanes, each in one instruction."""
    part = f"<{width} x float>"
    text = f"declare <{width} x i32> @{_TRUNCATIONS[width]}({part})\n{_WHOLE_HEAD}"
    names = []
    for first in range(0, 16, width):
        text += f"  %x{first} = shufflevector {_V} %x, {_V} poison, {_places(first, width)}\n"
        text += f"  %y{first}.{width} = call <{width} x i32> @{_TRUNCATIONS[width]}({part} %x{first})\n"
        names.append(f"%y{first}.{width}")
    while len(names) > 1:
        joined = []
        for low, high in zip(names[::2], names[1::2]):
            target = f"{low}.both"
            text += f"  {target} = shufflevector <{width} x i32> {low}, <{width} x i32> {high}, {_places(0, 2 * width)}\n"
            joined.append(target)
        names, width = joined, 2 * width
    return text + f"  ret {_I} {names[0]}\n}}\n"


_ENTRY_HEAD = f"define {_V} @{ENTRY}({_V} %low, {_V} %high, {_I} %places) alwaysinline {{\n"

_PERMUTATION = f"""
declare {_V} @llvm.x86.avx512.vpermi2var.ps.512({_V}, {_I}, {_V})
{_ENTRY_HEAD}  %y = call {_V} @llvm.x86.avx512.vpermi2var.ps.512({_V} %low, {_I} %places, {_V} %high)
  ret {_V} %y
}}
"""


def _entry_by_loads() -> str:
    text = f"""{_ENTRY_HEAD}  %table = alloca [32 x float], align 64
  %upper = getelementptr float, ptr %table, i64 16
  store {_V} %low, ptr %table
  store {_V} %high, ptr %upper
  %bounded = and {_I} %places, splat (i32 31)
  %found0 = fadd {_V} zeroinitializer, zeroinitializer
"""
    for lane in range(16):
        text += f"""  %place{lane} = extractelement {_I} %bounded, i32 {lane}
  %at{lane} = getelementptr float, ptr %table, i32 %place{lane}
  %entry{lane} = load float, ptr %at{lane}
  %found{lane + 1} = insertelement {_V} %found{lane}, float %entry{lane}, i32 {lane}
"""
    return text + f"  ret {_V} %found16\n}}\n"


def real_definitions(target: Target) -> str:
    """IR text of the functions for a target."""
    features, is_x86 = target.features.split(","), target.triple.startswith("x86_64")
    text = _DECLARATIONS + (_FUSED_ONCE if not is_x86 or "+fma" in features else _FUSED_IN_DOUBLE)
    if not {"+avx512f", "+avx512dq"} <= set(features):
        whole = _whole_in_parts(8 if "+avx2" in features else 4) if is_x86 else _WHOLE_SATURATING
        return text + _PORTABLE + _DIVISION + whole + _entry_by_loads()
    # AMD's dividers are as fast as the four instructions that avoid them, and need fewer entries of the schedulers.
    quotient = _DIVISION if target.cpu.startswith("znver") else _REFINED_RECIPROCAL
    return text + _AVX512 + quotient + _WHOLE_512 + _PERMUTATION
