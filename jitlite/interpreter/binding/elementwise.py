"""Bindings of element-by-element arithmetic."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding import elementwise_q8, elementwise_q16, interpolation, lookup
from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.broadcast import ARITHMETIC, FLOATS, walk
from jitlite.interpreter.binding.fixed_point import product, reciprocal, wrapping_divide
from jitlite.interpreter.binding.registry import HostStep, Step, binds, kernels, no_kernel
from jitlite.interpreter.binding.widening import through_float32
from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.schemas.affine import activation_bounds, quantize_multiplier
from jitlite.schemas.dtypes import INTEGER_RANGE, numpy_dtype
from jitlite.schemas.ops.elementwise import (
    ABS,
    ADD,
    ADD_N,
    CEIL,
    COS,
    DIV,
    EXP,
    FLOOR,
    FLOOR_DIV,
    FLOOR_MOD,
    LOG,
    MAXIMUM,
    MINIMUM,
    MUL,
    NEG,
    POW,
    ROUND,
    RSQRT,
    SIGN,
    SIN,
    SQRT,
    SQUARE,
    SQUARED_DIFFERENCE,
    SUB,
)
from jitlite.schemas.ops.spec import Call, OpSpec, TensorInfo
from jitlite.schemas.tables import TensorType

UNARY = kernels("unary")
RARE = {"int": kernels("elementwise_int"), "i32": kernels("elementwise_i32"), "power": kernels("elementwise_power")}
"""Families compiled when a plan first needs them, not with every model that has such operators."""
T = TensorType

_FLOAT_MAX = float(np.finfo(np.float32).max)
_SUFFIXES = {T.FLOAT32: "f32", T.INT32: "i32", T.INT64: "i64", T.UINT32: "u32", T.INT16: "i16", T.INT8: "i8", T.UINT8: "u8"}
_UNARY_I32 = {"abs", "neg", "sign"}
_RARE_FLOATS = {"pow", "floor_mod"}
_UNUSED = np.zeros(2, np.int64)
_UNUSED_FLOATS = np.zeros(2, np.float64)


def _family(type: TensorType, kernel: str) -> kernels:
    """The family of a kernel of two operands, or of one integer."""
    if type is T.FLOAT32:
        return RARE["power"] if kernel in _RARE_FLOATS else FLOATS
    if type is T.INT16:
        return elementwise_q16.K
    return RARE["i32" if type is T.INT32 and kernel in _UNARY_I32 else "int"]


def _step(call: Call, kernel: str, settings: NDArray[Any] | None = None, a: TensorInfo | None = None, b: TensorInfo | None = None) -> Step:
    """A step of a plain kernel on the first two operands (or a and b), named with their type's suffix."""
    a, b = a or call.input(0), b or call.input(1)
    y, suffix = call.outputs[0], _SUFFIXES[a.type]
    if settings is None:
        settings = _UNUSED_FLOATS if a.type is T.FLOAT32 else _UNUSED
    family = _family(a.type, kernel)
    if kernel in ARITHMETIC.get(a.type, ()):
        settings = np.append(settings, settings.dtype.type(ARITHMETIC[a.type].index(kernel)))
        family, kernel = FLOATS if a.type is T.FLOAT32 else RARE["i32"], "arithmetic"
    return family.step(f"{kernel}_{suffix}", a=a, b=b, y=y, walk=walk(y.shape, a.shape, b.shape), settings=settings)


def _bounds(call: Call) -> NDArray[Any]:
    """Settings of the clamp: the fused activation's bounds within the type's finite range."""
    low, high = activation_bounds(call.options.fused_activation_function)
    if call.input(0).type is T.FLOAT32:
        return np.array([max(low, -_FLOAT_MAX), min(high, _FLOAT_MAX)], np.float64)
    limits = np.iinfo(numpy_dtype(call.input(0).type))
    least, most = int(limits.min), int(limits.max)
    return np.array([least if low == -math.inf else int(low), most if high == math.inf else int(high)], np.int64)


