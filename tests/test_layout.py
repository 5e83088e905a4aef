"""The parts people ask for by name stand where the README says, and the package's own rules hold."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "jitlite").rglob("*.py"))


@pytest.mark.parametrize("part", ["converter", "interpreter", "quantization", "schemas", "tools", "tests", "pyproject.toml"])
def test_each_part_is_in_the_readme_and_in_its_place(part):
    row = re.search(rf"^\| {re.escape(part)} \| `([^`]+)`", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert row is not None, f"the README's table has no row for {part}"
    assert (ROOT / row[1]).exists()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    if "generated" in text.splitlines()[0].lower():
        return
    assert text.count("\n") <= 500
    assert not re.search(r"(util|helper|manager|handler|common|misc)s?$", path.stem)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is too long"
