"""Bindings of LSTM on int8 numbers with int16 gates."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.panels import require_constants
from jitlite.interpreter.binding.registry import Scratch, Step, kernels
from jitlite.schemas.affine import quantize_multiplier
from jitlite.schemas.ops.lstm import GATES, INTERMEDIATES, LstmSizes
from jitlite.schemas.ops.spec import Call, TensorInfo

K = kernels("lstm_q8")

_ABSENT = np.zeros(64, np.int32)
_F = np.float32
_GATE_SCALE = _F(2.0**-12)
_MOST_TANH_BITS = 6
_BYTES_BETWEEN = 12
"""Intermediates of an LSTM whose gates have 8 bits."""

Cell = Mapping[str, TensorInfo | None]
Words = NDArray[np.int64]
Array = NDArray[Any]

_GROUPS = ("input_to_{}_weights", "recurrent_to_{}_weights", "cell_to_{}_weights", "{}_layer_norm", "{}_gate_bias")


def _high(a: Words, b: Words | int) -> Words:
    """The rounded high half of 2ab for 16-bit numbers."""
    found: Words = np.minimum((a * b + (1 << 14)) >> 15, 32767)
    return found


def _saturated(a: Words) -> Words:
    return np.clip(a, -32768, 32767)


def _wrapped(a: Words) -> Words:
    return a.astype(np.int16).astype(np.int64)


def _halved(a: Words, exponent: int) -> Words:
    """The quotient by 2^exponent to nearest, halves away from zero."""
    mask = (1 << exponent) - 1
    return (a >> exponent) + ((a & mask) > (mask >> 1) + (a < 0))


def _word(value: int) -> int:
    """A Q0.31 constant with 16 bits."""
    return (value >> 16) + (value >> 15 & 1)


def _exp_of_negative(a: Words, integer_bits: int) -> Words:
    """exp(a) in Q0.15 for a ≤ 0 with so many integer bits, as gemmlowp computes it."""
    fraction = 15 - integer_bits
    quarter = 1 << (fraction - 2)
    rest = (a & (quarter - 1)) - quarter
    x = _wrapped(_saturated(rest << integer_bits) + (1 << 12))
    square = _high(x, x)
    cube, fourth = _high(square, x), _high(square, square)
    tail = _halved(_wrapped(_high(_wrapped(_halved(fourth, 2) + cube), _word(715827883)) + square), 1)
    constant = _word(1895147668)
    result = _saturated(constant + _high(_wrapped(x + tail), constant))
    remainder = _wrapped(rest - a)
    factors = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
    for power, factor in factors:
        if integer_bits > power:
            result = np.where(remainder & (1 << (fraction + power)), _high(result, _word(factor)), result)
    if integer_bits > 5:
        result = np.where(a < -(32 << fraction), 0, result)
    return np.where(a == 0, 32767, result)


def _newton(a: Words) -> Words:
    """2 / (1 + a) in Q2.13 for a in [0, 1) in Q0.15."""
    half = (a + 32768) >> 1
    x = _wrapped(_word(1515870810) + _high(half, _word(-1010580540)))
    for _ in range(3):
        error = _wrapped((1 << 13) - _high(half, x))
        x = _wrapped(x + _saturated(_high(x, error) << 2))
    return x


@cache
def logistic_table() -> NDArray[np.int16]:
    """logistic(x) in Q0.15 for each int16 x in Q3.12, from -32768 on."""
    x = np.arange(-32768, 32768, dtype=np.int64)
    positive = _saturated(_newton(_exp_of_negative(_wrapped(-np.abs(x)), 3)) << 1)
    found = np.where(x > 0, positive, 32767 - positive)
    return np.where(x == 0, 1 << 14, found).astype(np.int16)


@cache
def tanh_table(integer_bits: int) -> NDArray[np.int16]:
    """tanh(x) in Q0.15 for each int16 x with so many integer bits, from -32768 on."""
    x = np.arange(-32768, 32768, dtype=np.int64)
    size = _exp_of_negative(_wrapped(-np.abs(x)), integer_bits + 1)
    found = _saturated((_newton(size) - (1 << 13)) << 2)
    return np.where(x == 0, 0, np.where(x < 0, -found, found)).astype(np.int16)


def _parameters(call: Call, found: TensorInfo, what: str) -> tuple[np.float32, int]:
    call.require(found.is_quantized, f"{what} with a scale is required, found one without")
    return _F(found.scale), found.zero_point


def stacked(call: Call, group: Sequence[TensorInfo | None], shape: tuple[int, ...], dtype: type) -> Array:
    """Constant weights of several gates, which have this shape each, behind each other; zeros for absent ones, nothing where all are."""
    if all(found is None for found in group):
        return _ABSENT
    rows: Array = np.zeros((len(group), *shape), dtype)
    for row, found in zip(rows, group):
        if found is not None:
            row[...] = constant_value(call, found).reshape(-1).view(dtype).reshape(shape)
    return rows


def constant_value(call: Call, found: TensorInfo) -> Array:
    """The value of a weight or bias; NeedsValue where it is known only at run time."""
    require_constants(call, found)
    assert found.value is not None
    return found.value


def _effective_bias(call: Call, weights: TensorInfo | None, bias: TensorInfo | None, zero_point: int, rows: int) -> NDArray[np.int32]:
    """The bias plus what a zero point adds to every sum of a row's products."""
    sums = np.zeros(rows, np.int64)
    if weights is not None:
        sums += constant_value(call, weights).astype(np.int64).sum(axis=1) * zero_point
    if bias is not None:
        sums += constant_value(call, bias)
    found: NDArray[np.int32] = sums.astype(np.int32)
    return found


