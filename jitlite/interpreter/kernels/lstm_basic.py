"""The LSTM cell of five operands, whose one matrix meets the input and the last output side by side.

Gates stand in the order input, cell, forget, output. Results become the last output and state of the next run.
"""

from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import f32p, i16p, i32p, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.fixed_point import rounding_divide
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.recurrence import LOGISTIC, TANH, activate, dot
from jitlite.interpreter.kernels.requantize import narrow, wide

_HALF = 1 << 15
_STATE_BITS = 4


@inline
def _join(x: Any, last: Any, joined: Any, n_input: i64, depth: i64) -> None:
    for i in range(n_input):
        joined[i] = x[i]
    for i in range(depth):
        joined[n_input + i] = last[i]


@kernel
def lstm_basic_f32(
    x: f32p,
    last: f32p,
    w: f32p,
    bias: f32p,
    state: f32p,
    y: f32p,
    new_state: f32p,
    joined: f32p,
    sums: f32p,
    batches: i64,
    n_input: i64,
    depth: i64,
    reals: f32p,
    thread: i64,
    threads: i64,
) -> None:
    """`reals` is scratch memory for the gates of all batches."""
    total = n_input + depth
    begin, end = span(batches, thread, threads)
    for b in range(begin, end):
        row, made, gates = advance(joined, b * total), advance(sums, b * 4 * depth), advance(reals, b * 4 * depth)
        _join(advance(x, b * n_input), advance(last, b * depth), row, n_input, depth)
        for i in range(4 * depth):
            made[i] = bias[i] + dot(advance(w, i * total), row, total)
        activate(made, gates, 4 * depth, LOGISTIC)
        c_gate = advance(gates, depth)
        activate(advance(made, depth), c_gate, depth, TANH)
        f_gate, o_gate = advance(gates, 2 * depth), advance(gates, 3 * depth)
        out, kept = advance(y, b * depth), advance(new_state, b * depth)
        for i in range(depth):
            kept[i] = gates[i] * c_gate[i] + f_gate[i] * state[b * depth + i]
            state[b * depth + i] = kept[i]
        activate(kept, out, depth, TANH)
        for i in range(depth):
            out[i] *= o_gate[i]
            last[b * depth + i] = out[i]


@inline
def _high(a: Any, b: Any) -> Any:
    """The rounded high half of 2ab for 16-bit numbers."""
    return min((wide(a) * wide(b) + wide(1 << 14)) >> wide(15), wide(_HALF - 1))


@inline
def _word(value: Any) -> Any:
    """The value, saturated to 16 bits."""
    return min(max(wide(value), wide(-_HALF)), wide(_HALF - 1))


@inline
def _scaled(value: Any, mantissa: i64, shift: i64) -> Any:
    """The product value · mantissa · 2^(shift - 31) as the runtime's matrix library rounds it: twice, halves up both times."""
    left, right = wide(max(shift, 0)), wide(max(-shift, 0))
    high = (wide(narrow(wide(value) << left)) * wide(mantissa) + wide(1 << 30)) >> wide(31)
    return (high + ((wide(1) << right) >> wide(1))) >> right


class _Tables(NamedTuple):
    """Functions of all int16 numbers with three integer bits."""

    logistic: Any
    tanh: Any


@inline
def _of(table: Any, value: Any) -> Any:
    return wide(table[wide(value) + _HALF])


@inline
def _new_state(made: i16p, i: i64, depth: i64, state: Any, tables: _Tables) -> Any:
    share = _high(_of(tables.logistic, made[i]), _of(tables.tanh, made[depth + i]))
    kept = _high(_of(tables.logistic, made[2 * depth + i]), state)
    return _word(rounding_divide(share, _STATE_BITS) + kept)


@kernel
def lstm_basic_qu8(
    x: u8p,
    last: u8p,
    w: u8p,
    bias: i32p,
    state: i16p,
    y: u8p,
    new_state: i16p,
    joined: u8p,
    sums: i16p,
    s: i64p,
    logistic: i16p,
    tanh: i16p,
    thread: i64,
    threads: i64,
) -> None:
    """Settings [batches, inputs, depth, zero point of the weights, multiplier of sums]; the state has four integer bits."""
    n_input, depth = s[1], s[2]
    total, tables = n_input + depth, _Tables(logistic, tanh)
    begin, end = span(s[0], thread, threads)
    for b in range(begin, end):
        row, made = advance(joined, b * total), advance(sums, b * 4 * depth)
        _join(advance(x, b * n_input), advance(last, b * depth), row, n_input, depth)
        for i in range(4 * depth):
            value, weights = wide(bias[i]), advance(w, i * total)
            for k in range(total):
                value += (wide(row[k]) - 128) * (wide(weights[k]) - s[3])
            made[i] = _word(_scaled(value, s[4], s[5]))
        for i in range(depth):
            at = b * depth + i
            kept = _new_state(made, i, depth, state[at], tables)
            new_state[at] = kept
            state[at] = kept
            out = _high(_of(logistic, made[3 * depth + i]), _of(tanh, _word(2 * kept)))
            y[at] = 128 + min(max(rounding_divide(out, 8), -128), 127)
            last[at] = y[at]
