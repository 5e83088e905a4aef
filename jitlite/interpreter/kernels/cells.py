"""The words of a variable's cell, which says what the variable holds; kernels and the run-time side share them."""

ADDRESS = 0
"""Where the value lies; room for the largest value any step assigns."""
N_BYTES = 1
"""The value's size; below 0 before the first assignment."""
TYPE = 2
RANK = 3
DIMS = 4
"""The first of MOST_DIMS dimensions."""
MOST_DIMS = 8
WORDS = DIMS + MOST_DIMS
