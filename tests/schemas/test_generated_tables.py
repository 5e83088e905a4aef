"""The tables in the package are those of the schema text beside them."""

import shutil
from pathlib import Path

import pytest

from jitlite.schemas import tables
from jitlite.schemas.generate import generate

FOLDER = Path(tables.__file__).parent


@pytest.mark.skipif(shutil.which("flatc") is None, reason="flatc is not installed")
def test_tables_are_generated_from_the_schema() -> None:
    assert (FOLDER / "tables.py").read_text() == generate(FOLDER / "tflite.fbs"), "run python -m jitlite.schemas.generate"
