"""What kernels leave to the target when float lines make sums steps; `isa` adds these definitions to its own.

`jitlite.line(sums, scale, offset)`: int32 sums as float32 numbers n, n · scale ± offset with the sign of n, cut to int32.

`jitlite.fine_line(sums, scale, slope, offset)`: n · scale + (n · slope ± offset), cut likewise: a slope of more bits.

Targets with AVX-512 round the last sum towards 0, as cutting it does: as if it were exact. They round the inner sum of the fine line
up, so that the smallest slope below 0 tells halves above 0 from those below. Other targets round to nearest: `Isa.truncates` says which.
"""

from jitlite.interpreter.codegen.target import Target

LINE, FINE_LINE = "jitlite.line", "jitlite.fine_line"

_F, _I = "<16 x float>", "<16 x i32>"
_UP, _TOWARDS_ZERO = 10, 11
"""Immediates of AVX-512's rounding: the direction, and 8 for no exceptions."""


def truncates(target: Target) -> bool:
    """True where the last sum of a line is rounded towards 0."""
    return target.triple.startswith("x86_64") and "+avx512f" in target.features.split(",")


def line_definitions(target: Target) -> str:
    is_exact = truncates(target)
    multiply_add = "llvm.x86.avx512.vfmadd.ps.512" if is_exact else "llvm.fmuladd.v16f32"

    def fused(name: str, factor: str, addend: str, direction: int) -> str:
        rounding = f", i32 {direction}" if is_exact else ""
        return f"  {name} = call {_F} @{multiply_add}({_F} %numbers, {_F} {factor}, {_F} {addend}{rounding})\n"

    def definition(name: str, slope: str) -> str:
        text = f"define {_I} @{name}({_I} %sums, {_F} %scale, {f'{_F} {slope}, ' if slope else ''}{_F} %offset) alwaysinline {{\n"
        text += f"  %numbers = sitofp {_I} %sums to {_F}\n"
        text += f"  %signed = call {_F} @llvm.copysign.v16f32({_F} %offset, {_F} %numbers)\n"
        if slope:
            text += fused("%inner", slope, "%signed", _UP)
        text += fused("%line", "%scale", "%inner" if slope else "%signed", _TOWARDS_ZERO)
        return text + f"  %steps = fptosi {_F} %line to {_I}\n  ret {_I} %steps\n}}\n"

    text = f"declare {_F} @llvm.copysign.v16f32({_F}, {_F})\n"
    text += f"declare {_F} @{multiply_add}({_F}, {_F}, {_F}{', i32' if is_exact else ''})\n"
    return text + definition(LINE, "") + definition(FINE_LINE, "%slope")
