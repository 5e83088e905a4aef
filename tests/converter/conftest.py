"""Fixtures of the converter's tests."""

import pytest

from jitlite.converter.lowerings import recurrent


@pytest.fixture(params=["written out", "loop"])
def form_of_steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recurrent layers in both of their forms, however many steps they have."""
    if request.param == "loop":
        monkeypatch.setattr(recurrent, "MOST_UNROLLED", 0)
