"""The interpreter, with LiteRT's names and meanings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.budgets import ARENA_LIMIT_BYTES, WORK_LIMIT, MemoryBudget, WorkBudget
from jitlite.interpreter.custom import CustomOperator, chosen_operators
from jitlite.interpreter.kernels.team_blocks import NO_TEAM
from jitlite.interpreter.plan import operator_kinds
from jitlite.interpreter.plan_cache import KeptPlans
from jitlite.interpreter.program import Program, ProgramOptions
from jitlite.interpreter.sharing import sharing
from jitlite.interpreter.state import State
from jitlite.schemas.dtypes import INTEGER_RANGE, is_packed, packed_elements, stored_dtype, unpacked_dtype, unpacked_elements
from jitlite.schemas.model import operator_name
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.read import map_file, read_mapped, read_model
from jitlite.schemas.sparsity import constant_data
from jitlite.schemas.strings import as_strings
from jitlite.schemas.tables import BuiltinOperator, Model, SignatureDef, Tensor, TensorType
from jitlite.schemas.verify import verify

if TYPE_CHECKING:
    from jitlite.interpreter.delegates.planning import Delegation


class OpResolverType(Enum):
    """LiteRT's choice of kernels; jitlite has one set, equal to the reference bit for bit, and accepts every value.

    BUILTIN_REF asks for the reference even where it is at fault: it adds the bytes of SUM's INT8 operands up as if they had no sign, which
    LiteRT's other kernels do not.
    """

    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3


def _element_type(tensor: Tensor) -> type:
    """The NumPy type of a tensor's elements as the interpreter hands them out: a byte each where several share one."""
    if tensor.type is TensorType.STRING:
        return np.bytes_
    dtype = unpacked_dtype(tensor.type) if is_packed(tensor.type) else stored_dtype(tensor.type)
    return np.uint8 if dtype is None else dtype.type


def _details(index: int, tensor: Tensor, shape: Sequence[int]) -> dict[str, Any]:
    quantization = tensor.quantization
    scales = [] if quantization is None else quantization.scale
    zero_points = [] if quantization is None else quantization.zero_point
    single = len(scales) == 1
    return {
        "name": tensor.name,
        "index": index,
        "shape": np.array(shape, np.int32),
        "shape_signature": np.array(tensor.shape_signature or shape, np.int32),
        "dtype": _element_type(tensor),
        "quantization": (scales[0], zero_points[0] if zero_points else 0) if single else (0.0, 0),
        "quantization_parameters": {
            "scales": np.array(scales, np.float32),
            "zero_points": np.array(zero_points, np.int64).astype(np.int32),
            "quantized_dimension": 0 if quantization is None else quantization.quantized_dimension,
            "block_size": getattr(quantization.details, "block_size", 0) if quantization is not None else 0,
        },
        "sparsity_parameters": {} if tensor.sparsity is None else _sparsity(tensor),
    }


def _sparsity(tensor: Tensor) -> dict[str, Any]:
    assert tensor.sparsity is not None
    return {
        "traversal_order": np.array(tensor.sparsity.traversal_order, np.int32),
        "block_map": np.array(tensor.sparsity.block_map, np.int32),
        "dim_metadata": [{"format": int(dim.format), "dense_size": dim.dense_size} for dim in tensor.sparsity.dim_metadata],
    }


_InputMemory = tuple[NDArray[Any], np.dtype[Any] | None, tuple[int, ...]]
"""An input's memory, the dtype its values must have (None for strings, which have several) and their shape."""


