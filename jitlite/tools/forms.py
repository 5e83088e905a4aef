"""The forms that one tensor has in two models: which names belong together, and how one array is brought into the other's form."""

import re
from collections.abc import Sequence

import numpy as np

from jitlite.schemas.affine import dequantize
from jitlite.tools.ports import Array, Port

TO_CHANNELS_LAST = (0, 2, 3, 1)
TO_CHANNELS_FIRST = (0, 3, 1, 2)
TURNS = {3: ((0, 2, 1),), 4: (TO_CHANNELS_FIRST, TO_CHANNELS_LAST)}
"""The permutations of axes by rank that two models' layouts differ by."""

FORM = re.compile(r"(;(nhwc|nwc|perm\d+|reshaped|int8|float|bare))*(_int8|_float32)?$")
"""What follows a tensor's name in the names of its other forms, see `convert_onnx`."""

LAYOUTS = {"nhwc": (0, 3, 1, 2), "nwc": (0, 2, 1)}
"""How an array under a name with this suffix is transposed back; after "perm" stand the axes in the order they lie in."""

MIDDLES = {np.dtype(np.uint8): 1 << 7, np.dtype(np.uint16): 1 << 15}
"""What the converter takes from whole numbers that it keeps in the signed type of the same size."""


def pair_layers(first: Sequence[str], second: Sequence[str]) -> dict[str, str]:
    """Names of the second model's tensors by the first's, for those that hold the same values.

    Besides equal names these are the forms the converter and quantization give to one tensor: "name;nhwc" and "name;perm…" for another
    order of axes, "name;reshaped" for another shape, "name_int8" and "name_float32" for copies of another type. A plain name is preferred
    to one with a suffix. ("name;flat", whose elements lie in an order the name does not tell, has no counterpart.)
    """
    plain: dict[str, str] = {}
    for name in second:
        base = base_name(name)
        if base not in plain or name == base:
            plain[base] = name
    known = set(second)
    taken: dict[str, str] = {}
    for name in first:
        twin = name if name in known else plain.get(base_name(name))
        if twin is not None and twin not in taken:
            taken[twin] = name
    return {name: twin for twin, name in taken.items()}


def base_name(name: str) -> str:
    """The name without the suffixes that mark a form."""
    return name[: FORM.search(name).start()]  # type: ignore[union-attr]


def in_real_numbers(ours: Array, port: Port, theirs: Array, other: Port) -> tuple[Array, Array]:
    """Both arrays as the real numbers they stand for: plain integers of one model may be quantized numbers in the other."""
    if port.quantization is None and ours.dtype.kind in "iu" and other.quantization is not None:
        return dequantize(_counted_as(other.dtype, ours), *other.quantization), other.to_real(theirs)
    if other.quantization is None and theirs.dtype.kind in "iu" and port.quantization is not None:
        return port.to_real(ours), dequantize(_counted_as(port.dtype, theirs), *port.quantization)
    return port.to_real(ours), other.to_real(theirs)


def _counted_as(dtype: np.dtype, values: Array) -> Array:
    """Whole numbers as a tensor of `dtype` holds them."""
    is_moved = values.dtype in MIDDLES and dtype.kind == "i" and values.dtype.itemsize == dtype.itemsize
    return values.astype(np.int64) - (MIDDLES[values.dtype] if is_moved else 0)


def aligned(reference: Array, other: Array, turn: tuple[int, ...] | None = None) -> Array | None:
    """`other` in the shape of `reference`; None where they do not fit.

    `turn` is the permutation of axes where it is known; without it, of the layouts that are possible, the closer one is taken.
    """
    if turn is not None and other.ndim == len(turn):
        turned = other.transpose(turn)
        return turned if turned.shape == reference.shape else None
    candidates = [other] if other.shape == reference.shape else []
    if other.ndim == reference.ndim:
        turned_all = (other.transpose(axes) for axes in TURNS.get(other.ndim, ()))
        candidates += [array for array in turned_all if array.shape == reference.shape]
    if not candidates and other.size == reference.size and _without_ones(other) == _without_ones(reference):
        candidates = [other.reshape(reference.shape)]
    return _closest(reference, candidates)


def reshaped(reference: Array, other: Array) -> Array | None:
    """The elements of `other`, which lie in the order of `reference` or channels-last, in the shape of `reference`."""
    if other.size != reference.size:
        return None
    candidates = [other.reshape(reference.shape)]
    for axes in TURNS.get(reference.ndim, ()):
        candidates.append(other.reshape([reference.shape[axis] for axis in np.argsort(axes)]).transpose(axes))
    return _closest(reference, candidates)


def align_layer(name: str, reference: Array, twin: str, other: Array) -> Array | None:
    """The array of the tensor `twin` in the form of its namesake `name`, as far as the suffixes of the names tell; None where none fits."""
    if base_name(name) != name:
        return aligned(reference, other)
    suffixes = twin[len(name) :].split(";")
    if "reshaped" in suffixes:
        return reshaped(reference, other)
    return aligned(reference, other, next((turn for turn in map(_turn, suffixes) if turn is not None), None))


def with_infinities(reference: Array, other: Array) -> Array:
    """`other` with infinity where it is the largest number of float32 and `reference` infinite: sums and products of .tflite end there."""
    if reference.dtype.kind != "f" or not np.isinf(reference).any():
        return other
    bounded = np.isinf(reference) & (other == np.copysign(np.finfo(np.float32).max, reference))
    return np.where(bounded, reference, other)


def _turn(suffix: str) -> tuple[int, ...] | None:
    """How the array of a tensor with this suffix is transposed back."""
    plain = re.sub(r"(_int8|_float32)$", "", suffix)
    if re.fullmatch(r"perm\d+", plain):
        return tuple(int(axis) for axis in np.argsort([int(digit) for digit in plain.removeprefix("perm")]))
    return LAYOUTS.get(plain)


def _closest(reference: Array, candidates: Sequence[Array]) -> Array | None:
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    return min(candidates, key=lambda array: _distance(reference, array))


def _distance(a: Array, b: Array) -> float:
    with np.errstate(all="ignore"):
        return float(np.nan_to_num(np.abs(a.astype(np.float64) - b.astype(np.float64))).max(initial=0.0))


def _without_ones(array: Array) -> list[int]:
    return [dim for dim in array.shape if dim != 1]
