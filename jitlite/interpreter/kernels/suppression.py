"""Boxes by falling score, without those that overlap better ones, or with lower scores where they do."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import Status, f32, f32p, i32, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.transcendental import exp
from jitlite.interpreter.kernels.vectors import splat, store

_ZERO: Any = np.float32(0)
_OK = int(Status.OK)
_BAD_VALUE = int(Status.BAD_VALUE)


@inline
def _overlap(boxes: f32p, a: i64, b: i64) -> f32:
    """Intersection over union of two boxes given by any two opposite corners; 0 where either has no area."""
    a_top, a_bottom = min(boxes[4 * a], boxes[4 * a + 2]), max(boxes[4 * a], boxes[4 * a + 2])
    a_left, a_right = min(boxes[4 * a + 1], boxes[4 * a + 3]), max(boxes[4 * a + 1], boxes[4 * a + 3])
    b_top, b_bottom = min(boxes[4 * b], boxes[4 * b + 2]), max(boxes[4 * b], boxes[4 * b + 2])
    b_left, b_right = min(boxes[4 * b + 1], boxes[4 * b + 3]), max(boxes[4 * b + 1], boxes[4 * b + 3])
    a_area, b_area = (a_bottom - a_top) * (a_right - a_left), (b_bottom - b_top) * (b_right - b_left)
    height: f32 = max(min(a_bottom, b_bottom) - max(a_top, b_top), _ZERO)
    width: f32 = max(min(a_right, b_right) - max(a_left, b_left), _ZERO)
    overlap: f32 = height * width / (a_area + b_area - height * width)
    return _ZERO if a_area <= _ZERO or b_area <= _ZERO else overlap


@inline
def _raise(scores: f32p, boxes: i64p, compared: i64p, place: i64, score: f32, box: i64, seen: i64) -> None:
    """Puts a candidate into an empty place of the heap, or above it where parents are worse."""
    while place > 0 and scores[(place - 1) // 2] < score:
        parent = (place - 1) // 2
        scores[place], boxes[place], compared[place] = scores[parent], boxes[parent], compared[parent]
        place = parent
    scores[place], boxes[place], compared[place] = score, box, seen


@inline
def _pop(scores: f32p, boxes: i64p, compared: i64p, count: i64) -> None:
    """Takes the best of `count` candidates from the heap; of equal children the right one moves up, as in libstdc++."""
    last = count - 1
    score, box, seen = scores[last], boxes[last], compared[last]
    place = 0
    while 2 * place + 1 < last:
        child = 2 * place + 1
        if child + 1 < last and not scores[child + 1] < scores[child]:
            child += 1
        scores[place], boxes[place], compared[place] = scores[child], boxes[child], compared[child]
        place = child
    if last > 0:
        _raise(scores, boxes, compared, place, score, box, seen)


@kernel
def non_max_suppression(
    boxes: f32p,
    scores: f32p,
    iou_threshold: f32p,
    score_threshold: f32p,
    sigma: f32p,
    selected: i32p,
    values: f32p,
    number: i32p,
    count: i64,
    most: i64,
    queue_scores: f32p,
    queue_boxes: i64p,
    queue_compared: i64p,
    lane: f32p,
    thread: i64,
    threads: i64,
) -> i32:
    """Up to `most` boxes and their scores, 0 behind them. Overlaps lower scores where sigma is above 0. Queues hold `count`."""
    if thread != 0:
        return _OK
    if sigma[0] < _ZERO:
        return _BAD_VALUE
    scale = np.float32(-0.5 / sigma[0]) if sigma[0] > _ZERO else _ZERO
    waiting, found = 0, 0
    for box in range(count):
        if scores[box] > score_threshold[0]:
            _raise(queue_scores, queue_boxes, queue_compared, waiting, scores[box], box, 0)
            waiting += 1
    most_found = min(most, waiting)
    while found < most_found and waiting > 0:
        original, box, seen = queue_scores[0], queue_boxes[0], queue_compared[0]
        _pop(queue_scores, queue_boxes, queue_compared, waiting)
        waiting -= 1
        score, is_suppressed = original, False
        other = found - 1
        while other >= seen and not is_suppressed:
            overlap = _overlap(boxes, box, selected[other])
            is_suppressed = overlap >= iou_threshold[0]
            if not is_suppressed and scale != _ZERO:
                store(lane, 0, exp(splat(scale * overlap * overlap)))
                score = score * lane[0]
            other = -1 if score <= score_threshold[0] else other - 1
        if is_suppressed:
            continue
        seen = found
        if score == original:
            selected[found], values[found] = box, score
            found += 1
        if score > score_threshold[0]:
            _raise(queue_scores, queue_boxes, queue_compared, waiting, score, box, seen)
            waiting += 1
    for place in range(found, most):
        selected[place], values[place] = 0, _ZERO
    number[0] = found
    return _OK
