"""Steps of matrix products: packs constant right sides, quantizes float activations for INT8 weights."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding import elementwise_q8
from jitlite.interpreter.binding.blockwise import blockwise_product
from jitlite.interpreter.binding.broadcast import real_products
from jitlite.interpreter.binding.panels import (
    COLUMNS,
    bias_or_zeros,
    bounds,
    by_panel,
    interleave,
    is_constant,
    is_float,
    is_int8,
    is_uint8,
    limits,
    pack,
    panels,
    real_multipliers,
    require_constants,
    scales,
    signed_bytes,
    widened,
)
from jitlite.interpreter.binding.products import (
    HYBRID,
    Right,
    Sizes,
    batches_of,
    fixed_point_rounding,
    float_step,
    lines,
    matrix_sizes,
    packed_right,
    product_ranges,
    quantized_step,
    real_rounding,
    run_size,
    shared_multiplier,
)
from jitlite.interpreter.binding.products_q16 import Layout, is_q16, matrix_product
from jitlite.interpreter.binding.registry import Argument, Bound, Scratch, Step, binds, kernels, no_kernel
from jitlite.interpreter.binding.short_results import short_product, shuffled_product
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED, has_short_results
from jitlite.schemas.ops.spec import Call, Shape, TensorInfo
from jitlite.schemas.record import Record, replace
from jitlite.schemas.tables import ActivationFunctionType, FullyConnectedOptionsWeightsFormat, TensorType

PREPARE = kernels("prepare")

_TYPES = (
    "FLOAT32 with FLOAT32 or constant INT8, INT4 or INT2 weights, INT8 and INT16 with INT8 or those, INT16 with INT16 "
    "and UINT8 with constant UINT8 weights"
)


class Product(Record):
    """The shape of a batched product; `transposed_left` and `transposed_right` say which matrices are stored the other way round.

    A right side's matrices are [columns, depth] when transposed. `lefts` and `rights` give each result's matrices by number.
    """

    rows: int
    columns: int
    depth: int
    lefts: NDArray[np.int64]
    rights: NDArray[np.int64]
    left_count: int
    right_count: int
    transposed_left: bool = False
    transposed_right: bool = True

    def sizes(self, item_bytes: int) -> Sizes:
        return matrix_sizes(self.lefts.size, self.rows, self.columns, self.depth, item_bytes)

    def batches(self) -> NDArray[np.int64]:
        return batches_of(self.sizes(1), self.lefts, self.rights)

    def packed_elements(self, item_bytes: int) -> int:
        return self.right_count * panels(self.columns) * run_size(self.depth, item_bytes)

    @property
    def pack_sizes(self) -> NDArray[np.int64]:
        """What the packing kernels of `prepare` are told."""
        column_step, depth_step = (self.depth, 1) if self.transposed_right else (1, self.columns)
        image = self.right_count, self.columns, 1, 1, self.depth
        return np.array([*image, column_step, 0, 0, depth_step, self.columns * self.depth, 0], np.int64)

    def by_column(self, right: NDArray[np.generic]) -> NDArray[np.generic]:
        """A right side as [right sides · columns, depth]."""
        matrices = right.reshape(self.right_count, *((self.columns, self.depth) if self.transposed_right else (self.depth, self.columns)))
        ordered = matrices if self.transposed_right else matrices.swapaxes(1, 2)
        return np.ascontiguousarray(ordered).reshape(-1, self.depth)

    def left(self, x: TensorInfo) -> tuple[list[Step], Argument]:
        """The left side with rows of neighbouring numbers, and the step that makes it where it is stored the other way round."""
        if not self.transposed_left:
            return [], x
        turned = Scratch(x.size * (4 if x.type is TensorType.FLOAT32 else 1))
        sizes = np.array([self.left_count, self.depth, self.rows], np.int64)
        kernel = "transpose_f32" if x.type is TensorType.FLOAT32 else "transpose_s8"
        return [PREPARE.step(kernel, x=x, y=turned, sizes=sizes)], turned


def _packed_f32(w: TensorInfo, p: Product) -> tuple[list[Step], Argument]:
    if is_constant(w):
        assert w.value is not None
        return [], pack(p.by_column(w.value), p.right_count)
    packed = Scratch(4 * p.packed_elements(4))
    return [PREPARE.step("pack_f32", source=w, target=packed, sizes=p.pack_sizes)], packed


def _right(w: TensorInfo, p: Product) -> tuple[list[Step], Right]:
    """A packed 8-bit right side, and the step that makes it where it is not constant."""
    if is_constant(w):
        assert w.value is not None
        return [], packed_right(p.by_column(w.value), w.zero_point, replace(p.sizes(1), groups=p.right_count))
    columns = p.right_count * panels(p.columns) * COLUMNS
    made = Right(Scratch(p.packed_elements(1)), Scratch(4 * columns), w.zero_point)
    return [PREPARE.step("pack_s8", source=w, target=made.w, sums=made.sums, sizes=p.pack_sizes)], made


def _bias_f32(bias: TensorInfo | None, columns: int) -> tuple[list[Step], Argument]:
    """A float bias padded to panels, and the step that pads it where it is not constant."""
    if bias is None or is_constant(bias):
        return [], np.ascontiguousarray(by_panel(bias_or_zeros(bias, columns, np.float32)))
    padded = Scratch(4 * panels(columns) * COLUMNS)
    sizes = np.array([1, columns, 1, 1, 1, 1, 1, 1, 1, columns, 0], np.int64)
    return [PREPARE.step("pack_f32", source=bias, target=padded, sizes=sizes)], padded


def _float_product(x: TensorInfo, w: TensorInfo, bias: TensorInfo | None, y: TensorInfo, p: Product, clamp: dict[str, float]) -> Bound:
    """Steps of y = clamp(x · w + bias)."""
    turning, left = p.left(x)
    packing, packed = _packed_f32(w, p)
    padding, padded = _bias_f32(bias, p.columns)
    return [*turning, *packing, *padding, float_step(left, y, packed, padded, p.sizes(4), clamp, p.batches())]


def _hybrid_product(
    call: Call, x: TensorInfo, w: TensorInfo, y: TensorInfo, p: Product, bias: NDArray[np.float32], clamp: dict[str, float]
) -> list[Step]:
    """Quantizes every row of the left side at run time, then multiplies integers."""
    lefts = x.size // max(p.rows * p.depth, 1)
    made: dict[str, Argument] = {"x": Scratch(x.size), "scales": Scratch(4 * lefts * p.rows), "zero_points": Scratch(4 * lefts * p.rows)}
    row_step, depth_step = (1, p.rows) if p.transposed_left else (p.depth, 1)
    quantize = PREPARE.step(
        "quantize_asymmetric" if call.options.asymmetric_quantize_inputs else "quantize_symmetric",
        x=x,
        y=made["x"],
        scales=made["scales"],
        zero_points=made["zero_points"],
        outside=np.zeros(1, np.int8),
        sizes=np.array([lefts, p.rows, p.depth, p.rows * p.depth, row_step, depth_step, 0], np.int64),
    )
    packing, right = _right(w, p)
    s = p.sizes(1)
    step = HYBRID.step(
        "product_f32_qc8w",
        y=y,
        w=right.w,
        sums=right.sums,
        bias=np.zeros(panels(p.columns) * COLUMNS, np.int32),
        batches=p.batches(),
        lines=lines(s, 1),
        outside=np.zeros(max(s.batches, 1), np.int8),
        sizes=s.array(),
        by_row=1,
        channels=interleave(scales(w, p.columns).astype(np.float32), bias),
        **made,
        **clamp,
    )
    return [quantize, *packing, step]


@binds(FULLY_CONNECTED)
def fully_connected(call: Call) -> Bound:
    if call.input(1).block_scales is not None:
        return blockwise_product(call)
    if call.options.weights_format != FullyConnectedOptionsWeightsFormat.DEFAULT:
        return shuffled_product(call)
    if has_short_results(call):
        return short_product(call)
    x, bias, y = call.input(0), call.optional_input(2), call.outputs[0]
    w = signed_bytes(x, widened(call.input(1)))
    units, depth = w.shape
    if not is_float(x, w):
        is_packed_at_run_time = w.type in (TensorType.INT8, TensorType.INT16)
        require_constants(call, None if is_packed_at_run_time else w, bias)
    activation = call.options.fused_activation_function
    first = np.zeros(1, np.int64)
    p = Product(x.size // depth, units, depth, first, first, 1, 1)
    if is_float(x, w, y):
        return _float_product(x, w, bias, y, p, bounds(activation))
    if is_int8(x, w, y) or is_uint8(x, w, y):
        clamp, biases = limits(y, activation), bias_or_zeros(bias, units, np.int32)
        packing, right = _right(w, p)
        ranges = product_ranges(w.value, biases, x, w.zero_point) if is_constant(w) and w.value is not None else None
        rounding = real_rounding(real_multipliers(x, w, y, units), clamp, ranges)
        s = p.sizes(1)
        return [*packing, quantized_step(x, y, right, biases, rounding, clamp, s, p.batches())]
    if is_float(x, y) and w.type is TensorType.INT8:
        steps = _hybrid_product(call, x, w, y, p, bias_or_zeros(bias, units, np.float32), bounds(activation))
        has_tanh = activation is ActivationFunctionType.TANH
        return [*steps, kernels("activation").step("tanh_f32", x=y, y=y, count=y.size)] if has_tanh else steps
    if is_q16(x, w, y):
        return matrix_product(call, x, w, bias, _layout(p), is_real=True)
    raise no_kernel(call, _TYPES)


def _layout(p: Product) -> Layout:
    return Layout(p.rows, p.columns, p.depth, p.lefts, p.rights, p.transposed_left, p.transposed_right)


def _numbers(batch: Shape, results: Shape) -> NDArray[np.int64]:
    """For each result, in order, the number of the matrix it uses of an operand with batch dimensions `batch`."""
    own = np.arange(prod(batch), dtype=np.int64).reshape((1,) * (len(results) - len(batch)) + batch)
    return np.ascontiguousarray(np.broadcast_to(own, results)).reshape(-1)


def _batched(call: Call, x: TensorInfo, w: TensorInfo, y: TensorInfo) -> Product:
    o, batch = call.options, w.shape[:-2]
    rows, columns, depth = y.shape[-2], y.shape[-1], x.shape[-2 if o.adj_x else -1]
    if prod(batch) == 1 and not o.adj_x:
        first = np.zeros(1, np.int64)
        return Product(prod(y.shape[:-1]), columns, depth, first, first, 1, 1, False, bool(o.adj_y))
    lefts, rights = _numbers(x.shape[:-2], y.shape[:-2]), _numbers(batch, y.shape[:-2])
    return Product(rows, columns, depth, lefts, rights, prod(x.shape[:-2]), prod(batch), bool(o.adj_x), bool(o.adj_y))


@binds(BATCH_MATMUL)
def batch_matmul(call: Call) -> Bound:
    x, w, y = call.input(0), call.input(1), call.outputs[0]
    p = _batched(call, x, w, y)
    shapes = (*x.shape[:-2], y.shape[-2], 1), (*w.shape[:-2], 1, y.shape[-1])
    if is_float(x, w, y) and p.depth == 1:
        return real_products(x, shapes[0], w, shapes[1], y)
    if is_int8(x, w, y) and p.depth == 1:
        (mantissa,), (shift,) = shared_multiplier(x, w, y, 1)
        zero_point, low, high = limits(y, ActivationFunctionType.NONE).tolist()
        return elementwise_q8.products(x, w, y, ((int(mantissa), int(shift)), zero_point, low, high), shapes)
    if is_float(x, w, y):
        return _float_product(x, w, None, y, p, bounds(ActivationFunctionType.NONE))
    zeros = np.zeros(p.columns, np.int32)
    if is_int8(x, w) and (is_int8(y) or y.type is TensorType.INT32):
        turning, left = p.left(x)
        packing, right = _right(w, p)
        s, batches = p.sizes(1), p.batches()
        if is_int8(y):
            clamp = limits(y, ActivationFunctionType.NONE)
            rounding = fixed_point_rounding(*shared_multiplier(x, w, y, p.columns), clamp, None)
            return [*turning, *packing, quantized_step(x, y, right, zeros, rounding, clamp, s, batches, left)]
        step = HYBRID.step(
            "product_s32",
            x=left,
            y=y,
            w=right.w,
            sums=right.sums,
            bias=np.ascontiguousarray(by_panel(zeros)),
            batches=batches,
            lines=lines(s, 1),
            outside=np.zeros(max(s.batches, 1), np.int8),
            sizes=s.array(),
        )
        return [*turning, *packing, step]
    if is_float(x, y) and w.type is TensorType.INT8:
        return _hybrid_product(call, x, w, y, p, np.zeros(p.columns, np.float32), bounds(ActivationFunctionType.NONE))
    if is_q16(x, w, y):
        return matrix_product(call, x, w, None, _layout(p), is_real=False)
    raise no_kernel(call, _TYPES)
