"""Which operators the interpreter runs, and where: a process imports the families of the operators it meets."""

from collections.abc import Iterable
from importlib import import_module

FAMILIES = {
    "activation": "ELU GELU HARD_SWISH L2_NORMALIZATION LEAKY_RELU LOGISTIC LOG_SOFTMAX PRELU RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 SOFTMAX "
    "TANH",
    "bitwise": "BITCAST BITWISE_XOR RIGHT_SHIFT",
    "arrange": "BROADCAST_ARGS BUCKETIZE MATRIX_DIAG MATRIX_SET_DIAG REVERSE_SEQUENCE ZEROS_LIKE",
    "audio": "AudioSpectrogram Mfcc NumericVerify aeq.hadamard_rotation",
    "bidirectional": "BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN",
    "comparison": "EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_NOT LOGICAL_OR NOT_EQUAL SELECT SELECT_V2",
    "complex": "ATAN2 COMPLEX_ABS IMAG REAL RFFT2D",
    "concat": "CONCATENATION SPLIT SPLIT_V",
    "control": "STABLEHLO_CASE STABLEHLO_COMPOSITE",
    "conv": "CONV_2D TRANSPOSE_CONV",
    "conv3d": "CONV_3D CONV_3D_TRANSPOSE",
    "conversion": "CAST DEQUANTIZE QUANTIZE",
    "depthwise_conv": "DEPTHWISE_CONV_2D",
    "detection": "TFLite_Detection_PostProcess",
    "elementwise": "ABS ADD ADD_N CEIL COS DIV EXP FLOOR FLOOR_DIV FLOOR_MOD LOG MAXIMUM MINIMUM MUL NEG POW ROUND RSQRT SIGN SIN SQRT "
    "SQUARE SQUARED_DIFFERENCE SUB",
    "embedding": "EMBEDDING_LOOKUP EMBEDDING_LOOKUP_SPARSE",
    "features": "LSH_PROJECTION SKIP_GRAM",
    "gather": "GATHER GATHER_ND ONE_HOT TOPK_V2",
    "hashtable": "HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_LOOKUP HASHTABLE_SIZE",
    "lstm": "LSTM UNIDIRECTIONAL_SEQUENCE_LSTM",
    "matmul": "BATCH_MATMUL FULLY_CONNECTED",
    "mediapipe": "Convolution2DTransposeBias MaxPoolingWithArgmax2D MaxUnpooling2D",
    "normalization": "FAKE_QUANT LOCAL_RESPONSE_NORMALIZATION",
    "pad": "BROADCAST_TO FILL MIRROR_PAD PAD PADV2 RANGE TILE",
    "pool": "AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D",
    "random": "MULTINOMIAL RANDOM_STANDARD_NORMAL RANDOM_UNIFORM STABLEHLO_RNG_BIT_GENERATOR",
    "reduce": "ARG_MAX ARG_MIN CUMSUM MEAN REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM",
    "reshape": "DENSIFY EXPAND_DIMS PACK RANK RESHAPE SHAPE SQUEEZE TRANSPOSE UNPACK",
    "resize": "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR",
    "scatter": "DYNAMIC_UPDATE_SLICE SCATTER_ND SEGMENT_SUM SPARSE_TO_DENSE UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN "
    "UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM",
    "selection": "NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 UNIQUE WHERE",
    "rnn": "RNN SVDF UNIDIRECTIONAL_SEQUENCE_RNN",
    "signal": "SignalEnergy SignalFftAutoScale SignalFilterBank SignalFilterBankLog SignalFilterBankSquareRoot SignalIrfft SignalPCAN "
    "SignalRfft SignalWindow",
    "slice": "REVERSE_V2 SLICE STRIDED_SLICE",
    "space": "BATCH_TO_SPACE_ND DEPTH_TO_SPACE SPACE_TO_BATCH_ND SPACE_TO_DEPTH",
    "stablehlo": "STABLEHLO_ADD STABLEHLO_AND STABLEHLO_GATHER STABLEHLO_MAXIMUM STABLEHLO_MINIMUM STABLEHLO_MULTIPLY STABLEHLO_SCATTER "
    "STABLEHLO_SHIFT_LEFT",
    "streaming": "SignalDelay SignalFilterBankSpectralSubtraction SignalFramer SignalOverlapAdd SignalStacker",
    "variables": "ASSIGN_VARIABLE CALL_ONCE READ_VARIABLE VAR_HANDLE",
    "window": "DILATE REDUCE_WINDOW STABLEHLO_PAD STABLEHLO_REDUCE_WINDOW",
}
"""The modules of `binding` that bind operators, and the operators each binds."""

_FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names.split()}


def load_bindings(names: Iterable[str] | None = None) -> None:
    """Fills the operator and binding registries with what these operators need, builtin or custom; with all there is if none are named."""
    wanted = FAMILIES if names is None else {_FAMILY_OF[name] for name in names if name in _FAMILY_OF}
    for family in wanted:
        import_module(f"jitlite.interpreter.binding.{family}")
