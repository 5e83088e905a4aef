"""The slot tables against LiteRT's own bindings."""

import re

import pytest

from jitlite.schemas import tables, write_model
from jitlite.schemas.choice import Choice
from jitlite.schemas.table import Kind, Slot, Table
from tests.schemas.schema_samples import TABLES, every_option_model

litert = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="LiteRT is not installed")

ENUMS = [value for value in vars(tables).values() if isinstance(value, type) and issubclass(value, Choice) and value is not Choice]
PREPEND = {"?": "Bool", "b": "Int8", "B": "Uint8", "H": "Uint16", "i": "Int32", "I": "Uint32", "q": "Int64", "Q": "Uint64", "f": "Float32"}
UNIONS = {
    "BuiltinOptions": tables.BUILTIN_OPTIONS,
    "BuiltinOptions2": tables.BUILTIN_OPTIONS_2,
    "QuantizationDetails": tables.QUANTIZATION_DETAILS,
    "SparseIndexVector": tables.SPARSE_INDEX_VECTOR,
}


class Recorder:
    """Stands in for a builder and notes the one call made on it."""

    def __getattr__(self, name: str) -> object:
        return lambda *arguments: setattr(self, "call", (name, *arguments)) or 0


def recorded(function: str, *arguments: object) -> tuple:
    recorder = Recorder()
    getattr(litert, function)(recorder, *arguments)
    return recorder.call


def camel(name: str) -> str:
    return "".join(part.capitalize() if part[:1].islower() else part for part in name.split("_"))


@pytest.mark.parametrize("ours", ENUMS, ids=lambda kind: kind.__name__)
def test_enum_values(ours: type[Choice]) -> None:
    theirs = {name: value for name, value in vars(getattr(litert, ours.__name__)).items() if isinstance(value, int)}
    assert {name: int(value) for name, value in ours.__members__.items()} == {k: v for k, v in theirs.items() if not k.startswith("__")}


@pytest.mark.parametrize("name", UNIONS)
def test_union_members(name: str) -> None:
    theirs = {value: key for key, value in vars(getattr(litert, name)).items() if isinstance(value, int) and key != "NONE"}
    assert {code: kind.__name__ for code, kind in UNIONS[name].items()} == {v: k for v, k in theirs.items() if not k.startswith("__")}


def test_no_table_or_enum_is_missing() -> None:
    theirs = {name for name, value in vars(litert).items() if isinstance(value, type) and not hasattr(value, "InitFromObj")}
    assert theirs == {kind.__name__ for kind in [*TABLES, *ENUMS]} | set(UNIONS)


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_slots(kind: type[Table]) -> None:
    pattern = re.compile(rf"{kind.__name__}Add[A-Z]")
    expected = {name for name in dir(litert) if pattern.match(name)}
    found = set()
    for slot in kind.SLOTS:
        function = f"{kind.__name__}Add{camel(slot.name)}"
        found.add(function)
        check_slot(slot, function)
        if slot.kind is Kind.UNION:
            found.add(f"{function}Type")
            assert recorded(f"{function}Type", 1) == ("PrependUint8Slot", slot.index - 1, 1, 0)
    assert {name for name in found if name in expected} == expected
    fields = recorded(f"{kind.__name__}Start")
    assert fields[0] == "StartObject"
    assert fields[1] >= kind.WIDTH


def check_slot(slot: Slot, function: str) -> None:
    if slot.kind in (Kind.NUMBER, Kind.CHOICE):
        default = int(slot.default) if slot.format == "?" else slot.default
        assert recorded(function, 1) == (f"Prepend{PREPEND[slot.format]}Slot", slot.index, 1, default)
        return
    assert recorded(function, 1) == ("PrependUOffsetTRelativeSlot", slot.index, 1, 0)
    if slot.kind in (Kind.NUMBERS, Kind.CHOICES, Kind.RAW, Kind.TABLES):
        owner, _, name = function.partition("Add")
        if owner + "Start" + name + "Vector" in vars(litert):
            call = recorded(f"{owner}Start{name}Vector", 1)
            assert call == ("StartVector", slot.item_bytes, 1, call[3])
            assert slot.align in (call[3], 4, 16)


def test_litert_reads_every_field_that_is_written() -> None:
    model = every_option_model()
    theirs = litert.ModelT.InitFromPackedBuf(write_model(model), 0)
    compare(model, theirs, "Model")


def compare(ours: Table, theirs: object, where: str) -> None:
    assert type(theirs).__name__ == type(ours).__name__ + "T", where
    for slot in ours.SLOTS:
        name = camel(slot.name)
        name = name[0].lower() + name[1:]
        value, found, place = getattr(ours, slot.name), getattr(theirs, name), f"{where}.{slot.name}"
        if isinstance(value, Table):
            compare(value, found, place)
        elif slot.kind is Kind.TABLES:
            assert len(value) == len([] if found is None else found), place
            for index, item in enumerate(value):
                compare(item, found[index], f"{place}[{index}]")
        elif slot.kind is Kind.TEXT:
            assert value.encode("utf-8", "surrogateescape") == (found or b""), place
        elif isinstance(value, (list, bytes)):
            assert list(value) == list([] if found is None else found), place
        else:
            assert value == found, place
