"""Ensembles of decision trees as products of matrices.

Every decision of every tree is made at once, as 1 or 0. A row of a tree reaches the leaf all of whose decisions went its way: the sum of
those that had to be 1, less the sum of those that had to be 0, then is the number of the former.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.classifiers import best_label, class_labels, label_above, opposed
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.learning import transformed
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.ops.comparison import (
    EQUAL,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    LOGICAL_AND,
    LOGICAL_OR,
    NOT_EQUAL,
)
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import BATCH_MATMUL
from jitlite.schemas.ops.reduce import SUM
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import BatchMatMulOptions, GatherOptions, ReducerOptions

FLOAT32 = np.dtype(np.float32)
MOST_ENTRIES = 1 << 24
MOST_DEPTH = 512

MODES: dict[str, OpSpec] = {
    "BRANCH_LEQ": LESS_EQUAL,
    "BRANCH_LT": LESS,
    "BRANCH_GTE": GREATER_EQUAL,
    "BRANCH_GT": GREATER,
    "BRANCH_EQ": EQUAL,
    "BRANCH_NEQ": NOT_EQUAL,
}
NUMBERED = (*MODES, "BRANCH_MEMBER")
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a node asks of a row; `takes_missing` says that NaN counts as true."""

    feature: int
    mode: str
    split: float
    takes_missing: bool


@dataclass(slots=True)
class Tree:
    """Decisions, and for each leaf the way to it, as (decision, outcome), and its weight for each target."""

    decisions: list[Decision] = field(default_factory=list)
    leaves: list[tuple[list[tuple[int, bool]], list[tuple[int, float]]]] = field(default_factory=list)


Place = tuple[int, int]
"""What a format refers to nodes by."""
Branch = tuple[Decision, Place, Place]
"""A decision, and what follows when it is true and when it is not."""


def _grown(root: Place, at: Callable[[Place], Branch | list[tuple[int, float]]]) -> Tree:
    """The tree below a root; `at` gives a branch or the weights of a leaf."""
    tree, waiting = Tree(), [(root, list[tuple[int, bool]]())]
    while waiting:
        place, way = waiting.pop()
        if len(way) > MOST_DEPTH or len(tree.leaves) > MOST_ENTRIES:
            raise Unlowerable(f"trees of at most {MOST_DEPTH} levels are required, found deeper ones or a cycle")
        found = at(place)
        if isinstance(found, list):
            tree.leaves.append((way, found))
            continue
        decision, if_true, if_false = found
        index = len(tree.decisions)
        tree.decisions.append(decision)
        waiting += [(if_true, [*way, (index, True)]), (if_false, [*way, (index, False)])]
    return tree


@lowers("ai.onnx.ml.TreeEnsemble", since=5)
def tree_ensemble(ctx: Context, node: Node) -> Value:
    features, modes = attribute(node, "nodes_featureids"), [NUMBERED[mode] for mode in attribute(node, "nodes_modes").reshape(-1)]
    splits = attribute(node, "nodes_splits").reshape(-1)
    missing = attribute(node, "nodes_missing_value_tracks_true") or [0] * len(features)
    sides = [(attribute(node, f"nodes_{side}nodeids"), attribute(node, f"nodes_{side}leafs")) for side in ("true", "false")]
    targets, weights = attribute(node, "leaf_targetids"), attribute(node, "leaf_weights").reshape(-1)

    def at(place: Place) -> Branch | list[tuple[int, float]]:
        index, is_leaf = place
        if is_leaf:
            return [(targets[index], float(weights[index]))]
        decision = Decision(features[index], modes[index], float(splits[index]), bool(missing[index]))
        if_true, if_false = ((ids[index], leaves[index]) for ids, leaves in sides)
        return decision, if_true, if_false

    trees = [_grown((root, 0), at) for root in attribute(node, "tree_roots")]
    aggregate, last = AGGREGATES[attribute(node, "aggregate_function", 1)], TRANSFORMS[attribute(node, "post_transform", 0)]
    y = transformed(ctx, _votes(ctx, trees, attribute(node, "n_targets"), aggregate, ()), last)
    return y if node.outputs[0].dtype is None else cast_to(ctx, y, node.outputs[0].dtype)


