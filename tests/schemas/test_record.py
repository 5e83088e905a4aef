import pytest

from jitlite.schemas.record import Record, replace


class Point(Record):
    x: int
    y: int = 0


class Named(Point):
    name: str = "origin"


class Counter(Record, frozen=False):
    count: int


def test_fields_are_given_by_place_or_name_and_inherited() -> None:
    found = Named(1, name="a")
    assert (found.x, found.y, found.name) == (1, 0, "a")
    assert repr(found) == "Named(x=1, y=0, name='a')"


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1}), ((), {"z": 1})],
    ids=["missing", "too many", "twice", "unknown", "default alone", "unknown for missing"],
)
def test_other_fields_are_refused(values: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="Point: the fields x, y are required"):
        Point(*values, **named)


def test_replacing_leaves_the_original() -> None:
    first = Named(1, 2)
    second = replace(first, y=3)
    assert (first.y, second.x, second.y, type(second)) == (2, 1, 3, Named)
    with pytest.raises(TypeError, match="found z"):
        replace(first, z=1)


def test_fields_are_read_only_unless_the_class_says_otherwise() -> None:
    with pytest.raises(AttributeError, match=r"Point\.x is read-only"):
        Point(1).x = 2  # type: ignore[misc]
    counter = Counter(1)
    counter.count += 1
    assert counter.count == 2


def test_records_are_equal_only_to_themselves() -> None:
    point = Point(1)
    assert point == point
    assert point != Point(1)
