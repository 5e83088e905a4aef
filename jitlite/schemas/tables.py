# generated from tflite.fbs by `python -m jitlite.schemas.generate`; do not edit
"""The tables and enums of the .tflite file format."""

from __future__ import annotations

from jitlite.schemas.choice import Choice
from jitlite.schemas.table import LazyTables, Table, choice, choices, made, number, numbers, raw, table, tables, text, union


def __getattr__(name: str) -> type[Table]:
    """A class that is reached through a union, made when it is first asked for."""
    return made(globals(), name)


class ActivationFunctionType(Choice):
    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


class BuiltinOperator(Choice):
    ADD = 0
    AVERAGE_POOL_2D = 1
    CONCATENATION = 2
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    DEPTH_TO_SPACE = 5
    DEQUANTIZE = 6
    EMBEDDING_LOOKUP = 7
    FLOOR = 8
    FULLY_CONNECTED = 9
    HASHTABLE_LOOKUP = 10
    L2_NORMALIZATION = 11
    L2_POOL_2D = 12
    LOCAL_RESPONSE_NORMALIZATION = 13
    LOGISTIC = 14
    LSH_PROJECTION = 15
    LSTM = 16
    MAX_POOL_2D = 17
    MUL = 18
    RELU = 19
    RELU_N1_TO_1 = 20
    RELU6 = 21
    RESHAPE = 22
    RESIZE_BILINEAR = 23
    RNN = 24
    SOFTMAX = 25
    SPACE_TO_DEPTH = 26
    SVDF = 27
    TANH = 28
    CONCAT_EMBEDDINGS = 29
    SKIP_GRAM = 30
    CALL = 31
    CUSTOM = 32
    EMBEDDING_LOOKUP_SPARSE = 33
    PAD = 34
    UNIDIRECTIONAL_SEQUENCE_RNN = 35
    GATHER = 36
    BATCH_TO_SPACE_ND = 37
    SPACE_TO_BATCH_ND = 38
    TRANSPOSE = 39
    MEAN = 40
    SUB = 41
    DIV = 42
    SQUEEZE = 43
    UNIDIRECTIONAL_SEQUENCE_LSTM = 44
    STRIDED_SLICE = 45
    BIDIRECTIONAL_SEQUENCE_RNN = 46
    EXP = 47
    TOPK_V2 = 48
    SPLIT = 49
    LOG_SOFTMAX = 50
    DELEGATE = 51
    BIDIRECTIONAL_SEQUENCE_LSTM = 52
    CAST = 53
    PRELU = 54
    MAXIMUM = 55
    ARG_MAX = 56
    MINIMUM = 57
    LESS = 58
    NEG = 59
    PADV2 = 60
    GREATER = 61
    GREATER_EQUAL = 62
    LESS_EQUAL = 63
    SELECT = 64
    SLICE = 65
    SIN = 66
    TRANSPOSE_CONV = 67
    SPARSE_TO_DENSE = 68
    TILE = 69
    EXPAND_DIMS = 70
    EQUAL = 71
    NOT_EQUAL = 72
    LOG = 73
    SUM = 74
    SQRT = 75
    RSQRT = 76
    SHAPE = 77
    POW = 78
    ARG_MIN = 79
    FAKE_QUANT = 80
    REDUCE_PROD = 81
    REDUCE_MAX = 82
    PACK = 83
    LOGICAL_OR = 84
    ONE_HOT = 85
    LOGICAL_AND = 86
    LOGICAL_NOT = 87
    UNPACK = 88
    REDUCE_MIN = 89
    FLOOR_DIV = 90
    REDUCE_ANY = 91
    SQUARE = 92
    ZEROS_LIKE = 93
    FILL = 94
    FLOOR_MOD = 95
    RANGE = 96
    RESIZE_NEAREST_NEIGHBOR = 97
    LEAKY_RELU = 98
    SQUARED_DIFFERENCE = 99
    MIRROR_PAD = 100
    ABS = 101
    SPLIT_V = 102
    UNIQUE = 103
    CEIL = 104
    REVERSE_V2 = 105
    ADD_N = 106
    GATHER_ND = 107
    COS = 108
    WHERE = 109
    RANK = 110
    ELU = 111
    REVERSE_SEQUENCE = 112
    MATRIX_DIAG = 113
    QUANTIZE = 114
    MATRIX_SET_DIAG = 115
    ROUND = 116
    HARD_SWISH = 117
    IF = 118
    WHILE = 119
    NON_MAX_SUPPRESSION_V4 = 120
    NON_MAX_SUPPRESSION_V5 = 121
    SCATTER_ND = 122
    SELECT_V2 = 123
    DENSIFY = 124
    SEGMENT_SUM = 125
    BATCH_MATMUL = 126
    PLACEHOLDER_FOR_GREATER_OP_CODES = 127
    CUMSUM = 128
    CALL_ONCE = 129
    BROADCAST_TO = 130
    RFFT2D = 131
    CONV_3D = 132
    IMAG = 133
    REAL = 134
    COMPLEX_ABS = 135
    HASHTABLE = 136
    HASHTABLE_FIND = 137
    HASHTABLE_IMPORT = 138
    HASHTABLE_SIZE = 139
    REDUCE_ALL = 140
    CONV_3D_TRANSPOSE = 141
    VAR_HANDLE = 142
    READ_VARIABLE = 143
    ASSIGN_VARIABLE = 144
    BROADCAST_ARGS = 145
    RANDOM_STANDARD_NORMAL = 146
    BUCKETIZE = 147
    RANDOM_UNIFORM = 148
    MULTINOMIAL = 149
    GELU = 150
    DYNAMIC_UPDATE_SLICE = 151
    RELU_0_TO_1 = 152
    UNSORTED_SEGMENT_PROD = 153
    UNSORTED_SEGMENT_MAX = 154
    UNSORTED_SEGMENT_SUM = 155
    ATAN2 = 156
    UNSORTED_SEGMENT_MIN = 157
    SIGN = 158
    BITCAST = 159
    BITWISE_XOR = 160
    RIGHT_SHIFT = 161
    STABLEHLO_LOGISTIC = 162
    STABLEHLO_ADD = 163
    STABLEHLO_DIVIDE = 164
    STABLEHLO_MULTIPLY = 165
    STABLEHLO_MAXIMUM = 166
    STABLEHLO_RESHAPE = 167
    STABLEHLO_CLAMP = 168
    STABLEHLO_CONCATENATE = 169
    STABLEHLO_BROADCAST_IN_DIM = 170
    STABLEHLO_CONVOLUTION = 171
    STABLEHLO_SLICE = 172
    STABLEHLO_CUSTOM_CALL = 173
    STABLEHLO_REDUCE = 174
    STABLEHLO_ABS = 175
    STABLEHLO_AND = 176
    STABLEHLO_COSINE = 177
    STABLEHLO_EXPONENTIAL = 178
    STABLEHLO_FLOOR = 179
    STABLEHLO_LOG = 180
    STABLEHLO_MINIMUM = 181
    STABLEHLO_NEGATE = 182
    STABLEHLO_OR = 183
    STABLEHLO_POWER = 184
    STABLEHLO_REMAINDER = 185
    STABLEHLO_RSQRT = 186
    STABLEHLO_SELECT = 187
    STABLEHLO_SUBTRACT = 188
    STABLEHLO_TANH = 189
    STABLEHLO_SCATTER = 190
    STABLEHLO_COMPARE = 191
    STABLEHLO_CONVERT = 192
    STABLEHLO_DYNAMIC_SLICE = 193
    STABLEHLO_DYNAMIC_UPDATE_SLICE = 194
    STABLEHLO_PAD = 195
    STABLEHLO_IOTA = 196
    STABLEHLO_DOT_GENERAL = 197
    STABLEHLO_REDUCE_WINDOW = 198
    STABLEHLO_SORT = 199
    STABLEHLO_WHILE = 200
    STABLEHLO_GATHER = 201
    STABLEHLO_TRANSPOSE = 202
    DILATE = 203
    STABLEHLO_RNG_BIT_GENERATOR = 204
    REDUCE_WINDOW = 205
    STABLEHLO_COMPOSITE = 206
    STABLEHLO_SHIFT_LEFT = 207
    STABLEHLO_CBRT = 208
    STABLEHLO_CASE = 209


