"""Partitions: every one can run at once, in the order given, for any graph and any choice of operators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitlite.interpreter.delegates.partition import Limits, Unit, overlapped, partition


def units_of(reads: list[list[int]], after: list[list[int]] | None = None) -> list[Unit]:
    """Node i writes tensor i and reads the tensors of other nodes; tensor -1 is an input."""
    return [Unit((node,), frozenset(items), frozenset({node}), frozenset(after[node] if after else ())) for node, items in enumerate(reads)]


def divided(units, taken, **limits):
    refused = {}
    found = partition(units, set(taken), 0, Limits(**limits), lambda nodes, reason: refused.update(dict.fromkeys(nodes, reason)))
    return [unit.nodes for unit in found if unit.owner is not None], [unit.nodes for unit in found], refused


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 14))
    reads = [draw(st.lists(st.integers(-1, node - 1), max_size=3)) for node in range(size)]
    after = [draw(st.lists(st.integers(0, node - 1), max_size=1)) if node else [] for node in range(size)]
    return reads, after, draw(st.sets(st.integers(0, size - 1))), draw(st.booleans()), draw(st.booleans())


@given(graphs())
def test_partitions_run_in_their_order(graph):
    reads, after, taken, gathers, joins = graph
    parts, order, refused = divided(units_of(reads, after), taken, gathers=gathers, joins=joins)
    assert refused == {}
    assert sorted(node for nodes in order for node in nodes) == list(range(len(reads)))
    assert sorted(node for nodes in parts for node in nodes) == sorted(taken)
    done = {-1}
    for nodes in order:
        inside = set(nodes)
        for node in nodes:
            assert {*reads[node], *after[node]} <= done | inside
            assert [other for other in reads[node] if other in inside and nodes.index(other) > nodes.index(node)] == []
        done |= inside
    if not joins:
        assert all(len(nodes) == 1 for nodes in parts)
    if not gathers:
        assert [node for nodes in order for node in nodes] == list(range(len(reads)))


@given(graphs(), st.integers(0, 3), st.integers(0, 3))
def test_limits(graph, most, least):
    reads, after, taken, *_ = graph
    parts, _, refused = divided(units_of(reads, after), taken, max_partitions=most, min_nodes=least)
    assert {node for nodes in parts for node in nodes} | refused.keys() == taken
    assert {node for nodes in parts for node in nodes} & refused.keys() == set()
    assert len(parts) <= (most or len(parts))
    assert all(len(nodes) >= least for nodes in parts)
    assert all(reason.startswith(("min_nodes_per_partition is", "max_delegated_partitions is")) for reason in refused.values())


@pytest.mark.parametrize(
    ("reads", "taken", "expected"),
    [
        ([[-1], [0], [1], [2]], [0, 1, 2, 3], [(0, 1, 2, 3)]),
        ([[-1], [0], [1], [2]], [0, 1, 3], [(0, 1), (3,)]),
        # Two branches, one with an operator left out: the other branch joins the part before, what follows both comes behind.
        ([[-1], [0], [1], [0], [2, 3]], [0, 1, 3, 4], [(0, 1, 3), (4,)]),
        # Operators that do not depend on each other are one partition.
        ([[-1], [-1], [-1]], [0, 2], [(0, 2)]),
        # LiteRT's own choice: the first ready operator decides which kind comes first.
        ([[-1], [-1], [0, 1]], [1, 2], [(1, 2)]),
    ],
)
def test_partitions_of_small_graphs(reads, taken, expected):
    assert divided(units_of(reads), taken)[0] == expected


def test_the_largest_partitions_stay():
    reads = [[-1], [0], [1], [2], [3], [4], [5]]
    parts, _, refused = divided(units_of(reads), [0, 2, 3, 5, 6], max_partitions=2)
    assert parts == [(2, 3), (5, 6)]
    assert refused == {0: "max_delegated_partitions is 2, 2 of at least 1 nodes come first"}


def test_a_second_delegate_gets_what_is_left():
    units = partition(units_of([[-1], [0], [1], [2]]), {1}, 0, Limits(), lambda nodes, reason: None)
    found = partition(units, {0, 2, 3}, 1, Limits(), lambda nodes, reason: None)
    assert [(unit.owner, unit.nodes) for unit in found] == [(1, (0,)), (0, (1,)), (1, (2, 3))]


@given(graphs(), st.sets(st.integers(0, 13)))
def test_units_that_run_beside_others_keep_what_they_need(graph, late):
    reads, after, taken, *_ = graph
    units = partition(units_of(reads, after), taken, 0, Limits(), lambda nodes, reason: None)
    found = overlapped(units, {place for place, unit in enumerate(units) if unit.owner is not None and place in late})
    assert sorted(unit.nodes for unit in found) == sorted(unit.nodes for unit in units)
    done = {-1}
    for unit in found:
        inside = set(unit.nodes)
        assert all({*reads[node], *after[node]} <= done | inside for node in unit.nodes)
        done |= inside
    assert [unit for unit in found if unit.owner == 0] == [unit for unit in units if unit.owner == 0]


def test_units_run_beside_a_late_one():
    """Node 0 reads the input, 1 reads 0, 2 to 4 are a chain of their own, 5 reads both; 0 and 3 are partitions."""
    units = partition(units_of([[-1], [0], [-1], [2], [3], [1, 4]]), {0, 3}, 0, Limits(), lambda nodes, reason: None)
    assert [unit.nodes for unit in overlapped(units, {0, 3})] == [(0,), (2,), (3,), (1,), (4,), (5,)]
    assert [unit.nodes for unit in units] == [(0,), (1,), (2,), (3,), (4,), (5,)]
