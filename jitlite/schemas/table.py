"""The base of every table of the file format, and the slot descriptions that drive reading, writing, comparing and printing."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

from jitlite.schemas.choice import Choice
from jitlite.schemas.choice import members as members_of


class Kind(enum.Enum):
    """What a slot holds; the offset kinds hold an unsigned 32-bit distance to the value."""

    NUMBER = enum.auto()
    CHOICE = enum.auto()
    TEXT = enum.auto()
    TABLE = enum.auto()
    UNION = enum.auto()
    NUMBERS = enum.auto()
    CHOICES = enum.auto()
    RAW = enum.auto()
    TABLES = enum.auto()


VECTORS_AS_LISTS = frozenset({Kind.NUMBERS, Kind.CHOICES, Kind.TABLES})


class Slot:
    """One field of a table: its place in the vtable, what it holds and its default.

    `format` is the struct code of one number, `size` the bytes the slot occupies inside the table, `members` maps the stored integers of
    an enum to its members, `target` is the class of a table and `targets` maps a union's type byte to classes. A union's type byte lies
    in slot `index - 1`. `align` is the alignment of a vector's first item relative to the start of the file.
    """

    __slots__ = ("_codes", "align", "default", "format", "index", "item_bytes", "kind", "members", "name", "size", "target", "targets")

    def __init__(self, kind: Kind, index: int, default: Any, format: str = "I", align: int = 0) -> None:
        self.kind = kind
        self.index = index
        self.default = default
        self.format = format
        self.item_bytes = struct.calcsize(format)
        self.size = self.item_bytes if kind in (Kind.NUMBER, Kind.CHOICE) else 4
        self.align = align or self.item_bytes
        self.name = ""
        self.members: Mapping[int, Choice] = {}
        self.target: type[Table] = Table
        self.targets: Mapping[int, type[Table]] = {}
        self._codes: Mapping[type[Table], int] = {}

    @property
    def codes(self) -> Mapping[type[Table], int]:
        """The type byte of each class of a union."""
        if not self._codes:
            self._codes = {target: code for code, target in self.targets.items()}
        return self._codes

    def __repr__(self) -> str:
        return f"Slot({self.name}, {self.kind.name}, index={self.index}, default={self.default!r})"


def number(index: int, format: str, *, default: float) -> Any:
    """A slot that holds a number or, with the format "?", a bool."""
    return Slot(Kind.NUMBER, index, default, format)


def choice(index: int, format: str, *, default: Choice) -> Any:
    """A slot that holds a member of its default's enum."""
    slot = Slot(Kind.CHOICE, index, default, format)
    slot.members = members_of(type(default))
    return slot


def text(index: int, *, default: str = "") -> Any:
    """A slot that holds UTF-8 text; bytes that are not UTF-8 survive as lone surrogates. Absent reads as "" and "" is not written."""
    return Slot(Kind.TEXT, index, default)


def table(index: int, target: type[Table], *, default: None = None) -> Any:
    """A slot that holds a table or None."""
    slot = Slot(Kind.TABLE, index, default)
    slot.target = target
    return slot


def union(index: int, targets: Mapping[int, type[Table]], *, default: None = None) -> Any:
    """A slot that holds a table of one of the classes, or None; the class decides the type byte in the slot before it."""
    slot = Slot(Kind.UNION, index, default)
    slot.targets = targets
    return slot


def numbers(index: int, format: str, *, align: int = 0, default_factory: Callable[[], list[Any]]) -> Any:
    """A slot that holds a list of numbers or bools."""
    return Slot(Kind.NUMBERS, index, default_factory, format, align)


def choices(index: int, format: str, members: type[Choice], *, default_factory: Callable[[], list[Any]]) -> Any:
    """A slot that holds a list of enum members."""
    slot = Slot(Kind.CHOICES, index, default_factory, format)
    slot.members = members_of(members)
    return slot


def raw(index: int, *, align: int = 0, default: bytes = b"") -> Any:
    """A slot that holds bytes: a view of the file after reading, any bytes-like object before writing."""
    return Slot(Kind.RAW, index, default, "B", align)


