"""Bindings of LSTM: one step of the plan runs the whole sequence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.boxes import BOXES
from jitlite.interpreter.binding.lstm_q8 import constant_value, integer_lstm, logistic_table, tanh_table
from jitlite.interpreter.binding.panels import is_constant
from jitlite.interpreter.binding.registry import Argument, Scratch, Step, binds, kernels
from jitlite.schemas.affine import quantize_multiplier
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.ops.lstm import GATES, LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM, LstmSizes, basic_sizes, lstm_cell, lstm_sizes
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import ActivationFunctionType, LSTMKernelType, TensorType

K = kernels("lstm")

_ABSENT = np.zeros(16, np.float32)
_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH")

Cell = Mapping[str, TensorInfo | None]


def activation_code(call: Call, activation: ActivationFunctionType) -> int:
    """The number kernels know an activation by; UnsupportedError for those they have not."""
    if activation.name not in _ACTIVATIONS:
        raise call.unsupported(f"activations {', '.join(_ACTIVATIONS)} are supported, found {activation.name}")
    return int(activation)


def _present(found: TensorInfo | None) -> Argument:
    return _ABSENT if found is None else found


def _scale(found: TensorInfo | None, is_hybrid: bool) -> float:
    return found.scale if is_hybrid and found is not None else 1.0


def _stacked(group: Sequence[TensorInfo | None], size: int, dtype: type, steps: list[Step]) -> Argument:
    """Weights of several gates behind each other, `size` elements for each, of which diagonals fill the first; zeros for absent ones.

    Where some are computed, `steps` get those that copy all.
    """
    if all(found is None for found in group):
        return _ABSENT
    if is_constant(*group):
        rows: NDArray[Any] = np.zeros((len(group), size), dtype)
        for row, found in zip(rows, group):
            if found is not None and found.value is not None:
                row[: found.size] = found.value.reshape(-1).view(dtype)
        return rows
    n_bytes = size * np.dtype(dtype).itemsize
    memory, nothing = Scratch(len(group) * n_bytes), np.zeros(n_bytes, np.uint8)
    for place, found in enumerate(group):
        source: Argument = nothing if found is None else found
        count = n_bytes if found is None else byte_size(found.type, found.shape)
        steps.append(BOXES.step("copy_run", x=source, y=memory, x_offset=0, y_offset=place * n_bytes, count=count))
    return memory


def _peepholes(call: Call, cell: Cell, s: LstmSizes, steps: list[Step]) -> Argument:
    """Peephole weights as float32, of the gates that have some."""
    group = [cell[f"cell_to_{gate}_weights"] for gate in ("input", "forget", "output")]
    if not s.is_hybrid:
        return _stacked(group, s.n_cell, np.float32, steps)
    rows = np.zeros((len(group), s.n_cell), np.float32)
    for row, found in zip(rows, group):
        if found is not None:
            row[...] = constant_value(call, found).view(np.int8).astype(np.float32) * np.float32(found.scale)
    return rows


def float_lstm(
    call: Call, cell: Cell, s: LstmSizes, aux: tuple[TensorInfo | None, Cell], y: tuple[TensorInfo, int, int], order: tuple[bool, bool]
) -> list[Step]:
    """The steps of a cell on float32 numbers, the first of which lay out weights that are computed.

    `aux` is an auxiliary input with its weights, `y` the output, its row length and where results start in a row, `order` whether the
    sequence is time-major and whether it runs backwards.
    """
    (second, aux_weights), (output, row, offset), (time_major, backwards) = aux, y, order
    n_aux = 0 if second is None else second.shape[-1]
    by_batch, by_step = (1, s.batches) if time_major else (s.steps, 1)
    names = ["input_to_{}_weights", "aux_{}_weights", "recurrent_to_{}_weights"]
    weights = [[{**cell, **aux_weights}.get(name.format(gate)) for gate in GATES] for name in names]
    scales = [_scale(found, s.is_hybrid) for group in weights for found in group]
    present = [cell[name] is not None for name in ("cell_to_output_weights", "forget_layer_norm", "projection_weights", "projection_bias")]
    diagonal = [found is not None and found.rank == 1 for found in weights[2]]
    settings = [s.batches, s.steps, s.n_input, n_aux, s.n_output, s.n_cell, by_batch, by_step, by_batch * row, by_step * row, offset]
    settings += [activation_code(call, call.options.fused_activation_function), backwards, call.options.asymmetric_quantize_inputs]
    settings += [cell["input_to_input_weights"] is None, *present, *diagonal]
    dtype, steps = np.int8 if s.is_hybrid else np.float32, list[Step]()
    step = K.step(
        "lstm_f32_q8w" if s.is_hybrid else "lstm_f32",
        x=_present(cell["input"]),
        aux=_present(second),
        y=output,
        w=_stacked(weights[0], s.n_cell * s.n_input, dtype, steps),
        a=_stacked(weights[1], s.n_cell * n_aux, dtype, steps),
        r=_stacked(weights[2], s.n_cell * s.n_output, dtype, steps),
        p=_peepholes(call, cell, s, steps),
        norm=_stacked([cell[f"{gate}_layer_norm"] for gate in GATES], s.n_cell, np.float32, steps),
        bias=_stacked([cell[f"{gate}_gate_bias"] for gate in GATES], s.n_cell, np.float32, steps),
        projection=_present(cell["projection_weights"]),
        projection_bias=_present(cell["projection_bias"]),
        hidden=_present(cell["output_state"]),
        cell=_present(cell["cell_state"]),
        scales=np.array([*scales, _scale(cell["projection_weights"], s.is_hybrid)], np.float32),
        s=np.array(settings, np.int64),
        reals=Scratch(20 * s.n_cell * s.batches),
        bytes=Scratch((s.n_input + n_aux + s.n_output + s.n_cell) * s.batches),
        cell_clip=call.options.cell_clip,
        projection_clip=call.options.proj_clip,
    )
    return [*steps, step]


@binds(LSTM)
def lstm(call: Call) -> Step | list[Step]:
    if call.options.kernel_type is LSTMKernelType.BASIC:
        return _basic(call)
    cell = lstm_cell(call)
    s = lstm_sizes(call, cell, False)
    if s.is_integer:
        return integer_lstm(call, cell, s, False)
    return float_lstm(call, cell, s, (None, {}), (call.outputs[0], s.n_output, 0), (False, False))


def _own(x: TensorInfo, steps: list[Step]) -> Argument:
    """Memory that a kernel may write the next state to: a variable's own, or a copy of another operand."""
    if x.is_variable:
        return x
    n_bytes = byte_size(x.type, x.shape)
    memory = Scratch(n_bytes)
    steps.append(BOXES.step("copy_run", x=x, y=memory, x_offset=0, y_offset=0, count=n_bytes))
    return memory


