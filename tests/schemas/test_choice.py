"""Enums of the format behave as `enum.IntEnum`s do."""

import copy
import enum
import pickle

import pytest

from jitlite.schemas.tables import Padding, TensorType

REFERENCE = enum.IntEnum("Padding", {"SAME": 0, "VALID": 1})


@pytest.mark.parametrize("kind", [Padding, REFERENCE], ids=["ours", "IntEnum"])
def test_members(kind):
    assert [(member.name, member.value, int(member)) for member in kind] == [("SAME", 0, 0), ("VALID", 1, 1)]
    assert kind(1) is kind.VALID is kind["VALID"]
    assert list(kind.__members__) == ["SAME", "VALID"]
    assert (len(kind), kind.SAME in kind) == (2, True)
    assert (str(kind.VALID), f"{kind.VALID}", f"{kind.VALID:>3}", repr(kind.VALID)) == ("1", "1", "  1", "<Padding.VALID: 1>")
    assert (kind.VALID == 1, kind.VALID + 1, hash(kind.VALID), isinstance(kind.VALID, kind)) == (True, 2, hash(1), True)


@pytest.mark.parametrize("kind", [Padding, REFERENCE], ids=["ours", "IntEnum"])
def test_what_is_not_there_is_an_error(kind):
    with pytest.raises(ValueError, match="2 is not a valid Padding"):
        kind(2)
    with pytest.raises(KeyError, match="FULL"):
        kind["FULL"]
    with pytest.raises(AttributeError):
        kind.VALID = 3
    with pytest.raises(AttributeError):
        kind.VALID.value = 3


def test_copies_are_the_members_themselves():
    assert copy.copy(TensorType.INT8) is TensorType.INT8
    assert copy.deepcopy([TensorType.INT8])[0] is TensorType.INT8
    assert pickle.loads(pickle.dumps(TensorType.INT8)) is TensorType.INT8
