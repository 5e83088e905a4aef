"""Kernels that check each load and store: JITLITE_CHECKS=bounds, for tests on Linux.

Behind the optimiser every access is preceded by a call that looks for its address among the ranges kernels may touch, which
`interpreter/guard.py` keeps in a table at a fixed address. The first access outside is noted there and the kernel goes on. Of accesses
under a mask the lanes up to the last one that counts are looked up. Left out are accesses to the stack, to argument blocks and to a
library's own constants. Checked kernels have a cache of their own; the others are compiled as ever.
"""

import re
from collections.abc import Iterator
from zlib import crc32

import llvmlite.binding as llvm

from jitlite.interpreter.codegen.backend import optimise
from jitlite.interpreter.codegen.target import Target
from jitlite.interpreter.guard import COUNT, FOUND, TABLE_ADDRESS, TABLE_START

UNCHECKED = frozenset({"executor"})
"""Families that walk tables of addresses instead of tensors."""
SLACK = 64
"""How far behind a range kernels may read."""

_NAME = r'%(?:"[^"]*"|[\w.$-]+)'
_LOAD = re.compile(rf"^\s+{_NAME} = load (?:volatile )?(.+?), ptr ({_NAME})")
_STORE = re.compile(rf"^\s+store (?:volatile )?(<.+?>|\[.+?\]|\S+) .*, ptr ({_NAME})(?:,|$)")
_MOVE = re.compile(r"^\s+(?:tail |musttail |notail )?call void @llvm\.(memcpy|memmove|memset)\.")
_MASKED = re.compile(r"@llvm\.masked\.(load|store)\.v(\d+)[a-z]+(\d+)\.p0\(")
_MASK = re.compile(rf"<\d+ x i1> ({_NAME}|<[^>]*>|zeroinitializer|splat \(i1 \w+\))")
_POINTER = re.compile(rf"ptr (?:[a-z]+(?:\(\w+\))? |align \d+ |dereferenceable\(\d+\) )*({_NAME}|@\S+?)(?=[,)])")
_COUNT = re.compile(rf"i64 ({_NAME}|\d+), i1 ")
_DERIVED = re.compile(rf"^\s+({_NAME}) = getelementptr .*?, ptr (%block|@[^,\s]+)[,\s]")
_BITS = {"half": 16, "bfloat": 16, "float": 32, "double": 64, "ptr": 64}

_CHECK = f"""
declare ptr @llvm.frameaddress.p0(i32)

define internal i64 @jitlite.lanes(i64 %mask, i64 %bytes) nounwind {{
  %left = call i64 @llvm.ctlz.i64(i64 %mask, i1 false)
  %lanes = sub i64 64, %left
  %size = mul i64 %lanes, %bytes
  ret i64 %size
}}

define internal void @jitlite.check(ptr %place, i64 %size, i64 %slack, i64 %family) noinline nounwind {{
  %p = ptrtoint ptr %place to i64
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %here = ptrtoint ptr %frame to i64
  %distance = sub i64 %p, %here
  %shifted = add i64 %distance, 4194304
  %is_stack = icmp ult i64 %shifted, 8388608
  %is_empty = icmp eq i64 %size, 0
  %is_free = or i1 %is_stack, %is_empty
  br i1 %is_free, label %done, label %search
search:
  %count = load i64, ptr inttoptr (i64 {TABLE_ADDRESS + 8 * COUNT} to ptr)
  br label %loop
loop:
  %low = phi i64 [ 0, %search ], [ %next_low, %step ]
  %high = phi i64 [ %count, %search ], [ %next_high, %step ]
  %more = icmp ult i64 %low, %high
  br i1 %more, label %step, label %ended
step:
  %sum = add i64 %low, %high
  %middle = lshr i64 %sum, 1
  %start_at = getelementptr [2 x i64], ptr inttoptr (i64 {TABLE_ADDRESS + 8 * TABLE_START} to ptr), i64 %middle, i64 0
  %start = load i64, ptr %start_at
  %is_before = icmp ule i64 %start, %p
  %behind = add i64 %middle, 1
  %next_low = select i1 %is_before, i64 %behind, i64 %low
  %next_high = select i1 %is_before, i64 %high, i64 %middle
  br label %loop
ended:
  %has_none = icmp eq i64 %low, 0
  br i1 %has_none, label %bad, label %look
look:
  %row = sub i64 %low, 1
  %end_at = getelementptr [2 x i64], ptr inttoptr (i64 {TABLE_ADDRESS + 8 * TABLE_START} to ptr), i64 %row, i64 1
  %end = load i64, ptr %end_at
  %last = add i64 %end, %slack
  %stop = add i64 %p, %size
  %is_inside = icmp ule i64 %stop, %last
  br i1 %is_inside, label %done, label %bad
bad:
  %noted = load i64, ptr inttoptr (i64 {TABLE_ADDRESS + 8 * FOUND} to ptr)
  %is_first = icmp eq i64 %noted, 0
  br i1 %is_first, label %note, label %done
note:
  store i64 %p, ptr inttoptr (i64 {TABLE_ADDRESS + 8 * FOUND} to ptr)
  store i64 %size, ptr inttoptr (i64 {TABLE_ADDRESS + 8 * FOUND + 8} to ptr)
  store i64 %slack, ptr inttoptr (i64 {TABLE_ADDRESS + 8 * FOUND + 16} to ptr)
  store i64 %family, ptr inttoptr (i64 {TABLE_ADDRESS + 8 * FOUND + 24} to ptr)
  br label %done
done:
  ret void
}}
"""