class SubgraphSession:
    """One subgraph's inputs, memory and runs; the interpreter has one, and each signature of another subgraph its own."""

    def __init__(self, model: Model, subgraph: int, options: ProgramOptions, plans: KeptPlans) -> None:
        self.model, self.subgraph, self.options, self._plans = model, subgraph, options, plans
        self.graph = model.subgraphs[subgraph]
        self.shapes = {index: tuple(self.graph.tensors[index].shape) for index in self.graph.inputs}
        self.program: Program | None = None
        self.call: Callable[[], int] | None = None
        self._inputs: dict[int, _InputMemory] = {}
        self._views: dict[int, NDArray[Any]] = {}

    def resize(self, index: int, shape: Sequence[int], strict: bool) -> None:
        if index not in self.shapes:
            raise ValueError(f"tensor {index}: one of the inputs {list(self.graph.inputs)} is required")
        wanted = tuple(int(dim) for dim in shape)
        limit = INTEGER_RANGE[TensorType.INT32][1]
        if any(not 0 <= dim <= limit for dim in wanted):
            raise ValueError(f"tensor {index}: sizes from 0 to {limit} are required, found {wanted}")
        tensor = self.graph.tensors[index]
        if strict:
            signature = tensor.shape_signature or tensor.shape
            if len(signature) != len(wanted) or any(fixed not in (-1, dim) for fixed, dim in zip(signature, wanted)):
                raise ValueError(f"tensor {index} '{tensor.name}': a shape that fits {list(signature)} is required, found {list(wanted)}")
        if wanted != self.shapes[index]:
            if self.program is not None:
                self.program.close()
            self.shapes[index] = wanted
            self.program, self.call, self._inputs, self._views = None, None, {}, {}

    def allocate(self) -> None:
        if self.program is None:
            infos = {index: self._input(index, shape) for index, shape in self.shapes.items()}
            is_stated = all(shape == tuple(self.graph.tensors[index].shape) for index, shape in self.shapes.items())
            kept = self._plans.of(self.subgraph) if is_stated else None
            self.program = Program(self.model, self.subgraph, infos, self.options, kept)
            self.call = self.program.call

    def _input(self, index: int, shape: tuple[int, ...]) -> TensorInfo:
        tensor = self.graph.tensors[index]
        return TensorInfo(shape, tensor.type, None, tensor.quantization, index, tensor.name, tensor.is_variable)

    def required_program(self) -> Program:
        if self.program is None:
            raise RuntimeError("allocate_tensors() is required first")
        return self.program

    def shape(self, index: int) -> tuple[int, ...]:
        info = self.program.info(index) if self.program is not None else None
        if info is not None:
            return info.shape
        return self.shapes.get(index, tuple(self.graph.tensors[index].shape))

    def check_index(self, index: int) -> None:
        if not 0 <= index < len(self.graph.tensors):
            raise ValueError(f"tensor index below {len(self.graph.tensors)} is required, found {index}")

    def _input_memory(self, index: int) -> _InputMemory:
        self.check_index(index)
        array = self.required_program().array(index)
        if array is None or index not in self.shapes:
            raise ValueError(f"tensor {index}: one of the inputs {list(self.graph.inputs)} is required")
        type = self.graph.tensors[index].type
        self._inputs[index] = array, None if type is TensorType.STRING or is_packed(type) else array.dtype, array.shape
        return self._inputs[index]

    def try_set(self, index: int, value: Any) -> bool:
        """Copies `value` into an input, or returns False unless it is an array with the input's own dtype and shape."""
        view, dtype, shape = self._inputs.get(index) or self._input_memory(index)
        if type(value) is np.ndarray and value.dtype is dtype and value.shape == shape:
            view[...] = value
            return True
        return False

    def set(self, index: int, value: Any) -> None:
        """Copies `value`, an array or what NumPy makes one of, into an input; ValueError unless it has the input's dtype and shape."""
        if self.try_set(index, value):
            return
        (view, dtype, shape), array = self._inputs[index], np.asarray(value)
        if dtype is None and is_packed(self.graph.tensors[index].type):
            self._set_packed(index, view, array)
            return
        if dtype is None:
            array = as_strings(value)
            dtype = array.dtype
        if array.dtype != dtype or array.shape != shape:
            name = self.graph.tensors[index].name
            raise ValueError(f"tensor {index} '{name}': {dtype} of shape {shape} is required, found {array.dtype} of shape {array.shape}")
        view[...] = array

    def _set_packed(self, index: int, memory: NDArray[Any], array: NDArray[Any]) -> None:
        tensor, shape = self.graph.tensors[index], self.shapes[index]
        dtype = unpacked_dtype(tensor.type)
        if array.dtype != dtype or array.shape != shape:
            required = f"{dtype} of shape {shape} for {tensor.type.name}"
            raise ValueError(f"tensor {index} '{tensor.name}': {required} is required, found {array.dtype} of shape {array.shape}")
        memory[...] = packed_elements(np.ascontiguousarray(array), tensor.type)

    def value(self, index: int) -> NDArray[Any]:
        """A copy of a tensor's value, with a byte for each element where several share one."""
        found, type = self.view(index), self._tensor(index).type
        return unpacked_elements(found, type, self.shape(index)) if is_packed(type) else found.copy()

    def view(self, index: int) -> NDArray[Any]:
        """A tensor's own memory, or a constant's data."""
        found = self._views.get(index)
        return self._view(index) if found is None else found

    def _view(self, index: int) -> NDArray[Any]:
        self.check_index(index)
        program = self.required_program()
        array = program.array(index)
        if array is None:
            tensor = self.graph.tensors[index]
            is_string = tensor.type is TensorType.STRING
            array = program.state.strings.of(tensor) if is_string else constant_data(self.model, tensor)
            if array is None:
                raise ValueError(f"tensor {index} '{tensor.name}': a tensor the plan computes is required; it has no data")
        if program.is_settled:
            self._views[index] = array
        return array

    def run(self) -> None:
        status = NO_TEAM if self.call is None else self.call()
        if status:
            self._run(status)

    def _run(self, status: int) -> None:
        """Runs what one native call does not, or has not for want of a team; raises what another status stands for."""
        program = self.required_program()
        if status != NO_TEAM:
            raise program.failure(status)
        program.run()
        self.call = program.call

    def details(self, index: int) -> dict[str, Any]:
        return _details(index, self._tensor(index), self.shape(index))

    def _tensor(self, index: int) -> Tensor:
        """A tensor as the file describes it, with the type it has here: there are operators that set their result's type."""
        tensor, info = self.graph.tensors[index], self.program.info(index) if self.program is not None else None
        return tensor if info is None or info.type is tensor.type else tensor.copy(type=info.type)


