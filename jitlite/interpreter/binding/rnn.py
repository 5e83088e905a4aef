"""Bindings of RNN, UNIDIRECTIONAL_SEQUENCE_RNN and SVDF."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.lstm import activation_code
from jitlite.interpreter.binding.panels import require_constants
from jitlite.interpreter.binding.registry import Argument, Scratch, Step, binds, kernels
from jitlite.schemas.affine import quantize_multiplier
from jitlite.schemas.ops.rnn import RNN, SVDF, UNIDIRECTIONAL_SEQUENCE_RNN, RnnSizes, rnn_sizes, svdf_sizes
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import ActivationFunctionType, TensorType

K = kernels("rnn")

_ABSENT = np.zeros(1, np.int32)


class RnnCell(NamedTuple):
    """The operands of an RNN, and where its results start in the rows of its output."""

    x: TensorInfo
    aux: TensorInfo | None
    weights: tuple[TensorInfo, TensorInfo | None, TensorInfo]
    bias: TensorInfo
    hidden: TensorInfo
    y: TensorInfo
    start: int = 0


def rnn_step(call: Call, cell: RnnCell, s: RnnSizes, time_major: bool, backwards: bool) -> Step:
    """The step of a cell for all steps of its sequence."""
    w, a, r = cell.weights
    is_hybrid, n_aux = w.type is not TensorType.FLOAT32, 0 if cell.aux is None else cell.aux.shape[-1]
    by_batch, by_step = (1, s.batches) if time_major else (s.steps, 1)
    activation = activation_code(call, call.options.fused_activation_function)
    settings = [s.batches, s.steps, s.n_input, s.n_units, by_batch, by_step, activation, call.options.asymmetric_quantize_inputs]
    return K.step(
        "rnn_f32_q8w" if is_hybrid else "rnn_f32",
        x=cell.x,
        aux=cell.aux or _ABSENT,
        w=w,
        a=a or _ABSENT,
        r=r,
        bias=cell.bias,
        hidden=cell.hidden,
        y=cell.y,
        s=np.array([*settings, n_aux, backwards, cell.y.shape[-1], cell.start], np.int64),
        w_scale=w.scale if is_hybrid else 1.0,
        a_scale=a.scale if is_hybrid and a is not None else 1.0,
        r_scale=r.scale if is_hybrid else 1.0,
        reals=Scratch(4 * s.n_units * s.batches),
        bytes=Scratch(max(s.n_input, n_aux, s.n_units) * s.batches),
    )


@binds(RNN)
@binds(UNIDIRECTIONAL_SEQUENCE_RNN)
def rnn(call: Call) -> Step:
    x, w, r, bias, hidden = (call.input(index) for index in range(5))
    cell = RnnCell(x, None, (w, None, r), bias, hidden, call.outputs[0])
    return rnn_step(call, cell, rnn_sizes(call), getattr(call.options, "time_major", False), False)


@binds(SVDF)
def svdf(call: Call) -> Step:
    x, w, times, state, y = call.input(0), call.input(1), call.input(2), call.input(4), call.outputs[0]
    s, bias = svdf_sizes(call), call.optional_input(3)
    sizes = [s.batches, s.n_input, s.n_units, s.rank, s.memory]
    shared: dict[str, Argument] = {"x": x, "w": w, "state": state, "y": y, "bias": _ABSENT if bias is None else bias}
    if x.type is TensorType.INT8:
        activation = call.options.fused_activation_function
        if activation is not ActivationFunctionType.RELU:
            raise call.unsupported(f"the activation RELU is supported for INT8, found {activation.name}")
        scales = np.array([x.scale, w.scale, state.scale, times.scale, y.scale], np.float32)
        first = quantize_multiplier(float(scales[0] * scales[1] / scales[2]))
        second = quantize_multiplier(float(scales[2] * scales[3] / scales[4]))
        settings = [*sizes, x.zero_point, y.zero_point, *first, *second, bias is not None]
        return K.step("svdf_qs8", **shared, times=times, s=np.array(settings, np.int64))
    is_hybrid, activation_number = w.type is not TensorType.FLOAT32, activation_code(call, call.options.fused_activation_function)
    weights: Argument = times
    if is_hybrid:
        require_constants(call, times)
        assert times.value is not None
        real: NDArray[Any] = times.value.view(np.int8).astype(np.float32) * np.float32(times.scale)
        weights = real
    return K.step(
        "svdf_f32_q8w" if is_hybrid else "svdf_f32",
        **shared,
        times=weights,
        s=np.array([*sizes, activation_number, call.options.asymmetric_quantize_inputs, bias is not None], np.int64),
        w_scale=w.scale if is_hybrid else 1.0,
        reals=Scratch(4 * s.n_units * s.rank * s.batches),
        bytes=Scratch(s.n_input * s.batches),
    )
