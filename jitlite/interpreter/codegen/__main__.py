"""Compiles kernel families: `python -m jitlite.interpreter.codegen TRIPLE CPU FEATURES` (the triple may be "host").

Each line of standard input names a family and, behind a tab, the file to write; the family is repeated on standard output when it is done.
"""

import sys
from pathlib import Path

from jitlite.interpreter.codegen.backend import emit_object
from jitlite.interpreter.codegen.frontend import lower_family
from jitlite.interpreter.codegen.link import link
from jitlite.interpreter.codegen.target import Target, host_target


def main(triple: str, cpu: str, features: str) -> None:
    target = host_target() if triple == "host" else Target(triple, cpu, features)
    for line in sys.stdin:
        family, output = line.rstrip("\n").split("\t")
        code = emit_object(*lower_family(family), target)
        Path(output).write_bytes(link(code) if target.is_elf else code)
        print(family, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