def _clipped(bound: float, scale: np.float32, limit: int) -> int:
    return int(min(max(_F(bound) / scale, _F(-limit - 1)), _F(limit))) if bound > 0 else 0


def _real(found: TensorInfo | None) -> np.float32:
    return _F(1) if found is None else _F(found.scale)


def _multipliers(call: Call, cell: Cell, gates: list[np.float32], hidden: np.float32) -> list[tuple[int, int]]:
    """(mantissa, shift) for the sums of inputs and of outputs, the peephole and the layer norm of each gate; then hidden and projection."""
    x, state, memory = cell["input"], cell["output_state"], cell["cell_state"]
    found: list[tuple[int, int]] = []
    for gate, scale in zip(GATES, gates):
        w, r = cell[f"input_to_{gate}_weights"], cell[f"recurrent_to_{gate}_weights"]
        p, norm = cell.get(f"cell_to_{gate}_weights"), cell[f"{gate}_layer_norm"]
        found.append(quantize_multiplier(float(_real(w) * _real(x) / scale)) if w is not None else (0, 0))
        found.append(quantize_multiplier(float(_real(r) * _real(state) / scale)) if r is not None else (0, 0))
        found.append(quantize_multiplier(float(_F(float(_real(memory)) * float(_real(p)) / float(scale)))) if p is not None else (0, 0))
        found.append(quantize_multiplier(float(_real(norm))))
    found.append(quantize_multiplier(float(_F(2.0**-15 / float(hidden) * 2.0**-15))))
    found.append(quantize_multiplier(float(_real(cell["projection_weights"]) * hidden / _real(state))))
    return found


def integer_lstm(call: Call, cell: Cell, s: LstmSizes, time_major: bool) -> Step:
    """The step of a cell on int8 numbers whose state has 16 bits."""
    x, state, memory = call.input(0), cell["output_state"], cell["cell_state"]
    if len(call.intermediates) == _BYTES_BETWEEN:
        raise call.unsupported(f"gates of 16 bits, with {INTERMEDIATES} intermediates, are supported, found gates of 8 bits")
    call.require(len(call.intermediates) == INTERMEDIATES, f"{INTERMEDIATES} intermediates are required, found {len(call.intermediates)}")
    assert state is not None
    assert memory is not None
    _, x_zero = _parameters(call, x, "an input")
    _, state_zero = _parameters(call, state, "an output state")
    memory_scale, _ = _parameters(call, memory, "a cell state")
    power = round(log2(memory_scale))
    call.require(2.0**power == memory_scale, f"a cell state whose scale is a power of two is required, found {memory_scale}")
    tanh_bits = 15 + power
    if not 0 <= tanh_bits <= _MOST_TANH_BITS:
        raise call.unsupported(f"a cell state with 0 to {_MOST_TANH_BITS} integer bits is supported, found {tanh_bits}")
    is_normal = cell["forget_layer_norm"] is not None
    between = [_parameters(call, found, "an intermediate")[0] if is_normal else _GATE_SCALE for found in call.intermediates[:4]]
    hidden_scale, hidden_zero = _parameters(call, call.intermediates[4], "the hidden state")
    projection, peephole = cell["projection_weights"], cell["cell_to_output_weights"]
    if peephole is not None and s.n_output != s.n_cell:
        raise call.unsupported(f"peephole weights with {s.n_cell} outputs are supported, found {s.n_output}")
    output_scale, _ = _parameters(call, call.outputs[0], "an output")
    clips = [_clipped(call.options.cell_clip, memory_scale, 32767), _clipped(call.options.proj_clip, output_scale, 127)]
    by_batch, by_step = (1, s.batches) if time_major else (s.steps, 1)
    settings = [s.batches, s.steps, s.n_input, s.n_output, s.n_cell, by_batch, by_step, -(30 + power), *clips]
    settings += [state_zero, hidden_zero if projection is None else -hidden_zero]
    settings += [cell["input_to_input_weights"] is None, peephole is not None, is_normal, projection is not None]
    guards = [max(1, int(_F(10000) * _real(cell[f"{gate}_layer_norm"]))) for gate in GATES]
    multipliers = [number for pair in _multipliers(call, cell, between, hidden_scale) for number in pair]
    weights = {name: [cell.get(name.format(gate)) for gate in GATES] for name in _GROUPS}
    inputs, recurrent, peepholes, norms, biases = weights.values()
    zeros = (-x_zero, -state_zero)
    effective = [
        [_effective_bias(call, w, bias if group is inputs and not is_normal else None, zero, s.n_cell) for w, bias in zip(group, biases)]
        for group, zero in zip((inputs, recurrent), zeros)
    ]
    return K.step(
        "lstm_qs8",
        x=x,
        y=call.outputs[0],
        hidden=state,
        cell=memory,
        w=stacked(call, inputs, (s.n_cell, s.n_input), np.int8),
        r=stacked(call, recurrent, (s.n_cell, s.n_output), np.int8),
        b=np.concatenate(effective[0]),
        h=np.concatenate(effective[1]),
        p=stacked(call, [peepholes[0], peepholes[1], peepholes[3]], (s.n_cell,), np.int16),
        norm=stacked(call, norms, (s.n_cell,), np.int16),
        norm_bias=stacked(call, biases, (s.n_cell,), np.int32),
        projection=_ABSENT if projection is None else projection,
        projection_bias=_effective_bias(call, projection, cell["projection_bias"], hidden_zero, s.n_output),
        sigmoid=logistic_table(),
        tanh=tanh_table(3),
        cell_tanh=tanh_table(tanh_bits),
        s=np.array(settings + guards + multipliers, np.int64),
        words=Scratch(8 * s.n_cell * s.batches),
        bytes=Scratch(s.n_cell * s.batches),
    )
