"""Certificates that a float line rounds every sum as the reference does.

A channel's reference maps sums of [least, most] to outputs by a function that never falls. Behind the clamp [low, high] it is given by its
thresholds: T(j), the least sum that becomes at least j, for j from low - zero point + 1 to high - zero point. The line, which never falls
either, equals it on all sums when it gives at least j at T(j) and less at T(j) - 1. Both are looked at with the functions of `rounding`
themselves.

For a given scale S the offsets that pass form an interval: a positive step j asks for j - h ≤ S · T(j) + offset and S · (T(j) - 1) +
offset < j - h, where h is 0 on targets whose lines truncate, else half the gap below the float32 j; for j ≤ 0 the same holds of the step
1 - j with negated sums. Its middle is tried for a few scales around the exact one, then for fine lines, whose scale is S + a slope. They
need not rise where a step of sums is as small as the rounding of their inner sum, so S - |slope| must be above 2^-22.

An interval of one offset needs the line to include it above 0 and exclude it below, which the smallest slope does.

`limits`: the output's zero point, lowest and highest value, at most 255 apart. Where a channel has no certificate its scale is 0; slopes
are 0 where the plain line does.
"""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, f64, f64p, i8p, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.requantize import narrow, wide
from jitlite.interpreter.kernels.rounding import round_fine_line, round_line
from jitlite.interpreter.kernels.tile import ISA, single, stack_f32
from jitlite.interpreter.kernels.vectors import LANES, any_of, bits_of, floats_of, load, splat, store

double: Any = np.float64

STEPS = 256
_TRUNCATES = int(ISA.truncates)
_PARTS = 8
_LEAST_SLOPE = -(2.0**-80)
_LEAST, _MOST = -(2**31), 2**31 - 1


@inline
def _gap(step: i64) -> f64:
    """Half the distance from the float32 `step` ≥ 1 to the one below, or 0 where lines truncate."""
    if _TRUNCATES:
        return 0.0
    gap = 2.0**-25
    power = wide(1)
    while power < step:
        power, gap = power * 2, gap * 2
    return gap


@inline
def _note_edges(first: i64, last: i64, bounds: f64p) -> None:
    """Notes j - h for every step."""
    for step in range(first, last + 1):
        size = step if step > 0 else 1 - step
        bounds[step - first] = double(size) - _gap(size)


@inline
def _note(i: i64, step: i64, threshold: i64, least: i64, most: i64, points: i32p, bounds: f64p) -> None:
    """Notes one threshold.

    `points` holds STEPS sums that become at least the STEPS numbers behind them, then STEPS sums that become less than the last STEPS
    numbers. `bounds` holds the STEPS numbers of `_note_edges`, then the sums on their far sides, then those on their near sides.
    """
    reached, passed = min(threshold, most), max(threshold - 1, least)
    is_reached, is_passed = threshold <= most, threshold > least
    points[i] = reached
    points[STEPS + i] = step if is_reached else _LEAST
    points[2 * STEPS + i] = passed
    points[3 * STEPS + i] = step if is_passed else _MOST
    above = double(single(reached)) if is_reached else np.inf
    below = double(single(passed)) if is_passed else -np.inf
    bounds[STEPS + i] = above if step > 0 else -below
    bounds[2 * STEPS + i] = below if step > 0 else -above


@inline
def _holds(points: i32p, count: i64, scale: f32, slope: f32, offset: f32) -> bool:
    """True when the line passes at all noted points."""
    for at in range(0, count, LANES):
        reached, passed = load(points, at), load(points, 2 * STEPS + at)
        if slope == single(0):
            reached = round_line(reached, splat(scale), splat(offset))
            passed = round_line(passed, splat(scale), splat(offset))
        else:
            reached = round_fine_line(reached, splat(scale), splat(slope), splat(offset))
            passed = round_fine_line(passed, splat(scale), splat(slope), splat(offset))
        if any_of((reached < load(points, STEPS + at)) | (passed >= load(points, 3 * STEPS + at))):
            return False
    return True


