"""LSTM on int8 numbers with int16 gates and state, in the reference's fixed point. Activations are tables of all int16 numbers."""

from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import i8p, i16p, i32p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.fixed_point import inverse_square_root, rounding_divide
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.recurrence import dot_bytes
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, wide

_HALF = 1 << 15
_GUARDS, _MULTIPLIERS = 16, 20
"""Where the guards of variances and the multipliers stand in the settings."""


class _Gate(NamedTuple):
    """One gate's operands; `m` are its four multipliers."""

    w: Any
    r: Any
    b: Any
    h: Any
    p: Any
    norm: Any
    norm_bias: Any
    m: Any
    guard: Any
    is_peephole: Any
    is_normal: Any


class _Weights(NamedTuple):
    """The operands of all gates, behind each other in the order input, forget, cell, output; peephole weights without the cell's."""

    w: Any
    r: Any
    b: Any
    h: Any
    p: Any
    norm: Any
    norm_bias: Any


@inline
def _scaled(value: Any, m: i64p, place: i64) -> Any:
    return wide(multiply_by_quantized_multiplier(narrow(value), narrow(m[2 * place]), narrow(m[2 * place + 1])))


@inline
def _word(value: Any) -> Any:
    """The value, saturated to 16 bits."""
    return min(max(wide(value), wide(-_HALF)), wide(_HALF - 1))


@inline
def _cut(value: Any) -> Any:
    """The quotient by 1024, towards 0."""
    return wide(value) >> 10 if value >= 0 else -(-wide(value) >> 10)


