"""FlexBuffers against the library that defines them, and damaged ones."""

import pytest
from flatbuffers import flexbuffers

from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.flexbuffers import read_map, read_scalars

SAMPLES = [
    {},
    {"a": 1, "b": -300, "c": 0.5, "d": True, "e": None},
    {"name": "window", "long": "x" * 300, "empty": ""},
    {"ints": [1, 2, 3], "floats": [0.25, 0.5, 0.1], "mixed": [1, "a", 2.5, [3, [4]]], "none": []},
    {"map": {"inner": {"x": 1, "y": [1, 2]}}, "bytes": b"\x00\x01\xff"},
    {f"key{i}": i * 70_000 for i in range(50)},
]


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return tuple(map(plain, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("sample", SAMPLES, ids=range(len(SAMPLES)))
def test_maps(sample):
    assert read_map(bytes(flexbuffers.Dumps(sample))) == plain(sample)


def test_vectors_of_one_type():
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Key("typed")
        with builder.TypedVector():
            for item in (1, 2, 3, 400):
                builder.Int(item)
        builder.Key("fixed")
        builder.FixedTypedVectorFromElements([1.5, 2.5, 3.5])
        builder.Key("indirect")
        builder.IndirectFloat(0.75)
        builder.Key("flags")
        builder.TypedVectorFromElements([True, False])
    assert read_map(bytes(builder.Finish())) == {
        "typed": (1, 2, 3, 400),
        "fixed": (1.5, 2.5, 3.5),
        "indirect": 0.75,
        "flags": (True, False),
    }


def test_damaged_buffers_are_rejected_or_read():
    data = bytes(flexbuffers.Dumps(SAMPLES[3] | SAMPLES[4]))
    for at in range(len(data)):
        for byte in (0, 1, 0x7F, 0xFF, data[at] ^ 0x24):
            damaged = data[:at] + bytes([byte]) + data[at + 1 :]
            for read in (read_map, read_scalars):
                try:
                    read(damaged)
                except InvalidModelError:
                    continue
        try:
            read_map(data[:at])
        except InvalidModelError:
            continue


def test_values_that_multiply_are_rejected():
    """Vectors whose elements are all the same vector, level by level: small data, endless values."""
    data = bytearray(b"\x00")
    previous, packed = 0, 0
    for _ in range(12):
        data += bytes([8])
        start = len(data)
        for i in range(8):
            data.append(start + i - previous)
        data += bytes([packed or 0] * 8)
        previous, packed = start, 10 << 2
    keys = len(data)
    data += b"k\x00" + bytes([1])
    vector = len(data)
    data.append(vector - keys)
    data += bytes([len(data) - vector, 1, 1])
    values = len(data)
    data.append(values - previous)
    data.append(packed)
    data += bytes([len(data) - values, 9 << 2, 1])
    with pytest.raises(InvalidModelError, match=r"at most|many others share"):
        read_map(bytes(data))


def test_strings_that_multiply_are_rejected():
    """A vector whose elements are all the same long string."""
    text = b"x" * 60_000
    data = bytearray(len(text).to_bytes(4, "little") + text + b"\x00")
    start = 4
    data += bytes(-len(data) % 4) + (1000).to_bytes(4, "little")
    vector = len(data)
    for i in range(1000):
        data += (vector + 4 * i - start).to_bytes(4, "little")
    data += bytes([5 << 2 | 2] * 1000)
    keys = len(data)
    data += b"k\x00" + bytes([1])
    offsets = len(data)
    data.append(offsets - keys)
    data += bytes(-len(data) % 4)
    data += (len(data) - offsets).to_bytes(4, "little") + (1).to_bytes(4, "little") + (1).to_bytes(4, "little")
    values = len(data)
    data += (values - vector).to_bytes(4, "little") + bytes([10 << 2 | 2])
    data += bytes([len(data) - values, 9 << 2 | 2, 1])
    with pytest.raises(InvalidModelError, match="many others share"):
        read_map(bytes(data))


def test_keys_without_an_end_are_rejected():
    data = bytes(flexbuffers.Dumps({"key": 1}))
    with pytest.raises(InvalidModelError, match="without an end"):
        read_map(b"x" * 5000 + data[3:].replace(b"\0", b"y"))
