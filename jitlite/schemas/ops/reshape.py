"""Operators that give the same elements another shape or order, and those that read a shape."""

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.ops.operands import (
    FLOAT8,
    INT32_MAX,
    bounded,
    integer,
    normalized_axis,
    require_rank,
    require_same_quantization,
    require_type,
    require_zero_point_zero,
    vector,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import (
    BuiltinOperator,
    DensifyOptions,
    ExpandDimsOptions,
    PackOptions,
    RankOptions,
    ReshapeOptions,
    ShapeOptions,
    SqueezeOptions,
    TensorType,
    TransposeOptions,
    UnpackOptions,
)

_SAME = Quant(QuantKind.SAME, activations=(0,))
_MAX_RANK = 8


def _requested_shape(call: Call) -> tuple[int, ...]:
    operand = call.optional_input(1)
    if operand is not None and operand.rank == 1 and operand.type is TensorType.INT32:
        return tuple(int(dim) for dim in call.constant(1))
    call.require(call.options is not None, "a one-dimensional INT32 operand 'shape' or options ReshapeOptions are required, found neither")
    wanted = tuple(call.options.new_shape)
    # Old files wrote [0] for a scalar.
    return () if wanted == (0,) else wanted


def _reshaped(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    wanted = _requested_shape(call)
    stretched = [place for place, dim in enumerate(wanted) if dim == -1]
    call.require(len(stretched) <= 1, f"at most one dimension -1 is required, found {wanted}")
    call.require(all(-1 <= dim <= INT32_MAX for dim in wanted), f"dimensions of -1 or more are required, found {wanted}")
    shape = list(wanted)
    if stretched:
        shape[stretched[0]] = _stretched_dim(x.shape, [dim for dim in wanted if dim != -1])
    resolved = bounded(call, shape)
    count = 1
    for dim in resolved:
        count *= dim
    call.require(count == x.size, f"a shape of {x.size} elements is required, found {wanted}")
    return [(resolved, x.type)]


def _stretched_dim(shape: Shape, known: list[int]) -> int:
    """The dimension -1 stands for; with empty tensors zeros cancel out as long as both sides have them."""
    if 0 in shape and 0 not in known:
        return 0
    ratio, divisor = 1, 1
    for dim in shape:
        ratio *= max(dim, 1)
    for dim in known:
        divisor *= max(dim, 1)
    return ratio // divisor


def _squeezed(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    axes = {normalized_axis(call, axis, x.rank) for axis in call.options.squeeze_dims}
    if not call.options.squeeze_dims:
        axes = {axis for axis, dim in enumerate(x.shape) if dim == 1}
    call.require(
        all(x.shape[axis] == 1 for axis in axes), f"dimensions of size 1 are required, found axes {sorted(axes)} of shape {x.shape}"
    )
    return [(tuple(dim for axis, dim in enumerate(x.shape) if axis not in axes), x.type)]


def _expanded(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    require_same_quantization(call, call.outputs, x)
    require_zero_point_zero(call, (x,))
    axis = normalized_axis(call, integer(call, 1), x.rank + 1)
    return [((*x.shape[:axis], 1, *x.shape[axis:]), x.type)]


def permutation(call: Call) -> tuple[int, ...]:
    """The input axis that becomes each output axis of a TRANSPOSE."""
    rank = call.input(0).rank
    axes = tuple(normalized_axis(call, axis, rank) for axis in vector(call, 1, rank, (TensorType.INT32,)))
    call.require(len(set(axes)) == rank, f"a permutation of {rank} axes is required, found {axes}")
    return axes


def _transposed(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 0, _MAX_RANK)
    x = call.input(0)
    return [(tuple(x.shape[axis] for axis in permutation(call)), x.type)]


def _transpose_version(call: Call) -> int:
    x = call.input(0)
    rules = (
        (x.type is TensorType.FLOAT16, 9),
        (x.rank > 6 or x.type is TensorType.BFLOAT16, 8),
        (x.type is TensorType.INT4, 7),
        (x.rank > 5, 6),
        (x.type is TensorType.INT16, 5),
        (x.rank > 4, 4),
        (x.type is TensorType.BOOL, 3),
        (x.type is TensorType.INT8, 2),
    )
    return next((version for applies, version in rules if applies), 1)


def _shape_of(call: Call) -> list[tuple[Shape, TensorType]]:
    output = call.options.out_type
    call.require(output in (TensorType.INT32, TensorType.INT64), f"output type INT32 or INT64 is required, found {output.name}")
    return [((call.input(0).rank,), output)]


def _rank_of(call: Call) -> list[tuple[Shape, TensorType]]:
    return [((), TensorType.INT32)]


def shape_value(call: Call) -> NDArray[np.integer]:
    """The input's dimensions."""
    return np.array(call.input(0).shape, numpy_dtype(call.options.out_type))


def rank_value(call: Call) -> NDArray[np.integer]:
    """The input's rank."""
    return np.array(call.input(0).rank, np.int32)


def stack_axis(call: Call) -> int:
    """The axis PACK adds or UNPACK removes, counted from the front."""
    rank = call.input(0).rank + (1 if call.spec is PACK else 0)
    return normalized_axis(call, call.options.axis, rank)


def _packed(call: Call) -> list[tuple[Shape, TensorType]]:
    first, count = call.input(0), len(call.inputs)
    call.require(call.options.values_count == count, f"values_count {count} is required, found {call.options.values_count}")
    for index in range(1, count):
        x = call.input(index)
        found = f"{x.type.name} {x.shape} at {index}"
        call.require(
            (x.shape, x.type) == (first.shape, first.type),
            f"operands like the first, {first.type.name} {first.shape}, are required, found {found}",
        )
    for output in call.outputs:
        require_same_quantization(call, (call.input(index) for index in range(count)), output)
    axis = stack_axis(call)
    return [(bounded(call, (*first.shape[:axis], count, *first.shape[axis:])), first.type)]


def _pack_version(call: Call) -> int:
    x = call.input(0)
    if x.type in FLOAT8:
        return 5
    return {TensorType.INT8: 2, TensorType.INT16: 3, TensorType.UINT32: 4}.get(x.type, 1)


def _unpacked(call: Call) -> list[tuple[Shape, TensorType]]:
    x, count = call.input(0), call.options.num
    require_rank(call, 0, 1, max(1, x.rank))
    axis = stack_axis(call)
    call.require(x.shape[axis] == count, f"num {x.shape[axis]} is required, found {count}")
    call.require(not call.outputs or len(call.outputs) == count, f"{count} outputs are required, found {len(call.outputs)}")
    call.require(x.size > 0, f"an input with elements is required, found shape {x.shape}")
    require_same_quantization(call, call.outputs, x)
    return [(x.shape[:axis] + x.shape[axis + 1 :], x.type)] * count


def _unpack_version(call: Call) -> int:
    x = call.input(0)
    if x.type in FLOAT8:
        return 6
    versions = {
        TensorType.INT8: 2,
        TensorType.UINT8: 2,
        TensorType.BOOL: 3,
        TensorType.INT16: 4,
        TensorType.FLOAT16: 5,
        TensorType.BFLOAT16: 5,
    }
    return versions.get(x.type, 1)


def _densified(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (TensorType.FLOAT32, TensorType.FLOAT16, TensorType.INT8))
    x = call.input(0)
    call.require(x.value is not None and not x.is_variable, "a constant operand is required, found one computed at run time")
    return [(x.shape, x.type)]


RESHAPE = define(
    OpSpec(
        "RESHAPE",
        BuiltinOperator.RESHAPE,
        inputs=("input", "shape?"),
        infer=_reshaped,
        options=ReshapeOptions,
        options_optional=True,
        quant=_SAME,
    )
)

SQUEEZE = define(
    OpSpec(
        "SQUEEZE",
        BuiltinOperator.SQUEEZE,
        inputs=("input",),
        infer=_squeezed,
        options=SqueezeOptions,
        quant=_SAME,
        version=lambda call: 2 if call.input(0).type is TensorType.STRING else 1,
        max_version=2,
    )
)

EXPAND_DIMS = define(
    OpSpec("EXPAND_DIMS", BuiltinOperator.EXPAND_DIMS, inputs=("input", "axis"), infer=_expanded, options=ExpandDimsOptions, quant=_SAME)
)

TRANSPOSE = define(
    OpSpec(
        "TRANSPOSE",
        BuiltinOperator.TRANSPOSE,
        inputs=("input", "permutation"),
        infer=_transposed,
        options=TransposeOptions,
        quant=_SAME,
        version=_transpose_version,
        max_version=9,
    )
)

SHAPE = define(
    OpSpec(
        "SHAPE",
        BuiltinOperator.SHAPE,
        inputs=("input",),
        infer=_shape_of,
        options=ShapeOptions,
        value=shape_value,
        quant=Quant(QuantKind.INDEX, activations=(0,)),
    )
)

RANK = define(
    OpSpec(
        "RANK",
        BuiltinOperator.RANK,
        inputs=("input",),
        infer=_rank_of,
        options=RankOptions,
        value=rank_value,
        quant=Quant(QuantKind.INDEX, activations=(0,)),
    )
)

PACK = define(
    OpSpec(
        "PACK",
        BuiltinOperator.PACK,
        inputs=("values*",),
        infer=_packed,
        options=PackOptions,
        quant=Quant(QuantKind.SAME),
        version=_pack_version,
        max_version=5,
    )
)

UNPACK = define(
    OpSpec(
        "UNPACK",
        BuiltinOperator.UNPACK,
        inputs=("input",),
        outputs=("values*",),
        infer=_unpacked,
        options=UnpackOptions,
        quant=_SAME,
        version=_unpack_version,
        max_version=6,
    )
)

DENSIFY = define(
    OpSpec(
        "DENSIFY",
        BuiltinOperator.DENSIFY,
        inputs=("input",),
        infer=_densified,
        options=DensifyOptions,
    )
)
