"""Which operators a delegate runs as one: maximal convex parts of the graph, found as LiteRT finds them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from jitlite.schemas.record import Record


class Unit(Record):
    """Operators that run as one: a single one on the CPU, or a partition of the delegate at place `owner`.

    `reads` and `writes` are tensors; `after` are nodes whose unit must come earlier for another reason than data.
    """

    nodes: tuple[int, ...]
    reads: frozenset[int]
    writes: frozenset[int]
    after: frozenset[int] = frozenset()
    owner: int | None = None


class Limits(Record):
    """How partitions are made: at most so many, the largest, of at least so many nodes each; 0 is no limit.

    Without `gathers` a partition has only operators that follow each other, without `joins` every operator is one.
    """

    max_partitions: int = 0
    min_nodes: int = 0
    gathers: bool = True
    joins: bool = True


def _needs(units: Sequence[Unit]) -> list[set[int]]:
    """The places of the units that must come before each unit."""
    makers = {tensor: place for place, unit in enumerate(units) for tensor in unit.writes}
    home = {node: place for place, unit in enumerate(units) for node in unit.nodes}
    return [
        ({makers[tensor] for tensor in unit.reads if tensor in makers} | {home[node] for node in unit.after if node in home}) - {place}
        for place, unit in enumerate(units)
    ]


def _subsets(units: Sequence[Unit], taken: Collection[int], limits: Limits) -> list[list[int]]:
    """Places of units in subsets that are all taken or all not, in an order in which the subsets can run.

    Each subset gets all units of the kind of the first one that is ready, as far as what they need is in earlier subsets or in itself.
    """
    needs = _needs(units)
    left, done, found = list(range(len(units))), set[int](), list[list[int]]()
    while left:
        subset: list[int] = []
        kept: list[int] = []
        for position, place in enumerate(left):
            fits = needs[place] <= done and (not subset or (subset[0] in taken) == (place in taken))
            if fits and not (subset and place in taken and not limits.joins):
                subset.append(place)
                done.add(place)
            else:
                kept.append(place)
                if not limits.gathers:
                    kept += left[position + 1 :]
                    break
        assert subset, "units are in an order in which they can run"
        found.append(subset)
        left = kept
    return found


def _joined(units: Sequence[Unit], owner: int) -> Unit:
    return Unit(
        tuple(node for unit in units for node in unit.nodes),
        frozenset().union(*(unit.reads for unit in units)),
        frozenset().union(*(unit.writes for unit in units)),
        frozenset().union(*(unit.after for unit in units)),
        owner,
    )


def partition(
    units: Sequence[Unit], taken: Collection[int], owner: int, limits: Limits, refuse: Callable[[tuple[int, ...], str], None]
) -> list[Unit]:
    """The units, in an order in which they can run, with those that hold `taken` nodes joined to partitions of `owner`.

    `refuse` is told which nodes the limits leave out, and why.
    """
    places = {place for place, unit in enumerate(units) if unit.owner is None and unit.nodes[0] in taken}
    parts = [subset for subset in _subsets(units, places, limits) if subset[0] in places]
    for subset, reason in _left_out(parts, limits):
        places.difference_update(subset)
        refuse(tuple(units[place].nodes[0] for place in subset), reason)
    ordered: list[Unit] = []
    for subset in _subsets(units, places, limits):
        members = [units[place] for place in subset]
        ordered += [_joined(members, owner)] if subset[0] in places else members
    return ordered


def _left_out(parts: Sequence[list[int]], limits: Limits) -> Iterator[tuple[list[int], str]]:
    """The partitions beyond the limits; of equal ones the first stay."""
    ranked = sorted(parts, key=len, reverse=True)
    most = limits.max_partitions or len(ranked)
    for rank, part in enumerate(ranked):
        if len(part) < limits.min_nodes:
            yield part, f"min_nodes_per_partition is {limits.min_nodes}, its partition has {len(part)}"
        elif rank >= most:
            yield part, f"max_delegated_partitions is {most}, {rank} of at least {len(part)} nodes come first"


def overlapped(units: Sequence[Unit], late: Collection[int]) -> list[Unit]:
    """The units in an order in which those at the places `late`, which others may run beside, start early and are waited for late.

    Partitions of one owner keep their order, and so do other units as far as they can.
    """
    needs, last = _needs(units), dict[int, int]()
    for place, unit in enumerate(units):
        if unit.owner is not None:
            needs[place] |= {last[unit.owner]} if unit.owner in last else set()
            last[unit.owner] = place
    readers: list[list[int]] = [[] for _ in units]
    for place, found in enumerate(needs):
        for other in found:
            readers[other].append(place)
    missing = [len(found) for found in needs]
    waiting, running = [place for place, count in enumerate(missing) if count == 0], set[int]()
    order: list[int] = []
    while waiting:
        place = min(waiting, key=lambda place: (place not in late, not needs[place].isdisjoint(running), place))
        waiting.remove(place)
        order.append(place)
        if place in late:
            running.add(place)
        else:
            running -= needs[place]
        for reader in readers[place]:
            missing[reader] -= 1
            if missing[reader] == 0:
                waiting.append(reader)
    return [units[place] for place in order]
