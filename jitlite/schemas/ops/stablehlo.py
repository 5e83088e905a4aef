"""StableHLO operators that the runtime executes: element by element, STABLEHLO_GATHER and STABLEHLO_SCATTER."""

from collections.abc import Sequence
from math import prod

from jitlite.schemas.dtypes import stored_dtype
from jitlite.schemas.ops.operands import bounded, require_same_type, require_type
from jitlite.schemas.ops.spec import Call, Inference, OpSpec, Shape, define
from jitlite.schemas.record import Record
from jitlite.schemas.tables import BuiltinOperator, StablehloGatherOptions, StablehloScatterOptions, StablehloShiftLeftOptions, TensorType

_T = TensorType
_INDEX_TYPES = (_T.INT32, _T.INT64)
_INTEGERS = (_T.INT8, _T.INT16, _T.INT32, _T.INT64, _T.UINT8, _T.UINT16, _T.UINT32, _T.UINT64)
_NUMBERS = (_T.FLOAT16, _T.FLOAT32, _T.FLOAT64, *_INTEGERS, _T.BOOL)
_COMBINATIONS = {
    "STABLEHLO_ADD": "add",
    "STABLEHLO_MULTIPLY": "mul",
    "STABLEHLO_MAXIMUM": "maximum",
    "STABLEHLO_MINIMUM": "minimum",
}


def _pairs(types: Sequence[TensorType]) -> Inference:
    def infer(call: Call) -> list[tuple[Shape, TensorType]]:
        a, b = call.input(0), call.input(1)
        require_type(call, 0, types)
        require_same_type(call, 0, 1)
        call.require(a.shape == b.shape, f"operands of one shape are required, found {a.shape} and {b.shape}")
        return [(a.shape, a.type)]

    return infer


def _elementwise(code: BuiltinOperator, types: Sequence[TensorType] = _NUMBERS) -> OpSpec:
    return define(OpSpec(code.name, code, inputs=("a", "b"), infer=_pairs(types)))


STABLEHLO_ADD = _elementwise(BuiltinOperator.STABLEHLO_ADD)
STABLEHLO_MULTIPLY = _elementwise(BuiltinOperator.STABLEHLO_MULTIPLY)
STABLEHLO_MAXIMUM = _elementwise(BuiltinOperator.STABLEHLO_MAXIMUM)
STABLEHLO_MINIMUM = _elementwise(BuiltinOperator.STABLEHLO_MINIMUM)
STABLEHLO_AND = _elementwise(BuiltinOperator.STABLEHLO_AND, (*_INTEGERS, _T.BOOL))
STABLEHLO_SHIFT_LEFT = define(
    OpSpec(
        "STABLEHLO_SHIFT_LEFT",
        BuiltinOperator.STABLEHLO_SHIFT_LEFT,
        inputs=("a", "b"),
        infer=_pairs((_T.INT8, _T.INT16, _T.INT32)),
        options=StablehloShiftLeftOptions,
        options_optional=True,
    )
)


class Starts(Record):
    """The vectors among start indices: `axis` holds their elements, each an index along one of the dimensions `dims`."""

    axis: int
    dims: Shape
    shape: Shape


def _ascending(call: Call, name: str, limit: int) -> Shape:
    """An option that lists different dimensions below `limit` in their order."""
    dims = tuple(getattr(call.options, name))
    fits = all(0 <= dim < limit for dim in dims) and list(dims) == sorted(set(dims))
    call.require(fits, f"{name}: ascending dimensions below {limit} are required, found {dims}")
    return dims


def _starts(call: Call, name: str) -> Starts:
    """The start indices, which are operand 1; the option `name` lists the dimensions of operand 0 they are for."""
    require_type(call, 1, _INDEX_TYPES)
    x, indices, axis = call.input(0), call.input(1), call.options.index_vector_dim
    call.require(0 <= axis <= indices.rank, f"an index_vector_dim in [0, {indices.rank}] is required, found {axis}")
    dims = tuple(getattr(call.options, name))
    fits = all(0 <= dim < x.rank for dim in dims) and len(set(dims)) == len(dims)
    call.require(fits, f"{name}: different dimensions below {x.rank} are required, found {dims}")
    length = indices.shape[axis] if axis < indices.rank else 1
    call.require(len(dims) == length, f"{length} dimensions in {name} are required, found {dims}")
    return Starts(axis, dims, indices.shape[:axis] + indices.shape[axis + 1 :])


