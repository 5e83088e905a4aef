"""Checks recorded cases on the target in effect: `python -m tests.targets.replay FILE...`, also where only NumPy is installed."""

import sys
from pathlib import Path

from jitlite.interpreter.registry import load_bindings
from tests.ops.execution import recorded


def main(files: list[Path]) -> int:
    load_bindings()
    count = failures = 0
    for file in files:
        for case in recorded(file):
            count += 1
            try:
                case.check()
            except Exception as error:
                failures += 1
                print(f"{case.name}: {type(error).__name__}: {error}", flush=True)
    print(f"{count} cases, {failures} failures")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))
