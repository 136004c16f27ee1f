"""Trials of kills of `isamap engine serve` under clients that write."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from .serving import launch
from .state import state
from .trials import BLAME, TRACEBACK, Notebook, end_group
from .writers import Writer, begin, faults_of

NAME = "engine serve"
CLIENTS = 6
LONGEST_S = 3.0  # between the first write and the kill
RENAMES = 120  # about as many as there are in that time
END_S = 60.0


class Trials:
    """The trials of an engine in a folder."""

    def __init__(self, out: Path, notebook: Notebook) -> None:
        self._out, self._notebook = out, notebook

    def run(self, trial_index: int, mode: str, seed: int) -> None:
        """Kills an engine, starts it again on its home, and compares what it holds with what it acknowledged."""
        chance = random.Random(f"{seed}/{NAME}/{mode}/{trial_index}")
        here = self._out / "trial"
        shutil.rmtree(here, ignore_errors=True)
        variables = {}
        if mode == "power cut":
            rename, keep = chance.randint(2, RENAMES), chance.choice((0.0, 0.5))
            variables = {"VICTIM_RENAME": str(rename), "VICTIM_KEEP": str(keep)}
        row = kill(here, chance, variables, f"{seed}/{mode}/{trial_index}")
        self._notebook.add({"scenario": NAME, "mode": mode, "trial": trial_index, **row})
        if row["wrong"] or row["stuck"]:
            here.rename(here.with_name(f"trial-{mode.replace(' ', '-')}-{trial_index}"))


def kill(here: Path, chance: random.Random, variables: dict[str, str], seed: str) -> dict[str, Any]:
    """One trial. variables: a power cut at a rename; without one the kill comes at a random time."""
    seconds = END_S if variables else chance.uniform(0, LONGEST_S)
    hits, writers, output = interrupt(here, variables, seed, seconds)
    wrong, stuck, later = examine(here, writers)
    output += later
    return {"hits": hits, "wrong": wrong, "stuck": stuck, "traceback": TRACEBACK in output, "blame": BLAME in output}


def interrupt(here: Path, variables: dict[str, str], seed: str, seconds: float) -> tuple[int, list[Writer], str]:
    """Whether a kill hit an engine under clients, those clients, and what it printed."""
    writers: list[Writer] = []
    try:
        engine = launch(here / "home", here / "log", variables=variables)
    except RuntimeError:  # the power was cut while it started
        return 1, writers, (here / "log").read_text("utf-8", "replace")
    try:
        threads = begin(writers, engine.session(), CLIENTS, seed)
        with suppress(subprocess.TimeoutExpired):
            engine.process.wait(seconds)
    finally:
        end_group(engine.process)
    for thread in threads:
        thread.join(END_S)
    return int(engine.process.returncode == -signal.SIGKILL), writers, engine.output()


def examine(here: Path, writers: list[Writer]) -> tuple[list[str], str, str]:
    """What is wrong in the home, why it cannot be read, and what a new engine there printed."""
    try:
        engine = launch(here / "home", here / "log-again")
    except RuntimeError as error:
        return [], str(error), ""
    wrong, stuck = [], ""
    try:
        wrong = faults_of(writers, state(engine.session().activate()))
    except Exception as error:  # whatever a client is answered where the engine cannot read its files
        stuck = f"{type(error).__name__}: {error}"[:400]
    finally:
        end_group(engine.process)
    return wrong, stuck, engine.output()