def family_code(family: str) -> int:
    """The number by which a failing check names a family."""
    return crc32(family.encode())


def emit_checked_object(family: str, texts: list[str], exported: set[str], target: Target) -> bytes:
    """`backend.emit_object` of a family whose accesses are checked."""
    module, machine = optimise(texts, exported, target)
    if family not in UNCHECKED:
        module = llvm.parse_assembly("\n".join(_checked(str(module), family_code(family))) + _CHECK)
        module.verify()
    return bytes(machine.emit_object(module))


def _checked(text: str, code: int) -> Iterator[str]:
    """The lines of a module with a check before each access."""
    free: set[str] = set()
    for number, line in enumerate(text.splitlines()):
        if line.startswith("define"):
            free = {"%block"}
        derived = _DERIVED.match(line)
        if derived is not None:
            free.add(derived[1])
        for pointer, size, slack in _accesses(line):
            if pointer not in free and not pointer.startswith("@"):
                yield f"  call void @jitlite.check(ptr {pointer}, i64 {size}, i64 {slack}, i64 {code})"
        if (masked := _MASKED.search(line)) is not None and not line.startswith("declare"):
            yield from _masked(line, masked, f"%jitlite.{number}", code)
        yield line
    if "@llvm.ctlz.i64(" not in text:
        yield "declare i64 @llvm.ctlz.i64(i64, i1 immarg)"


def _masked(line: str, masked: re.Match[str], name: str, code: int) -> Iterator[str]:
    """The check of an access under a mask."""
    pointer, mask, lanes = _POINTER.search(line, masked.end()), _MASK.search(line, masked.end()), int(masked[2])
    assert pointer is not None
    assert mask is not None
    yield f"  {name}.bits = bitcast <{lanes} x i1> {mask[1]} to i{lanes}"
    word = f"{name}.bits"
    if lanes < 64:
        word = f"{name}.word"
        yield f"  {word} = zext i{lanes} {name}.bits to i64"
    yield f"  {name}.size = call i64 @jitlite.lanes(i64 {word}, i64 {int(masked[3]) // 8})"
    yield f"  call void @jitlite.check(ptr {pointer[1]}, i64 {name}.size, i64 0, i64 {code})"


def _accesses(line: str) -> Iterator[tuple[str, str, int]]:
    """Pointer, bytes and what may be read behind them of each access in a line."""
    if (load := _LOAD.match(line)) is not None:
        yield load[2], str(type_bytes(load[1])), SLACK
    elif (store := _STORE.match(line)) is not None:
        yield store[2], str(type_bytes(store[1])), 0
    elif (move := _MOVE.match(line)) is not None and (count := _COUNT.search(line)) is not None:
        pointers = _POINTER.findall(line)
        yield pointers[0], count[1], 0
        if move[1] != "memset":
            yield pointers[1], count[1], SLACK


def type_bytes(type: str) -> int:
    """Bytes an LLVM type takes in memory; at least 1 for types that are not numbers or vectors of them."""
    vector = re.fullmatch(r"[<\[](\d+) x (.+)[>\]]", type)
    if vector is not None:
        count, element = int(vector[1]), vector[2]
        return max(1, count // 8) if element == "i1" else count * type_bytes(element)
    bits = _BITS.get(type) or (int(type[1:]) if re.fullmatch(r"i\d+", type) else 8)
    return -(-bits // 8)
