"""Files that are cut, flipped or crafted end in a JitliteError that says where, and never in anything else."""

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import flatbuffers
import pytest

from jitlite.schemas import InvalidModelError, JitliteError, UnsupportedError, decode, format_model, read_model, verify, write_model
from jitlite.schemas.tables import Buffer, Model, SubGraph
from tests.schemas.schema_samples import add_model, corpus, every_option_model

LEGAL_HERE = {
    "8GB_tensor": "the memory plan has a budget",
    "conv_dilation0": "an operator's options",
    "conv_filter_rank2": "an operator's shapes",
    "conv_group_indivisible": "an operator's shapes",
    "conv_int8_noquant": "an operator's quantization",
    "conv_stride0": "an operator's options",
    "fc_zero_depth": "an operator's shapes",
    "gather_axis_oob": "an operator's options",
    "gather_oob": "a value at run time",
    "missing_builtin_options_add": "an operator's options",
    "ok_add": "a good file",
    "ok_conv": "a good file",
    "op_no_inputs": "an operator's operands",
    "pad_negative": "a value at run time",
    "reshape_two_minus1": "an operator's options",
    "s2d_block0": "an operator's options",
    "segment_sum_neg": "a value at run time",
    "strided_slice_stride0": "a value at run time",
    "topk_k_gt_n": "a value at run time",
    "transpose_perm_oob": "a value at run time",
}
"""Malformed files that keep every rule of a file and a graph, and who refuses them instead."""

INTERESTING = (0, 1, 2, 4, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)


def samples() -> dict[str, bytes]:
    return {
        "add": write_model(add_model()),
        "options": write_model(every_option_model()),
        "buffers": write_model(Model(version=3, buffers=[Buffer(), Buffer(offset=64, size=8)], subgraphs=[SubGraph(name="s")])),
    }


def mutated(data: bytes, source: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(damaged))
        choice = source.randrange(4)
        if choice == 0:
            damaged[at] = source.randrange(256)
        elif choice == 1 and at + 4 <= len(damaged):
            struct.pack_into("<I", damaged, at, source.choice(INTERESTING))
        elif choice == 2 and at + 4 <= len(damaged):
            struct.pack_into("<I", damaged, at & ~3, source.randrange(2 * len(damaged)))
        elif choice == 3:
            del damaged[max(at, 1) :]
    return bytes(damaged)


def complaint(data: bytes) -> str:
    """What is said of a file, nothing if it passes; any other exception is a failure."""
    try:
        model = read_model(data)
        format_model(model)
        verify(model)
    except JitliteError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", samples())
def test_random_damage_is_survived(name: str) -> None:
    data, source = samples()[name], random.Random(name)
    complaints = [complaint(mutated(data, source)) for _ in range(1500)]
    assert all(not text or " required, found " in text for text in complaints)
    assert sum(map(bool, complaints)) > 500


