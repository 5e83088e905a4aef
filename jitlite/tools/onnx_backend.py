"""jitlite as a backend of the onnx package: `prepare(model).run(inputs)` converts the model to .tflite and runs that.

    from jitlite.tools import onnx_backend

    outputs = onnx_backend.run_model(model, [x, y])

A model is converted for the shapes of the inputs it is run with. Inputs that .tflite needs to know beforehand (axes, sizes, the weights of
a convolution) become constants, so other values of these convert it anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.backend.base import Backend, BackendRep
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.interpreter import Interpreter
from jitlite.schemas import ConversionError, write_model

Array = NDArray[Any]
Key = tuple[tuple[str, tuple[int, ...], str, bytes], ...]

MOST_CONVERSIONS = 16
"""Converted models one representation keeps."""


class _Converted:
    """A model converted for some shapes and some values."""

    def __init__(self, model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], values: Mapping[str, Array]) -> None:
        free = {name: shape for name, shape in shapes.items() if name not in values}
        content = write_model(convert_onnx(model, ConvertOptions(shapes=free, values=values)))
        self._runner = Interpreter(model_content=content).get_signature_runner()

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        taken = {name: _as_fed(value) for name, value in feed.items() if name in self._runner.get_input_details()}
        return self._runner(**taken)


class JitliteBackendRep(BackendRep):  # type: ignore[misc]  # onnx is untyped
    """A model to be run with inputs of any shapes and values."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        stored = {tensor.name for tensor in model.graph.initializer} | {sparse.values.name for sparse in model.graph.sparse_initializer}
        self._inputs = [info for info in model.graph.input if info.name not in stored]
        self._fixed: set[str] = set()
        self._converted: dict[Key, _Converted] = {}

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs in the model's order. ConversionError where the model has no .tflite form for such inputs."""
        given = [inputs] if isinstance(inputs, (np.ndarray, onnx.TensorProto)) else list(inputs)
        if len(given) != len(self._inputs):
            raise ValueError(f"{len(self._inputs)} inputs are required, found {len(given)}")
        feed = {info.name: _array(info.name, value) for info, value in zip(self._inputs, given)}
        found = self._conversion(feed).run(feed)
        return tuple(_as_declared(found[info.name], info) for info in self._model.graph.output)

    def _conversion(self, feed: Mapping[str, Array]) -> _Converted:
        """The conversion for these inputs: with more and more of them constant, as long as the converter asks for that."""
        while True:
            key = tuple(
                (name, value.shape, value.dtype.str, value.tobytes() if name in self._fixed else b"") for name, value in feed.items()
            )
            if key in self._converted:
                return self._converted[key]
            try:
                made = _Converted(self._model, self._unknown_shapes(feed), {name: feed[name] for name in self._fixed})
            except ConversionError as error:
                wanted = self._fixed.union(error.inputs_to_fix)
                if wanted == self._fixed or wanted >= feed.keys():
                    raise
                self._fixed = wanted
            else:
                if len(self._converted) == MOST_CONVERSIONS:
                    self._converted.pop(next(iter(self._converted)))
                self._converted[key] = made
                return made

    def _unknown_shapes(self, feed: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs that do not declare all of theirs."""
        unknown = {}
        for info in self._inputs:
            tensor = info.type.tensor_type
            if not tensor.HasField("shape") or any(not dim.dim_value for dim in tensor.shape.dim):
                unknown[info.name] = feed[info.name].shape
        return unknown


def _array(name: str, value: Any) -> Array:
    if value is None or isinstance(value, (list, tuple, dict)):
        raise ConversionError(f"input '{name}': a tensor is required, found {type(value).__name__}")
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _is_foreign(dtype: np.dtype[Any]) -> bool:
    """True for the element types NumPy lacks."""
    return dtype.kind == "V" or dtype.name.startswith("float8")


def _as_fed(value: Array) -> Array:
    """Elements of the types NumPy lacks as the interpreter takes them: a byte for each of 4 or 2 bits, patterns for bfloat16 and float8."""
    name = value.dtype.name
    if not _is_foreign(value.dtype):
        return value
    if "float" in name:
        return value.view(np.uint16 if name == "bfloat16" else np.uint8)
    return value.astype(np.uint8 if name.startswith("u") else np.int8)


def _as_declared(value: Array, info: onnx.ValueInfoProto) -> Array:
    """The result in the element type the model declares where that is one NumPy lacks."""
    dtype = np.dtype(tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))
    if not _is_foreign(dtype) or value.dtype == dtype:
        return value
    return value.view(dtype) if "float" in dtype.name else value.astype(dtype)


class JitliteBackend(Backend):  # type: ignore[misc]  # onnx is untyped
    """The backend's three entry points, as `onnx.backend.base` defines them."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> JitliteBackendRep:
        """The model, ready to run; it is converted when it meets its first inputs."""
        if not cls.supports_device(device):
            raise ValueError(f"device CPU is supported, found {device}")
        return JitliteBackendRep(model)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device.split(":")[0] == "CPU"


prepare = JitliteBackend.prepare
run_model = JitliteBackend.run_model
supports_device = JitliteBackend.supports_device
