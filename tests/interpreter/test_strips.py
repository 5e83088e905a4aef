"""Vector loops: broadcasting, results in an operand's place, and memory behind tensors, which no kernel may touch."""

import ctypes
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.interpreter.binding.broadcast import walk
from jitlite.interpreter.binding.reduce import _loops
from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.interpreter.codegen.library import load

_PAGE = mmap.PAGESIZE
_ENTRY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
_PROTECT = ctypes.CDLL(None, use_errno=True).mprotect


class Fenced:
    """An array that ends where memory that cannot be touched begins, and another that begins behind such memory."""

    def __init__(self, values: np.ndarray, *, at_end: bool) -> None:
        size = max(1, -(-values.nbytes // _PAGE)) * _PAGE
        self._memory = mmap.mmap(-1, size + 2 * _PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for fence in (start, start + _PAGE + size):
            assert _PROTECT(ctypes.c_void_p(fence), ctypes.c_size_t(_PAGE), 0) == 0
        offset = _PAGE + (size - values.nbytes if at_end else 0)
        self.array = np.frombuffer(self._memory, values.dtype, values.size, offset).reshape(values.shape)
        self.array[...] = values


def call(family, kernel, threads, **arguments):
    """Runs a kernel as each of so many threads, one after the other."""
    library = load([family])[family]
    block = np.zeros(16, np.int64)
    for i, (name, storage) in enumerate(library.parameters[kernel]):
        value = arguments[name]
        if isinstance(value, np.ndarray):
            block[i] = value.ctypes.data
        else:
            block[i] = np.float64(value).view(np.int64) if storage == "float" else value
    for thread in range(threads):
        assert _ENTRY(library.addresses[kernel])(block.ctypes.data, thread, threads) == 0


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_functions_of_one_operand_touch_nothing_else(threads, at_end):
    rng = np.random.default_rng(0)
    for count in [*range(1, 36), 64, 65, 100]:
        x = rng.normal(0, 3, count).astype(np.float32)
        for family, kernel in (("unary", "exp_f32"), ("unary", "sin_f32"), ("activation", "tanh_f32"), ("activation", "gelu_f32")):
            source, target = Fenced(x, at_end=at_end), Fenced(np.zeros_like(x), at_end=at_end)
            call(family, kernel, threads, x=source.array, y=target.array, count=count)
            call(family, kernel, threads, x=source.array, y=source.array, count=count)
            assert (source.array == target.array).all()
            assert np.isfinite(target.array).all()


SHAPES = [
    ((5,), (5,)),
    ((40,), ()),
    ((3, 1), (1, 7)),
    ((31, 17), (17,)),
    ((1, 300, 3), (3,)),
    ((2, 9, 4, 16), (2, 1, 1, 16)),
    ((200, 8), (200, 1)),
    ((3, 700, 1), (1, 1, 5)),
    ((2, 1, 3, 1, 2), (1, 2, 1, 2, 1)),
    ((4, 5, 6), (4, 1, 6)),
    ((7, 130), (7, 1)),
    ((7, 127), (1, 127)),
    ((1, 1, 2), (600, 1, 1)),
]


def check_sum(a, b, threads, at_end):
    y = a + b
    left, right, target = Fenced(a, at_end=at_end), Fenced(b, at_end=at_end), Fenced(np.zeros_like(y), at_end=at_end)
    steps = walk(y.shape, a.shape, b.shape)
    bounds = np.array([-np.inf, np.inf, 0])
    call("elementwise", "arithmetic_f32", threads, a=left.array, b=right.array, y=target.array, walk=steps, settings=bounds)
    np.testing.assert_array_equal(target.array, y)
    for operand in (left, right):
        if operand.array.shape == y.shape:
            call("elementwise", "arithmetic_f32", threads, a=left.array, b=right.array, y=operand.array, walk=steps, settings=bounds)
            np.testing.assert_array_equal(operand.array, y)
            return


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_broadcasting(a, b, threads, at_end):
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, a).astype(np.float32), rng.normal(0, 1, b).astype(np.float32)
    check_sum(first, second, threads, at_end)
    check_sum(second, first, threads, at_end)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_broadcasting(data):
    shape = data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 7, 16, 17, 33, 140]), min_size=1, max_size=4))
    while np.prod(shape) > 20000:
        shape[int(np.argmax(shape))] = 3
    repeats = st.lists(st.booleans(), min_size=len(shape), max_size=len(shape))
    a = tuple(1 if once else dim for dim, once in zip(shape, data.draw(repeats)))
    b = tuple(1 if once else dim for dim, once in zip(shape, data.draw(repeats)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    first, second = rng.normal(0, 1, a).astype(np.float32), rng.normal(0, 1, b).astype(np.float32)
    check_sum(first, second, data.draw(st.sampled_from([1, 2, 5])), data.draw(st.booleans()))


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_reduction(data):
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 5, 16, 17, 31, 70, 200]), min_size=1, max_size=4)))
    while np.prod(shape) > 40000:
        shape = shape[1:]
    axes = tuple(axis for axis in range(len(shape)) if data.draw(st.booleans()))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-50, 50, shape).astype(np.int32)
    at_end = data.draw(st.booleans())
    for name, function, signs in (("sum", np.sum, (1, 1)), ("extreme", np.max, (0, 0)), ("extreme", np.min, (-(2**31), -1))):
        expected = np.asarray(function(x, axis=axes))
        for dtype, family, suffix, setting in ((np.float32, "reduce", "f32", signs[0]), (np.int32, "reduce_int", "i32", signs[1])):
            source = Fenced(x.astype(dtype), at_end=at_end)
            target = Fenced(np.zeros(expected.shape, dtype), at_end=at_end)
            threads, loops = data.draw(st.sampled_from([1, 3])), _loops(shape, axes)
            call(family, f"{name}_{suffix}", threads, x=source.array, y=target.array, setting=setting, **loops)
            np.testing.assert_array_equal(target.array, expected.astype(dtype))


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3, 15, 16, 17, 33, 64, 70])
def test_rows_touch_nothing_else(depth, at_end):
    x = np.random.default_rng(0).normal(0, 3, (7, depth)).astype(np.float32)
    arguments = {"softmax_f32": {"beta": 1.0}, "log_softmax_f32": {}, "l2_normalization_f32": {}}
    for kernel, more in arguments.items():
        source, target = Fenced(x, at_end=at_end), Fenced(np.zeros_like(x), at_end=at_end)
        call("softmax", kernel, 2, x=source.array, y=target.array, rows=7, depth=depth, **more)
        call("softmax", kernel, 1, x=source.array, y=source.array, rows=7, depth=depth, **more)
        assert source.array.tobytes() == target.array.tobytes()
        if kernel == "softmax_f32":
            np.testing.assert_allclose(target.array.sum(-1), 1, rtol=1e-5)


def test_call_kernel_refuses_other_arguments():
    with pytest.raises(AssertionError, match="parameters"):
        call_kernel("unary", "exp_f32", x=np.zeros(1, np.float32))
