"""Random numbers: RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL, MULTINOMIAL and STABLEHLO_RNG_BIT_GENERATOR."""

from jitlite.schemas.ops.operands import bounded, integers, require_rank, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, RandomOptions, RngAlgorithm, StablehloRngBitGeneratorOptions, TensorType

_T = TensorType
_DRAWS = (_T.INT32, _T.INT64)
_WORDS = (_T.INT32, _T.INT64, _T.UINT32, _T.UINT64)


def _numbers(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 1, 1)
    return [(bounded(call, integers(call, 0, (_T.INT32,))), _T.FLOAT32)]


RANDOM_UNIFORM = define(OpSpec("RANDOM_UNIFORM", BuiltinOperator.RANDOM_UNIFORM, ("shape",), _numbers, options=RandomOptions))
RANDOM_STANDARD_NORMAL = define(
    OpSpec("RANDOM_STANDARD_NORMAL", BuiltinOperator.RANDOM_STANDARD_NORMAL, ("shape",), _numbers, options=RandomOptions)
)


def _drawn(call: Call) -> list[tuple[Shape, TensorType]]:
    """INT64 unless the file declares INT32."""
    require_type(call, 0, (_T.FLOAT32,))
    require_rank(call, 0, 2, 2)
    require_rank(call, 1, 0, 0)
    batch, classes = call.input(0).shape
    call.require(classes > 0, f"at least one class is required, found shape {call.input(0).shape}")
    (samples,) = integers(call, 1, (_T.INT32,))
    type = call.outputs[0].type if call.outputs else _T.INT64
    call.require(type in _DRAWS, f"an output of type INT32 or INT64 is required, found {type.name}")
    return [(bounded(call, (batch, samples)), type)]


MULTINOMIAL = define(OpSpec("MULTINOMIAL", BuiltinOperator.MULTINOMIAL, ("logits", "num_samples"), _drawn, options=RandomOptions))


def _bits(call: Call) -> list[tuple[Shape, TensorType]]:
    """The new state and as many words as the file declares."""
    require_type(call, 0, (_T.UINT64,))
    state = call.input(0)
    sizes = (2,) if call.options.algorithm is RngAlgorithm.THREEFRY else (2, 3)
    fits = state.rank == 1 and state.shape[0] in sizes
    call.require(fits, f"a state of {' or '.join(map(str, sizes))} elements is required, found shape {state.shape}")
    call.require(len(call.outputs) == 2, f"2 declared outputs are required, found {len(call.outputs)}")
    output = call.outputs[1]
    names = " or ".join(type.name for type in _WORDS)
    call.require(output.type in _WORDS, f"an output of type {names} is required, found {output.type.name}")
    return [(state.shape, _T.UINT64), (bounded(call, output.shape), output.type)]


STABLEHLO_RNG_BIT_GENERATOR = define(
    OpSpec(
        "STABLEHLO_RNG_BIT_GENERATOR",
        BuiltinOperator.STABLEHLO_RNG_BIT_GENERATOR,
        inputs=("initial_state",),
        outputs=("output_state", "output"),
        infer=_bits,
        options=StablehloRngBitGeneratorOptions,
    )
)
