"""The three long trials of faults, one after the other, and their tables."""

from __future__ import annotations

import argparse
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from . import fuzz, schedules, soak
from .trials import Notebook, table

SCHEDULE_HEADS = ("faults of", "schedules", "that struck", *schedules.OUTCOMES, "names isamap's fault")
FUZZ_HEADS = ("requests", *fuzz.ODDITIES, "resident memory early to late, MB")
SOAK_HEADS = (
    "minutes",
    "right replies",
    "wrong",
    "errors",
    "clients without an end",
    "RSS, MB",
    "open files",
    "threads",
)


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
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take, args=(work(job),)) for job in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def run_schedules(out: Path, count: int, jobs: int, seed: int) -> None:
    notebook = Notebook(out / "schedules.jsonl")
    trials = schedules.Schedules(out / "schedules", notebook, seed)
    trials.prepare()
    earlier = {row["schedule"] for row in notebook.rows}

    def run_schedule(index: int) -> None:
        trials.run(index)
        print(f"schedule {index}: {notebook.select(schedule=index)[-1]['outcome']}", file=sys.stderr, flush=True)

    in_parallel((index for index in range(1, count + 1) if index not in earlier), jobs, lambda job: run_schedule)
    print(table(SCHEDULE_HEADS, schedules.summary(notebook)), end="\n\n")


def run_fuzz(out: Path, count: int, jobs: int, seed: int) -> None:
    notebook = Notebook(out / "fuzz.jsonl")
    trials = fuzz.Fuzz(out / "fuzz", notebook, seed)
    workers = [trials.worker(job) for job in range(jobs)]
    try:
        in_parallel(
            fuzz.chunks(notebook, count), jobs, lambda job: lambda chunk: trials.run(workers[job], chunk, count)
        )
    finally:
        for worker in workers:
            worker.close()
    print(table(FUZZ_HEADS, fuzz.summary(notebook)), end="\n\n")
    print(table(("commonest internal errors", "times"), fuzz.commonest(notebook)), end="\n\n")


def run_soak(out: Path, minutes: int, seed: int) -> None:
    notebook = Notebook(out / "soak.jsonl")
    soak.soak(out / "soak", notebook, minutes, seed)
    print(table(SOAK_HEADS, soak.summary(notebook)), end="\n\n")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Faults of line and engine, odd requests, many clients at once.")
    parser.add_argument("--out", type=Path, required=True, help="earlier trials and their folders; killed, it goes on")
    parser.add_argument("--schedules", type=int, default=200, help="random schedules of faults; 0: none")
    parser.add_argument("--fuzz", type=int, default=0, metavar="REQUESTS", help="random requests, e.g. 1000000")
    parser.add_argument("--soak", type=int, nargs="?", const=10, default=0, metavar="MINUTES", help="of 50 clients")
    parser.add_argument("--jobs", type=int, default=1, help="schedules or fuzzing processes at a time")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    out = options.out.expanduser().absolute()
    print(f"seed {options.seed}\n")
    if options.schedules:
        run_schedules(out, options.schedules, options.jobs, options.seed)
    if options.fuzz:
        run_fuzz(out, options.fuzz, options.jobs, options.seed)
    if options.soak:
        run_soak(out, options.soak, options.seed)
