import os
from pathlib import Path

import pytest

os.environ["JITLITE_PLAN_CACHE_BYTES"] = "0"  # tests plan models afresh, unless they are about plans that are kept

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real models; tests that need it are skipped where it is absent."""
    if not CORPUS.exists():
        pytest.skip("the corpus of real models is not beside the checkout")
    return CORPUS