class CombinerType(Choice):
    SUM = 0
    MEAN = 1
    SQRTN = 2


class CustomOptionsFormat(Choice):
    FLEXBUFFERS = 0


class DimensionType(Choice):
    DENSE = 0
    SPARSE_CSR = 1


class FullyConnectedOptionsWeightsFormat(Choice):
    DEFAULT = 0
    SHUFFLED4x16INT8 = 1


class LSHProjectionType(Choice):
    UNKNOWN = 0
    SPARSE = 1
    DENSE = 2


class LSTMKernelType(Choice):
    FULL = 0
    BASIC = 1


class MirrorPadMode(Choice):
    REFLECT = 0
    SYMMETRIC = 1


class Padding(Choice):
    SAME = 0
    VALID = 1


class ReduceWindowFunction(Choice):
    UNSUPPORTED = 0
    ADD = 1
    MUL = 2
    MINIMUM = 3
    MAXIMUM = 4
    ALL = 5
    ANY = 6


class RngAlgorithm(Choice):
    DEFAULT = 0
    PHILOX = 1
    THREEFRY = 2


class StablehloComparisonDirection(Choice):
    STABLEHLO_COMPARISON_DIRECTION_EQ = 0
    STABLEHLO_COMPARISON_DIRECTION_NE = 1
    STABLEHLO_COMPARISON_DIRECTION_GE = 2
    STABLEHLO_COMPARISON_DIRECTION_GT = 3
    STABLEHLO_COMPARISON_DIRECTION_LE = 4
    STABLEHLO_COMPARISON_DIRECTION_LT = 5


class StablehloComparisonType(Choice):
    STABLEHLO_COMPARISON_TYPE_NOTYPE = 0
    STABLEHLO_COMPARISON_TYPE_FLOAT = 1
    STABLEHLO_COMPARISON_TYPE_FLOAT_TOTAL_ORDER = 2
    STABLEHLO_COMPARISON_TYPE_SIGNED = 3
    STABLEHLO_COMPARISON_TYPE_UNSIGNED = 4


class StablehloPrecisionConfig(Choice):
    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


class TensorType(Choice):
    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    STRING = 5
    BOOL = 6
    INT16 = 7
    COMPLEX64 = 8
    INT8 = 9
    FLOAT64 = 10
    COMPLEX128 = 11
    UINT64 = 12
    RESOURCE = 13
    VARIANT = 14
    UINT32 = 15
    UINT16 = 16
    INT4 = 17
    BFLOAT16 = 18
    INT2 = 19
    UINT4 = 20
    FLOAT8_E4M3FN = 21
    FLOAT8_E5M2 = 22


def _make_atan2options() -> type[Table]:
    class ATan2Options(Table):
        pass

    return ATan2Options


def _make_absoptions() -> type[Table]:
    class AbsOptions(Table):
        pass

    return AbsOptions


def _make_addnoptions() -> type[Table]:
    class AddNOptions(Table):
        pass

    return AddNOptions


def _make_addoptions() -> type[Table]:
    class AddOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
        pot_scale_int16: bool = number(1, "?", default=True)

    return AddOptions


def _make_argmaxoptions() -> type[Table]:
    class ArgMaxOptions(Table):
        output_type: TensorType = choice(0, "b", default=TensorType.FLOAT32)

    return ArgMaxOptions


def _make_argminoptions() -> type[Table]:
    class ArgMinOptions(Table):
        output_type: TensorType = choice(0, "b", default=TensorType.FLOAT32)

    return ArgMinOptions


def _make_assignvariableoptions() -> type[Table]:
    class AssignVariableOptions(Table):
        pass

    return AssignVariableOptions


def _make_batchmatmuloptions() -> type[Table]:
    class BatchMatMulOptions(Table):
        adj_x: bool = number(0, "?", default=False)
        adj_y: bool = number(1, "?", default=False)
        asymmetric_quantize_inputs: bool = number(2, "?", default=False)

    return BatchMatMulOptions


def _make_batchtospacendoptions() -> type[Table]:
    class BatchToSpaceNDOptions(Table):
        pass

    return BatchToSpaceNDOptions


def _make_bidirectionalsequencelstmoptions() -> type[Table]:
    class BidirectionalSequenceLSTMOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
        cell_clip: float = number(1, "f", default=0.0)
        proj_clip: float = number(2, "f", default=0.0)
        merge_outputs: bool = number(3, "?", default=False)
        time_major: bool = number(4, "?", default=True)
        asymmetric_quantize_inputs: bool = number(5, "?", default=False)

    return BidirectionalSequenceLSTMOptions


def _make_bidirectionalsequencernnoptions() -> type[Table]:
    class BidirectionalSequenceRNNOptions(Table):
        time_major: bool = number(0, "?", default=False)
        fused_activation_function: ActivationFunctionType = choice(1, "b", default=ActivationFunctionType.NONE)
        merge_outputs: bool = number(2, "?", default=False)
        asymmetric_quantize_inputs: bool = number(3, "?", default=False)

    return BidirectionalSequenceRNNOptions


def _make_bitcastoptions() -> type[Table]:
    class BitcastOptions(Table):
        pass

    return BitcastOptions


def _make_bitwisexoroptions() -> type[Table]:
    class BitwiseXorOptions(Table):
        pass

    return BitwiseXorOptions


def _make_blockwisequantization() -> type[Table]:
    class BlockwiseQuantization(Table):
        scales: int = number(0, "i", default=0)
        zero_points: int = number(1, "i", default=0)
        block_size: int = number(2, "i", default=0)
        block_shape: list[int] = numbers(3, "i", default_factory=list)

    return BlockwiseQuantization


def _make_broadcasttooptions() -> type[Table]:
    class BroadcastToOptions(Table):
        pass

    return BroadcastToOptions


def _make_bucketizeoptions() -> type[Table]:
    class BucketizeOptions(Table):
        boundaries: list[float] = numbers(0, "f", default_factory=list)

    return BucketizeOptions


class Buffer(Table):
    data: bytes | bytearray | memoryview = raw(0, align=16, default=b"")
    offset: int = number(1, "Q", default=0)
    size: int = number(2, "Q", default=0)


