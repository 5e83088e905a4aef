"""Compiles kernel families: `python -m jitlite.interpreter.codegen TARGET...`, each `triple/cpu/features` or `host`.

The targets must have register tiles of the same sizes, because kernels are lowered once for all of them. Each line of standard input
names a family and, behind tabs, the file to write for each target; the family is repeated on standard output when it is done.
"""

import os
import sys
from pathlib import Path

from jitlite.interpreter.codegen.backend import emit_object
from jitlite.interpreter.codegen.frontend import lower_family
from jitlite.interpreter.codegen.isa import isa_of, select
from jitlite.interpreter.codegen.link import link
from jitlite.interpreter.codegen.target import Target, host_target


def main(*names: str) -> None:
    targets = [host_target() if name == "host" else Target(*name.split("/", 2)) for name in names]
    sizes = {isa_of(target) for target in targets}
    assert len(sizes) == 1, f"targets with register tiles of the same sizes are required, found {sizes}"
    select(*sizes)
    for line in sys.stdin:
        family, *outputs = line.rstrip("\n").split("\t")
        lowered = lower_family(family)
        for target, output in zip(targets, outputs, strict=True):
            if os.environ.get("JITLITE_CHECKS") == "bounds":
                from jitlite.interpreter.codegen.bounds import emit_checked_object

                code = emit_checked_object(family, *lowered, target)
            else:
                code = emit_object(*lowered, target)
            Path(output).write_bytes(link(code) if target.is_elf else code)
        print(family, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
