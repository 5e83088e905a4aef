"""What kernels leave to the target: the sizes of register tiles, and functions that every module may declare.

`jitlite.dot4(total, quad, weights)` and `jitlite.dot4u`: every lane of `total` plus the sum of four products of the bytes of `quad`, signed
or unsigned ones, each plus the target's offset for them, with the lane's four signed bytes of `weights`. The offsets (`Isa.signed_offset`
and `Isa.unsigned_offset`) make bytes what the target's instruction multiplies; sums start from minus the offset times the weights' sum.
Definitions give the same integers on every target; sums wrap in int32.

`jitlite.pause()` tells the processor that a thread polls memory; it does nothing else.

`isa_line` has the functions that make sums steps, `isa_narrow` those of vectors of bytes and words, `isa_quads` those of quads in vectors.
"""

import re
from dataclasses import dataclass

from jitlite.interpreter.codegen.isa_line import LINES, line_definitions, truncates
from jitlite.interpreter.codegen.isa_narrow import NARROW, narrow_definitions
from jitlite.interpreter.codegen.isa_quads import QUADS, quad_definitions
from jitlite.interpreter.codegen.target import Target, host_target, requested_target

DOT4_SIGNED = "jitlite.dot4"
DOT4_UNSIGNED = "jitlite.dot4u"
PAUSE = "jitlite.pause"
NAMES = (DOT4_SIGNED, DOT4_UNSIGNED, PAUSE, *LINES, *NARROW, *QUADS)
"""The functions modules may declare."""


@dataclass(frozen=True, slots=True)
class Isa:
    """Sizes of register tiles on a target: heights in rows, the highest first, panels of a wide tile, and parts of a single row's sums.

    A tile of heights[0] rows and `panels` panels fills the registers but for what an inner loop needs besides.
    """

    heights: tuple[int, int, int]
    panels: int
    parts: int
    signed_offset: int
    unsigned_offset: int
    truncates: bool


def isa_of(target: Target) -> Isa:
    """The sizes that suit a target: 32 registers of 512 bits, 16 of 256 (or twice as many of 128), or 32 of 128."""
    if "+avx512f" in target.features.split(","):
        return Isa((14, 8, 4), 2, 4, 128, 0, truncates(target))
    return Isa((6, 4, 2), 1, 4, 128, 0, truncates(target))


_DECLARATION = re.compile(r"^declare .*\n", re.MULTILINE)

_chosen: list[Isa] = []


def select(isa: Isa) -> None:
    """Chooses the sizes that kernels imported from now on are lowered with."""
    _chosen[:] = [isa]


def selected() -> Isa:
    """The chosen sizes, or those that suit the target in effect: JITLITE_TARGET or this machine."""
    return _chosen[0] if _chosen else isa_of(requested_target() or host_target())


def _head(name: str, is_signed: bool) -> str:
    """The start of a definition: `%quads` holds the bytes to multiply, unsigned, in every lane."""
    return f"""
define <16 x i32> @{name}(<16 x i32> %total, i32 %quad, <16 x i32> %weights) alwaysinline {{
  %first = insertelement <16 x i32> poison, i32 %quad, i32 0
  %bytes = shufflevector <16 x i32> %first, <16 x i32> poison, <16 x i32> zeroinitializer
  %flips = load <16 x i32>, ptr @jitlite.signs, align 64
  %quads = xor <16 x i32> %bytes, {"%flips" if is_signed else "zeroinitializer"}
"""


_SIGNS = "@jitlite.signs = internal externally_initialized constant <16 x i32> splat (i32 -2139062144), align 64\n"
"""The highest bit of every byte, as memory that LLVM cannot look into: it would flip a constant's bits before broadcasting."""


def _vnni_512(name: str, is_signed: bool) -> str:
    return f"""{_head(name, is_signed)}
  %sums = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %total, <16 x i32> %quads, <16 x i32> %weights)
  ret <16 x i32> %sums
}}
"""


def _lanes(first: int, count: int) -> str:
    return f"<{count} x i32> <{', '.join(f'i32 {lane}' for lane in range(first, first + count))}>"


def _vnni_256(name: str, is_signed: bool) -> str:
    """Two halves, for processors without registers of 512 bits."""
    text = _head(name, is_signed)
    for half in range(2):
        for operand in ("total", "quads", "weights"):
            part = f"shufflevector <16 x i32> %{operand}, <16 x i32> poison, {_lanes(8 * half, 8)}"
            text += f"  %{operand}{half} = {part}\n"
        operands = f"<8 x i32> %total{half}, <8 x i32> %quads{half}, <8 x i32> %weights{half}"
        text += f"  %sums{half} = call <8 x i32> @llvm.x86.avx512.vpdpbusd.256({operands})\n"
    text += f"  %sums = shufflevector <8 x i32> %sums0, <8 x i32> %sums1, {_lanes(0, 16)}\n"
    return text + "  ret <16 x i32> %sums\n}\n"


def _many(value: int) -> str:
    return f"splat (i32 {value})"


def _portable(name: str, is_signed: bool) -> str:
    """Widening multiplies, byte by byte."""
    text = _head(name, is_signed) + "  %sums0 = add <16 x i32> %total, zeroinitializer\n"
    for byte in range(4):
        text += f"""
  %low{byte} = lshr <16 x i32> %quads, {_many(8 * byte)}
  %a{byte} = and <16 x i32> %low{byte}, {_many(255)}
  %top{byte} = shl <16 x i32> %weights, {_many(24 - 8 * byte)}
  %w{byte} = ashr <16 x i32> %top{byte}, {_many(24)}
  %product{byte} = mul <16 x i32> %a{byte}, %w{byte}
  %sums{byte + 1} = add <16 x i32> %sums{byte}, %product{byte}
"""
    return text + "  ret <16 x i32> %sums4\n}\n"


def _pause(target: Target) -> str:
    body, declaration = "", ""
    if target.triple.startswith("x86_64"):
        body, declaration = "  call void @llvm.x86.sse2.pause()\n", "declare void @llvm.x86.sse2.pause()\n"
    elif target.triple.startswith(("aarch64", "arm64")):
        body, declaration = "  call void @llvm.aarch64.hint(i32 1)\n", "declare void @llvm.aarch64.hint(i32)\n"
    return f"{declaration}define void @{PAUSE}() alwaysinline {{\n{body}  ret void\n}}\n"


def definitions(target: Target) -> str:
    """IR text of the functions for a target."""
    text = _pause(target) + _dot4(target) + line_definitions(target) + narrow_definitions(target) + quad_definitions(target)
    return "".join(dict.fromkeys(_DECLARATION.findall(text))) + _DECLARATION.sub("", text)


def _dot4(target: Target) -> str:
    features = target.features.split(",")
    declared, define = "", _portable
    if target.triple.startswith("x86_64") and "+avx512vnni" in features:
        declared = "declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <16 x i32>, <16 x i32>)\n"
        define = _vnni_512
    elif target.triple.startswith("x86_64") and "+avxvnni" in features:
        declared = "declare <8 x i32> @llvm.x86.avx512.vpdpbusd.256(<8 x i32>, <8 x i32>, <8 x i32>)\n"
        define = _vnni_256
    return _SIGNS + declared + define(DOT4_SIGNED, True) + define(DOT4_UNSIGNED, False)