@inline
def _offsets(bounds: f64p, count: i64, scale: f64) -> tuple[f64, f64]:
    """The least and the greatest offset that may pass with exact arithmetic; there is none when the least is the larger."""
    low, high = 0.0, 1.0
    for i in range(count):
        from_above = bounds[i] - scale * bounds[STEPS + i]
        from_below = bounds[i] - scale * bounds[2 * STEPS + i]
        low = from_above if from_above > low else low
        high = from_below if from_below < high else high
    return low, high


@inline
def _nearby(scale: f32, attempt: i64) -> f32:
    """The float32 itself, then those next to it on both sides in turn."""
    one = stack_f32(16)
    distance = (attempt + 1) // 2 if attempt % 2 else -(attempt // 2)
    store(one, 0, floats_of(bits_of(splat(scale)) + splat(narrow(distance))))
    nearby: float = one[0]
    return nearby


@inline
def _fine_line(exact: f64, count: i64, points: i32p, bounds: f64p) -> tuple[f32, f32, f32]:
    """A certified fine line's scale, slope and offset; zeros where none is found."""
    for attempt in range(9):
        scale = _nearby(single(exact), attempt)
        slope = single(exact - double(scale))
        low, high = _offsets(bounds, count, double(scale) + double(slope))
        if slope == single(0):
            slope, high = single(_LEAST_SLOPE), low
        if low <= high and double(scale) - abs(double(slope)) > 2.0**-22:
            for part in range(_PARTS + 1):
                offset = single(low + (high - low) * part / _PARTS)
                if _holds(points, count, scale, slope, offset):
                    return scale, slope, offset
    return single(0), single(0), single(0)


