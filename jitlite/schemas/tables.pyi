# generated from tflite.fbs by `python -m jitlite.schemas.generate`; do not edit
"""The tables and enums of the .tflite file format."""

from __future__ import annotations

from collections.abc import Mapping

from jitlite.schemas.choice import Choice
from jitlite.schemas.table import Table, choice, choices, number, numbers, raw, table, tables, text, union

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

class ATan2Options(Table):
    pass

class AbsOptions(Table):
    pass

class AddNOptions(Table):
    pass

class AddOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
    pot_scale_int16: bool = number(1, "?", default=True)

class ArgMaxOptions(Table):
    output_type: TensorType = choice(0, "b", default=TensorType.FLOAT32)

class ArgMinOptions(Table):
    output_type: TensorType = choice(0, "b", default=TensorType.FLOAT32)

class AssignVariableOptions(Table):
    pass

class BatchMatMulOptions(Table):
    adj_x: bool = number(0, "?", default=False)
    adj_y: bool = number(1, "?", default=False)
    asymmetric_quantize_inputs: bool = number(2, "?", default=False)

class BatchToSpaceNDOptions(Table):
    pass

class BidirectionalSequenceLSTMOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
    cell_clip: float = number(1, "f", default=0.0)
    proj_clip: float = number(2, "f", default=0.0)
    merge_outputs: bool = number(3, "?", default=False)
    time_major: bool = number(4, "?", default=True)
    asymmetric_quantize_inputs: bool = number(5, "?", default=False)

class BidirectionalSequenceRNNOptions(Table):
    time_major: bool = number(0, "?", default=False)
    fused_activation_function: ActivationFunctionType = choice(1, "b", default=ActivationFunctionType.NONE)
    merge_outputs: bool = number(2, "?", default=False)
    asymmetric_quantize_inputs: bool = number(3, "?", default=False)

class BitcastOptions(Table):
    pass

class BitwiseXorOptions(Table):
    pass

class BlockwiseQuantization(Table):
    scales: int = number(0, "i", default=0)
    zero_points: int = number(1, "i", default=0)
    block_size: int = number(2, "i", default=0)
    block_shape: list[int] = numbers(3, "i", default_factory=list)

class BroadcastToOptions(Table):
    pass

class BucketizeOptions(Table):
    boundaries: list[float] = numbers(0, "f", default_factory=list)

class Buffer(Table):
    data: bytes | bytearray | memoryview = raw(0, align=16, default=b"")
    offset: int = number(1, "Q", default=0)
    size: int = number(2, "Q", default=0)

class CallOnceOptions(Table):
    init_subgraph_index: int = number(0, "i", default=0)

class CallOptions(Table):
    subgraph: int = number(0, "I", default=0)

class CastOptions(Table):
    in_data_type: TensorType = choice(0, "b", default=TensorType.FLOAT32)
    out_data_type: TensorType = choice(1, "b", default=TensorType.FLOAT32)

class ConcatEmbeddingsOptions(Table):
    num_channels: int = number(0, "i", default=0)
    num_columns_per_channel: list[int] = numbers(1, "i", default_factory=list)
    embedding_dim_per_channel: list[int] = numbers(2, "i", default_factory=list)

class ConcatenationOptions(Table):
    axis: int = number(0, "i", default=0)
    fused_activation_function: ActivationFunctionType = choice(1, "b", default=ActivationFunctionType.NONE)

class Conv2DOptions(Table):
    padding: Padding = choice(0, "b", default=Padding.SAME)
    stride_w: int = number(1, "i", default=0)
    stride_h: int = number(2, "i", default=0)
    fused_activation_function: ActivationFunctionType = choice(3, "b", default=ActivationFunctionType.NONE)
    dilation_w_factor: int = number(4, "i", default=1)
    dilation_h_factor: int = number(5, "i", default=1)
    quantized_bias_type: TensorType = choice(6, "b", default=TensorType.FLOAT32)

class Conv3DOptions(Table):
    padding: Padding = choice(0, "b", default=Padding.SAME)
    stride_d: int = number(1, "i", default=0)
    stride_w: int = number(2, "i", default=0)
    stride_h: int = number(3, "i", default=0)
    fused_activation_function: ActivationFunctionType = choice(4, "b", default=ActivationFunctionType.NONE)
    dilation_d_factor: int = number(5, "i", default=1)
    dilation_w_factor: int = number(6, "i", default=1)
    dilation_h_factor: int = number(7, "i", default=1)

class CosOptions(Table):
    pass

