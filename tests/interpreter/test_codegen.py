"""What the code generator relies on in Numba and llvmlite, the linker, and the cache."""

import ctypes
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba import carray, njit

from jitlite.interpreter.codegen import cache, library
from jitlite.interpreter.codegen.backend import emit_object
from jitlite.interpreter.codegen.frontend import _entry, _lower, _manifest, lower_family, parameters
from jitlite.interpreter.codegen.link import link
from jitlite.interpreter.codegen.target import Target, host_target
from jitlite.interpreter.kernels.abi import f32, f32p, f64, i32, i64, i64p, kernel, u8p
from jitlite.schemas.errors import JitliteError, UnsupportedError

PACKAGE = Path(cache.PACKAGE)


def mix(x: f32p, y: f32p, count: i64, shift: i32, slope: f32, offset: f64, thread: i64, threads: i64) -> None:
    for i in range(count):
        y[i] = math.exp(x[i] * slope) + offset + shift


def check_positive(values: i64p, count: i64, thread: i64, threads: i64) -> i32:
    for i in range(count):
        if values[i] < 0:
            return 7
    return 0


def build(folder: Path, functions: dict, target: Target | None = None) -> ctypes.CDLL:
    texts, declared = [], {}
    for name, function in functions.items():
        lowered, declared[name] = _lower(name, function)
        texts += lowered
    path = folder / "built.so"
    path.write_bytes(link(emit_object([*texts, _manifest(declared)], {*functions, "kernel_manifest"}, target or host_target())))
    return ctypes.CDLL(str(path))


def call(library: ctypes.CDLL, name: str, words: list[int]) -> int:
    block = np.array(words, np.int64)
    entry = getattr(library, name)
    entry.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    return entry(block.ctypes.data, 0, 1)


def bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


def test_arguments_of_every_kind_arrive(tmp_path):
    x, y = np.linspace(-1, 1, 37, dtype=np.float32), np.zeros(37, np.float32)
    built = build(tmp_path, {"mix": mix})
    assert call(built, "mix", [x.ctypes.data, y.ctypes.data, 37, -3, bits(1.5), bits(0.25)]) == 0
    np.testing.assert_allclose(y, np.exp(x * np.float32(1.5)) + 0.25 - 3, rtol=1e-5)


def test_a_kernel_returns_its_status(tmp_path):
    built = build(tmp_path, {"check_positive": check_positive, "mix": mix})
    values = np.array([1, 2, -3], np.int64)
    assert call(built, "check_positive", [values.ctypes.data, 2]) == 0
    assert call(built, "check_positive", [values.ctypes.data, 3]) == 7


def test_parameters_name_storage_and_element():
    found = [(p.name, p.storage, p.element) for p in parameters(mix)]
    assert found == [
        ("x", "pointer", "float32"),
        ("y", "pointer", "float32"),
        ("count", "int", "int64"),
        ("shift", "int", "int32"),
        ("slope", "float", "float32"),
        ("offset", "float", "float64"),
    ]


def test_a_module_holds_the_kernel_under_the_known_signature_and_what_it_calls():
    @njit
    def doubled(x):
        return 2 * x

    def calls(x: f32p, count: i64, thread: i64, threads: i64) -> None:
        x[0] = doubled(x[0])

    (text, entry), _ = _lower("calls", calls)
    module = llvm.parse_assembly(text)
    native = next(f for f in module.functions if f'@"{f.name}"(ptr, ptr, ptr, i64, i64, i64)' in entry)
    assert not native.is_declaration
    assert [str(a.type) for a in native.arguments] == ["ptr", "ptr", "ptr", "i64", "i64", "i64"]
    assert not any(f.is_declaration and f.name.startswith("_ZN") for f in module.functions)


def test_functions_compiled_after_kernels_can_be_called():
    _lower("mix", mix)
    assert njit(lambda x: x + 1)(1) == 2


