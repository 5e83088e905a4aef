"""Operators on the bits of elements: BITCAST, BITWISE_XOR and RIGHT_SHIFT."""

from jitlite.schemas.dtypes import byte_size, stored_dtype
from jitlite.schemas.ops.elementwise import broadcast_shape
from jitlite.schemas.ops.operands import bounded, require_same_type, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BitcastOptions, BitwiseXorOptions, BuiltinOperator, RightShiftOptions, TensorType

_T = TensorType
_INTEGERS = (_T.INT8, _T.UINT8, _T.INT16, _T.UINT16, _T.INT32, _T.UINT32)


def _cast(call: Call) -> list[tuple[Shape, TensorType]]:
    """The declared type; where its elements are smaller there are several for each, in a new last dimension, where larger the reverse."""
    call.require(len(call.outputs) == 1, "a declared output is required, found none")
    x, type = call.input(0), call.outputs[0].type
    for info in (x, call.outputs[0]):
        if stored_dtype(info.type) is None:
            raise call.unsupported(f"elements of whole bytes are supported, found {info.type.name}")
    before, after = byte_size(x.type, ()), byte_size(type, ())
    if before >= after:
        return [(bounded(call, (*x.shape, before // after) if before > after else x.shape), type)]
    parts = after // before
    call.require(x.shape[-1:] == (parts,), f"a last dimension of {parts} is required, found shape {x.shape}")
    return [(x.shape[:-1], type)]


BITCAST = define(OpSpec("BITCAST", BuiltinOperator.BITCAST, inputs=("input",), infer=_cast, options=BitcastOptions, options_optional=True))


def _integers(call: Call) -> list[tuple[Shape, TensorType]]:
    a, b = call.input(0), call.input(1)
    require_type(call, 0, _INTEGERS)
    require_same_type(call, 0, 1)
    return [(bounded(call, broadcast_shape(call, a, b)), a.type)]


BITWISE_XOR = define(
    OpSpec("BITWISE_XOR", BuiltinOperator.BITWISE_XOR, ("a", "b"), infer=_integers, options=BitwiseXorOptions, options_optional=True)
)
RIGHT_SHIFT = define(
    OpSpec("RIGHT_SHIFT", BuiltinOperator.RIGHT_SHIFT, ("a", "b"), infer=_integers, options=RightShiftOptions, options_optional=True)
)
