"""Kernels written once for several element types: copies of a function whose placeholder parameters point to real types."""

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Annotated, Any

from jitlite.interpreter.kernels.abi import Pointer, i32p, i64p, kernel, u8p, u16p, u32p, u64p

xp = Annotated[Pointer[int], "element"]
"""Placeholder: a pointer to elements of the size or type a kernel is made for."""

ip = Annotated[Pointer[int], "index"]
"""Placeholder: a pointer to indices."""

SIZES: Mapping[str, Any] = {"x8": u8p, "x16": u16p, "x32": u32p, "x64": u64p}
"""Pointers to elements that are only moved, by the suffix of the kernels' names."""

INDICES: Mapping[str, Any] = {"i32": i32p, "i64": i64p}


def specialise(function: Callable[..., Any], name: str, pointers: Mapping[Any, Any]) -> None:
    """Registers the kernel `name`: `function` with its placeholder parameters replaced as `pointers` says."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    copy.__qualname__ = name
    copy.__module__ = function.__module__
    copy.__annotations__ = {parameter: pointers.get(hint, hint) for parameter, hint in function.__annotations__.items()}
    kernel(copy)


def by_element_size(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the kernels NAME_x8, NAME_x16, NAME_x32 and NAME_x64, for each type of index too where the function has `ip` parameters."""
    for suffix, pointer in SIZES.items():
        if ip in function.__annotations__.values():
            for index_suffix, index_pointer in INDICES.items():
                specialise(function, f"{function.__name__}_{suffix}_{index_suffix}", {xp: pointer, ip: index_pointer})
        else:
            specialise(function, f"{function.__name__}_{suffix}", {xp: pointer})
    return function
