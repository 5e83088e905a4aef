"""Every operator has its sides, but for those listed here; the generated list of operators is up to date."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

from jitlite.interpreter.binding.registry import BINDINGS, PLANS
from jitlite.interpreter.registry import FAMILIES, load_bindings
from jitlite.schemas.ops.spec import load_specs

ROOT = Path(__file__).resolve().parent.parent


def test_every_spec_runs():
    load_bindings()
    assert [spec.name for spec in load_specs().values() if (spec in BINDINGS) is not spec.is_bound] == []


def test_families_list_the_operators_they_bind():
    for path in (ROOT / "jitlite" / "interpreter" / "binding").glob("*.py"):
        import_module(f"jitlite.interpreter.binding.{path.stem}")
    found = {(function.__module__.rpartition(".")[2], spec.name) for spec, function in [*BINDINGS.items(), *PLANS.items()]}
    assert found == {(family, name) for family, names in FAMILIES.items() for name in names.split()}


def test_a_process_imports_the_families_it_needs():
    code = "import sys; from jitlite.interpreter.registry import *; load_bindings(['MEAN', 'AnyCustomOperator'])"
    print_loaded = "print(*(family for family in FAMILIES if f'jitlite.interpreter.binding.{family}' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", f"{code}; {print_loaded}"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["reduce"]


def test_the_list_of_operators_is_up_to_date():
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
