"""Delegates as people meet them: by name, from packages, in reports, on their page."""

import importlib.metadata
import re
from pathlib import Path

import numpy as np
import pytest

import jitlite
from jitlite.interpreter import Interpreter
from jitlite.interpreter.delegates import load_delegate
from jitlite.interpreter.delegates.report import BEHIND, KNOWN, explain
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import AddOptions, ReshapeOptions
from tests.interpreter.devices import Device
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.interpreter.test_delegates import Chain, X, check, mixed, staged
from tests.interpreter.test_program import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "delegates.md"


def test_things_that_are_no_delegates():
    with pytest.raises(TypeError, match="experimental_delegates"):
        Interpreter(model_content=mixed(), experimental_delegates=["numpy"])
    with pytest.raises(ValueError, match=r"delegate: one of .*numpy.* is required, found 'none'"):
        load_delegate("none")
    with pytest.raises(ValueError, match=r"delegate numpy: options among .* are required, found 'speed'"):
        load_delegate("numpy", {"speed": 1})


def test_delegates_of_packages(monkeypatch):
    def points(group, name=None):
        assert group == "jitlite.delegates"
        known = {"device": "tests.interpreter.devices:Device", "broken": "tests.none:X", "other": "builtins:dict"}
        return [importlib.metadata.EntryPoint(key, value, group) for key, value in known.items() if name in (None, key)]

    monkeypatch.setattr(importlib.metadata, "entry_points", points)
    assert isinstance(jitlite.load_delegate("device", {"takes": "ADD", "min_nodes_per_partition": 1}), Device)
    with pytest.raises(ValueError, match="delegate broken: it cannot be loaded"):
        load_delegate("broken")
    with pytest.raises(ValueError, match="delegate other: a jitlite Delegate is required, found dict"):
        load_delegate("other")
    with pytest.raises(ValueError, match="one of broken, device, numpy, other is required"):
        load_delegate("none")


def test_a_report_says_what_breaks_partitions():
    found = explain(read_model(mixed()), [Device(min_nodes_per_partition="2"), Device(takes="EXP")])
    assert (found["operators"], found["delegated"]) == (6, 5)
    assert [[item["operator"] for item in part["operators"]] for part in found["partitions"]] == [[0, 1], [3, 4], [5]]
    between = next(item for item in found["partitions"][1]["inputs"] if not item["in_host_memory"])
    assert between["bytes"] == 48
    assert found["partitions"][0]["host_bytes"] == 96
    assert found["left"] == [{"operator": 2, "op": "ABS", "reasons": {"device": "ABS is not for this device"}}]
    behind = explain(read_model(staged()), [Device()])
    assert [item["reasons"]["device"] for item in behind["left"]] == [
        "results of type FLOAT32 are supported, found INT32",
        BEHIND,
        BEHIND,
        BEHIND,
    ]


def test_a_report_on_operators_nobody_knows():
    c = Chain()
    a = c.g.op("Unknown", [c.op(ADD, c.x, c.x)], [c.g.tensor((3, 4))])
    found = explain(read_model(c.done(c.op(MUL, a, a))), [Device()])
    assert found["delegated"] == 2
    (left,) = found["left"]
    assert left["reasons"]["device"] == "jitlite does not support it: operator Unknown version 1 is not supported"


def test_a_report_on_constants():
    model = new_model()
    g = GraphBuilder(model)
    c = g.op(RESHAPE, [g.constant([[1, 2]]), g.constant([2, 1], np.int32)], [g.tensor((2, 1))], ReshapeOptions())
    g.finish(g.op(ADD, [g.input((2, 1)), c], [g.tensor((2, 1))], AddOptions()))
    (left,) = explain(read_model(content(model)), [Device()])["left"]
    assert left == {"operator": 0, "op": "RESHAPE", "reasons": {"device": KNOWN}}


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "model.tflite").write_bytes(mixed())
    monkeypatch.chdir(tmp_path)
    use, write = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    space = {}
    exec(use, space)
    run(space["interpreter"], X)
    exec(write, space)
    check(mixed(), [space["Arithmetic"]({"log": "yes"})], X, runs=1)
    assert capsys.readouterr().out.count("operator") == 3
