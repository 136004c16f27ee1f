"""A disk that loses what was not synced: records what happens in a folder, and what a power cut could leave of it.

The model is POSIX's, which promises least: a file's bytes are on the disk up to its last fsync, and an entry of a
folder (of a new, renamed or removed file or folder) once that folder was synced. Of everything later a power cut may
keep anything: a file may be as it was, empty, half there, zeros or all there, and entries may be kept in any order, a
rename in one step. SQLite tests its files so (https://www.sqlite.org/testing.html#crash_testing).

Renames, removals, new folders and fsyncs are seen by taking their functions' place; bytes by looking at the files just
before each of these, so that what C libraries write is seen too.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SETTLED_NS = 50_000_000  # the clock of file systems ticks every few ms: younger files are read again


@dataclass(eq=False)
class Node:
    """A file or a folder, under whatever name: what it holds, and what of that is on the disk for certain."""

    is_folder: bool
    inode: int
    content: bytes = b""
    synced: bytes = b""
    entries: dict[str, Node] = field(default_factory=dict)  # synced ones
    seen: tuple[int, int] = (0, 0)


Change = dict[tuple[Node, str], Node | None]  # entries of folders that change in one step


@dataclass(frozen=True)
class Cut:
    """What a power cut left: bytes by relative name, None of a folder; and what had been promised by then."""

    tree: dict[str, bytes | None]
    promised: tuple[Hashable, ...]
    moment: str

    def restore(self, root: Path) -> None:
        """Makes the folder what the cut left."""
        shutil.rmtree(root)
        root.mkdir()
        for name, content in sorted(self.tree.items()):
            path = root / name
            if content is None:
                path.mkdir()
            else:
                path.write_bytes(content)


class Disk:
    """Records a folder; `cuts` are the different states that power cuts at any step could have left of it.

    fsync: whether the disk heeds it; one that does not shows what a program that never syncs would lose.
    """

    def __init__(self, root: Path, *, seed: int = 0, fsync: bool = True) -> None:
        self.root = root.resolve()
        self.cuts: list[Cut] = []
        self.steps = 0
        self._heeds, self._chance = fsync, random.Random(seed)
        self._top = Node(True, self.root.stat().st_ino)
        self._live: dict[str, Node] = {"": self._top}
        self._pending: list[Change] = []
        self._promised: list[Hashable] = []
        self._known: set[bytes] = set()
        self._lock = threading.RLock()
        self._look()
        for node in self._live.values():
            node.synced = node.content
        self._pending_all_synced()

    def promise(self, label: Hashable) -> None:
        """Whoever ran here was told this; a cut from now on may not undo it."""
        with self._lock:
            self._promised.append(label)

    @contextmanager
    def recording(self) -> Iterator[Disk]:
        with pytest.MonkeyPatch.context() as patch:
            for name, after in (
                ("fsync", self._fsync),
                ("replace", self._rename),
                ("rename", self._rename),
                ("unlink", self._remove),
                ("remove", self._remove),
                ("rmdir", self._remove),
                ("mkdir", self._make),
            ):
                patch.setattr(os, name, self._watched(name, getattr(os, name), after))
            yield self
            with self._lock:
                self._look()
                self._cut("the end")

    # what happens

    def _watched(self, name: str, original: Callable, after: Callable) -> Callable:
        def call(*args, **kwargs):
            names = self._names(args, kwargs.get("dir_fd"))
            if names is None:
                return original(*args, **kwargs)
            with self._lock:
                self._look()
                self._cut(f"{name} {' '.join(names)}")
                result = original(*args, **kwargs)
                after(*names)
                return result

        return call

    def _names(self, args: Sequence, folder: int | None) -> list[str] | None:
        """Names in the recorded folder of a call's files; None where they lie elsewhere."""
        base = os.readlink(f"/proc/self/fd/{folder}") if folder is not None else os.getcwd()
        paths = []
        for arg in args[:2]:
            if isinstance(arg, (str, bytes, os.PathLike)):
                paths.append(os.path.normpath(os.path.join(base, os.fsdecode(arg))))
            elif not paths:
                paths.append(os.readlink(f"/proc/self/fd/{arg if isinstance(arg, int) else arg.fileno()}"))
        names = [os.path.relpath(path, self.root) for path in paths]
        return (
            None
            if any(name.startswith("..") for name in names)
            else [name.removeprefix(".") if name == "." else name for name in names]
        )

    def _fsync(self, name: str) -> None:
        node = self._live.get(name)
        if node is None or not self._heeds:
            return
        node.synced = node.content
        if node.is_folder:
            self._settle(node)

    def _settle(self, folder: Node) -> None:
        for change in self._pending:
            for location in [location for location in change if location[0] is folder]:
                _enter(folder.entries, location[1], change.pop(location))
        self._pending = [change for change in self._pending if change]

    def _pending_all_synced(self) -> None:
        for node in list(self._live.values()):
            if node.is_folder:
                self._settle(node)

    def _rename(self, source: str, target: str) -> None:
        moved = {name: node for name, node in self._live.items() if name == source or name.startswith(source + "/")}
        for name in [name for name in self._live if name == target or name.startswith(target + "/")]:
            del self._live[name]
        self._pending.append({self._place(source): None, self._place(target): self._live[source]})
        for name, node in moved.items():
            del self._live[name]
            self._live[target + name[len(source) :]] = node

    def _remove(self, name: str) -> None:
        self._live.pop(name, None)
        self._pending.append({self._place(name): None})

    def _make(self, name: str, *_: str) -> None:
        self._look()

    def _place(self, name: str) -> tuple[Node, str]:
        above, _, last = name.rpartition("/")
        return self._live[above], last

    def _look(self) -> None:
        """Notes files and folders that came, went or changed without a call that is watched."""
        paths = set()
        for folder, folders, files in os.walk(self.root):
            above = os.path.relpath(folder, self.root)
            for name in (*folders, *files):
                relative = name if above == "." else f"{above}/{name}"
                if self._look_at(relative):
                    paths.add(relative)
        for name in sorted(set(self._live) - paths - {""}, reverse=True):
            self._remove(name)

    def _look_at(self, name: str) -> bool:
        path = self.root / name
        try:
            facts = path.stat()
            node = self._live.get(name)
            if node is None or node.inode != facts.st_ino:
                node = Node(path.is_dir(), facts.st_ino)
                self._live[name] = node
                self._pending.append({self._place(name): node})
            if not node.is_folder and node.seen != (facts.st_mtime_ns, facts.st_size):
                node.content = path.read_bytes()
                is_old = time.time_ns() - facts.st_mtime_ns > SETTLED_NS
                node.seen = (facts.st_mtime_ns, facts.st_size) if is_old else (0, 0)
        except FileNotFoundError:  # another thread's, gone meanwhile
            return False
        return True

    # what a cut leaves

    def _cut(self, moment: str) -> None:
        self.steps += 1
        moment = f"{self.steps}: {moment}"
        self._keep([], _old, f"{moment}: all that was not synced is lost")
        self._keep(self._pending, _old, f"{moment}: names are kept, bytes that were not synced are lost")
        self._keep(self._pending, _half, f"{moment}: names are kept, half of the bytes that were not synced are lost")
        self._keep(self._pending, _zeroed, f"{moment}: names are kept, bytes that were not synced are zeros")
        some = [change for change in self._pending if self._chance.random() < 0.5]
        self._keep(
            some, lambda node: self._chance.choice((_old, _half, _zeroed, _all))(node), f"{moment}: some of it is lost"
        )

    def _keep(self, changes: Sequence[Change], content: Callable[[Node], bytes], moment: str) -> None:
        entries: dict[Node, dict[str, Node]] = {}
        for change in changes:
            for (folder, name), node in change.items():
                _enter(entries.setdefault(folder, dict(folder.entries)), name, node)
        tree: dict[str, bytes | None] = {}
        _grow(self._top, "", entries, content, tree)
        digest = hashlib.sha256(repr((sorted(tree), tuple(self._promised))).encode())
        for name in sorted(tree):
            digest.update(hashlib.sha256(tree[name] or b"").digest())
        if digest.digest() not in self._known:
            self._known.add(digest.digest())
            self.cuts.append(Cut(tree, tuple(self._promised), moment))


def _enter(entries: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        entries.pop(name, None)
    else:
        entries[name] = node


def _grow(
    folder: Node, name: str, entries: dict[Node, dict[str, Node]], content: Callable[[Node], bytes], tree: dict
) -> None:
    for last, node in entries.get(folder, folder.entries).items():
        path = f"{name}/{last}".lstrip("/")
        tree[path] = None if node.is_folder else content(node)
        if node.is_folder:
            _grow(node, path, entries, content, tree)


def _old(node: Node) -> bytes:
    return node.synced


def _half(node: Node) -> bytes:
    kept = _kept(node)
    return node.content[: kept + (len(node.content) - kept) // 2]


def _zeroed(node: Node) -> bytes:
    """As file systems leave them that lengthen a file before its bytes are there."""
    return node.content[: _kept(node)].ljust(len(node.content), b"\0")


def _kept(node: Node) -> int:
    """Bytes at the beginning that are there for certain: of a file that grew, those of before."""
    return len(node.synced) if node.content.startswith(node.synced) else 0


def _all(node: Node) -> bytes:
    return node.content
