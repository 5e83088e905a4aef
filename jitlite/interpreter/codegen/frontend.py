"""Kernels → LLVM IR, through Numba. The one module that relies on Numba's internals.

It relies on: the library of a compiled function holding, once finalized, the function and everything it calls as an llvmlite module; the
native function's linkage name being that of its descriptor, and taking (return slot, exception slot, arguments…) and returning a 32-bit
status; the target context's `_internal_codegen`, and its methods that make functions callable, being replaceable; array views made by
`carray` referring to the run-time symbol NRT_MemInfo_call_dtor alone. `tests/interpreter/test_codegen.py` checks each of these; Numba
0.63.1 (the oldest allowed) and 0.68.1 (the newest) pass.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, get_type_hints

from numba import njit, types
from numba.core.codegen import AOTCPUCodegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from jitlite.interpreter.kernels.abi import KERNELS

MANIFEST = "kernel_manifest"
"""Symbol of the NUL-terminated text that lists a library's kernels: `name parameter:storage,…` each, with semicolons between."""

_INTEGERS = (types.int8, types.uint8, types.int16, types.uint16, types.int32, types.uint32, types.int64, types.uint64)
_NUMBA_TYPES: dict[str, Any] = {str(number): number for number in (*_INTEGERS, types.float32, types.float64)}
_POINTER_DTOR = "define void @NRT_MemInfo_call_dtor(ptr %p) alwaysinline {\n  ret void\n}\n"


@contextmanager
def _only_ir() -> Iterator[None]:
    """Numba makes no machine code meanwhile, and nothing that Python or C would call functions by: it takes longer than their IR.

    Functions compiled meanwhile cannot be called from Python.
    """
    replaced = {
        "_internal_codegen": _codegen(),
        "create_cpython_wrapper": lambda *arguments, **options: None,
        "create_cfunc_wrapper": lambda *arguments, **options: None,
        "get_executable": lambda library, *arguments: [library].append,  # of the type Numba requires, and the key it finds the code by
    }
    context = vars(cpu_target.target_context)
    kept = {name: context[name] for name in replaced if name in context}
    context.update(replaced)
    try:
        yield
    finally:
        for name in replaced:
            del context[name]
        context.update(kept)


@cache
def _codegen() -> AOTCPUCodegen:
    return AOTCPUCodegen("jitlite")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One kernel parameter: its name and how it is stored in the argument block ("pointer", "int" or "float")."""

    name: str
    storage: str
    element: str

    @property
    def numba_type(self) -> Any:
        element = _NUMBA_TYPES[self.element]
        return types.CPointer(element) if self.storage == "pointer" else element


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a kernel without the trailing `thread` and `threads`; AssertionError when it breaks the ABI's rules."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    names = list(hints)
    assert names[-2:] == ["thread", "threads"], f"{function.__name__}: the last parameters must be thread and threads, found {names[-2:]}"
    found = []
    for name in names[:-2]:
        base, element = hints[name].__origin__, hints[name].__metadata__[0]
        storage = {int: "int", float: "float"}.get(base, "pointer")
        found.append(Parameter(name, storage, element))
    return found


def _entry(symbol: str, native: str, declared: list[Parameter], returns_status: bool) -> str:
    """IR of the C entry: unpacks the argument block and calls the native function."""
    value_types = ["ptr" if p.storage == "pointer" else str(cpu_target.target_context.get_value_type(p.numba_type)) for p in declared] + [
        "i64",
        "i64",
    ]
    lines = [f'declare i32 @"{native}"(ptr, ptr{"".join(", " + t for t in value_types)})']
    lines.append(f'define i32 @"{symbol}"(ptr %block, i64 %thread, i64 %threads) {{')
    for i, (parameter, value_type) in enumerate(zip(declared, value_types)):
        lines.append(f"  %p{i} = getelementptr i64, ptr %block, i64 {i}")
        stored = "double" if parameter.storage == "float" else "i64"
        if stored == value_type:
            lines.append(f"  %a{i} = load {stored}, ptr %p{i}")
            continue
        convert = {"pointer": "inttoptr", "int": "trunc", "float": "fptrunc"}[parameter.storage]
        lines += [f"  %w{i} = load {stored}, ptr %p{i}", f"  %a{i} = {convert} {stored} %w{i} to {value_type}"]
    arguments = "".join(f", {t} %a{i}" for i, t in enumerate(value_types[:-2])) + ", i64 %thread, i64 %threads"
    lines += ["  %result = alloca i64", "  %exception = alloca ptr", "  store i64 0, ptr %result"]
    lines.append(f'  %status = call i32 @"{native}"(ptr %result, ptr %exception{arguments})')
    lines += ["  %value = load i32, ptr %result", "  ret i32 %value" if returns_status else "  ret i32 0", "}"]
    return "\n".join(lines) + "\n"


def _lower(symbol: str, function: Callable[..., Any]) -> tuple[list[str], list[Parameter]]:
    declared = parameters(function)
    returns_status = get_type_hints(function).get("return") is not type(None)
    signature = (types.int32 if returns_status else types.void)(*[p.numba_type for p in declared], types.int64, types.int64)
    fastmath = set(getattr(function, "fastmath", ())) or False
    with global_compiler_lock, _only_ir():
        compiled = njit(error_model="numpy", boundscheck=False, fastmath=fastmath)(function)
        compiled.compile(signature)
        (result,) = compiled.overloads.values()
        result.library.finalize()
    module, native = result.library._final_module, result.fndesc.llvm_func_name
    return [str(module), _entry(symbol, native, declared, returns_status)], declared


def _manifest(kernels: dict[str, list[Parameter]]) -> str:
    text = ";".join(f"{name} {','.join(f'{p.name}:{p.storage}' for p in declared)}" for name, declared in kernels.items())
    assert re.fullmatch(r"[\w:,; ]*", text, re.ASCII)
    return f'@{MANIFEST} = constant [{len(text) + 1} x i8] c"{text}\\00"\n'


def lower_family(family: str) -> tuple[list[str], set[str]]:
    """LLVM IR texts of a kernel family, to be linked into one module, and the symbols to export."""
    module_name = f"jitlite.interpreter.kernels.{family}"
    import_module(module_name)
    texts, kernels = [_POINTER_DTOR], {}
    for name, function in KERNELS[module_name].items():
        try:
            lowered, kernels[name] = _lower(name, function)
        except Exception as error:
            error.add_note(f"while compiling kernel {family}.{name}")
            raise
        texts += lowered
    texts.append(_manifest(kernels))
    return texts, {*kernels, MANIFEST}
