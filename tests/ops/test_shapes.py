import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.interpreter.binding import windows
from jitlite.interpreter.binding.panels import COLUMNS, by_panel, pack
from jitlite.interpreter.kernels import tile
from jitlite.interpreter.kernels import windows as kernel_windows
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.pool import MAX_POOL_2D
from jitlite.schemas.ops.shapes import broadcast_shapes, output_size, same_padding
from jitlite.schemas.tables import Padding
from tests.ops.oracle import call

CALL = call(MAX_POOL_2D, None, [])
SMALL = st.integers(1, 12)


@given(SMALL, SMALL, SMALL, SMALL)
def test_valid_windows_are_all_that_fit(size, window, stride, dilation):
    positions = [start for start in range(0, size, stride) if start + (window - 1) * dilation < size]
    if not positions:
        with pytest.raises(InvalidModelError, match="a VALID window of at most"):
            output_size(CALL, Padding.VALID, size, window, stride, dilation)
    else:
        found = output_size(CALL, Padding.VALID, size, window, stride, dilation)
        assert found == len(positions)
        assert same_padding(size, found, window, stride, dilation) == (0, 0)


@given(SMALL, SMALL, SMALL, SMALL)
def test_same_windows_start_once_a_stride_and_cover_the_padding_evenly(size, window, stride, dilation):
    found = output_size(CALL, Padding.SAME, size, window, stride, dilation)
    before, after = same_padding(size, found, window, stride, dilation)
    assert found == len(range(0, size, stride))
    assert 0 <= after - before <= 1
    last_tap = (found - 1) * stride - before + (window - 1) * dilation
    assert last_tap == size - 1 + after or (before, after) == (0, 0)


@given(st.lists(st.sampled_from([0, 1, 2, 3]), max_size=4), st.lists(st.sampled_from([0, 1, 2, 3]), max_size=4))
def test_broadcast_shapes_is_numpys(a, b):
    try:
        expected = np.broadcast_shapes(tuple(a), tuple(b))
    except ValueError:
        with pytest.raises(InvalidModelError, match="shapes that broadcast are required"):
            broadcast_shapes(CALL, tuple(a), tuple(b))
    else:
        assert broadcast_shapes(CALL, tuple(a), tuple(b)) == expected


def test_bindings_and_kernels_agree_on_layouts():
    assert windows.Windows._fields == kernel_windows.Windows._fields
    assert COLUMNS == tile.COLUMNS


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 5))
def test_packed_weights_hold_every_weight_once(groups, channels, depth):
    weights = np.arange(1, groups * channels * depth + 1, dtype=np.int32).reshape(groups * channels, depth)
    packed = pack(weights, groups)
    for group in range(groups):
        for channel in range(channels):
            panel = group * (packed.shape[0] // groups) + channel // COLUMNS
            assert packed[panel, :, channel % COLUMNS].tolist() == weights[group * channels + channel].tolist()
    assert (packed > 0).sum() == weights.size
    assert by_panel(weights[:, 0], groups).shape == (packed.shape[0], COLUMNS)
