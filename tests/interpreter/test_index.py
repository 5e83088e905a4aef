"""What the index of kernel libraries remembers, and what makes it forget."""

import os
from pathlib import Path

import pytest

from jitlite.interpreter.codegen import index


@pytest.fixture
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("JITLITE_CACHE_DIR", str(tmp_path / "cache"))
    return Path(index.library_folder())


def source(path: Path, text: str = "one", age_seconds: float = 60) -> Path:
    path.write_text(text)
    written = path.stat().st_mtime - age_seconds
    os.utime(path, (written, written))
    return path


def remember(folder: Path, family: str, *paths: Path) -> str:
    library = folder / f"{family}-0.so"
    library.write_bytes(b"")
    index.remember({family: (library.name, {str(path): index.state_of(str(path)) for path in paths})})
    return str(library)


def test_families_are_remembered_beside_each_other(folder, tmp_path):
    first, second = source(tmp_path / "first.py"), source(tmp_path / "second.py")
    assert index.remembered(["conv", "pool"]) == {}
    conv = remember(folder, "conv", first, second)
    pool = remember(folder, "pool", second)
    assert index.remembered(["conv", "pool", "other"]) == {"conv": conv, "pool": pool}


@pytest.mark.parametrize("text", ["two", "longer"])
def test_an_edited_source_is_noticed(folder, tmp_path, text):
    edited, other = source(tmp_path / "edited.py"), source(tmp_path / "other.py")
    remember(folder, "conv", edited, other)
    pool = remember(folder, "pool", other)
    source(edited, text, age_seconds=30)
    assert index.remembered(["conv", "pool"]) == {"pool": pool}
    conv = remember(folder, "conv", edited, other)
    assert index.remembered(["conv"]) == {"conv": conv}


def test_a_deleted_source_or_library_is_noticed(folder, tmp_path):
    first, second = source(tmp_path / "first.py"), source(tmp_path / "second.py")
    remember(folder, "conv", first)
    Path(remember(folder, "pool", second)).unlink()
    first.unlink()
    assert index.remembered(["conv", "pool"]) == {}


def test_a_change_to_the_folder_of_the_compilers_is_noticed(folder, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    os.utime(site, (1e9, 1e9))
    remember(folder, "conv", site)
    assert "conv" in index.remembered(["conv"])
    (site / "numba-9.9.dist-info").mkdir()
    assert index.remembered(["conv"]) == {}


def test_a_source_that_may_still_change_unseen_is_not_remembered(folder, tmp_path):
    remember(folder, "conv", source(tmp_path / "new.py", age_seconds=0))
    assert index.remembered(["conv"]) == {}


def test_each_target_and_environment_has_an_index_of_its_own(folder, tmp_path, monkeypatch):
    library = remember(folder, "conv", source(tmp_path / "source.py"))
    with monkeypatch.context() as changed:
        changed.setenv("JITLITE_TARGET", "aarch64-unknown-linux-gnu/cortex-a72")
        assert index.remembered(["conv"]) == {}
    with monkeypatch.context() as changed:
        changed.setattr(index.sys, "prefix", "/elsewhere")
        assert index.remembered(["conv"]) == {}
    assert index.remembered(["conv"]) == {"conv": library}


def test_an_index_that_cannot_be_written_is_used_as_it_is(folder, tmp_path, monkeypatch):
    library = remember(folder, "conv", source(tmp_path / "source.py"))

    def refuse(*paths: str) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(index.os, "replace", refuse)
    remember(folder, "pool", tmp_path / "source.py")
    assert index.remembered(["conv", "pool"]) == {"conv": library}
