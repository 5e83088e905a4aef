"""Runs .tflite models in jitlite's interpreter and ONNX models in ONNX Runtime or onnx's reference evaluator."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from jitlite.interpreter import Interpreter
from jitlite.interpreter.delegates import Delegate
from jitlite.schemas import Model, write_model
from jitlite.schemas.errors import ConversionError, JitliteError
from jitlite.tools.errors import ToolError
from jitlite.tools.onnx_source import OnnxSource
from jitlite.tools.ports import Array, Feed, Port, RunnableModel

ONNX_START = b"\x08"
"""The first byte of ONNX files: the tag of the field that every model has and writers put first, ir_version."""


WEIGHT_TYPES = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13})
"""The element types of ONNX that NumPy has itself."""
NORMALIZES_FROM = 14
"""The opset from which on onnx's evaluator takes BatchNormalization for what it is outside training."""


def is_onnx(path: Path) -> bool:
    """True for an ONNX file and False for a .tflite one, by name or, where that says nothing, by content; ToolError for neither."""
    if path.suffix.lower() in (".onnx", ".tflite"):
        return path.suffix.lower() == ".onnx"
    with path.open("rb") as file:
        start = file.read(8)
    if start[4:] != b"TFL3" and start[:1] != ONNX_START:
        raise ToolError(f"{path}: a .tflite or .onnx model is required, found neither")
    return start[4:] != b"TFL3"


def open_model(path: Path, *, num_threads: int | None = None, layers: bool = False, delegates: Sequence[Delegate] = ()) -> RunnableModel:
    """The model in a file, ready to run; `layers` makes the results of its operators available. `delegates` are for .tflite models."""
    if is_onnx(path):
        return OnnxModel(path)
    return TfliteModel(path, num_threads=num_threads, preserve_all=layers, delegates=delegates)


class TfliteModel:
    """A .tflite model, from a file or bytes, in jitlite's interpreter.

    `signature` chooses a signature by its key; without it the model's main subgraph runs, and its ports have the names of the one signature
    that describes it, if there is one, besides the tensors'.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes,
        *,
        num_threads: int | None = None,
        preserve_all: bool = False,
        signature: str | None = None,
        delegates: Sequence[Delegate] = (),
    ) -> None:
        self.label = "model" if isinstance(source, bytes) else str(source)
        self.interpreter = load_interpreter(source, num_threads=num_threads, preserve_all=preserve_all, delegates=delegates)
        self._signature = signature
        self._shapes: list[tuple[int, ...]] | None = None
        if signature is not None:
            self._use_signature(signature)
        else:
            self._use_main()

    def _use_main(self) -> None:
        names: dict[int, list[str]] = {}
        main = [found for found in self.interpreter.model.signature_defs if found.subgraph_index == 0]
        for found in main:
            for entry in (*found.inputs, *found.outputs):
                names.setdefault(entry.tensor_index, []).append(entry.name)
        self.inputs = tuple(_port(details, names, len(main) == 1) for details in self.interpreter.get_input_details())
        self.outputs = tuple(_port(details, names, len(main) == 1) for details in self.interpreter.get_output_details())
        self._input_indices = [int(details["index"]) for details in self.interpreter.get_input_details()]
        self._output_indices = [int(details["index"]) for details in self.interpreter.get_output_details()]

    def _use_signature(self, key: str) -> None:
        known = self.interpreter.get_signature_list()
        if key not in known:
            raise ToolError(f"signature '{key}': one of {', '.join(sorted(known)) or 'none (the model has no signatures)'} is required")
        self._runner = self.interpreter.get_signature_runner(key)
        self.inputs = tuple(_named_port(name, details) for name, details in self._runner.get_input_details().items())
        self.outputs = tuple(_named_port(name, details) for name, details in self._runner.get_output_details().items())

    def run(self, feed: Feed) -> dict[str, Array]:
        """Outputs by name; inputs of other sizes than the file's resize the model."""
        raw = {port.name: port.to_raw(feed[port.name]) for port in self.inputs}
        if self._signature is not None:
            return self._runner(**raw)
        self.set_inputs(raw)
        self.interpreter.invoke()
        return {port.name: self.interpreter.get_tensor(index) for port, index in zip(self.outputs, self._output_indices)}

    def set_inputs(self, feed: Feed) -> None:
        """Copies arrays of the ports' dtypes into the main subgraph's inputs, after resizing them where sizes differ."""
        shapes = [feed[port.name].shape for port in self.inputs]
        if shapes != self._shapes:
            for index, shape in zip(self._input_indices, shapes):
                self.interpreter.resize_tensor_input(index, shape)
            self.interpreter.allocate_tensors()
            self._shapes = shapes
        for port, index in zip(self.inputs, self._input_indices):
            self.interpreter.set_tensor(index, feed[port.name])

    @cached_property
    def _layer_ports(self) -> dict[str, tuple[int, Port]]:
        found: dict[str, tuple[int, Port]] = {}
        details = self.interpreter.get_tensor_details()
        for op in self.interpreter.model.subgraphs[0].operators:
            for index in op.outputs:
                if details[index]["name"] and np.dtype(details[index]["dtype"]).kind in "fiub":
                    found.setdefault(details[index]["name"], (index, _port(details[index], {}, False)))
        return found

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self._layer_ports)

    def layer_port(self, name: str) -> Port:
        return self._layer_ports[name][1]

    def layer_bytes(self) -> dict[str, int]:
        """The sizes of operators' results at the input shapes of the last run."""
        details = self.interpreter.get_tensor_details()
        return {
            name: int(np.prod(details[index]["shape"], dtype=np.int64)) * port.dtype.itemsize
            for name, (index, port) in self._layer_ports.items()
        }

    def run_layers(self, feed: Feed, names: tuple[str, ...]) -> dict[str, Array]:
        """Outputs and operators' results by name; the latter only a model with `preserve_all` keeps."""
        found = self.run(feed)
        for name in names:
            found[name] = self.interpreter.get_tensor(self._layer_ports[name][0])
        return found


