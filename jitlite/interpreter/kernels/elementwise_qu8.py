"""Element-by-element arithmetic on uint8 with scales: `elementwise_q8` for the older of the two 8-bit types."""

from jitlite.interpreter.kernels.abi import u8p
from jitlite.interpreter.kernels.elementwise_q8 import arithmetic

arithmetic(__name__, "qu8", u8p)
