"""Runs a folder of the grid: `python -m tests.grid.run FOLDER [FAMILY ...]`; exit status 1 when a case fails.

Each model runs twice in LiteRT's reference kernels (the oracle), in LiteRT as it comes (XNNPACK, for context) and in jitlite, each in a
process of its own; one with a single input runs once more with that enlarged. Integers, booleans and strings have to be equal; floats
within 1e-4 of the output's scale, or within four times what the reference itself moves when its float inputs move by one unit in the last
place. `results.jsonl` in FOLDER keeps every verdict.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.grid.children import Answer, Child, serve
from tests.grid.table import N_RUNS

Array = NDArray[Any]
LIMIT_S = 600.0
"""Long enough to compile a family of kernels on a busy machine."""
RELATIVE = 1e-4
ULPS = 4.0
SIDES = ("reference", "nudged", "default", "jitlite")


def _interpreter(side: str, model: str) -> Any:
    if side == "jitlite":
        from jitlite.interpreter import Interpreter
        from jitlite.interpreter import OpResolverType as Resolver

        return Interpreter(model, experimental_op_resolver_type=Resolver.BUILTIN_REF)
    from ai_edge_litert.interpreter import Interpreter as LiteRT
    from ai_edge_litert.interpreter import OpResolverType

    resolver = {
        "default": OpResolverType.BUILTIN,
        "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }.get(side, OpResolverType.BUILTIN_REF)
    return LiteRT(model_path=model, experimental_op_resolver_type=resolver, num_threads=1)


def _nudged(value: Array) -> Array:
    """The value with its floats one unit in the last place away, up and down in turns."""
    if value.dtype.kind != "f":
        return _given(value)
    ways = np.where(np.arange(value.size) % 2 == 0, np.inf, -np.inf).astype(value.dtype).reshape(value.shape)
    return np.asarray(np.nextafter(value, ways))


def _given(value: Array) -> Array:
    """What `set_tensor` takes: strings as objects, but for single ones, of which LiteRT would take the address."""
    if value.dtype.kind != "S":
        return value
    return value.astype(object) if value.ndim else np.array(value.item() or b" ")


def _plain(value: Array) -> Array:
    return value.astype(np.bytes_) if value.dtype.kind in "OSU" else np.array(value)


def _runs(inputs: dict[str, Array]) -> list[list[Array]]:
    """The inputs of each run, in the model's order."""
    count = len(inputs) // N_RUNS
    return [[inputs[f"{run}_{position}"] for position in range(count)] for run in range(N_RUNS)]


def _enlarged(runs: list[list[Array]]) -> list[list[Array]]:
    """A run, one with the only input's first dimension doubled, and the first run again; nothing where there is no such input."""
    first = runs[0]
    if len(first) != 1 or first[0].ndim == 0 or first[0].shape[0] == 0:
        return []
    return [first, [np.concatenate([first[0], first[0]])], first]


def results(side: str, model: str, runs: list[list[Array]]) -> dict[str, Array]:
    """The outputs `R_O` of all runs of one model."""
    interpreter = _interpreter("reference" if side == "nudged" else side, model)
    found = {}
    for number, values in enumerate(runs):
        details = interpreter.get_input_details()
        for detail, value in zip(details, values, strict=True):
            interpreter.resize_tensor_input(detail["index"], value.shape)
        interpreter.allocate_tensors()
        for detail, value in zip(details, values, strict=True):
            interpreter.set_tensor(detail["index"], _nudged(value) if side == "nudged" else _given(value))
        interpreter.invoke()
        for place, detail in enumerate(interpreter.get_output_details()):
            found[f"{number}_{place}"] = _plain(interpreter.get_tensor(detail["index"]))
    return found


def _answer(question: Answer) -> Answer:
    path = Path(question["path"])
    with np.load(path.with_suffix(".npz")) as inputs:
        runs = _runs(dict(inputs))
    runs = _enlarged(runs) if question.get("enlarged") else runs
    found = results(question["side"], str(path.with_suffix(".tflite")), runs)
    np.savez(path.with_suffix(f".{question['side']}.npz"), **found)
    return {"status": "ran"}


def _loaded(path: Path, side: str) -> dict[str, Array]:
    file = path.with_suffix(f".{side}.npz")
    with np.load(file) as arrays:
        found = dict(arrays)
    file.unlink()
    return found


def difference(found: Array, expected: Array, nudged: Array) -> str:
    """What is wrong with a result, or nothing."""
    if found.shape != expected.shape or found.dtype.kind != expected.dtype.kind:
        return f"{expected.dtype} {expected.shape} is required, found {found.dtype} {found.shape}"
    if expected.dtype.kind not in "fc":
        wrong = np.atleast_1d(found != expected)
    else:
        finite = np.isfinite(expected)
        scale = float(np.max(np.abs(expected[finite]), initial=0.0))
        allowed = RELATIVE * scale
        if nudged.shape == expected.shape:
            both = finite & np.isfinite(nudged)
            allowed = max(allowed, ULPS * float(np.max(np.abs(nudged[both] - expected[both]), initial=0.0)))
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        with np.errstate(all="ignore"):
            wrong = np.atleast_1d(~np.where(finite, np.abs(found - expected) <= allowed, same))
    if not wrong.any():
        return ""
    place = tuple(int(index) for index in np.argwhere(wrong)[0])
    where = place if found.ndim else ()
    return f"{int(wrong.sum())} of {found.size} differ; at {place}: {expected[where]} is required, found {found[where]}"


