"""Functions of float32 vectors that the target does best: `jitlite.interpreter.codegen.isa_real` says what each computes."""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.codegen.isa_real import ENTRY, EXPONENT, FUSED, INVERSE_ROOT, QUOTIENT, ROOT, SCALE, SIGNIFICAND, WHOLE
from jitlite.interpreter.kernels.vectors import LANES, Lanes

_FLOATS, _INTEGERS = Lanes(types.float32), Lanes(types.int32)


def _calls(name: str, operands: int, result: Lanes = _FLOATS) -> Callable[..., Any]:
    def typed(*args: Any) -> Any:
        if any(argument != _FLOATS for argument in args):
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            vector = ir.VectorType(ir.FloatType(), LANES)
            found = ir.VectorType(context.get_value_type(result.element), LANES)
            kind = ir.FunctionType(found, [vector] * len(values))
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

        return result(*args), generate

    def of_one(typing: Any, x: Any) -> Any:
        return typed(x)

    def of_two(typing: Any, a: Any, b: Any) -> Any:
        return typed(a, b)

    def of_three(typing: Any, a: Any, b: Any, c: Any) -> Any:
        return typed(a, b, c)

    made: Callable[..., Any] = intrinsic((of_one, of_two, of_three)[operands - 1])
    return made


scale = _calls(SCALE, 2)
significand = _calls(SIGNIFICAND, 1)
exponent = _calls(EXPONENT, 2)
quotient = _calls(QUOTIENT, 2)
root = _calls(ROOT, 1)
inverse_root = _calls(INVERSE_ROOT, 1)
fused = _calls(FUSED, 3)
whole = _calls(WHOLE, 1, _INTEGERS)


def table(numbers: Sequence[float]) -> Callable[..., Any]:
    """A function that looks int32 vectors up in 32 float32: each lane's low five bits say which."""
    low, high = (
        ir.Constant(ir.VectorType(ir.FloatType(), LANES), [float(number) for number in half]) for half in (numbers[:16], numbers[16:])
    )

    def entry(typing: Any, places: Any) -> Any:
        if places != _INTEGERS:
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FunctionType(low.type, [low.type, low.type, values[0].type])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, ENTRY), [low, high, values[0]])

        return _FLOATS(places), generate

    made: Callable[..., Any] = intrinsic(entry)
    return made
