"""Which operators the interpreter runs, and the kernel families a model needs."""

from importlib import import_module
from pathlib import Path

from jitlite.interpreter.binding.registry import BINDINGS, kernels
from jitlite.interpreter.codegen.library import load
from jitlite.schemas.model import builtin_code
from jitlite.schemas.ops.spec import OPS
from jitlite.schemas.tables import Model

FAMILIES = (
    "activation",
    "comparison",
    "concat",
    "conv",
    "conversion",
    "elementwise",
    "gather",
    "matmul",
    "pad",
    "pool",
    "reduce",
    "reshape",
    "resize",
    "slice",
    "space",
)


def load_bindings() -> None:
    """Fills the operator and binding registries."""
    for family in FAMILIES:
        if (Path(__file__).parent / "binding" / f"{family}.py").exists():
            import_module(f"jitlite.interpreter.binding.{family}")


def prepare_kernels(model: Model) -> None:
    """Loads the families the model's operators need, compiling those missing from the cache together."""
    families = {"executor"}
    for code in model.operator_codes:
        spec = OPS.get(builtin_code(code))
        if spec is not None and spec in BINDINGS:
            module = import_module(BINDINGS[spec].__module__)
            families |= {value.family for value in vars(module).values() if isinstance(value, kernels)}
    load(families)
