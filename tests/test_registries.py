"""Every operator has its sides, but for those listed here; the generated list of operators is up to date."""

import subprocess
import sys
from pathlib import Path

from jitlite.interpreter.binding.registry import BINDINGS
from jitlite.interpreter.registry import FAMILIES, load_bindings
from jitlite.schemas.ops.spec import load_specs

ROOT = Path(__file__).resolve().parent.parent

PLANNED_NOT_BOUND = {"IF", "WHILE"}


def test_every_spec_runs():
    load_bindings()
    unbound = {spec.name for spec in load_specs().values() if spec not in BINDINGS}
    assert unbound == PLANNED_NOT_BOUND


def test_every_family_with_bindings_is_loaded():
    folder = ROOT / "jitlite" / "interpreter" / "binding"
    binding = {
        path.stem for path in folder.glob("*.py") if "@binds(" in path.read_text() or "binds(" in path.read_text().replace("def binds(", "")
    }
    assert binding - {"registry"} == set(FAMILIES)


def test_the_list_of_operators_is_up_to_date():
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
