"""What a user asks of quantization, as frozen data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jitlite.schemas.errors import UnsupportedError

SCHEMES = ("int8", "dynamic", "float16")
IO_TYPES = ("int8", "uint8", "float32")
OBSERVERS = ("minmax", "moving_average", "percentile")

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "static_wi8_ai8": "int8",
        "full_int8": "int8",
        "dynamic_wi8_afp32": "dynamic",
        "dynamic_legacy_wi8_afp32": "dynamic",
        "dynamic_range": "dynamic",
        "weight_only_wfp16_afp32": "float16",
        "fp16": "float16",
    }
)
"""Names other tools give to the schemes."""

_KNOWN_ELSEWHERE = re.compile(r"(static|dynamic|dynamic_legacy|weight_only)_w(i|fp)\d+_a(i|fp)\d+")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a float model is to be quantized.

    `scheme`: "int8" (int8 weights and activations, needs calibration feeds), "dynamic" (int8 weights, float activations) or "float16"
    (weights stored as float16); the names in ALIASES are accepted too. `io_type`: the type of the model's float inputs and outputs after
    "int8", and `output_type` that of the outputs where it is another one; with "float32" and "uint8" QUANTIZE and DEQUANTIZE operators
    stand at the edges. `per_channel`: one scale per output channel of
    convolution weights; FULLY_CONNECTED weights always have one scale, because runtimes before 2.17 read only the first.
    `observer` decides the range of an activation: "minmax"; "moving_average" of the samples' extremes with weight `momentum` for the past;
    "percentile", the smallest and largest (100 - `percentile`) % cut off.
    `float_nodes` keeps operators in float: an int is an operator index of the main subgraph, a string a regular expression that must match
    the whole of the operator's name or of one of its outputs' names. `float_tensors` does so for every operator that touches a tensor of
    such an index or name.
    `min_weight_elements`: smaller weights stay float under "dynamic".
    """

    scheme: str = "int8"
    io_type: str = "int8"
    output_type: str = ""
    per_channel: bool = True
    observer: str = "minmax"
    momentum: float = 0.9
    percentile: float = 99.99
    float_nodes: tuple[str | int, ...] = ()
    float_tensors: tuple[str | int, ...] = ()
    min_weight_elements: int = 1024

    def __post_init__(self) -> None:
        object.__setattr__(self, "scheme", _scheme(self.scheme))
        object.__setattr__(self, "output_type", self.output_type or self.io_type)
        for name in ("io_type", "output_type"):
            _require_choice(name, getattr(self, name), IO_TYPES)
        _require_choice("observer", self.observer, OBSERVERS)
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"momentum: a number in [0, 1) is required, found {self.momentum}")
        if not 50.0 < self.percentile <= 100.0:
            raise ValueError(f"percentile: a number in (50, 100] is required, found {self.percentile}")
        if self.min_weight_elements < 0:
            raise ValueError(f"min_weight_elements: a count of at least 0 is required, found {self.min_weight_elements}")
        for name in ("float_nodes", "float_tensors"):
            object.__setattr__(self, name, _selectors(name, getattr(self, name)))


def is_selected(selectors: tuple[str | int, ...], index: int, names: tuple[str, ...]) -> bool:
    """True when a selector is the index or a regular expression that matches one of the names completely."""
    return any(
        selector == index if isinstance(selector, int) else any(re.fullmatch(selector, name) for name in names) for selector in selectors
    )


def _scheme(name: str) -> str:
    found = ALIASES.get(name, name)
    if found in SCHEMES:
        return found
    known = ", ".join((*SCHEMES, *ALIASES))
    if isinstance(name, str) and _KNOWN_ELSEWHERE.fullmatch(name):
        raise UnsupportedError(f"scheme '{name}': jitlite quantizes with {known}")
    raise ValueError(f"scheme: one of {known} is required, found {name!r}")


def _require_choice(name: str, found: str, choices: tuple[str, ...]) -> None:
    if found not in choices:
        raise ValueError(f"{name}: one of {', '.join(choices)} is required, found {found!r}")


def _selectors(name: str, given: object) -> tuple[str | int, ...]:
    if isinstance(given, (str, int)) or not isinstance(given, (tuple, list)):
        raise TypeError(f"{name}: a tuple of indices and regular expressions is required, found {given!r}")
    for selector in given:
        if isinstance(selector, bool) or not isinstance(selector, (str, int)):
            raise TypeError(f"{name}: indices and regular expressions are required, found {selector!r}")
        if isinstance(selector, str):
            try:
                re.compile(selector)
            except re.error as error:
                raise ValueError(f"{name}: a regular expression is required, found {selector!r} ({error})") from error
    return tuple(given)