@inline
def _line(exact: f64, count: i64, farthest: i64, points: i32p, bounds: f64p) -> tuple[f32, f32, f32]:
    """A certified line's scale, slope and offset; zeros where none is found. `farthest` is the largest magnitude of a sum."""
    for i in range(count, (count + LANES - 1) // LANES * LANES):
        points[i] = points[2 * STEPS + i] = 0
        points[STEPS + i], points[3 * STEPS + i] = _LEAST, _MOST
    nearest = single(exact)
    if exact * double(farthest) + 2.0 >= 2.0**31:
        return single(0), single(0), single(0)
    for attempt in range(9):
        scale = _nearby(nearest, attempt)
        if double(scale) * double(farthest) + 1.0 < 2.0**31:
            low, high = _offsets(bounds, count, double(scale))
            offset = single((low + high) / 2)
            if low <= high and _holds(points, count, scale, single(0), offset):
                return scale, single(0), offset
    return _fine_line(exact, count, points, bounds)


@inline
def _quantized_threshold(step: i64, mantissa: i64, shift: i64, least: i64, most: i64) -> i64:
    """The least sum that `multiply_by_quantized_multiplier` makes at least `step`, moved into [least, most + 1].

    With a right shift e it is the least x with x · mantissa ≥ 2^30 · ((2 · step - 1) · 2^e - 1), or + 1 for step ≤ 0; without one, with
    x · mantissa · 2^shift ≥ 2^30 · (2 · step - 1).
    """
    odd = double(2 * step - 1)
    if shift < 0:
        odd = odd * double(wide(1) << -shift) + (-1.0 if step > 0 else 1.0)
    product = odd * 2.0**30
    factor = mantissa << max(shift, wide(0))
    estimate = np.ceil(product / double(factor))
    found = wide(min(max(estimate, double(least)), double(most) + 1.0))
    # The quotient was rounded: it can lie below a whole number it should exceed.
    is_low = double(found) == estimate and found * factor < wide(min(max(product, -(2.0**62)), 2.0**62))
    threshold: int = min(found + wide(is_low), most + 1)
    return threshold


@kernel
def certify_quantized(
    mantissas: i32p,
    shifts: i32p,
    ranges: i64p,
    limits: i32p,
    scales: f32p,
    slopes: f32p,
    offsets: f32p,
    certified: i32p,
    points: i32p,
    bounds: f64p,
    count: i64,
    thread: i64,
    threads: i64,
) -> None:
    """Lines that equal `multiply_by_quantized_multiplier`; `ranges` holds the least and the greatest sum of each of `count` channels."""
    if thread > 0:
        return
    first, last = wide(limits[1]) - limits[0] + 1, wide(limits[2]) - limits[0]
    _note_edges(first, last, bounds)
    for channel in range(count):
        mantissa, shift = wide(mantissas[channel]), wide(shifts[channel])
        least, most = ranges[2 * channel], ranges[2 * channel + 1]
        farthest = max(-least, most)
        scales[channel], slopes[channel], offsets[channel], certified[channel] = single(0), single(0), single(0.5), 1
        if mantissa > 0:
            certified[channel] = 0
            if shift <= 0 or farthest << shift < 2**31:
                for step in range(first, last + 1):
                    _note(step - first, step, _quantized_threshold(step, mantissa, shift, least, most), least, most, points, bounds)
                exact = double(mantissa) * (1.0 / double(wide(1) << (31 - shift)))
                scales[channel], slopes[channel], offsets[channel] = _line(exact, last - first + 1, farthest, points, bounds)
                certified[channel] = scales[channel] > single(0)


@inline
def _real_threshold(step: i64, scale: f64, least: i64, most: i64) -> i64:
    """The least sum whose product with `scale`, a float64, rounds to at least `step`, halves away from zero; in [least, most + 1]."""
    edge = double(step) - 0.5
    estimate = np.ceil(edge / scale) - 1.0
    found = wide(min(max(estimate, double(least)), double(most) + 1.0))
    for _ in range(2):
        product = double(found) * scale
        found += wide(product < edge or (step <= 0 and product == edge))
    threshold: int = min(found, most + 1)
    return threshold


@kernel
def certify_real(
    multipliers: f64p,
    ranges: i64p,
    limits: i32p,
    scales: f32p,
    slopes: f32p,
    offsets: f32p,
    certified: i32p,
    points: i32p,
    bounds: f64p,
    count: i64,
    thread: i64,
    threads: i64,
) -> None:
    """Lines that equal `vectors.scale_exactly`; the other arguments as of `certify_quantized`."""
    if thread > 0:
        return
    first, last = wide(limits[1]) - limits[0] + 1, wide(limits[2]) - limits[0]
    _note_edges(first, last, bounds)
    for channel in range(count):
        least, most = ranges[2 * channel], ranges[2 * channel + 1]
        scales[channel], slopes[channel], offsets[channel], certified[channel] = single(0), single(0), single(0.5), 1
        if multipliers[channel] > 0.0:
            for step in range(first, last + 1):
                _note(step - first, step, _real_threshold(step, multipliers[channel], least, most), least, most, points, bounds)
            scales[channel], slopes[channel], offsets[channel] = _line(
                multipliers[channel], last - first + 1, max(-least, most), points, bounds
            )
            certified[channel] = scales[channel] > single(0)


_RUN = 1 << 20


@kernel
def signed_sums(
    weights: i8p, zero_point: i64, positive: i64p, negative: i64p, outer: i64, channels: i64, inner: i64, thread: i64, threads: i64
) -> None:
    """Sums of each channel's weights, less the zero point, that lie above 0 and below 0; weights are [outer, channels, inner]."""
    if thread > 0:
        return
    for channel in range(channels):
        positive[channel], negative[channel] = 0, 0
    for place in range(outer * channels):
        for start in range(place * inner, (place + 1) * inner, _RUN):
            above, total = narrow(0), narrow(0)
            for k in range(start, min(start + _RUN, (place + 1) * inner)):
                weight = narrow(weights[k]) - narrow(zero_point)
                above += max(weight, narrow(0))
                total += weight
            positive[place % channels] += above
            negative[place % channels] += total - above
