"""A delegate that behaves like a GPU: memory of its own, asynchronous runs on another thread, and a record of all that happens."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from types import MappingProxyType

import numpy as np

from jitlite.interpreter.delegates import Delegate, DelegateKernel
from jitlite.interpreter.delegates.numpy_delegate import NumpyDelegate
from jitlite.interpreter.delegates.numpy_functions import FUNCTIONS

QUEUE = ThreadPoolExecutor(1)


class Device(Delegate):
    """Takes the float32 operators named in `takes` with NumPy's functions; fails to prepare, bind or run where `fails` says so."""

    name = "device"
    OPTIONS = MappingProxyType({"takes": "ADD,MUL,SUB", "fails": "", "pinned": "no"})
    kernel = None

    def __init__(self, options=None, **settings):
        super().__init__({**(options or {}), **settings})
        self.calls = []
        self.copied = Counter()
        self.open = 0
        self.pinned = {}
        self._checks = NumpyDelegate()

    def decline(self, call):
        if self.options["fails"] == "decline":
            raise RuntimeError("lost")
        if call.spec.name not in self.options["takes"].split(","):
            return f"{call.spec.name} is not for this device"
        return self._checks.decline(call)

    def prepare(self, partitions):
        self.calls.append(("prepare", [partition.nodes for partition in partitions]))
        if self.options["fails"] == "prepare":
            raise RuntimeError("out of device memory")
        memory = {}
        kernels = [(self.kernel or Kernel)(self, partition, memory) for partition in partitions]
        self.open += len(kernels)
        return kernels[1:] if self.options["fails"] == "count" else kernels

    def close(self):
        self.calls.append(("close", self.open))


class Kernel(DelegateKernel):
    def __init__(self, delegate, partition, memory):
        self.delegate, self.partition, self.memory = delegate, partition, memory

    def host_memory(self, boundary, n_bytes):
        if self.delegate.options["pinned"] != "yes":
            return None
        self.delegate.pinned[boundary.tensor.index] = memory = np.zeros(n_bytes, np.uint8)
        return memory

    def bind(self, arrays):
        if self.delegate.options["fails"] == "bind":
            raise RuntimeError("cannot map")
        self.host = arrays
        self.addresses = {index: array.ctypes.data for index, array in arrays.items()}

    def upload(self):
        for item in self.partition.inputs:
            if item.is_in_host_memory:
                index = item.tensor.index
                assert self.host[index].ctypes.data == self.addresses[index]
                self.memory[index] = self.host[index].copy()
                self.delegate.copied[index] += 1

    def compute(self):
        if self.delegate.options["fails"] == "invoke":
            raise RuntimeError("device lost")
        for call in self.partition.operators:
            out = np.empty(call.outputs[0].shape, np.float32)
            operands = [None if info is None else info.value if info.value is not None else self.memory[info.index] for info in call.inputs]
            FUNCTIONS[call.spec.name].make(call)(operands, [out])
            self.memory[call.outputs[0].index] = out

    def download(self):
        for item in self.partition.outputs:
            if item.is_in_host_memory:
                index = item.tensor.index
                self.host[index][...] = self.memory[index]
                self.delegate.copied[index] += 1

    def invoke(self):
        self.delegate.calls.append(("invoke", self.partition.number))
        self.upload()
        self.compute()
        self.download()

    def close(self):
        self.delegate.open -= 1
        self.delegate.calls.append(("close", self.partition.number))


class AsyncKernel(Kernel):
    """Reads host memory late and writes it late, as a device that is slow does."""

    is_asynchronous = True

    def invoke(self):
        self.delegate.calls.append(("invoke", self.partition.number))
        return Token(self, QUEUE.submit(self._work))

    def _work(self):
        sleep(self.delegate.late_seconds)
        self.upload()
        self.compute()
        self.download()


class Token:
    def __init__(self, kernel, future):
        self.kernel, self.future = kernel, future

    def wait(self):
        self.kernel.delegate.calls.append(("wait", self.kernel.partition.number))
        self.future.result()


class AsyncDevice(Device):
    name = "async"
    late_seconds = 0.002
    kernel = AsyncKernel