@pytest.mark.parametrize("name", samples())
def test_truncation_is_survived(name: str) -> None:
    data = samples()[name]
    complaints = [complaint(data[:size]) for size in range(0, len(data), max(1, len(data) // 500))]
    assert all(not text or " required, found " in text for text in complaints)


@pytest.mark.parametrize("path", corpus("malformed"))
def test_malformed_files_are_refused(path: Path) -> None:
    if path.stem in LEGAL_HERE:
        verify(read_model(path))
        return
    with pytest.raises(JitliteError, match=" required, found "):
        verify(read_model(path))


def patched(change: Callable[[bytearray], None]) -> bytes:
    data = bytearray(write_model(add_model()))
    change(data)
    return bytes(data)


def put(at: int, format_code: str, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into(format_code, data, at, value)


def root_table(data: bytes) -> int:
    return struct.unpack_from("<I", data)[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the root: a file of at least 8 bytes required, found 0"),
        (b"1234", "at least 8 bytes required, found 4"),
        (patched(put(4, "4s", b"TFL2")), r"the file identifier b'TFL3' at byte 4 required, found b'TFL2'"),
        (patched(put(0, "<I", 0xFFFFFFFF)), r"an offset that stays inside the \d+ byte file required, found 4294967295 at byte 0"),
        (patched(lambda data: struct.pack_into("<i", data, root_table(data), 1 << 30)), r"a vtable inside the \d+ byte file required"),
        (patched(lambda data: struct.pack_into("<i", data, root_table(data), -(1 << 30))), r"a vtable inside the \d+ byte file required"),
    ],
)
def test_damaged_headers(data: bytes, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        read_model(data)


def raw_model(
    fields: Callable[[flatbuffers.Builder], dict[int, int]], scalars: Callable[[flatbuffers.Builder], None] | None = None
) -> bytes:
    builder = flatbuffers.Builder(1024)
    offsets = fields(builder)
    builder.StartObject(10)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    if scalars:
        scalars(builder)
    builder.Finish(builder.EndObject(), b"TFL3")
    return bytes(builder.Output())


def repeated(builder: flatbuffers.Builder, place: int, count: int) -> int:
    builder.StartVector(4, count, 4)
    for _ in range(count):
        builder.PrependUOffsetTRelative(place)
    return builder.EndVector()


def bomb(builder: flatbuffers.Builder) -> dict[int, int]:
    builder.StartObject(0)
    tensor = builder.EndObject()
    tensors = repeated(builder, tensor, 20_000)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, tensors, 0)
    return {2: repeated(builder, builder.EndObject(), 20_000)}


def test_shared_parts_cannot_multiply_the_work() -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidModelError, match=r"subgraphs\[\d+\]\.tensors\[\d+\]: parts that do not overlap required"):
        read_model(raw_model(bomb))
    assert time.perf_counter() - start < 5


def test_the_number_of_tables_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_TABLES", 3)
    with pytest.raises(UnsupportedError, match="at most 3 tables are supported"):
        read_model(write_model(add_model()))


def test_the_size_of_the_structure_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_STRUCTURE_BYTES", 300)
    with pytest.raises(UnsupportedError, match="at most 300 bytes of structure are supported"):
        read_model(write_model(add_model()))


def test_the_path_leads_to_the_damage() -> None:
    data = bytearray(write_model(add_model()))
    at = bytes(data).index(struct.pack("<Iii", 2, 0, 1))
    struct.pack_into("<I", data, at, 0x7FFFFFFF)
    with pytest.raises(InvalidModelError, match=r"^subgraphs\[0\]\.operators\[0\]\.inputs: a vector that ends inside"):
        read_model(data)


def test_texts_end_with_a_zero() -> None:
    data = bytearray(write_model(add_model()))
    data[bytes(data).index(b"one addition\0") + 12] = 1
    with pytest.raises(InvalidModelError, match=r"^description: a text that ends with a zero byte"):
        read_model(data)


def test_unions_without_type_or_value_are_none() -> None:
    def operators(with_code: int) -> bytes:
        builder = flatbuffers.Builder(64)
        builder.StartObject(6)
        builder.PrependUint8Slot(3, with_code, 0)
        operator = builder.EndObject()
        table = repeated(builder, operator, 1)
        builder.StartObject(6)
        builder.PrependUOffsetTRelativeSlot(3, table, 0)
        subgraphs = repeated(builder, builder.EndObject(), 1)
        builder.StartObject(10)
        builder.PrependUOffsetTRelativeSlot(2, subgraphs, 0)
        builder.Finish(builder.EndObject(), b"TFL3")
        return bytes(builder.Output())

    assert read_model(operators(1)).subgraphs[0].operators[0].builtin_options is None
    assert read_model(operators(0)).subgraphs[0].operators[0].builtin_options is None


def test_unknown_union_members_are_refused() -> None:
    data = bytearray(write_model(add_model()))
    found = [at for at in range(len(data)) if data[at] == 11 and is_refused(data, at)]
    assert found


def is_refused(data: bytearray, at: int) -> bool:
    damaged = bytearray(data)
    damaged[at] = 200
    try:
        read_model(damaged)
    except InvalidModelError as error:
        return "builtin_options: a union type from 0 to 126 required, found 200" in str(error)
    return False
