"""Trials of faults: an export through a bad line to an engine that goes wrong, then the same without faults."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local_ee.injector import calls

from .commands import BUCKET, DROPPED, UNFINISHED, with_bucket
from .mishaps import MISHAPS
from .proxy import Proxy, Strike
from .serving import serving
from .trials import HERE, Ending, Notebook, differences, digests, environment, run

LIMIT_S = 400.0  # Cloud Storage's client alone repeats for 120 s; longer is called a hang
REPEATS = 2
WAYS = ("folder", "folder", "bucket", "batch")
# Expressions in requests' first lines, and how many such requests an export makes at least.
ADDRESSES = (("", 12), ("", 12), ("computePixels", 4), ("discovery|algorithms", 2), ("value:compute|operations", 4))
STORAGE = ("storage/v1", 10)  # where the way leads through a bucket
OUTCOMES = ("same bytes", "one sentence, then the same bytes", "wrong", "hang", "stuck", "traceback", "unclear words")
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

    number: int
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
        return {"schedule": self.number, "way": self.way, "strikes": strikes, "rules": list(self.rules)}


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
        return run(words, self.here / log, environment(self.home), limit_s=LIMIT_S)

    def result(self, way: str) -> dict[str, str]:
        """Digests by name of the dataset; RuntimeError where the engine's state cannot be read."""
        if way != "bucket":
            return digests(self.here / "out", DROPPED)
        words = [str(HERE / "state.py"), str(self.home)]
        ending = run(words, self.here / "state.log", environment(self.home), limit_s=LIMIT_S)
        if ending.status != 0:
            raise RuntimeError(f"the engine's state cannot be read: {ending.output[-400:]}")
        state = json.loads(ending.output.strip().splitlines()[-1])
        prefix = f"gs://{BUCKET}/out/"
        endless = {name: words for name, words in state["operations"].items() if words in UNFINISHED}
        return {name.removeprefix(prefix): digest for name, digest in state["objects"].items()} | endless


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
        plan.write_text(json.dumps({"seed": schedule.number, "rules": list(schedule.rules)}), encoding="utf-8")
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


def summary(notebook: Notebook) -> list[tuple[Any, ...]]:
    """The table's lines: where faults were, trials, how many met one, how many came to each outcome."""
    lines = []
    for name in ("line", "engine", "both"):
        rows = [row for row in notebook.rows if "outcome" in row and _source(row) == name]
        counts = Counter(row["outcome"] for row in rows)
        blamed = sum(row["blame"] for row in rows)
        if rows:
            lines.append(
                (
                    name,
                    len(rows),
                    sum(bool(row["struck"]) for row in rows),
                    *(counts[outcome] for outcome in OUTCOMES),
                    blamed,
                )
            )
    return lines


def _source(row: Mapping[str, Any]) -> str:
    return "both" if row["strikes"] and row["rules"] else "line" if row["strikes"] else "engine"
