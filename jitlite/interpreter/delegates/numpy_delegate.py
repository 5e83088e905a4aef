"""The delegate `numpy`: float32 operators in NumPy, products in the BLAS library it comes with. It shows what a delegate is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.delegates import numpy_windows  # noqa: F401 - registers its functions
from jitlite.interpreter.delegates.numpy_functions import FUNCTIONS, Compute
from jitlite.interpreter.delegates.protocol import Delegate, DelegateKernel, Partition
from jitlite.interpreter.memory import Lifetime, plan_arena
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

Array = NDArray[Any]


class NumpyDelegate(Delegate):
    """Takes float32 operators; their shapes may depend on values."""

    name = "numpy"
    needs_fixed_shapes: ClassVar[bool] = False

    def decline(self, call: Call) -> str | None:
        function = FUNCTIONS.get(call.spec.name)
        if function is None:
            return "it has no function for this operator"
        for info in call.outputs:
            if info.type is not TensorType.FLOAT32:
                return f"results of type FLOAT32 are supported, found {info.type.name}"
        for place, operand in enumerate(call.inputs):
            is_real = function.reals is None or place in function.reals
            if operand is not None and is_real and operand.type is not TensorType.FLOAT32:
                return f"operands of type FLOAT32 are supported, found {operand.type.name}"
            if operand is not None and not is_real and operand.value is None:
                return f"operand {place} ({call.spec.operand_name(place)}) must be constant"
        if any(info is not None and info.size == 0 for info in (*call.inputs, *call.outputs)):
            return "tensors without elements are left to the CPU"
        return function.check(call)

    def prepare(self, partitions: Sequence[Partition]) -> Sequence[DelegateKernel]:
        passed = [item.tensor for partition in partitions for item in partition.outputs if item.partitions]
        shared = {info.index: _array(partitions[0].budget.allocate(byte_size(info.type, info.shape)), info) for info in passed}
        return [NumpyKernel(partition, shared) for partition in partitions]


def _array(memory: NDArray[np.uint8], info: TensorInfo) -> Array:
    return memory.view(np.float32).reshape(info.shape)


class NumpyKernel(DelegateKernel):
    """A list of functions over arrays: those of the host, constants, those `shared` with other partitions, and an arena of its own.

    What other partitions read stays in memory of the delegate's: the host's is reused once the CPU has read it.
    """

    def __init__(self, partition: Partition, shared: Mapping[int, Array]) -> None:
        self._partition = partition
        self._arrays = self._in_between(partition) | dict(shared)
        self._computes = [FUNCTIONS[call.spec.name].make(call) for call in partition.operators]
        self._calls: list[tuple[Compute, list[Array | None], list[Array]]] = []
        self._copies: list[tuple[Array, Array]] = []

    def _in_between(self, partition: Partition) -> dict[int, Array]:
        """Arrays of the tensors that only the partition itself reads."""
        outside = {boundary.tensor.index for boundary in (*partition.inputs, *partition.outputs)}
        spans: dict[int, list[Any]] = {}
        for step, call in enumerate(partition.operators):
            for info in call.outputs:
                if info.index not in outside:
                    spans.setdefault(info.index, [info, step, step])
            for operand in call.inputs:
                if operand is not None and operand.index in spans:
                    spans[operand.index][2] = step
        lifetimes = [Lifetime(byte_size(info.type, info.shape), first, last) for info, first, last in spans.values()]
        layout = plan_arena(lifetimes)
        arena = partition.budget.allocate(layout.n_bytes)
        return {
            index: _array(arena[offset : offset + life.n_bytes], info)
            for (index, (info, _, _)), life, offset in zip(spans.items(), lifetimes, layout.offsets)
        }

    def bind(self, arrays: Mapping[int, Array]) -> None:
        def found(info: TensorInfo | None) -> Array | None:
            if info is None or info.value is not None:
                return None if info is None else info.value
            return self._arrays[info.index] if info.index in self._arrays else arrays[info.index]

        for compute, call in zip(self._computes, self._partition.operators):
            outs = [array for array in map(found, call.outputs) if array is not None]
            self._calls.append((compute, [found(info) for info in call.inputs], outs))
        read = [item.tensor.index for item in self._partition.outputs if item.is_in_host_memory]
        self._copies = [(arrays[index], self._arrays[index]) for index in read if index in self._arrays]

    def invoke(self) -> None:
        with np.errstate(all="ignore"):
            for compute, operands, results in self._calls:
                compute(operands, results)
        for target, source in self._copies:
            np.copyto(target, source)
