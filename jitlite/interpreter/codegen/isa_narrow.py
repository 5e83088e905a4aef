"""What kernels on bytes and 16-bit words leave to the target; `isa` adds these definitions to its own.

`jitlite.lookup(table, t0, t1, t2, t3, places)`: the entries of 64 bytes in a table of 256, to which `table` points and which t0 to t3 hold.

`jitlite.dot2(total, pairs, factors)`: every lane of `total` plus the sum of two products, of the lane's two words of `pairs` and `factors`;
sums wrap in int32.

`jitlite.pack(low, high)`: 32 words from int32, saturated; every four of `low` and the next four of `high` follow each other.

`jitlite.cut(x)`: int32 from 16 float32 below 2^31, cut towards 0; NaN and what is too small give the least int32.

`jitlite.int8(a, b, c, d, zero)` and `jitlite.uint8`: 64 bytes in order, from int32 saturated to words, to which the words `zero` are added,
saturated again and at last to bytes.
"""

from jitlite.interpreter.codegen.ir_text import cut, indices, joined, run
from jitlite.interpreter.codegen.target import Target

LOOKUP, DOT2, PACK, CUT, INT8, UINT8 = (f"jitlite.{name}" for name in ("lookup", "dot2", "pack", "cut", "int8", "uint8"))

_PLACES = range(64)

_LOOKUP_HEAD = f"""
define <64 x i8> @{LOOKUP}(ptr %table, <64 x i8> %t0, <64 x i8> %t1, <64 x i8> %t2, <64 x i8> %t3, <64 x i8> %places) alwaysinline {{
"""


def _lookup_by_permutation() -> str:
    """Two permutations of 128 entries each, chosen by the highest bit."""
    kind = "<64 x i8>"
    text = f"declare {kind} @llvm.x86.avx512.vpermi2var.qi.512({kind}, {kind}, {kind})\n{_LOOKUP_HEAD}"
    for half, (low, high) in enumerate((("%t0", "%t1"), ("%t2", "%t3"))):
        text += f"  %half{half} = call {kind} @llvm.x86.avx512.vpermi2var.qi.512({kind} {low}, {kind} %places, {kind} {high})\n"
    text += f"  %is.high = icmp slt {kind} %places, zeroinitializer\n"
    return text + f"  %found = select <64 x i1> %is.high, {kind} %half1, {kind} %half0\n  ret {kind} %found\n}}\n"


_SHUFFLES = {16: "llvm.x86.ssse3.pshuf.b.128", 32: "llvm.x86.avx2.pshuf.b", 64: "llvm.x86.avx512.pshuf.b.512"}
"""Shuffles of 16 bytes in each 128 bits, by the bytes of a register; places with the highest bit set give 0."""


