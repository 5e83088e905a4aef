"""The text form is stable: people diff it."""

from jitlite.schemas import Buffer, Metadata, SignatureDef, Tensor, format_model, format_operator
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BlockwiseQuantization,
    BuiltinOperator,
    Conv2DOptions,
    ExternalBuffer,
    ExternalBufferGroup,
    Model,
    Operator,
    Padding,
    QuantizationParameters,
    ReshapeOptions,
    SplitOptions,
    SubGraph,
    TensorMap,
    TensorType,
)

GOLDEN = """\
model version 3: 1 subgraphs, 4 operators, 4 buffers of 40 bytes
description 'a sample'
metadata min_runtime_version: 5 bytes
external buffer 7: 12 bytes at 64 of 'weights.bin'
signature serve of subgraph 0: (image=%0) -> (scores=%6)

subgraph 0 main (%0) -> (%6)
  %0 image : int8[?,8,8,3] (scale 0.5, zero point -128) = input
  %1 filter : int8[2,1,1,3] (2 scales 0.01…0.25 along 0, zero point 0) = constant of 6 bytes
  %3 state : float32[4] = variable
  %8 far : int4[6] (BlockwiseQuantization: scales=1, zero_points=-1, block_size=2) = external buffer 7
  %9 : float32[] = unused
  %2 conv : int8[1,4,4,2] (scale 0.0235, zero point -3) = CONV_2D v3 (%0, %1, -) {padding=SAME, stride=2x1, activation=RELU}
  %4 left : int8[1,4,4,1],
  %5 right : int8[1,4,4,1] = SPLIT v1 (%2) {num_splits=2}
  %6 scores : int8[16] = RESHAPE v1 (%4) {new_shape=[1, 1, 1, 1, 1, 1, 1, 1, … 9 values]}
  %7 : float32[] = CUSTOM My\\x1bOp v2 (%5) 5 bytes of options
"""


def sample() -> Model:
    per_channel = QuantizationParameters(scale=[0.01, 0.25], zero_point=[0, 0])
    blocks = QuantizationParameters(details=BlockwiseQuantization(scales=1, zero_points=-1, block_size=2))
    int8 = TensorType.INT8
    tensors = [
        Tensor(
            name="image",
            type=int8,
            shape=[1, 8, 8, 3],
            shape_signature=[-1, 8, 8, 3],
            quantization=QuantizationParameters(scale=[0.5], zero_point=[-128]),
        ),
        Tensor(name="filter", type=int8, shape=[2, 1, 1, 3], buffer=1, quantization=per_channel),
        Tensor(name="conv", type=int8, shape=[1, 4, 4, 2], quantization=QuantizationParameters(scale=[0.0235], zero_point=[-3])),
        Tensor(name="state", shape=[4], is_variable=True),
        Tensor(name="left", type=int8, shape=[1, 4, 4, 1]),
        Tensor(name="right", type=int8, shape=[1, 4, 4, 1]),
        Tensor(name="scores", type=int8, shape=[16], quantization=QuantizationParameters()),
        Tensor(),
        Tensor(name="far", type=TensorType.INT4, shape=[6], external_buffer=7, quantization=blocks),
        Tensor(),
    ]
    conv = Conv2DOptions(padding=Padding.SAME, stride_h=2, stride_w=1, fused_activation_function=ActivationFunctionType.RELU)
    operators = [
        Operator(opcode_index=0, inputs=[0, 1, -1], outputs=[2], builtin_options=conv),
        Operator(opcode_index=1, inputs=[2], outputs=[4, 5], builtin_options=SplitOptions(num_splits=2)),
        Operator(opcode_index=2, inputs=[4], outputs=[6], builtin_options=ReshapeOptions(new_shape=[1] * 9)),
        Operator(opcode_index=3, inputs=[5], outputs=[7], custom_options=b"12345"),
    ]
    codes = [(BuiltinOperator.CONV_2D, 3, ""), (BuiltinOperator.SPLIT, 1, ""), (BuiltinOperator.RESHAPE, 1, "")]
    codes.append((BuiltinOperator.CUSTOM, 2, "My\x1bOp"))
    return Model(
        version=3,
        description="a sample",
        operator_codes=[new_operator_code(*code) for code in codes],
        buffers=[Buffer(), Buffer(data=bytes(6)), Buffer(data=b"2.0.0"), Buffer(data=bytes(29))],
        metadata=[Metadata(name="min_runtime_version", buffer=2)],
        external_buffer_groups=[ExternalBufferGroup(name="weights.bin")],
        external_buffers=[ExternalBuffer(id=7, offset=64, length=12)],
        signature_defs=[
            SignatureDef(
                signature_key="serve",
                inputs=[TensorMap(name="image", tensor_index=0)],
                outputs=[TensorMap(name="scores", tensor_index=6)],
            )
        ],
        subgraphs=[SubGraph(name="main", tensors=tensors, inputs=[0], outputs=[6], operators=operators)],
    )


def test_golden() -> None:
    assert format_model(sample()) == GOLDEN


def test_operators_alone() -> None:
    assert format_operator(sample(), 0, 1) == ("%4 left : int8[1,4,4,1],\n%5 right : int8[1,4,4,1] = SPLIT v1 (%2) {num_splits=2}")


def test_indices_that_lead_nowhere_are_shown() -> None:
    model = Model(subgraphs=[SubGraph(operators=[Operator(opcode_index=4, inputs=[9, -1], outputs=[8, -7])], tensors=[Tensor(buffer=9)])])
    assert format_operator(model, 0, 0) == "%8 ?,\n%-7 ? = operator code 4 ? (%9, -)"
    assert "%0 : float32[] = unused" in format_model(model)