def _make_callonceoptions() -> type[Table]:
    class CallOnceOptions(Table):
        init_subgraph_index: int = number(0, "i", default=0)

    return CallOnceOptions


def _make_calloptions() -> type[Table]:
    class CallOptions(Table):
        subgraph: int = number(0, "I", default=0)

    return CallOptions


def _make_castoptions() -> type[Table]:
    class CastOptions(Table):
        in_data_type: TensorType = choice(0, "b", default=TensorType.FLOAT32)
        out_data_type: TensorType = choice(1, "b", default=TensorType.FLOAT32)

    return CastOptions


def _make_concatembeddingsoptions() -> type[Table]:
    class ConcatEmbeddingsOptions(Table):
        num_channels: int = number(0, "i", default=0)
        num_columns_per_channel: list[int] = numbers(1, "i", default_factory=list)
        embedding_dim_per_channel: list[int] = numbers(2, "i", default_factory=list)

    return ConcatEmbeddingsOptions


def _make_concatenationoptions() -> type[Table]:
    class ConcatenationOptions(Table):
        axis: int = number(0, "i", default=0)
        fused_activation_function: ActivationFunctionType = choice(1, "b", default=ActivationFunctionType.NONE)

    return ConcatenationOptions


def _make_conv2doptions() -> type[Table]:
    class Conv2DOptions(Table):
        padding: Padding = choice(0, "b", default=Padding.SAME)
        stride_w: int = number(1, "i", default=0)
        stride_h: int = number(2, "i", default=0)
        fused_activation_function: ActivationFunctionType = choice(3, "b", default=ActivationFunctionType.NONE)
        dilation_w_factor: int = number(4, "i", default=1)
        dilation_h_factor: int = number(5, "i", default=1)
        quantized_bias_type: TensorType = choice(6, "b", default=TensorType.FLOAT32)

    return Conv2DOptions


def _make_conv3doptions() -> type[Table]:
    class Conv3DOptions(Table):
        padding: Padding = choice(0, "b", default=Padding.SAME)
        stride_d: int = number(1, "i", default=0)
        stride_w: int = number(2, "i", default=0)
        stride_h: int = number(3, "i", default=0)
        fused_activation_function: ActivationFunctionType = choice(4, "b", default=ActivationFunctionType.NONE)
        dilation_d_factor: int = number(5, "i", default=1)
        dilation_w_factor: int = number(6, "i", default=1)
        dilation_h_factor: int = number(7, "i", default=1)

    return Conv3DOptions


def _make_cosoptions() -> type[Table]:
    class CosOptions(Table):
        pass

    return CosOptions


def _make_cumsumoptions() -> type[Table]:
    class CumsumOptions(Table):
        exclusive: bool = number(0, "?", default=False)
        reverse: bool = number(1, "?", default=False)

    return CumsumOptions


def _make_customquantization() -> type[Table]:
    class CustomQuantization(Table):
        custom: bytes | bytearray | memoryview = raw(0, default=b"")

    return CustomQuantization


def _make_densifyoptions() -> type[Table]:
    class DensifyOptions(Table):
        pass

    return DensifyOptions


def _make_depthtospaceoptions() -> type[Table]:
    class DepthToSpaceOptions(Table):
        block_size: int = number(0, "i", default=0)

    return DepthToSpaceOptions


def _make_depthwiseconv2doptions() -> type[Table]:
    class DepthwiseConv2DOptions(Table):
        padding: Padding = choice(0, "b", default=Padding.SAME)
        stride_w: int = number(1, "i", default=0)
        stride_h: int = number(2, "i", default=0)
        depth_multiplier: int = number(3, "i", default=0)
        fused_activation_function: ActivationFunctionType = choice(4, "b", default=ActivationFunctionType.NONE)
        dilation_w_factor: int = number(5, "i", default=1)
        dilation_h_factor: int = number(6, "i", default=1)

    return DepthwiseConv2DOptions


def _make_dequantizeoptions() -> type[Table]:
    class DequantizeOptions(Table):
        pass

    return DequantizeOptions


def _make_dilateoptions() -> type[Table]:
    class DilateOptions(Table):
        pass

    return DilateOptions


def _make_int32vector() -> type[Table]:
    class Int32Vector(Table):
        values: list[int] = numbers(0, "i", default_factory=list)

    return Int32Vector


def _make_uint16vector() -> type[Table]:
    class Uint16Vector(Table):
        values: list[int] = numbers(0, "H", align=4, default_factory=list)

    return Uint16Vector


def _make_uint8vector() -> type[Table]:
    class Uint8Vector(Table):
        values: bytes | bytearray | memoryview = raw(0, align=4, default=b"")

    return Uint8Vector


SPARSE_INDEX_VECTOR = LazyTables(
    {
        1: "Int32Vector",
        2: "Uint16Vector",
        3: "Uint8Vector",
    },
    __getattr__,
)


class DimensionMetadata(Table):
    format: DimensionType = choice(0, "b", default=DimensionType.DENSE)
    dense_size: int = number(1, "i", default=0)
    array_segments: Table | None = union(3, SPARSE_INDEX_VECTOR, default=None)
    array_indices: Table | None = union(5, SPARSE_INDEX_VECTOR, default=None)


def _make_divoptions() -> type[Table]:
    class DivOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)

    return DivOptions


def _make_dynamicupdatesliceoptions() -> type[Table]:
    class DynamicUpdateSliceOptions(Table):
        pass

    return DynamicUpdateSliceOptions


def _make_embeddinglookupsparseoptions() -> type[Table]:
    class EmbeddingLookupSparseOptions(Table):
        combiner: CombinerType = choice(0, "b", default=CombinerType.SUM)

    return EmbeddingLookupSparseOptions


def _make_equaloptions() -> type[Table]:
    class EqualOptions(Table):
        pass

    return EqualOptions


def _make_expoptions() -> type[Table]:
    class ExpOptions(Table):
        pass

    return ExpOptions


def _make_expanddimsoptions() -> type[Table]:
    class ExpandDimsOptions(Table):
        pass

    return ExpandDimsOptions


class ExternalBuffer(Table):
    id: int = number(0, "I", default=0)
    group: int = number(1, "I", default=0)
    offset: int = number(2, "Q", default=0)
    length: int = number(3, "Q", default=0)
    packing: str = text(4, default="")


class ExternalBufferGroup(Table):
    name: str = text(0, default="")


def _make_fakequantoptions() -> type[Table]:
    class FakeQuantOptions(Table):
        min: float = number(0, "f", default=0.0)
        max: float = number(1, "f", default=0.0)
        num_bits: int = number(2, "i", default=0)
        narrow_range: bool = number(3, "?", default=False)

    return FakeQuantOptions


def _make_filloptions() -> type[Table]:
    class FillOptions(Table):
        pass

    return FillOptions


def _make_floordivoptions() -> type[Table]:
    class FloorDivOptions(Table):
        pass

    return FloorDivOptions


def _make_floormodoptions() -> type[Table]:
    class FloorModOptions(Table):
        pass

    return FloorModOptions


