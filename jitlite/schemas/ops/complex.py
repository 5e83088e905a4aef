"""Complex numbers: the transform that makes them, their parts, their magnitude and the angle of such parts."""

from jitlite.schemas.ops.operands import bounded, require_rank, require_type, vector
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import ATan2Options, BuiltinOperator, Rfft2dOptions, TensorType

_T = TensorType
_PART = {_T.COMPLEX64: _T.FLOAT32, _T.COMPLEX128: _T.FLOAT64}
_ANGLES = (_T.FLOAT32, _T.FLOAT64, _T.FLOAT16, _T.BFLOAT16)


def transform_lengths(call: Call) -> tuple[int, int]:
    """Rows and columns a RFFT2D crops or pads its matrices to: powers of two."""
    rows, columns = vector(call, 1, 2, (_T.INT32,))
    for length in (rows, columns):
        call.require(length > 0 and length & (length - 1) == 0, f"lengths that are powers of two are required, found {(rows, columns)}")
    return rows, columns


def _transformed(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (_T.FLOAT32,))
    x = call.input(0)
    require_rank(call, 0, 2, max(2, x.rank))
    rows, columns = transform_lengths(call)
    return [(bounded(call, (*x.shape[:-2], rows, columns // 2 + 1)), _T.COMPLEX64)]


RFFT2D = define(
    OpSpec(
        "RFFT2D", BuiltinOperator.RFFT2D, inputs=("input", "fft_length"), infer=_transformed, options=Rfft2dOptions, options_optional=True
    )
)


def _part(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    require_type(call, 0, tuple(_PART))
    return [(x.shape, _PART[x.type])]


REAL = define(OpSpec("REAL", BuiltinOperator.REAL, inputs=("input",), infer=_part))
IMAG = define(OpSpec("IMAG", BuiltinOperator.IMAG, inputs=("input",), infer=_part))
COMPLEX_ABS = define(OpSpec("COMPLEX_ABS", BuiltinOperator.COMPLEX_ABS, inputs=("input",), infer=_part))


def _angle(call: Call) -> list[tuple[Shape, TensorType]]:
    y, x = call.input(0), call.input(1)
    require_type(call, 0, _ANGLES)
    require_type(call, 1, (y.type,))
    call.require(x.shape == y.shape, f"operands of one shape are required, found {y.shape} and {x.shape}")
    return [(y.shape, y.type)]


ATAN2 = define(OpSpec("ATAN2", BuiltinOperator.ATAN2, inputs=("y", "x"), infer=_angle, options=ATan2Options, options_optional=True))
