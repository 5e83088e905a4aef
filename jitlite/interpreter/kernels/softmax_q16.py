"""Softmax of int16 rows, as the reference computes it from two interpolated tables."""

from jitlite.interpreter.kernels.abi import i16p, i64, kernel, span
from jitlite.interpreter.kernels.fixed_point import leading_zeros
from jitlite.interpreter.kernels.requantize import wide


@kernel
def softmax_16(x: i16p, y: i16p, rows: i64, depth: i64, exponentials: i16p, inverses: i16p, thread: i64, threads: i64) -> None:
    """`exponentials` are Q0.15 by how far an element lies below its row's largest; `inverses` are 1 / (1 + x), of 65536 x from 0 to 1."""
    start, stop = span(rows, thread, threads)
    for row in range(start, stop):
        at = row * depth
        largest = wide(x[at])
        for c in range(1, depth):
            largest = max(largest, wide(x[at + c]))
        total = wide(0)
        for c in range(depth):
            total += wide(exponentials[largest - x[at + c]])
        total = min(total, wide((1 << 31) - 1))
        zeros = leading_zeros(total)
        fraction = ((total << (zeros - 1)) + wide(1 << 13)) >> wide(14)
        inverse = wide(inverses[min(max(fraction - (1 << 16), 0), (1 << 16) - 1)])
        shift = wide(31 - zeros)
        for c in range(depth):
            product = wide(exponentials[largest - x[at + c]]) * inverse + (wide(1) << (shift - wide(1)))
            y[at + c] = min(max(product >> shift, 0), 32767)
