"""Trials of kills: the undisturbed run, the kill, the same command again, the comparison, the table."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import engine_kills
from .commands import LIMIT_S, SCENARIOS, Scenario, make_inputs
from .trials import Ending, Notebook, Sitting, differences, environment, is_temporary
from .trials import run as run_process

REPEATS = 3  # of the same command after a kill, until it is called stuck
SECOND_KILL = 0.3  # share of the trials in which the run that goes on is killed, too
SHARES_KEPT = (0.0, 0.5)  # of the file that a power cut tears
HEADS = (
    *("what", "trials", "kills that hit", "wrong bytes", "stuck", "traceback shown", "names isamap's fault"),
    "temporary files left",
)
KILL, POWER_CUT = "kill", "power cut"
NAMES = (*(scenario.name for scenario in SCENARIOS), engine_kills.NAME)


@dataclass(frozen=True)
class Moment:
    """When a process dies: after seconds, or at a rename whose file keeps a share of its bytes."""

    after_s: float | None = None
    rename: int = 0
    keep: float = 0.0

    @property
    def variables(self) -> dict[str, str]:
        return {"VICTIM_RENAME": str(self.rename), "VICTIM_KEEP": str(self.keep)} if self.rename else {}


@dataclass(frozen=True)
class Reference:
    """An undisturbed run."""

    outputs: Mapping[str, str]
    seconds: float
    renames: int

    def moment(self, chance: random.Random, mode: str) -> Moment:
        """A random moment of the run."""
        if mode == POWER_CUT:
            return Moment(rename=chance.randint(1, max(1, self.renames)), keep=chance.choice(SHARES_KEPT))
        return Moment(after_s=chance.uniform(0, self.seconds))


@dataclass(frozen=True)
class Outcome:
    """What came of a trial. wrong: names of files; stuck: the last words of a command that does not end well;
    left: temporary files that nobody removed."""

    hits: int
    wrong: Sequence[str] = ()
    stuck: str = ""
    traceback: bool = False
    blame: bool = False
    left: Sequence[str] = ()


def trial(
    execute: Callable[[Moment | None], Ending],
    outputs: Callable[[], Mapping[str, str]],
    moments: Sequence[Moment],
    *,
    expected: Mapping[str, str],
) -> Outcome:
    """Runs a command once for each moment, then until it ends, and compares what it made with what is expected."""
    endings = [*map(execute, moments), *_until_done(execute)]
    hits = sum(ending.hits for ending in endings)
    living = [ending for ending in endings if not ending.killed]
    shown = {
        "traceback": any(ending.shows_traceback for ending in living),
        "blame": any(ending.blames_isamap for ending in living),
    }
    if endings[-1].status != 0:
        return Outcome(hits, stuck=_last_words(endings[-1]), **shown)
    try:
        actual = outputs()
    except RuntimeError as error:
        return Outcome(hits, stuck=str(error), **shown)
    left = tuple(name for name in actual if is_temporary(name))
    results = {name: digest for name, digest in actual.items() if name not in left}
    return Outcome(hits, wrong=tuple(differences(expected, results)), left=left, **shown)


def _until_done(execute: Callable[[Moment | None], Ending]) -> Iterator[Ending]:
    """Endings of a command that nobody kills, up to the first that is well."""
    for _ in range(REPEATS):
        yield (ending := execute(None))
        if ending.status == 0:
            return


def _last_words(ending: Ending) -> str:
    if ending.status is None:
        return f"no end after {ending.seconds:.0f} s"
    return (ending.errors or ending.output.splitlines()[-1:] or ["no words"])[-1][:400]


class Trials:
    """The trials of one scenario in a folder."""

    def __init__(self, scenario: Scenario, out: Path, notebook: Notebook) -> None:
        self._scenario, self._out, self._notebook = scenario, out, notebook
        self._base = out / "inputs"

    def reference(self) -> Reference:
        """The undisturbed run, noted once: two runs must agree, or nothing can be compared with them.

        Of a scenario that is like another one run, which must agree with that one's.
        """
        rows = self._notebook.select(scenario=self._scenario.name, trial="reference")
        if not rows:
            # Two, because a command that writes other bytes each time would make every trial look wrong.
            runs = [self._undisturbed(index) for index in ((1,) if self._scenario.like else (1, 2))]
            if unequal := differences(runs[0].outputs, runs[-1].outputs):
                raise SystemExit(f"error: two undisturbed runs of {self._scenario.name} differ in {unequal[:5]}")
            self._compare(runs[-1])
            self._notebook.add({"scenario": self._scenario.name, "trial": "reference", **asdict(runs[-1])})
            rows = self._notebook.rows[-1:]
        return Reference(**{key: rows[0][key] for key in ("outputs", "seconds", "renames")})

    def run(self, trial_index: int, mode: str, seed: int) -> None:
        """One trial, noted when it is done."""
        chance = random.Random(f"{seed}/{self._scenario.name}/{mode}/{trial_index}")
        reference = self.reference()
        moments = [reference.moment(chance, mode)]
        # A run that is killed while it repairs leaves states that no single kill makes.
        if chance.random() < SECOND_KILL:
            moments.append(reference.moment(chance, mode))
        here, seed_of_trial = self._folder("trial"), f"{seed}/{mode}/{trial_index}"
        outcome = trial(
            lambda moment: self._execute(here, moment, VICTIM_CHANCE=seed_of_trial),
            lambda: self._scenario.outputs(here),
            moments,
            expected=reference.outputs,
        )
        self._notebook.add({"scenario": self._scenario.name, "mode": mode, "trial": trial_index, **asdict(outcome)})
        if outcome.wrong or outcome.stuck:
            here.rename(here.with_name(f"{here.name}-{mode.replace(' ', '-')}-{trial_index}"))  # to be looked at

    def _compare(self, reference: Reference) -> None:
        """Ends the program where the run lacks an output of the scenario that it is like, or has other bytes of it."""
        if not self._scenario.like:
            return
        like = next(scenario for scenario in SCENARIOS if scenario.name == self._scenario.like)
        outputs = Trials(like, self._out, self._notebook).reference().outputs
        if unequal := [name for name, digest in outputs.items() if reference.outputs.get(name) != digest]:
            raise SystemExit(f"error: {self._scenario.name} and {like.name} differ in {unequal[:5]}")

    def _undisturbed(self, index: int) -> Reference:
        here = self._folder(f"undisturbed-{index}")
        count = here / "renames"
        ending = self._execute(here, None, VICTIM_COUNT=str(count))
        if ending.status != 0:
            raise SystemExit(f"error: {self._scenario.name} fails undisturbed: {ending.output[-600:]}")
        return Reference(self._scenario.outputs(here), ending.seconds, int(count.read_text("utf-8")))

    def _execute(self, here: Path, moment: Moment | None, **variables: str) -> Ending:
        death = moment or Moment()
        return run_process(
            self._scenario.command(self._base, here),
            here / "log",
            environment(here / "home", **death.variables, **variables),
            limit_s=LIMIT_S,
            kill_after_s=death.after_s,
        )

    def _folder(self, name: str) -> Path:
        here = self._out / self._scenario.name.replace(" ", "-").replace(":", "").replace("/", "") / name
        shutil.rmtree(here, ignore_errors=True)
        self._scenario.prepare(self._base, here)
        return here


def lines(sitting: Sitting, mode: str) -> list[tuple[Any, ...]]:
    """The table's lines of a mode."""
    notebook, each_name = sitting.notebook("kills"), []
    for name in NAMES:
        if rows := notebook.select(scenario=name, mode=mode):
            counts = (
                sum(bool(row.get(key)) for row in rows) for key in ("wrong", "stuck", "traceback", "blame", "left")
            )
            each_name.append((name, len(rows), sum(row["hits"] for row in rows), *counts))
    return each_name


def run(sitting: Sitting, count: int, mode: str) -> None:
    """The trials of every command that are not finished."""
    notebook = sitting.notebook("kills")
    make_inputs(sitting.inputs)
    runners: dict[str, Callable[[int, str, int], None]] = {
        scenario.name: Trials(scenario, sitting.out, notebook).run for scenario in SCENARIOS
    }
    runners[engine_kills.NAME] = engine_kills.Trials(sitting.out / "engine", notebook).run
    for index in range(1, count + 1):
        for name in sitting.only or NAMES:
            if not notebook.select(scenario=name, mode=mode, trial=index):
                runners[name](index, mode, sitting.seed)
                print(f"{name}: {mode} {index} of {count}", file=sys.stderr, flush=True)
