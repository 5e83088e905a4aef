"""Keeps the plans of model files beside the compiled kernels: a later process maps packed weights instead of making them again.

A kept plan belongs to one state of a model file, one state of jitlite's own sources and one machine. It holds the steps of a plan of one
stage without operators in Python; constants that are the model's own bytes stay in the model.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from jitlite.interpreter.binding.registry import Argument, HostStep, Nested, Step
from jitlite.interpreter.codegen.index import PACKAGE, environment_key, library_folder, short_number
from jitlite.interpreter.plan import PlannedStep, Stage
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.read import MappedFile
from jitlite.schemas.record import replace
from jitlite.schemas.tables import SubGraph

DEFAULT_LIMIT_BYTES = 512 << 20
"""Bytes of plans kept, unless JITLITE_PLAN_CACHE_BYTES says otherwise; 0 keeps none."""

SETTLED_NS = 2_000_000_000
"""Files changed less than this ago may change again without their times showing it."""

_SOURCES = ("interpreter", "interpreter/binding", "interpreter/codegen", "interpreter/kernels", "schemas", "schemas/ops")
_MODULES = ("jitlite.interpreter.binding.registry", "jitlite.interpreter.plan", "jitlite.schemas.ops.spec", "jitlite.schemas.tables")
_ARRAY_NAMES = ("_frombuffer", "_reconstruct", "dtype", "ndarray", "scalar")
_MAGIC = b"jitlite plan 1\n\0"
_HEAD = struct.Struct("<16sQQQQ")
_PLACE = struct.Struct("<?QQ")
_ALIGNMENT = 64

Place = tuple[bool, int, int]
"""Where a constant lies: whether in the model, the offset there or among the plan's own constants, and its size."""


def _limit_bytes() -> int:
    text = os.environ.get("JITLITE_PLAN_CACHE_BYTES", "")
    if text and not text.isdecimal():
        raise ValueError(f"JITLITE_PLAN_CACHE_BYTES: a number of bytes is required, found {text!r}")
    return int(text) if text else DEFAULT_LIMIT_BYTES


def _source_states() -> Iterator[tuple[str, int, int]]:
    """Name, size and modification time of each module that plans may depend on."""
    for folder in _SOURCES:
        with os.scandir(os.path.join(PACKAGE, *folder.split("/"))) as entries:
            for entry in sorted((entry for entry in entries if entry.name.endswith(".py")), key=lambda entry: entry.name):
                state = entry.stat()
                yield f"{folder}/{entry.name}", state.st_size, state.st_mtime_ns


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


