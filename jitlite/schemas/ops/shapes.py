"""Shape arithmetic several operator families share: sliding windows and broadcasting. Python integers throughout, so nothing overflows."""

from jitlite.schemas.ops.spec import Call, Shape
from jitlite.schemas.tables import Padding

MAX_STEP = 2**24
"""Largest stride, dilation and window accepted, far above real models; kernels multiply these by tensor indices in int64."""


def effective_size(window: int, dilation: int = 1) -> int:
    """Input elements a dilated window spans, from its first tap to its last."""
    return (window - 1) * dilation + 1


def output_size(call: Call, padding: Padding, size: int, window: int, stride: int, dilation: int = 1) -> int:
    """Output elements along one axis: ceil(size / stride) for SAME, the positions where the whole window fits for VALID.

    InvalidModelError when a VALID window is larger than the input.
    """
    if padding == Padding.SAME:
        return -(-size // stride)
    span = effective_size(window, dilation)
    call.require(span <= size, f"a VALID window of at most {size} elements is required, found {span}")
    return (size - span) // stride + 1


def same_padding(size: int, output: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Elements of padding (before, after) along one axis so that `output` windows fit; the odd one goes after.

    With the output size of VALID padding the result is (0, 0).
    """
    total = max(0, (output - 1) * stride + effective_size(window, dilation) - size)
    return total // 2, total - total // 2


def check_steps(call: Call, limit: int = MAX_STEP, **steps: int) -> None:
    """Checks that every named stride, dilation or window size lies in [1, limit]."""
    for name, value in steps.items():
        call.require(1 <= value <= limit, f"{name} from 1 to {limit} is required, found {value}")


def check_rank(call: Call, operand: str, shape: Shape, least: int, most: int | None = None) -> None:
    """Checks that an operand's rank lies in [least, most]; `most` defaults to `least`."""
    most = least if most is None else most
    required = f"rank {least}" if least == most else f"rank {least} to {most}"
    call.require(least <= len(shape) <= most, f"operand '{operand}': {required} is required, found shape {list(shape)}")


def check_nonempty(call: Call, operand: str, shape: Shape, first: int = 0) -> None:
    """Checks that the dimensions from `first` on are at least 1."""
    call.require(
        all(dim >= 1 for dim in shape[first:]), f"operand '{operand}': dimensions of at least 1 are required, found shape {list(shape)}"
    )


def broadcast_shapes(call: Call, a: Shape, b: Shape) -> Shape:
    """The shape both broadcast to, aligned at the last axis; InvalidModelError unless each pair of dimensions is equal or has a 1."""
    rank = max(len(a), len(b))
    left, right = (1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b)
    fits = all(m == n or m == 1 or n == 1 for m, n in zip(left, right))
    call.require(fits, f"shapes that broadcast are required, found {list(a)} and {list(b)}")
    return tuple(n if m == 1 else m for m, n in zip(left, right))