class CumsumOptions(Table):
    exclusive: bool = number(0, "?", default=False)
    reverse: bool = number(1, "?", default=False)

class CustomQuantization(Table):
    custom: bytes | bytearray | memoryview = raw(0, default=b"")

class DensifyOptions(Table):
    pass

class DepthToSpaceOptions(Table):
    block_size: int = number(0, "i", default=0)

class DepthwiseConv2DOptions(Table):
    padding: Padding = choice(0, "b", default=Padding.SAME)
    stride_w: int = number(1, "i", default=0)
    stride_h: int = number(2, "i", default=0)
    depth_multiplier: int = number(3, "i", default=0)
    fused_activation_function: ActivationFunctionType = choice(4, "b", default=ActivationFunctionType.NONE)
    dilation_w_factor: int = number(5, "i", default=1)
    dilation_h_factor: int = number(6, "i", default=1)

class DequantizeOptions(Table):
    pass

class DilateOptions(Table):
    pass

class Int32Vector(Table):
    values: list[int] = numbers(0, "i", default_factory=list)

class Uint16Vector(Table):
    values: list[int] = numbers(0, "H", align=4, default_factory=list)

class Uint8Vector(Table):
    values: bytes | bytearray | memoryview = raw(0, align=4, default=b"")

SPARSE_INDEX_VECTOR: Mapping[int, type[Table]]

class DimensionMetadata(Table):
    format: DimensionType = choice(0, "b", default=DimensionType.DENSE)
    dense_size: int = number(1, "i", default=0)
    array_segments: Table | None = union(3, SPARSE_INDEX_VECTOR, default=None)
    array_indices: Table | None = union(5, SPARSE_INDEX_VECTOR, default=None)

class DivOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)

class DynamicUpdateSliceOptions(Table):
    pass

class EmbeddingLookupSparseOptions(Table):
    combiner: CombinerType = choice(0, "b", default=CombinerType.SUM)

class EqualOptions(Table):
    pass

class ExpOptions(Table):
    pass

class ExpandDimsOptions(Table):
    pass

class ExternalBuffer(Table):
    id: int = number(0, "I", default=0)
    group: int = number(1, "I", default=0)
    offset: int = number(2, "Q", default=0)
    length: int = number(3, "Q", default=0)
    packing: str = text(4, default="")

class ExternalBufferGroup(Table):
    name: str = text(0, default="")

class FakeQuantOptions(Table):
    min: float = number(0, "f", default=0.0)
    max: float = number(1, "f", default=0.0)
    num_bits: int = number(2, "i", default=0)
    narrow_range: bool = number(3, "?", default=False)

class FillOptions(Table):
    pass

class FloorDivOptions(Table):
    pass

class FloorModOptions(Table):
    pass

class FullyConnectedOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
    weights_format: FullyConnectedOptionsWeightsFormat = choice(1, "b", default=FullyConnectedOptionsWeightsFormat.DEFAULT)
    keep_num_dims: bool = number(2, "?", default=False)
    asymmetric_quantize_inputs: bool = number(3, "?", default=False)
    quantized_bias_type: TensorType = choice(4, "b", default=TensorType.FLOAT32)
    quant_spec: bytes | bytearray | memoryview = raw(5, default=b"")

class GatherNdOptions(Table):
    pass

class GatherOptions(Table):
    axis: int = number(0, "i", default=0)
    batch_dims: int = number(1, "i", default=0)

class GeluOptions(Table):
    approximate: bool = number(0, "?", default=False)

class GreaterEqualOptions(Table):
    pass

class GreaterOptions(Table):
    pass

class HardSwishOptions(Table):
    pass

class HashtableFindOptions(Table):
    pass

class HashtableImportOptions(Table):
    pass

class HashtableOptions(Table):
    table_id: int = number(0, "i", default=0)
    key_dtype: TensorType = choice(1, "b", default=TensorType.FLOAT32)
    value_dtype: TensorType = choice(2, "b", default=TensorType.FLOAT32)

class HashtableSizeOptions(Table):
    pass

class IfOptions(Table):
    then_subgraph_index: int = number(0, "i", default=0)
    else_subgraph_index: int = number(1, "i", default=0)

class L2NormOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)

class LSHProjectionOptions(Table):
    type: LSHProjectionType = choice(0, "b", default=LSHProjectionType.UNKNOWN)

class LSTMOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
    cell_clip: float = number(1, "f", default=0.0)
    proj_clip: float = number(2, "f", default=0.0)
    kernel_type: LSTMKernelType = choice(3, "b", default=LSTMKernelType.FULL)
    asymmetric_quantize_inputs: bool = number(4, "?", default=False)

