import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.space  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.space import BATCH_TO_SPACE_ND, DEPTH_TO_SPACE, SPACE_TO_BATCH_ND, SPACE_TO_DEPTH
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import BatchToSpaceNDOptions, DepthToSpaceOptions, SpaceToBatchNDOptions, SpaceToDepthOptions, TensorType
from tests.ops.oracle import OPTIMIZED, check, constant, like, operand

T = TensorType
BLOCK_TYPES = [T.FLOAT32, T.INT8, T.UINT8, T.INT32, T.INT64]


def typed(type, shape):
    return operand(type, shape, 0.25, 5) if type in (T.INT8, T.UINT8) else operand(type, shape)


@pytest.mark.parametrize("type", BLOCK_TYPES)
@pytest.mark.parametrize(
    ("shape", "block"), [((1, 2, 3, 8), 2), ((2, 1, 1, 4), 2), ((1, 3, 2, 18), 3), ((2, 2, 2, 3), 1), ((1, 2, 2, 4), 2)]
)
def test_depth_to_space(type, shape, block):
    x = typed(type, shape)
    check(DEPTH_TO_SPACE, DepthToSpaceOptions(block_size=block), [x], [like(x)], resolver=OPTIMIZED)


@pytest.mark.parametrize("type", BLOCK_TYPES)
@pytest.mark.parametrize(("shape", "block"), [((1, 4, 6, 2), 2), ((2, 2, 2, 1), 2), ((1, 9, 3, 2), 3), ((2, 2, 2, 3), 1)])
def test_space_to_depth(type, shape, block):
    x = typed(type, shape)
    check(SPACE_TO_DEPTH, SpaceToDepthOptions(block_size=block), [x], [like(x)])


SPREAD = [
    ((1, 4, 4, 3), (2, 2), ((0, 0), (0, 0))),
    ((2, 5, 7, 3), (2, 3), ((1, 0), (1, 1))),
    ((1, 7, 5, 2), (3, 2), ((1, 1), (2, 1))),
    ((2, 6, 3), (2,), ((1, 1),)),
]


@pytest.mark.parametrize("type", [*BLOCK_TYPES, T.INT16])
@pytest.mark.parametrize(("shape", "block", "margins"), SPREAD)
def test_space_to_batch(type, shape, block, margins):
    x = typed(type, shape)
    check(SPACE_TO_BATCH_ND, SpaceToBatchNDOptions(), [x, constant(np.array(block)), constant(np.array(margins))], [like(x)])


@pytest.mark.parametrize("type", [*BLOCK_TYPES, T.INT16])
@pytest.mark.parametrize(("shape", "block", "margins"), SPREAD)
def test_batch_to_space(type, shape, block, margins):
    batched = (shape[0] * int(np.prod(block)), *shape[1:])
    x = typed(type, batched)
    check(BATCH_TO_SPACE_ND, BatchToSpaceNDOptions(), [x, constant(np.array(block)), constant(np.array(margins))], [like(x)])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_batch_to_space_undoes_space_to_batch(data):
    block = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    sizes = [data.draw(st.integers(1, 6)) for _ in block]
    margins = []
    for size, dim in zip(block, sizes):
        before = data.draw(st.integers(0, 2))
        margins.append((before, -(before + dim) % size))
    x = operand(T.INT32, (data.draw(st.integers(1, 2)), *sizes, data.draw(st.integers(1, 3))))
    spread = check(SPACE_TO_BATCH_ND, None, [x, constant(block), constant(margins)], [like(x)])[0]
    y = operand(T.INT32, spread.shape)
    back = check(BATCH_TO_SPACE_ND, None, [y, constant(block), constant(margins)], [like(y)], feeds=[spread])[0]
    assert back.shape == x.shape


IMAGE = operand(T.FLOAT32, (4, 4, 6, 3))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (DEPTH_TO_SPACE, DepthToSpaceOptions(block_size=0), [IMAGE], "a block size above 0"),
        (DEPTH_TO_SPACE, DepthToSpaceOptions(block_size=-1), [IMAGE], "a block size above 0"),
        (DEPTH_TO_SPACE, DepthToSpaceOptions(block_size=2), [IMAGE], "channels that 4 divides"),
        (DEPTH_TO_SPACE, DepthToSpaceOptions(block_size=2), [operand(T.FLOAT32, (4, 4, 4))], "rank 4"),
        (DEPTH_TO_SPACE, DepthToSpaceOptions(block_size=2**30), [operand(T.FLOAT32, (1, 4, 4, 0))], "output dimensions in"),
        (SPACE_TO_DEPTH, SpaceToDepthOptions(block_size=0), [IMAGE], "a block size above 0"),
        (SPACE_TO_DEPTH, SpaceToDepthOptions(block_size=3), [IMAGE], "a height and width that 3 divides"),
        (SPACE_TO_BATCH_ND, None, [IMAGE, constant([2, 0]), constant([[0, 0], [0, 0]])], "block sizes above 0"),
        (SPACE_TO_BATCH_ND, None, [IMAGE, constant([2, 2]), constant([[0, -2], [0, 0]])], "paddings of 0 or more"),
        (SPACE_TO_BATCH_ND, None, [IMAGE, constant([2, 4]), constant([[0, 0], [0, 0]])], "found 6 and 4"),
        (SPACE_TO_BATCH_ND, None, [IMAGE, constant([2]), constant([[0, 0], [0, 0]])], r"operand 'block_shape' of shape \(2,\)"),
        (SPACE_TO_BATCH_ND, None, [IMAGE, constant([2, 2]), constant([[0, 0]])], r"operand 'paddings' of shape \(2, 2\)"),
        (SPACE_TO_BATCH_ND, None, [operand(T.FLOAT32, (4, 4)), constant([2]), constant([[0, 0]])], "rank 3 to 4"),
        (BATCH_TO_SPACE_ND, None, [IMAGE, constant([2, 3]), constant([[0, 0], [0, 0]])], "a batch that 6 divides"),
        (BATCH_TO_SPACE_ND, None, [IMAGE, constant([0, 2]), constant([[0, 0], [0, 0]])], "block sizes above 0"),
        (BATCH_TO_SPACE_ND, None, [IMAGE, constant([2, 2]), constant([[5, 4], [0, 0]])], "crops of at most 8"),
        (BATCH_TO_SPACE_ND, None, [IMAGE, constant([2, 2]), constant([[-1, 0], [0, 0]])], "crops of 0 or more"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


@pytest.mark.parametrize("spec", [SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND])
def test_scales_of_input_and_output_are_equal(spec):
    inputs = (operand(T.INT8, (4, 2, 2, 1), 0.5).info(0), constant([2, 2]).info(1), constant([[0, 0], [0, 0]]).info(2))
    with pytest.raises(InvalidModelError, match="scale, zero point"):
        infer(Call(spec, None, inputs, (operand(T.INT8, (), 0.25).info(3),)))


@pytest.mark.parametrize(
    ("spec", "type", "rank", "version"),
    [
        (DEPTH_TO_SPACE, T.FLOAT32, 4, 1),
        (SPACE_TO_DEPTH, T.INT8, 4, 2),
        (SPACE_TO_BATCH_ND, T.FLOAT32, 4, 1),
        (SPACE_TO_BATCH_ND, T.INT8, 4, 2),
        (BATCH_TO_SPACE_ND, T.FLOAT32, 3, 3),
        (BATCH_TO_SPACE_ND, T.INT16, 4, 4),
    ],
)
def test_versions(spec, type, rank, version):
    assert spec.version(Call(spec, None, (operand(type, (1,) * rank).info(0),))) == version
