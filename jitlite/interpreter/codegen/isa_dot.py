"""Definitions of the dot products of one quad with many, `isa.DOT4_SIGNED` and `isa.DOT4_UNSIGNED`.

Each takes the int32 sums of 16 columns, four neighbouring numbers of a row as one int32, and every column's four weights as one int32.
"""

from collections.abc import Callable

from jitlite.interpreter.codegen.ir_text import cut, joined
from jitlite.interpreter.codegen.isa_quads import DOT4_LANES

SIGNS = "@jitlite.signs = internal externally_initialized constant <16 x i32> splat (i32 -2139062144), align 64\n"
"""The highest bit of every byte, as memory that LLVM cannot look into: it would flip a constant's bits before broadcasting."""

Definition = Callable[[str, bool], str]
"""IR of the function of a name, for signed or unsigned numbers."""


def _head(name: str, sums: int) -> str:
    kind = f"<{sums} x i32>"
    return f"define {kind} @{name}({kind} %total, i32 %quad, <16 x i32> %weights) alwaysinline {{\n"


def unsigned_dot(name: str, is_signed: bool) -> str:
    """The quad in every lane, through DOT4_LANES, which takes unsigned numbers: signed ones are those 128 above."""
    flips = "  %flips = load <16 x i32>, ptr @jitlite.signs, align 64\n" if is_signed else ""
    return f"""{_head(name, 16)}
  %first = insertelement <16 x i32> poison, i32 %quad, i32 0
  %bytes = shufflevector <16 x i32> %first, <16 x i32> poison, <16 x i32> zeroinitializer
{flips}  %quads = xor <16 x i32> %bytes, {"%flips" if is_signed else "zeroinitializer"}
  %sums = call <16 x i32> @{DOT4_LANES}(<16 x i32> %total, <16 x i32> %quads, <16 x i32> %weights)
  ret <16 x i32> %sums
}}
"""


def _register_of_weights(part: int) -> str:
    return cut(f"%bits{part}", "%weights", "i32", 16, 4 * part, 4) + f"  %w{part} = bitcast <4 x i32> %bits{part} to <16 x i8>\n"


def neon_dot(name: str, is_signed: bool) -> str:
    """NEON's dot product of signed bytes, by one element; unsigned ones are taken as those 128 below."""
    instruction = "llvm.aarch64.neon.sdot.v4i32.v16i8"
    flips = "" if is_signed else "  %flips = load <4 x i32>, ptr @jitlite.signs, align 64\n"
    text = f"""declare <4 x i32> @{instruction}(<4 x i32>, <16 x i8>, <16 x i8>)
{_head(name, 16)}
  %bits = insertelement <4 x i32> poison, i32 %quad, i32 0
{flips}  %numbers = xor <4 x i32> %bits, {"zeroinitializer" if is_signed else "%flips"}
  %all = shufflevector <4 x i32> %numbers, <4 x i32> poison, <4 x i32> zeroinitializer
  %quads = bitcast <4 x i32> %all to <16 x i8>
"""
    for part in range(4):
        text += cut(f"%total{part}", "%total", "i32", 16, 4 * part, 4) + _register_of_weights(part)
        operands = f"<4 x i32> %total{part}, <16 x i8> %w{part}, <16 x i8> %quads"
        text += f"  %sums{part} = call <4 x i32> @{instruction}({operands})\n"
    return text + joined("sums", "i32", 16, 4) + "  ret <16 x i32> %sums\n}\n"


def neon_products(name: str, is_signed: bool) -> str:
    """NEON without dot products: products of bytes as 16-bit words, neighbours of which are added to two sums for each column.

    Unsigned numbers are taken as those 128 below. LLVM is not to see that both halves of their register are the same: it would move halves
    of the weights' registers instead of multiplying there.
    """
    products, pairs = "llvm.aarch64.neon.smull.v8i16", "llvm.aarch64.neon.saddlp.v4i32.v8i16"
    text = f"""declare <8 x i16> @{products}(<8 x i8>, <8 x i8>)
declare <4 x i32> @{pairs}(<8 x i16>)
{_head(name, 32)}
  %first = insertelement <4 x i32> poison, i32 %quad, i32 0
  %all = shufflevector <4 x i32> %first, <4 x i32> poison, <4 x i32> zeroinitializer
  %bytes = bitcast <4 x i32> %all to <16 x i8>
  %register = call <16 x i8> asm "", "=w,0"(<16 x i8> %bytes)
  %quads = xor <16 x i8> %register, {"zeroinitializer" if is_signed else "splat (i8 -128)"}
"""
    for half in range(2):
        text += cut(f"%half{half}", "%quads", "i8", 16, 8 * half, 8)
    for part in range(4):
        text += _register_of_weights(part)
    for part in range(8):
        text += cut(f"%total{part}", "%total", "i32", 32, 4 * part, 4) + cut(f"%v{part}", f"%w{part // 2}", "i8", 16, part % 2 * 8, 8)
        text += f"""
  %products{part} = call <8 x i16> @{products}(<8 x i8> %half{part % 2}, <8 x i8> %v{part})
  %pairs{part} = call <4 x i32> @{pairs}(<8 x i16> %products{part})
  %sums{part} = add <4 x i32> %total{part}, %pairs{part}
"""
    return text + joined("sums", "i32", 32, 8) + "  ret <32 x i32> %sums\n}\n"
