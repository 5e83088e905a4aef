"""What a caller can ask of a conversion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import SupportsIndex

from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """Options of `convert_onnx`.

    `shapes` gives input shapes by name; None, -1 or text in place of a number keeps what the model says. `nhwc_inputs` makes every input of
    four dimensions channels-last, (n, c, h, w) becoming (n, h, w, c), instead of transposing it inside the model; `channels_last` names
    inputs and outputs of three to five dimensions to treat so. `values` fixes inputs at values: they are no inputs of the result.
    `fold_limit_bytes` bounds each constant that folding may create. `target_runtime` names the oldest runtime that has to run the result,
    such as "2.4" or "litert-2.1" (see `schemas.runtime_version`, 1.14 at least): operators it lacks are written out in others, and where
    there is no such form the conversion is refused.
    """

    shapes: Mapping[str, Sequence[SupportsIndex | str | None]] = field(default_factory=dict)
    nhwc_inputs: bool = False
    channels_last: Sequence[str] = ()
    values: Mapping[str, ArrayLike] = field(default_factory=dict)
    fold_limit_bytes: int = 64 << 20
    target_runtime: str | None = None