class LeakyReluOptions(Table):
    alpha: float = number(0, "f", default=0.0)

class LessEqualOptions(Table):
    pass

class LessOptions(Table):
    pass

class LocalResponseNormalizationOptions(Table):
    radius: int = number(0, "i", default=0)
    bias: float = number(1, "f", default=0.0)
    alpha: float = number(2, "f", default=0.0)
    beta: float = number(3, "f", default=0.0)

class LogSoftmaxOptions(Table):
    pass

class LogicalAndOptions(Table):
    pass

class LogicalNotOptions(Table):
    pass

class LogicalOrOptions(Table):
    pass

class MatrixDiagOptions(Table):
    pass

class MatrixSetDiagOptions(Table):
    pass

class MaximumMinimumOptions(Table):
    pass

class Metadata(Table):
    name: str = text(0, default="")
    buffer: int = number(1, "I", default=0)

class MirrorPadOptions(Table):
    mode: MirrorPadMode = choice(0, "b", default=MirrorPadMode.REFLECT)

class OperatorCode(Table):
    deprecated_builtin_code: int = number(0, "b", default=0)
    custom_code: str = text(1, default="")
    version: int = number(2, "i", default=1)
    builtin_code: BuiltinOperator = choice(3, "i", default=BuiltinOperator.ADD)

class MultiAxisQuantization(Table):
    scales: int = number(0, "i", default=0)
    zero_points: int = number(1, "i", default=0)
    block_size: int = number(2, "i", default=0)
    quantized_dimensions: list[int] = numbers(3, "i", default_factory=list)

QUANTIZATION_DETAILS: Mapping[int, type[Table]]

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

class Pool2DOptions(Table):
    padding: Padding = choice(0, "b", default=Padding.SAME)
    stride_w: int = number(1, "i", default=0)
    stride_h: int = number(2, "i", default=0)
    filter_width: int = number(3, "i", default=0)
    filter_height: int = number(4, "i", default=0)
    fused_activation_function: ActivationFunctionType = choice(5, "b", default=ActivationFunctionType.NONE)

class SVDFOptions(Table):
    rank: int = number(0, "i", default=0)
    fused_activation_function: ActivationFunctionType = choice(1, "b", default=ActivationFunctionType.NONE)
    asymmetric_quantize_inputs: bool = number(2, "?", default=False)

class RNNOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
    asymmetric_quantize_inputs: bool = number(1, "?", default=False)

class SoftmaxOptions(Table):
    beta: float = number(0, "f", default=0.0)

class ResizeBilinearOptions(Table):
    align_corners: bool = number(2, "?", default=False)
    half_pixel_centers: bool = number(3, "?", default=False)

class ReshapeOptions(Table):
    new_shape: list[int] = numbers(0, "i", default_factory=list)

class SkipGramOptions(Table):
    ngram_size: int = number(0, "i", default=0)
    max_skip_size: int = number(1, "i", default=0)
    include_all_ngrams: bool = number(2, "?", default=False)

class SpaceToDepthOptions(Table):
    block_size: int = number(0, "i", default=0)

class MulOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)

class PadOptions(Table):
    pass

class SpaceToBatchNDOptions(Table):
    pass

class TransposeOptions(Table):
    pass

class ReducerOptions(Table):
    keep_dims: bool = number(0, "?", default=False)

class SubOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
    pot_scale_int16: bool = number(1, "?", default=True)

class SqueezeOptions(Table):
    squeeze_dims: list[int] = numbers(0, "i", default_factory=list)

class SequenceRNNOptions(Table):
    time_major: bool = number(0, "?", default=False)
    fused_activation_function: ActivationFunctionType = choice(1, "b", default=ActivationFunctionType.NONE)
    asymmetric_quantize_inputs: bool = number(2, "?", default=False)

class StridedSliceOptions(Table):
    begin_mask: int = number(0, "i", default=0)
    end_mask: int = number(1, "i", default=0)
    ellipsis_mask: int = number(2, "i", default=0)
    new_axis_mask: int = number(3, "i", default=0)
    shrink_axis_mask: int = number(4, "i", default=0)
    offset: bool = number(5, "?", default=False)

class TopKV2Options(Table):
    pass

class SplitOptions(Table):
    num_splits: int = number(0, "i", default=0)

class NegOptions(Table):
    pass

class PadV2Options(Table):
    pass

class SelectOptions(Table):
    pass