def load_interpreter(
    source: str | os.PathLike[str] | bytes,
    *,
    num_threads: int | None = None,
    preserve_all: bool = False,
    delegates: Sequence[Delegate] = (),
) -> Interpreter:
    """An interpreter of a file or bytes, not allocated yet."""
    where = {"model_content": source} if isinstance(source, bytes) else {"model_path": source}
    return Interpreter(**where, num_threads=num_threads, experimental_preserve_all_tensors=preserve_all, experimental_delegates=delegates)


def _port(details: Mapping[str, Any], names: Mapping[int, list[str]], prefers_signature: bool) -> Port:
    more = names.get(details["index"], [])
    shown = more[0] if more and prefers_signature else details["name"]
    return _make_port(shown, (details["name"], *more), details)


def _named_port(name: str, details: Mapping[str, Any]) -> Port:
    return _make_port(name, (name, details["name"]), details)


def _make_port(shown: str, names: tuple[str, ...], details: Mapping[str, Any]) -> Port:
    scale, zero_point = details["quantization"]
    signature = tuple(int(dim) for dim in details["shape_signature"])
    sizes = tuple(int(dim) for dim in details["shape"])
    return Port(
        name=shown,
        names=tuple(dict.fromkeys(names)),
        shape=signature if len(signature) == len(sizes) else sizes,
        sizes=sizes,
        dtype=np.dtype(details["dtype"]),
        quantization=(float(scale), int(zero_point)) if scale else None,
    )


