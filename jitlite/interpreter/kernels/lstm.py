"""LSTM on float32 numbers, with float32 or 8-bit weights: all steps of a sequence, one batch after the other.

Gates stand in the order input, forget, cell, output, and their weights behind each other. What an LSTM lacks is memory nobody reads; the
settings say what is there.
"""

from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i64, i64p, inline, span
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.recurrence import (
    LOGISTIC,
    activate,
    add_product_f32,
    add_product_q8,
    clip,
    no_numbers,
    normalize,
    quantize,
    real,
)

_BATCHES, _STEPS, _INPUT, _AUX, _OUTPUT, _CELL = 0, 1, 2, 3, 4, 5
_ROW_OF_BATCH, _ROW_OF_STEP, _Y_OF_BATCH, _Y_OF_STEP, _Y_START = 6, 7, 8, 9, 10
_ACTIVATION, _IS_BACKWARD, _IS_ASYMMETRIC, _IS_COUPLED = 11, 12, 13, 14
_IS_PEEPHOLE, _IS_NORMAL, _IS_PROJECTED, _IS_BIASED, _IS_DIAGONAL = 15, 16, 17, 18, 19
"""Places in the settings; the last one's is the first of four."""


class _Weights(NamedTuple):
    """Weights of the input, of the auxiliary input, recurrent, peephole, layer norm, bias, projection and its bias."""

    w: Any
    a: Any
    r: Any
    p: Any
    norm: Any
    bias: Any
    projection: Any
    projection_bias: Any


class _Vectors(NamedTuple):
    """The input, the auxiliary input and the last output, all three as int8 too with scale and zero point; and the cell's state."""

    x: Any
    qx: Any
    x_numbers: Any
    aux: Any
    qa: Any
    aux_numbers: Any
    hidden: Any
    qh: Any
    hidden_numbers: Any
    state: Any


@inline
def _run_gate(add_product: Any, y: Any, w: _Weights, v: _Vectors, scales: Any, s: Any, gate: Any, place: Any, activation: Any) -> None:
    """`place` is the gate's among those with peephole weights, below 0 where it has none."""
    n_input, n_aux, n_output, n_cell = s[_INPUT], s[_AUX], s[_OUTPUT], s[_CELL]
    bias, start = advance(w.bias, gate * n_cell), gate * n_cell
    for i in range(n_cell):
        y[i] = real(0) if s[_IS_NORMAL] != 0 else bias[i]
    add_product(y, advance(w.w, start * n_input), n_cell, n_input, v.x, v.qx, scales[gate] * v.x_numbers[0], v.x_numbers[1])
    if n_aux > 0:
        scale = scales[4 + gate] * v.aux_numbers[0]
        add_product(y, advance(w.a, start * n_aux), n_cell, n_aux, v.aux, v.qa, scale, v.aux_numbers[1])
    recurrent = advance(w.r, start * n_output)
    if s[_IS_DIAGONAL + gate] != 0:
        for i in range(n_cell):
            y[i] += real(recurrent[i]) * v.hidden[i]
    else:
        scale = scales[8 + gate] * v.hidden_numbers[0]
        add_product(y, recurrent, n_cell, n_output, v.hidden, v.qh, scale, v.hidden_numbers[1])
    if s[_IS_PEEPHOLE] != 0 and place >= 0:
        peephole = advance(w.p, place * n_cell)
        for i in range(n_cell):
            y[i] += peephole[i] * v.state[i]
    if s[_IS_NORMAL] != 0:
        normalize(y, advance(w.norm, gate * n_cell), bias, n_cell)
    activate(y, y, n_cell, activation)


