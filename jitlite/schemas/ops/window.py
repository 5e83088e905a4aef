"""Stretching tensors and reducing the windows of them: DILATE, STABLEHLO_PAD, REDUCE_WINDOW and STABLEHLO_REDUCE_WINDOW."""

from collections.abc import Sequence
from math import prod

from jitlite.schemas.dtypes import stored_dtype
from jitlite.schemas.ops.operands import bounded, require_rank, require_same_type, require_type, vector
from jitlite.schemas.ops.shapes import effective_size
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.record import Record
from jitlite.schemas.tables import (
    BuiltinOperator,
    DilateOptions,
    ReduceWindowFunction,
    ReduceWindowOptions,
    StablehloPadOptions,
    StablehloReduceWindowOptions,
    TensorType,
)

_T = TensorType
_MAX_PAD_RANK = 8
_MAX_WINDOW_RANK = 6
_MOST_STRETCHED = 1 << 28
_REDUCED = (_T.BOOL, _T.INT8, _T.INT16, _T.INT32, _T.INT64, _T.UINT8, _T.FLOAT32, _T.FLOAT64)
_FUNCTIONS = {
    "ADD": ReduceWindowFunction.ADD,
    "STABLEHLO_ADD": ReduceWindowFunction.ADD,
    "MUL": ReduceWindowFunction.MUL,
    "STABLEHLO_MULTIPLY": ReduceWindowFunction.MUL,
    "MAXIMUM": ReduceWindowFunction.MAXIMUM,
    "STABLEHLO_MAXIMUM": ReduceWindowFunction.MAXIMUM,
    "MINIMUM": ReduceWindowFunction.MINIMUM,
    "STABLEHLO_MINIMUM": ReduceWindowFunction.MINIMUM,
    "LOGICAL_AND": ReduceWindowFunction.ALL,
    "STABLEHLO_AND": ReduceWindowFunction.ALL,
    "LOGICAL_OR": ReduceWindowFunction.ANY,
    "STABLEHLO_OR": ReduceWindowFunction.ANY,
}


class Stretch(Record):
    """How a tensor is laid into a larger or smaller one along each axis: `low` positions in, `step` positions between neighbours."""

    low: Shape
    step: Shape
    shape: Shape


