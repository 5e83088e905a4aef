"""Reading the integer operands and options that say where an operator works: axes, sizes, counts; and the bounds of its results."""

from collections.abc import Iterable, Sequence

from jitlite.schemas.ops.spec import Call, Shape, TensorInfo
from jitlite.schemas.tables import TensorType
from jitlite.schemas.verify_tensor import MAX_RANK

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)
FLOAT8 = frozenset({TensorType.FLOAT8_E4M3FN, TensorType.FLOAT8_E5M2})
_INDEX_TYPES = (TensorType.INT32, TensorType.INT64)
_RESCALED_TYPES = frozenset({TensorType.UINT8, TensorType.INT8, TensorType.INT16})


def integers(call: Call, index: int, types: Sequence[TensorType] = _INDEX_TYPES) -> tuple[int, ...]:
    """The values of a constant integer operand, flattened; its type must be one of `types`."""
    require_type(call, index, types)
    return tuple(int(value) for value in call.constant(index).ravel())


def integer(call: Call, index: int, types: Sequence[TensorType] = _INDEX_TYPES) -> int:
    """The value of a constant integer operand that must hold one element."""
    operand = call.input(index)
    call.require(operand.size == 1, f"operand '{call.spec.operand_name(index)}' with one element is required, found shape {operand.shape}")
    return integers(call, index, types)[0]


def vector(call: Call, index: int, length: int, types: Sequence[TensorType] = _INDEX_TYPES) -> tuple[int, ...]:
    """The values of a constant integer operand of shape (length,)."""
    require_shape(call, index, (length,))
    return integers(call, index, types)


def pairs(call: Call, index: int, count: int, types: Sequence[TensorType] = _INDEX_TYPES) -> tuple[tuple[int, int], ...]:
    """The rows of a constant integer operand of shape (count, 2)."""
    require_shape(call, index, (count, 2))
    flat = integers(call, index, types)
    return tuple((flat[2 * row], flat[2 * row + 1]) for row in range(count))


def require_type(call: Call, index: int, types: Sequence[TensorType]) -> None:
    found = call.input(index).type
    names = " or ".join(choice.name for choice in types)
    call.require(found in types, f"operand '{call.spec.operand_name(index)}' of type {names} is required, found {found.name}")


def require_shape(call: Call, index: int, shape: Shape) -> None:
    found = call.input(index).shape
    call.require(found == shape, f"operand '{call.spec.operand_name(index)}' of shape {shape} is required, found {found}")


def require_rank(call: Call, index: int, low: int, high: int) -> None:
    rank = call.input(index).rank
    wanted = f"{low}" if low == high else f"{low} to {high}"
    call.require(low <= rank <= high, f"operand '{call.spec.operand_name(index)}' of rank {wanted} is required, found {rank}")


def require_same_type(call: Call, first: int, second: int) -> None:
    a, b = call.input(first), call.input(second)
    names = f"'{call.spec.operand_name(first)}' and '{call.spec.operand_name(second)}'"
    call.require(a.type is b.type, f"operands {names} of one type are required, found {a.type.name} and {b.type.name}")


def normalized_axis(call: Call, axis: int, rank: int) -> int:
    """The axis counted from the front; negative ones count from the back."""
    call.require(-rank <= axis < rank, f"an axis in [{-rank}, {rank}) is required, found {axis}")
    return axis % rank


def bounded(call: Call, dims: Iterable[int]) -> Shape:
    """The dims as a shape whose dims and element count (zeros left out) fit in 32 bits, as the format stores them."""
    shape = tuple(dims)
    call.require(len(shape) <= MAX_RANK, f"an output of at most {MAX_RANK} dimensions is required, found {len(shape)}")
    count = 1
    for dim in shape:
        call.require(0 <= dim <= INT32_MAX, f"output dimensions in [0, {INT32_MAX}] are required, found shape {shape}")
        count *= max(dim, 1)
    call.require(count <= INT32_MAX, f"an output of at most {INT32_MAX} elements is required, found shape {shape}")
    return shape


def require_same_quantization(call: Call, tensors: Iterable[TensorInfo], reference: TensorInfo) -> None:
    """8- and 16-bit tensors an operator moves without rescaling must share scale and zero point with `reference`."""
    if reference.type not in _RESCALED_TYPES:
        return
    wanted = _parameters(reference)
    for tensor in tensors:
        found = _parameters(tensor)
        call.require(
            found == wanted, f"tensor '{tensor.name}' with (scale, zero point) {wanted} of '{reference.name}' is required, found {found}"
        )


def _parameters(tensor: TensorInfo) -> tuple[float, int]:
    return (tensor.scale, tensor.zero_point) if tensor.is_quantized else (0.0, 0)


def require_zero_point_zero(call: Call, tensors: Iterable[TensorInfo]) -> None:
    """INT16 quantization is symmetric."""
    for tensor in tensors:
        if tensor.type is TensorType.INT16 and tensor.is_quantized:
            call.require(tensor.zero_point == 0, f"INT16 tensor '{tensor.name}' with zero point 0 is required, found {tensor.zero_point}")
