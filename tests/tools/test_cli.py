import subprocess
import sys
from pathlib import Path

import pytest

import jitlite
from tests.tools.network import Files, fail, succeed

COMMANDS = ("benchmark", "compare", "convert", "inspect", "quantize", "run")


def jitlite_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "jitlite", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_and_shows_examples(command: str) -> None:
    text = succeed(command, "--help").stdout
    assert f"Usage: main {command}" in text
    assert f"\n  jitlite {command} " in text[text.index("Examples:") :]
    assert all(len(line) <= 130 for line in text.splitlines())


def test_help_lists_every_command() -> None:
    text = succeed("--help").stdout
    assert all(f"\n  {command} " in text for command in COMMANDS)
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage" in " ".join(text.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_arguments_are_wrong_usage(command: str) -> None:
    assert "Missing argument" in fail(command, code=2)


def test_unknown_option_is_wrong_usage(files: Files) -> None:
    assert "No such option" in fail("inspect", files.float32, "--colour", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect",),
        ("inspect", "--text"),
        ("run", "--random"),
        ("benchmark",),
        ("quantize", "--scheme", "dynamic", "-o", "out.tflite"),
        ("convert", "-o", "out.tflite"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
@pytest.mark.parametrize("name", ["missing.tflite", "missing.onnx"])
def test_missing_file_is_named(arguments: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = fail(arguments[0], name, *arguments[1:])
    assert name in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("inspect",), ("run", "--random"), ("benchmark",), ("quantize", "--scheme", "dynamic", "-o", "out.tflite")]
)
@pytest.mark.parametrize("name", ["text.tflite", "text.bin"])
def test_what_is_no_model_is_refused(arguments: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("this is no model, whatever it is called\n" * 10)
    assert name in fail(arguments[0], name, *arguments[1:])
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_options_may_be_spelled_with_underscores(files: Files) -> None:
    succeed("run", files.float32, "--random", "--num_threads", "1")


def test_process_exit_codes_and_streams(files: Files, tmp_path: Path) -> None:
    done = jitlite_process("inspect", files.float32, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    failed = jitlite_process("inspect", tmp_path / "missing.tflite")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"Error: {tmp_path / 'missing.tflite'}: No such file or directory\n"
    assert jitlite_process("no-such-command").returncode == 2
    assert jitlite_process("--version").stdout == f"jitlite, version {jitlite.__version__}\n"


def test_help_needs_no_onnx_and_no_compiler() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from jitlite.tools.cli import main\n"
        "assert CliRunner().invoke(main, ['convert', '--help']).exit_code == 0\n"
        "print(sorted({'onnx', 'onnxruntime', 'numba', 'llvmlite', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
