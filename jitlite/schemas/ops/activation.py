"""Activation functions of one operand, PRELU with its slopes, and the normalisations along the last dimension."""

from jitlite.schemas.ops.elementwise import (
    FREE,
    QUANTIZED,
    Results,
    broadcast_shape,
    require_same_output_type,
    require_scales,
    require_type,
    types,
    unary,
    version_by_type,
)
from jitlite.schemas.ops.spec import Call, Inference, OpSpec, Quant, QuantKind, TensorInfo, define
from jitlite.schemas.record import replace
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BuiltinOperator,
    GeluOptions,
    HardSwishOptions,
    L2NormOptions,
    LeakyReluOptions,
    LogSoftmaxOptions,
    SoftmaxOptions,
    TensorType,
)

T = TensorType
Grid = dict[TensorType, tuple[float, int]]

UNIT: Grid = {T.INT8: (1 / 256, -128), T.UINT8: (1 / 256, 0), T.INT16: (1 / 32768, 0)}
"""Scale and zero point that cover [0, 1)."""
WIDE_UNIT: Grid = {T.INT16: (1 / 65536, -32768)}
"""The same in 16 bits where the operand has 8."""
SIGNED_UNIT: Grid = {T.INT8: (1 / 128, 0), T.UINT8: (1 / 128, 128), T.INT16: (1 / 32768, 0)}
"""Scale and zero point that cover [-1, 1)."""
LOG_PROBABILITY: Grid = {T.INT8: (16 / 256, 127), T.UINT8: (16 / 256, 255)}
"""Scale and zero point that cover (-16, 0]."""


def _require_scale(call: Call, grid: Grid, tolerance: float = 0.0) -> None:
    """The declared output must have the grid's scale, up to a relative tolerance."""
    for y in call.outputs:
        if y.type in grid:
            scale, _ = grid[y.type]
            call.require(abs(y.scale - scale) <= tolerance * scale, f"output '{y.name}' must have scale {scale}, found {y.scale}")


def _require_grid(call: Call, grid: Grid, tolerance: float = 0.0) -> None:
    """The declared output must have the grid's scale, up to a relative tolerance, and zero point."""
    _require_scale(call, grid, tolerance)
    for y in call.outputs:
        if y.type in grid:
            _, zero_point = grid[y.type]
            call.require(y.zero_point == zero_point, f"output '{y.name}' must have zero point {zero_point}, found {y.zero_point}")


def _logistic(call: Call) -> Results:
    found = unary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.INT16, T.INT8, T.UINT8))(call)
    _require_scale(call, UNIT)
    return found


def _tanh(call: Call) -> Results:
    found = unary(types(T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.INT16, T.INT8, T.UINT8))(call)
    _require_scale(call, {T.INT16: SIGNED_UNIT[T.INT16]})
    return found


def _hard_swish(call: Call) -> Results:
    found = unary(types(T.FLOAT32, T.INT8, T.UINT8))(call)
    x = call.input(0)
    if x.type in QUANTIZED:
        for y in call.outputs:
            call.require(x.scale < 128 * y.scale, f"an input scale below 128 times the output's is required, found {x.scale} and {y.scale}")
    return found


def _prelu(call: Call) -> Results:
    x, alpha = call.input(0), call.input(1)
    require_type(call, 0, types(T.FLOAT32, T.INT16, T.INT8, T.UINT8))
    slope = T.INT8 if x.type is T.INT16 else x.type
    call.require(alpha.type == slope, f"operand 'alpha' must be {slope.name}, found {alpha.type.name}")
    require_same_output_type(call, x.type)
    if x.type in QUANTIZED:
        require_scales(call, x, alpha)
    shape = broadcast_shape(call, x, alpha)
    call.require(shape == x.shape, f"operand 'alpha' must broadcast to the input's shape {x.shape}, found {alpha.shape}")
    return [(x.shape, x.type)]


def _require_rows(call: Call, x: TensorInfo) -> None:
    call.require(x.rank >= 1, "an operand of at least 1 dimension is required, found a scalar")


def _require_resolution(call: Call, x: TensorInfo, beta: float) -> None:
    """Differences of 8-bit operands are brought to 26 fractional bits by a multiplier above 1."""
    resolution = x.scale * beta
    call.require(x.type is T.INT16 or resolution > 2**-26, f"scale · beta above 2^-26 is required, found {resolution}")


def _softmax(call: Call) -> Results:
    x = call.input(0)
    require_type(call, 0, types(T.FLOAT32, T.FLOAT16, T.INT16, T.INT8, T.UINT8))
    _require_rows(call, x)
    narrow = x.type in (T.INT8, T.UINT8)
    result = T.INT16 if narrow and call.outputs and call.outputs[0].type is T.INT16 else x.type
    require_same_output_type(call, result)
    if x.type in QUANTIZED:
        require_scales(call if result is x.type else replace(call, outputs=()), x)
        call.require(call.options.beta > 0, f"a positive beta is required, found {call.options.beta}")
        _require_resolution(call, x, call.options.beta)
        if result is not x.type:
            _require_grid(call, WIDE_UNIT, tolerance=0.001)
        elif x.type is not T.UINT8:
            _require_grid(call, UNIT, tolerance=0.001)
    return [(x.shape, result)]