def _make_fullyconnectedoptions() -> type[Table]:
    class FullyConnectedOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
        weights_format: FullyConnectedOptionsWeightsFormat = choice(1, "b", default=FullyConnectedOptionsWeightsFormat.DEFAULT)
        keep_num_dims: bool = number(2, "?", default=False)
        asymmetric_quantize_inputs: bool = number(3, "?", default=False)
        quantized_bias_type: TensorType = choice(4, "b", default=TensorType.FLOAT32)
        quant_spec: bytes | bytearray | memoryview = raw(5, default=b"")

    return FullyConnectedOptions


def _make_gatherndoptions() -> type[Table]:
    class GatherNdOptions(Table):
        pass

    return GatherNdOptions


def _make_gatheroptions() -> type[Table]:
    class GatherOptions(Table):
        axis: int = number(0, "i", default=0)
        batch_dims: int = number(1, "i", default=0)

    return GatherOptions


def _make_geluoptions() -> type[Table]:
    class GeluOptions(Table):
        approximate: bool = number(0, "?", default=False)

    return GeluOptions


def _make_greaterequaloptions() -> type[Table]:
    class GreaterEqualOptions(Table):
        pass

    return GreaterEqualOptions


def _make_greateroptions() -> type[Table]:
    class GreaterOptions(Table):
        pass

    return GreaterOptions


def _make_hardswishoptions() -> type[Table]:
    class HardSwishOptions(Table):
        pass

    return HardSwishOptions


def _make_hashtablefindoptions() -> type[Table]:
    class HashtableFindOptions(Table):
        pass

    return HashtableFindOptions


def _make_hashtableimportoptions() -> type[Table]:
    class HashtableImportOptions(Table):
        pass

    return HashtableImportOptions


def _make_hashtableoptions() -> type[Table]:
    class HashtableOptions(Table):
        table_id: int = number(0, "i", default=0)
        key_dtype: TensorType = choice(1, "b", default=TensorType.FLOAT32)
        value_dtype: TensorType = choice(2, "b", default=TensorType.FLOAT32)

    return HashtableOptions


def _make_hashtablesizeoptions() -> type[Table]:
    class HashtableSizeOptions(Table):
        pass

    return HashtableSizeOptions


def _make_ifoptions() -> type[Table]:
    class IfOptions(Table):
        then_subgraph_index: int = number(0, "i", default=0)
        else_subgraph_index: int = number(1, "i", default=0)

    return IfOptions


def _make_l2normoptions() -> type[Table]:
    class L2NormOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)

    return L2NormOptions


def _make_lshprojectionoptions() -> type[Table]:
    class LSHProjectionOptions(Table):
        type: LSHProjectionType = choice(0, "b", default=LSHProjectionType.UNKNOWN)

    return LSHProjectionOptions


def _make_lstmoptions() -> type[Table]:
    class LSTMOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
        cell_clip: float = number(1, "f", default=0.0)
        proj_clip: float = number(2, "f", default=0.0)
        kernel_type: LSTMKernelType = choice(3, "b", default=LSTMKernelType.FULL)
        asymmetric_quantize_inputs: bool = number(4, "?", default=False)

    return LSTMOptions


def _make_leakyreluoptions() -> type[Table]:
    class LeakyReluOptions(Table):
        alpha: float = number(0, "f", default=0.0)

    return LeakyReluOptions


def _make_lessequaloptions() -> type[Table]:
    class LessEqualOptions(Table):
        pass

    return LessEqualOptions


def _make_lessoptions() -> type[Table]:
    class LessOptions(Table):
        pass

    return LessOptions


def _make_localresponsenormalizationoptions() -> type[Table]:
    class LocalResponseNormalizationOptions(Table):
        radius: int = number(0, "i", default=0)
        bias: float = number(1, "f", default=0.0)
        alpha: float = number(2, "f", default=0.0)
        beta: float = number(3, "f", default=0.0)

    return LocalResponseNormalizationOptions


def _make_logsoftmaxoptions() -> type[Table]:
    class LogSoftmaxOptions(Table):
        pass

    return LogSoftmaxOptions


def _make_logicalandoptions() -> type[Table]:
    class LogicalAndOptions(Table):
        pass

    return LogicalAndOptions


def _make_logicalnotoptions() -> type[Table]:
    class LogicalNotOptions(Table):
        pass

    return LogicalNotOptions


def _make_logicaloroptions() -> type[Table]:
    class LogicalOrOptions(Table):
        pass

    return LogicalOrOptions


def _make_matrixdiagoptions() -> type[Table]:
    class MatrixDiagOptions(Table):
        pass

    return MatrixDiagOptions


def _make_matrixsetdiagoptions() -> type[Table]:
    class MatrixSetDiagOptions(Table):
        pass

    return MatrixSetDiagOptions


def _make_maximumminimumoptions() -> type[Table]:
    class MaximumMinimumOptions(Table):
        pass

    return MaximumMinimumOptions


class Metadata(Table):
    name: str = text(0, default="")
    buffer: int = number(1, "I", default=0)


def _make_mirrorpadoptions() -> type[Table]:
    class MirrorPadOptions(Table):
        mode: MirrorPadMode = choice(0, "b", default=MirrorPadMode.REFLECT)

    return MirrorPadOptions


class OperatorCode(Table):
    deprecated_builtin_code: int = number(0, "b", default=0)
    custom_code: str = text(1, default="")
    version: int = number(2, "i", default=1)
    builtin_code: BuiltinOperator = choice(3, "i", default=BuiltinOperator.ADD)


def _make_multiaxisquantization() -> type[Table]:
    class MultiAxisQuantization(Table):
        scales: int = number(0, "i", default=0)
        zero_points: int = number(1, "i", default=0)
        block_size: int = number(2, "i", default=0)
        quantized_dimensions: list[int] = numbers(3, "i", default_factory=list)

    return MultiAxisQuantization


QUANTIZATION_DETAILS = LazyTables(
    {
        1: "CustomQuantization",
        2: "BlockwiseQuantization",
        3: "MultiAxisQuantization",
    },
    __getattr__,
)


class QuantizationParameters(Table):
    min: list[float] = numbers(0, "f", default_factory=list)
    max: list[float] = numbers(1, "f", default_factory=list)
    scale: list[float] = numbers(2, "f", default_factory=list)
    zero_point: list[int] = numbers(3, "q", default_factory=list)
    details: Table | None = union(5, QUANTIZATION_DETAILS, default=None)
    quantized_dimension: int = number(6, "i", default=0)


class SparsityParameters(Table):
    traversal_order: list[int] = numbers(0, "i", default_factory=list)
    block_map: list[int] = numbers(1, "i", default_factory=list)
    dim_metadata: list[DimensionMetadata] = tables(2, DimensionMetadata, default_factory=list)


class VariantSubType(Table):
    shape: list[int] = numbers(0, "i", default_factory=list)
    type: TensorType = choice(1, "b", default=TensorType.FLOAT32)
    has_rank: bool = number(2, "?", default=False)


