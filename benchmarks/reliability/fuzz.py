"""Many random questions to engines in processes of their own, which are replaced when they die or do not answer."""

from __future__ import annotations

import contextlib
import json
import queue
import statistics
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from .trials import Notebook, Sitting, end_group, environment, in_parallel

CHUNK = 1000
LAST_BREATH_S = 1.0  # between the end of a process's output and its own
SILENCE_S = 300.0  # on the clock: work that the alarm does not reach, or that waits without computing
ODDITIES = ("internal error", "escaped exception", "not JSON", "status 5xx", "endless", "slow", "process died")
HEADS = ("requests", *ODDITIES, "resident memory early to late, MB")
WORDS_KEPT = 20


class Worker:
    """A process that answers questions; a new one where it died."""

    def __init__(self, folder: Path, name: str, seed: int) -> None:
        self._folder, self._name, self._seed = folder, name, seed
        self._process: subprocess.Popen | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()  # of the process's output
        self.rss_mb = 0.0  # of the process after the latest questions

    def answers(self, first: int, stop: int) -> Iterator[dict[str, Any]]:
        """The findings of each question, in order."""
        index = first
        while index < stop:
            self._send(f"{index} {stop}\n")
            while (line := self._line()) is not None and "rss_mb" not in line:
                yield line
                index = line["number"] + 1
            if line is None:
                odd = ["process died"] if self._ended() else ["endless", "slow"]
                self.close()
                yield {"number": index, "odd": odd, "seconds": SILENCE_S, "words": ""}
                index += 1
            else:
                self.rss_mb = line["rss_mb"]

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            end_group(self._process)
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process = None

    def _ended(self) -> bool:
        """Whether the process that gives no more lines is no more, or only silent."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_BREATH_S)
        return self._process.poll() is not None

    def _send(self, line: str) -> None:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._process, self._lines = self._started(), queue.SimpleQueue()
            threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _started(self) -> subprocess.Popen:
        home, log = self._folder / f"home-{self._name}", self._folder / f"{self._name}.log"
        home.mkdir(parents=True, exist_ok=True)
        program = f"from benchmarks.reliability.fuzzer import main; main({self._seed})"
        with log.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-c", program],
                env=environment(home),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
                start_new_session=True,
            )

    def _line(self) -> dict[str, Any] | None:
        """The next line; None where the process ended or is silent."""
        try:
            text = self._lines.get(timeout=SILENCE_S)
        except queue.Empty:
            return None
        return json.loads(text) if text else None


def _read(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Puts the lines of a stream into a queue, and an empty one at its end."""
    for line in stream:
        lines.put(line)
    lines.put("")


class Fuzz:
    """The chunks of a folder; `run` may be called from several threads, each with a worker."""

    def __init__(self, out: Path, notebook: Notebook, seed: int) -> None:
        self._out, self._notebook, self._seed = out, notebook, seed

    def worker(self, index: int) -> Worker:
        return Worker(self._out, f"worker{index}", self._seed)

    def run(self, worker: Worker, chunk: int, count: int) -> None:
        """One chunk of questions, noted when it is done. count: of all questions."""
        counts, words = Counter(), Counter()
        odd: list[list[Any]] = []
        first, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, count)
        for answer in worker.answers(first, stop):
            counts.update(answer["odd"])
            if answer["words"]:
                words[answer["words"]] += 1
            if answer["odd"]:
                odd.append([answer["number"], answer["odd"], answer["seconds"]])
        row = {"chunk": chunk, "count": stop - first, "odd": dict(counts), "rss_mb": worker.rss_mb}
        self._notebook.add({**row, "examples": odd[:50], "words": dict(words.most_common(WORDS_KEPT))})


def run(sitting: Sitting, count: int) -> None:
    """The questions that are still to be asked; rows of the notebook hold the words of internal errors."""
    notebook = sitting.notebook("fuzz")
    trials = Fuzz(sitting.out / "fuzz", notebook, sitting.seed)
    workers = [trials.worker(job) for job in range(sitting.jobs)]
    try:
        waiting = chunks(notebook, count)
        in_parallel(waiting, sitting.jobs, lambda job: lambda chunk: trials.run(workers[job], chunk, count))
    finally:
        for worker in workers:
            worker.close()


def chunks(notebook: Notebook, count: int) -> list[int]:
    """The chunks that are still to be asked."""
    sizes_noted = {row["chunk"]: row["count"] for row in notebook.rows if "chunk" in row}
    sizes = {chunk: min(CHUNK, count - chunk * CHUNK) for chunk in range(-(-count // CHUNK))}
    return [chunk for chunk, size in sizes.items() if sizes_noted.get(chunk) != size]


def lines(sitting: Sitting) -> list[tuple[Any, ...]]:
    """The table's one line: requests, oddities, and the memory of the processes early and late (see `memory`)."""
    latest: dict[int, Mapping[str, Any]] = {row["chunk"]: row for row in sitting.notebook("fuzz").rows}
    counts: Counter[str] = Counter()
    for row in latest.values():
        counts.update(row["odd"])
    total = sum(row["count"] for row in latest.values())
    return [(f"{total:,}", *(f"{counts[oddity]:,}" for oddity in ODDITIES), memory(list(latest.values())))]


def memory(rows: Sequence[Mapping[str, Any]]) -> str:
    """The median resident memory after the chunks of the second and of the last tenth, MB."""
    tenth = max(1, len(rows) // 10)
    early, late = rows[tenth : 2 * tenth] or rows[:1], rows[-tenth:]
    return " to ".join(f"{statistics.median(row['rss_mb'] for row in some):.0f}" for some in (early, late))
