"""Compiles one kernel family: `python -m jitlite.interpreter.codegen FAMILY OUTPUT TRIPLE CPU FEATURES` (the triple may be "host")."""

import sys
from pathlib import Path

from jitlite.interpreter.codegen.backend import emit_object
from jitlite.interpreter.codegen.frontend import lower_family
from jitlite.interpreter.codegen.link import link
from jitlite.interpreter.codegen.target import Target, host_target


def main(family: str, output: str, triple: str, cpu: str, features: str) -> None:
    target = host_target() if triple == "host" else Target(triple, cpu, features)
    code = emit_object(*lower_family(family), target)
    Path(output).write_bytes(link(code) if target.is_elf else code)


if __name__ == "__main__":
    main(*sys.argv[1:])
