"""Which operators the interpreter runs."""

from importlib import import_module

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
"""The modules of `binding` that bind operators."""


def load_bindings() -> None:
    """Fills the operator and binding registries."""
    for family in FAMILIES:
        import_module(f"jitlite.interpreter.binding.{family}")