def _basic(call: Call) -> list[Step]:
    steps: list[Step] = []
    x, w, bias = call.input(0), call.input(2), call.input(3)
    last, state = _own(call.input(1), steps), _own(call.input(4), steps)
    s, (y, new_state, joined, sums) = basic_sizes(call), call.outputs
    shared: dict[str, Argument] = {"x": x, "last": last, "w": w, "bias": bias, "state": state}
    shared |= {"y": y, "new_state": new_state, "joined": joined, "sums": sums}
    basic = kernels("lstm_basic")
    if x.type is TensorType.FLOAT32:
        sizes = {"batches": s.batches, "n_input": s.n_input, "depth": s.depth}
        return [*steps, basic.step("lstm_basic_f32", **shared, **sizes, reals=Scratch(16 * s.depth * s.batches))]
    call.require(new_state.scale == 2.0**-11, f"a state with scale {2.0**-11} is required, found {new_state.scale}")
    settings = [s.batches, s.n_input, s.depth, w.zero_point, *quantize_multiplier(4096 * float(np.float32(bias.scale)))]
    tables = {"logistic": logistic_table(), "tanh": tanh_table(3)}
    return [*steps, basic.step("lstm_basic_qu8", **shared, s=np.array(settings, np.int64), **tables)]


@binds(UNIDIRECTIONAL_SEQUENCE_LSTM)
def unidirectional_sequence_lstm(call: Call) -> Step | list[Step]:
    cell, time_major = lstm_cell(call), call.options.time_major
    s = lstm_sizes(call, cell, time_major)
    if s.is_integer:
        return integer_lstm(call, cell, s, time_major)
    return float_lstm(call, cell, s, (None, {}), (call.outputs[0], s.n_output, 0), (time_major, False))