def test_array_views_need_one_runtime_symbol():
    def double(x: f32p, count: i64, thread: i64, threads: i64) -> None:
        view = carray(x, (count,))
        for i in range(count):
            view[i] = view[i] * 2

    (text, _), _ = _lower("double", double)
    declared = {f.name for f in llvm.parse_assembly(text).functions if f.is_declaration}
    assert {name for name in declared if name.startswith("NRT_")} <= {"NRT_MemInfo_call_dtor"}


def test_a_kernel_that_allocates_is_refused():
    def allocates(y: f32p, count: i64, thread: i64, threads: i64) -> None:
        scratch = np.zeros(count, np.float32)
        y[0] = scratch[0]

    texts, _ = _lower("allocates", allocates)
    with pytest.raises(AssertionError, match="mathematics library"):
        emit_object(texts, {"allocates"}, host_target())


def test_entry_converts_each_storage():
    text = _entry("k", "_ZN1kE", parameters(mix), returns_status=False)
    assert "inttoptr i64" in text
    assert "fptrunc double" in text
    assert "trunc i64" in text


@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a72", "cortex-a76"])
def test_kernels_link_for_aarch64(cpu):
    built = link(emit_object(*lower_family("executor"), Target("aarch64-unknown-linux-gnu", cpu)))
    assert built[:4] == b"\x7fELF"
    assert int.from_bytes(built[18:20], "little") == 183


COPY = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define void @copy(ptr %y, ptr %x, i64 %count) {
  call void @llvm.memcpy.p0.p0.i64(ptr %y, ptr %x, i64 %count, i1 0)
  ret void
}
"""


@pytest.mark.parametrize("target", [host_target(), Target("aarch64-unknown-linux-gnu", "cortex-a72")], ids=["host", "aarch64"])
def test_copies_are_left_to_a_function_of_one_version(target):
    built = link(emit_object([COPY], {"copy"}, target))
    assert b"\0memmove\0" in built
    assert b"memcpy" not in built


def test_link_refuses_writable_data():
    target = host_target()
    with pytest.raises(ValueError, match="read-only data are required"):
        link(emit_object(["@counter = global i32 5\n"], {"counter"}, target))


def test_object_code_loads_in_process(tmp_path):
    path = tmp_path / "executor.o"
    path.write_bytes(emit_object(*lower_family("executor"), host_target()))
    loaded = library._open("executor", str(path))
    source, target = np.arange(9, dtype=np.uint8), np.zeros(9, np.uint8)
    entry = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(loaded.addresses["copy_bytes"])
    block = np.array([source.ctypes.data, target.ctypes.data, 9], np.int64)
    assert entry(block.ctypes.data, 0, 1) == 0
    assert (source == target).all()
    assert loaded.parameters["copy_bytes"] == [("source", "pointer"), ("target", "pointer"), ("count", "int")]


def test_two_kernels_of_one_name_are_refused():
    @kernel(name="twice")
    def first(x: u8p, thread: i64, threads: i64) -> None: ...

    with pytest.raises(AssertionError, match="defined twice"):

        @kernel(name="twice")
        def second(x: u8p, thread: i64, threads: i64) -> None: ...


LOAD = "from jitlite.interpreter.codegen.library import load; load(['executor', 'extra'])"
EXTRA = """
from jitlite.interpreter.kernels.abi import i64, kernel, u8p


@kernel
def clear(x: u8p, count: i64, thread: i64, threads: i64) -> None:
    for i in range(count):
        x[i] = 0
