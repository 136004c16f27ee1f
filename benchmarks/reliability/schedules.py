"""Trials of faults: an export through a bad line to an engine that goes wrong, then the same without faults."""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local_ee.injector import calls

from .commands import BUCKET, DROPPED, engine_state, with_bucket
from .mishaps import MISHAPS
from .proxy import Proxy, Strike
from .serving import serving
from .trials import HERE, Ending, Notebook, Sitting, differences, digests, environment, in_parallel
from .trials import run as run_process

LIMIT_S = 400.0  # Cloud Storage's client alone repeats for 120 s; longer is called a hang
REPEATS = 2
WAYS = ("folder", "folder", "bucket", "batch")
# Expressions in requests' first lines, and how many such requests an export makes at least.
ADDRESSES = (("", 12), ("", 12), ("computePixels", 4), ("discovery|algorithms", 2), ("value:compute|operations", 4))
STORAGE = ("storage/v1", 10)  # where the way leads through a bucket
OUTCOMES = ("same bytes", "one sentence, then the same bytes", "wrong", "hang", "stuck", "traceback", "unclear words")
HEADS = ("faults of", "schedules", "that struck", *OUTCOMES, "names isamap's fault")
RULES: tuple[Mapping[str, Any], ...] = (
    {"on": "any", "kind": "429"},
    {"on": "any", "kind": "500"},
    {"on": "any", "kind": "503"},
    {"on": "any", "kind": "reset"},
    {"on": "any", "kind": "lost"},
    {"on": "any", "kind": "truncate"},
    {"on": "any", "kind": "delay", "seconds": 0.1, "spread": 1.0},
    {"on": "any", "kind": "quota", "at_once": 2, "per_second": 30},
    {"on": "pixels", "kind": "memory", "above_px": 1500},
    {"on": "pixels", "kind": "timeout", "above_px": 1500},
    {"on": ["upload", "download"], "kind": "corrupt"},
    {"on": "list", "kind": "lag", "lists": 2},
    {"on": "task", "kind": "fail"},
    {"on": "task", "kind": "missing"},
)


@dataclass(frozen=True)
class Schedule:
    """What goes wrong in one trial. way: folder, bucket or batch; rules: of the engine's injector."""

    seed: int
    way: str
    strikes: tuple[Strike, ...]
    rules: tuple[Mapping[str, Any], ...]

    @classmethod
    def draw(cls, index: int, seed: int) -> Schedule:
        """A random schedule: mishaps on the line, rules for the engine, or both."""
        chance = random.Random(f"{seed}/schedule/{index}")
        way, source = chance.choice(WAYS), chance.choice(("line", "line", "engine", "both"))
        addresses = ADDRESSES if way == "folder" else (*ADDRESSES, STORAGE, STORAGE)
        strikes = tuple(_strike(chance, addresses) for _ in range(chance.randint(1, 5))) if source != "engine" else ()
        rules = tuple(_rule(chance) for _ in range(chance.randint(1, 5))) if source != "line" else ()
        return cls(index, way, strikes, rules)

    def to_json(self) -> dict[str, Any]:
        strikes = [strike.to_json() for strike in self.strikes]
        return {"schedule": self.seed, "way": self.way, "strikes": strikes, "rules": list(self.rules)}


def _strike(chance: random.Random, addresses: Sequence[tuple[str, int]]) -> Strike:
    count = chance.choices((1, 2, 10, 1000), (5, 3, 1, 1))[0]
    matching, requests = chance.choice(addresses)
    return Strike(chance.choice(list(MISHAPS)), chance.randint(1, requests), count, matching)


def _rule(chance: random.Random) -> Mapping[str, Any]:
    rule = dict(chance.choice(RULES))
    if rule["kind"] in ("quota", "lag"):
        return rule
    return {**rule, "probability": chance.choice((0.1, 0.3, 1.0)), "count": chance.choice((1, 3, 20))}


@dataclass(frozen=True)
class Trial:
    """The folders of one schedule."""

    here: Path

    @property
    def home(self) -> Path:
        return self.here / "home"

    def export(self, way: str, url: str, log: str) -> Ending:
        out = f"gs://{BUCKET}/out" if way == "bucket" else str(self.here / "out")
        words = [str(HERE / "client.py"), url, str(self.home), "batch" if way == "batch" else "folder", out]
        return run_process(words, self.here / log, environment(self.home), limit_s=LIMIT_S)

    def result(self, way: str) -> dict[str, str]:
        """Digests by name of the dataset; RuntimeError where the engine's state cannot be read."""
        if way != "bucket":
            return digests(self.here / "out", DROPPED)
        prefix = f"gs://{BUCKET}/out/"
        return {name.removeprefix(prefix): digest for name, digest in engine_state(self.here).items()}


def outcome_of(first: Ending, last: Ending, unequal: Sequence[str]) -> str:
    """One of OUTCOMES. first: the run under faults; last: the one after which the bytes were compared."""
    if first.status is None or last.status is None:
        return "hang"
    if first.shows_traceback or last.shows_traceback:
        return "traceback"
    if last.status != 0:
        return "stuck"
    if unequal:
        return "wrong"
    if first.status == 0:
        return "same bytes"
    return "one sentence, then the same bytes" if is_one_sentence(first) else "unclear words"