def _require_nonzero(b: TensorInfo, zero_point: int = 0) -> Step:
    if b.type in (T.INT8, T.UINT8):
        return lookup.K.step("require_other_than", x=b, value=zero_point & 255, count=b.size)
    return RARE["int"].step(f"require_nonzero_{_SUFFIXES[b.type]}", x=b, count=b.size)


@binds(ADD)
@through_float32
def add(call: Call) -> Step:
    return _sum(call, "add", 1)


@binds(SUB)
@through_float32
def sub(call: Call) -> Step:
    return _sum(call, "sub", -1)


def _sum(call: Call, kernel: str, sign: int) -> Step:
    if call.input(0).type in (T.FLOAT32, T.INT32, T.INT64):
        return _step(call, kernel, _bounds(call))
    if call.input(0).type in elementwise_q8.SUFFIXES:
        return elementwise_q8.sum_of(call, sign)
    if call.input(0).type is T.INT16:
        return elementwise_q16.sum_of(call, sign) if call.input(0).is_quantized else _step(call, kernel, _bounds(call))
    raise no_kernel(call, "FLOAT32, FLOAT16, INT32, INT64, INT16, INT8 and UINT8")


@binds(MUL)
@through_float32
def mul(call: Call) -> Step | HostStep:
    if call.input(0).type in (T.FLOAT32, T.INT32, T.INT64, T.UINT32):
        return _step(call, "mul", _bounds(call))
    if call.input(0).type in elementwise_q8.SUFFIXES:
        return elementwise_q8.product(call)
    if call.input(0).type is T.INT16:
        return elementwise_q16.product(call) if call.input(0).is_quantized else _step(call, "mul", _bounds(call))
    return computes(lambda operands: operands[0] * operands[1])


@binds(DIV)
def div(call: Call) -> list[Step]:
    b = call.input(1)
    if b.type is T.FLOAT32:
        return [_step(call, "div", _bounds(call))]
    if b.type is T.INT32:
        return [_require_nonzero(b), _step(call, "div", _bounds(call))]
    if b.type in elementwise_q8.SUFFIXES:
        return [_require_nonzero(b, b.zero_point), lookup.lookup_pair(call.input(0), b, call.outputs[0], _quotients(call))]
    if b.type is T.INT16:
        return [_require_nonzero(b), elementwise_q16.quotient(call)]
    raise no_kernel(call, "FLOAT32, INT32, INT8, UINT8, INT16")


def _quotients(call: Call) -> lookup.Integers:
    """Quotients of all pairs of bytes: a fixed-point reciprocal of the divisor times the dividend shifted left as far as it goes."""
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    real = float(lookup.scale_of(a) / (lookup.scale_of(b) * lookup.scale_of(y)))
    (mantissa, shift), zero_point, low, high = elementwise_q8.output(call, real)
    divisors = lookup.byte_values(b.type) - b.zero_point
    inverses = np.array([reciprocal(abs(divisor) or 1) for divisor in divisors.tolist()], np.int64)
    dividends = (lookup.byte_values(a.type) - a.zero_point)[:, None] * np.where(divisors < 0, -1, 1)
    headroom = 31 - np.frexp(np.where(dividends < 0, -dividends - 1, dividends))[1].astype(np.int64)
    quotients = product(product(dividends << headroom, inverses[:, 0]), mantissa)
    sums = wrapping_divide(quotients, inverses[:, 1] + headroom - shift) + zero_point
    found: lookup.Integers = np.clip(sums.astype(np.int32).astype(np.int64), low, high)
    return found


@binds(POW)
def power(call: Call) -> list[Step]:
    x, exponent, y = call.input(0), call.input(1), call.outputs[0]
    if exponent.type is T.INT32:
        return [RARE["int"].step("require_not_negative_i32", x=exponent, count=exponent.size), _step(call, "pow")]
    if exponent.size == 1 and x.size == y.size:
        return [RARE["power"].step("uniform_pow_f32", x=x, exponent=exponent, y=y, count=x.size)]
    return [_step(call, "pow")]


@binds(MINIMUM)
@through_float32
def minimum(call: Call) -> Step:
    return _extremum(call, "minimum")


@binds(MAXIMUM)
@through_float32
def maximum(call: Call) -> Step:
    return _extremum(call, "maximum")


