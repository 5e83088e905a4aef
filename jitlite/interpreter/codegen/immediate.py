"""Calls kernels at once on arrays, for constants that are made while a model is planned."""

import ctypes
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.codegen.library import loaded
from jitlite.interpreter.memory import IS_GUARDED

_Entry = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def run_kernel(family: str, kernel: str, arguments: Mapping[str, NDArray[Any] | int | float]) -> int:
    """Runs a kernel to its end and returns its status; arguments by the names of its parameters, arrays contiguous."""
    library = loaded(family)
    declared = library.parameters[kernel]
    assert len(declared) == len(arguments), f"{family}.{kernel}: parameters {declared}, arguments {list(arguments)}"
    words: list[int] = []
    for name, storage in declared:
        argument = arguments[name]
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous, f"{family}.{kernel}: '{name}' is to be contiguous"
            words.append(argument.ctypes.data)
        else:
            words.append(struct.unpack("<q", struct.pack("<d", argument))[0] if storage == "float" else int(argument))
    block = (ctypes.c_int64 * len(words))(*words)
    if IS_GUARDED:
        from jitlite.interpreter.guard import IS_CHECKED, allowed

        if IS_CHECKED:
            with allowed([argument for argument in arguments.values() if isinstance(argument, np.ndarray)]):
                return int(_Entry(library.addresses[kernel])(ctypes.addressof(block), 0, 1))
    return int(_Entry(library.addresses[kernel])(ctypes.addressof(block), 0, 1))


def call_kernel(family: str, kernel: str, /, **arguments: NDArray[Any] | int | float) -> None:
    """The same for a kernel that cannot fail."""
    status = run_kernel(family, kernel, arguments)
    assert status == 0, f"{family}.{kernel}: status {status}"