@lowers("ai.onnx.ml.TreeEnsembleRegressor")
def tree_ensemble_regressor(ctx: Context, node: Node) -> Value:
    trees, targets = _trees(node, "target"), attribute(node, "n_targets")
    y = _votes(ctx, trees, targets, attribute(node, "aggregate_function", "SUM"), _listed(node, "base_values"))
    return transformed(ctx, y, attribute(node, "post_transform", "NONE"))


@lowers("ai.onnx.ml.TreeEnsembleClassifier")
def tree_ensemble_classifier(ctx: Context, node: Node) -> tuple[Value, Value]:
    """The class with the most votes, and the votes. Each class has some; of two classes, the second alone, as number 0."""
    labels, voted = class_labels(ctx, node), set(attribute(node, "class_ids"))
    last, base = attribute(node, "post_transform", "NONE"), _listed(node, "base_values")
    if len(labels) == 2:
        ctx.require(voted == {0}, f"votes on class 0 alone are supported for two classes, found votes on {sorted(voted)}")
        ctx.require(len(base) < 2, f"one base value is supported for two classes, found {len(base)}")
        is_probability = min(_listed(node, "class_weights")) >= 0
        score = _votes(ctx, _trees(node, "class"), 1, "SUM", base)
        return label_above(ctx, labels, score, 0.5 if is_probability else 0.0), opposed(ctx, score, last, is_probability)
    ctx.require(voted == set(range(len(labels))), f"votes for each of {len(labels)} classes are required, found {voted}")
    votes = _votes(ctx, _trees(node, "class"), len(labels), "SUM", base)
    return best_label(ctx, labels, votes), transformed(ctx, votes, last)


def _listed(node: Node, name: str) -> list[float]:
    tensor = attribute(node, f"{name}_as_tensor")
    return list(attribute(node, name, []) if tensor is None else tensor.reshape(-1))


def _trees(node: Node, kind: str) -> list[Tree]:
    """The trees of a node that lists leaves among the other nodes, and votes of leaves for something of this kind."""
    keys = list(zip(attribute(node, "nodes_treeids"), attribute(node, "nodes_nodeids"), strict=True))
    places = {key: index for index, key in enumerate(keys)}
    modes = [mode.decode() if isinstance(mode, bytes) else mode for mode in attribute(node, "nodes_modes")]
    features, splits = attribute(node, "nodes_featureids"), _listed(node, "nodes_values")
    missing = attribute(node, "nodes_missing_value_tracks_true") or [0] * len(keys)
    sides = [attribute(node, f"nodes_{side}nodeids") for side in ("true", "false")]
    weights: dict[Place, list[tuple[int, float]]] = {}
    votes = [attribute(node, f"{kind}_{name}") for name in ("treeids", "nodeids", "ids")]
    for tree, leaf, target, weight in zip(*votes, _listed(node, f"{kind}_weights"), strict=True):
        weights.setdefault((tree, leaf), []).append((target, weight))

    def at(place: Place) -> Branch | list[tuple[int, float]]:
        index = places[place]
        if modes[index] == "LEAF":
            return weights.get(place, [])
        tree = keys[index][0]
        decision = Decision(features[index], modes[index], splits[index], bool(missing[index]))
        return decision, (tree, sides[0][index]), (tree, sides[1][index])

    roots: dict[int, Place] = {}
    for key in keys:
        roots.setdefault(key[0], key)
    return [_grown(root, at) for root in roots.values()]


