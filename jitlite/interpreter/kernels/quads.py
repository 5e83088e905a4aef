"""Products of INT8 values in quads: four neighbours in depth at a time.

A packed INT8 panel holds for every run of `depth` channels one level of COLUMNS int32, minus 128 times the sum of each column's weights,
then its quads: COLUMNS times four weights, zeros behind the last channel. A level of either kind is 4 · COLUMNS bytes.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.kernels.abi import i8p, i32, i64, inline
from jitlite.interpreter.kernels.vectors import LANES, Lanes

_I32 = ir.IntType(32)
_INTEGERS = Lanes(types.int32)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_words(typing: Any, pointer: Any, at: Any) -> Any:
    """LANES int32 from byte `at` of an int8 pointer on."""
    if getattr(pointer, "dtype", None) != types.int8:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = ir.VectorType(_I32, LANES)
        place = builder.gep(values[0], [values[1]], source_etype=ir.IntType(8))
        return builder.load(builder.bitcast(place, vector.as_pointer()), typ=vector, align=1)

    return _INTEGERS(pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_quad(typing: Any, pointer: Any, at: Any) -> Any:
    """The four int8 from index `at` on as one int32, the first in its low byte."""
    if getattr(pointer, "dtype", None) != types.int8:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = builder.gep(values[0], [values[1]], source_etype=ir.IntType(8))
        return builder.load(builder.bitcast(place, _I32.as_pointer()), typ=_I32, align=1)

    return types.int32(pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def dot4(typing: Any, total: Any, quad: Any, weights: Any) -> Any:
    """`jitlite.interpreter.codegen.isa`'s jitlite.dot4."""
    if not total == weights == _INTEGERS or quad != types.int32:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = ir.VectorType(_I32, LANES)
        kind = ir.FunctionType(vector, [vector, _I32, vector])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "jitlite.dot4"), values)

    return _INTEGERS(total, types.int32, weights), generate


_word: Any = np.int32


@inline
def gather_quad(row: i8p, k: i64, step: i64, depth: i64) -> i32:
    """The quad of the values k, k + 1, ... of a row, `step` apart, with zeros from `depth` on."""
    quad: int = _word(0)
    for byte in range(min(4, depth - k)):
        quad = _word(quad | _word((_word(row[(k + byte) * step]) & 255) << _word(8 * byte)))
    return quad
