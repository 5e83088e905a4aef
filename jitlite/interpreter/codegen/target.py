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

    @property
    def is_x86(self) -> bool:
        return self.triple.startswith("x86_64")

    @property
    def is_aarch64(self) -> bool:
        return self.triple.startswith(("aarch64", "arm64"))


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


_SUM_OF_PRODUCTS = """
declare i32 @llvm.vector.reduce.add.v16i32(<16 x i32>)

define i32 @sum(<16 x i8> %a, <16 x i8> %b) {
  %x = sext <16 x i8> %a to <16 x i32>
  %y = sext <16 x i8> %b to <16 x i32>
  %products = mul <16 x i32> %x, %y
  %sum = call i32 @llvm.vector.reduce.add.v16i32(<16 x i32> %products)
  ret i32 %sum
}
"""


@cache
def has_neon_dot(target: Target) -> bool:
    """True when LLVM knows a dot product of bytes for an AArch64 target, which processors' names imply or features say."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features)
    return "sdot" in machine.emit_assembly(llvm.parse_assembly(_SUM_OF_PRODUCTS))


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
