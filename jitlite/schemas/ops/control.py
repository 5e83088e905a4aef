"""Control flow: IF, WHILE, STABLEHLO_CASE and STABLEHLO_COMPOSITE, whose parts are other subgraphs of the model."""

from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, IfOptions, StablehloCaseOptions, StableHLOCompositeOptions, TensorType, WhileOptions


def _branched(call: Call) -> list[tuple[Shape, TensorType]]:
    """The declared outputs: what an IF returns follows from its subgraphs, which the planner looks at."""
    condition = call.input(0)
    call.require(condition.type is TensorType.BOOL, f"a condition of type BOOL is required, found {condition.type.name}")
    call.require(condition.size == 1, f"a condition with one element is required, found shape {condition.shape}")
    _require_subgraphs(call, call.options.then_subgraph_index, call.options.else_subgraph_index)
    return [(output.shape, output.type) for output in call.outputs]


def _looped(call: Call) -> list[tuple[Shape, TensorType]]:
    """The inputs' shapes and types: a WHILE carries its operands round the loop. The planner checks that the body keeps them."""
    _require_subgraphs(call, call.options.cond_subgraph_index, call.options.body_subgraph_index)
    count = len(call.inputs)
    call.require(not call.outputs or len(call.outputs) == count, f"{count} outputs are required, found {len(call.outputs)}")
    operands = [call.input(index) for index in range(count)]
    return [(operand.shape, operand.type) for operand in operands]


def _require_subgraphs(call: Call, *indices: int) -> None:
    call.require(all(index > 0 for index in indices), f"subgraph indices above 0 are required, found {indices}")


IF = define(
    OpSpec(
        "IF",
        BuiltinOperator.IF,
        inputs=("condition", "operands?*"),
        outputs=("results*",),
        infer=_branched,
        options=IfOptions,
        is_bound=False,
    )
)

WHILE = define(
    OpSpec(
        "WHILE",
        BuiltinOperator.WHILE,
        inputs=("operands*",),
        outputs=("results*",),
        infer=_looped,
        options=WhileOptions,
        is_bound=False,
    )
)


def _decomposed(call: Call) -> list[tuple[Shape, TensorType]]:
    """The declared outputs, as for an IF."""
    _require_subgraphs(call, call.options.decomposition_subgraph_index)
    return [(output.shape, output.type) for output in call.outputs]


STABLEHLO_COMPOSITE = define(
    OpSpec(
        "STABLEHLO_COMPOSITE",
        BuiltinOperator.STABLEHLO_COMPOSITE,
        inputs=("operands?*",),
        outputs=("results*",),
        infer=_decomposed,
        options=StableHLOCompositeOptions,
        is_bound=False,
    )
)


def _chosen(call: Call) -> list[tuple[Shape, TensorType]]:
    """The declared outputs, as for an IF."""
    index, branches = call.input(0), call.options.branch_subgraph_indices
    call.require(index.type is TensorType.INT32, f"an index of type INT32 is required, found {index.type.name}")
    call.require(index.size == 1, f"an index with one element is required, found shape {index.shape}")
    call.require(len(branches) > 0, "at least one branch is required, found none")
    _require_subgraphs(call, *branches)
    return [(output.shape, output.type) for output in call.outputs]


STABLEHLO_CASE = define(
    OpSpec(
        "STABLEHLO_CASE",
        BuiltinOperator.STABLEHLO_CASE,
        inputs=("index", "operands?*"),
        outputs=("results*",),
        infer=_chosen,
        options=StablehloCaseOptions,
        is_bound=False,
    )
)
