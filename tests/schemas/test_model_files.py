"""Reading and writing: what is read is what was written, and LiteRT reads it too."""

import os
import subprocess
import sys
import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jitlite.schemas import Buffer, InvalidModelError, Model, UnsupportedError, read_model, save_model, verify, write_model
from jitlite.schemas import write as writing
from jitlite.schemas.decode import Decoder
from jitlite.schemas.table import Kind, Slot, Table, is_default
from jitlite.schemas.tables import BUILTIN_OPTIONS, BUILTIN_OPTIONS_2, Conv2DOptions, Operator, SubGraph
from tests.schemas.schema_samples import PLACEHOLDERS, TABLES, add_model, corpus, every_option_model, filled

RANGES = {"b": (-128, 127), "B": (0, 255), "H": (0, 65535), "i": (-(2**31), 2**31 - 1), "I": (0, 2**32 - 1), "q": (-(2**63), 2**63 - 1)}
RANGES["Q"] = (0, 2**64 - 1)


def numbers(code: str) -> st.SearchStrategy:
    if code == "?":
        return st.booleans()
    if code == "f":
        return st.floats(width=32, allow_nan=False)
    return st.integers(*RANGES[code])


def values(slot: Slot) -> st.SearchStrategy:
    if slot.name in PLACEHOLDERS and slot.format == "Q":
        return st.integers(0, 1)
    if slot.kind is Kind.NUMBER:
        return numbers(slot.format)
    if slot.kind is Kind.NUMBERS:
        return st.lists(numbers(slot.format), max_size=3)
    if slot.kind in (Kind.CHOICE, Kind.CHOICES):
        members = st.sampled_from(list(slot.members.values()))
        return members if slot.kind is Kind.CHOICE else st.lists(members, max_size=3)
    if slot.kind is Kind.TEXT:
        return st.text(max_size=5) | st.binary(max_size=5).map(lambda data: data.decode("utf-8", "surrogateescape"))
    if slot.kind is Kind.RAW:
        return st.binary(max_size=40)
    if slot.kind is Kind.UNION:
        return st.none() | st.sampled_from(list(slot.targets.values())).flatmap(instances)
    if slot.kind is Kind.TABLE:
        return st.none() | instances(slot.target)
    return st.lists(instances(slot.target), max_size=2)


STRATEGIES: dict[type[Table], st.SearchStrategy] = {}


def instances(kind: type[Table]) -> st.SearchStrategy:
    if kind not in STRATEGIES:
        fields = {slot.name: values(slot) for slot in kind.SLOTS}
        STRATEGIES[kind] = st.fixed_dictionaries({}, optional=fields).map(lambda chosen: kind(**chosen))
    return STRATEGIES[kind]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(instances(Model))
def test_any_model_survives_writing_and_reading(model: Model) -> None:
    data = write_model(model)
    assert read_model(data) == model
    assert write_model(read_model(data)) == data


def of_operator(options: Table) -> Model:
    one = type(options) in BUILTIN_OPTIONS.values()
    op = Operator(builtin_options=options) if one else Operator(builtin_options_2=options)
    return Model(subgraphs=[SubGraph(operators=[op])])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*BUILTIN_OPTIONS.values(), *BUILTIN_OPTIONS_2.values()]).flatmap(instances))
def test_any_options_survive_writing_and_reading(options: Table) -> None:
    assert read_model(write_model(of_operator(options))) == of_operator(options)


def test_every_field_of_every_table_survives_writing_and_reading() -> None:
    model = every_option_model()
    again = read_model(write_model(model))
    assert again == model
    assert {type(op.builtin_options or op.builtin_options_2) for op in again.subgraphs[-1].operators} == {
        *BUILTIN_OPTIONS.values(),
        *BUILTIN_OPTIONS_2.values(),
    }


@pytest.mark.parametrize("path", corpus("models"))
def test_corpus_file_is_legal_and_survives(path: Path) -> None:
    model = verify(read_model(path))
    data = write_model(model)
    assert read_model(data) == model
    assert write_model(model) == data