@inline
def _normalize(y: i16p, g: Any, count: i64) -> None:
    total, squares = wide(0), wide(0)
    for i in range(count):
        total += wide(y[i])
        squares += wide(y[i]) * wide(y[i])
    scaled = total * 1024
    mean = scaled // count if scaled >= 0 else -(-scaled // count)
    variance = squares * ((1 << 20) // count) - mean * mean
    variance = wide(narrow(variance >> 20 if variance >= 0 else -(-variance >> 20)))
    if variance < 1:
        variance = wide(g.guard)
    mantissa, shift = inverse_square_root(variance)
    for i in range(count):
        rescaled = wide(multiply_by_quantized_multiplier(narrow(1024 * wide(y[i]) - mean), narrow(mantissa), narrow(shift)))
        product = wide(narrow(rescaled * wide(g.norm[i]) + wide(g.norm_bias[i])))
        rounded = _cut(product + 512) if product > 0 else _cut(product - 512)
        y[i] = _word(multiply_by_quantized_multiplier(narrow(rounded), narrow(g.m[6]), narrow(g.m[7] + 12)))


@inline
def _run_gate(y: i16p, g: Any, x: i8p, hidden: i8p, cell: i16p, n_input: i64, n_output: i64, n_cell: i64, table: i16p) -> None:
    for i in range(n_cell):
        value = _word(_scaled(wide(g.b[i]) + dot_bytes(advance(g.w, i * n_input), x, n_input), g.m, 0))
        value = _word(value + _scaled(wide(g.h[i]) + dot_bytes(advance(g.r, i * n_output), hidden, n_output), g.m, 1))
        if g.is_peephole != 0:
            value = _word(value + _scaled(wide(g.p[i]) * wide(cell[i]), g.m, 2))
        y[i] = value
    if g.is_normal != 0:
        _normalize(y, g, n_cell)
    for i in range(n_cell):
        y[i] = table[wide(y[i]) + _HALF]


@inline
def _update(cell: i16p, i_gate: i16p, f_gate: i16p, c_gate: i16p, count: i64, shift: i64, is_coupled: i64, bound: i64) -> None:
    for i in range(count):
        kept = rounding_divide(wide(f_gate[i]) * wide(cell[i]), 15)
        share = wide(_HALF - 1) - wide(f_gate[i]) if is_coupled != 0 else wide(i_gate[i])
        value = _word(kept + rounding_divide(share * wide(c_gate[i]), shift))
        if bound > 0:
            value = min(max(value, -bound), bound)
        cell[i] = value


@inline
def _gate(w: _Weights, s: i64p, gate: Any, place: Any) -> Any:
    """One gate of all; `place` is its place among those with peephole weights, below 0 where it has none."""
    n_input, n_output, n_cell = s[2], s[3], s[4]
    start, is_peephole = gate * n_cell, wide(s[13]) if place >= 0 else wide(0)
    return _Gate(
        advance(w.w, start * n_input),
        advance(w.r, start * n_output),
        advance(w.b, start),
        advance(w.h, start),
        advance(w.p, max(place, 0) * n_cell),
        advance(w.norm, start),
        advance(w.norm_bias, start),
        advance(s, _MULTIPLIERS + 8 * gate),
        s[_GUARDS + gate],
        is_peephole,
        s[14],
    )


@inline
def _put_out(out: Any, h: Any, projection: Any, bias: Any, s: i64p) -> None:
    """The projection of a cell's output."""
    n_output, n_cell, bound, zero_point = s[3], s[4], s[9], s[10]
    for i in range(n_output):
        total = wide(bias[i]) + dot_bytes(advance(projection, i * n_cell), out, n_cell)
        value = min(max(_scaled(total, advance(s, _MULTIPLIERS + 32), 1) + zero_point, -128), 127)
        h[i] = min(max(value, -bound), bound) if bound > 0 else value


@kernel
def lstm_qs8(
    x: i8p,
    y: i8p,
    hidden: i8p,
    cell: i16p,
    w: i8p,
    r: i8p,
    b: i32p,
    h: i32p,
    p: i16p,
    norm: i16p,
    norm_bias: i32p,
    projection: i8p,
    projection_bias: i32p,
    sigmoid: i16p,
    tanh: i16p,
    cell_tanh: i16p,
    s: i64p,
    words: i16p,
    bytes: i8p,
    thread: i64,
    threads: i64,
) -> None:
    """`s` is described by the binding; `words` and `bytes` are scratch memory for one batch each."""
    n_input, n_output, n_cell, is_coupled = s[2], s[3], s[4], s[12]
    weights = _Weights(w, r, b, h, p, norm, norm_bias)
    begin, end = span(s[0], thread, threads)
    for batch in range(begin, end):
        i_gate = advance(words, batch * 4 * n_cell)
        f_gate, c_gate, o_gate = advance(i_gate, n_cell), advance(i_gate, 2 * n_cell), advance(i_gate, 3 * n_cell)
        last, state, out = advance(hidden, batch * n_output), advance(cell, batch * n_cell), advance(bytes, batch * n_cell)
        for t in range(s[1]):
            row = batch * s[5] + t * s[6]
            xs = advance(x, row * n_input)
            if is_coupled == 0:
                _run_gate(i_gate, _gate(weights, s, 0, 0), xs, last, state, n_input, n_output, n_cell, sigmoid)
            _run_gate(f_gate, _gate(weights, s, 1, 1), xs, last, state, n_input, n_output, n_cell, sigmoid)
            _run_gate(c_gate, _gate(weights, s, 2, -1), xs, last, state, n_input, n_output, n_cell, tanh)
            _update(state, i_gate, f_gate, c_gate, n_cell, -s[7], is_coupled, s[8])
            _run_gate(o_gate, _gate(weights, s, 3, 2), xs, last, state, n_input, n_output, n_cell, sigmoid)
            made = out if s[15] != 0 else last
            for i in range(n_cell):
                product = wide(o_gate[i]) * wide(cell_tanh[wide(state[i]) + _HALF])
                made[i] = min(max(_scaled(product, advance(s, _MULTIPLIERS + 32), 0) + s[11], -128), 127)
            if s[15] != 0:
                _put_out(out, last, projection, projection_bias, s)
            target = advance(y, row * n_output)
            for i in range(n_output):
                target[i] = last[i]