class SliceOptions(Table):
    pass

class TransposeConvOptions(Table):
    padding: Padding = choice(0, "b", default=Padding.SAME)
    stride_w: int = number(1, "i", default=0)
    stride_h: int = number(2, "i", default=0)
    fused_activation_function: ActivationFunctionType = choice(3, "b", default=ActivationFunctionType.NONE)
    quantized_bias_type: TensorType = choice(4, "b", default=TensorType.FLOAT32)

class SparseToDenseOptions(Table):
    validate_indices: bool = number(0, "?", default=False)

class TileOptions(Table):
    pass

class NotEqualOptions(Table):
    pass

class ShapeOptions(Table):
    out_type: TensorType = choice(0, "b", default=TensorType.FLOAT32)

class PowOptions(Table):
    pass

class PackOptions(Table):
    values_count: int = number(0, "i", default=0)
    axis: int = number(1, "i", default=0)

class OneHotOptions(Table):
    axis: int = number(0, "i", default=0)

class UnpackOptions(Table):
    num: int = number(0, "i", default=0)
    axis: int = number(1, "i", default=0)

class SquareOptions(Table):
    pass

class ZerosLikeOptions(Table):
    pass

class UnidirectionalSequenceLSTMOptions(Table):
    fused_activation_function: ActivationFunctionType = choice(0, "b", default=ActivationFunctionType.NONE)
    cell_clip: float = number(1, "f", default=0.0)
    proj_clip: float = number(2, "f", default=0.0)
    time_major: bool = number(3, "?", default=False)
    asymmetric_quantize_inputs: bool = number(4, "?", default=False)
    diagonal_recurrent_tensors: bool = number(5, "?", default=False)

class RangeOptions(Table):
    pass

class ResizeNearestNeighborOptions(Table):
    align_corners: bool = number(0, "?", default=False)
    half_pixel_centers: bool = number(1, "?", default=False)

class SquaredDifferenceOptions(Table):
    pass

class SplitVOptions(Table):
    num_splits: int = number(0, "i", default=0)

class UniqueOptions(Table):
    idx_out_type: TensorType = choice(0, "b", default=TensorType.INT32)

class ReverseV2Options(Table):
    pass

class WhereOptions(Table):
    pass

class RankOptions(Table):
    pass

class ReverseSequenceOptions(Table):
    seq_dim: int = number(0, "i", default=0)
    batch_dim: int = number(1, "i", default=0)

class QuantizeOptions(Table):
    pass

class WhileOptions(Table):
    cond_subgraph_index: int = number(0, "i", default=0)
    body_subgraph_index: int = number(1, "i", default=0)

class NonMaxSuppressionV4Options(Table):
    pass

class NonMaxSuppressionV5Options(Table):
    pass

class ScatterNdOptions(Table):
    pass

class SelectV2Options(Table):
    pass

class SegmentSumOptions(Table):
    pass

class Rfft2dOptions(Table):
    pass

class VarHandleOptions(Table):
    container: str = text(0, default="")
    shared_name: str = text(1, default="")

class ReadVariableOptions(Table):
    pass

class RandomOptions(Table):
    seed: int = number(0, "q", default=0)
    seed2: int = number(1, "q", default=0)

class UnsortedSegmentProdOptions(Table):
    pass

class UnsortedSegmentMaxOptions(Table):
    pass

class UnsortedSegmentMinOptions(Table):
    pass

class UnsortedSegmentSumOptions(Table):
    pass

class SignOptions(Table):
    pass

class RightShiftOptions(Table):
    pass

BUILTIN_OPTIONS: Mapping[int, type[Table]]

class StablehloConcatenateOptions(Table):
    dimension: int = number(0, "q", default=0)

class StablehloBroadcastInDimOptions(Table):
    broadcast_dimensions: list[int] = numbers(0, "q", default_factory=list)

class StablehloSliceOptions(Table):
    start_indices: list[int] = numbers(0, "q", default_factory=list)
    limit_indices: list[int] = numbers(1, "q", default_factory=list)
    strides: list[int] = numbers(2, "q", default_factory=list)

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

class StablehloCustomCallOptions(Table):
    call_target_name: str = text(0, default="")
    has_side_effect: bool = number(1, "?", default=False)
    backend_config: str = text(2, default="")
    api_version: int = number(3, "i", default=0)
    called_computations: list[int] = numbers(4, "i", default_factory=list)
    custom_attributes: bytes | bytearray | memoryview = raw(5, default=b"")

