"""The machine kernels are compiled for."""

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from io import FileIO

_CPU_LINES = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "CPU variant", "Features")


class Target(NamedTuple):
    """An LLVM triple, CPU name and feature string (`+avx2,-avx512f,…`; empty: what the CPU name implies)."""

    triple: str
    cpu: str
    features: str = ""

    @property
    def is_elf(self) -> bool:
        return "linux" in self.triple


def host_target() -> Target:
    """The present machine as LLVM sees it; needs llvmlite."""
    import llvmlite.binding as llvm

    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())


def requested_target() -> Target | None:
    """The target named by JITLITE_TARGET as `triple/cpu/features`, or None for this machine."""
    text = os.environ.get("JITLITE_TARGET", "")
    if not text:
        return None
    parts = text.split("/", 2)
    if len(parts) < 2:
        raise ValueError(f"JITLITE_TARGET: triple/cpu[/features] is required, found {text!r}")
    return Target(*parts)


@cache
def machine_fingerprint() -> str:
    """Text that differs between machines LLVM would compile differently for; needs no compiler, costs microseconds."""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            first = _first_block(file)
    except FileNotFoundError:
        return _other_fingerprint()
    return "\n".join([sys.platform, os.uname().machine, *(line for line in first.splitlines() if line.startswith(_CPU_LINES))])


def _first_block(file: "FileIO") -> str:
    """What comes before the first empty line: the first processor; the kernel makes up the others only when they are read."""
    text = b""
    while b"\n\n" not in text and (read := file.read(1 << 16)):
        text += read
    return text.decode(errors="replace").split("\n\n", 1)[0]


def _other_fingerprint() -> str:
    import platform

    return "\n".join([sys.platform, platform.machine(), platform.processor()])