class Tensor(Table):
    shape: list[int] = numbers(0, "i", default_factory=list)
    type: TensorType = choice(1, "b", default=TensorType.FLOAT32)
    buffer: int = number(2, "I", default=0)
    name: str = text(3, default="")
    quantization: QuantizationParameters | None = table(4, QuantizationParameters, default=None)
    is_variable: bool = number(5, "?", default=False)
    sparsity: SparsityParameters | None = table(6, SparsityParameters, default=None)
    shape_signature: list[int] = numbers(7, "i", default_factory=list)
    has_rank: bool = number(8, "?", default=False)
    variant_tensors: list[VariantSubType] = tables(9, VariantSubType, default_factory=list)
    external_buffer: int = number(10, "I", default=0)


def _make_pool2doptions() -> type[Table]:
    class Pool2DOptions(Table):
        padding: Padding = choice(0, "b", default=Padding.SAME)
        stride_w: int = number(1, "i", default=0)
        stride_h: int = number(2, "i", default=0)
        filter_width: int = number(3, "i", default=0)
        filter_height: int = number(4, "i", default=0)
        fused_activation_function: ActivationFunctionType = choice(5, "b", default=ActivationFunctionType.NONE)

    return Pool2DOptions


def _make_svdfoptions() -> type[Table]:
    class SVDFOptions(Table):
        rank: int = number(0, "i", default=0)
        fused_activation_function: ActivationFunctionType = choice(1, "b", default=ActivationFunctionType.NONE)
        asymmetric_quantize_inputs: bool = number(2, "?", default=False)

    return SVDFOptions


def _make_rnnoptions() -> type[Table]:
    class RNNOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
        asymmetric_quantize_inputs: bool = number(1, "?", default=False)

    return RNNOptions


def _make_softmaxoptions() -> type[Table]:
    class SoftmaxOptions(Table):
        beta: float = number(0, "f", default=0.0)

    return SoftmaxOptions


def _make_resizebilinearoptions() -> type[Table]:
    class ResizeBilinearOptions(Table):
        align_corners: bool = number(2, "?", default=False)
        half_pixel_centers: bool = number(3, "?", default=False)

    return ResizeBilinearOptions


def _make_reshapeoptions() -> type[Table]:
    class ReshapeOptions(Table):
        new_shape: list[int] = numbers(0, "i", default_factory=list)

    return ReshapeOptions


def _make_skipgramoptions() -> type[Table]:
    class SkipGramOptions(Table):
        ngram_size: int = number(0, "i", default=0)
        max_skip_size: int = number(1, "i", default=0)
        include_all_ngrams: bool = number(2, "?", default=False)

    return SkipGramOptions


def _make_spacetodepthoptions() -> type[Table]:
    class SpaceToDepthOptions(Table):
        block_size: int = number(0, "i", default=0)

    return SpaceToDepthOptions


def _make_muloptions() -> type[Table]:
    class MulOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)

    return MulOptions


def _make_padoptions() -> type[Table]:
    class PadOptions(Table):
        pass

    return PadOptions


def _make_spacetobatchndoptions() -> type[Table]:
    class SpaceToBatchNDOptions(Table):
        pass

    return SpaceToBatchNDOptions


def _make_transposeoptions() -> type[Table]:
    class TransposeOptions(Table):
        pass

    return TransposeOptions


def _make_reduceroptions() -> type[Table]:
    class ReducerOptions(Table):
        keep_dims: bool = number(0, "?", default=False)

    return ReducerOptions


def _make_suboptions() -> type[Table]:
    class SubOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
        pot_scale_int16: bool = number(1, "?", default=True)

    return SubOptions


def _make_squeezeoptions() -> type[Table]:
    class SqueezeOptions(Table):
        squeeze_dims: list[int] = numbers(0, "i", default_factory=list)

    return SqueezeOptions


def _make_sequencernnoptions() -> type[Table]:
    class SequenceRNNOptions(Table):
        time_major: bool = number(0, "?", default=False)
        fused_activation_function: ActivationFunctionType = choice(1, "b", default=ActivationFunctionType.NONE)
        asymmetric_quantize_inputs: bool = number(2, "?", default=False)

    return SequenceRNNOptions


def _make_stridedsliceoptions() -> type[Table]:
    class StridedSliceOptions(Table):
        begin_mask: int = number(0, "i", default=0)
        end_mask: int = number(1, "i", default=0)
        ellipsis_mask: int = number(2, "i", default=0)
        new_axis_mask: int = number(3, "i", default=0)
        shrink_axis_mask: int = number(4, "i", default=0)
        offset: bool = number(5, "?", default=False)

    return StridedSliceOptions


def _make_topkv2options() -> type[Table]:
    class TopKV2Options(Table):
        pass

    return TopKV2Options


def _make_splitoptions() -> type[Table]:
    class SplitOptions(Table):
        num_splits: int = number(0, "i", default=0)

    return SplitOptions


def _make_negoptions() -> type[Table]:
    class NegOptions(Table):
        pass

    return NegOptions


def _make_padv2options() -> type[Table]:
    class PadV2Options(Table):
        pass

    return PadV2Options


def _make_selectoptions() -> type[Table]:
    class SelectOptions(Table):
        pass

    return SelectOptions


def _make_sliceoptions() -> type[Table]:
    class SliceOptions(Table):
        pass

    return SliceOptions


def _make_transposeconvoptions() -> type[Table]:
    class TransposeConvOptions(Table):
        padding: Padding = choice(0, "b", default=Padding.SAME)
        stride_w: int = number(1, "i", default=0)
        stride_h: int = number(2, "i", default=0)
        fused_activation_function: ActivationFunctionType = choice(3, "b", default=ActivationFunctionType.NONE)
        quantized_bias_type: TensorType = choice(4, "b", default=TensorType.FLOAT32)

    return TransposeConvOptions


def _make_sparsetodenseoptions() -> type[Table]:
    class SparseToDenseOptions(Table):
        validate_indices: bool = number(0, "?", default=False)

    return SparseToDenseOptions


def _make_tileoptions() -> type[Table]:
    class TileOptions(Table):
        pass

    return TileOptions


def _make_notequaloptions() -> type[Table]:
    class NotEqualOptions(Table):
        pass

    return NotEqualOptions


def _make_shapeoptions() -> type[Table]:
    class ShapeOptions(Table):
        out_type: TensorType = choice(0, "b", default=TensorType.FLOAT32)

    return ShapeOptions


def _make_powoptions() -> type[Table]:
    class PowOptions(Table):
        pass

    return PowOptions


def _make_packoptions() -> type[Table]:
    class PackOptions(Table):
        values_count: int = number(0, "i", default=0)
        axis: int = number(1, "i", default=0)

    return PackOptions


def _make_onehotoptions() -> type[Table]:
    class OneHotOptions(Table):
        axis: int = number(0, "i", default=0)

    return OneHotOptions


def _make_unpackoptions() -> type[Table]:
    class UnpackOptions(Table):
        num: int = number(0, "i", default=0)
        axis: int = number(1, "i", default=0)

    return UnpackOptions


def _make_squareoptions() -> type[Table]:
    class SquareOptions(Table):
        pass

    return SquareOptions


def _make_zeroslikeoptions() -> type[Table]:
    class ZerosLikeOptions(Table):
        pass

    return ZerosLikeOptions


