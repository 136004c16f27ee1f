"""Trials of kills: the undisturbed run, the kill, the same command again, the comparison, the table."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import engine_kills
from .commands import LIMIT_S, SCENARIOS, Scenario, make_inputs
from .trials import Ending, Notebook, differences, environment, is_temporary, run, table

REPEATS = 3  # of the same command after a kill, until it is called stuck
SECOND_KILL = 0.3  # share of the trials in which the run that goes on is killed, too
SHARES_KEPT = (0.0, 0.5)  # of the file that a power cut tears
HEADS = (
    "what",
    "trials",
    "kills that hit",
    "wrong bytes",
    "stuck",
    "traceback shown",
    "names isamap's fault",
    "temporary files left",
)
MODES = ("kill", "power cut")


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
        if mode == "power cut":
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
    endings = [execute(moment) for moment in moments]
    hits = sum(ending.killed for ending in endings)
    for _ in range(REPEATS):
        endings.append(execute(None))
        if endings[-1].status == 0:
            break
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
        """The undisturbed run, noted once: two runs must agree, or nothing can be compared with them."""
        rows = self._notebook.select(scenario=self._scenario.name, trial="reference")
        if not rows:
            pair = [self._undisturbed(index) for index in (1, 2)]
            if unequal := differences(pair[0].outputs, pair[1].outputs):
                raise SystemExit(f"error: two undisturbed runs of {self._scenario.name} differ in {unequal[:5]}")
            self._notebook.add({"scenario": self._scenario.name, "trial": "reference", **asdict(pair[1])})
            rows = self._notebook.rows[-1:]
        return Reference(**{key: rows[0][key] for key in ("outputs", "seconds", "renames")})

    def run(self, trial_index: int, mode: str, seed: int) -> None:
        """One trial, noted when it is done."""
        chance = random.Random(f"{seed}/{self._scenario.name}/{mode}/{trial_index}")
        reference = self.reference()
        moments = [reference.moment(chance, mode)]
        if chance.random() < SECOND_KILL:
            moments.append(reference.moment(chance, mode))
        here = self._folder("trial")
        outcome = trial(
            lambda moment: self._execute(here, moment),
            lambda: self._scenario.outputs(here),
            moments,
            expected=reference.outputs,
        )
        self._notebook.add({"scenario": self._scenario.name, "mode": mode, "trial": trial_index, **asdict(outcome)})
        if outcome.wrong or outcome.stuck:
            here.rename(here.with_name(f"{here.name}-{mode.replace(' ', '-')}-{trial_index}"))  # to be looked at

    def _undisturbed(self, index: int) -> Reference:
        here = self._folder(f"undisturbed-{index}")
        count = here / "renames"
        ending = self._execute(here, None, VICTIM_COUNT=str(count))
        if ending.status != 0:
            raise SystemExit(f"error: {self._scenario.name} fails undisturbed: {ending.output[-600:]}")
        return Reference(self._scenario.outputs(here), ending.seconds, int(count.read_text("utf-8")))

    def _execute(self, here: Path, moment: Moment | None, **variables: str) -> Ending:
        death = moment or Moment()
        return run(
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


def summary(notebook: Notebook, mode: str) -> list[tuple[Any, ...]]:
    """The table's lines of a mode."""
    lines = []
    for name in (*(scenario.name for scenario in SCENARIOS), engine_kills.NAME):
        if rows := notebook.select(scenario=name, mode=mode):
            counts = (
                sum(bool(row.get(key)) for row in rows) for key in ("wrong", "stuck", "traceback", "blame", "left")
            )
            lines.append((name, len(rows), sum(row["hits"] for row in rows), *counts))
    return lines


def options_of(words: Sequence[str] | None) -> argparse.Namespace:
    names = [scenario.name for scenario in SCENARIOS] + [engine_kills.NAME]
    parser = argparse.ArgumentParser(description="Kills of every command that writes, and what its repetition makes.")
    parser.add_argument("--out", type=Path, required=True, help="finished trials and their folders; killed, it goes on")
    parser.add_argument("--trials", type=int, default=20, help="of each command")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--power-cut", action="store_true", help="tear the file just renamed, unless it was synced")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    options = options_of(words)
    out = options.out.expanduser().absolute()
    notebook, mode = Notebook(out / "kills.jsonl"), MODES[options.power_cut]
    if set(options.only) != {engine_kills.NAME}:
        make_inputs(out / "inputs")
    runners: dict[str, Callable[[int, str, int], None]] = {
        scenario.name: Trials(scenario, out, notebook).run for scenario in SCENARIOS
    }
    runners[engine_kills.NAME] = engine_kills.Trials(out / "engine", notebook).run
    for index in range(1, options.trials + 1):
        for name in options.only:
            if not notebook.select(scenario=name, mode=mode, trial=index):
                runners[name](index, mode, options.seed)
                print(f"{name}: {mode} {index} of {options.trials}", file=sys.stderr, flush=True)
    print(f"{mode}, seed {options.seed}\n\n{table(HEADS, summary(notebook, mode))}")