class SignatureRunner:
    """Runs one signature: call it with the inputs by name, get the outputs by name."""

    def __init__(self, signature: SignatureDef, session: SubgraphSession) -> None:
        self._signature, self._session = signature, session
        self._inputs = {item.name: item.tensor_index for item in signature.inputs}
        self._outputs = {item.name: item.tensor_index for item in signature.outputs}

    def __call__(self, **inputs: Any) -> dict[str, NDArray[Any]]:
        """Outputs by name. Inputs may have other sizes than the model states; ValueError for missing, unknown or ill-typed inputs."""
        session, fitting = self._session, 0
        if session.program is not None:
            for name, value in inputs.items():
                fitting += name in self._inputs and session.try_set(self._inputs[name], value)
        if session.program is None or not fitting == len(inputs) == len(self._inputs):
            self._resize_and_set(inputs)
        session.run()
        return {name: session.value(index) for name, index in self._outputs.items()}

    def _resize_and_set(self, inputs: Mapping[str, Any]) -> None:
        if inputs.keys() != self._inputs.keys():
            raise ValueError(
                f"signature '{self._signature.signature_key}': inputs {sorted(self._inputs)} are required, found {sorted(inputs)}"
            )
        arrays = {self._inputs[name]: np.asarray(value) for name, value in inputs.items()}
        for index, array in arrays.items():
            if array.shape != self._session.shape(index):
                self._session.resize(index, array.shape, strict=False)
        self._session.allocate()
        for index, array in arrays.items():
            self._session.set(index, array)

    def get_input_details(self) -> dict[str, dict[str, Any]]:
        return {name: self._session.details(index) for name, index in self._inputs.items()}

    def get_output_details(self) -> dict[str, dict[str, Any]]:
        return {name: self._session.details(index) for name, index in self._outputs.items()}


def _opened(
    path: str | os.PathLike[str] | None, content: bytes | bytearray | memoryview | None, custom: Mapping[str, Any] | None
) -> tuple[Model, KeptPlans]:
    """A model, verified, and the plans kept of it; those were made of the same model after it had been verified.

    None are kept where the model has any of the `custom` operators, or without these.
    """
    if path is None:
        assert content is not None
        return verify(read_model(content)), KeptPlans(None)
    file = map_file(path)
    model = read_mapped(file)
    has_custom = custom is None or any(name in custom for builtin, name in operator_kinds(model) if builtin is BuiltinOperator.CUSTOM)
    plans = KeptPlans(None if has_custom else file)
    main = plans.of(0)
    return model if main is not None and main.is_kept else verify(model), plans


