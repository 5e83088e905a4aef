"""TensorFlow's TFLiteConverter by its own names, over jitlite's converter and quantization."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jitlite.quantization import load_feeds
from jitlite.schemas import Model, write_model
from jitlite.schemas.errors import UnsupportedError
from jitlite.tools.quantize import quantize_model
from jitlite.tools.signatures import Signature, convert_signatures
from jitlite.tools.sources import DEFAULT_SIGNATURE, onnx_models
from jitlite.tools.tflite_options import (
    OpsSet,
    Optimize,
    RepresentativeDataset,
    TargetSpec,
    dtype_name,
    recipe_for,
    samples_by_signature,
)

__all__ = ["OpsSet", "Optimize", "RepresentativeDataset", "TFLiteConverter", "TargetSpec"]


class TFLiteConverter:
    """Converts a model of TensorFlow, Keras or ONNX to the bytes of a .tflite file.

    Attributes mean what they mean in TensorFlow: `optimizations` (of `Optimize`), `representative_dataset` (see `samples_by_signature`),
    `target_spec`, `inference_input_type` and `inference_output_type` (float32, int8 or uint8, of NumPy or TensorFlow). `allow_custom_ops`,
    `experimental_new_converter`, `experimental_new_quantizer` and `experimental_enable_resource_variables` may be set and decide nothing
    here: only builtin operators are emitted, and what cannot be converted is an error. There are no other attributes. `shapes` and
    `nhwc_inputs` are jitlite's own, see `ConvertOptions`.
    """

    def __init__(self, export: Callable[[], Mapping[str, Any]]) -> None:
        """A converter of the ONNX models by signature that `export` gives; the `from_…` methods make one."""
        values = self.__dict__
        values.update(_export=export, optimizations=[], representative_dataset=None, target_spec=TargetSpec(), shapes={}, nhwc_inputs=False)
        values.update(inference_input_type=np.float32, inference_output_type=np.float32, _experimental_disable_per_channel=False)
        values.update(allow_custom_ops=False, experimental_new_converter=True, experimental_new_quantizer=True)
        values.update(experimental_enable_resource_variables=True)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__:
            known = ", ".join(found for found in self.__dict__ if not found.startswith("_"))
            raise AttributeError(f"TFLiteConverter: one of {known} is required, found '{name}'")
        self.__dict__[name] = value

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"TFLiteConverter has no attribute '{name}'")

    @classmethod
    def from_saved_model(
        cls, saved_model_dir: str | os.PathLike[str], signature_keys: Sequence[str] | None = None, tags: Collection[str] | None = None
    ) -> "TFLiteConverter":
        """For a SavedModel folder: its signatures, or those of `signature_keys`, become those of the .tflite model."""
        from jitlite.tools.sources.saved_model import export_folder

        return cls(lambda: export_folder(Path(saved_model_dir), signature_keys, tags))

    @classmethod
    def from_keras_model(cls, model: Any) -> "TFLiteConverter":
        """For a Keras 3 model that has been built or called."""
        from jitlite.tools.sources.keras_model import export_model

        return cls(lambda: {DEFAULT_SIGNATURE: export_model(model)})

    @classmethod
    def from_concrete_functions(cls, funcs: Sequence[Any], trackable_model: Any = None) -> "TFLiteConverter":
        """For concrete functions of TensorFlow; several become signatures under the names of their graphs.

        `trackable_model` is not looked at: a function knows the variables it uses.
        """
        from jitlite.tools.sources.saved_model import export_function

        functions = list(funcs)
        names = [DEFAULT_SIGNATURE] if len(functions) == 1 else [function.graph.name for function in functions]
        if not functions or len(set(names)) != len(names):
            raise ValueError(f"from_concrete_functions: functions of different names are required, found {', '.join(names) or 'none'}")
        return cls(lambda: {name: export_function(function, f"function '{name}'") for name, function in zip(names, functions)})

    @classmethod
    def from_onnx(cls, model: Any) -> "TFLiteConverter":
        """For an ONNX file or an onnx.ModelProto; whatever `jitlite.convert` takes without further arguments will do."""
        return cls(lambda: onnx_models(model))

    def convert(self) -> bytes:
        """The .tflite file. ConversionError for what cannot be exported or converted, UnsupportedError for what cannot be quantized so."""
        from jitlite.converter import ConvertOptions

        recipe, is_integer_only = recipe_for(
            self.optimizations,
            self.representative_dataset is not None,
            self.target_spec,
            dtype_name("inference_input_type", self.inference_input_type),
            dtype_name("inference_output_type", self.inference_output_type),
            not self._experimental_disable_per_channel,
        )
        models = self._export()
        is_calibrated = recipe is not None and recipe.scheme == "int8"
        samples = samples_by_signature(self.representative_dataset, models) if is_calibrated else {}

        def finish(signature: Signature, converted: Model) -> Model:
            if recipe is None:
                return converted
            feeds = load_feeds(samples[signature.key], converted) if signature.key in samples else None
            found = quantize_model(converted, recipe, feeds, lambda count: None)
            left = [] if found.plan is None else [f"{op.index} {op.name}: {op.reason}" for op in found.plan.float_operators]
            if is_integer_only and left:
                listed = "\n  ".join(left)
                raise UnsupportedError(f"TFLITE_BUILTINS_INT8 alone: operators on integers are required, these are not\n  {listed}")
            return found.model

        options = ConvertOptions(shapes=self.shapes, nhwc_inputs=self.nhwc_inputs)
        return write_model(convert_signatures(models, options, finish))