class Slices(Record):
    """What a STABLEHLO_GATHER reads: a slice of `sizes` for each start; `collapsed` dimensions of it are left out of the result."""

    starts: Starts
    sizes: Shape
    collapsed: Shape
    offset_dims: Shape

    @property
    def shape(self) -> Shape:
        """The result's: the starts' dimensions in their order, between those of the slices, which lie at `offset_dims`."""
        kept = iter(size for dim, size in enumerate(self.sizes) if dim not in self.collapsed)
        batch = iter(self.starts.shape)
        rank = len(self.starts.shape) + len(self.offset_dims)
        return tuple(next(kept) if dim in self.offset_dims else next(batch) for dim in range(rank))


def slices(call: Call) -> Slices:
    """The slices of a STABLEHLO_GATHER, all options checked."""
    x, sizes = call.input(0), tuple(call.options.slice_sizes)
    starts = _starts(call, "start_index_map")
    collapsed = _ascending(call, "collapsed_slice_dims", x.rank)
    fits = len(sizes) == x.rank and all(0 <= size <= dim for size, dim in zip(sizes, x.shape))
    call.require(fits, f"slice_sizes within shape {x.shape} are required, found {sizes}")
    call.require(all(sizes[dim] for dim in collapsed), f"slice_sizes above 0 are required along collapsed dimensions, found {sizes}")
    kept = x.rank - len(collapsed)
    offset_dims = _ascending(call, "offset_dims", len(starts.shape) + kept)
    call.require(len(offset_dims) == kept, f"{kept} offset_dims are required, found {offset_dims}")
    return Slices(starts, sizes, collapsed, offset_dims)


def _gathered(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    if stored_dtype(x.type) is None or x.type is _T.COMPLEX128:
        raise call.unsupported(f"elements of 1, 2, 4 or 8 bytes are supported, found {x.type.name}")
    return [(bounded(call, slices(call).shape), x.type)]


STABLEHLO_GATHER = define(
    OpSpec(
        "STABLEHLO_GATHER",
        BuiltinOperator.STABLEHLO_GATHER,
        inputs=("operand", "start_indices"),
        infer=_gathered,
        options=StablehloGatherOptions,
    )
)


class Updates(Record):
    """Where a STABLEHLO_SCATTER writes: a window of updates for each start; `window_dims` are its dimensions among those of the updates,
    `inserted` the dimensions of the operand along which it has one element.
    """

    starts: Starts
    window_dims: Shape
    inserted: Shape


def updates(call: Call) -> Updates:
    """The updates of a STABLEHLO_SCATTER, all options checked."""
    x, values = call.input(0), call.input(2)
    starts = _starts(call, "scatter_dims_to_operand_dims")
    window_dims = _ascending(call, "update_window_dims", values.rank)
    inserted = _ascending(call, "inserted_window_dims", x.rank)
    count = len(window_dims) + len(inserted)
    call.require(count == x.rank, f"{x.rank} dimensions of windows, some of them inserted, are required, found {count}")
    batch = tuple(size for dim, size in enumerate(values.shape) if dim not in window_dims)
    call.require(batch == starts.shape, f"updates for starts of shape {starts.shape} are required, found {batch}")
    return Updates(starts, window_dims, inserted)


def _scattered(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _NUMBERS)
    require_same_type(call, 0, 2)
    updates(call)
    call.require(prod(call.input(2).shape) < 1 << 31, "updates of fewer than 2^31 elements are required, found more")
    return [(call.input(0).shape, call.input(0).type)]


STABLEHLO_SCATTER = define(
    OpSpec(
        "STABLEHLO_SCATTER",
        BuiltinOperator.STABLEHLO_SCATTER,
        inputs=("operand", "scatter_indices", "updates"),
        infer=_scattered,
        options=StablehloScatterOptions,
        is_bound=False,
    )
)


def combination(call: Call, body: Sequence[str]) -> str:
    """How a STABLEHLO_SCATTER whose body consists of these operators combines old and new values: "" where the new one replaces the old."""
    function = "" if not body else _COMBINATIONS.get(body[0]) if len(body) == 1 else None
    if function is None:
        raise call.unsupported(f"an empty body or one of {', '.join(_COMBINATIONS)} is supported, found {', '.join(body)}")
    return function