def _extremum(call: Call, kernel: str) -> Step:
    if call.input(0).type not in _SUFFIXES:
        raise no_kernel(call, "FLOAT32, INT32, INT64, INT16, INT8, UINT8")
    return _step(call, kernel)


@binds(SQUARED_DIFFERENCE)
def squared_difference(call: Call) -> Step:
    if call.input(0).type is T.INT8:
        return elementwise_q8.squared_difference(call)
    return _step(call, "squared_difference")


@binds(FLOOR_DIV)
def floor_div(call: Call) -> list[Step]:
    if call.input(0).type not in (T.FLOAT32, T.INT32, T.INT16, T.INT8):
        raise no_kernel(call, "FLOAT32, INT32, INT16, INT8")
    return [_require_nonzero(call.input(1)), _step(call, "floor_div")]


@binds(FLOOR_MOD)
def floor_mod(call: Call) -> list[Step]:
    if call.input(0).type is T.FLOAT32:
        return [_step(call, "floor_mod")]
    if call.input(0).type not in (T.INT32, T.INT64, T.INT16, T.INT8):
        raise no_kernel(call, "FLOAT32, INT32, INT64, INT16, INT8")
    return [_require_nonzero(call.input(1)), _step(call, "floor_mod")]


@binds(ADD_N)
def add_n(call: Call) -> list[Step]:
    """Adds one operand after the other to the output."""
    y = call.outputs[0]
    infinite = np.array([-math.inf, math.inf], np.float64) if y.type is T.FLOAT32 else np.array(INTEGER_RANGE[T.INT32], np.int64)
    steps = [_step(call, "add", infinite)]
    steps += [_step(call, "add", infinite, a=y, b=call.input(index)) for index in range(2, len(call.inputs))]
    return steps


def _bind_unary(spec: OpSpec, kernel: str) -> None:
    """Binds an operator that has a kernel for float32 alone."""

    def bind(call: Call) -> Step:
        x = call.input(0)
        if x.type is not T.FLOAT32:
            raise no_kernel(call, "FLOAT32")
        return UNARY.step(f"{kernel}_f32", x=x, y=call.outputs[0], count=x.size)

    binds(spec)(through_float32(bind))


for _spec in (SQUARE, SIN, COS, FLOOR, CEIL, ROUND):
    _bind_unary(_spec, _spec.name.lower())


def _plain(call: Call, kernel: str) -> Step:
    x = call.input(0)
    family = UNARY if x.type is T.FLOAT32 else _family(x.type, kernel)
    return family.step(f"{kernel}_{_SUFFIXES[x.type]}", x=x, y=call.outputs[0], count=x.size)


@binds(SIGN)
def sign(call: Call) -> Step | HostStep:
    if call.input(0).type is T.FLOAT64:
        return computes(lambda operands: (operands[0] > 0).astype(np.float64) - (operands[0] < 0))
    return _plain(call, "sign")


@binds(NEG)
@through_float32
def neg(call: Call) -> Step:
    x = call.input(0)
    if x.type is T.INT8:
        # The reference negates the stored byte, whatever the zero point; -128 stays what it is.
        values = -lookup.byte_values(T.INT8)
        return lookup.lookup(x, call.outputs[0], np.where(values == 128, -128, values))
    if x.type is T.INT16:
        values = -interpolation.values()
        return interpolation.step(x, call.outputs[0], np.where(values == 32768, -32768, values))
    if x.type not in (T.FLOAT32, T.INT32, T.INT64):
        raise no_kernel(call, "FLOAT32, INT32, INT64, INT16, INT8")
    return _plain(call, "neg")


@binds(ABS)
def absolute(call: Call) -> Step:
    x, y = call.input(0), call.outputs[0]
    if x.type is T.INT8:
        values = np.abs(lookup.byte_values(T.INT8) - x.zero_point)
        same = lookup.scale_of(x) == lookup.scale_of(y)
        return lookup.lookup(x, y, values + y.zero_point if same else lookup.requantized(x, y, values))
    if x.type is T.INT16:
        values = np.abs(interpolation.values())
        if not x.is_quantized:
            return interpolation.step(x, y, values.astype(np.int16).astype(np.int64))
        same = lookup.scale_of(x) == lookup.scale_of(y)
        return interpolation.step(x, y, values if same else lookup.requantized(x, y, values))
    if x.type not in (T.FLOAT32, T.INT32):
        raise no_kernel(call, "FLOAT32, INT32, INT8")
    return _plain(call, "abs")


