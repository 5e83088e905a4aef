"""Custom operators that users bring: NumPy functions, which run in Python, and Numba functions, which become native steps of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import HostStep, Step, UserStep
from jitlite.schemas.dtypes import has_numpy_dtype, numpy_dtype, tensor_type
from jitlite.schemas.errors import InvalidModelError, JitliteError
from jitlite.schemas.flexbuffers import read_map
from jitlite.schemas.model import printable
from jitlite.schemas.ops.spec import Call, NeedsValue, OpSpec, Shape, TensorInfo
from jitlite.schemas.record import Record, replace
from jitlite.schemas.tables import BuiltinOperator, TensorType

Result = tuple[Shape, TensorType] | Shape | TensorInfo
"""What shape inference may return for an output: shape and type (a TensorType or a NumPy dtype), a shape of the type the file declares,
or a tensor of the same shape and type, such as an input."""

Inference = Callable[[Call], Sequence[Any]]
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def _map_of(data: bytes) -> dict[str, Any]:
    """The options most custom operators have: a map in FlexBuffers, or nothing."""
    return read_map(data) if data else {}


class CustomOperator(Record):
    """A custom operator in Python; `custom_operator` and `custom_kernel` make them.

    `function` takes the operands' arrays, then options by its parameters' names. `infer` gives the outputs' shapes and types from a Call,
    whose `options` are what `options` makes of the operator's bytes. `settings` are Numba's. One that does not
    run on the CPU has shape inference only.
    """

    name: str
    function: Callable[..., Any]
    infer: Inference | None = None
    options: Callable[[bytes], Any] = _map_of
    is_kernel: bool = False
    runs_on_cpu: bool = True
    settings: Mapping[str, Any] = MappingProxyType({})

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Calls the function itself."""
        return self.function(*arguments, **options)

    def resolve(self, call: Call) -> tuple[Call, Sequence[tuple[Shape, TensorType]] | None]:
        """The call with its options, and shapes and types of its outputs; None where only a run shows them."""
        call = replace(call, options=self._guarded(call, "options", lambda: self.options(call.custom_options)))
        if self.infer is None:
            if self.is_kernel:
                return call, [(info.shape, info.type) for info in call.outputs]
            return call, None
        infer = self.infer
        found = self._guarded(call, "infer", lambda: list(infer(call)))
        call.require(len(found) == len(call.outputs), f"{len(call.outputs)} outputs of infer are required, found {len(found)}")
        return call, self._guarded(call, "infer", lambda: list(map(_result, found, call.outputs)))

    def _guarded(self, call: Call, part: str, compute: Callable[[], Any]) -> Any:
        try:
            return compute()
        except NeedsValue:
            raise
        except InvalidModelError as error:
            raise error if call.where in str(error) else call.invalid(str(error)) from error
        except JitliteError:
            raise
        except Exception as error:
            raise call.unsupported(f"the custom operator's {part} failed: {error!r}") from error

    def step(self, call: Call) -> Step | HostStep:
        """What runs a call that is resolved."""
        return self._native(call) if self.is_kernel else self._host(call)

    def _host(self, call: Call) -> HostStep:
        options = self._chosen(call, len(call.inputs))
        function, is_single = self.function, len(call.outputs) == 1

        def run(arrays: Sequence[NDArray[Any] | None]) -> Sequence[NDArray[Any]]:
            found = function(*arrays, **options)
            return [np.asarray(found)] if is_single and not isinstance(found, (tuple, list)) else [np.asarray(item) for item in found]

        def write(arrays: Sequence[NDArray[Any] | None], results: Sequence[NDArray[Any]]) -> None:
            function(*arrays, **options, out=results[0] if is_single else tuple(results))

        out = next((item for item in _parameters(function) if item.name == "out"), None)
        if self.infer is None and out is not None and out.default is Parameter.empty:
            raise call.unsupported("a custom operator with a parameter 'out' must have 'infer'")
        return HostStep(run, shapes_known=self.infer is not None, write=write if out is not None and self.infer is not None else None)

    def _native(self, call: Call) -> UserStep:
        from jitlite.interpreter.user_kernels import compile_kernel

        tensors = (*call.inputs, *call.outputs)
        for info in tensors:
            if info is not None and not has_numpy_dtype(info.type):
                raise call.unsupported(f"types with a NumPy dtype are supported in custom kernels, found {info.type.name}")
        operands = [
            None if info is None else (numpy_dtype(info.type), info.rank, position >= len(call.inputs))
            for position, info in enumerate(tensors)
        ]
        options = list(self._chosen(call, len(tensors)).values())
        try:
            kernel = compile_kernel(self.function, operands, options, self.settings)
        except ModuleNotFoundError as error:
            raise call.unsupported("Numba is required for custom kernels, found none; pip install 'jitlite[jit]'") from error
        except Exception as error:
            raise call.unsupported(f"the custom kernel does not compile: {error}") from error
        return UserStep("custom", "call", kernel.arguments(tensors, options), kernel, options)

    def _chosen(self, call: Call, count: int) -> dict[str, Any]:
        """The options the function takes behind `count` arrays; UnsupportedError where it takes fewer, InvalidModelError for missing ones.

        Kernels get their defaults, too: natively there are none.
        """
        parameters = _parameters(self.function)
        positional = [item for item in parameters if item.kind in _POSITIONAL and not (item.name == "out" and not self.is_kernel)]
        is_variadic = any(item.kind is Parameter.VAR_POSITIONAL for item in parameters)
        if len(positional) < count and not is_variadic:
            raise call.unsupported(f"a function of {count} arrays is required, found one of {len(positional)}")
        given = call.options if isinstance(call.options, Mapping) else {"options": call.options}
        wanted = [] if is_variadic else positional[count:]
        wanted += [item for item in parameters if item.kind is Parameter.KEYWORD_ONLY and item.name != "out"]
        if any(item.kind is Parameter.VAR_KEYWORD for item in parameters):
            wanted += [Parameter(name, Parameter.KEYWORD_ONLY) for name in given if name not in {item.name for item in wanted}]
        found = {}
        for item in wanted:
            if item.name not in given and item.default is Parameter.empty:
                raise call.invalid(f"option '{item.name}' is required, found {sorted(map(printable, given))}")
            if item.name in given or self.is_kernel:
                found[item.name] = given.get(item.name, item.default)
        return found


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    """A function's parameters; those of functions that do not say are arrays."""
    try:
        return list(signature(getattr(function, "py_func", function)).parameters.values())
    except (TypeError, ValueError):
        return [Parameter("arrays", Parameter.VAR_POSITIONAL)]