class StablehloReduceOptions(Table):
    dimensions: list[int] = numbers(0, "q", default_factory=list)
    body_subgraph_index: int = number(1, "i", default=0)

class StablehloScatterOptions(Table):
    indices_are_sorted: bool = number(0, "?", default=False)
    update_window_dims: list[int] = numbers(1, "q", default_factory=list)
    inserted_window_dims: list[int] = numbers(2, "q", default_factory=list)
    scatter_dims_to_operand_dims: list[int] = numbers(3, "q", default_factory=list)
    index_vector_dim: int = number(4, "q", default=0)
    unique_indices: bool = number(5, "?", default=False)
    update_computation_subgraph_index: int = number(6, "i", default=0)

class StablehloCompareOptions(Table):
    comparison_direction: StablehloComparisonDirection = choice(
        0, "I", default=StablehloComparisonDirection.STABLEHLO_COMPARISON_DIRECTION_EQ
    )
    compare_type: StablehloComparisonType = choice(1, "I", default=StablehloComparisonType.STABLEHLO_COMPARISON_TYPE_NOTYPE)

class StablehloDynamicSliceOptions(Table):
    slice_sizes: list[int] = numbers(0, "q", default_factory=list)

class StablehloPadOptions(Table):
    edge_padding_low: list[int] = numbers(0, "q", default_factory=list)
    edge_padding_high: list[int] = numbers(1, "q", default_factory=list)
    interior_padding: list[int] = numbers(2, "q", default_factory=list)

class StablehloIotaOptions(Table):
    iota_dimension: int = number(0, "q", default=0)

class StablehloDotGeneralOptions(Table):
    lhs_batching_dimensions: list[int] = numbers(0, "q", default_factory=list)
    rhs_batching_dimensions: list[int] = numbers(1, "q", default_factory=list)
    lhs_contracting_dimensions: list[int] = numbers(2, "q", default_factory=list)
    rhs_contracting_dimensions: list[int] = numbers(3, "q", default_factory=list)
    precision_config: list[StablehloPrecisionConfig] = choices(4, "I", StablehloPrecisionConfig, default_factory=list)

class StablehloReduceWindowOptions(Table):
    window_dimensions: list[int] = numbers(0, "q", default_factory=list)
    window_strides: list[int] = numbers(1, "q", default_factory=list)
    base_dilations: list[int] = numbers(2, "q", default_factory=list)
    window_dilations: list[int] = numbers(3, "q", default_factory=list)
    padding: list[int] = numbers(4, "q", default_factory=list)
    body_subgraph_index: int = number(5, "i", default=0)

class StablehloSortOptions(Table):
    dimension: int = number(0, "q", default=0)
    is_stable: bool = number(1, "?", default=False)
    comparator_subgraph_index: int = number(2, "i", default=0)

class StablehloWhileOptions(Table):
    cond_subgraph_index: int = number(0, "i", default=0)
    body_subgraph_index: int = number(1, "i", default=0)

class StablehloGatherOptions(Table):
    offset_dims: list[int] = numbers(0, "q", default_factory=list)
    collapsed_slice_dims: list[int] = numbers(1, "q", default_factory=list)
    start_index_map: list[int] = numbers(2, "q", default_factory=list)
    index_vector_dim: int = number(3, "q", default=0)
    slice_sizes: list[int] = numbers(4, "q", default_factory=list)
    indices_are_sorted: bool = number(5, "?", default=False)

class StablehloTransposeOptions(Table):
    permutation: list[int] = numbers(0, "q", default_factory=list)

class StablehloRngBitGeneratorOptions(Table):
    algorithm: RngAlgorithm = choice(0, "b", default=RngAlgorithm.DEFAULT)

class ReduceWindowOptions(Table):
    reduce_function: ReduceWindowFunction = choice(0, "i", default=ReduceWindowFunction.UNSUPPORTED)

class StableHLOCompositeOptions(Table):
    name: str = text(0, default="")
    decomposition_subgraph_index: int = number(1, "i", default=0)
    composite_attributes: bytes | bytearray | memoryview = raw(2, default=b"")
    composite_attributes_format: CustomOptionsFormat = choice(3, "b", default=CustomOptionsFormat.FLEXBUFFERS)
    version: int = number(4, "i", default=0)

class StablehloShiftLeftOptions(Table):
    pass

class StablehloCaseOptions(Table):
    branch_subgraph_indices: list[int] = numbers(0, "i", default_factory=list)

BUILTIN_OPTIONS_2: Mapping[int, type[Table]]

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