class Windows(Record):
    """The windows a reduction looks at, after its operand is stretched."""

    stretch: Stretch
    sizes: Shape
    strides: Shape
    dilations: Shape

    @property
    def shape(self) -> Shape:
        """How many windows fit along each axis; none where the whole window does not."""
        spans = (effective_size(size, dilation) for size, dilation in zip(self.sizes, self.dilations))
        return tuple(max(0, (n - span) // stride + 1) for n, span, stride in zip(self.stretch.shape, spans, self.strides))


def _require_elements(call: Call) -> None:
    """One padding element of the operand's type, which has whole bytes."""
    x = call.input(0)
    if stored_dtype(x.type) is None:
        raise call.unsupported(f"elements of whole bytes are supported, found {x.type.name}")
    require_same_type(call, 0, 1 if call.spec is not DILATE else 2)


def _stretched(call: Call, low: Sequence[int], high: Sequence[int], step: Sequence[int]) -> Stretch:
    x = call.input(0).shape
    shape = tuple(max(0, before + max(0, (n - 1) * by + 1 if n else 0) + after) for n, before, after, by in zip(x, low, high, step))
    return Stretch(tuple(low), tuple(step), bounded(call, shape))


def dilation(call: Call) -> Stretch:
    """The layout of a DILATE's result."""
    rank = call.input(0).rank
    steps = vector(call, 1, rank, (_T.INT32,))
    call.require(all(step >= 1 for step in steps), f"dilations of at least 1 are required, found {steps}")
    return _stretched(call, (0,) * rank, (0,) * rank, steps)


def _dilated(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    require_rank(call, 0, 1, max(1, x.rank))
    _require_elements(call)
    call.require(call.input(2).size == 1, f"one padding value is required, found shape {call.input(2).shape}")
    return [(dilation(call).shape, x.type)]


DILATE = define(
    OpSpec(
        "DILATE",
        BuiltinOperator.DILATE,
        inputs=("input", "dilations", "padding_value"),
        infer=_dilated,
        options=DilateOptions,
        options_optional=True,
    )
)


def padding(call: Call) -> Stretch:
    """The layout of a STABLEHLO_PAD's result; where one dimension would be empty or less, all are."""
    o, x = call.options, call.input(0)
    for name in ("edge_padding_low", "edge_padding_high", "interior_padding"):
        count = len(getattr(o, name))
        call.require(count == x.rank, f"{x.rank} values of {name} are required, found {count}")
    call.require(all(value >= 0 for value in o.interior_padding), f"interior padding of 0 or more is required, found {o.interior_padding}")
    found = _stretched(call, o.edge_padding_low, o.edge_padding_high, [value + 1 for value in o.interior_padding])
    return found if prod(found.shape) else Stretch(found.low, found.step, (0,) * x.rank)


def _padded(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 1, _MAX_PAD_RANK)
    _require_elements(call)
    call.require(call.input(1).size == 1, f"one padding value is required, found shape {call.input(1).shape}")
    return [(padding(call).shape, call.input(0).type)]


STABLEHLO_PAD = define(
    OpSpec("STABLEHLO_PAD", BuiltinOperator.STABLEHLO_PAD, inputs=("input", "padding_value"), infer=_padded, options=StablehloPadOptions)
)


def _require_positive(call: Call, **values: Sequence[int]) -> None:
    for name, found in values.items():
        call.require(all(value >= 1 for value in found), f"{name} of at least 1 are required, found {tuple(found)}")


def windows(call: Call) -> Windows:
    """The windows of a REDUCE_WINDOW, whose sizes, strides and dilations are constants."""
    x = call.input(0)
    sizes, strides, dilations = (vector(call, index, x.rank, (_T.INT64,)) for index in (2, 3, 4))
    _require_positive(call, window_shape=sizes, window_strides=strides, window_dilations=dilations)
    return Windows(Stretch((0,) * x.rank, (1,) * x.rank, x.shape), sizes, strides, dilations)


def _check_reduction(call: Call) -> None:
    require_type(call, 0, _REDUCED)
    require_rank(call, 0, 1, _MAX_WINDOW_RANK)
    require_same_type(call, 0, 1)
    initial = call.input(1)
    call.require(initial.size == 1, f"one initial value is required, found shape {initial.shape}")


def _reduced(call: Call) -> list[tuple[Shape, TensorType]]:
    _check_reduction(call)
    function = call.options.reduce_function
    call.require(function is not ReduceWindowFunction.UNSUPPORTED, f"a function to reduce with is required, found {function.name}")
    return [(bounded(call, windows(call).shape), call.input(0).type)]


REDUCE_WINDOW = define(
    OpSpec(
        "REDUCE_WINDOW",
        BuiltinOperator.REDUCE_WINDOW,
        inputs=("input", "init_value", "window_shape", "window_strides", "window_dilations"),
        infer=_reduced,
        options=ReduceWindowOptions,
    )
)


def stretched_windows(call: Call) -> Windows:
    """The windows of a STABLEHLO_REDUCE_WINDOW; absent options are ones, absent padding is none."""
    o, rank = call.options, call.input(0).rank

    def values(name: str, count: int, absent: int) -> Shape:
        found = tuple(getattr(o, name)) or (absent,) * count
        call.require(len(found) == count, f"{count} values of {name} are required, found {len(found)}")
        return found

    call.require(len(o.window_dimensions) > 0, "window_dimensions are required, found none")
    sizes, strides, base, dilations = (
        values(name, rank, 1) for name in ("window_dimensions", "window_strides", "base_dilations", "window_dilations")
    )
    _require_positive(call, window_dimensions=sizes, window_strides=strides, base_dilations=base, window_dilations=dilations)
    edges = values("padding", 2 * rank, 0)
    stretch = _stretched(call, edges[0::2], edges[1::2], base)
    size = prod(stretch.shape)
    call.require(0 < size <= _MOST_STRETCHED, f"1 to {_MOST_STRETCHED} elements with padding are required, found shape {stretch.shape}")
    return Windows(stretch, sizes, strides, dilations)


def _stretched_and_reduced(call: Call) -> list[tuple[Shape, TensorType]]:
    _check_reduction(call)
    return [(bounded(call, stretched_windows(call).shape), call.input(0).type)]


STABLEHLO_REDUCE_WINDOW = define(
    OpSpec(
        "STABLEHLO_REDUCE_WINDOW",
        BuiltinOperator.STABLEHLO_REDUCE_WINDOW,
        inputs=("input", "init_value"),
        infer=_stretched_and_reduced,
        options=StablehloReduceWindowOptions,
        is_bound=False,
    )
)


def reduction(call: Call, body: Sequence[str]) -> ReduceWindowFunction:
    """The function of a STABLEHLO_REDUCE_WINDOW whose body consists of these operators: one that is known."""
    function = _FUNCTIONS.get(body[0]) if len(body) == 1 else None
    if function is None:
        raise call.unsupported(f"a body of one operator, {', '.join(_FUNCTIONS)}, is supported, found {', '.join(body) or 'none'}")
    return function
