"""Decision trees as text: written as Smile writes them, read as R (tree, rpart) and similar tools write them.

A line is `node) split n loss yval (yprob) *`; the children of node k are 2k and 2k + 1, and `*` ends a leaf.
Source: apidocs ee-classifier-decisiontree; R's rpart::print.rpart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from local_ee.errors import EngineError
from local_ee.learning.tree import LEAF, Tree

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LINE = re.compile(
    rf"\s*(?P<node>\d+)\)\s+(?:root|(?P<name>\S.*?)\s*(?P<sign><=|>=|<|>)\s*(?P<threshold>{_NUMBER}))"
    rf"\s+\S+\s+\S+\s+(?P<value>{_NUMBER}|\({_NUMBER}\))(?:\s*\(.*\))?\s*\*?\s*"
)
_IS_NODE = re.compile(r"\s*\d+\)")
_MOST_NODES = 1_000_000


@dataclass(frozen=True)
class _Node:
    name: str | None
    sign: str
    threshold: float
    value: float


def parse(texts: Sequence[str]) -> tuple[list[Tree], tuple[str, ...]]:
    """The trees of texts with one or more trees each, and the names of their inputs in the order of appearance."""
    tables = [nodes for text in texts for nodes in _tables(text)]
    if not tables:
        raise EngineError("The text holds no decision tree: a line such as '1) root 9999 9999 0' must begin it.")
    names = tuple(dict.fromkeys(node.name for nodes in tables for node in nodes.values() if node.name))
    places = {name: column for column, name in enumerate(names)}
    return [_tree(nodes, places) for nodes in tables], names


def _tables(text: str) -> Iterator[dict[int, _Node]]:
    nodes: dict[int, _Node] = {}
    for line in text.splitlines():
        if not _IS_NODE.match(line):
            continue
        fields = _LINE.fullmatch(line)
        if fields is None:
            raise EngineError(f"No line of a decision tree: '{line.strip()[:80]}'.")
        node_number = int(fields["node"])
        if node_number == 1 and nodes:
            yield nodes
            nodes = {}
        nodes[node_number] = _Node(
            fields["name"], fields["sign"] or "", float(fields["threshold"] or 0), float(fields["value"].strip("()"))
        )
        if len(nodes) > _MOST_NODES:
            raise EngineError(f"A decision tree may have {_MOST_NODES} nodes at most.")
    if nodes:
        yield nodes


def _tree(nodes: Mapping[int, _Node], places: Mapping[str, int]) -> Tree:
    if 1 not in nodes:
        raise EngineError("A decision tree has no root: its first line must be that of node 1.")
    order = {node_number: index for index, node_number in enumerate(sorted(nodes))}
    size = len(order)
    tree = Tree(
        np.full(size, LEAF, np.int64),
        np.zeros(size),
        np.zeros(size, bool),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.array([[nodes[node_number].value] for node_number in order]),
        np.zeros(size, np.int64),
        np.zeros(size),
    )
    for node_number, index in order.items():
        _join(tree, index, node_number, nodes=nodes, order=order, places=places)
    return tree


def _join(
    tree: Tree,
    index: int,
    number: int,
    *,
    nodes: Mapping[int, _Node],
    order: Mapping[int, int],
    places: Mapping[str, int],
) -> None:
    """Sets a node's test and children, which the conditions of its children state."""
    if number > 1 and number // 2 not in nodes:
        raise EngineError(f"Node {number} of a decision tree has no parent {number // 2}.")
    first, second = nodes.get(2 * number), nodes.get(2 * number + 1)
    if first is None and second is None:
        return
    if first is None or second is None or first.name is None:
        raise EngineError(
            f"Node {number} of a decision tree must have two children, {2 * number} and {2 * number + 1}."
        )
    low, high = order[2 * number], order[2 * number + 1]
    if first.sign in (">", ">="):
        low, high = high, low
    tree.inputs[index], tree.thresholds[index] = places[first.name], first.threshold
    tree.strict[index] = first.sign in ("<", ">=")
    tree.left[index], tree.right[index] = low, high


def written(tree: Tree, names: Sequence[str], classes: np.ndarray | None) -> str:
    """A tree's text; its values are those of `classes` where it has them. Numbers are exact."""
    lines = [f"n= {int(tree.counts[0])}", "node), split, n, loss, yval, (yprob)", "* denotes terminal node"]
    stack = [(0, 1, 0, "root")]
    while stack:
        node, node_number, depth, split = stack.pop()
        is_leaf = tree.inputs[node] == LEAF
        tail = " *" if is_leaf else ""
        state = f"{int(tree.counts[node])} {tree.losses[node]:.5g} {_value(tree.values[node], classes)}"
        lines.append(f"{' ' * depth}{node_number}) {split} {state}{tail}")
        if not is_leaf:
            name, threshold = names[tree.inputs[node]], repr(float(tree.thresholds[node]))
            stack.append((tree.right[node], 2 * node_number + 1, depth + 1, f"{name}>{threshold}"))
            stack.append((tree.left[node], 2 * node_number, depth + 1, f"{name}<={threshold}"))
    return "\n".join(lines) + "\n"


def _value(values: np.ndarray, classes: np.ndarray | None) -> str:
    if classes is None:
        return repr(float(values[0]))
    order = np.argsort(classes)
    shares = " ".join(f"{share:.5g}" for share in values)
    return f"{int(classes[order][np.argmax(values[order])])} ({shares})"