def _result(item: Any, declared: TensorInfo) -> tuple[Shape, TensorType]:
    """An output's shape and type from what `infer` returned for it."""
    if isinstance(item, TensorInfo):
        return item.shape, item.type
    parts = tuple(item)
    if len(parts) == 2 and not isinstance(parts[0], (int, np.integer)):
        shape, type = parts
        type = type if isinstance(type, TensorType) else tensor_type(np.dtype(type))
    else:
        shape, type = parts, declared.type
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 or size != given for size, given in zip(sizes, shape)):
        raise ValueError(f"sizes of at least 0 are required, found {list(shape)}")
    return sizes, type


def custom_call(name: str, **fields: Any) -> Call:
    """A call of a custom operator that a user brings, which takes and gives any number of tensors."""
    return Call(OpSpec(name, BuiltinOperator.CUSTOM, ("input*",), lambda call: [], outputs=("output*",)), None, **fields)


CUSTOM_OPERATORS: dict[str, CustomOperator] = {}
"""Operators registered by the decorators: every interpreter made from then on knows them."""


def custom_operator(
    name: str, *, infer: Inference | None = None, options: Callable[[bytes], Any] = _map_of
) -> Callable[[Callable[..., Any]], CustomOperator]:
    """Registers a function of NumPy arrays as the custom operator `name`; a later one of the same name takes its place.

    The function gets an array for each operand, None for an absent one, and returns the output's array, or several. Its further parameters
    are options, taken by name from the operator's FlexBuffers map or what `options(bytes)` makes of its bytes. With a parameter `out` it
    writes into that array (a tuple of arrays where there are several outputs) instead.

    `infer` gets a Call (`inputs` with shape, type and, for constants, value; `options`) and returns for each output a shape, (shape, type)
    or one of the inputs. `call.constant(i)` is an operand's value, at run time too. Without `infer` the returned arrays decide.
    """

    def register(function: Callable[..., Any]) -> CustomOperator:
        CUSTOM_OPERATORS[name] = CustomOperator(name, function, infer, options)
        return CUSTOM_OPERATORS[name]

    return register


def custom_kernel(
    name: str, *, infer: Inference | None = None, options: Callable[[bytes], Any] = _map_of, **settings: Any
) -> Callable[[Callable[..., Any]], CustomOperator]:
    """Registers a function in Numba's language as the custom operator `name`: it is compiled for the types of each call and runs natively.

    The function gets C-contiguous arrays, first of the operands, which it must not write, then of the outputs, which it fills; None for
    an absent operand. Options follow as for `custom_operator`. `settings` are those of `numba.njit` (`fastmath`, `boundscheck`, `cache` …).
    Without `infer` the outputs have the shapes the file declares.
    """

    def register(function: Callable[..., Any]) -> CustomOperator:
        CUSTOM_OPERATORS[name] = CustomOperator(name, getattr(function, "function", function), infer, options, True, True, settings)
        return CUSTOM_OPERATORS[name]

    return register


def chosen_operators(given: Mapping[str, Any] | Iterable[CustomOperator] | None) -> dict[str, CustomOperator]:
    """The operators an interpreter knows: those registered, and the given ones in place of others of the same name.

    A mapping may have plain functions, of arrays without options. TypeError for anything else.
    """
    found = dict(CUSTOM_OPERATORS)
    if isinstance(given, Mapping):
        for name, item in given.items():
            found[name] = item if isinstance(item, CustomOperator) else CustomOperator(name, item)
    else:
        found |= {getattr(item, "name", ""): item for item in given or ()}
    for item in found.values():
        if not isinstance(item, CustomOperator) or not callable(item.function):
            raise TypeError(f"custom_operators: operators made by custom_operator or custom_kernel are required, found {item!r}")
    return found
