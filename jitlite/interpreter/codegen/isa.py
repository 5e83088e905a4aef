"""What kernels leave to the target: the sizes of register tiles, and functions that every module may declare.

`jitlite.dot4(total, quad, weights)` and `jitlite.dot4u`: every lane of `total` plus the sum of four products of the bytes of `quad`, signed
or unsigned ones, each plus the target's offset for them, with the lane's four signed bytes of `weights`. The offsets (`Isa.signed_offset`
and `Isa.unsigned_offset`) make bytes what the target's instruction multiplies; sums start from minus the offset times the weights' sum.
`total` has Isa.partial_sums lanes for each of `weights`, among which the products are divided. Definitions give the same integers on every
target; sums wrap in int32.

`jitlite.pause()` tells the processor that a thread polls memory; it does nothing else.

`isa_line` has the functions that make sums steps, `isa_narrow` those of vectors of bytes and words, `isa_quads` those of quads in vectors,
`isa_real` those of real numbers.
"""

import re
from dataclasses import dataclass

from jitlite.interpreter.codegen.isa_dot import SIGNS, Definition, neon_dot, neon_products, unsigned_dot
from jitlite.interpreter.codegen.isa_line import line_definitions, truncates
from jitlite.interpreter.codegen.isa_narrow import narrow_definitions
from jitlite.interpreter.codegen.isa_quads import quad_definitions
from jitlite.interpreter.codegen.isa_real import real_definitions
from jitlite.interpreter.codegen.target import Target, has_neon_dot, host_target, requested_target

DOT4_SIGNED = "jitlite.dot4"
DOT4_UNSIGNED = "jitlite.dot4u"
PAUSE = "jitlite.pause"


@dataclass(frozen=True, slots=True)
class TileSizes:
    """Sizes of register tiles: heights in rows, the highest first, panels of a wide tile, and parts of a single row's sums.

    A tile of heights[0] rows and `panels` panels fills the registers but for what an inner loop needs besides. A loop takes `levels` levels
    of a row at a time, from one register if there are several. Tiles of float32 have two rows or more: how a single row is summed must not
    depend on how many rows a thread has.
    """

    heights: tuple[int, int, int]
    panels: int
    parts: int
    levels: int = 1


@dataclass(frozen=True, slots=True)
class Isa:
    """What kernels are lowered with for a target.

    The dot products' sums are `partial_sums` int32 for each column, neighbours of which are to be added in the end. With `has_tables`, one
    instruction looks 16 float32 up among 32 that two registers hold.
    """

    floats: TileSizes
    bytes: TileSizes
    signed_offset: int
    unsigned_offset: int
    truncates: bool
    partial_sums: int = 1
    has_tables: bool = False


def isa_of(target: Target) -> Isa:
    """What suits a target. Features of x86-64 are to be named, whatever the processor's name implies."""
    exact, medium = truncates(target), TileSizes((6, 4, 2), 1, 4)
    if target.is_aarch64:
        if has_neon_dot(target):
            return Isa(medium, TileSizes((4, 3, 2), 1, 4, levels=4), 0, -128, exact)
        return Isa(medium, TileSizes((2, 1, 1), 1, 2), 0, -128, exact, partial_sums=2)
    features = target.features.split(",")
    if "+avx512f" in features:
        large = TileSizes((14, 8, 4), 2, 4)
        return Isa(large, large, 128, 0, exact, has_tables=True)
    if "+avx2" in features:
        return Isa(medium, medium, 128, 0, exact)
    return Isa(TileSizes((3, 2, 2), 1, 2), TileSizes((2, 1, 1), 1, 2), 128, 0, exact)


_DECLARATION = re.compile(r"^declare .*\n", re.MULTILINE)

_chosen: list[Isa] = []


def select(isa: Isa) -> None:
    """Chooses the sizes that kernels imported from now on are lowered with."""
    _chosen[:] = [isa]


def selected() -> Isa:
    """The chosen sizes, or those that suit the target in effect: JITLITE_TARGET or this machine."""
    return _chosen[0] if _chosen else isa_of(requested_target() or host_target())


def _dot4(target: Target) -> Definition:
    if target.is_aarch64:
        return neon_dot if has_neon_dot(target) else neon_products
    return unsigned_dot


def _pause(target: Target) -> str:
    body, declaration = "", ""
    if target.triple.startswith("x86_64"):
        body, declaration = "  call void @llvm.x86.sse2.pause()\n", "declare void @llvm.x86.sse2.pause()\n"
    elif target.triple.startswith(("aarch64", "arm64")):
        body, declaration = "  call void @llvm.aarch64.hint(i32 1)\n", "declare void @llvm.aarch64.hint(i32)\n"
    return f"{declaration}define void @{PAUSE}() alwaysinline {{\n{body}  ret void\n}}\n"


def definitions(target: Target) -> str:
    """IR text of the functions for a target."""
    dot4 = _dot4(target)
    text = SIGNS + dot4(DOT4_SIGNED, True) + dot4(DOT4_UNSIGNED, False)
    text += _pause(target) + line_definitions(target) + narrow_definitions(target)
    text += quad_definitions(target) + real_definitions(target)
    return "".join(dict.fromkeys(_DECLARATION.findall(text))) + _DECLARATION.sub("", text)
