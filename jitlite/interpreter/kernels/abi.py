"""The language kernels are written in: pointer and scalar types, the `kernel` and `inline` decorators, work splitting.

A kernel is a plain function whose parameters are annotated with the types below and end in `thread: i64, threads: i64`. Compiled, it has
the C ABI `i32 kernel(i64 *arguments, i64 thread, i64 threads)`: pointers and integers are stored as int64, floating-point numbers as the
bits of a float64, in parameter order. It returns a `Status` or nothing, which means success.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, Any, Generic, TypeVar, overload

import numba

Element = TypeVar("Element", int, float)
Function = TypeVar("Function", bound=Callable[..., Any])


class Pointer(Generic[Element]):
    """The type of a pointer to machine numbers; it exists for annotations and type checkers only."""

    def __getitem__(self, index: int) -> Element:
        raise NotImplementedError("kernels run compiled")

    def __setitem__(self, index: int, value: Element) -> None:
        raise NotImplementedError("kernels run compiled")


i8p = Annotated[Pointer[int], "int8"]
u8p = Annotated[Pointer[int], "uint8"]
i16p = Annotated[Pointer[int], "int16"]
u16p = Annotated[Pointer[int], "uint16"]
i32p = Annotated[Pointer[int], "int32"]
u32p = Annotated[Pointer[int], "uint32"]
i64p = Annotated[Pointer[int], "int64"]
u64p = Annotated[Pointer[int], "uint64"]
f32p = Annotated[Pointer[float], "float32"]
f64p = Annotated[Pointer[float], "float64"]
i32 = Annotated[int, "int32"]
i64 = Annotated[int, "int64"]
f32 = Annotated[float, "float32"]
f64 = Annotated[float, "float64"]


class Status(IntEnum):
    """What a kernel returns; every value but OK stops the plan and becomes an ExecutionError with the text in `STATUS_TEXT`."""

    OK = 0
    INDEX_OUT_OF_RANGE = 1
    DIVISION_BY_ZERO = 2
    STEP_BUDGET_SPENT = 3
    BAD_VALUE = 4
    NO_VALUE = 5


KERNELS: dict[str, dict[str, Callable[..., Any]]] = {}
"""Kernels by module name, then by kernel name, in the order of their definition."""


@overload
def kernel(function: Function) -> Function: ...
@overload
def kernel(*, name: str = "", fastmath: frozenset[str] = frozenset()) -> Callable[[Function], Function]: ...
def kernel(function: Any = None, *, name: str = "", fastmath: frozenset[str] = frozenset()) -> Any:
    """Marks a function as a kernel of its module's family.

    `name` renames it, for kernels made by a factory function; `fastmath` lists LLVM fast-math flags to compile it with, such as "contract".
    """

    def register(target: Any) -> Any:
        target.fastmath = fastmath
        family = KERNELS.setdefault(target.__module__, {})
        exported = name or target.__name__
        assert exported not in family, f"kernel {exported} is defined twice"
        family[exported] = target
        return target

    return register(function) if function is not None else register


def inline(function: Function) -> Function:
    """Makes a function callable from kernels and from other such functions."""
    compiled: Function = numba.njit(error_model="numpy", nogil=True, forceinline=False)(function)
    return compiled


@inline
def span(count: int, thread: int, threads: int) -> tuple[int, int]:
    """The part [start, stop) of `count` work items that belongs to `thread` of `threads`."""
    return count * thread // threads, count * (thread + 1) // threads