def is_one_sentence(ending: Ending) -> bool:
    """Whether a run ended as a command should where something outside fails."""
    return ending.status in (1, 2) and len(ending.errors) == 1


class Schedules:
    """The schedules of a folder; `run` may be called from several threads."""

    def __init__(self, out: Path, notebook: Notebook, seed: int) -> None:
        self._out, self._notebook, self._seed = out, notebook, seed
        self._expected: Mapping[str, str] = {}

    def prepare(self) -> None:
        """The home that every trial begins with, and the undisturbed export."""
        if not (self._out / "empty" / "home").exists():
            with_bucket(self._out, self._out / "empty")
        rows = self._notebook.select(schedule="undisturbed")
        if not rows:
            trial = self._trial("undisturbed")
            with serving(trial.home, trial.here / "engine.log") as engine:
                ending = trial.export("folder", engine.url, "log")
            if ending.status != 0:
                raise SystemExit(f"error: the export fails undisturbed: {ending.output[-600:]}")
            self._notebook.add({"schedule": "undisturbed", "outputs": trial.result("folder")})
            rows = self._notebook.rows[-1:]
        self._expected = rows[0]["outputs"]

    def run(self, index: int) -> None:
        """One schedule, noted when it is done; its folder stays where the outcome is not a good one."""
        schedule = Schedule.draw(index, self._seed)
        trial = self._trial(f"schedule-{index}")
        first, struck = self._disturbed(trial, schedule)
        last, unequal = self._ended(trial, schedule, first)
        outcome = outcome_of(first, last, unequal)
        row = {"outcome": outcome, "blame": first.blames_isamap, "seconds": round(first.seconds, 1), "struck": struck}
        words = (first.errors or [""])[-1][:300]
        self._notebook.add({**schedule.to_json(), **row, "words": words, "unequal": list(unequal)[:10]})
        if outcome in OUTCOMES[:2]:
            shutil.rmtree(trial.here)

    def _disturbed(self, trial: Trial, schedule: Schedule) -> tuple[Ending, dict[str, int]]:
        plan = trial.here / "faults.json"
        plan.write_text(json.dumps({"seed": schedule.seed, "rules": list(schedule.rules)}), encoding="utf-8")
        options = ["--faults", str(plan)] if schedule.rules else []
        with (
            serving(trial.home, trial.here / "engine.log", options) as engine,
            Proxy(engine.url, schedule.strikes) as proxy,
        ):
            ending = trial.export(schedule.way, proxy.url, "log")
        return ending, dict(proxy.struck + Counter(call["fault"] for call in calls(trial.home) if call["fault"]))

    def _ended(self, trial: Trial, schedule: Schedule, first: Ending) -> tuple[Ending, Sequence[str]]:
        """The run that ends well, or the last one, and the names whose bytes are not as expected."""
        last = first
        with serving(trial.home, trial.here / "engine-again.log") as engine:
            for repeat in range(REPEATS):
                if last.status in (0, None):
                    break
                last = trial.export(schedule.way, engine.url, f"log-again-{repeat}")
        if last.status != 0:
            return last, ()
        try:
            return last, differences(self._expected, trial.result(schedule.way))
        except RuntimeError as error:
            return replace(last, status=1, output=f"error: {error}"), ()

    def _trial(self, name: str) -> Trial:
        here = self._out / name
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(self._out / "empty", here)
        return Trial(here)


def run(sitting: Sitting, count: int) -> None:
    """The schedules that are not finished."""
    notebook = sitting.notebook("schedules")
    trials = Schedules(sitting.out / "schedules", notebook, sitting.seed)
    trials.prepare()
    earlier = {row["schedule"] for row in notebook.rows}

    def run_schedule(index: int) -> None:
        trials.run(index)
        print(f"schedule {index}: {notebook.select(schedule=index)[-1]['outcome']}", file=sys.stderr, flush=True)

    waiting = (index for index in range(1, count + 1) if index not in earlier)
    in_parallel(waiting, sitting.jobs, lambda job: run_schedule)


def lines(sitting: Sitting) -> list[tuple[Any, ...]]:
    """The table's lines: where faults were, trials, how many met one, how many came to each outcome."""
    each_source = []
    for name in ("line", "engine", "both"):
        rows = [row for row in sitting.notebook("schedules").rows if "outcome" in row and _source(row) == name]
        counts = Counter(row["outcome"] for row in rows)
        if rows:
            struck, blamed = (sum(bool(row[key]) for row in rows) for key in ("struck", "blame"))
            each_source.append((name, len(rows), struck, *(counts[outcome] for outcome in OUTCOMES), blamed))
    return each_source


def _source(row: Mapping[str, Any]) -> str:
    return "both" if row["strikes"] and row["rules"] else "line" if row["strikes"] else "engine"
