import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.resize  # noqa: F401 - fills the registry
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.resize import RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR
from jitlite.schemas.ops.spec import NeedsValue, infer
from jitlite.schemas.tables import ResizeBilinearOptions, ResizeNearestNeighborOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, call, check, constant, like, operand, result, run

T = TensorType
FLOAT = {"tolerance": 1e-6, "floor": 10.0}
MODES = [(False, False), (True, False), (False, True)]
SIZES = [
    (1, 1, 1, 1),
    (3, 4, 7, 9),
    (7, 9, 3, 4),
    (1, 1, 5, 5),
    (5, 5, 1, 1),
    (10, 10, 20, 30),
    (13, 7, 13, 7),
    (6, 2, 11, 1),
    (4, 4, 8, 3),
]


def bilinear(align_corners=False, half_pixel_centers=False):
    return ResizeBilinearOptions(align_corners=align_corners, half_pixel_centers=half_pixel_centers)


def nearest(align_corners=False, half_pixel_centers=False):
    return ResizeNearestNeighborOptions(align_corners=align_corners, half_pixel_centers=half_pixel_centers)


def activations(*shape):
    return operand(T.FLOAT32, shape, low=-9, high=9)


def image(*shape, type=T.INT8):
    return operand(type, shape, 0.04, {T.INT8: -3, T.UINT8: 125, T.INT16: 0}[type])


@pytest.mark.parametrize("mode", MODES, ids=["plain", "align corners", "half pixel centers"])
@pytest.mark.parametrize(("h", "w", "height", "width"), SIZES)
def test_resize_bilinear(h, w, height, width, mode):
    size = constant([height, width])
    for channels in (1, 4, 5, 16, 20):
        check(RESIZE_BILINEAR, bilinear(*mode), [activations(2, h, w, channels), size], [result(T.FLOAT32)], **FLOAT, threads=(1, 2, 7))
        for type in (T.INT8, T.UINT8, T.INT16):
            x = image(2, h, w, channels, type=type)
            check(RESIZE_BILINEAR, bilinear(*mode), [x, size], [like(x)], threads=(1, 2, 7))


@pytest.mark.parametrize("mode", MODES, ids=["plain", "align corners", "half pixel centers"])
@pytest.mark.parametrize(("w", "width", "channels"), [(900, 901, 3), (2500, 40, 1), (40, 2500, 1), (700, 300, 15), (5000, 3, 7)])
def test_resize_bilinear_of_wide_rows(w, width, channels, mode):
    size = constant([3, width])
    for x in (activations(1, 2, w, channels), image(1, 2, w, channels), image(1, 2, w, channels, type=T.UINT8)):
        check(RESIZE_BILINEAR, bilinear(*mode), [x, size], [like(x)], **(FLOAT if x.type is T.FLOAT32 else {}))


@pytest.mark.parametrize("mode", [*MODES, (True, True)], ids=["plain", "align corners", "half pixel centers", "both"])
@pytest.mark.parametrize(("h", "w", "height", "width"), SIZES)
def test_resize_nearest_neighbor(h, w, height, width, mode):
    size = constant([height, width])
    for x in (activations(2, h, w, 5), image(2, h, w, 5), operand(T.INT16, (1, h, w, 3), 0.1), operand(T.UINT8, (1, h, w, 3), 0.1, 4)):
        check(RESIZE_NEAREST_NEIGHBOR, nearest(*mode), [x, size], [like(x)], threads=(1, 2, 7))