def _delegation(delegates: Sequence[Any], **settings: Any) -> Delegation | None:
    """What plans with these delegates; TypeError for other things, such as LiteRT's delegates."""
    if not delegates:
        return None
    from jitlite.interpreter.delegates.planning import Delegation
    from jitlite.interpreter.delegates.protocol import Delegate

    for item in delegates:
        if not isinstance(item, Delegate):
            raise TypeError(f"experimental_delegates: delegates made by jitlite.load_delegate are required, found {item!r}")
    return Delegation(tuple(delegates), **settings)


class Interpreter:
    """Runs a .tflite model.

    Several interpreters may run at once in several threads; one interpreter serves one thread at a time.
    `model_path` or `model_content` (bytes) names the model. `num_threads` threads share the steps that are worth it, at most one for each
    processor the process may use; None and -1 stand for one. `custom_operators` are operators that `custom_operator` and `custom_kernel`
    made, or a mapping of names to them; those registered are known without (docs/custom-operators.md). `custom_op_registerers` is LiteRT's
    name for the same. `experimental_delegates` are delegates that `load_delegate` made, asked in their order what they take;
    `experimental_disable_delegate_clustering` and `experimental_disable_delegate_node_fusion` make smaller partitions (docs/delegates.md).
    `arena_limit_bytes` bounds the tensor memory in use at once, `work_limit` the work of one run, rounds of loops included, in units of
    about a multiply-add (docs/safety.md). The other `experimental_` options are accepted and change nothing here. JitliteError for a model
    that is damaged or asks for something unsupported.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        model_content: bytes | bytearray | memoryview | None = None,
        experimental_delegates: Sequence[Any] | None = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: OpResolverType = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        experimental_disable_delegate_clustering: bool = False,
        experimental_default_delegate_latest_features: bool = False,
        experimental_compress_quantization_zero_points: bool = False,
        experimental_disable_delegate_node_fusion: bool = False,
        experimental_force_delegate_node_profiling: bool = False,
        *,
        custom_operators: Mapping[str, Any] | Iterable[CustomOperator] | None = None,
        custom_op_registerers: Iterable[CustomOperator] | None = None,
        arena_limit_bytes: int = ARENA_LIMIT_BYTES,
        work_limit: int = WORK_LIMIT,
    ) -> None:
        if (model_path is None) == (model_content is None):
            raise ValueError("either model_path or model_content is required")
        if num_threads is not None and (not isinstance(num_threads, int) or num_threads < -1 or num_threads == 0):
            raise ValueError(f"num_threads: -1 or at least 1 is required, found {num_threads!r}")
        is_reference = getattr(experimental_op_resolver_type, "name", "") == OpResolverType.BUILTIN_REF.name
        is_replanned = experimental_preserve_all_tensors or is_reference or bool(experimental_delegates)
        custom = chosen_operators(custom_operators if custom_op_registerers is None else custom_op_registerers)
        self._model, self._plans = _opened(model_path, model_content, None if is_replanned else custom)
        options = ProgramOptions(
            custom=custom,
            memory=MemoryBudget(arena_limit_bytes),
            work=WorkBudget(work_limit),
            preserve_all=experimental_preserve_all_tensors,
            sharing=sharing(max(1, num_threads or 1)),
            state=State(self._model),
            delegation=_delegation(
                experimental_delegates or (),
                gathers=not experimental_disable_delegate_clustering,
                joins=not experimental_disable_delegate_node_fusion,
            ),
            is_reference=is_reference,
        )
        self._options = options
        self._main = SubgraphSession(self._model, 0, options, self._plans)
        self._sessions = {0: self._main}

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("an Interpreter cannot be pickled or copied: make another one from the same file")

    @property
    def model(self) -> Model:
        """The model as read from the file."""
        return self._model

    def allocate_tensors(self) -> None:
        """Plans the model for the present input shapes and allocates its memory."""
        self._main.allocate()

    def get_input_details(self) -> list[dict[str, Any]]:
        """Details of each input: name, index, shape, shape_signature, dtype, quantization and sparsity."""
        return [self._main.details(index) for index in self._main.graph.inputs]

    def get_output_details(self) -> list[dict[str, Any]]:
        """Details of each output, as for inputs."""
        return [self._main.details(index) for index in self._main.graph.outputs]

    def get_tensor_details(self, subgraph_index: int = 0) -> list[dict[str, Any]]:
        """Details of each tensor of a subgraph, the main one unless said otherwise."""
        session = self._session(subgraph_index)
        return [session.details(index) for index in range(len(session.graph.tensors))]

    def _get_ops_details(self) -> list[dict[str, Any]]:
        """Index, name, tensors and their types of each operator of the main subgraph: LiteRT's undocumented but much used call."""
        tensors = self._main.graph.tensors
        return [
            {
                "index": index,
                "op_name": operator_name(self._model, op),
                "inputs": np.array(op.inputs, np.int32),
                "outputs": np.array(op.outputs, np.int32),
                "operand_types": [_element_type(tensors[item]) if item >= 0 else None for item in op.inputs],
                "result_types": [_element_type(tensors[item]) for item in op.outputs],
            }
            for index, op in enumerate(self._main.graph.operators)
        ]

    def num_subgraphs(self) -> int:
        """Number of subgraphs of the model."""
        return len(self._model.subgraphs)

    def _session(self, subgraph_index: int) -> SubgraphSession:
        """The session of a subgraph, made when it is first asked for; ValueError for a subgraph that does not exist."""
        if not 0 <= subgraph_index < len(self._model.subgraphs):
            raise ValueError(f"subgraph_index: below {len(self._model.subgraphs)} is required, found {subgraph_index}")
        if subgraph_index not in self._sessions:
            self._sessions[subgraph_index] = SubgraphSession(self._model, subgraph_index, self._options, self._plans)
        return self._sessions[subgraph_index]

    def set_tensor(self, tensor_index: int, value: Any) -> None:
        """Copies `value` into an input; ValueError unless dtype and shape are the tensor's own.

        Tensors of strings take arrays of text, which becomes UTF-8, of bytes, or of objects of both, and give arrays of `bytes` objects.
        """
        if not self._main.try_set(tensor_index, value):
            self._main.set(tensor_index, value)

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> NDArray[Any]:
        """A copy of a tensor's value. Intermediate values last only with `experimental_preserve_all_tensors`.

        Subgraphs besides the main one hold values once a signature runs them; what control flow computes inside is not kept.
        """
        return self._session(subgraph_index).value(tensor_index)

    def tensor(self, tensor_index: int) -> Callable[[], NDArray[Any]]:
        """A function that returns the tensor's own memory as an array; it stays valid until the next allocation.

        Elements of which several share a byte stay packed.
        """
        return lambda: self._main.view(tensor_index)

    def resize_tensor_input(self, input_index: int, tensor_size: Sequence[int], strict: bool = False) -> None:
        """Changes an input's shape; with `strict` only dimensions the model declares unknown may change. Call allocate_tensors() again."""
        self._main.resize(input_index, tensor_size, strict)

    def invoke(self) -> None:
        """Runs the model on the present inputs."""
        self._main.run()

    def reset_all_variables(self) -> None:
        """Sets variable tensors back to their initial values. What ASSIGN_VARIABLE assigned stays, as it does in LiteRT."""
        self._main.required_program()
        for session in self._sessions.values():
            if session.program is not None:
                session.program.reset_variables()

    def profile(self) -> list[tuple[int, str, int]]:
        """Runs the model once, step by step, with the kernels `invoke` uses: (operator index, operator name, nanoseconds) of each step."""
        found: list[tuple[int, str, int]] = []
        self._main.required_program().run(lambda planned, time_ns: found.append((planned.node, planned.label, time_ns)))
        return found

    def arena_bytes(self) -> int:
        """Bytes of tensor memory the plan allocated."""
        return self._main.required_program().memory.arena_bytes

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """Input and output names of each signature."""
        return {
            signature.signature_key: {
                "inputs": sorted(item.name for item in signature.inputs),
                "outputs": sorted(item.name for item in signature.outputs),
            }
            for signature in self._model.signature_defs
        }

    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner:
        """A callable for one signature; the key may be left out when the model has just one."""
        signatures = {signature.signature_key: signature for signature in self._model.signature_defs}
        if signature_key is None:
            if len(signatures) != 1:
                raise ValueError(f"signature_key: one of {sorted(signatures)} is required")
            signature_key = next(iter(signatures))
        if signature_key not in signatures:
            raise ValueError(f"signature_key: one of {sorted(signatures)} is required, found {signature_key!r}")
        signature = signatures[signature_key]
        return SignatureRunner(signature, self._session(signature.subgraph_index))
