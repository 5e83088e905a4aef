"""Numbers of 8 bits, sign, exponent and fraction, in arithmetic on float32 and int32: CAST of LiteRT does not know these types."""

from dataclasses import dataclass

import numpy as np

from jitlite.converter.element_types import FLOAT8E4M3FN, FLOAT8E5M2
from jitlite.converter.graph import Value
from jitlite.converter.lowerings.context import Context
from jitlite.schemas.ops.comparison import GREATER, LESS, NOT_EQUAL, SELECT_V2
from jitlite.schemas.ops.elementwise import ADD, FLOOR_DIV, FLOOR_MOD, MINIMUM, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.tables import GatherOptions

FLOAT32_BIAS, FLOAT32_FRACTION = 127, 23


@dataclass(frozen=True, slots=True)
class Format:
    """How many bits the fraction has, the exponent's bias, and the patterns of the largest number, what lies beyond it, and NaN."""

    fraction: int
    bias: int
    largest: int
    beyond: int
    nan: int

    @property
    def subnormals(self) -> float:
        """How many of the smallest number make one."""
        return 2.0 ** (self.bias - 1 + self.fraction)


FLOAT8 = {FLOAT8E4M3FN: Format(3, 7, 0x7E, 0x7F, 0x7F), FLOAT8E5M2: Format(2, 15, 0x7B, 0x7C, 0x7E)}


def decoded(ctx: Context, patterns: Value, dtype: np.dtype) -> Value:
    """The float32 numbers that INT32 patterns stand for."""
    table = np.arange(256, dtype=np.uint8).view(dtype).astype(np.float32)
    return ctx.op(GATHER, ctx.constant(table), patterns, options=GatherOptions(axis=0))


def encoded(ctx: Context, size: Value, bits: Value, subnormal: Value, form: Format, saturate: bool) -> Value:
    """INT32 patterns of positive float32 numbers, given their own bits and how many times the smallest number they are, rounded.

    Rounding is to even: half a step less one is added, and one more where the last bit that stays is odd.
    """
    unit = 1 << (FLOAT32_FRACTION - form.fraction)
    odd = ctx.binary(FLOOR_MOD, ctx.binary(FLOOR_DIV, bits, unit), 2)
    rounded = ctx.binary(FLOOR_DIV, ctx.op(ADD, ctx.binary(ADD, bits, unit // 2 - 1), odd), unit)
    normal = ctx.binary(SUB, rounded, (FLOAT32_BIAS - form.bias) << form.fraction)
    code = ctx.op(SELECT_V2, ctx.binary(LESS, size, 2.0 ** (1 - form.bias)), subnormal, normal)
    if saturate:
        code = ctx.binary(MINIMUM, code, form.largest)
    else:
        code = ctx.op(SELECT_V2, ctx.binary(GREATER, code, form.largest), ctx.like(code, form.beyond), code)
    return ctx.op(SELECT_V2, ctx.op(NOT_EQUAL, size, size), ctx.like(code, form.nan), code)
