"""Simple recurrent cells on float32 numbers, with float32 or 8-bit weights, and SVDF, on int8 numbers too."""

from typing import Any

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i16p, i32p, i64, i64p, kernel, span
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.recurrence import (
    activate,
    add_product_f32,
    add_product_q8,
    dot,
    no_numbers,
    quantize,
    real,
)
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, requantize, wide


def _make_rnn(name: str, weights: Any, add_product: Any, make: Any) -> None:
    def rnn(
        x: f32p,
        aux: f32p,
        w: xp,
        a: xp,
        r: xp,
        bias: f32p,
        hidden: f32p,
        y: f32p,
        s: i64p,
        w_scale: f32,
        a_scale: f32,
        r_scale: f32,
        reals: f32p,
        bytes: i8p,
        thread: i64,
        threads: i64,
    ) -> None:
        """Settings [batches, steps, inputs, units, rows from batch to batch and from step to step, activation, asymmetric], then

        [auxiliary inputs, backwards, length of results' rows, where results start in them].
        """
        n_input, units, is_asymmetric, n_aux = s[2], s[3], s[7], s[8]
        begin, end = span(s[0], thread, threads)
        for b in range(begin, end):
            q, sums, h = advance(bytes, b * max(n_input, max(n_aux, units))), advance(reals, b * units), advance(hidden, b * units)
            for step in range(s[1]):
                t = s[1] - 1 - step if s[9] != 0 else step
                row = b * s[4] + t * s[5]
                xs = advance(x, row * n_input)
                for i in range(units):
                    sums[i] = bias[i]
                scale, zero_point = make(xs, q, n_input, is_asymmetric)
                add_product(sums, w, units, n_input, xs, q, scale * w_scale, zero_point)
                if n_aux > 0:
                    auxs = advance(aux, row * n_aux)
                    scale, zero_point = make(auxs, q, n_aux, is_asymmetric)
                    add_product(sums, a, units, n_aux, auxs, q, scale * a_scale, zero_point)
                scale, zero_point = make(h, q, units, is_asymmetric)
                add_product(sums, r, units, units, h, q, scale * r_scale, zero_point)
                activate(sums, h, units, s[6])
                for i in range(units):
                    y[row * s[10] + s[11] + i] = h[i]

    specialise(rnn, name, {xp: weights})


_make_rnn("rnn_f32", f32p, add_product_f32, no_numbers)
_make_rnn("rnn_f32_q8w", i8p, add_product_q8, quantize)


def _make_svdf(name: str, weights: Any, add_product: Any, make: Any) -> None:
    def svdf(
        x: f32p,
        w: xp,
        times: f32p,
        bias: f32p,
        state: f32p,
        y: f32p,
        s: i64p,
        w_scale: f32,
        reals: f32p,
        bytes: i8p,
        thread: i64,
        threads: i64,
    ) -> None:
        """Settings [batches, inputs, units, rank, memory, activation, asymmetric, whether there is a bias]."""
        n_input, units, rank, memory = s[1], s[2], s[3], s[4]
        filters = units * rank
        begin, end = span(s[0], thread, threads)
        for b in range(begin, end):
            xs, q, sums = advance(x, b * n_input), advance(bytes, b * n_input), advance(reals, b * filters)
            for i in range(filters):
                sums[i] = real(0)
            scale, zero_point = make(xs, q, n_input, s[6])
            add_product(sums, w, filters, n_input, xs, q, scale * w_scale, zero_point)
            for i in range(filters):
                past = advance(state, (b * filters + i) * memory)
                for m in range(memory - 1):
                    past[m] = past[m + 1]
                past[memory - 1] = sums[i]
                sums[i] = dot(past, advance(times, i * memory), memory)
            result = advance(y, b * units)
            for u in range(units):
                total = bias[u] if s[7] != 0 else real(0)
                for i in range(u * rank, (u + 1) * rank):
                    total += sums[i]
                result[u] = total
            activate(result, result, units, s[5])

    specialise(svdf, name, {xp: weights})


_make_svdf("svdf_f32", f32p, add_product_f32, no_numbers)
_make_svdf("svdf_f32_q8w", i8p, add_product_q8, quantize)


@kernel
def svdf_qs8(x: i8p, w: i8p, times: i16p, bias: i32p, state: i16p, y: i8p, s: i64p, thread: i64, threads: i64) -> None:
    """Settings [batches, inputs, units, rank, memory, zero points of x and y, multipliers of sums and of results, whether there is a bias].

    Sums wrap in 32 bits.
    """
    n_input, units, rank, memory = s[1], s[2], s[3], s[4]
    begin, end = span(s[0], thread, threads)
    for b in range(begin, end):
        xs = advance(x, b * n_input)
        for u in range(units):
            total = narrow(bias[u]) if s[11] != 0 else narrow(0)
            for i in range(u * rank, (u + 1) * rank):
                weights, past = advance(w, i * n_input), advance(state, (b * units * rank + i) * memory)
                made, zero_point, recent = narrow(0), narrow(s[5]), advance(times, i * memory)
                for k in range(n_input):
                    made = narrow(made + narrow(narrow(weights[k]) * narrow(narrow(xs[k]) - zero_point)))
                for m in range(memory - 1):
                    past[m] = past[m + 1]
                scaled = wide(multiply_by_quantized_multiplier(made, narrow(s[7]), narrow(s[8])))
                past[memory - 1] = min(max(scaled, -32768), 32767)
                for m in range(memory):
                    total = narrow(total + narrow(narrow(past[m]) * narrow(recent[m])))
            y[b * units + u] = requantize(total, narrow(s[9]), narrow(s[10]), narrow(s[6]), narrow(-128), narrow(127))
