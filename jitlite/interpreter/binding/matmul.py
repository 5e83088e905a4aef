"""Steps of matrix products: packs constant right sides, quantizes float activations for INT8 weights."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.panels import (
    COLUMNS,
    bias_or_zeros,
    bounds,
    by_panel,
    interleave,
    is_constant,
    is_float,
    is_int8,
    limits,
    pack,
    pack_s8,
    panels,
    real_multipliers,
    run_bytes,
    scales,
    tap_sums,
)
from jitlite.interpreter.binding.registry import Argument, Bound, Scratch, Step, binds, kernels, no_kernel
from jitlite.schemas.affine import quantize_multiplier
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.ops.spec import Call, Shape, TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.tables import ActivationFunctionType, TensorType

MATMUL = kernels("matmul")
PREPARE = kernels("prepare")

Int32s = NDArray[np.int32]

_TYPES = "FLOAT32 with FLOAT32 or constant INT8 weights and INT8 with INT8"


class Product(Record):
    """The shape of a batched product; `transposed_left` and `transposed_right` say which matrices are stored the other way round.

    A right side's matrices are [columns, depth] when transposed. `lefts` and `rights` give each result's matrices by number.
    """

    rows: int
    columns: int
    depth: int
    lefts: NDArray[np.int64]
    rights: NDArray[np.int64]
    right_count: int
    transposed_left: bool = False
    transposed_right: bool = True

    def arguments(self) -> dict[str, Argument]:
        """What every product kernel is told."""
        row_step, depth_step = (1, self.rows) if self.transposed_left else (self.depth, 1)
        batches = np.stack([self.lefts * (self.rows * self.depth), self.rights], axis=1)
        sizes = np.array([self.lefts.size, self.rows, self.columns, self.depth, row_step, depth_step], np.int64)
        return {"batches": batches, "sizes": sizes}

    @property
    def packed_elements(self) -> int:
        return self.right_count * panels(self.columns) * COLUMNS * self.depth

    @property
    def pack_sizes(self) -> NDArray[np.int64]:
        column_step, depth_step = (self.depth, 1) if self.transposed_right else (1, self.columns)
        return np.array([self.right_count, self.columns, self.depth, column_step, depth_step, self.columns * self.depth], np.int64)

    def packed(self, right: NDArray[np.generic]) -> NDArray[np.generic]:
        """A constant right side in panels [right sides · panels, depth, COLUMNS]."""
        return pack(self._by_column(right), self.right_count)

    def packed_s8(self, right: NDArray[np.generic]) -> NDArray[np.int8]:
        """The same for INT8, in quads."""
        return pack_s8(self._by_column(right), self.right_count)

    def column_sums(self, right: NDArray[np.generic]) -> Int32s:
        return tap_sums(self._by_column(right), self.right_count)

    def _by_column(self, right: NDArray[np.generic]) -> NDArray[np.generic]:
        matrices = right.reshape(self.right_count, *((self.columns, self.depth) if self.transposed_right else (self.depth, self.columns)))
        ordered = matrices if self.transposed_right else matrices.swapaxes(1, 2)
        return ordered.reshape(-1, self.depth)


def _packed_f32(w: TensorInfo, p: Product) -> tuple[list[Step], dict[str, Argument]]:
    if is_constant(w):
        assert w.value is not None
        return [], {"w": p.packed(w.value)}
    packed = Scratch(4 * p.packed_elements)
    return [PREPARE.step("pack_f32", source=w, target=packed, sizes=p.pack_sizes)], {"w": packed}


def _packed_s8(w: TensorInfo, p: Product) -> tuple[list[Step], dict[str, Argument]]:
    """Arguments `w` and `sums`, and the step that makes them where the right side is not constant."""
    if is_constant(w):
        assert w.value is not None
        return [], {"w": p.packed_s8(w.value), "sums": p.column_sums(w.value)}
    columns = p.right_count * panels(p.columns)
    packed, sums = Scratch(columns * run_bytes(p.depth)), Scratch(4 * columns * COLUMNS)
    step = PREPARE.step("pack_s8", source=w, target=packed, sums=sums, sizes=p.pack_sizes)
    return [step], {"w": packed, "sums": sums}


def _bias_f32(bias: TensorInfo | None, columns: int) -> tuple[list[Step], Argument]:
    """A float bias padded to panels, and the step that pads it where it is not constant."""
    if bias is None or is_constant(bias):
        return [], np.ascontiguousarray(by_panel(bias_or_zeros(bias, columns, np.float32)))
    padded = Scratch(4 * panels(columns) * COLUMNS)
    sizes = np.array([1, columns, 1, 1, 1, columns], np.int64)
    return [PREPARE.step("pack_f32", source=bias, target=padded, sizes=sizes)], padded


def float_product(x: TensorInfo, w: TensorInfo, bias: TensorInfo | None, y: TensorInfo, p: Product, clamp: dict[str, float]) -> Bound:
    """Steps of y = clamp(x · w + bias)."""
    packing, packed = _packed_f32(w, p)
    padding, padded = _bias_f32(bias, p.columns)
    return [*packing, *padding, MATMUL.step("matmul_f32", x=x, y=y, bias=padded, **packed, **p.arguments(), **clamp)]


def quantized_product(
    x: TensorInfo, w: TensorInfo, y: TensorInfo, p: Product, channels: NDArray[np.int32], clamp: NDArray[np.int32]
) -> Bound:
    packing, packed = _packed_s8(w, p)
    zero_points = np.array([x.zero_point, w.zero_point], np.int32)
    step = MATMUL.step("matmul_qs8", x=x, y=y, channels=channels, zero_points=zero_points, limits=clamp, **packed, **p.arguments())
    return [*packing, step]


def _hybrid_product(
    call: Call, x: TensorInfo, w: TensorInfo, y: TensorInfo, p: Product, bias: NDArray[np.float32], clamp: dict[str, float]
) -> Bound:
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
    packing, packed = _packed_s8(w, p)
    channels = interleave(scales(w, p.columns).astype(np.float32), bias)
    dense = Product(p.rows, p.columns, p.depth, p.lefts, p.rights, p.right_count)
    step = MATMUL.step("matmul_f32_qc8w", y=y, channels=channels, **made, **packed, **dense.arguments(), **clamp)
    return [quantize, *packing, step]


def _shared_multiplier(x: TensorInfo, w: TensorInfo, y: TensorInfo, columns: int) -> tuple[Int32s, Int32s]:
    """The multiplier of a per-tensor product, once a column; the reference multiplies the two scales in float32."""
    product = np.float32(x.scale) * np.float32(w.scale)
    mantissa, shift = quantize_multiplier(float(np.float64(product) / np.float64(np.float32(y.scale))))
    return np.full(columns, mantissa, np.int32), np.full(columns, shift, np.int32)


@binds(FULLY_CONNECTED)
def fully_connected(call: Call) -> Bound:
    x, w, bias, y = call.input(0), call.input(1), call.optional_input(2), call.outputs[0]
    units, depth = w.shape
    activation = call.options.fused_activation_function
    first = np.zeros(1, np.int64)
    p = Product(x.size // depth, units, depth, first, first, 1)
    if is_float(x, w, y):
        return float_product(x, w, bias, y, p, bounds(activation))
    if is_int8(x, w, y) and is_constant(bias):
        packing, packed = _packed_s8(w, p)
        step = MATMUL.step(
            "fully_connected_qs8",
            x=x,
            bias=np.ascontiguousarray(by_panel(bias_or_zeros(bias, units, np.int32))),
            scales=np.ascontiguousarray(by_panel(real_multipliers(x, w, y, units))),
            y=y,
            zero_points=np.array([x.zero_point, w.zero_point], np.int32),
            limits=limits(y, activation),
            **packed,
            **p.arguments(),
        )
        return [*packing, step]
    if is_float(x, y) and w.type is TensorType.INT8 and is_constant(bias):
        return _hybrid_product(call, x, w, y, p, bias_or_zeros(bias, units, np.float32), bounds(activation))
    raise no_kernel(call, _TYPES)


def _numbers(batch: Shape, results: Shape) -> NDArray[np.int64]:
    """For each result, in order, the number of the matrix it uses of an operand with batch dimensions `batch`."""
    own = np.arange(prod(batch), dtype=np.int64).reshape((1,) * (len(results) - len(batch)) + batch)
    return np.ascontiguousarray(np.broadcast_to(own, results)).reshape(-1)


def _batched(call: Call, x: TensorInfo, w: TensorInfo, y: TensorInfo) -> Product:
    o, batch = call.options, w.shape[:-2]
    rows, columns, depth = y.shape[-2], y.shape[-1], x.shape[-2 if o.adj_x else -1]
    if prod(batch) == 1 and not o.adj_x:
        first = np.zeros(1, np.int64)
        return Product(prod(y.shape[:-1]), columns, depth, first, first, 1, False, bool(o.adj_y))
    lefts, rights = _numbers(x.shape[:-2], y.shape[:-2]), _numbers(batch, y.shape[:-2])
    return Product(rows, columns, depth, lefts, rights, prod(batch), bool(o.adj_x), bool(o.adj_y))


@binds(BATCH_MATMUL)
def batch_matmul(call: Call) -> Bound:
    x, w, y = call.input(0), call.input(1), call.outputs[0]
    p = _batched(call, x, w, y)
    clamp = bounds(ActivationFunctionType.NONE)
    if is_float(x, w, y):
        return float_product(x, w, None, y, p, clamp)
    if is_int8(x, w, y):
        channels = interleave(np.zeros(p.columns, np.int32), *_shared_multiplier(x, w, y, p.columns))
        return quantized_product(x, w, y, p, channels, limits(y, ActivationFunctionType.NONE))
    if is_int8(x, w) and y.type is TensorType.INT32:
        packing, packed = _packed_s8(w, p)
        return [*packing, MATMUL.step("matmul_s32", x=x, w=packed["w"], y=y, **p.arguments())]
    if is_float(x, y) and w.type is TensorType.INT8:
        return _hybrid_product(call, x, w, y, p, np.zeros(p.columns, np.float32), clamp)
    raise no_kernel(call, _TYPES)
