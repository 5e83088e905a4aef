"""Calls kernels at once on arrays, for constants that are made while a model is planned."""

import ctypes
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.codegen.library import load

_Entry = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def call_kernel(family: str, kernel: str, /, **arguments: NDArray[Any] | int | float) -> None:
    """Runs a kernel that cannot fail to its end; arguments by the names of its parameters, arrays contiguous."""
    library = load([family])[family]
    declared = library.parameters[kernel]
    assert {name for name, _ in declared} == set(arguments), f"{family}.{kernel}: parameters {declared}, arguments {list(arguments)}"
    block = np.zeros(max(1, len(declared)), np.int64)
    for i, (name, storage) in enumerate(declared):
        argument = arguments[name]
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous, f"{family}.{kernel}: '{name}' is to be contiguous"
            block[i] = argument.ctypes.data
        else:
            block[i] = struct.unpack("<q", struct.pack("<d", argument))[0] if storage == "float" else argument
    status = _Entry(library.addresses[kernel])(block.ctypes.data, 0, 1)
    assert status == 0, f"{family}.{kernel}: status {status}"
