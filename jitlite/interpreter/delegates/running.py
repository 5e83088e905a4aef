"""Prepared partitions while a program lives: their memory, their runs and their end."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from jitlite.interpreter.binding.registry import DelegateStep
from jitlite.interpreter.delegates.protocol import Boundary, DelegateKernel, DelegateWarning, Partition, Token
from jitlite.interpreter.memory import SLACK
from jitlite.interpreter.placement import Memory
from jitlite.interpreter.plan import PlannedStep
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.record import replace


class PreparedPartition:
    """A partition with its kernel; at most one run of it is under way."""

    def __init__(self, name: str, partition: Partition, kernel: DelegateKernel) -> None:
        self.name, self.partition, self.kernel = name, partition, kernel
        self._token: Token | None = None
        self._is_open = True

    @property
    def in_host_memory(self) -> list[Boundary]:
        """The boundary tensors that are in host memory."""
        return [boundary for boundary in (*self.partition.inputs, *self.partition.outputs) if boundary.is_in_host_memory]

    @property
    def host_inputs(self) -> tuple[TensorInfo, ...]:
        return tuple(boundary.tensor for boundary in self.partition.inputs if boundary.is_in_host_memory)

    @property
    def host_outputs(self) -> tuple[TensorInfo, ...]:
        return tuple(boundary.tensor for boundary in self.partition.outputs if boundary.is_in_host_memory)

    def place(self, memory: Memory) -> None:
        """Puts boundary tensors that have no memory yet into what the kernel has for them."""
        for boundary in self.in_host_memory:
            info = boundary.tensor
            if info.index not in memory.addresses:
                n_bytes = byte_size(info.type, info.shape)
                offered = self._asked(lambda: self.kernel.host_memory(boundary, n_bytes + SLACK))  # noqa: B023 - called at once
                if offered is not None:
                    memory.budget.require(n_bytes)
                    memory.budget.hold(offered)
                    memory.place(info.index, offered.reshape(-1)[:n_bytes])

    def bind(self, memory: Memory) -> None:
        """Tells the kernel where the boundary tensors are. From here on constants live only as long as the kernel refers to them."""
        arrays = {boundary.tensor.index: memory.array(boundary.tensor) for boundary in self.in_host_memory}
        self._asked(lambda: self.kernel.bind(arrays))
        self.partition = replace(self.partition, operators=())

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:
            raise UnsupportedError(f"delegate {self.name}: memory for a partition failed: {error!r}") from error

    def start(self) -> None:
        """Runs the partition, or starts it."""
        token = self.kernel.invoke()
        if self.kernel.is_asynchronous:
            self._token = token
        elif token is not None:
            token.wait()

    def wait(self) -> None:
        """Returns when the run that was started is done."""
        token, self._token = self._token, None
        if token is not None:
            token.wait()

    def abandon(self) -> None:
        """Waits for the end of a run whose result nobody needs any more."""
        with suppress(Exception):
            self.wait()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.abandon()
            try:
                self.kernel.close()
            except Exception as error:
                warnings.warn(f"delegate {self.name}: closing a partition failed: {error!r}", DelegateWarning, stacklevel=2)


def partitions_of(steps: Iterable[PlannedStep]) -> Iterator[PreparedPartition]:
    """The partitions of a plan, each once."""
    found = {id(planned.step.partition): planned.step.partition for planned in steps if isinstance(planned.step, DelegateStep)}
    yield from found.values()


def close_all(partitions: list[PreparedPartition]) -> None:
    """Closes partitions, the last one first, and empties the list."""
    while partitions:
        partitions.pop().close()