def _make_unidirectionalsequencelstmoptions() -> type[Table]:
    class UnidirectionalSequenceLSTMOptions(Table):
        fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
        cell_clip: float = number(1, "f", default=0.0)
        proj_clip: float = number(2, "f", default=0.0)
        time_major: bool = number(3, "?", default=False)
        asymmetric_quantize_inputs: bool = number(4, "?", default=False)
        diagonal_recurrent_tensors: bool = number(5, "?", default=False)

    return UnidirectionalSequenceLSTMOptions


def _make_rangeoptions() -> type[Table]:
    class RangeOptions(Table):
        pass

    return RangeOptions


def _make_resizenearestneighboroptions() -> type[Table]:
    class ResizeNearestNeighborOptions(Table):
        align_corners: bool = number(0, "?", default=False)
        half_pixel_centers: bool = number(1, "?", default=False)

    return ResizeNearestNeighborOptions


def _make_squareddifferenceoptions() -> type[Table]:
    class SquaredDifferenceOptions(Table):
        pass

    return SquaredDifferenceOptions


def _make_splitvoptions() -> type[Table]:
    class SplitVOptions(Table):
        num_splits: int = number(0, "i", default=0)

    return SplitVOptions


def _make_uniqueoptions() -> type[Table]:
    class UniqueOptions(Table):
        idx_out_type: TensorType = choice(0, "b", default=TensorType.INT32)

    return UniqueOptions


def _make_reversev2options() -> type[Table]:
    class ReverseV2Options(Table):
        pass

    return ReverseV2Options


def _make_whereoptions() -> type[Table]:
    class WhereOptions(Table):
        pass

    return WhereOptions


def _make_rankoptions() -> type[Table]:
    class RankOptions(Table):
        pass

    return RankOptions


def _make_reversesequenceoptions() -> type[Table]:
    class ReverseSequenceOptions(Table):
        seq_dim: int = number(0, "i", default=0)
        batch_dim: int = number(1, "i", default=0)

    return ReverseSequenceOptions


def _make_quantizeoptions() -> type[Table]:
    class QuantizeOptions(Table):
        pass

    return QuantizeOptions


def _make_whileoptions() -> type[Table]:
    class WhileOptions(Table):
        cond_subgraph_index: int = number(0, "i", default=0)
        body_subgraph_index: int = number(1, "i", default=0)

    return WhileOptions


def _make_nonmaxsuppressionv4options() -> type[Table]:
    class NonMaxSuppressionV4Options(Table):
        pass

    return NonMaxSuppressionV4Options


def _make_nonmaxsuppressionv5options() -> type[Table]:
    class NonMaxSuppressionV5Options(Table):
        pass

    return NonMaxSuppressionV5Options


def _make_scatterndoptions() -> type[Table]:
    class ScatterNdOptions(Table):
        pass

    return ScatterNdOptions


def _make_selectv2options() -> type[Table]:
    class SelectV2Options(Table):
        pass

    return SelectV2Options


def _make_segmentsumoptions() -> type[Table]:
    class SegmentSumOptions(Table):
        pass

    return SegmentSumOptions


def _make_rfft2doptions() -> type[Table]:
    class Rfft2dOptions(Table):
        pass

    return Rfft2dOptions


def _make_varhandleoptions() -> type[Table]:
    class VarHandleOptions(Table):
        container: str = text(0, default="")
        shared_name: str = text(1, default="")

    return VarHandleOptions


def _make_readvariableoptions() -> type[Table]:
    class ReadVariableOptions(Table):
        pass

    return ReadVariableOptions


def _make_randomoptions() -> type[Table]:
    class RandomOptions(Table):
        seed: int = number(0, "q", default=0)
        seed2: int = number(1, "q", default=0)

    return RandomOptions


def _make_unsortedsegmentprodoptions() -> type[Table]:
    class UnsortedSegmentProdOptions(Table):
        pass

    return UnsortedSegmentProdOptions


def _make_unsortedsegmentmaxoptions() -> type[Table]:
    class UnsortedSegmentMaxOptions(Table):
        pass

    return UnsortedSegmentMaxOptions


def _make_unsortedsegmentminoptions() -> type[Table]:
    class UnsortedSegmentMinOptions(Table):
        pass

    return UnsortedSegmentMinOptions


def _make_unsortedsegmentsumoptions() -> type[Table]:
    class UnsortedSegmentSumOptions(Table):
        pass

    return UnsortedSegmentSumOptions


def _make_signoptions() -> type[Table]:
    class SignOptions(Table):
        pass

    return SignOptions


def _make_rightshiftoptions() -> type[Table]:
    class RightShiftOptions(Table):
        pass

    return RightShiftOptions


BUILTIN_OPTIONS = LazyTables(
    {
        1: "Conv2DOptions",
        2: "DepthwiseConv2DOptions",
        3: "ConcatEmbeddingsOptions",
        4: "LSHProjectionOptions",
        5: "Pool2DOptions",
        6: "SVDFOptions",
        7: "RNNOptions",
        8: "FullyConnectedOptions",
        9: "SoftmaxOptions",
        10: "ConcatenationOptions",
        11: "AddOptions",
        12: "L2NormOptions",
        13: "LocalResponseNormalizationOptions",
        14: "LSTMOptions",
        15: "ResizeBilinearOptions",
        16: "CallOptions",
        17: "ReshapeOptions",
        18: "SkipGramOptions",
        19: "SpaceToDepthOptions",
        20: "EmbeddingLookupSparseOptions",
        21: "MulOptions",
        22: "PadOptions",
        23: "GatherOptions",
        24: "BatchToSpaceNDOptions",
        25: "SpaceToBatchNDOptions",
        26: "TransposeOptions",
        27: "ReducerOptions",
        28: "SubOptions",
        29: "DivOptions",
        30: "SqueezeOptions",
        31: "SequenceRNNOptions",
        32: "StridedSliceOptions",
        33: "ExpOptions",
        34: "TopKV2Options",
        35: "SplitOptions",
        36: "LogSoftmaxOptions",
        37: "CastOptions",
        38: "DequantizeOptions",
        39: "MaximumMinimumOptions",
        40: "ArgMaxOptions",
        41: "LessOptions",
        42: "NegOptions",
        43: "PadV2Options",
        44: "GreaterOptions",
        45: "GreaterEqualOptions",
        46: "LessEqualOptions",
        47: "SelectOptions",
        48: "SliceOptions",
        49: "TransposeConvOptions",
        50: "SparseToDenseOptions",
        51: "TileOptions",
        52: "ExpandDimsOptions",
        53: "EqualOptions",
        54: "NotEqualOptions",
        55: "ShapeOptions",
        56: "PowOptions",
        57: "ArgMinOptions",
        58: "FakeQuantOptions",
        59: "PackOptions",
        60: "LogicalOrOptions",
        61: "OneHotOptions",
        62: "LogicalAndOptions",
        63: "LogicalNotOptions",
        64: "UnpackOptions",
        65: "FloorDivOptions",
        66: "SquareOptions",
        67: "ZerosLikeOptions",
        68: "FillOptions",
        69: "BidirectionalSequenceLSTMOptions",
        70: "BidirectionalSequenceRNNOptions",
        71: "UnidirectionalSequenceLSTMOptions",
        72: "FloorModOptions",
        73: "RangeOptions",
        74: "ResizeNearestNeighborOptions",
        75: "LeakyReluOptions",
        76: "SquaredDifferenceOptions",
        77: "MirrorPadOptions",
        78: "AbsOptions",
        79: "SplitVOptions",
        80: "UniqueOptions",
        81: "ReverseV2Options",
        82: "AddNOptions",
        83: "GatherNdOptions",
        84: "CosOptions",
        85: "WhereOptions",
        86: "RankOptions",
        87: "ReverseSequenceOptions",
        88: "MatrixDiagOptions",
        89: "QuantizeOptions",
        90: "MatrixSetDiagOptions",
        91: "HardSwishOptions",
        92: "IfOptions",
        93: "WhileOptions",
        94: "DepthToSpaceOptions",
        95: "NonMaxSuppressionV4Options",
        96: "NonMaxSuppressionV5Options",
        97: "ScatterNdOptions",
        98: "SelectV2Options",
        99: "DensifyOptions",
        100: "SegmentSumOptions",
        101: "BatchMatMulOptions",
        102: "CumsumOptions",
        103: "CallOnceOptions",
        104: "BroadcastToOptions",
        105: "Rfft2dOptions",
        106: "Conv3DOptions",
        107: "HashtableOptions",
        108: "HashtableFindOptions",
        109: "HashtableImportOptions",
        110: "HashtableSizeOptions",
        111: "VarHandleOptions",
        112: "ReadVariableOptions",
        113: "AssignVariableOptions",
        114: "RandomOptions",
        115: "BucketizeOptions",
        116: "GeluOptions",
        117: "DynamicUpdateSliceOptions",
        118: "UnsortedSegmentProdOptions",
        119: "UnsortedSegmentMaxOptions",
        120: "UnsortedSegmentMinOptions",
        121: "UnsortedSegmentSumOptions",
        122: "ATan2Options",
        123: "SignOptions",
        124: "BitcastOptions",
        125: "BitwiseXorOptions",
        126: "RightShiftOptions",
    },
    __getattr__,
)


