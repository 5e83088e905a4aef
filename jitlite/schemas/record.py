"""Records: classes of named fields for modules that a process loads before its first inference.

They do what dataclasses do without compiling methods for every class at import: with two dozen classes that would be a third of the time
such a process needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

R = TypeVar("R", bound="Record")


@dataclass_transform(eq_default=False, frozen_default=True)
class Record:
    """A value with the fields its class annotates, by place or by name; the annotated defaults are shared between instances.

    Fields are read-only unless the class is defined with `frozen=False`. Two records are equal only if they are the same object.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ()
    NAMES: ClassVar[frozenset[str]] = frozenset()
    DEFAULTS: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, frozen: bool = True) -> None:
        own, names = vars(cls), tuple(cls.__annotations__)
        cls.FIELDS = (*cls.FIELDS, *names)
        cls.NAMES = frozenset(cls.FIELDS)
        cls.DEFAULTS = {**cls.DEFAULTS, **{name: own[name] for name in names if name in own}}
        if not frozen:
            cls.__setattr__ = object.__setattr__  # type: ignore[method-assign,assignment]

    def __init__(self, *values: Any, **named: Any) -> None:
        own, fields = self.__dict__, self.FIELDS
        own.update(self.DEFAULTS)
        if values:
            own.update(zip(fields, values))
        if named:
            own.update(named)
        is_twice = values and named and not named.keys().isdisjoint(fields[: len(values)])
        if is_twice or len(values) > len(fields) or own.keys() != self.NAMES:
            found = ", ".join([f"{len(values)} by place", *named])
            raise TypeError(f"{type(self).__name__}: the fields {', '.join(fields)} are required, found {found}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is read-only")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in self.FIELDS)})"


def replace(record: R, /, **changes: Any) -> R:
    """A record like `record` but for the fields in `changes`."""
    found = record.__class__.__new__(record.__class__)
    own = found.__dict__
    own.update(record.__dict__)
    own.update(changes)
    if own.keys() != record.NAMES:
        raise TypeError(f"{type(record).__name__}: fields among {', '.join(record.FIELDS)} are required, found {', '.join(changes)}")
    return found
