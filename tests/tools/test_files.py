import stat
from pathlib import Path

import numpy as np
import pytest

from jitlite.tools import files
from jitlite.tools.console import byte_text, plain, time_text
from jitlite.tools.errors import ToolError
from jitlite.tools.files import npz_bytes, write_file


def test_writes_with_ordinary_rights(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"content", force=False)
    (tmp_path / "b").write_bytes(b"content")
    assert (tmp_path / "a").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_overwrites_only_when_told(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old", force=False)
    with pytest.raises(ToolError, match="--force"):
        write_file(tmp_path / "a", b"new", force=False)
    assert (tmp_path / "a").read_bytes() == b"old"
    write_file(tmp_path / "a", b"new", force=True)
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_failure_leaves_nothing_and_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(tmp_path / "a", b"new", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="found a folder"):
        write_file(tmp_path, b"", force=True)


def test_arrays_may_have_any_name(tmp_path: Path) -> None:
    arrays = {"file": np.arange(3), "a/b:0": np.ones((2, 2), np.float32), "mode": np.array(True)}
    (tmp_path / "x.npz").write_bytes(npz_bytes(arrays))
    with np.load(tmp_path / "x.npz") as data:
        assert set(data.files) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(data[name], array)
            assert data[name].dtype == array.dtype


def test_equal_arrays_make_equal_files() -> None:
    assert npz_bytes({"a": np.arange(3)}) == npz_bytes({"a": np.arange(3)})


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1234, "1.23 kB"), (98_765, "98.8 kB"), (232_996, "233 kB"), (5e9, "5 GB")],
)
def test_sizes_as_text(size: float, text: str) -> None:
    assert byte_text(int(size)) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1234, "1.23 µs"), (123_456, "123 µs"), (98_765_432, "98.8 ms"), (1.5e9, "1.5 s")],
)
def test_times_as_text(nanoseconds: float, text: str) -> None:
    assert time_text(nanoseconds) == text


def test_json_has_no_number_that_is_not_finite() -> None:
    found = plain({"a": np.float32(1.5), "b": float("inf"), "c": [np.int64(3), np.array([1, 2])], "d": (np.bool_(True), None)})
    assert found == {"a": 1.5, "b": None, "c": [3, [1, 2]], "d": [True, None]}
    assert type(found["a"]) is float
