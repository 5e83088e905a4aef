"""Certificates that a line over two bytes gives the reference's quantized sums.

The reference brings both operands to a common scale in fixed point, adds and rescales, and rounds five times. A line rounds once: it has
slopes A and B and a constant C, such that (a · A + b · B + C) >> bits is the result for each of the 65536 pairs of bytes, before the clamp.
Where one C does not do for all bytes a, a table may say what to add to it.
"""

from typing import Any

from jitlite.interpreter.kernels.abi import i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.requantize import narrow, requantize, wide

_BYTES = 256
_FAR = 1 << 60


@inline
def _bounds(results: i32p, product: i64, b_first: i64, slope: i64, bits: i64, low: i64, high: i64) -> Any:
    """The least and the greatest constant that give the results of one row of pairs, whose other product is `product`."""
    least, most = wide(-_FAR), wide(_FAR)
    for j in range(_BYTES):
        total = product + (b_first + j) * slope
        step = wide(results[j])
        least = max(least, (step << bits) - total if step > low else wide(-_FAR))
        most = min(most, ((step + wide(1)) << bits) - wide(1) - total if step < high else wide(_FAR))
    return least, most


@kernel
def fit_sums(
    a_values: i32p,
    b_values: i32p,
    results: i32p,
    settings: i64p,
    slopes: i64p,
    constants: i64p,
    count: i64,
    bits: i64,
    first: i64,
    thread: i64,
    threads: i64,
) -> None:
    """Writes the least and the greatest constant for each of `count` pairs of slopes and each byte a, as [count, 256, 2].

    `a_values` and `b_values` are what the bytes from `first` on stand for on the common scale; settings [multiplier, zero point, low, high]
    make results of their sums. `results` has room for 256 of them. Where the least constant is above the greatest, none fits.
    """
    if thread > 0:
        return
    mantissa, shift = narrow(settings[0]), narrow(settings[1])
    zero_point, low, high = narrow(settings[2]), narrow(settings[3]), narrow(settings[4])
    for i in range(_BYTES):
        for j in range(_BYTES):
            results[j] = requantize(narrow(a_values[i] + b_values[j]), mantissa, shift, zero_point, low, high)
        for option in range(count):
            product, place = (first + i) * slopes[2 * option], 2 * (_BYTES * option + i)
            least, most = _bounds(results, product, first, slopes[2 * option + 1], bits, settings[3], settings[4])
            constants[place], constants[place + 1] = least, most