def reference_stays_inside(source, target):
    """Without a mode the reference rounds its step, in 1024ths, and reads behind the image where many such steps add up to too much."""
    return all((n - 1) * ((1024 * size + n // 2) // n) < 1024 * size for size, n in zip(source, target))


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(st.integers(1, 60), st.integers(1, 60)), st.sampled_from(MODES))
def test_any_resize(source, target, mode):
    size = constant(list(target))
    x, q = activations(1, *source, 2), image(1, *source, 2)
    check(RESIZE_BILINEAR, bilinear(*mode), [x, size], [like(x)], **FLOAT)
    if any(mode) or reference_stays_inside(source, target):
        check(RESIZE_BILINEAR, bilinear(*mode), [q, size], [like(q)])
    u = image(1, *source, 2, type=T.UINT8)
    check(RESIZE_BILINEAR, bilinear(*mode), [u, size], [like(u)])
    check(RESIZE_NEAREST_NEIGHBOR, nearest(*mode), [x, size], [like(x)])


@pytest.mark.parametrize(
    ("type", "value"), [(T.INT8, -128), (T.INT8, 127), (T.UINT8, 0), (T.UINT8, 255), (T.INT16, -32768), (T.INT16, 32767)]
)
@pytest.mark.parametrize("mode", MODES, ids=["plain", "align corners", "half pixel centers"])
def test_resize_bilinear_of_extremes(type, value, mode):
    x = image(1, 3, 3, 18, type=type)
    feed = np.full(x.shape, value, numpy_dtype(type))
    found = check(RESIZE_BILINEAR, bilinear(*mode), [x, constant([7, 5])], [like(x)], feeds=[feed])
    assert (found[0] == value).all()


def test_resize_bilinear_int8_beyond_the_last_row():
    """Rounded steps lead past the input's end here; the reference reads outside of it, the edge is right."""
    x = image(1, 3, 1, 1)
    content = write_model(build(RESIZE_BILINEAR, bilinear(), [x, constant([5000, 1])], [like(x)]))
    found = run(content, [np.array([-100, 0, 100], np.int8).reshape(x.shape)])[0].ravel()
    assert found[0] == -100
    assert found[-1] == 100
    assert (np.diff(found.astype(np.int32)) >= 0).all()


@pytest.mark.parametrize(("spec", "options"), [(RESIZE_BILINEAR, bilinear()), (RESIZE_NEAREST_NEIGHBOR, nearest())])
def test_resize_to_a_size_known_at_run_time(spec, options):
    x = activations(1, 3, 4, 2)
    feeds = [np.arange(24, dtype=np.float32).reshape(x.shape), np.array([5, 3], np.int32)]
    check(spec, options, [x, operand(T.INT32, (2,))], [operand(T.FLOAT32, (1, 5, 3, 2))], feeds=feeds)


X, SIZE = activations(1, 4, 4, 2), constant([8, 8])


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "outputs", "message"),
    [
        (RESIZE_BILINEAR, bilinear(True, True), [X, SIZE], [], "alone is required, found both"),
        (RESIZE_BILINEAR, bilinear(), [activations(4, 4, 2), SIZE], [], "'input': rank 4"),
        (RESIZE_BILINEAR, bilinear(), [activations(1, 0, 4, 2), SIZE], [], "dimensions of at least 1"),
        (RESIZE_BILINEAR, bilinear(), [operand(T.INT32, (1, 4, 4, 2)), SIZE], [], "INT16 is required, found INT32"),
        (RESIZE_BILINEAR, bilinear(), [X, constant([8])], [], "a size of 2 elements is required"),
        (RESIZE_BILINEAR, bilinear(), [X, constant([8, 8], T.INT64)], [], "a size of type INT32 is required, found INT64"),
        (RESIZE_BILINEAR, bilinear(), [X, constant([0, 8])], [], r"a size from 1 to 16777216 is required, found \[0, 8\]"),
        (RESIZE_NEAREST_NEIGHBOR, nearest(), [X, constant([8, -1])], [], "a size from 1"),
        (RESIZE_BILINEAR, bilinear(), [image(1, 4, 4, 2), constant([1, 2**20 + 1])], [], "a size from 1 to 1048576 is required"),
        (RESIZE_NEAREST_NEIGHBOR, nearest(), [X, constant([2**15, 2**15])], [], "at most 2147483647 elements"),
        (RESIZE_BILINEAR, bilinear(), [operand(T.INT8, (1, 4, 4, 2)), SIZE], [result(T.INT8, 0.05)], "1 quantization scale"),
        (RESIZE_BILINEAR, bilinear(), [image(1, 4, 4, 2), SIZE], [result(T.INT8, 0.04, 0)], "scale 0.04 and zero point -3 are required"),
    ],
)
def test_resize_refuses(spec, options, inputs, outputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(spec, options, inputs, outputs))


def test_resize_asks_for_its_size():
    with pytest.raises(NeedsValue) as request:
        infer(call(RESIZE_BILINEAR, bilinear(), [X, operand(T.INT32, (2,))]))
    assert request.value.index == 1


@pytest.mark.parametrize(
    ("spec", "options", "type", "version"),
    [
        (RESIZE_BILINEAR, bilinear(), T.FLOAT32, 1),
        (RESIZE_BILINEAR, bilinear(), T.INT8, 2),
        (RESIZE_BILINEAR, bilinear(half_pixel_centers=True), T.INT8, 3),
        (RESIZE_BILINEAR, bilinear(), T.INT16, 4),
        (RESIZE_NEAREST_NEIGHBOR, nearest(), T.FLOAT32, 1),
        (RESIZE_NEAREST_NEIGHBOR, nearest(), T.INT8, 2),
        (RESIZE_NEAREST_NEIGHBOR, nearest(align_corners=True), T.FLOAT32, 3),
        (RESIZE_NEAREST_NEIGHBOR, nearest(), T.INT16, 4),
    ],
)
def test_versions(spec, options, type, version):
    assert spec.version(call(spec, options, [operand(type, (1, 4, 4, 2), 0.1), SIZE])) == version


@pytest.mark.parametrize("type", [T.FLOAT16, T.UINT16, T.UINT32, T.BOOL])
def test_nearest_neighbours_of_any_type(type):
    x = operand(type, (1, 3, 4, 2), low=0)
    check(RESIZE_NEAREST_NEIGHBOR, ResizeNearestNeighborOptions(), [x, constant([5, 3])], [result(type)])


@pytest.mark.parametrize("type", [T.INT8, T.UINT8, T.INT16])
@pytest.mark.parametrize(("spec", "options"), [(RESIZE_BILINEAR, bilinear()), (RESIZE_NEAREST_NEIGHBOR, nearest())])
def test_plain_integers(spec, options, type):
    check(spec, options, [operand(type, (2, 3, 4, 5)), constant([7, 6])], [result(type)])