@pytest.mark.parametrize("path", corpus("models"))
def test_litert_loads_what_is_written(path: Path) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    reference = interpreter.OpResolverType.BUILTIN_REF
    written = interpreter.Interpreter(model_content=write_model(read_model(path)), experimental_op_resolver_type=reference)
    original = interpreter.Interpreter(model_content=path.read_bytes(), experimental_op_resolver_type=reference)
    assert str(written.get_tensor_details()) == str(original.get_tensor_details())


def test_litert_computes_what_is_written() -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    runner = interpreter.Interpreter(model_content=write_model(add_model()))
    runner.allocate_tensors()
    runner.set_tensor(0, np.full((2, 3), 3, np.int8))
    runner.invoke()
    assert runner.get_tensor(2).tolist() == [[6, 6, 6], [7, 7, 7]]


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_tables_compare_copy_and_print(kind: type[Table]) -> None:
    table = filled(kind)
    assert table == table.copy()
    assert table.copy() is not table
    assert repr(kind()) == f"{kind.__name__}()"
    assert all(f"{slot.name}=" in repr(table) for slot in kind.SLOTS if not is_default(slot, getattr(table, slot.name)))
    assert (table == kind()) is (not kind.SLOTS)


def test_tables_refuse_unknown_fields() -> None:
    with pytest.raises(TypeError, match="found strides"):
        Conv2DOptions(strides=2)
    with pytest.raises(AttributeError, match="no field 'strides'"):
        Conv2DOptions().strides = 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Conv2DOptions())


def test_copies_share_bytes_and_nothing_else() -> None:
    model = add_model()
    again = model.copy(description="again")
    again.subgraphs[0].tensors[0].shape.append(4)
    assert model.subgraphs[0].tensors[0].shape == [2, 3]
    assert again.description == "again"
    assert again.buffers[1].data is model.buffers[1].data


def test_buffers_are_views_of_the_file(tmp_path: Path) -> None:
    data = write_model(add_model())
    found = read_model(data).buffers[1].data
    assert isinstance(found, memoryview)
    assert found.readonly
    assert found.obj is data
    save_model(add_model(), tmp_path / "add.tflite")
    assert read_model(tmp_path / "add.tflite") == read_model(bytearray(data)) == read_model(memoryview(data)) == add_model()


@pytest.mark.parametrize("size", [1, 15, 16, 17, 4096])
def test_buffer_data_are_aligned_to_16_bytes_of_the_file(size: int) -> None:
    model = Model(version=3, buffers=[Buffer(), Buffer(data=b"\x01"), Buffer(data=b"\xab" * size), Buffer(data=b"\xcd" * size)])
    data = write_model(model)
    assert data.index(b"\xab" * size) % 16 == 0
    assert data.index(b"\xcd" * size) % 16 == 0


def test_equal_buffers_stay_apart() -> None:
    data = write_model(Model(buffers=[Buffer(), Buffer(data=b"x" * 100), Buffer(data=b"x" * 100)]))
    assert data.count(b"x" * 100) == 2


def test_ten_megabytes_are_written_at_once() -> None:
    model = Model(version=3, buffers=[Buffer(), Buffer(data=bytes(10 << 20))])
    start = time.perf_counter()
    assert len(write_model(model)) < (10 << 20) + 1024
    assert time.perf_counter() - start < 2


def test_bytes_behind_the_flatbuffer_become_buffers() -> None:
    model = add_model()
    model.buffers.append(Buffer(offset=100_000, size=50))
    model.subgraphs[0].operators[0].large_custom_options_offset = 100_050
    model.subgraphs[0].operators[0].large_custom_options_size = 7
    data = write_model(model).ljust(100_000, b"\0") + b"d" * 50 + b"options"
    found = read_model(data)
    assert found.buffers[-1] == Buffer(data=b"d" * 50)
    assert found.subgraphs[0].operators[0].custom_options == b"options"
    assert found.subgraphs[0].operators[0].large_custom_options_offset == 0


