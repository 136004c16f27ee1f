"""Cobweb: a tree of clusters that grows row by row, as long as its category utility does.

Sources: D. Fisher, Machine Learning 2 (1987), 139-172 (the operators); J. Gennari, P. Langley, D. Fisher, Artificial
Intelligence 40 (1989), 11-61, section 5 (category utility of numbers, acuity and cutoff). As Weka's page says, the best
host, a new leaf, the union of the two best hosts, and the parts of the best host are always compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from local_ee import budget

_NORMAL = 1 / (2 * np.sqrt(np.pi))  # the integral of a squared normal density, times its deviation
_MOST_NUMBERS = 1_000_000  # at once, of rows times inputs times children


@dataclass(eq=False)
class Node:
    """Rows by their count, sums and sums of squares; its number counts all nodes from the root, branch by branch."""

    count: int
    sums: np.ndarray
    squares: np.ndarray
    children: list[Node] = field(default_factory=list)
    number: int = 0

    def plus(self, other: Node) -> Node:
        """The rows of both, without children."""
        return Node(self.count + other.count, self.sums + other.sums, self.squares + other.squares)

    def add(self, row: Node) -> None:
        """Takes a row into its sums."""
        self.count, self.sums, self.squares = self.count + 1, self.sums + row.sums, self.squares + row.squares

    def walk(self) -> Iterator[Node]:
        """Itself and all nodes below, branch by branch."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


@dataclass(frozen=True)
class Tree:
    """The tree of some rows, and the least deviation that it tells."""

    root: Node
    acuity: float

    def nearest(self, table: np.ndarray) -> np.ndarray:
        """The number of the leaf of each row, which goes to the best host from the root down."""
        numbers = np.zeros(len(table), np.int64)
        waiting = [(self.root, np.arange(len(table)))]
        while waiting:
            budget.check()
            node, rows = waiting.pop()
            if not node.children:
                numbers[rows] = node.number
                continue
            host = _hosts(node.children, table[rows], self.acuity)
            waiting += [(child, rows[host == k]) for k, child in enumerate(node.children) if (host == k).any()]
        return numbers


@dataclass(frozen=True)
class Cobweb:
    """How a tree grows: the least deviation of an input, and the least category utility of a node with children."""

    acuity: float
    cutoff: float
    seed: int

    def run(self, table: np.ndarray) -> Tree:
        """The tree of the rows, in an order that the seed draws (a negative one: their own)."""
        order = np.random.default_rng(self.seed).permutation(len(table)) if self.seed >= 0 else np.arange(len(table))
        root = leaf(table[order[0]])
        for i in order[1:]:
            budget.check()
            self._insert(root, leaf(table[i]))
        for number, node in enumerate(root.walk()):
            node.number = number
        return Tree(root, self.acuity)

    def utility(self, children: Sequence[Node]) -> float:
        """The category utility of a partition: how much narrower its parts are than the whole, for each part."""
        whole = children[0]
        for child in children[1:]:
            whole = whole.plus(child)
        inside = _weights(children, self.acuity).sum() - _weights([whole], self.acuity)[0]
        return float(inside / whole.count / len(children) * _NORMAL)

    def _insert(self, root: Node, row: Node) -> None:
        node: Node | None = root
        while node is not None:
            children = node.children or [Node(node.count, node.sums, node.squares)]
            node.add(row)
            node.children, node = self._placed(children, row)

    def _placed(self, children: list[Node], row: Node) -> tuple[list[Node], Node | None]:
        """The children with a place for the row, and the child that it goes on into; no children: a leaf."""
        if len(children) == 1:
            pair = [children[0], row]
            return (pair if self.utility(pair) >= self.cutoff else []), None
        ranks = np.argsort(-gains(children, row.sums[None], self.acuity)[0], kind="stable")
        best, second = children[ranks[0]], children[ranks[1]]
        others = [child for child in children if child is not best]
        host, leaves = self.utility([*others, best.plus(row)]), self.utility([*children, row])
        union = parts = -np.inf
        if len(children) > 2:
            rest = [child for child in others if child is not second]
            union = self.utility([*rest, best.plus(second).plus(row)])
        if best.children:
            apart = [*others, *best.children]
            k = int(gains(apart, row.sums[None], self.acuity)[0].argmax())
            parts = self.utility([*apart[:k], apart[k].plus(row), *apart[k + 1 :]])
        most = max(host, leaves, union, parts)
        if most < self.cutoff:
            return [], None
        if most == host:
            return children, best
        if most == leaves:
            return [*children, row], None
        if most == parts:
            return self._placed(apart, row)
        joined = best.plus(second)
        joined.children = [best, second]
        return [*rest, joined], joined


def leaf(row: np.ndarray) -> Node:
    """A node of one row."""
    return Node(1, row.astype(float), row.astype(float) ** 2)


def _hosts(children: Sequence[Node], table: np.ndarray, acuity: float) -> np.ndarray:
    """The child that gains most of each row."""
    parts = np.array_split(table, len(table) * table.shape[1] * len(children) // _MOST_NUMBERS + 1)
    return np.concatenate([gains(children, part, acuity).argmax(axis=1) for part in parts])


def gains(children: Sequence[Node], table: np.ndarray, acuity: float) -> np.ndarray:
    """[row, child]: what the sum of category utilities gains where a row goes into a child."""
    counts = np.array([child.count for child in children])[:, None] + 1
    sums = np.stack([child.sums for child in children]) + table[:, None]
    squares = np.stack([child.squares for child in children]) + table[:, None] ** 2
    return counts[:, 0] * _sharpness(counts, sums, squares, acuity) - _weights(children, acuity)


def _weights(nodes: Sequence[Node], acuity: float) -> np.ndarray:
    counts = np.array([node.count for node in nodes])
    sums, squares = np.stack([node.sums for node in nodes]), np.stack([node.squares for node in nodes])
    return counts * _sharpness(counts[:, None], sums, squares, acuity)


def _sharpness(counts: np.ndarray, sums: np.ndarray, squares: np.ndarray, acuity: float) -> np.ndarray:
    """The sum of 1 / deviation of all inputs; deviations of less than the acuity, and of one row, are the acuity."""
    variance = np.maximum(squares - sums**2 / counts, 0) / np.maximum(counts - 1, 1)
    return (1 / np.maximum(np.sqrt(variance), acuity)).sum(axis=-1)
