"""Boxes of detectors: decoded from what a network gives, and those selected that no better one overlaps."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import Status, f32, f32p, f64, i32, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.intrinsics import advance

_single: Any = np.float32
_ZERO: Any = np.float32(0)
_OK = int(Status.OK)
_BAD_VALUE = int(Status.BAD_VALUE)
_FAR = 1000.0
_SQUARINGS = 10
_TERMS = 14


@kernel
def real_u8(x: u8p, y: f32p, zero_point: f32, scale: f32, count: i64, thread: i64, threads: i64) -> None:
    """Makes (x - zero point) · scale."""
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        y[i] = (_single(x[i]) - zero_point) * scale


@inline
def _exp(x: f64) -> f64:
    """e^x to 13 digits, by the series of e^(x / 1024)."""
    part = max(min(x, _FAR), -_FAR) / (1 << _SQUARINGS)
    result = 1.0
    for term in range(_TERMS, 0, -1):
        result = 1.0 + result * part / term
    for _ in range(_SQUARINGS):
        result *= result
    return result


@inline
def _wide(x: f32) -> f64:
    return np.float64(x)


@kernel
def decode_boxes(
    encoded: f32p,
    anchors: f32p,
    boxes: f32p,
    count: i64,
    stride: i64,
    y_scale: f64,
    x_scale: f64,
    h_scale: f64,
    w_scale: f64,
    thread: i64,
    threads: i64,
) -> i32:
    """Makes boxes (ymin, xmin, ymax, xmax) of encoded (y, x, h, w, …) around anchors (y, x, h, w); `stride` numbers encode a box."""
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        e, a = stride * i, 4 * i
        height, width = _wide(anchors[a + 2]), _wide(anchors[a + 3])
        y = _single(_wide(encoded[e]) / y_scale * height + _wide(anchors[a]))
        x = _single(_wide(encoded[e + 1]) / x_scale * width + _wide(anchors[a + 1]))
        half_h = _single(0.5 * _exp(_wide(encoded[e + 2]) / h_scale) * height)
        half_w = _single(0.5 * _exp(_wide(encoded[e + 3]) / w_scale) * width)
        boxes[a], boxes[a + 1], boxes[a + 2], boxes[a + 3] = y - half_h, x - half_w, y + half_h, x + half_w
        if boxes[a] > boxes[a + 2] or boxes[a + 1] > boxes[a + 3]:
            return _BAD_VALUE
    return _OK


@inline
def _overlap(boxes: f32p, a: i64, b: i64) -> f32:
    """Intersection over union; 0 where either box has no area."""
    i, j = 4 * a, 4 * b
    a_area = (boxes[i + 2] - boxes[i]) * (boxes[i + 3] - boxes[i + 1])
    b_area = (boxes[j + 2] - boxes[j]) * (boxes[j + 3] - boxes[j + 1])
    height: f32 = max(min(boxes[i + 2], boxes[j + 2]) - max(boxes[i], boxes[j]), _ZERO)
    width: f32 = max(min(boxes[i + 3], boxes[j + 3]) - max(boxes[i + 1], boxes[j + 1]), _ZERO)
    overlap: f32 = height * width / (a_area + b_area - height * width)
    return _ZERO if a_area <= _ZERO or b_area <= _ZERO else overlap


@inline
def _is_before(scores: f32p, stride: i64, a: i64, b: i64) -> bool:
    """True where box a has the higher score, or the same and stands before b."""
    return scores[a * stride] > scores[b * stride] or (scores[a * stride] == scores[b * stride] and a < b)


@inline
def _sink(scores: f32p, stride: i64, order: i64p, place: i64, size: i64) -> None:
    """Restores a heap whose last box by `_is_before` is on top, below `place`."""
    box = order[place]
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and _is_before(scores, stride, order[child], order[child + 1]):
            child += 1
        if not _is_before(scores, stride, box, order[child]):
            break
        order[place] = order[child]
        place = child
    order[place] = box


@inline
def _select(
    boxes: f32p, scores: f32p, at: i64, stride: i64, count: i64, most: i64, score_threshold: f32, iou_threshold: f32, order: i64p
) -> i64:
    """Leaves in `order` up to `most` boxes by falling score, none of which overlaps a better one too much; returns how many."""
    kept = 0
    for box in range(count):
        if scores[at + box * stride] >= score_threshold:
            order[kept] = box
            kept += 1
    own = advance(scores, at)
    for place in range(kept // 2 - 1, -1, -1):
        _sink(own, stride, order, place, kept)
    for last in range(kept - 1, 0, -1):
        order[0], order[last] = order[last], order[0]
        _sink(own, stride, order, 0, last)
    found = 0
    while found < kept and found < most:
        rest = found + 1
        for place in range(found + 1, kept):
            if not _overlap(boxes, order[found], order[place]) > iou_threshold:
                order[rest] = order[place]
                rest += 1
        kept = rest
        found += 1
    return found


@inline
def _sink_class(scores: f32p, at: i64, order: i64p, place: i64, size: i64, index: i64) -> None:
    """Puts a class into an empty place of a heap with the least score on top, as libstdc++ does: it falls to a leaf, then rises."""
    top = place
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and not scores[at + order[child + 1]] > scores[at + order[child]]:
            child += 1
        order[place] = order[child]
        place = child
    while place > top and scores[at + order[(place - 1) // 2]] > scores[at + index]:
        order[place] = order[(place - 1) // 2]
        place = (place - 1) // 2
    order[place] = index


@inline
def _best_classes(scores: f32p, at: i64, classes: i64, count: i64, order: i64p) -> None:
    """order[:count] = the classes of the highest scores, equal ones in the order of `std::partial_sort`; a single one is the first."""
    for c in range(classes):
        order[c] = c
    if count == 1:
        for c in range(1, classes):
            if scores[at + c] > scores[at + order[0]]:
                order[0] = c
        return
    for place in range(count // 2 - 1, -1, -1):
        _sink_class(scores, at, order, place, count, order[place])
    for c in range(count, classes):
        if scores[at + order[c]] > scores[at + order[0]]:
            index = order[c]
            order[c] = order[0]
            _sink_class(scores, at, order, 0, count, index)
    for last in range(count - 1, 0, -1):
        index = order[last]
        order[last] = order[0]
        _sink_class(scores, at, order, 0, last, index)


@inline
def _list(boxes: f32p, scores: f32p, at: i64, box: i64, number: i64, place: i64, y_boxes: f32p, y_classes: f32p, y_scores: f32p) -> None:
    """Writes one result."""
    for i in range(4):
        y_boxes[4 * place + i] = boxes[4 * box + i]
    y_classes[place] = _single(number)
    y_scores[place] = scores[at]


@inline
def _clear(results: i64, y_boxes: f32p, y_classes: f32p, y_scores: f32p) -> None:
    for place in range(results):
        y_classes[place] = y_scores[place] = _ZERO
        for i in range(4):
            y_boxes[4 * place + i] = _ZERO


@kernel
def detect_by_box(
    boxes: f32p,
    scores: f32p,
    y_boxes: f32p,
    y_classes: f32p,
    y_scores: f32p,
    y_count: f32p,
    count: i64,
    stride: i64,
    first: i64,
    classes: i64,
    most: i64,
    listed: i64,
    score_threshold: f32,
    iou_threshold: f32,
    best: f32p,
    order: i64p,
    ranked: i64p,
    thread: i64,
    threads: i64,
) -> None:
    """Selects `most` of `count` boxes by the best of `classes` scores, `first` on in `stride`, and lists the best `listed` of each."""
    if thread != 0:
        return
    _clear(most * listed, y_boxes, y_classes, y_scores)
    for box in range(count):
        top = scores[box * stride + first]
        for c in range(1, classes):
            top = max(top, scores[box * stride + first + c])
        best[box] = top
    found = _select(boxes, best, 0, 1, count, most, score_threshold, iou_threshold, order)
    ranks = min(listed, classes)
    for i in range(found):
        at = order[i] * stride + first
        _best_classes(scores, at, classes, ranks, ranked)
        for rank in range(ranks):
            _list(boxes, scores, at + ranked[rank], order[i], ranked[rank], i * listed + rank, y_boxes, y_classes, y_scores)
    y_count[0] = _single(found)


@kernel
def detect_by_class(
    boxes: f32p,
    scores: f32p,
    y_boxes: f32p,
    y_classes: f32p,
    y_scores: f32p,
    y_count: f32p,
    count: i64,
    stride: i64,
    first: i64,
    classes: i64,
    most: i64,
    listed: i64,
    most_per_class: i64,
    score_threshold: f32,
    iou_threshold: f32,
    order: i64p,
    merged: i64p,
    former: i64p,
    thread: i64,
    threads: i64,
) -> None:
    """Selects boxes class by class and lists the `most` best of all; of equal ones those of the class before come first."""
    if thread != 0:
        return
    _clear(most * listed, y_boxes, y_classes, y_scores)
    total = 0
    for c in range(classes):
        found = _select(boxes, scores, first + c, stride, count, most_per_class, score_threshold, iou_threshold, order)
        for i in range(total):
            former[i] = merged[i]
        old, new, kept = 0, 0, 0
        while kept < most and (old < total or new < found):
            place = order[new] * stride + first + c if new < found else 0
            if old < total and (new == found or not scores[place] > scores[former[old]]):
                merged[kept] = former[old]
                old += 1
            else:
                merged[kept] = place
                new += 1
            kept += 1
        total = kept
    for i in range(total):
        at = merged[i]
        box = at // stride
        _list(boxes, scores, at, box, at - box * stride - first, i, y_boxes, y_classes, y_scores)
    y_count[0] = _single(total)