def _lookup_by_shuffles(width: int) -> str:
    """Sixteen tables of 16 entries.

    Step k of eight looks up what differs between the entries of tables k - 1 and k, at the place less 16 · k. Places below that have become
    negative and change nothing more, so that the entry of the right table is what remains. The other eight steps do the same for places
    with the highest bit set, which saturation keeps negative in the first eight.
    """
    kind, shuffle = f"<{width} x i8>", _SHUFFLES[width]
    text = f"declare {kind} @{shuffle}({kind}, {kind})\ndeclare {kind} @llvm.ssub.sat.v{width}i8({kind}, {kind})\n{_LOOKUP_HEAD}"
    for k in range(16):
        places = [16 * (k % 4) + byte % 16 for byte in range(width)]
        text += f"  %entries{k} = shufflevector <64 x i8> %t{k // 4}, <64 x i8> poison, {indices(places)}\n"
        if k % 8:
            text += f"  %change{k} = xor {kind} %entries{k}, %entries{k - 1}\n"
    for part in range(64 // width):
        text += cut(f"%places{part}", "%places", "i8", 64, width * part, width)
        terms = []
        for k in range(16):
            place, table = f"%place{part}.{k}", f"%{'change' if k % 8 else 'entries'}{k}"
            if k % 8:
                text += f"  {place} = call {kind} @llvm.ssub.sat.v{width}i8({kind} %place{part}.{k - 1}, {kind} splat (i8 16))\n"
            else:
                text += f"  {place} = xor {kind} %places{part}, splat (i8 {-128 if k else 0})\n"
            text += f"  %term{part}.{k} = call {kind} @{shuffle}({kind} {table}, {kind} {place})\n"
            terms.append(f"%term{part}.{k}")
        sum_so_far = terms[0]
        for k, term in enumerate(terms[1:], 1):
            target = f"%found{part}" if k == 15 else f"%sum{part}.{k}"
            text += f"  {target} = xor {kind} {sum_so_far}, {term}\n"
            sum_so_far = target
    if width == 64:
        return text + f"  ret {kind} %found0\n}}\n"
    return text + joined("found", "i8", 64, 64 // width) + "  ret <64 x i8> %found\n}\n"


def _lookup_by_tables() -> str:
    """NEON looks 16 bytes up in 64 at a time; places beyond them give 0 the first time, and change nothing after."""
    kind = "<16 x i8>"
    operands = ", ".join([kind] * 5)
    text = f"declare {kind} @llvm.aarch64.neon.tbl4.v16i8({operands})\ndeclare {kind} @llvm.aarch64.neon.tbx4.v16i8({kind}, {operands})\n"
    text += _LOOKUP_HEAD
    for quarter in range(4):
        for row in range(4):
            text += cut(f"%entries{quarter}.{row}", f"%t{quarter}", "i8", 64, 16 * row, 16)
    for part in range(4):
        text += cut(f"%places{part}", "%places", "i8", 64, 16 * part, 16)
        for quarter in range(4):
            table = ", ".join(f"{kind} %entries{quarter}.{row}" for row in range(4))
            text += f"  %place{part}.{quarter} = sub {kind} %places{part}, splat (i8 {64 * quarter - 256 * (quarter > 1)})\n"
            place, target = f"{kind} %place{part}.{quarter}", f"%found{part}" if quarter == 3 else f"%so.far{part}.{quarter}"
            if quarter:
                text += f"  {target} = call {kind} @llvm.aarch64.neon.tbx4.v16i8({kind} %so.far{part}.{quarter - 1}, {table}, {place})\n"
            else:
                text += f"  {target} = call {kind} @llvm.aarch64.neon.tbl4.v16i8({table}, {place})\n"
    return text + joined("found", "i8", 64, 4) + "  ret <64 x i8> %found\n}\n"


def _lookup_by_loads() -> str:
    text, held = _LOOKUP_HEAD, "poison"
    for place in _PLACES:
        text += f"""
  %place{place} = extractelement <64 x i8> %places, i32 {place}
  %offset{place} = zext i8 %place{place} to i64
  %address{place} = getelementptr i8, ptr %table, i64 %offset{place}
  %entry{place} = load i8, ptr %address{place}, align 1
  %found{place} = insertelement <64 x i8> {held}, i8 %entry{place}, i32 {place}
"""
        held = f"%found{place}"
    return text + f"  ret <64 x i8> {held}\n}}\n"


def _lookup(target: Target, features: list[str]) -> str:
    if target.triple.startswith(("aarch64", "arm64")):
        return _lookup_by_tables()
    if target.triple.startswith("x86_64"):
        if "+avx512vbmi" in features:
            return _lookup_by_permutation()
        for feature, width in (("+avx512bw", 64), ("+avx2", 32), ("+ssse3", 16)):
            if feature in features:
                return _lookup_by_shuffles(width)
    return _lookup_by_loads()


_DOT2_HEAD = f"define <16 x i32> @{DOT2}(<16 x i32> %total, <32 x i16> %pairs, <32 x i16> %factors) alwaysinline {{\n"
_MULTIPLY_ADDS = {8: "llvm.x86.sse2.pmadd.wd", 16: "llvm.x86.avx2.pmadd.wd", 32: "llvm.x86.avx512.pmaddw.d.512"}
_PACKS = {8: "llvm.x86.sse2.packssdw.128", 16: "llvm.x86.avx2.packssdw", 32: "llvm.x86.avx512.packssdw.512"}
"""Instructions by the words of a register."""


def _dot2_accumulating() -> str:
    kind = "<16 x i32>"
    text = f"declare {kind} @llvm.x86.avx512.vpdpwssd.512({kind}, {kind}, {kind})\n{_DOT2_HEAD}"
    for name in ("pairs", "factors"):
        text += f"  %{name}.bits = bitcast <32 x i16> %{name} to {kind}\n"
    operands = f"{kind} %total, {kind} %pairs.bits, {kind} %factors.bits"
    return text + f"  %found = call {kind} @llvm.x86.avx512.vpdpwssd.512({operands})\n  ret {kind} %found\n}}\n"


def _dot2_in_parts(width: int) -> str:
    narrow, wide, name = f"<{width} x i16>", f"<{width // 2} x i32>", _MULTIPLY_ADDS[width]
    text = f"declare {wide} @{name}({narrow}, {narrow})\n{_DOT2_HEAD}"
    for part in range(32 // width):
        for operand in ("pairs", "factors"):
            text += cut(f"%{operand}{part}", f"%{operand}", "i16", 32, width * part, width)
        text += f"  %products{part} = call {wide} @{name}({narrow} %pairs{part}, {narrow} %factors{part})\n"
    products = "%products0" if width == 32 else "%products"
    text += "" if width == 32 else joined("products", "i32", 16, 32 // width)
    return text + f"  %found = add <16 x i32> %total, {products}\n  ret <16 x i32> %found\n}}\n"


def _dot2_portable() -> str:
    text = _DOT2_HEAD
    for side, first in (("even", 0), ("odd", 1)):
        for operand in ("pairs", "factors"):
            places = indices(list(range(first, 32, 2)))
            text += f"  %{operand}.{side} = shufflevector <32 x i16> %{operand}, <32 x i16> poison, {places}\n"
            text += f"  %{operand}.{side}.wide = sext <16 x i16> %{operand}.{side} to <16 x i32>\n"
        text += f"  %products.{side} = mul <16 x i32> %pairs.{side}.wide, %factors.{side}.wide\n"
    text += "  %so.far = add <16 x i32> %total, %products.even\n  %found = add <16 x i32> %so.far, %products.odd\n"
    return text + "  ret <16 x i32> %found\n}\n"


_PACK_HEAD = f"define <32 x i16> @{PACK}(<16 x i32> %low, <16 x i32> %high) alwaysinline {{\n"


def _pack_in_parts(width: int) -> str:
    narrow, wide, name = f"<{width} x i16>", f"<{width // 2} x i32>", _PACKS[width]
    text = f"declare {narrow} @{name}({wide}, {wide})\n{_PACK_HEAD}"
    for part in range(32 // width):
        for operand in ("low", "high"):
            text += cut(f"%{operand}{part}", f"%{operand}", "i32", 16, width // 2 * part, width // 2)
        text += f"  %words{part} = call {narrow} @{name}({wide} %low{part}, {wide} %high{part})\n"
    text += "" if width == 32 else joined("words", "i16", 32, 32 // width)
    return text + f"  ret <32 x i16> {'%words0' if width == 32 else '%words'}\n}}\n"


def _pack_portable() -> str:
    text = _PACK_HEAD
    for operand in ("low", "high"):
        text += _clamped(f"%{operand}", "<16 x i32>", "v16i32", -(2**15), 2**15 - 1)
        text += f"  %{operand}.words = trunc <16 x i32> %{operand}.clamped to <16 x i16>\n"
    places = [4 * group + word + 16 * half for group in range(4) for half in (0, 1) for word in range(4)]
    text += f"  %found = shufflevector <16 x i16> %low.words, <16 x i16> %high.words, {indices(places)}\n"
    return text + "  ret <32 x i16> %found\n}\n"


_CONVERSIONS = {4: "llvm.x86.sse2.cvttps2dq", 8: "llvm.x86.avx.cvtt.ps2dq.256"}


def _cut(width: int) -> str:
    head = f"define <16 x i32> @{CUT}(<16 x float> %x) alwaysinline {{\n"
    if width == 16:
        name, operands = "llvm.x86.avx512.mask.cvttps2dq.512", "<16 x float> %x, <16 x i32> zeroinitializer, i16 -1, i32 4"
        text = f"declare <16 x i32> @{name}(<16 x float>, <16 x i32>, i16, i32)\n{head}"
        return text + f"  %found = call <16 x i32> @{name}({operands})\n  ret <16 x i32> %found\n}}\n"
    name, narrow, wide = _CONVERSIONS[width], f"<{width} x float>", f"<{width} x i32>"
    text = f"declare {wide} @{name}({narrow})\n{head}"
    for part in range(16 // width):
        text += cut(f"%x{part}", "%x", "float", 16, width * part, width)
        text += f"  %found{part} = call {wide} @{name}({narrow} %x{part})\n"
    return text + joined("found", "i32", 16, 16 // width) + "  ret <16 x i32> %found\n}\n"


def _cut_portable() -> str:
    return f"""
declare <16 x i32> @llvm.fptosi.sat.v16i32.v16f32(<16 x float>)
define <16 x i32> @{CUT}(<16 x float> %x) alwaysinline {{
  %cut = call <16 x i32> @llvm.fptosi.sat.v16i32.v16f32(<16 x float> %x)
  %is.number = fcmp ord <16 x float> %x, zeroinitializer
  %found = select <16 x i1> %is.number, <16 x i32> %cut, <16 x i32> splat (i32 -2147483648)
  ret <16 x i32> %found
}}
"""


_BYTE_PACKS = {
    INT8: {16: "llvm.x86.sse2.packsswb.128", 32: "llvm.x86.avx2.packsswb", 64: "llvm.x86.avx512.packsswb.512"},
    UINT8: {16: "llvm.x86.sse2.packuswb.128", 32: "llvm.x86.avx2.packuswb", 64: "llvm.x86.avx512.packuswb.512"},
}
_BYTES_OPERANDS = ", ".join(f"<16 x i32> %{name}" for name in "abcd") + ", <32 x i16> %zero"


def _bytes_in_parts(name: str, width: int) -> str:
    """Packs of registers of `width` bytes, which take 16 bytes of one operand and then 16 of the other: fours are put in order at last."""
    half, quarter, pack = width // 2, width // 4, _PACKS[width // 2]
    kind, words, integers = f"<{width} x i8>", f"<{half} x i16>", f"<{quarter} x i32>"
    text = f"define <64 x i8> @{name}({_BYTES_OPERANDS}) alwaysinline {{\n"
    text += f"  %zeros = shufflevector <32 x i16> %zero, <32 x i16> poison, {run(0, half)}\n"
    fours = [f"{operand}{part}" for operand in "abcd" for part in range(16 // quarter)]
    for place, four in enumerate(fours):
        text += cut(f"%{four}", f"%{four[0]}", "i32", 16, quarter * (place % (16 // quarter)), quarter)
    for part in range(64 // width):
        for side in (0, 1):
            low, high = fours[4 * part + 2 * side : 4 * part + 2 * side + 2]
            text += f"  %words{part}.{side} = call {words} @{pack}({integers} %{low}, {integers} %{high})\n"
            operands = f"{words} %words{part}.{side}, {words} %zeros"
            text += f"  %moved{part}.{side} = call {words} @llvm.sadd.sat.v{half}i16({operands})\n"
        text += f"  %mixed{part} = call {kind} @{_BYTE_PACKS[name][width]}({words} %moved{part}.0, {words} %moved{part}.1)\n"
        text += f"  %fours{part} = bitcast {kind} %mixed{part} to <{quarter} x i32>\n"
        lanes = width // 16
        places = indices([4 * lane + vector for vector in range(4) for lane in range(lanes)])
        text += f"  %ordered{part} = shufflevector <{quarter} x i32> %fours{part}, <{quarter} x i32> poison, {places}\n"
        text += f"  %found{part} = bitcast <{quarter} x i32> %ordered{part} to {kind}\n"
    return text + (joined("found", "i8", 64, 64 // width) if width < 64 else "") + f"  ret <64 x i8> %found{'' if width < 64 else 0}\n}}\n"


def _bytes_declared(width: int) -> str:
    half = width // 2
    text = f"declare <{half} x i16> @llvm.sadd.sat.v{half}i16(<{half} x i16>, <{half} x i16>)\n"
    return text + "".join(f"declare <{width} x i8> @{packs[width]}(<{half} x i16>, <{half} x i16>)\n" for packs in _BYTE_PACKS.values())


def _bytes_portable(name: str, low: int, high: int) -> str:
    text = f"define <64 x i8> @{name}({_BYTES_OPERANDS}) alwaysinline {{\n"
    for pair in ("ab", "cd"):
        for operand in pair:
            text += _clamped(f"%{operand}", "<16 x i32>", "v16i32", -(2**15), 2**15 - 1)
            text += f"  %{operand}.words = trunc <16 x i32> %{operand}.clamped to <16 x i16>\n"
        operands = ", ".join(f"<16 x i16> %{operand}.words" for operand in pair)
        text += f"  %{pair}.words = shufflevector {operands}, {run(0, 32)}\n"
        text += f"  %{pair} = call <32 x i16> @llvm.sadd.sat.v32i16(<32 x i16> %{pair}.words, <32 x i16> %zero)\n"
        text += _clamped(f"%{pair}", "<32 x i16>", "v32i16", low, high)
        text += f"  %{pair}.bytes = trunc <32 x i16> %{pair}.clamped to <32 x i8>\n"
    return text + f"  %found = shufflevector <32 x i8> %ab.bytes, <32 x i8> %cd.bytes, {run(0, 64)}\n  ret <64 x i8> %found\n}}\n"


def _clamped(name: str, kind: str, suffix: str, low: int, high: int) -> str:
    """IR that names NAME, clamped, NAME.clamped."""
    element = kind.split()[-1][:-1]
    text = f"  {name}.raised = call {kind} @llvm.smax.{suffix}({kind} {name}, {kind} splat ({element} {low}))\n"
    return text + f"  {name}.clamped = call {kind} @llvm.smin.{suffix}({kind} {name}.raised, {kind} splat ({element} {high}))\n"


_CLAMPS = "".join(
    f"declare {kind} @llvm.{name}.{suffix}({kind}, {kind})\n"
    for kind, suffix in (("<16 x i32>", "v16i32"), ("<32 x i16>", "v32i16"))
    for name in ("smin", "smax")
)


def narrow_definitions(target: Target) -> str:
    """IR text of the functions for a target."""
    features = target.features.split(",")
    lookup = _lookup(target, features)
    if not target.triple.startswith("x86_64"):
        words = "declare <32 x i16> @llvm.sadd.sat.v32i16(<32 x i16>, <32 x i16>)\n"
        saturated = words + _bytes_portable(INT8, -128, 127) + _bytes_portable(UINT8, 0, 255)
        return _CLAMPS + lookup + _dot2_portable() + _pack_portable() + _cut_portable() + saturated
    width = 32 if "+avx512bw" in features else 16 if "+avx2" in features else 8
    dot2 = _dot2_accumulating() if "+avx512vnni" in features else _dot2_in_parts(width)
    saturated = _bytes_declared(2 * width) + _bytes_in_parts(INT8, 2 * width) + _bytes_in_parts(UINT8, 2 * width)
    return lookup + dot2 + _pack_in_parts(width) + _cut(width // 2) + saturated