def _make_stablehloconcatenateoptions() -> type[Table]:
    class StablehloConcatenateOptions(Table):
        dimension: int = number(0, "q", default=0)

    return StablehloConcatenateOptions


def _make_stablehlobroadcastindimoptions() -> type[Table]:
    class StablehloBroadcastInDimOptions(Table):
        broadcast_dimensions: list[int] = numbers(0, "q", default_factory=list)

    return StablehloBroadcastInDimOptions


def _make_stablehlosliceoptions() -> type[Table]:
    class StablehloSliceOptions(Table):
        start_indices: list[int] = numbers(0, "q", default_factory=list)
        limit_indices: list[int] = numbers(1, "q", default_factory=list)
        strides: list[int] = numbers(2, "q", default_factory=list)

    return StablehloSliceOptions


def _make_stablehloconvolutionoptions() -> type[Table]:
    class StablehloConvolutionOptions(Table):
        window_strides: list[int] = numbers(0, "q", default_factory=list)
        padding: list[int] = numbers(1, "q", default_factory=list)
        lhs_dilation: list[int] = numbers(2, "q", default_factory=list)
        rhs_dilation: list[int] = numbers(3, "q", default_factory=list)
        window_reversal: list[bool] = numbers(4, "?", default_factory=list)
        input_batch_dimension: int = number(5, "q", default=0)
        input_feature_dimension: int = number(6, "q", default=0)
        input_spatial_dimensions: list[int] = numbers(7, "q", default_factory=list)
        kernel_input_feature_dimension: int = number(8, "q", default=0)
        kernel_output_feature_dimension: int = number(9, "q", default=0)
        kernel_spatial_dimensions: list[int] = numbers(10, "q", default_factory=list)
        output_batch_dimension: int = number(11, "q", default=0)
        output_feature_dimension: int = number(12, "q", default=0)
        output_spatial_dimensions: list[int] = numbers(13, "q", default_factory=list)
        feature_group_count: int = number(14, "q", default=0)
        batch_group_count: int = number(15, "q", default=0)
        precision_config: list[StablehloPrecisionConfig] = choices(16, "I", StablehloPrecisionConfig, default_factory=list)

    return StablehloConvolutionOptions


def _make_stablehlocustomcalloptions() -> type[Table]:
    class StablehloCustomCallOptions(Table):
        call_target_name: str = text(0, default="")
        has_side_effect: bool = number(1, "?", default=False)
        backend_config: str = text(2, default="")
        api_version: int = number(3, "i", default=0)
        called_computations: list[int] = numbers(4, "i", default_factory=list)
        custom_attributes: bytes | bytearray | memoryview = raw(5, default=b"")

    return StablehloCustomCallOptions


def _make_stablehloreduceoptions() -> type[Table]:
    class StablehloReduceOptions(Table):
        dimensions: list[int] = numbers(0, "q", default_factory=list)
        body_subgraph_index: int = number(1, "i", default=0)

    return StablehloReduceOptions


def _make_stablehloscatteroptions() -> type[Table]:
    class StablehloScatterOptions(Table):
        indices_are_sorted: bool = number(0, "?", default=False)
        update_window_dims: list[int] = numbers(1, "q", default_factory=list)
        inserted_window_dims: list[int] = numbers(2, "q", default_factory=list)
        scatter_dims_to_operand_dims: list[int] = numbers(3, "q", default_factory=list)
        index_vector_dim: int = number(4, "q", default=0)
        unique_indices: bool = number(5, "?", default=False)
        update_computation_subgraph_index: int = number(6, "i", default=0)

    return StablehloScatterOptions


def _make_stablehlocompareoptions() -> type[Table]:
    class StablehloCompareOptions(Table):
        comparison_direction: StablehloComparisonDirection = choice(
            0, "I", default=StablehloComparisonDirection.STABLEHLO_COMPARISON_DIRECTION_EQ
        )
        compare_type: StablehloComparisonType = choice(1, "I", default=StablehloComparisonType.STABLEHLO_COMPARISON_TYPE_NOTYPE)

    return StablehloCompareOptions


def _make_stablehlodynamicsliceoptions() -> type[Table]:
    class StablehloDynamicSliceOptions(Table):
        slice_sizes: list[int] = numbers(0, "q", default_factory=list)

    return StablehloDynamicSliceOptions


def _make_stablehlopadoptions() -> type[Table]:
    class StablehloPadOptions(Table):
        edge_padding_low: list[int] = numbers(0, "q", default_factory=list)
        edge_padding_high: list[int] = numbers(1, "q", default_factory=list)
        interior_padding: list[int] = numbers(2, "q", default_factory=list)

    return StablehloPadOptions


def _make_stablehloiotaoptions() -> type[Table]:
    class StablehloIotaOptions(Table):
        iota_dimension: int = number(0, "q", default=0)

    return StablehloIotaOptions


def _make_stablehlodotgeneraloptions() -> type[Table]:
    class StablehloDotGeneralOptions(Table):
        lhs_batching_dimensions: list[int] = numbers(0, "q", default_factory=list)
        rhs_batching_dimensions: list[int] = numbers(1, "q", default_factory=list)
        lhs_contracting_dimensions: list[int] = numbers(2, "q", default_factory=list)
        rhs_contracting_dimensions: list[int] = numbers(3, "q", default_factory=list)
        precision_config: list[StablehloPrecisionConfig] = choices(4, "I", StablehloPrecisionConfig, default_factory=list)

    return StablehloDotGeneralOptions


