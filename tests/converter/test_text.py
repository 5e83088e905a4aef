"""Counting runs of tokens, against ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from tests.converter.agreement import check_node

TOKENS = np.array([[1, 1, 3, 3, 3, 7, 8, 6], [8, 6, 7, 5, 6, 8, 7, 8], [2, 3, 5, 7, 8, 6, 7, 5]])
POOL: dict[str, Any] = {
    "ngram_counts": [0, 4, 10],
    "ngram_indexes": [6, 5, 8, 4, 3, 2, 1, 0, 7],
    "pool_int64s": [2, 3, 5, 6, 5, 6, 7, 8, 6, 7, 3, 3, 3, 7, 8, 6],
}


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize(("shortest", "longest", "skips"), [(1, 1, 3), (1, 2, 0), (2, 2, 2), (1, 3, 1), (2, 3, 5), (3, 3, 0)])
@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("weights", [[], [0.5, 1.5, 2.0, 0.25, 3.0, 0.75, 1.25, 4.0, 0.1]])
def test_runs(dtype: type, shortest: int, longest: int, skips: int, mode: str, weights: list[float]) -> None:
    attributes = POOL | {"min_gram_length": shortest, "max_gram_length": longest, "max_skip_count": skips, "mode": mode}
    attributes |= {"weights": weights} if weights else {}
    x = TOKENS.astype(dtype)
    check_node("TfIdfVectorizer", x, **attributes)
    check_node("TfIdfVectorizer", x[1], **attributes)
