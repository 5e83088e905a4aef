import io
from pathlib import Path

import pytest
from rich.console import Console

from jitlite.tools import console
from tests.tools.network import Files, parsed


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """stderr as a terminal."""
    shown = io.StringIO()
    monkeypatch.setattr(console, "notes", lambda: Console(file=shown, force_terminal=True, width=100))
    return shown


def test_progress_is_shown_on_a_terminal_alone(terminal: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("counting", 3) as advance:
        for _ in range(3):
            advance(1)
    assert "counting" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert capsys.readouterr() == ("", "")


def test_no_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("counting", 3) as advance:
        advance(1)
    assert capsys.readouterr() == ("", "")


def test_progress_inside_progress(terminal: io.StringIO) -> None:
    with console.progress("outer", 2) as outer:
        with console.progress("inner [red]") as inner:
            inner(1)
        outer(1)
    assert "inner [red]" in terminal.getvalue()
    with pytest.raises(KeyError), console.progress("outer"):
        raise KeyError
    with console.progress("after it"):
        pass
    assert "after it" in terminal.getvalue()


def test_commands_show_progress_and_keep_results_apart(terminal: io.StringIO, files: Files, tmp_path: Path) -> None:
    arguments = ("convert", files.onnx, "-o", tmp_path / "o.tflite", "--quantize", "dynamic")
    assert parsed(*arguments)["size_bytes"] > 0
    assert "checking" in terminal.getvalue()


def test_names_from_files_cannot_steer_the_terminal() -> None:
    shown = io.StringIO()
    Console(file=shown, width=100).print(console.table("[bold]x", ("name",), [("a\x1b[31mb [red]c[/red]",)]))
    assert "\x1b" not in shown.getvalue()
    assert "[red]c[/red]" in shown.getvalue()
