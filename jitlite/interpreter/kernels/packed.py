"""Integers of 2 and 4 bits, several to a byte, the first in its lowest bits."""

from jitlite.interpreter.kernels.abi import i8p, i64, kernel, span, u8p
from jitlite.interpreter.kernels.requantize import wide


@kernel
def unpack_bits(x: u8p, y: i8p, count: i64, bits: i64, is_signed: i64, thread: i64, threads: i64) -> None:
    start, stop = span(count, thread, threads)
    per_byte, mask = 8 // bits, (1 << bits) - 1
    sign = (1 << (bits - 1)) if is_signed else 0
    for i in range(start, stop):
        field = (wide(x[i // per_byte]) >> (i % per_byte * bits)) & mask
        y[i] = (field ^ sign) - sign


@kernel
def pack_bits(x: i8p, y: u8p, count: i64, bits: i64, thread: i64, threads: i64) -> None:
    """Keeps the lowest bits of each of `count` numbers; what is left of the last byte is 0."""
    per_byte, mask = 8 // bits, (1 << bits) - 1
    start, stop = span((count + per_byte - 1) // per_byte, thread, threads)
    for at in range(start, stop):
        byte = wide(0)
        for place in range(min(per_byte, count - at * per_byte)):
            byte |= (wide(x[at * per_byte + place]) & mask) << (place * bits)
        y[at] = byte
