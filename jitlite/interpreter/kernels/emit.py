"""Code that intrinsics write themselves: loops, functions and shuffles of LLVM's IR."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def index(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


class _LoopName(ir.MDValue):  # type: ignore[misc]  # llvmlite is untyped
    """Metadata that names a loop and forbids to unroll it, which would need more registers than there are."""

    def descr(self, buf: list[str]) -> None:
        buf += ["distinct !{ ", self.get_reference(), ', !{!"llvm.loop.unroll.disable"} }\n']


def loop(builder: Any, first: Any, stop: Any, step: int, state: list[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
    """Code that runs `body(index, state)`, which returns the next state, from `first` while below `stop`; returns the last state."""
    before = builder.block
    inside, behind = builder.append_basic_block("loop"), builder.append_basic_block("behind")
    builder.cbranch(builder.icmp_signed("<", first, stop), inside, behind)
    builder.position_at_end(inside)
    place = builder.phi(_I64)
    place.add_incoming(first, before)
    entering = [builder.phi(value.type) for value in state]
    for phi, value in zip(entering, state):
        phi.add_incoming(value, before)
    leaving = body(place, entering)
    following, end = builder.add(place, index(step)), builder.block
    place.add_incoming(following, end)
    for phi, value in zip(entering, leaving):
        phi.add_incoming(value, end)
    branch = builder.cbranch(builder.icmp_signed("<", following, stop), inside, behind)
    branch.set_metadata("llvm.loop", _LoopName(builder.module, [], name=str(len(builder.module.metadata))))
    builder.position_at_end(behind)
    found = []
    for value, last in zip(state, leaving):
        phi = builder.phi(value.type)
        phi.add_incoming(value, before)
        phi.add_incoming(last, end)
        found.append(phi)
    return found


def function(builder: Any, name: str, operands: Sequence[Any], body: Callable[..., None]) -> None:
    """Calls the function of this name, which `body(builder, *arguments)` writes where the module lacks it.

    It stays a function, which has all registers to itself.
    """
    made = builder.module.globals.get(name)
    if made is None:
        made = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [operand.type for operand in operands]), name)
        made.linkage = "linkonce_odr"
        made.attributes.add("noinline")
        inside = ir.IRBuilder(made.append_basic_block("entry"))
        body(inside, *made.args)
        inside.ret_void()
    builder.call(made, operands)


def choose(builder: Any, key: Any, names: Mapping[int, str], operands: Sequence[Any], code: Callable[[int], Callable[..., None]]) -> None:
    """Calls the function named for the value of `key`, which code(value) writes; none for other values."""
    behind = builder.append_basic_block("behind")
    choices = builder.switch(key, behind)
    for value, name in names.items():
        chosen = builder.append_basic_block("chosen")
        choices.add_case(index(value), chosen)
        builder.position_at_end(chosen)
        function(builder, name, operands, code(value))
        builder.branch(behind)
    builder.position_at_end(behind)


def shuffled(builder: Any, low: Any, high: Any, places: Sequence[int]) -> Any:
    """The elements of two vectors at these places, counted through both."""
    return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_I32, len(places)), list(places)))


def splat(builder: Any, value: Any, count: int) -> Any:
    """A vector of so many equal elements."""
    empty = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    return shuffled(builder, builder.insert_element(empty, value, ir.Constant(_I32, 0)), empty, [0] * count)
