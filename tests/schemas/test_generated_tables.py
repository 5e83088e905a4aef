"""The tables in the package are those of the schema text beside them."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jitlite.schemas import tables
from jitlite.schemas.generate import MODULES, generate

FOLDER = Path(tables.__file__).parent


@pytest.mark.skipif(shutil.which("flatc") is None, reason="flatc is not installed")
@pytest.mark.parametrize(("source", "stem"), [(source, stem) for source, (stem, _) in MODULES.items()])
def test_tables_are_generated_from_the_schema(source: str, stem: str) -> None:
    for name, content in generate(FOLDER / source, stem).items():
        assert (FOLDER / name).read_text() == content, "run python -m jitlite.schemas.generate"


def test_classes_of_unions_are_made_once_and_when_asked_for() -> None:
    code = (
        "from jitlite.schemas import tables\n"
        "print('Conv2DOptions' in vars(tables), 'AddOptions' in vars(tables))\n"
        "from jitlite.schemas.tables import Conv2DOptions\n"
        "print('Conv2DOptions' in vars(tables), tables.BUILTIN_OPTIONS[1] is Conv2DOptions, Conv2DOptions().padding.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False False", "True True SAME"]


@pytest.mark.parametrize("name", ["Conv2dOptions", "anything"])
def test_other_names_are_errors(name) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(tables, name)


def test_classes_of_unions_can_be_copied_by_name() -> None:
    options = tables.Conv2DOptions(stride_w=3)
    assert pickle.loads(pickle.dumps(options)) == options