def _rows(grid: Grid) -> Inference:
    like_input = unary(types(T.FLOAT32, T.INT8, T.UINT8))

    def infer(call: Call) -> Results:
        _require_rows(call, call.input(0))
        found = like_input(call)
        _require_grid(call, grid)
        return found

    return infer


def _log_softmax(call: Call) -> Results:
    found = _rows(LOG_PROBABILITY)(call)
    if call.input(0).type in QUANTIZED:
        _require_resolution(call, call.input(0), 1.0)
    return found


def _l2_normalization(call: Call) -> Results:
    fused = call.options.fused_activation_function
    call.require(fused == ActivationFunctionType.NONE, f"fused activation NONE is required, found {fused.name}")
    return _rows(SIGNED_UNIT)(call)


RELU = define(
    OpSpec(
        "RELU",
        BuiltinOperator.RELU,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.INT16, T.INT8, T.UINT8)),
        quant=FREE,
        version=version_by_type({T.INT16: 3, T.INT8: 2, T.UINT8: 2}),
        max_version=3,
    )
)
RELU6 = define(
    OpSpec(
        "RELU6",
        BuiltinOperator.RELU6,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.INT16, T.INT8, T.UINT8)),
        quant=FREE,
        version=version_by_type({T.INT16: 3, T.INT8: 2}),
        max_version=3,
    )
)
RELU_N1_TO_1 = define(
    OpSpec("RELU_N1_TO_1", BuiltinOperator.RELU_N1_TO_1, inputs=("input",), infer=unary(types(T.FLOAT32, T.INT8, T.UINT8)), quant=FREE)
)
RELU_0_TO_1 = define(
    OpSpec("RELU_0_TO_1", BuiltinOperator.RELU_0_TO_1, inputs=("input",), infer=unary(types(T.FLOAT32, T.INT8, T.UINT8)), quant=FREE)
)
LEAKY_RELU = define(
    OpSpec(
        "LEAKY_RELU",
        BuiltinOperator.LEAKY_RELU,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.INT16, T.INT8, T.UINT8)),
        options=LeakyReluOptions,
        quant=FREE,
        version=version_by_type({T.INT16: 2}),
        max_version=2,
    )
)
PRELU = define(OpSpec("PRELU", BuiltinOperator.PRELU, inputs=("input", "alpha"), infer=_prelu, quant=FREE))
ELU = define(OpSpec("ELU", BuiltinOperator.ELU, inputs=("input",), infer=unary(types(T.FLOAT32, T.INT8)), quant=FREE))
LOGISTIC = define(
    OpSpec(
        "LOGISTIC",
        BuiltinOperator.LOGISTIC,
        inputs=("input",),
        infer=_logistic,
        quant=Quant(QuantKind.FIXED, output=UNIT),
        version=version_by_type({T.INT16: 3, T.INT8: 2}),
        max_version=3,
    )
)
TANH = define(
    OpSpec(
        "TANH",
        BuiltinOperator.TANH,
        inputs=("input",),
        infer=_tanh,
        quant=Quant(QuantKind.FIXED, output=SIGNED_UNIT),
        version=version_by_type({T.INT16: 3, T.INT8: 2}),
        max_version=3,
    )
)
HARD_SWISH = define(
    OpSpec("HARD_SWISH", BuiltinOperator.HARD_SWISH, inputs=("input",), infer=_hard_swish, options=HardSwishOptions, quant=FREE)
)
GELU = define(
    OpSpec(
        "GELU",
        BuiltinOperator.GELU,
        inputs=("input",),
        infer=unary(types(T.FLOAT32, T.FLOAT16, T.INT16, T.INT8, T.UINT8)),
        options=GeluOptions,
        quant=FREE,
        version=version_by_type({T.FLOAT16: 3, T.INT8: 2, T.UINT8: 2}),
        max_version=3,
    )
)
SOFTMAX = define(
    OpSpec(
        "SOFTMAX",
        BuiltinOperator.SOFTMAX,
        inputs=("input",),
        infer=_softmax,
        options=SoftmaxOptions,
        quant=Quant(QuantKind.FIXED, output=UNIT),
        version=version_by_type({T.FLOAT16: 4, T.INT16: 3, T.INT8: 2}),
        max_version=4,
    )
)
LOG_SOFTMAX = define(
    OpSpec(
        "LOG_SOFTMAX",
        BuiltinOperator.LOG_SOFTMAX,
        inputs=("input",),
        infer=_log_softmax,
        options=LogSoftmaxOptions,
        quant=Quant(QuantKind.FIXED, output=LOG_PROBABILITY),
        version=version_by_type({T.INT8: 2}),
        max_version=2,
    )
)
L2_NORMALIZATION = define(
    OpSpec(
        "L2_NORMALIZATION",
        BuiltinOperator.L2_NORMALIZATION,
        inputs=("input",),
        infer=_l2_normalization,
        options=L2NormOptions,
        quant=Quant(QuantKind.FIXED, output={T.INT8: SIGNED_UNIT[T.INT8], T.UINT8: SIGNED_UNIT[T.UINT8]}),
        version=version_by_type({T.INT8: 2}),
        max_version=2,
    )
)
