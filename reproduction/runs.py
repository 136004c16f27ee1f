"""Runs: made once under <out>/runs, shared by all that need them, resumed after an interruption."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import write_json
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.platform.machine import processor_name
from isamap.gee_export.base.revision import revision
from isamap.reproduction.study import Run, StudyFolder

VERSION = 1


@dataclass(frozen=True)
class Bench:
    """Where runs and datasets of one study lie. addresses: of each dataset by the name that rows use, the first first.

    A dataset may be several exports that are trained together.
    """

    out: Path
    addresses: Mapping[str, tuple[str, ...]]

    def data(self, name: str = "") -> tuple[str, ...]:
        """Addresses of the dataset named, or of the first one; ValueError for a name that the study has not."""
        if name and name not in self.addresses:
            raise ValueError(f"dataset {name!r} is not known: the study has {', '.join(self.addresses)}")
        return self.addresses[name or next(iter(self.addresses))]

    def folder(self, run: Run, seed: int) -> Path:
        """The run's folder, named by its title and the hash of all that decides it."""
        text = json.dumps(run.facts(self, seed), sort_keys=True)
        return self.out / "runs" / f"{run.title}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    def note(self, run: Run, seed: int) -> Mapping[str, Any] | None:
        """What was noted when the run was finished; None while it is not, or where its folder was removed."""
        return note_of(self.folder(run, seed))


def note_of(folder: Path) -> Mapping[str, Any] | None:
    """What was noted when the run of that folder was finished; None while it is not. Fault: a damaged note."""
    path = _note(folder)
    if not (path.exists() and folder.is_dir()):
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise Fault(f"{path} is damaged: remove it, then the same command makes the run again") from error


