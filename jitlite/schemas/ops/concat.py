"""Operators that join tensors along an axis or cut one apart: CONCATENATION, SPLIT and SPLIT_V."""

from jitlite.schemas.ops.operands import (
    FLOAT8,
    bounded,
    integer,
    normalized_axis,
    require_rank,
    require_same_quantization,
    require_zero_point_zero,
    vector,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BuiltinOperator,
    ConcatenationOptions,
    SplitOptions,
    SplitVOptions,
    TensorType,
)

_AXIS_TYPES = (TensorType.INT32, TensorType.INT64)


def joined_axis(call: Call) -> int:
    """The axis of a CONCATENATION, counted from the front."""
    return normalized_axis(call, call.options.axis, call.input(0).rank)


def _concatenated(call: Call) -> list[tuple[Shape, TensorType]]:
    first = call.input(0)
    require_rank(call, 0, 1, max(1, first.rank))
    activation = call.options.fused_activation_function
    call.require(activation is ActivationFunctionType.NONE, f"fused activation NONE is required, found {activation.name}")
    axis = joined_axis(call)
    total = 0
    operands = [call.input(index) for index in range(len(call.inputs))]
    for index, x in enumerate(operands):
        fits = (
            x.type is first.type and x.rank == first.rank and all(m == n or d == axis for d, (m, n) in enumerate(zip(x.shape, first.shape)))
        )
        wanted = f"{first.type.name} {first.shape} but for axis {axis}"
        call.require(fits, f"operands like the first, {wanted}, are required, found {x.type.name} {x.shape} at {index}")
        total += x.shape[axis]
    require_zero_point_zero(call, (*operands, *call.outputs))
    for output in call.outputs:
        if output.type is TensorType.INT8:
            require_same_quantization(call, operands, output)
    return [(bounded(call, (*first.shape[:axis], total, *first.shape[axis + 1 :])), first.type)]


def _concatenation_version(call: Call) -> int:
    x = call.input(0)
    if x.type in FLOAT8:
        return 7
    versions = {TensorType.FLOAT16: 6, TensorType.INT4: 5, TensorType.UINT32: 4, TensorType.INT16: 3, TensorType.INT8: 2}
    return versions.get(x.type, 1)


def split_sizes(call: Call) -> tuple[int, tuple[int, ...]]:
    """The axis a SPLIT or SPLIT_V cuts and the size of each part along it."""
    return _even_sizes(call) if call.spec is SPLIT else _given_sizes(call)


def _even_sizes(call: Call) -> tuple[int, tuple[int, ...]]:
    x, parts = call.input(1), call.options.num_splits
    axis = normalized_axis(call, integer(call, 0, _AXIS_TYPES), x.rank)
    call.require(parts > 0, f"num_splits above 0 is required, found {parts}")
    # Before the parts are listed: an option may name billions of them.
    most = max(x.shape[axis], len(call.outputs), 1)
    call.require(parts <= most, f"num_splits of at most {most} is required, found {parts}")
    call.require(x.shape[axis] % parts == 0, f"a size that {parts} divides is required, found {x.shape[axis]} at axis {axis}")
    return axis, (x.shape[axis] // parts,) * parts


def _given_sizes(call: Call) -> tuple[int, tuple[int, ...]]:
    x, parts = call.input(0), call.options.num_splits
    axis = normalized_axis(call, integer(call, 2, _AXIS_TYPES), x.rank)
    sizes = list(vector(call, 1, parts))
    call.require(
        sizes.count(-1) <= 1 and all(size >= -1 for size in sizes),
        f"sizes of 0 or more and at most one -1 are required, found {tuple(sizes)}",
    )
    if -1 in sizes:
        sizes[sizes.index(-1)] = x.shape[axis] - sum(sizes) - 1
    fits = sum(sizes) == x.shape[axis] and all(size >= 0 for size in sizes)
    call.require(fits, f"sizes that add up to {x.shape[axis]} are required, found {tuple(sizes)} for axis {axis}")
    return axis, tuple(sizes)


def _split(call: Call) -> list[tuple[Shape, TensorType]]:
    parts = call.options.num_splits
    call.require(not call.outputs or len(call.outputs) == parts, f"{parts} outputs are required, found {len(call.outputs)}")
    x = call.input(1 if call.spec is SPLIT else 0)
    axis, sizes = split_sizes(call)
    return [((*x.shape[:axis], size, *x.shape[axis + 1 :]), x.type) for size in sizes]


def _split_version(call: Call) -> int:
    x = call.input(1)
    if x.type in FLOAT8:
        return 5
    return {TensorType.INT16: 4, TensorType.INT32: 3, TensorType.INT8: 2}.get(x.type, 1)


def _split_v_version(call: Call) -> int:
    x = call.input(0)
    if x.type in FLOAT8:
        return 3
    return 2 if x.type is TensorType.INT8 else 1


CONCATENATION = define(
    OpSpec(
        "CONCATENATION",
        BuiltinOperator.CONCATENATION,
        inputs=("values*",),
        infer=_concatenated,
        options=ConcatenationOptions,
        quant=Quant(QuantKind.SAME),
        version=_concatenation_version,
        max_version=7,
    )
)

SPLIT = define(
    OpSpec(
        "SPLIT",
        BuiltinOperator.SPLIT,
        inputs=("axis", "input"),
        outputs=("parts*",),
        infer=_split,
        options=SplitOptions,
        quant=Quant(QuantKind.SAME, activations=(1,)),
        version=_split_version,
        max_version=5,
    )
)

SPLIT_V = define(
    OpSpec(
        "SPLIT_V",
        BuiltinOperator.SPLIT_V,
        inputs=("input", "sizes", "axis"),
        outputs=("parts*",),
        infer=_split,
        options=SplitVOptions,
        quant=Quant(QuantKind.SAME, activations=(0,)),
        version=_split_v_version,
        max_version=3,
    )
)
