"""What all trials share: a file of the finished ones, processes that are killed, digests of files, a table."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .victim import WORKER_KILLED

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TRACEBACK = "Traceback (most recent call last)"
BLAME = "(a fault of isamap;"  # how isamap.gee_export.command_line.console marks an error that it has no words for
TIMINGS = re.compile(rb'("(?:samples_per_s|waiting_share|ms|seconds)[^"]*": *)(?:\[[^\]]*\]|[-+.\deE]+)')


@dataclass(frozen=True)
class Sitting:
    """What all parts of a campaign are told. out: the folder of what is finished; jobs: trials at a time, where that
    may be; only: the commands that are killed."""

    out: Path
    seed: int = 1
    jobs: int = 1
    only: Sequence[str] = ()

    @property
    def inputs(self) -> Path:
        return self.out / "inputs"

    def notebook(self, name: str) -> Notebook:
        return Notebook(self.out / f"{name}.jsonl")


class Notebook:
    """The finished trials of a folder, one JSON object a line; a line that a kill cut short is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        entire = content[: content.rfind(b"\n") + 1]
        if entire != content:
            path.write_bytes(entire)
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in entire.splitlines()]

    def add(self, row: Mapping[str, Any]) -> None:
        """Notes a finished trial on the disk."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            # A campaign takes hours and its machine may be taken away: what was noted must still be there.
            os.fsync(file.fileno())
        self.rows.append(dict(row))

    def select(self, **values: Any) -> list[dict[str, Any]]:
        """The rows that have these values."""
        return [row for row in self.rows if all(row.get(key) == value for key, value in values.items())]


@dataclass(frozen=True)
class Ending:
    """How a process ended. status: exit code, minus the signal's number, or None where it did not end in time."""

    status: int | None
    seconds: float
    output: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    @property
    def hits(self) -> int:
        """Kills that struck the process, or workers of it."""
        return self.killed + self.output.count(WORKER_KILLED)

    @property
    def shows_traceback(self) -> bool:
        return TRACEBACK in self.output

    @property
    def blames_isamap(self) -> bool:
        return BLAME in self.output

    @property
    def errors(self) -> list[str]:
        """The sentences that it ended with."""
        return [line for line in self.output.replace("\r", "\n").splitlines() if line.startswith("error: ")]


def in_parallel(indices: Iterable[int], jobs: int, work: Callable[[int], Callable[[int], None]]) -> None:
    """Gives the indices to threads, each with a function of its own that `work` makes; the first error ends all."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in indices:
        waiting.put(index)
    errors: list[BaseException] = []

    def take(function: Callable[[int], None]) -> None:
        try:
            while not errors:
                function(waiting.get_nowait())
        except queue.Empty:
            return
        # Kept and raised by the caller: in a thread it would end that thread alone.
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take, args=(work(job),)) for job in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def environment(home: Path, **extra: str) -> dict[str, str]:
    """This process's environment with another home, and this checkout in front of what is installed.

    Git is led away: checkpoints name the revision, and a commit during a long run is no difference between results.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    single = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "GIT_DIR": os.devnull}
    return {**os.environ, **single, "ISAMAP_HOME": str(home), "PYTHONPATH": path, **extra}


def start(words: Sequence[str], log: Path, variables: Mapping[str, str]) -> subprocess.Popen:
    """A Python process of its own group that writes all its output to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, *words], env=dict(variables), stdout=file, stderr=file, start_new_session=True
        )


def end_group(process: subprocess.Popen) -> None:
    """SIGKILL to the process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(
    words: Sequence[str], log: Path, variables: Mapping[str, str], *, limit_s: float, kill_after_s: float | None = None
) -> Ending:
    """Runs a Python process to its end, to SIGKILL after kill_after_s, or to the limit (status None)."""
    began = time.monotonic()
    process = start(words, log, variables)
    try:
        status = process.wait(limit_s if kill_after_s is None else kill_after_s)
    except subprocess.TimeoutExpired:
        status = None if kill_after_s is None else -signal.SIGKILL
    finally:
        end_group(process)
    return Ending(status, time.monotonic() - began, log.read_text("utf-8", "replace"))


def digests(root: Path, exclude: Iterable[str] = ()) -> dict[str, str]:
    """sha256 by name of every file under a folder, without those in folders of the excluded names.

    Measured times and rates in JSON files are no part of the result and are taken out first.
    """
    names_excluded = set(exclude)
    if root.is_file():
        return {root.name: digest(root)}
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    names = {path: path.relative_to(root) for path in files}
    return {name.as_posix(): digest(path) for path, name in names.items() if not names_excluded & set(name.parts)}


def digest(path: Path) -> str:
    """sha256 of a file, for JSON without the times that were measured."""
    content = path.read_bytes()
    if path.suffix == ".json":
        content = TIMINGS.sub(rb"\1null", content)
    return hashlib.sha256(content).hexdigest()


def differences(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """The names that are missing, too many, or of other content."""
    names = sorted(set(expected) | set(actual))
    return [name for name in names if expected.get(name) != actual.get(name)]


def is_temporary(name: str) -> bool:
    """Whether a file is the remainder of an interrupted write: hidden, and marked so, itself or its folder."""
    return any(step.startswith(".") and step.endswith((".tmp", ".part")) for step in name.split("/"))


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