@dataclass(frozen=True)
class Training:
    """A recipe trained on a dataset of the study; `isamap train` with the same settings makes the same weights.

    fixed_seed: taken for every row's seed, where one run serves them all. judge: a run whose network says which
    training patches have labels so wrong that they are left out (isamap.training.agreement, LandCover3m section 2.3).
    """

    recipe: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    fixed_seed: int | None = None
    judge: Run | None = None

    @property
    def title(self) -> str:
        """The recipe's name."""
        return self.recipe

    @property
    def needs(self) -> tuple[Run, ...]:
        """The judge's run, if there is one."""
        return () if self.judge is None else (self.judge,)

    def facts(self, study_folder: StudyFolder, seed: int) -> Mapping[str, Any]:
        """Every setting of the recipe and every constructor value of its network, given or default, and the data."""
        from isamap.training.models import model_named, stated

        recipe = self._recipe(seed)
        recipe_facts = recipe.to_json() | {"config": stated(model_named(recipe.model).config(**recipe.config))}
        # Neither decides a weight: two recipes of equal settings are one run, on any machine.
        del recipe_facts["name"], recipe_facts["device"]
        judge = {} if self.judge is None else {"judge": self.judge.facts(study_folder, seed)}
        return recipe_facts | {"data": [fingerprint(path) for path in study_folder.data(self.data)]} | judge

    def check(self, study_folder: StudyFolder, seed: int) -> None:
        """Bands, layers, dates and classes that the recipe learns from."""
        from isamap.training.runs.source import target_of
        from isamap.training.samples.data import open_source

        recipe = self._recipe(seed)
        open_source(study_folder.data(self.data), recipe.bands, target=target_of(recipe))

    def make(self, folder: Path, study_folder: StudyFolder, seed: int) -> Mapping[str, Any]:
        """Train, or go on."""
        from isamap.training import train

        recipe, data = self._recipe(seed), list(study_folder.data(self.data))
        chips, left_out = self._judged(folder, study_folder, seed)
        report = train(data, recipe, folder, chips=chips)
        patches = sum(map(train_patches, data)) - left_out
        outcome = {"train_patches": patches, "best_validation_miou": report.best_miou}
        if not report.parameters:  # a classifier of pixels: no steps, no epochs
            return outcome
        return outcome | {
            "epochs": report.epochs,
            "steps": report.epochs * (patches // recipe.batch),
            "batch": recipe.batch,
            "parameters": report.parameters,
            "best_epoch": report.best_epoch,
        }

    def _judged(self, folder: Path, study_folder: StudyFolder, seed: int) -> tuple[Path | None, int]:
        """The file of what the judge's network says of each training patch, and how many it leaves out."""
        if self.judge is None:
            return None, 0
        from isamap.training import agreement
        from isamap.training.imperfect.noise import LEAST

        path = folder.with_name(f"{folder.name}.chips")
        data = list(study_folder.data(self.data))
        return path, agreement(study_folder.folder(self.judge, seed), data, path).found.below(LEAST)

    def _recipe(self, seed: int) -> Any:
        from isamap.training.recipes import recipe

        return recipe(self.recipe, {**self.settings, "seed": str(seed if self.fixed_seed is None else self.fixed_seed)})


@dataclass(frozen=True)
class RunProblem:
    """The reason why a run failed; mistake: the user's input caused it, not a disk or a damaged file."""

    text: str
    mistake: bool

    def error(self, head: str) -> ValueError | Fault:
        """What a study ends with that kept its other runs."""
        return (ValueError if self.mistake else Fault)(f"{head}: {self.text}; the others are kept")


ENDED = RunProblem("its process was ended, perhaps for want of memory: run the same command with fewer --jobs", False)


@cache
def fingerprint(address: str) -> str:
    """The dataset's fingerprint."""
    from isamap.gee_export.datasets.dataset import Dataset

    return Dataset.open(address).fingerprint


@cache
def train_patches(address: str) -> int:
    """How many patches the dataset's train split has."""
    from isamap.gee_export.datasets.dataset import Dataset

    return int(Dataset.open(address).manifest.counts["train"])


def make_all(bench: Bench, requests: Iterable[tuple[Run, int]], *, jobs: int = 1, say: Callable[[str], None]) -> None:
    """Finish every run of (run, seed) pairs and what they need first, `jobs` at a time with one thread each.

    A run that fails is reported at the end, after the others are finished: ValueError where the user can fix it, else
    Fault. What was done is kept. ValueError before the first, where the data cannot make one of them.
    """
    waves = levels(bench, requests)
    for run, seed in (pair for level in waves for pair in level if bench.note(*pair) is None):
        run.check(bench, seed)
    total, done = sum(len(level) for level in waves), 0
    for level in waves:
        todo = [(run, seed) for run, seed in level if bench.note(run, seed) is None]
        done += len(level) - len(todo)
        failures = []
        for run, seed, problem in _made(bench, todo, jobs):
            done += 1
            say(f"[{done}/{total}] {_outcome(bench, run, seed, problem)}")
            failures += [problem] if problem else []
        if failures:
            raise failures[0].error(f"{len(failures)} of {total} runs failed, the first with")


def _outcome(bench: Bench, run: Run, seed: int, problem: RunProblem | None) -> str:
    name = bench.folder(run, seed).name
    if problem:
        return f"{name} seed {seed}: {problem.text}"
    note = bench.note(run, seed) or {}
    facts = [f"{note['epochs']} epochs"] if "epochs" in note else []
    facts += [f"validation MIoU {note['best_validation_miou']:.4f}"] if "best_validation_miou" in note else []
    facts += [f"{note['cpu_s']:.0f} s of CPU"] if "cpu_s" in note else []
    return ", ".join([f"{name} seed {seed}", *facts])


def levels(bench: Bench, requests: Iterable[tuple[Run, int]]) -> list[list[tuple[Run, int]]]:
    """The runs without repetition, those that others need in earlier levels: a level's runs may be made together."""
    depth: dict[Path, tuple[int, Run, int]] = {}

    def visit(run: Run, seed: int) -> int:
        level = 1 + max((visit(needed, seed) for needed in run.needs), default=-1)
        # a run that several seeds share is made for the first of them
        depth.setdefault(bench.folder(run, seed), (level, run, seed))
        return level

    for run, seed in requests:
        visit(run, seed)
    count = 1 + max((level for level, _, _ in depth.values()), default=-1)
    return [[(run, seed) for level, run, seed in depth.values() if level == at] for at in range(count)]


def _made(bench: Bench, todo: Sequence[tuple[Run, int]], jobs: int) -> Iterable[tuple[Run, int, RunProblem | None]]:
    """Each run as it is finished, with what went wrong, if anything."""
    if jobs == 1 or len(todo) < 2:
        for run, seed in todo:
            yield run, seed, _guarded(bench, run, seed)
        return
    # Spawned: a forked child has torch's locks but none of the threads that would release them.
    with ProcessPoolExecutor(min(jobs, len(todo)), mp_context=get_context("spawn")) as pool:
        futures: dict[Future[RunProblem | None], tuple[Run, int]] = {
            pool.submit(_aside, bench, run, seed): (run, seed) for run, seed in todo
        }
        for future in as_completed(futures):
            ended = isinstance(future.exception(), BrokenProcessPool)
            yield *futures[future], ENDED if ended else future.result()


def _aside(bench: Bench, run: Run, seed: int) -> RunProblem | None:
    """Makes a run in a process of its own with one thread; its progress lines go to a log beside the run's folder."""
    import torch

    # As many threads as processors in each of several runs would take turns on them and be slower together.
    torch.set_num_threads(1)
    folder = bench.folder(run, seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        folder.with_name(f"{folder.name}.log").open("a") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        return _guarded(bench, run, seed)


def _guarded(bench: Bench, run: Run, seed: int) -> RunProblem | None:
    try:
        if bench.note(run, seed) is None:  # else another process made it meanwhile
            _make(bench, run, seed)
    except (ValueError, Fault, OSError) as error:
        return RunProblem(" ".join(str(error).split()) or type(error).__name__, isinstance(error, ValueError))
    return None


def _make(bench: Bench, run: Run, seed: int) -> None:
    folder, start = bench.folder(run, seed), time.process_time()
    folder.parent.mkdir(parents=True, exist_ok=True)
    interrupted = folder.exists()  # what the ended process took nobody knows, so no time is said
    outcome = dict(run.make(folder, bench, seed))
    spent = {} if interrupted else {"cpu_s": round(time.process_time() - start, 1)}
    note = {"version": VERSION, "seed": seed, **outcome, **spent, "device": device(), "revision": revision()}
    # Last, and beside the folder: where a note is there, the run is whole.
    write_json(_note(folder), note | {"facts": run.facts(bench, seed)})


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def device() -> str:
    """What this machine computes with, in words."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({processor_name()}), torch {torch.__version__}"