def _make_stablehloreducewindowoptions() -> type[Table]:
    class StablehloReduceWindowOptions(Table):
        window_dimensions: list[int] = numbers(0, "q", default_factory=list)
        window_strides: list[int] = numbers(1, "q", default_factory=list)
        base_dilations: list[int] = numbers(2, "q", default_factory=list)
        window_dilations: list[int] = numbers(3, "q", default_factory=list)
        padding: list[int] = numbers(4, "q", default_factory=list)
        body_subgraph_index: int = number(5, "i", default=0)

    return StablehloReduceWindowOptions


def _make_stablehlosortoptions() -> type[Table]:
    class StablehloSortOptions(Table):
        dimension: int = number(0, "q", default=0)
        is_stable: bool = number(1, "?", default=False)
        comparator_subgraph_index: int = number(2, "i", default=0)

    return StablehloSortOptions


def _make_stablehlowhileoptions() -> type[Table]:
    class StablehloWhileOptions(Table):
        cond_subgraph_index: int = number(0, "i", default=0)
        body_subgraph_index: int = number(1, "i", default=0)

    return StablehloWhileOptions


def _make_stablehlogatheroptions() -> type[Table]:
    class StablehloGatherOptions(Table):
        offset_dims: list[int] = numbers(0, "q", default_factory=list)
        collapsed_slice_dims: list[int] = numbers(1, "q", default_factory=list)
        start_index_map: list[int] = numbers(2, "q", default_factory=list)
        index_vector_dim: int = number(3, "q", default=0)
        slice_sizes: list[int] = numbers(4, "q", default_factory=list)
        indices_are_sorted: bool = number(5, "?", default=False)

    return StablehloGatherOptions


def _make_stablehlotransposeoptions() -> type[Table]:
    class StablehloTransposeOptions(Table):
        permutation: list[int] = numbers(0, "q", default_factory=list)

    return StablehloTransposeOptions


def _make_stablehlorngbitgeneratoroptions() -> type[Table]:
    class StablehloRngBitGeneratorOptions(Table):
        algorithm: RngAlgorithm = choice(0, "b", default=RngAlgorithm.DEFAULT)

    return StablehloRngBitGeneratorOptions


def _make_reducewindowoptions() -> type[Table]:
    class ReduceWindowOptions(Table):
        reduce_function: ReduceWindowFunction = choice(0, "i", default=ReduceWindowFunction.UNSUPPORTED)

    return ReduceWindowOptions


def _make_stablehlocompositeoptions() -> type[Table]:
    class StableHLOCompositeOptions(Table):
        name: str = text(0, default="")
        decomposition_subgraph_index: int = number(1, "i", default=0)
        composite_attributes: bytes | bytearray | memoryview = raw(2, default=b"")
        composite_attributes_format: CustomOptionsFormat = choice(3, "b", default=CustomOptionsFormat.FLEXBUFFERS)
        version: int = number(4, "i", default=0)

    return StableHLOCompositeOptions


def _make_stablehloshiftleftoptions() -> type[Table]:
    class StablehloShiftLeftOptions(Table):
        pass

    return StablehloShiftLeftOptions


def _make_stablehlocaseoptions() -> type[Table]:
    class StablehloCaseOptions(Table):
        branch_subgraph_indices: list[int] = numbers(0, "i", default_factory=list)

    return StablehloCaseOptions


BUILTIN_OPTIONS_2 = LazyTables(
    {
        1: "StablehloConcatenateOptions",
        2: "StablehloBroadcastInDimOptions",
        3: "StablehloSliceOptions",
        4: "StablehloConvolutionOptions",
        5: "StablehloCustomCallOptions",
        6: "StablehloReduceOptions",
        7: "StablehloScatterOptions",
        8: "StablehloCompareOptions",
        9: "StablehloDynamicSliceOptions",
        10: "StablehloPadOptions",
        11: "StablehloIotaOptions",
        12: "StablehloDotGeneralOptions",
        13: "StablehloReduceWindowOptions",
        14: "StablehloSortOptions",
        15: "StablehloWhileOptions",
        16: "StablehloGatherOptions",
        17: "StablehloTransposeOptions",
        18: "DilateOptions",
        19: "StablehloRngBitGeneratorOptions",
        20: "ReduceWindowOptions",
        21: "StableHLOCompositeOptions",
        22: "StablehloShiftLeftOptions",
        23: "StablehloCaseOptions",
    },
    __getattr__,
)


class Operator(Table):
    opcode_index: int = number(0, "I", default=0)
    inputs: list[int] = numbers(1, "i", default_factory=list)
    outputs: list[int] = numbers(2, "i", default_factory=list)
    builtin_options: Table | None = union(4, BUILTIN_OPTIONS, default=None)
    custom_options: bytes | bytearray | memoryview = raw(5, default=b"")
    custom_options_format: CustomOptionsFormat = choice(6, "b", default=CustomOptionsFormat.FLEXBUFFERS)
    mutating_variable_inputs: list[bool] = numbers(7, "?", default_factory=list)
    intermediates: list[int] = numbers(8, "i", default_factory=list)
    large_custom_options_offset: int = number(9, "Q", default=0)
    large_custom_options_size: int = number(10, "Q", default=0)
    builtin_options_2: Table | None = union(12, BUILTIN_OPTIONS_2, default=None)
    debug_metadata_index: int = number(13, "i", default=-1)


class SubGraph(Table):
    tensors: list[Tensor] = tables(0, Tensor, default_factory=list)
    inputs: list[int] = numbers(1, "i", default_factory=list)
    outputs: list[int] = numbers(2, "i", default_factory=list)
    operators: list[Operator] = tables(3, Operator, default_factory=list)
    name: str = text(4, default="")
    debug_metadata_index: int = number(5, "i", default=-1)


class TensorMap(Table):
    name: str = text(0, default="")
    tensor_index: int = number(1, "I", default=0)


class SignatureDef(Table):
    inputs: list[TensorMap] = tables(0, TensorMap, default_factory=list)
    outputs: list[TensorMap] = tables(1, TensorMap, default_factory=list)
    signature_key: str = text(2, default="")
    subgraph_index: int = number(4, "I", default=0)


class Model(Table):
    version: int = number(0, "I", default=0)
    operator_codes: list[OperatorCode] = tables(1, OperatorCode, default_factory=list)
    subgraphs: list[SubGraph] = tables(2, SubGraph, default_factory=list)
    description: str = text(3, default="")
    buffers: list[Buffer] = tables(4, Buffer, default_factory=list)
    metadata_buffer: list[int] = numbers(5, "i", default_factory=list)
    metadata: list[Metadata] = tables(6, Metadata, default_factory=list)
    signature_defs: list[SignatureDef] = tables(7, SignatureDef, default_factory=list)
    external_buffer_groups: list[ExternalBufferGroup] = tables(8, ExternalBufferGroup, default_factory=list)
    external_buffers: list[ExternalBuffer] = tables(9, ExternalBuffer, default_factory=list)
