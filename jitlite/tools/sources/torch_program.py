"""PyTorch modules and exported programs, exported by torch.onnx."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jitlite.tools.sources.engines import exporting, require_engines

ENGINES = ("torch", "onnxscript")


def export_file(path: Path) -> Any:
    """The ONNX model of a file that torch.export.save made."""
    where = f"'{path}'"
    require_engines(where, "a program of PyTorch", ENGINES)
    with exporting(where, "PyTorch"):
        import torch

        program = torch.export.load(path)
    return export_model(program, None, where)


def export_model(model: Any, example_inputs: Sequence[Any] | None = None, where: str = "torch model") -> Any:
    """The ONNX model of an exported program, or of a module in evaluation mode for inputs of the examples' shapes.

    A module keeps the mode it is in. Dimensions that are to stay dynamic are for torch.export.export to name.
    """
    require_engines(where, "a program of PyTorch", ENGINES)
    import torch

    if isinstance(model, torch.export.ExportedProgram):
        with exporting(where, "torch.onnx"):
            return torch.onnx.export(model, dynamo=True, verbose=False).model_proto
    if example_inputs is None:
        raise TypeError("convert: example_inputs, a tuple of the arguments of a torch.nn.Module, is required")
    was_training = model.training
    model.eval()
    try:
        with exporting(where, "torch.onnx"):
            return torch.onnx.export(model, _arguments(example_inputs), dynamo=True, verbose=False).model_proto
    finally:
        model.train(was_training)


def _arguments(example_inputs: Sequence[Any] | Any) -> tuple[Any, ...]:
    """Tensors as positional arguments; NumPy arrays become tensors."""
    import numpy as np
    import torch

    given = example_inputs if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    return tuple(torch.from_numpy(item) if isinstance(item, np.ndarray) else item for item in given)
