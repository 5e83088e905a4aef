"""Compiles the Numba functions of custom operators into kernels that step tables call like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import DTypeLike, NDArray

from jitlite.interpreter.guard import IS_CHECKED

RAISED = 64
"""The status of a kernel whose function raised an exception."""

Operand = tuple[DTypeLike, int, bool] | None
"""Element type and rank of an array, and whether the function may write it; None for an absent operand."""


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def _pointer(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def _real(typing: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.DoubleType())

    return types.float64(types.int64), generate


class UserKernel:
    """A compiled function of arrays and options.

    Its argument block has, array by array, the address and the dimensions, then the options that are numbers. It may be used where a
    loaded library is: `parameters` and `addresses` have the one kernel "call".
    """

    def __init__(
        self, function: Callable[..., Any], operands: Sequence[Operand], options: Sequence[Any], settings: Mapping[str, Any]
    ) -> None:
        self._operands = operands
        python, settings = _settings(function, {"boundscheck": True, **settings} if IS_CHECKED else settings)
        self._function = numba.njit([self._signature(options)], **settings)(python)
        names, source, constants = self._entry(options)
        space = {"function": self._function, "carray": numba.carray, "pointer": _pointer, "real": _real, **constants}
        exec(source, space)  # the text is made of numbers and names of this module's own
        self._entry_point = numba.cfunc(types.int32(types.CPointer(types.int64), types.int64, types.int64))(space["entry"])
        self.parameters = {"call": names}
        self.addresses = {"call": int(self._entry_point.address)}

    def _signature(self, options: Sequence[Any]) -> Any:
        """The types of the function's arguments; what is not an output cannot be assigned to."""
        found = []
        for operand in self._operands:
            if operand is None:
                found.append(types.none)
            else:
                dtype, rank, is_written = operand
                found.append(types.Array(numba.from_dtype(np.dtype(dtype)), rank, "C", readonly=not is_written))
        return types.void(*found, *map(_option_type, options))

    def _entry(self, options: Sequence[Any]) -> tuple[list[tuple[str, str]], str, dict[str, Any]]:
        """Names and storage of the block's words, the text of the function that unpacks it, and the constants that the text names."""
        names: list[tuple[str, str]] = []
        constants: dict[str, Any] = {}
        arguments = []
        for number, operand in enumerate(self._operands):
            if operand is None:
                arguments.append("None")
                continue
            dtype, rank, _ = operand
            constants[f"type{number}"] = np.dtype(dtype).type
            at = len(names)
            names += [(f"array{number}", "pointer"), *((f"array{number}_{axis}", "int") for axis in range(rank))]
            dims = "".join(f"block[{at + 1 + axis}], " for axis in range(rank))
            arguments.append(f"carray(pointer(block[{at}]), ({dims}), type{number})")
        for number, value in enumerate(options):
            if _is_number(value):
                word = f"block[{len(names)}]"
                arguments.append(f"real({word})" if isinstance(value, float) else word)
                names.append((f"option{number}", "float" if isinstance(value, float) else "int"))
            else:
                constants[f"option{number}"] = value
                arguments.append(f"option{number}")
        lines = ["def entry(block, thread, threads):", "    if thread != 0:", "        return 0", "    try:"]
        lines += [f"        function({', '.join(arguments)})", "    except Exception:", f"        return {RAISED}", "    return 0"]
        return names, "\n".join(lines), constants

    def arguments(self, tensors: Sequence[Any], options: Sequence[Any]) -> dict[str, Any]:
        """A step's arguments for tensors of the operands, None for absent ones, and options of the types it was compiled for."""
        found: dict[str, Any] = {}
        for number, tensor in enumerate(tensors):
            if tensor is not None:
                found[f"array{number}"] = tensor
                found |= {f"array{number}_{axis}": size for axis, size in enumerate(tensor.shape)}
        return found | {f"option{number}": value for number, value in enumerate(options) if _is_number(value)}

    def exception(self, arrays: Sequence[NDArray[Any]], options: Sequence[Any]) -> Exception | None:
        """What the function raises for arrays of the operands that are present: it is called again, from Python."""
        present = iter(arrays)
        try:
            self._function(*(None if operand is None else next(present) for operand in self._operands), *options)
        except Exception as error:
            return error
        return None


def _settings(function: Callable[..., Any], settings: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The Python function and what `njit` is called with; a function that `njit` made keeps its settings."""
    python = getattr(function, "py_func", None)
    if python is None:
        return function, dict(settings)
    own = {name: value for name, value in getattr(function, "targetoptions", {}).items() if name != "nopython"}
    if type(getattr(function, "_cache", None)).__name__ == "FunctionCache":
        own["cache"] = True
    return python, own | dict(settings)


def _is_number(value: Any) -> bool:
    """True for options that a step's argument block holds; others are compiled in."""
    return type(value) in (int, float)


def _option_type(value: Any) -> Any:
    return types.unliteral(numba.typeof(value)) if type(value) is not int else types.int64


_compiled: dict[tuple[Any, ...], UserKernel] = {}


def compile_kernel(
    function: Callable[..., Any], operands: Sequence[Operand], options: Sequence[Any], settings: Mapping[str, Any]
) -> UserKernel:
    """The kernel of a function for operands of these types; those of the same function and types are compiled once.

    Numbers among the options are not compiled in. Whatever Numba raises where the function does not compile passes.
    """
    shown = [None if item is None else (np.dtype(item[0]).str, *item[1:]) for item in operands]
    key = (function, repr((shown, [type(item) if _is_number(item) else (type(item), item) for item in options], sorted(settings.items()))))
    if key not in _compiled:
        _compiled[key] = UserKernel(function, operands, options, settings)
    return _compiled[key]
