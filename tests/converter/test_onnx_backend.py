"""onnx's backend test suite: every case gives the right answer or is refused, and those refused are listed with a reason.

The few listed as DIFFERS cannot be right: ADD of .tflite turns infinities into the largest numbers, and doubles become float32.
"""

import pytest

from jitlite.schemas.errors import JitliteError
from tests.converter.onnx_backend_cases import cases, check, unsupported

LEAST_PART = 0.85
"""Part of the cases that pass."""


@pytest.mark.parametrize("name", [name for name in cases() if name not in unsupported()])
@pytest.mark.filterwarnings("ignore")
def test_case(name):
    check(cases()[name])


@pytest.mark.parametrize("name", sorted(unsupported()))
@pytest.mark.filterwarnings("ignore")
def test_case_is_refused(name):
    with pytest.raises(AssertionError if unsupported()[name] == "DIFFERS" else JitliteError):
        check(cases()[name])


def test_enough_cases_pass():
    assert len(unsupported()) <= (1 - LEAST_PART) * len(cases())
    assert unsupported().keys() <= cases().keys()