@pytest.mark.parametrize(("offset", "size"), [(2**64 - 1, 2), (2, 2**64 - 1), (1 << 20, 1)])
def test_ranges_outside_the_file_are_refused(offset: int, size: int) -> None:
    data = write_model(Model(version=3, buffers=[Buffer(), Buffer(offset=offset, size=size)]))
    with pytest.raises(InvalidModelError, match=r"buffers\[1\]: a range inside the \d+ byte file required"):
        read_model(data)


def test_a_buffer_with_data_and_a_range_is_refused() -> None:
    data = write_model(Model(version=3, buffers=[Buffer(data=b"1", offset=8, size=1)]))
    with pytest.raises(InvalidModelError, match="either data or offset required, found both"):
        read_model(data)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Conv2DOptions(stride_w=2**31), "Conv2DOptions.stride_w"),
        (Conv2DOptions(padding=300), "Conv2DOptions.padding"),
        (Conv2DOptions(stride_w="2"), "Conv2DOptions.stride_w"),
        (Operator(), "Operator.builtin_options: a table that belongs here required, found Operator"),
    ],
)
def test_values_that_do_not_fit_are_refused(table: Table, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_model(Model(subgraphs=[SubGraph(operators=[Operator(builtin_options=table)])]))


def test_vectors_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"SubGraph.inputs"):
        write_model(Model(subgraphs=[SubGraph(inputs=[2**31])]))
    with pytest.raises(ValueError, match=r"SubGraph.operators: a list of Operator required, found SubGraph in it"):
        write_model(Model(subgraphs=[SubGraph(operators=[SubGraph()])]))
    with pytest.raises(ValueError, match=r"SubGraph.name"):
        write_model(Model(subgraphs=[SubGraph(name="\ud800")]))


def test_data_out_of_reach_lie_behind_the_flatbuffer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = [np.arange(size, dtype=np.float32).tobytes() for size in (3000, 5, 0, 7)]
    model = Model(version=3, buffers=[Buffer(data=item) for item in data])
    inside = write_model(model)
    monkeypatch.setattr(writing, "MAX_FILE_BYTES", 5000)
    content = write_model(model)
    assert read_model(content) == read_model(inside) == model
    assert content != inside
    table = Decoder(memoryview(content), b"TFL3").root(Model)
    places = [(buffer.offset, buffer.size) for buffer in table.buffers]
    assert [size for _, size in places] == [12000, 20, 0, 28]
    assert all(offset % 16 == 0 for offset, _ in places)
    save_model(model, tmp_path / "model.tflite")
    assert (tmp_path / "model.tflite").read_bytes() == content


def test_a_flatbuffer_out_of_reach_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise flatbuffers.builder.BuilderSizeError

    monkeypatch.setattr(flatbuffers.Builder, "Finish", full)
    with pytest.raises(UnsupportedError, match="files up to 2147483647 bytes besides the data of buffers are supported"):
        write_model(Model(version=3))


def test_saving_replaces_a_file_or_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    save_model(add_model(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"Model.version"):
        save_model(Model(version=-1), path)
    assert path.read_bytes() == before
    save_model(Model(version=3), path)
    assert read_model(path) == Model(version=3)
    assert os.listdir(tmp_path) == ["model.tflite"]


def test_unreadable_files_raise_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_model(tmp_path / "none.tflite")
    (tmp_path / "empty.tflite").touch()
    with pytest.raises(InvalidModelError, match="at least 8 bytes required, found 0"):
        read_model(tmp_path / "empty.tflite")


def test_reading_does_not_import_what_only_writing_needs() -> None:
    source = "import sys, jitlite.schemas as s; s.read_model, s.verify; sys.exit('flatbuffers' in sys.modules)"
    subprocess.run([sys.executable, "-c", source], check=True, cwd=Path(__file__).parents[2])


def test_verify_is_the_function_whatever_was_imported_before() -> None:
    source = "import jitlite.schemas.verify; from jitlite.schemas import verify; verify.__call__"
    subprocess.run([sys.executable, "-c", source], check=True, cwd=Path(__file__).parents[2])
