"""What kernels leave to the target: functions that every module may declare, defined with the target's best instructions.

`jitlite.dot4(total, quad, weights)`: every lane of `total` plus the sum of four products: the bytes of `quad`, each plus 128 (so that they
lie in 0..255), with the lane's four signed bytes of `weights`. Definitions give the same integers on every target; sums wrap in int32.
"""

from jitlite.interpreter.codegen.target import Target

DOT4 = "jitlite.dot4"

_HEAD = f"""
define <16 x i32> @{DOT4}(<16 x i32> %total, i32 %quad, <16 x i32> %weights) alwaysinline {{
  %unsigned = xor i32 %quad, -2139062144
"""

_SPLAT = """
  %first = insertelement <16 x i32> poison, i32 %unsigned, i32 0
  %quads = shufflevector <16 x i32> %first, <16 x i32> poison, <16 x i32> zeroinitializer
"""

_VNNI_512 = f"""
declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <16 x i32>, <16 x i32>)
{_HEAD}{_SPLAT}
  %sums = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %total, <16 x i32> %quads, <16 x i32> %weights)
  ret <16 x i32> %sums
}}
"""


def _lanes(first: int, count: int) -> str:
    return f"<{count} x i32> <{', '.join(f'i32 {lane}' for lane in range(first, first + count))}>"


def _vnni_256() -> str:
    """Two halves, for processors without registers of 512 bits."""
    text = "declare <8 x i32> @llvm.x86.avx512.vpdpbusd.256(<8 x i32>, <8 x i32>, <8 x i32>)\n" + _HEAD + _SPLAT
    for half in range(2):
        for name in ("total", "quads", "weights"):
            part = f"shufflevector <16 x i32> %{name}, <16 x i32> poison, {_lanes(8 * half, 8)}"
            text += f"  %{name}{half} = {part}\n"
        operands = f"<8 x i32> %total{half}, <8 x i32> %quads{half}, <8 x i32> %weights{half}"
        text += f"  %sums{half} = call <8 x i32> @llvm.x86.avx512.vpdpbusd.256({operands})\n"
    text += f"  %sums = shufflevector <8 x i32> %sums0, <8 x i32> %sums1, {_lanes(0, 16)}\n"
    return text + "  ret <16 x i32> %sums\n}\n"


def _many(value: int) -> str:
    return f"splat (i32 {value})"


def _portable() -> str:
    """Widening multiplies, byte by byte."""
    text = _HEAD + _SPLAT + "  %sums0 = add <16 x i32> %total, zeroinitializer\n"
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


def definitions(target: Target) -> str:
    """IR text of the functions for a target."""
    features = target.features.split(",")
    if target.triple.startswith("x86_64") and "+avx512vnni" in features:
        return _VNNI_512
    if target.triple.startswith("x86_64") and "+avxvnni" in features:
        return _vnni_256()
    return _portable()
