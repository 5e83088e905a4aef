"""Checks all kernels and the example's int8 model on other processors: `python -m tests.targets [NAME...]`, by default on all of them.

What the operators' tests check is recorded on this machine, with LiteRT's results, and checked again with kernels compiled for each
processor: integers are to be identical, floats within the tests' tolerances. AArch64 is emulated by qemu.
"""

import argparse
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np

import jitlite
from jitlite.interpreter.registry import load_bindings
from tests.ops.execution import Case, labelled, run
from tests.targets.userland import Userland, UserlandError, build_userland
from tests.targets.variants import ARM, ROOT, TARGETS, compile_for, record, replay, runs_here, save_cases

EXAMPLE = ROOT / "examples" / "fashion_mnist"
IMAGES = 100


def record_example(file: Path) -> Path:
    """The example's int8 model on test images, with this machine's results."""
    load_bindings()
    model = jitlite.quantize(jitlite.convert(EXAMPLE / "model.onnx"), EXAMPLE / "calibration.npz", jitlite.Recipe("int8", io_type="int8"))
    path = file.with_suffix(".tflite")
    jitlite.save(model, path)
    content = path.read_bytes()
    with np.load(EXAMPLE / "test.npz") as data:
        images = (data["images"][:IMAGES].astype(np.int16) - 128).astype(np.int8).reshape(-1, 1, 1, 28, 28)
    cases = [Case(content, [image], run(content, [image]), 0.0, 0.0, (1, 2)) for image in images]
    return save_cases([labelled(case, f"{path.name}, image {number}") for number, case in enumerate(cases)], file)


def check(name: str, files: list[Path], userland: Userland | None) -> bool:
    """Checks recordings on a target and prints what came out."""
    started = perf_counter()
    done = replay(name, files, userland)
    lines = done.stdout.splitlines()
    verdict = lines.pop() if lines else f"exit status {done.returncode}"
    print("\n".join([*lines, *done.stderr.splitlines(), f"{name}: {verdict}, {perf_counter() - started:.0f} s"]), flush=True)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"processors to check: {', '.join(TARGETS)}")
    names = parser.parse_args().names or [name for name in TARGETS if name in ARM or runs_here(name)]
    unknown = [name for name in names if name not in TARGETS or not (name in ARM or runs_here(name))]
    if unknown:
        parser.error(f"processors this machine executes or emulates are required, found {', '.join(unknown)}")
    userland = None
    if any(name in ARM for name in names):
        try:
            userland = build_userland(ROOT / "build" / "arm")
        except UserlandError as error:
            print(f"the AArch64 userland cannot be made: {error}", file=sys.stderr)
            return 1
    folder = ROOT / "build" / "targets"
    shutil.rmtree(folder, ignore_errors=True)
    print("recording the operators' tests and the example", flush=True)
    files = [record(["tests/ops"], folder), record_example(folder / "example.cases")]
    print(f"compiling kernels for {', '.join(names)}", flush=True)
    compile_for(names, files)
    print("checking", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda name: check(name, files, userland), names))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
