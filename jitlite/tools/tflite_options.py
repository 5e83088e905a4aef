"""What a script asks of TensorFlow's TFLiteConverter, and the recipe of quantization it means."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from jitlite.quantization import Recipe
from jitlite.schemas.errors import CalibrationError, UnsupportedError

E = TypeVar("E", bound=Enum)


class Optimize(Enum):
    """How a model is made smaller; all but EXPERIMENTAL_SPARSITY mean the same."""

    DEFAULT = "DEFAULT"
    OPTIMIZE_FOR_SIZE = "OPTIMIZE_FOR_SIZE"
    OPTIMIZE_FOR_LATENCY = "OPTIMIZE_FOR_LATENCY"
    EXPERIMENTAL_SPARSITY = "EXPERIMENTAL_SPARSITY"


class OpsSet(Enum):
    """Operators that a target may be given."""

    TFLITE_BUILTINS = "TFLITE_BUILTINS"
    SELECT_TF_OPS = "SELECT_TF_OPS"
    TFLITE_BUILTINS_INT8 = "TFLITE_BUILTINS_INT8"
    EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8 = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
    EXPERIMENTAL_STABLEHLO_OPS = "EXPERIMENTAL_STABLEHLO_OPS"


class RepresentativeDataset:
    """A function that gives calibration samples, see `samples_by_signature`."""

    def __init__(self, input_gen: Callable[[], Iterable[Any]]) -> None:
        self.input_gen = input_gen


class TargetSpec:
    """The operators (`OpsSet`) and types (NumPy's or TensorFlow's) a target has."""

    def __init__(self, supported_ops: Collection[Any] | None = None, supported_types: Collection[Any] | None = None) -> None:
        self.supported_ops: Collection[Any] = {OpsSet.TFLITE_BUILTINS} if supported_ops is None else supported_ops
        self.supported_types: Collection[Any] = set() if supported_types is None else supported_types

    def wanted_ops(self) -> set[OpsSet]:
        """The operator sets; UnsupportedError where jitlite has no quantization or operators for all of them."""
        found = {_member(OpsSet, "supported_ops", item) for item in self.supported_ops}
        if not found & {OpsSet.TFLITE_BUILTINS, OpsSet.TFLITE_BUILTINS_INT8}:
            names = ", ".join(sorted(item.name for item in found)) or "none"
            raise UnsupportedError(f"supported_ops: TFLITE_BUILTINS or TFLITE_BUILTINS_INT8 is required, found {names}")
        if OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8 in found:
            raise UnsupportedError("supported_ops: activations of 8 bits are supported, found those of 16 bits")
        return found

    def wanted_types(self) -> set[str]:
        """The names of the types; UnsupportedError for others than float32, float16 and int8."""
        found = {dtype_name("supported_types", item) for item in self.supported_types}
        if found - {"float32", "float16", "int8"}:
            raise UnsupportedError(f"supported_types: float32, float16 and int8 are supported, found {', '.join(sorted(found))}")
        return found


def dtype_name(where: str, dtype: Any) -> str:
    """The name of a NumPy or TensorFlow type; TypeError for what is none."""
    try:
        return str(np.dtype(getattr(dtype, "as_numpy_dtype", dtype)).name)
    except TypeError:
        raise TypeError(f"{where}: a type such as np.int8 or tf.int8 is required, found {dtype!r}") from None


def recipe_for(
    optimizations: Collection[Any], is_calibrated: bool, target: TargetSpec, input_type: str, output_type: str, per_channel: bool
) -> tuple[Recipe | None, bool]:
    """The quantization that TensorFlow's converter does for these attributes, None for none, and whether nothing may stay in float.

    Any optimization but sparsity quantizes: to float16 where the target's types have it; to int8, where there are samples to calibrate
    with; else the weights alone. ValueError where the attributes contradict each other.
    """
    wanted = {_member(Optimize, "optimizations", item) for item in optimizations} - {Optimize.EXPERIMENTAL_SPARSITY}
    ops, types = target.wanted_ops(), target.wanted_types()
    is_integer_only = OpsSet.TFLITE_BUILTINS not in ops or types == {"int8"}
    scheme = None if not wanted else "float16" if "float16" in types else "int8" if is_calibrated else "dynamic"
    if wanted and is_integer_only and not is_calibrated:
        raise ValueError("representative_dataset: samples are required for TFLITE_BUILTINS_INT8 alone, found none")
    if scheme == "int8":
        return Recipe("int8", io_type=input_type, output_type=output_type, per_channel=per_channel), is_integer_only
    if (input_type, output_type) != ("float32", "float32"):
        required = "float32 is required without integer quantization (optimizations and a representative_dataset)"
        raise ValueError(f"inference_input_type, inference_output_type: {required}, found {input_type} and {output_type}")
    return (None if scheme is None else Recipe(scheme, io_type="float32")), False


def samples_by_signature(dataset: Any, keys: Collection[str]) -> Mapping[str, Iterable[Any]]:
    """Calibration samples for each signature.

    `dataset` is a function that gives an iterable, or an iterable (a tf.data.Dataset among them), of samples: arrays in a list or tuple in
    the order of the inputs, arrays by input name, or a pair of a signature's key and one of these, which several signatures need.
    CalibrationError for a sample of no signature and for a signature without samples.
    """
    given = dataset.input_gen if hasattr(dataset, "input_gen") else dataset
    items = given() if callable(given) else given
    if not isinstance(items, Iterable):
        raise TypeError(f"representative_dataset: a function or an iterable of samples is required, found {type(items).__name__}")
    if len(keys) == 1:
        (key,) = keys
        return {key: _of_one(items, key)}
    found: dict[str, list[Any]] = {key: [] for key in keys}
    for number, item in enumerate(items):
        pair = _keyed(item)
        if pair is None or pair[0] not in found:
            required = f"a pair of a signature's key ({', '.join(keys)}) and its inputs is required"
            present = "no key" if pair is None else repr(pair[0])
            raise CalibrationError(f"representative_dataset: sample {number}: {required}, found {present}")
        found[pair[0]].append(pair[1])
    for key, samples in found.items():
        if not samples:
            raise CalibrationError(f"representative_dataset: at least one sample for signature '{key}' is required, found none")
    return found


def _of_one(items: Iterable[Any], key: str) -> Iterator[Any]:
    for number, item in enumerate(items):
        found = _keyed(item)
        if found is not None and found[0] != key:
            raise CalibrationError(f"representative_dataset: sample {number}: the key of signature '{key}' is required, found '{found[0]}'")
        yield item if found is None else found[1]


def _keyed(item: Any) -> tuple[str, Any] | None:
    return (item[0], item[1]) if isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], str) else None


def _member(kind: type[E], where: str, item: Any) -> E:
    """The member that an item is or, as those of TensorFlow, has the value of."""
    try:
        return kind(getattr(item, "value", item))
    except ValueError:
        raise ValueError(f"{where}: one of {', '.join(found.name for found in kind)} is required, found {item!r}") from None
