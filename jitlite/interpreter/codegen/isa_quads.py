"""What kernels on quads of bytes leave to the target; `isa` adds these definitions to its own.

`jitlite.dot4.lanes(total, quads, weights)`: every lane of `total` plus the sum of four products, of the lane's four bytes of `quads`,
unsigned, and of `weights`, signed; sums wrap in int32.

`jitlite.shrink(low, high)`: 64 signed bytes from words, saturated; every eight of `low` and the next eight of `high` follow each other.
"""

from jitlite.interpreter.codegen.ir_text import cut, indices, joined
from jitlite.interpreter.codegen.target import Target, has_neon_dot

DOT4_LANES, SHRINK = "jitlite.dot4.lanes", "jitlite.shrink"

_WIDE = "<16 x i32>"
_DOT4_HEAD = f"define {_WIDE} @{DOT4_LANES}({_WIDE} %total, {_WIDE} %quads, {_WIDE} %weights) alwaysinline {{\n"
_OPERANDS = ("total", "quads", "weights")


def _dot4_accumulating(lanes: int) -> str:
    kind, name = f"<{lanes} x i32>", f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
    text = f"declare {kind} @{name}({kind}, {kind}, {kind})\n{_DOT4_HEAD}"
    for part in range(16 // lanes):
        for operand in _OPERANDS:
            text += cut(f"%{operand}{part}", f"%{operand}", "i32", 16, lanes * part, lanes)
        text += f"  %found{part} = call {kind} @{name}({', '.join(f'{kind} %{operand}{part}' for operand in _OPERANDS)})\n"
    text += joined("found", "i32", 16, 16 // lanes)
    return text + f"  ret {_WIDE} {'%found0' if lanes == 16 else '%found'}\n}}\n"


_MULTIPLY_ADDS = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}
"""Instructions by the int32 of a register."""


def _dot4_by_words(lanes: int) -> str:
    """Products of even and of odd bytes as words."""
    kind, words, name = f"<{lanes} x i32>", f"<{2 * lanes} x i16>", _MULTIPLY_ADDS[lanes]
    text = f"declare {kind} @{name}({words}, {words})\n{_DOT4_HEAD}"
    for part in range(16 // lanes):
        for operand in _OPERANDS:
            text += cut(f"%{operand}{part}", f"%{operand}", "i32", 16, lanes * part, lanes)
        text += f"""
  %x{part} = bitcast {kind} %quads{part} to {words}
  %w{part} = bitcast {kind} %weights{part} to {words}
  %x.even{part} = and {words} %x{part}, splat (i16 255)
  %x.odd{part} = lshr {words} %x{part}, splat (i16 8)
  %w.high{part} = shl {words} %w{part}, splat (i16 8)
  %w.even{part} = ashr {words} %w.high{part}, splat (i16 8)
  %w.odd{part} = ashr {words} %w{part}, splat (i16 8)
  %even{part} = call {kind} @{name}({words} %x.even{part}, {words} %w.even{part})
  %odd{part} = call {kind} @{name}({words} %x.odd{part}, {words} %w.odd{part})
  %both{part} = add {kind} %even{part}, %odd{part}
  %found{part} = add {kind} %total{part}, %both{part}
"""
    text += joined("found", "i32", 16, 16 // lanes)
    return text + f"  ret {_WIDE} {'%found0' if lanes == 16 else '%found'}\n}}\n"


def _dot4_by_neon(has_dot: bool) -> str:
    """Signed products of numbers 128 below, and of 128 = 64 + 64; 16-bit words hold what is 128 times a weight and one product."""
    register, words = "<4 x i32>", "<8 x i16>"
    names = ("sdot.v4i32.v16i8", "smull.v8i16", "saddlp.v4i32.v8i16", "addp.v4i32")
    dot, multiply, pairs, add = (f"llvm.aarch64.neon.{name}" for name in names)
    if has_dot:
        text = f"declare {register} @{dot}({register}, <16 x i8>, <16 x i8>)\n"
    else:
        text = f"declare {words} @{multiply}(<8 x i8>, <8 x i8>)\ndeclare {register} @{pairs}({words})\n"
        text += f"declare {register} @{add}({register}, {register})\n"
    text += _DOT4_HEAD
    for part in range(4):
        for operand in _OPERANDS:
            text += cut(f"%{operand}{part}", f"%{operand}", "i32", 16, 4 * part, 4)
        text += f"""
  %bytes{part} = bitcast {register} %quads{part} to <16 x i8>
  %x{part} = xor <16 x i8> %bytes{part}, splat (i8 -128)
  %w{part} = bitcast {register} %weights{part} to <16 x i8>
"""
        if has_dot:
            sum_of = f"call {register} @{dot}({register} "
            text += f"""
  %once{part} = {sum_of}%total{part}, <16 x i8> splat (i8 64), <16 x i8> %w{part})
  %twice{part} = {sum_of}%once{part}, <16 x i8> splat (i8 64), <16 x i8> %w{part})
  %found{part} = {sum_of}%twice{part}, <16 x i8> %x{part}, <16 x i8> %w{part})
"""
            continue
        for half in range(2):
            own = f"{part}.{half}"
            text += cut(f"%x{own}", f"%x{part}", "i8", 16, 8 * half, 8) + cut(f"%w{own}", f"%w{part}", "i8", 16, 8 * half, 8)
            text += f"""
  %wide{own} = sext <8 x i8> %w{own} to {words}
  %offsets{own} = shl {words} %wide{own}, splat (i16 7)
  %below{own} = call {words} @{multiply}(<8 x i8> %x{own}, <8 x i8> %w{own})
  %products{own} = add {words} %offsets{own}, %below{own}
  %pairs{own} = call {register} @{pairs}({words} %products{own})
"""
        text += f"""
  %four{part} = call {register} @{add}({register} %pairs{part}.0, {register} %pairs{part}.1)
  %found{part} = add {register} %total{part}, %four{part}
"""
    return text + joined("found", "i32", 16, 4) + f"  ret {_WIDE} %found\n}}\n"


def _dot4_portable() -> str:
    text = _DOT4_HEAD + "  %sum0 = add <16 x i32> %total, zeroinitializer\n"
    text += f"  %x = bitcast {_WIDE} %quads to <64 x i8>\n  %w = bitcast {_WIDE} %weights to <64 x i8>\n"
    for byte in range(4):
        places = indices(list(range(byte, 64, 4)))
        text += f"""
  %x{byte} = shufflevector <64 x i8> %x, <64 x i8> poison, {places}
  %w{byte} = shufflevector <64 x i8> %w, <64 x i8> poison, {places}
  %x.words{byte} = zext <16 x i8> %x{byte} to <16 x i16>
  %w.words{byte} = sext <16 x i8> %w{byte} to <16 x i16>
  %x.wide{byte} = sext <16 x i16> %x.words{byte} to {_WIDE}
  %w.wide{byte} = sext <16 x i16> %w.words{byte} to {_WIDE}
  %product{byte} = mul {_WIDE} %x.wide{byte}, %w.wide{byte}
  %sum{byte + 1} = add {_WIDE} %sum{byte}, %product{byte}
"""
    return text + f"  ret {_WIDE} %sum4\n}}\n"


_SHRINK_HEAD = f"define <64 x i8> @{SHRINK}(<32 x i16> %low, <32 x i16> %high) alwaysinline {{\n"
_PACKS = {8: "llvm.x86.sse2.packsswb.128", 16: "llvm.x86.avx2.packsswb", 32: "llvm.x86.avx512.packsswb.512"}


def _shrink_in_parts(words: int) -> str:
    kind, packed, name = f"<{words} x i16>", f"<{2 * words} x i8>", _PACKS[words]
    text = f"declare {packed} @{name}({kind}, {kind})\n{_SHRINK_HEAD}"
    for part in range(32 // words):
        for operand in ("low", "high"):
            text += cut(f"%{operand}{part}", f"%{operand}", "i16", 32, words * part, words)
        text += f"  %found{part} = call {packed} @{name}({kind} %low{part}, {kind} %high{part})\n"
    text += joined("found", "i8", 64, 32 // words)
    return text + f"  ret <64 x i8> {'%found0' if words == 32 else '%found'}\n}}\n"


def _shrink_portable() -> str:
    kind = "<32 x i16>"
    text = "".join(f"declare {kind} @llvm.{name}.v32i16({kind}, {kind})\n" for name in ("smin", "smax")) + _SHRINK_HEAD
    for operand in ("low", "high"):
        text += f"  %{operand}.raised = call {kind} @llvm.smax.v32i16({kind} %{operand}, {kind} splat (i16 -128))\n"
        text += f"  %{operand}.clamped = call {kind} @llvm.smin.v32i16({kind} %{operand}.raised, {kind} splat (i16 127))\n"
        text += f"  %{operand}.bytes = trunc {kind} %{operand}.clamped to <32 x i8>\n"
    places = [8 * group + byte + 32 * half for group in range(4) for half in (0, 1) for byte in range(8)]
    text += f"  %found = shufflevector <32 x i8> %low.bytes, <32 x i8> %high.bytes, {indices(places)}\n"
    return text + "  ret <64 x i8> %found\n}\n"


def quad_definitions(target: Target) -> str:
    """IR text of the functions for a target."""
    features = target.features.split(",")
    if target.is_aarch64:
        return _dot4_by_neon(has_neon_dot(target)) + _shrink_portable()
    if not target.is_x86:
        return _dot4_portable() + _shrink_portable()
    lanes = 16 if "+avx512bw" in features else 8 if "+avx2" in features else 4
    if "+avx512vnni" in features:
        dot4 = _dot4_accumulating(16)
    elif "+avxvnni" in features:
        dot4 = _dot4_accumulating(8)
    else:
        dot4 = _dot4_by_words(lanes)
    return dot4 + _shrink_in_parts(2 * lanes)
