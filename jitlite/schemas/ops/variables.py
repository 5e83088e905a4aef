"""Variables that outlive a run: VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, and CALL_ONCE, which gives them their first values.

A handle is an integer: the same number for the same container and name in all subgraphs. It is known while planning unless it comes from
an INT32 tensor that is not constant.
"""

from math import prod

from jitlite.schemas.ops.operands import require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import (
    AssignVariableOptions,
    BuiltinOperator,
    CallOnceOptions,
    ReadVariableOptions,
    TensorType,
    VarHandleOptions,
)


def _handle(call: Call) -> list[tuple[Shape, TensorType]]:
    shape = call.outputs[0].shape if call.outputs else ()
    call.require(prod(shape) == 1, f"a handle of one element is required, found shape {shape}")
    return [(shape, TensorType.RESOURCE)]


def handle_of(call: Call) -> int:
    """The handle an operator got as its first operand; NeedsValue where it is known only at run time."""
    require_type(call, 0, (TensorType.RESOURCE, TensorType.INT32))
    if call.input(0).value is None and call.input(0).type is TensorType.RESOURCE:
        raise call.unsupported("a handle that is known before the first run is supported, found one that is not")
    found = call.constant(0)
    call.require(found.size == 1, f"a handle of one element is required, found {found.size}")
    handle = int(found.reshape(-1)[0])
    call.require(handle >= 0, f"a handle of at least 0 is required, found {handle}")
    return handle


def _read(call: Call) -> list[tuple[Shape, TensorType]]:
    """The shape the file declares; that of the variable, which the planner looks for, where it declares none."""
    handle_of(call)
    return [(output.shape, output.type) for output in call.outputs]


def _assigned(call: Call) -> list[tuple[Shape, TensorType]]:
    handle_of(call)
    return []


def _called(call: Call) -> list[tuple[Shape, TensorType]]:
    found = call.options.init_subgraph_index
    call.require(found > 0, f"a subgraph index above 0 is required, found {found}")
    return []


VAR_HANDLE = define(
    OpSpec("VAR_HANDLE", BuiltinOperator.VAR_HANDLE, inputs=(), infer=_handle, options=VarHandleOptions, is_bound=False),
)

READ_VARIABLE = define(
    OpSpec(
        "READ_VARIABLE",
        BuiltinOperator.READ_VARIABLE,
        inputs=("handle",),
        infer=_read,
        options=ReadVariableOptions,
        is_bound=False,
    )
)

ASSIGN_VARIABLE = define(
    OpSpec(
        "ASSIGN_VARIABLE",
        BuiltinOperator.ASSIGN_VARIABLE,
        inputs=("handle", "value"),
        infer=_assigned,
        outputs=(),
        options=AssignVariableOptions,
        is_bound=False,
    )
)

CALL_ONCE = define(
    OpSpec("CALL_ONCE", BuiltinOperator.CALL_ONCE, inputs=(), infer=_called, outputs=(), options=CallOnceOptions, is_bound=False),
)