def _votes(ctx: Context, trees: Sequence[Tree], targets: int, aggregate: str, base: Sequence[float]) -> Value:
    """The sum or the mean of the weights of the leaves that each row reaches, FLOAT32 of shape (rows, targets)."""
    ctx.require(aggregate in ("SUM", "AVERAGE"), f"aggregate_function SUM or AVERAGE is supported, found {aggregate}")
    count, depth, width = len(trees), max(len(tree.decisions) for tree in trees), max(len(tree.leaves) for tree in trees)
    ctx.require(depth > 0, "a decision is required, found none")
    size = count * depth * width
    ctx.require(size <= MOST_ENTRIES, f"trees of at most {MOST_ENTRIES} pairs of a decision and a leaf are supported, found {size}")
    ways, needed = np.zeros((count, depth, width), np.float32), np.full((count, 1, width), -1.0, np.float32)
    weights = np.zeros((count, width, targets), np.float64)
    for index, tree in enumerate(trees):
        for leaf, (way, votes) in enumerate(tree.leaves):
            needed[index, 0, leaf] = sum(outcome for _, outcome in way)
            for decision, outcome in way:
                ways[index, decision, leaf] = 1.0 if outcome else -1.0
            for target, weight in votes:
                weights[index, leaf, target] += weight / (count if aggregate == "AVERAGE" else 1)
    decided = _decided(ctx, [_padded(tree.decisions, depth) for tree in trees])
    reached = ctx.op(EQUAL, ctx.op(BATCH_MATMUL, decided, ctx.constant(ways), options=BatchMatMulOptions()), ctx.constant(needed))
    votes_of_trees = ctx.op(
        BATCH_MATMUL, cast_to(ctx, reached, FLOAT32), ctx.constant(weights.astype(np.float32)), options=BatchMatMulOptions()
    )
    total = ctx.op(SUM, votes_of_trees, ctx.indices([0]), options=ReducerOptions(keep_dims=False))
    return ctx.op(ADD, total, ctx.like(total, np.array(base))) if base else total


def _padded(decisions: Sequence[Decision], count: int) -> list[Decision]:
    """As many decisions, the added ones on no leaf's way."""
    return [*decisions, *[Decision(0, "BRANCH_LEQ", 0.0, takes_missing=False)] * (count - len(decisions))]


def _decided(ctx: Context, trees: Sequence[Sequence[Decision]]) -> Value:
    """1 where a decision is true and 0 elsewhere, FLOAT32 of shape (trees, rows, decisions)."""
    x, flat = cast_to(ctx, ctx.input(0), FLOAT32), [decision for tree in trees for decision in tree]
    ctx.require(x.rank == 2, f"an input of rank 2 is required, found shape {x.dims}")
    used = ctx.op(GATHER, x, ctx.indices([decision.feature for decision in flat]), options=GatherOptions(axis=1))
    splits = ctx.like(x, np.array([decision.split for decision in flat]))
    found: Value | None = None
    for mode in dict.fromkeys(decision.mode for decision in flat):
        ctx.require(mode in MODES, f"modes {', '.join(MODES)} are supported, found {mode}")
        part, mask = ctx.op(MODES[mode], used, splits), _mask([decision.mode == mode for decision in flat])
        part = part if mask is None else ctx.op(LOGICAL_AND, part, ctx.constant(mask))
        found = part if found is None else ctx.op(LOGICAL_OR, found, part)
    assert found is not None
    if any(decision.takes_missing for decision in flat):
        missing, mask = ctx.op(NOT_EQUAL, used, used), _mask([decision.takes_missing for decision in flat])
        found = ctx.op(LOGICAL_OR, found, missing if mask is None else ctx.op(LOGICAL_AND, missing, ctx.constant(mask)))
    by_tree = ctx.reshape(cast_to(ctx, found, FLOAT32), (x.dims[0], len(trees), len(trees[0])))
    return ctx.transpose(by_tree, (1, 0, 2))


def _mask(chosen: Sequence[bool]) -> Array | None:
    """None where all are chosen."""
    return None if all(chosen) else np.array(chosen)