def tables(index: int, target: type[Table], *, default_factory: Callable[[], list[Any]]) -> Any:
    """A slot that holds a list of tables of one class."""
    slot = Slot(Kind.TABLES, index, default_factory)
    slot.target = target
    return slot


@dataclass_transform(kw_only_default=True, field_specifiers=(number, choice, text, table, union, numbers, choices, raw, tables))
class Table:
    """A table of the file format: keyword constructor, equality by fields, a repr of the fields that differ from their defaults.

    Tables are mutable and therefore not hashable. Bytes are shared, never copied.
    """

    SLOTS: ClassVar[tuple[Slot, ...]] = ()
    DEFAULTS: ClassVar[Mapping[str, Any]] = {}
    LISTS: ClassVar[tuple[str, ...]] = ()
    WIDTH: ClassVar[int] = 0

    def __init_subclass__(cls) -> None:
        found = {name: value for name, value in vars(cls).items() if isinstance(value, Slot)}
        for name, slot in found.items():
            slot.name = name
            delattr(cls, name)
        cls.SLOTS = tuple(found.values())
        cls.WIDTH = max((slot.index + 1 for slot in found.values()), default=0)
        cls.LISTS = tuple(name for name, slot in found.items() if slot.kind in VECTORS_AS_LISTS)
        cls.DEFAULTS = {name: slot.default for name, slot in found.items() if slot.kind not in VECTORS_AS_LISTS}

    def __init__(self, **fields: Any) -> None:
        own = self.__dict__
        own.update(self.DEFAULTS)
        for name in self.LISTS:
            own[name] = []
        unknown = [name for name in fields if name not in own]
        if unknown:
            raise TypeError(f"{type(self).__name__}: fields must be among {', '.join(own) or 'none'}; found {', '.join(unknown)}")
        own.update(fields)

    if not TYPE_CHECKING:  # a checker that sees __setattr__ would accept assignments to fields that do not exist

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in self.__dict__:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(self.__dict__) or 'none'}")
            self.__dict__[name] = value

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        own = self.__dict__
        shown = (f"{slot.name}={_brief(own[slot.name])}" for slot in self.SLOTS if not is_default(slot, own[slot.name]))
        return f"{type(self).__name__}({', '.join(shown)})"

    def copy(self, **changes: Any) -> Self:
        """A deep copy that shares only bytes, with some fields replaced."""
        fields = {name: _copied(value) for name, value in self.__dict__.items() if name not in changes}
        return type(self)(**fields, **changes)

    def __deepcopy__(self, memo: object) -> Self:
        return self.copy()


class LazyTables(Mapping[int, type[Table]]):
    """The classes of a union by type byte; `find` gives the class of a name."""

    def __init__(self, names: Mapping[int, str], find: Callable[[str], type[Table]]) -> None:
        self._names, self._find = names, find

    def __getitem__(self, code: int) -> type[Table]:
        return self._find(self._names[code])

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def made(namespace: dict[str, Any], name: str) -> type[Table]:
    """The class that a module's function `_make_<name in lower case>` makes; it becomes the module's, the same one for all threads."""
    if name not in namespace:
        maker = namespace.get(f"_make_{name.lower()}")
        kind = None if maker is None else maker()
        if kind is None or kind.__name__ != name:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        kind.__qualname__ = name
        namespace.setdefault(name, kind)
    found: type[Table] = namespace[name]
    return found


def is_default(slot: Slot, value: Any) -> bool:
    """True for a value that a file leaves out."""
    if slot.kind in VECTORS_AS_LISTS or slot.kind is Kind.RAW:
        return len(value) == 0
    return value is None if slot.default is None else bool(value == slot.default)


def _copied(value: Any) -> Any:
    if isinstance(value, Table):
        return value.copy()
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def _brief(value: Any) -> str:
    if isinstance(value, Choice):
        return value.name
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, list):
        return f"[{', '.join(_brief(item) for item in value)}]"
    return repr(value)
