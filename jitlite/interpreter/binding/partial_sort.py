"""The order in which the reference lists equal values: that of `std::partial_sort` in libstdc++, a heap of the best so far."""

from collections.abc import Sequence


class _Heap:
    """A heap of indices in `order[:size]`, that of the least value first."""

    def __init__(self, values: Sequence[float], order: list[int]) -> None:
        self._values, self._order = values, order

    def sink(self, place: int, size: int, index: int) -> None:
        """Puts an index into an empty place: the place falls to a leaf, then the index rises."""
        values, order, top = self._values, self._order, place
        while 2 * place + 1 < size:
            child = 2 * place + 1
            if child + 1 < size and not values[order[child + 1]] > values[order[child]]:
                child += 1
            order[place] = order[child]
            place = child
        while place > top and values[order[(place - 1) // 2]] > values[index]:
            order[place] = order[(place - 1) // 2]
            place = (place - 1) // 2
        order[place] = index


def largest(values: Sequence[float], count: int) -> list[int]:
    """The indices of the `count` largest values, the largest first; `count` is between 1 and their number."""
    order = list(range(len(values)))
    heap = _Heap(values, order)
    for place in reversed(range(count // 2)):
        heap.sink(place, count, order[place])
    for i in range(count, len(values)):
        if values[order[i]] > values[order[0]]:
            index, order[i] = order[i], order[0]
            heap.sink(0, count, index)
    for last in reversed(range(1, count)):
        index, order[last] = order[last], order[0]
        heap.sink(0, last, index)
    return order[:count]
