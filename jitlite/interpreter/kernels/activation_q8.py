"""The normalisations along the last dimension on int8, in the reference's fixed point.

Tables depend on how far an element lies below its row's largest, 0 … 255.
"""

from typing import Annotated, Any

from jitlite.interpreter.kernels.abi import Pointer, i8p, i16p, i32p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.elements import specialise
from jitlite.interpreter.kernels.fixed_point import inverse_square_root, logarithm, product, reciprocal, rounding_divide
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, requantize

yp = Annotated[Pointer[int], "result"]
"""Placeholder: a pointer to the results."""

_SUM_BITS = 12
_LOG_BITS = 22
_LARGEST_SUM = (1 << 31) - 1
_NORM_BITS = 7


@inline
def _largest(x: Any, start: int, depth: int) -> Any:
    found = -128
    for i in range(start, start + depth):
        found = max(found, x[i])
    return found


@inline
def _sum_of_weights(x: Any, start: int, depth: int, largest: int, weights: Any) -> Any:
    total = 0
    for i in range(start, start + depth):
        total += weights[largest - x[i]]
    return min(total, _LARGEST_SUM)


def _softmax(x: i8p, y: yp, rows: i64, depth: i64, exponentials: i32p, weights: i32p, bits: i64, thread: i64, threads: i64) -> None:
    """`exponentials` in Q0.31, -1 for those too small to count; `weights` the same in Q12.19, 0 for those; results have `bits`."""
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    first, last = span(rows, thread, threads)
    for row in range(first, last):
        start = row * depth
        largest = _largest(x, start, depth)
        inverse, exponent = reciprocal(_sum_of_weights(x, start, depth, largest, weights), _SUM_BITS)
        for i in range(start, start + depth):
            exponential = exponentials[largest - x[i]]
            scaled = rounding_divide(product(inverse, exponential), exponent + 31 - bits) + least
            y[i] = least if exponential < 0 else min(scaled, most)


specialise(_softmax, "softmax_q8", {yp: i8p})
specialise(_softmax, "softmax_q8_q16", {yp: i16p})


@kernel
def log_softmax_q8(x: i8p, y: i8p, rows: i64, depth: i64, scaled: i32p, weights: i32p, settings: i64p, thread: i64, threads: i64) -> None:
    """`scaled` are the differences in Q5.26, `weights` their exponentials in Q12.19; settings [least difference, multiplier back]."""
    least, mantissa, shift = settings[0], settings[1], settings[2]
    first, last = span(rows, thread, threads)
    for row in range(first, last):
        start = row * depth
        largest = _largest(x, start, depth)
        log_sum = logarithm(_sum_of_weights(x, start, depth, largest, weights))
        reach = multiply_by_quantized_multiplier(narrow(log_sum - (1 << 31)), mantissa, shift)
        bound = max(least - 1, reach)
        for i in range(start, start + depth):
            difference = x[i] - largest
            value = rounding_divide(scaled[-difference] - log_sum, _LOG_BITS) + 127
            y[i] = min(max(value, -128), 127) if difference > bound else -128


@kernel
def l2_normalization_q8(x: i8p, y: i8p, rows: i64, depth: i64, zero_point: i64, thread: i64, threads: i64) -> None:
    first, last = span(rows, thread, threads)
    for row in range(first, last):
        start = row * depth
        total = 0
        for i in range(start, start + depth):
            total += (x[i] - zero_point) * (x[i] - zero_point)
        mantissa, shift = inverse_square_root(min(total, _LARGEST_SUM))
        for i in range(start, start + depth):
            y[i] = requantize(narrow(x[i] - zero_point), mantissa, shift + _NORM_BITS, 0, -128, 127)