"""


@pytest.fixture
def copied_package(tmp_path):
    """A copy of the package whose sources a test may edit, and a cache of its own."""
    shutil.copytree(PACKAGE, tmp_path / "code" / "jitlite", ignore=shutil.ignore_patterns("__pycache__"))
    extra = tmp_path / "code" / "jitlite" / "interpreter" / "kernels" / "extra.py"
    extra.write_text(EXTRA)
    os.utime(extra, (1e9, 1e9))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "code"), "JITLITE_CACHE_DIR": str(tmp_path / "cache")}

    def run(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return tmp_path, run


@pytest.mark.slow
def test_editing_a_kernel_recompiles_its_family_alone(copied_package):
    folder, run = copied_package

    def libraries() -> set[str]:
        return {path.name for path in (folder / "cache").iterdir() if not path.name.startswith("index-")}

    run(LOAD)
    before = libraries()
    assert len(before) == 2
    source = folder / "code" / "jitlite" / "interpreter" / "kernels" / "executor.py"
    source.write_text(source.read_text() + "\n")
    run(LOAD)
    added = libraries() - before
    assert [name.split("-")[0] for name in added] == ["executor"]
    shared = folder / "code" / "jitlite" / "interpreter" / "kernels" / "abi.py"
    shared.write_text(shared.read_text() + "\n")
    run(LOAD)
    assert len(libraries()) == 5


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_imports_no_compiler(copied_package):
    folder, run = copied_package
    run(LOAD)
    assert len(list((folder / "cache").glob("index-*.txt"))) == 1
    unwanted = (
        "numba",
        "llvmlite",
        "onnx",
        "jitlite.interpreter.codegen.cache",
        "jitlite.interpreter.codegen.compile",
        "hashlib",
        "pathlib",
    )
    printed = run(LOAD + f"; import sys; print([m for m in {unwanted} if m in sys.modules])")
    assert printed.strip() == "[]"


def test_importing_the_interpreter_imports_no_compiler():
    code = "import sys, jitlite.interpreter; print([m for m in ('numba', 'llvmlite', 'onnx', 'flatbuffers', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_file_name_depends_on_target_and_compilers(monkeypatch):
    names = {cache.file_name("executor")}
    monkeypatch.setenv("JITLITE_TARGET", "aarch64-unknown-linux-gnu/cortex-a72")
    names.add(cache.file_name("executor"))
    monkeypatch.setattr(cache, "compiler_versions", lambda: "numba-0.0.0.dist-info llvmlite-0.0.0.dist-info")
    names.add(cache.file_name("executor"))
    assert len(names) == 3


def test_without_compilers_any_cached_library_of_the_sources_will_do(monkeypatch, tmp_path):
    monkeypatch.setenv("JITLITE_CACHE_DIR", str(tmp_path / "cache"))
    made = cache.cache_folder() / cache.file_name("executor")
    made.write_bytes(b"")
    monkeypatch.setattr(cache, "compiler_versions", lambda: "")
    assert cache.find("executor") == made
    assert cache.find("product_f32") is None


def test_without_compilers_the_error_says_what_to_install(monkeypatch, tmp_path):
    from jitlite.interpreter.codegen import compile as compiling

    monkeypatch.setenv("JITLITE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "compiler_versions", lambda: "")
    monkeypatch.setattr(compiling, "compiler_versions", lambda: "")
    monkeypatch.setattr(library, "_loaded", {})
    with pytest.raises(UnsupportedError, match=r"pip install 'jitlite\[jit\]'"):
        library.load(["executor"])


def test_a_damaged_library_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("JITLITE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "_loaded", {})
    (cache.cache_folder() / cache.file_name("executor")).write_bytes(b"not a library")
    with pytest.raises(JitliteError, match="delete it to compile anew"):
        library.load(["executor"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_cache_folder_is_private(monkeypatch, tmp_path):
    monkeypatch.setenv("JITLITE_CACHE_DIR", str(tmp_path / "new" / "cache"))
    assert cache.cache_folder().stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("JITLITE_CACHE_DIR", str(tmp_path / "open"))
    with pytest.raises(JitliteError, match="mode 0700"):
        cache.cache_folder()


def test_a_kernel_that_does_not_compile_is_reported(copied_package):
    folder, run = copied_package
    source = folder / "code" / "jitlite" / "interpreter" / "kernels" / "executor.py"
    source.write_text(source.read_text() + "\n\n@kernel\ndef broken(x: u8p, thread: i64, threads: i64) -> None:\n    x[0] = 'text'\n")
    printed = run(
        "from jitlite.schemas.errors import JitliteError\n"
        "from jitlite.interpreter.codegen.library import load\n"
        "try:\n    load(['executor'])\nexcept JitliteError as error:\n    print('while compiling kernel executor.broken' in str(error))"
    )
    assert printed.strip() == "True"