def _compared(found: dict[str, Array], expected: dict[str, Array], nudged: dict[str, Array]) -> Answer:
    for name, value in expected.items():
        with np.errstate(all="ignore"):
            wrong = difference(found[name], value, nudged.get(name, value)) if name in found else "no result"
        if wrong:
            return {"status": "fail", "reason": f"output {name}: {wrong}"}
    return {"status": "pass"}


def _named(verdict: Answer) -> Answer:
    """The verdict, with errors told apart: what is not supported, and what is refused."""
    if verdict["status"] == "error":
        verdict["status"] = "unsupported" if verdict["kind"] == "UnsupportedError" else "refused"
    return verdict


def judge(children: dict[str, Child], path: Path) -> dict[str, Answer]:
    """Verdicts by side: `pass`, `fail`, `unsupported`, `refused`, `crash` or `timeout`.

    `oracle` says whose results were required: the reference kernels', those of the optimised ones where that set lacks an operator,
    or none's because neither runs the model. `resized` is jitlite's verdict with a larger input, and with the first one again, where
    LiteRT runs these.
    """
    question = {"path": str(path)}
    oracle, verdict = "reference", children["litert"].ask({**question, "side": "reference"}, LIMIT_S)
    if verdict["status"] != "ran":
        refusal = verdict
        oracle, verdict = "optimized", children["litert"].ask({**question, "side": "optimized"}, LIMIT_S)
        if verdict["status"] != "ran":
            ours = children["jitlite"].ask({**question, "side": "jitlite"}, LIMIT_S)
            return {"oracle": {"status": "none", "reason": refusal.get("reason", "")}, "jitlite": ours}
    verdicts: dict[str, Answer] = {"oracle": {"status": oracle}}
    expected = _loaded(path, oracle)
    moved = children["litert"].ask({**question, "side": "nudged"}, LIMIT_S) if oracle == "reference" else {"status": "none"}
    nudged = _loaded(path, "nudged") if moved["status"] == "ran" else {}
    for side, child in (("default", "litert"), ("jitlite", "jitlite")):
        answer = children[child].ask({**question, "side": side}, LIMIT_S)
        verdicts[side] = _compared(_loaded(path, side), expected, nudged) if answer["status"] == "ran" else _named(answer)
    enlarged = {**question, "enlarged": True}
    if children["litert"].ask({**enlarged, "side": oracle}, LIMIT_S)["status"] == "ran" and (expected := _loaded(path, oracle)):
        answer = children["jitlite"].ask({**enlarged, "side": "jitlite"}, LIMIT_S)
        verdicts["resized"] = _compared(_loaded(path, "jitlite"), expected, {}) if answer["status"] == "ran" else _named(answer)
    return verdicts


def run(folder: Path, only: list[str]) -> list[Answer]:
    """The verdicts on every model of the folder (or of the named families), which `results.jsonl` keeps."""
    children = {side: Child("tests.grid.run", "--serve") for side in ("litert", "jitlite")}
    judged = []
    for line in (folder / "cases.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["status"] != "made" or (only and entry["family"] not in only):
            continue
        verdicts = judge(children, folder / entry["name"])
        judged.append({"family": entry["family"], "name": entry["name"], "label": entry["label"], **verdicts})
        ours = verdicts["jitlite"]
        if ours["status"] != "pass" and verdicts["oracle"]["status"] != "none":
            print(f"{entry['name']}: {ours['status']}: {entry['label']}: {ours.get('reason', '')[:300]}", flush=True)
        resized = verdicts.get("resized", {"status": "pass"})
        if resized["status"] != "pass":
            print(f"{entry['name']}: resized: {resized['status']}: {entry['label']}: {resized.get('reason', '')[:300]}", flush=True)
    for child in children.values():
        child.close()
    kept = []
    listing = folder / "results.jsonl"
    if only and listing.exists():
        kept = [entry for entry in map(json.loads, listing.read_text().splitlines()) if entry["family"] not in only]
    listing.write_text("".join(json.dumps(entry) + "\n" for entry in kept + judged))
    return judged


def _row(name: str, judged: list[Answer]) -> str:
    counted = [entry for entry in judged if entry["oracle"]["status"] != "none"]
    ours = Counter(entry["jitlite"]["status"] for entry in counted)
    theirs = sum(entry["default"]["status"] == "pass" for entry in counted)
    others = ", ".join(f"{count} {status}" for status, count in sorted(ours.items()) if status != "pass")
    resized = [entry["resized"]["status"] == "pass" for entry in counted if "resized" in entry]
    again = f"{sum(resized)} of {len(resized)}"
    return f"| {name} | {len(counted)} | {ours['pass']} | {others or '–'} | {again} | {theirs} | {len(judged) - len(counted)} |"


def report(judged: list[Answer]) -> str:
    """A table with a row for each family and their sum."""
    families = list(dict.fromkeys(entry["family"] for entry in judged))
    rows = [_row(name, [entry for entry in judged if entry["family"] == name]) for name in families]
    head = "| family | cases | pass | other | pass resized | LiteRT's default kernels pass | no oracle |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *rows, _row(f"{len(families)} families", judged)])


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--serve"]:
        serve(_answer)
        return 0
    if not arguments:
        print(__doc__)
        return 2
    judged = run(Path(arguments[0]), arguments[1:])
    print(report(judged))
    verdicts = [side for entry in judged if entry["oracle"]["status"] != "none" for side in (entry["jitlite"], entry.get("resized"))]
    return int(any(verdict is not None and verdict["status"] != "pass" for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
