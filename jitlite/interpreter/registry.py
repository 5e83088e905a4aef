"""Which operators the interpreter runs, and the kernel families a model needs."""

from importlib import import_module

from jitlite.interpreter.binding.registry import BINDINGS
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
        import_module(f"jitlite.interpreter.binding.{family}")


def prepare_kernels(model: Model) -> None:
    """Loads the families the model's operators need, compiling those missing from the cache together."""
    families = {"executor"}
    for code in model.operator_codes:
        spec = OPS.get(builtin_code(code))
        if spec is not None and spec in BINDINGS:
            families.add(BINDINGS[spec].__module__.rpartition(".")[2])
    load(families)
