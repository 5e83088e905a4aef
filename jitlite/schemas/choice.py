"""The base of the file format's enums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["Choice", "members"]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import IntEnum as Choice
else:

    class _ChoiceType(type):
        """Makes the numbers in a class body members of the class; two names of one number are one member."""

        BY_VALUE: Mapping[int, Choice]
        __members__: Mapping[str, Choice]

        def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            numbers = {key: value for key, value in body.items() if type(value) is int}
            made = super().__new__(mcs, name, bases, {key: value for key, value in body.items() if key not in numbers})
            by_value, members = {}, {}
            for key, value in numbers.items():
                member = by_value.get(value)
                if member is None:
                    member = by_value[value] = int.__new__(made, value)
                    member.__dict__.update(name=key, value=value)
                members[key] = member
                type.__setattr__(made, key, member)
            type.__setattr__(made, "BY_VALUE", by_value)
            type.__setattr__(made, "__members__", members)
            return made

        def __call__(cls, value: int) -> Choice:
            """The member with a number; ValueError where there is none."""
            try:
                return cls.BY_VALUE[value]
            except KeyError:
                raise ValueError(f"{value!r} is not a valid {cls.__name__}") from None

        def __getitem__(cls, name: str) -> Choice:
            """The member with a name; KeyError where there is none."""
            return cls.__members__[name]

        def __iter__(cls) -> Iterator[Choice]:
            return iter(cls.BY_VALUE.values())

        def __len__(cls) -> int:
            return len(cls.BY_VALUE)

        def __contains__(cls, value: object) -> bool:
            return value in cls.BY_VALUE

        def __setattr__(cls, name: str, value: object) -> NoReturn:
            raise AttributeError(f"{cls.__name__} is read-only")

    class Choice(int, metaclass=_ChoiceType):
        """What `enum.IntEnum` is, as far as it is needed here; hundreds of members are made in a tenth of the time."""

        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise AttributeError(f"{self!r} is read-only")

        def __repr__(self) -> str:
            return f"<{type(self).__name__}.{self.name}: {self.value}>"

        __str__ = int.__repr__

        def __reduce_ex__(self, protocol: Any) -> tuple[type, tuple[int]]:
            return type(self), (self.value,)


def members(kind: type[Choice]) -> Mapping[int, Choice]:
    """The members of an enum by their numbers."""
    found: Mapping[int, Choice] = kind.BY_VALUE  # type: ignore[attr-defined]
    return found