class PlanCache:
    """The kept plan of one subgraph of a model file at the shapes the file states."""

    def __init__(self, model: MappedFile, subgraph: int) -> None:
        self._model = model
        sources = list(_source_states())
        key = repr((environment_key(), sys.version_info[:2], np.__version__, model.state, subgraph, sources))
        self._key = key.encode()
        self._newest_ns = max(model.changed_ns, *(time_ns for _, _, time_ns in sources))
        self._file: memoryview | None = None
        self._folder = library_folder()
        self._path = os.path.join(self._folder, f"plan-{short_number(key):015x}.bin")

    @property
    def is_kept(self) -> bool:
        """True where a plan is there; it was made of a model that had been verified."""
        if self._file is None:
            self._file = self._opened()
        return self._file is not None

    def _opened(self) -> memoryview | None:
        """The file of the plan, mapped, if it is there, whole and the one that is meant."""
        if _limit_bytes() == 0:
            return None
        try:
            with open(self._path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")
        except FileNotFoundError:
            return None
        if size < _HEAD.size:
            return None
        magic, total, key_size, _, count = _HEAD.unpack_from(data)
        start = _HEAD.size + count * _PLACE.size
        return data if (magic, total) == (_MAGIC, size) and data[start : start + key_size] == self._key else None

    def recall(self) -> Stage | None:
        """The kept plan, or None. Its constants are read-only views of the plan's file and of the model's."""
        if not self.is_kept:
            return None
        data = self._file
        assert data is not None
        with suppress(OSError):
            os.utime(self._path)
        _, _, key_size, code_size, count = _HEAD.unpack_from(data)
        start = _HEAD.size + count * _PLACE.size
        code = data[start + key_size : start + key_size + code_size]
        own = data[_aligned(start + key_size + code_size) :]
        places = _PLACE.iter_unpack(data[_HEAD.size : start])
        buffers = [(self._model.data if in_model else own)[offset : offset + size] for in_model, offset, size in places]
        stage = Stage(0, {})
        stage.stop, stage.work, stage.tensors, stage.steps = _Unpickler(io.BytesIO(code), buffers=buffers).load()
        return stage

    def remember(self, stage: Stage, graph: SubGraph) -> None:
        """Keeps a plan for later processes, if it is one that can be kept; what cannot be written costs them time, nothing else."""
        limit, is_settled = _limit_bytes(), self._newest_ns <= time.time_ns() - SETTLED_NS
        if not is_settled or not stage.is_last or any(isinstance(planned.step, HostStep) for planned in stage.steps):
            return
        buffers: list[pickle.PickleBuffer] = []
        code = pickle.dumps(_Stripped().plan(stage, graph), 5, buffer_callback=buffers.append)
        places, own = self._places(buffers)
        head_size = _HEAD.size + len(places) * _PLACE.size + len(self._key) + len(code)
        total = sum(map(_aligned, [head_size, *map(len, own)]))
        if total > limit:
            return
        _make_room(self._folder, limit - total)
        head = _HEAD.pack(_MAGIC, total, len(self._key), len(code), len(places)) + b"".join(_PLACE.pack(*place) for place in places)
        with suppress(OSError):
            _write(self._path, [head + self._key + code, *own])

    def _places(self, buffers: Sequence[pickle.PickleBuffer]) -> tuple[list[Place], list[memoryview]]:
        """Where each buffer will lie, and those that the plan's own file has to hold, in their order."""
        first = np.frombuffer(self._model.data, np.uint8).ctypes.data
        places: list[Place] = []
        own, end = [], 0
        for buffer in buffers:
            data = buffer.raw()
            offset = np.frombuffer(data, np.uint8).ctypes.data - first
            if 0 <= offset <= len(self._model.data) - len(data):
                places.append((True, offset, len(data)))
            else:
                places.append((False, end, len(data)))
                own.append(data)
                end += _aligned(len(data))
        return places, own


class KeptPlans:
    """The kept plans of a model file, one a subgraph; without a file none are kept."""

    def __init__(self, file: MappedFile | None) -> None:
        self._file = file
        self._plans: dict[int, PlanCache] = {}

    def of(self, subgraph: int) -> PlanCache | None:
        if self._file is None:
            return None
        if subgraph not in self._plans:
            self._plans[subgraph] = PlanCache(self._file, subgraph)
        return self._plans[subgraph]


class _Unpickler(pickle.Unpickler):
    """Reads plans and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _MODULES or (module.partition(".")[0] == "numpy" and name in _ARRAY_NAMES):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"a part of a plan is required, found {module}.{name}")


class _Stripped:
    """A plan without what only planning needs; what was one object stays one."""

    def __init__(self) -> None:
        self._infos: dict[int, TensorInfo] = {}

    def plan(self, stage: Stage, graph: SubGraph) -> tuple[int, int, dict[int, TensorInfo], list[PlannedStep]]:
        """Where the plan ends, its work, its tensors but for the model's constants, and its steps."""
        edges = {*graph.inputs, *graph.outputs}
        needed = {i: t for i, t in stage.tensors.items() if t.value is None or t.is_variable or i in edges or i in stage.folded}
        steps = [
            PlannedStep(p.node, p.label, self._step(p.step), (), tuple(map(self._info, p.outputs)))
            for p in stage.steps
            if isinstance(p.step, Step)
        ]
        return stage.stop, stage.work, {index: self._info(info) for index, info in needed.items()}, steps

    def _info(self, info: TensorInfo) -> TensorInfo:
        found = self._infos.get(id(info))
        if found is None:
            found = self._infos[id(info)] = replace(info, quantization=None)
        return found

    def _step(self, step: Step) -> Step:
        return replace(step, arguments={name: self._argument(argument) for name, argument in step.arguments.items()})

    def _argument(self, argument: Argument) -> Argument:
        if isinstance(argument, TensorInfo):
            return self._info(argument)
        return Nested(tuple(map(self._step, argument.steps))) if isinstance(argument, Nested) else argument


def _make_room(folder: str, left: int) -> None:
    """Removes the plans that were not used for longest, until the others fit into the bytes left."""
    with os.scandir(folder) as entries:
        plans = [(entry.stat(), entry.path) for entry in entries if entry.name.startswith("plan-")]
    for state, path in sorted(plans, key=lambda plan: plan[0].st_mtime_ns, reverse=True):
        left -= state.st_size
        if left < 0:
            with suppress(OSError):
                os.remove(path)


def _write(path: str, parts: Sequence[bytes | memoryview]) -> None:
    """Writes parts, each at a multiple of the alignment; the file appears when it is on the disk."""
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        for part in parts:
            file.write(part)
            file.write(bytes(_aligned(len(part)) - len(part)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