@binds(EXP)
def exp(call: Call) -> Step:
    return _real(call, "exp", lookup.in_float32(math.exp))


@binds(LOG)
def log(call: Call) -> Step:
    y = call.outputs[0]

    def function(x: lookup.Floats) -> lookup.Floats:
        least = np.float32(INTEGER_RANGE[y.type if y.is_quantized else T.INT8][0] - y.zero_point) * lookup.scale_of(y)
        return np.where(x <= 0, least, lookup.in_float32(math.log)(np.where(x <= 0, 1, x)))

    return _real(call, "log", function)


def _real(call: Call, kernel: str, function: Callable[[lookup.Floats], lookup.Floats]) -> Step:
    x = call.input(0)
    if x.type is T.INT8:
        return lookup.lookup_real(x, call.outputs[0], function)
    if x.type is T.INT16:
        return interpolation.real_function(x, call.outputs[0], function)
    if x.type is not T.FLOAT32:
        raise no_kernel(call, "FLOAT32, INT8")
    return _plain(call, kernel)


def _require_at_least_zero_point(x: TensorInfo) -> Step:
    return lookup.K.step(f"require_at_least_{_SUFFIXES[x.type]}", x=x, least=x.zero_point, count=x.size)


@binds(SQRT)
def sqrt(call: Call) -> list[Step]:
    x, y = call.input(0), call.outputs[0]
    if x.type is T.INT8:
        real = lookup.scale_of(x) * np.maximum(lookup.byte_values(T.INT8) - x.zero_point, 0).astype(np.float32)
        # The reference truncates here where other operators round.
        results = np.trunc(np.sqrt(real) / lookup.scale_of(y)).astype(np.float64).clip(0, 2**31).astype(np.int64) + y.zero_point
        return [_require_at_least_zero_point(x), lookup.lookup(x, y, results)]
    if x.type is T.INT16:
        real = lookup.scale_of(x) * np.maximum(interpolation.values(), 0).astype(np.float32)
        results = np.trunc(np.sqrt(real) / lookup.scale_of(y)).astype(np.float64).clip(0, 2**31).astype(np.int64)
        return [_require_at_least_zero_point(x), interpolation.step(x, y, results)]
    if x.type is not T.FLOAT32:
        raise no_kernel(call, "FLOAT32, INT8, INT16")
    return [_plain(call, "sqrt")]


@binds(RSQRT)
def rsqrt(call: Call) -> list[Step]:
    x, y = call.input(0), call.outputs[0]
    if x.type is T.INT8:
        product = float(np.sqrt(lookup.scale_of(x)) * lookup.scale_of(y))
        call.require(product > 0, f"scales whose product is above 0 in float32 are required, found {product}")
        real = 1.0 / product
        settings = np.array([x.zero_point, *quantize_multiplier(real), y.zero_point], np.int64)
        values, results = lookup.byte_values(T.INT8).astype(np.int8), np.zeros(256, np.int8)
        call_kernel("elementwise_q8", "rsqrt_table", x=values, y=results, count=256, settings=settings)
        return [_require_at_least_zero_point(x), lookup.lookup(x, y, results.astype(np.int64))]
    if x.type is T.INT16:
        return [_require_at_least_zero_point(x), interpolation.real_function(x, y, partial(_inverse_root, y))]
    if x.type is not T.FLOAT32:
        raise no_kernel(call, "FLOAT32, INT8, INT16")
    return [_plain(call, "rsqrt")]


def _inverse_root(y: TensorInfo, x: lookup.Floats) -> lookup.Floats:
    """1 / √x, the largest INT16 result where x is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.float32(1) / np.sqrt(x)
    found: lookup.Floats = np.where(x <= 0, np.float32(INTEGER_RANGE[T.INT16][1]) * lookup.scale_of(y), roots)
    return found