class OnnxModel:
    """An ONNX model in ONNX Runtime where that is installed, else in onnx's reference evaluator; `engine` says which.

    Inputs named in `values` are constants.
    """

    def __init__(self, source: Path | Any, values: Mapping[str, Array] = MappingProxyType({})) -> None:
        if find_spec("onnx") is None:
            raise ToolError("ONNX models need the package onnx: pip install 'jitlite[convert]'")
        from jitlite.converter.importer import graph_inputs, load_model
        from jitlite.converter.symbols import fix_inputs

        self.label = str(source) if isinstance(source, (str, os.PathLike)) else "model"
        weights: dict[str, Array] = {}
        self.proto = fix_inputs(load_model(source, weights), values)
        self._weights = _marked_outside(self.proto, weights)
        self.source = OnnxSource(self.proto)
        self.engine = "onnxruntime" if find_spec("onnxruntime") is not None else "onnx.reference"
        limits = self.source.index_limits
        self.inputs = tuple(_onnx_port(info, limits.get(info.name)) for info in graph_inputs(self.proto))
        self.outputs = tuple(_onnx_port(info) for info in self.proto.graph.output)
        self._session: tuple[tuple[str, ...], Any] | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for node in self.proto.graph.node if node.op_type != "Constant" for name in node.output if name))

    def layer_port(self, name: str) -> Port:
        """A port without a shape, which only running tells."""
        return next((port for port in self.outputs if port.name == name), Port(name, (name,), (), (), np.dtype(np.float32)))

    def run(self, feed: Feed) -> dict[str, Array]:
        return self.run_layers(feed, ())

    def run_layers(self, feed: Feed, names: tuple[str, ...]) -> dict[str, Array]:
        """Outputs and the results of nodes by name. ToolError when the engine cannot run the model."""
        wanted = tuple(dict.fromkeys((*(port.name for port in self.outputs), *names)))
        raw = {port.name: port.to_raw(feed[port.name]) for port in self.inputs}
        try:
            values = self._session_for(wanted).run(list(wanted), raw)
        except JitliteError:
            raise
        except Exception as error:  # the engines raise whatever their operators do
            raise ToolError(f"{self.label}: {self.engine} cannot run the model: {_first_line(error)}") from error
        return {name: np.asarray(value) for name, value in zip(wanted, values)}

    def _session_for(self, wanted: tuple[str, ...]) -> Any:
        """One is kept: each holds the model's constants."""
        if self._session is None or self._session[0] != wanted:
            self._session = None
            self._session = wanted, self._start(wanted)
        return self._session[1]

    def _start(self, wanted: tuple[str, ...]) -> Any:
        import onnx

        model, present = self.proto, {info.name for info in self.proto.graph.output}
        if not present.issuperset(wanted):
            model = onnx.ModelProto()
            model.CopyFrom(self.proto)
            model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in present)
        if self.engine == "onnx.reference":
            from onnx.reference import ReferenceEvaluator

            return ReferenceEvaluator(_put_back(model, self._weights), new_ops=_corrected_operators(model))
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(data) for data in self._weights.values()]
        options.add_external_initializers(list(self._weights), values)
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _marked_outside(model: Any, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The data of large initialisers, which from now on count as data outside of the model: an engine gets them without a copy of all."""
    import onnx

    found = {}
    for tensor in model.graph.initializer:
        if tensor.name not in weights:
            continue
        if tensor.data_type not in WEIGHT_TYPES:
            tensor.raw_data = weights[tensor.name].tobytes()
            continue
        found[tensor.name] = weights[tensor.name]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights")
    return found


def _put_back(model: Any, weights: Mapping[str, Array]) -> Any:
    """A copy of the model with the data of all initialisers inside."""
    import onnx

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    for tensor in whole.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights[tensor.name], tensor.name))
    return whole


def _corrected_operators(model: Any) -> list[Any]:
    """Operators that onnx's evaluator computes another way than their definition says: before opset 14 it normalizes as in training."""
    from jitlite.converter.importer import opset_versions

    if opset_versions(model).get("", 0) >= NORMALIZES_FROM:
        return []
    from onnx.reference.ops.op_batch_normalization import BatchNormalization_14

    return [type("BatchNormalization", (BatchNormalization_14,), {"op_domain": ""})]


def _onnx_port(info: Any, limit: int | None = None) -> Port:
    import onnx

    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type"):
        raise ConversionError(f"'{info.name}': a tensor is required, found {info.type.WhichOneof('value') or 'nothing'}")
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim)
    sizes = tuple(1 if dim < 0 else dim for dim in shape)
    return Port(info.name, (info.name,), shape, sizes, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)), limit=limit)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def run_tensors(model: Model, feeds: Iterable[Feed], indices: Sequence[int]) -> Iterator[list[Array]]:
    """Runs a model on feeds by tensor name and gives the values of the tensors asked for: the runner that quantization takes."""
    interpreter = load_interpreter(write_model(model), preserve_all=True)
    inputs = {details["name"]: int(details["index"]) for details in interpreter.get_input_details()}
    for feed in feeds:
        for name, index in inputs.items():
            interpreter.resize_tensor_input(index, feed[name].shape)
        interpreter.allocate_tensors()
        for name, index in inputs.items():
            interpreter.set_tensor(index, feed[name])
        interpreter.invoke()
        yield [interpreter.get_tensor(index) for index in indices]
