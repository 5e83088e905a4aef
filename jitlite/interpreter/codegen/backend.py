"""LLVM IR → object code for a target, through llvmlite."""

import re

import llvmlite.binding as llvm

from jitlite.interpreter.codegen.isa import definitions
from jitlite.interpreter.codegen.target import Target

_ALLOWED = re.compile(
    r"(mem(set|cpy|move)|(exp|exp2|expm1|log|log1p|tanh|sinh|cosh|sin|cos|tan|atan2|pow|erf|floor|ceil|rint|nearbyint|round|sqrt|fma|fmod)f?)"
)
"""External symbols a kernel may leave: those of the C and mathematics library."""


def _parse(text: str, header: str) -> llvm.ModuleRef:
    return llvm.parse_assembly(header + re.sub(r"^target (triple|datalayout) = .*$", "", text, flags=re.MULTILINE))


def _run_passes(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, options)
    prune = llvm.create_new_module_pass_manager()
    prune.add_refprune_pass()
    prune.run(module, builder)
    builder.getModulePassManager().run(module, builder)
    sweep = llvm.create_new_module_pass_manager()
    sweep.add_global_dead_code_eliminate_pass()
    sweep.run(module, builder)


def optimise(texts: list[str], exported: set[str], target: Target) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    """Links IR texts, hides everything but `exported`, and optimises for `target`.

    AssertionError when the code needs a symbol outside the C and mathematics library (an allocation or an exception in a kernel).
    """
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )
    header = f'target datalayout = "{machine.target_data}"\ntarget triple = "{target.triple}"\n'
    module = _parse("", header)
    for text in [*texts, definitions(target)]:
        module.link_in(_parse(text, header))
    for function in module.functions:
        if not function.is_declaration and function.name not in exported:
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration and variable.name not in exported:
            variable.linkage = "internal"
    module.verify()
    _run_passes(module, machine)
    needed = {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}
    needed |= {v.name for v in module.global_variables if v.is_declaration}
    foreign = sorted(name for name in needed if not _ALLOWED.fullmatch(name))
    assert not foreign, f"kernels may need only the C and mathematics library, found {foreign}"
    return module, machine


def emit_object(texts: list[str], exported: set[str], target: Target) -> bytes:
    """Object code of the linked, optimised texts."""
    module, machine = optimise(texts, exported, target)
    return bytes(machine.emit_object(module))


def emit_assembly(texts: list[str], exported: set[str], target: Target) -> str:
    """Assembly text of the same, for people who look at inner loops."""
    module, machine = optimise(texts, exported, target)
    return str(machine.emit_assembly(module))