@inline
def _run_cell(add_product: Any, gates: Any, w: _Weights, v: _Vectors, scales: Any, s: Any, bound: Any) -> None:
    """All gates, the new state, and behind the gates what the cell puts out."""
    n_cell, is_coupled = s[_CELL], s[_IS_COUPLED]
    f_gate, c_gate, o_gate = advance(gates, n_cell), advance(gates, 2 * n_cell), advance(gates, 3 * n_cell)
    if is_coupled == 0:
        _run_gate(add_product, gates, w, v, scales, s, 0, 0, LOGISTIC)
    _run_gate(add_product, f_gate, w, v, scales, s, 1, 1, LOGISTIC)
    _run_gate(add_product, c_gate, w, v, scales, s, 2, -1, s[_ACTIVATION])
    for i in range(n_cell):
        share = real(1) - f_gate[i] if is_coupled != 0 else gates[i]
        v.state[i] = f_gate[i] * v.state[i] + share * c_gate[i]
    clip(v.state, n_cell, bound)
    _run_gate(add_product, o_gate, w, v, scales, s, 3, 2, LOGISTIC)
    out = advance(gates, 4 * n_cell)
    # Without an activation the reference leaves here what it found, the cell gate.
    activate(c_gate if s[_ACTIVATION] == 0 else v.state, out, n_cell, s[_ACTIVATION])
    for i in range(n_cell):
        out[i] *= o_gate[i]


@inline
def _put_out(add_product: Any, make: Any, out: Any, q: Any, h: Any, w: _Weights, scale: Any, s: Any, bound: Any) -> None:
    """The new output, projected or as it is."""
    n_output, n_cell = s[_OUTPUT], s[_CELL]
    if s[_IS_PROJECTED] != 0:
        numbers = make(out, q, n_cell, s[_IS_ASYMMETRIC])
        for i in range(n_output):
            h[i] = w.projection_bias[i] if s[_IS_BIASED] != 0 else real(0)
        add_product(h, w.projection, n_output, n_cell, out, q, scale * numbers[0], numbers[1])
        clip(h, n_output, bound)
    else:
        for i in range(n_output):
            h[i] = out[i]


def _make(name: str, weights: Any, add_product: Any, make: Any) -> None:
    def lstm(
        x: f32p,
        aux: f32p,
        w: xp,
        a: xp,
        r: xp,
        p: f32p,
        norm: f32p,
        bias: f32p,
        projection: xp,
        projection_bias: f32p,
        hidden: f32p,
        cell: f32p,
        y: f32p,
        scales: f32p,
        s: i64p,
        reals: f32p,
        bytes: i8p,
        cell_clip: f32,
        projection_clip: f32,
        thread: i64,
        threads: i64,
    ) -> None:
        """`scales` are those of 8-bit weights; `reals` and `bytes` are scratch memory for one batch each."""
        steps, n_input, n_aux, n_output, n_cell, is_asymmetric = s[_STEPS], s[_INPUT], s[_AUX], s[_OUTPUT], s[_CELL], s[_IS_ASYMMETRIC]
        all_weights = _Weights(w, a, r, p, norm, bias, projection, projection_bias)
        begin, end = span(s[_BATCHES], thread, threads)
        for b in range(begin, end):
            gates, qx = advance(reals, b * 5 * n_cell), advance(bytes, b * (n_input + n_aux + n_output + n_cell))
            qa, qh, qo = advance(qx, n_input), advance(qx, n_input + n_aux), advance(qx, n_input + n_aux + n_output)
            h, state = advance(hidden, b * n_output), advance(cell, b * n_cell)
            for step in range(steps):
                t = steps - 1 - step if s[_IS_BACKWARD] != 0 else step
                row = b * s[_ROW_OF_BATCH] + t * s[_ROW_OF_STEP]
                xs, auxs = advance(x, row * n_input), advance(aux, row * n_aux)
                nx, na = make(xs, qx, n_input, is_asymmetric), make(auxs, qa, n_aux, is_asymmetric)
                v = _Vectors(xs, qx, nx, auxs, qa, na, h, qh, make(h, qh, n_output, is_asymmetric), state)
                _run_cell(add_product, gates, all_weights, v, scales, s, cell_clip)
                _put_out(add_product, make, advance(gates, 4 * n_cell), qo, h, all_weights, scales[12], s, projection_clip)
                target = advance(y, b * s[_Y_OF_BATCH] + t * s[_Y_OF_STEP] + s[_Y_START])
                for i in range(n_output):
                    target[i] = h[i]

    specialise(lstm, name, {xp: weights})


_make("lstm_f32", f32p, add_product_f32, no_numbers)
_make("lstm_f32_q8w", i8p, add_product_q8, quantize)
