"""What a delegate is: it takes operators out of a plan and runs them its own way. docs/delegates.md explains it to those who write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.budgets import MemoryBudget
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.record import Record


class DelegateWarning(UserWarning):
    """A delegate could not be used as asked; the CPU runs its operators."""


class Boundary(Record):
    """A tensor that enters or leaves a partition.

    `partitions` are the numbers of the delegate's own partitions at the other side: the one that produces an input, those that read an
    output. Such a tensor may stay on the device. `is_in_host_memory` says that the kernel finds an input in host memory, or has to put an
    output there, because a CPU operator, another delegate or the caller is at the other side.
    """

    tensor: TensorInfo
    partitions: tuple[int, ...]
    is_in_host_memory: bool


class Partition(Record):
    """Operators that a delegate runs as one: convex, so that everything they read is there when the first of them starts.

    `number` counts the partitions of one `prepare`; `operators` and `nodes`, their numbers in the subgraph, are in an order in which they
    can run. Calls hold shapes, types, quantization, options and, as `value`, constants, which belong to the model and must not be changed.
    All other tensors that the operators read are results of others of them or in `inputs`. `outputs` are those that others read.
    `budget.allocate(n_bytes)` gives host memory for what lies in between: it counts as the interpreter's tensor memory as long as it lives.
    """

    number: int
    nodes: tuple[int, ...]
    operators: tuple[Call, ...]
    inputs: tuple[Boundary, ...]
    outputs: tuple[Boundary, ...]
    budget: MemoryBudget


class Token(Protocol):
    """Work that is under way."""

    def wait(self) -> None:
        """Returns when the work is done and outputs are in host memory where they have to be; raises what went wrong."""


class DelegateKernel:
    """A partition made ready to run. Shapes never change: others get a kernel of their own."""

    is_asynchronous: ClassVar[bool] = False
    """True where `invoke` may return a token before the work is done."""

    def host_memory(self, boundary: Boundary, n_bytes: int) -> NDArray[np.uint8] | None:
        """Memory for a boundary tensor that is in host memory, at least `n_bytes` of it; None leaves it to the arena.

        It is asked once for each tensor between `prepare` and `bind`. This is for memory that is pinned, shared or aligned as a device
        needs it. CPU kernels write and read it until `close`.
        """
        return None

    def bind(self, arrays: Mapping[int, NDArray[Any]]) -> None:
        """Called once before the first `invoke`: host memory of the boundary tensors that have any, by `TensorInfo.index`.

        The arrays are C-contiguous, keep their addresses until `close`, and are the only ones that runs read and write.
        """

    def invoke(self) -> Token | None:
        """Runs the partition, or starts it and returns a token that is waited for before anybody reads an output or writes an input.

        Inputs in host memory are complete. Those of own partitions are wherever they were left, their kernels having been invoked before.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Called once when the kernel is not needed any more; nothing is under way then."""


class Delegate:
    """Runs operators of a model instead of the CPU's kernels.

    `options` are texts by name. Unless its class lists an option in OPTIONS, with the default, ValueError. Every delegate has
    `max_delegated_partitions` (0: any number; the largest are taken) and `min_nodes_per_partition`.
    """

    name: ClassVar[str] = ""
    needs_fixed_shapes: ClassVar[bool] = True
    """True for delegates that get only operators whose shapes follow from the shapes of the model's inputs. Others also get operators whose
    shapes depend on values; they are prepared anew whenever these change."""
    OPTIONS: ClassVar[Mapping[str, str]] = MappingProxyType({})
    CUSTOM_OPERATORS: ClassVar[Mapping[str, Callable[[Call], Sequence[Any]]]] = MappingProxyType({})
    """Shape inference, as in `custom_operator`, of custom operators that only this delegate knows. Where it declines one of them after all,
    the model cannot run."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        given = {str(name): str(value) for name, value in (options or {}).items()}
        known = {"max_delegated_partitions": "0", "min_nodes_per_partition": "0", **self.OPTIONS}
        for name in given:
            if name not in known:
                raise ValueError(f"delegate {self.name}: options among {', '.join(known)} are required, found '{name}'")
        self.options: Mapping[str, str] = MappingProxyType(known | given)
        self.max_delegated_partitions = self._count("max_delegated_partitions")
        self.min_nodes_per_partition = self._count("min_nodes_per_partition")

    def _count(self, name: str) -> int:
        text = self.options[name]
        if not text.isdecimal():
            raise ValueError(f"delegate {self.name}: {name} that is a number is required, found '{text}'")
        return int(text)

    def decline(self, call: Call) -> str | None:
        """None to take an operator, or the reason for leaving it to the CPU.

        It is asked for every operator of known shapes that takes no variables, strings or subgraphs, and must not need the device.
        """
        raise NotImplementedError

    def decline_each(self, calls: Sequence[Call]) -> Sequence[str | None]:
        """What `decline` says of each operator of a stage. For delegates whose answer depends on an operator's neighbours, which `index` of
        the calls' tensors tells.
        """
        return [self.decline(call) for call in calls]

    def prepare(self, partitions: Sequence[Partition]) -> Sequence[DelegateKernel]:
        """The kernels of a plan's partitions, which run in this order. Whatever it raises lets the CPU run all of them, with a warning.

        A plan with other shapes is prepared anew after the kernels of the old one were closed; plans of several interpreters may exist
        side by side.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Releases what the delegate holds beside its kernels, whose interpreters are gone; for the one who made the delegate to call."""
