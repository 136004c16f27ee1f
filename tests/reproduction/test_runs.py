"""Runs: made once, after what they need, and kept when others fail."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.reproduction.runs import Bench, Training, levels, make_all
from isamap.reproduction.study import Run, StudyFolder
from isamap.training import train
from isamap.training.models import MODELS
from tests.reproduction.conftest import TINY

MADE: list[tuple[str, int]] = []


@dataclass(frozen=True)
class Noted:
    """A run that notes that it was made, or fails."""

    title: str
    needs: tuple[Run, ...] = ()
    problem: str | Exception = ""
    version: int = 0
    lacking: str = ""

    def check(self, place: StudyFolder, seed: int) -> None:
        if self.lacking:
            raise ValueError(self.lacking)

    def facts(self, place: StudyFolder, seed: int) -> Mapping[str, Any]:
        return {"title": self.title, "version": self.version, "seed": seed}

    def make(self, folder: Path, place: StudyFolder, seed: int) -> Mapping[str, Any]:
        if self.problem:
            raise self.problem if isinstance(self.problem, Exception) else ValueError(self.problem)
        for run in self.needs:
            assert place.note(run, seed) is not None
        MADE.append((self.title, seed))
        folder.mkdir()
        return {"epochs": 3}


@dataclass(frozen=True)
class Begun(Noted):
    """A run whose folder is there already."""

    def make(self, folder: Path, place: StudyFolder, seed: int) -> Mapping[str, Any]:
        return {"epochs": 3}


@dataclass(frozen=True)
class Ended(Noted):
    """A run whose process the system ends."""

    def make(self, folder: Path, place: StudyFolder, seed: int) -> Mapping[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


@dataclass
class Said:
    """What was said, by line."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def place(tmp_path) -> Bench:
    MADE.clear()
    return Bench(tmp_path, {"town": ("a",), "city": ("b", "c")})


def test_what_a_run_needs_is_made_before_it_and_once(place):
    base = Noted("base")
    make_all(place, [(Noted("pruned", (base,)), 0), (base, 0), (Noted("other", (base,)), 0)], say=Said())
    assert MADE[0] == ("base", 0) and sorted(MADE[1:]) == [("other", 0), ("pruned", 0)]


def test_runs_of_one_level_need_nothing_of_each_other(place):
    base = Noted("base")
    pruned = Noted("pruned", (base,))
    first, second, third = levels(place, [(Noted("tuned", (pruned,)), 0), (pruned, 0), (Noted("alone"), 0)])
    assert {run.title for run, _ in first} == {"base", "alone"}
    assert [run.title for run, _ in (*second, *third)] == ["pruned", "tuned"]


def test_a_failure_is_said_after_the_others_are_finished(place):
    words = Said()
    with pytest.raises(ValueError, match="1 of 2 runs failed, the first with: no such band"):
        make_all(place, [(Noted("bad", problem="no such band"), 0), (Noted("good"), 0)], say=words)
    assert MADE == [("good", 0)]
    make_all(place, [(Noted("good"), 0)], say=words)
    assert MADE == [("good", 0)]  # not made again


def test_what_data_lack_is_told_before_any_run(place):
    with pytest.raises(ValueError, match="no fine labels"):
        make_all(place, [(Noted("a"), 0), (Noted("b", lacking="no fine labels"), 0)], say=Said())
    assert MADE == []


@pytest.mark.parametrize("error", [Fault("the file is damaged"), OSError(28, "No space left on device")])
def test_a_fault_is_no_mistake_of_the_user(place, error):
    with pytest.raises(Fault, match=r"damaged|No space"):
        make_all(place, [(Noted("bad", problem=error), 0)], say=Said())


def test_facts_decide_the_folder(place):
    assert place.folder(Noted("a"), 0) == place.folder(Noted("a", problem="x"), 0)
    assert place.folder(Noted("a"), 0) != place.folder(Noted("a", version=1), 0)


def test_a_dataset_of_another_name_is_refused(place):
    assert place.data() == ("a",) and place.data("city") == ("b", "c")
    with pytest.raises(ValueError, match="'village' is not known: the study has town, city"):
        place.data("village")


def test_settings_that_are_usual_anyway_do_not_make_another_run(town, tmp_path):
    location = Bench(tmp_path, {"town": (str(town),)})
    plain = Training("unet-tiny", {"epochs": "3"})
    notices = Training("unet-tiny", {"epochs": "3", "momentum": "0.9", "model.classes": "2", "device": "cpu"})
    assert location.folder(plain, 0) == location.folder(notices, 0)
    assert location.folder(plain, 0) != location.folder(Training("unet-tiny", {"epochs": "4"}), 0)


def test_what_a_network_is_made_with_decides_though_nobody_told_it(town, tmp_path, monkeypatch):
    """A constructor's usual value that changes makes another run: the old one is not passed off as the new."""
    location, plain = Bench(tmp_path, {"town": (str(town),)}), Training("random_forest-tiny")
    before = location.folder(plain, 0)
    model = MODELS["random_forest"]
    second = replace(model, config=lambda **values: replace(model.config(**values), trees=7))
    monkeypatch.setitem(MODELS, "random_forest", second)
    assert location.folder(plain, 0) != before


def test_a_run_whose_folder_was_removed_is_made_again(place):
    make_all(place, [(Noted("a"), 0)], say=Said())
    place.folder(Noted("a"), 0).rmdir()
    make_all(place, [(Noted("a"), 0)], say=Said())
    assert MADE == [("a", 0), ("a", 0)]


def test_a_damaged_note_is_said(place):
    make_all(place, [(Noted("a"), 0)], say=Said())
    folder = place.folder(Noted("a"), 0)
    folder.with_name(f"{folder.name}.json").write_text("{")
    with pytest.raises(Fault, match="is damaged: remove it"):
        place.note(Noted("a"), 0)


def test_what_another_process_made_meanwhile_is_not_made_again(place):
    """The list of what is to do is hours old when its last run comes."""

    class Late(Said):
        def __call__(self, line: str) -> None:
            make_all(place, [(Noted("second"), 0)], say=Said())

    make_all(place, [(Noted("first"), 0), (Noted("second"), 0)], say=Late())
    assert MADE == [("first", 0), ("second", 0)]


def test_a_run_gone_on_with_says_no_time_that_is_only_its_end(place):
    """What the process took that was killed is not known; the report shows a dash."""
    full, begun = Noted("whole"), Begun("begun")
    place.folder(begun, 0).mkdir(parents=True)
    make_all(place, [(full, 0), (begun, 0)], say=Said())
    assert "cpu_s" in place.note(full, 0) and "cpu_s" not in place.note(begun, 0)


@pytest.mark.long
def test_a_process_that_is_ended_is_one_sentence(place):
    """As the system ends one that takes too much memory; two spawned processes."""
    with pytest.raises(Fault, match="its process was ended"):
        make_all(place, [(Ended("a"), 0), (Ended("b"), 0)], jobs=2, say=Said())


@pytest.mark.long
def test_a_judge_leaves_patches_out_of_a_training(town, tmp_path):
    """The judge's run comes first, its verdicts lie beside the run, and `isamap train --chips` made the same run."""
    judge = Training("unet-tiny", TINY)
    run, bench = Training("unet-tiny", TINY, judge=judge), Bench(tmp_path, {"town": (str(town),)})
    make_all(bench, [(run, 0)], say=lambda _: None)
    chips = bench.folder(run, 0).with_name(f"{bench.folder(run, 0).name}.chips")
    assert bench.note(judge, 0) is not None and bench.folder(judge, 0) != bench.folder(run, 0)
    train(town, "unet-tiny", tmp_path / "again", settings=TINY | {"seed": "0"}, chips=chips)
    weights = "best/weights.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() == (bench.folder(run, 0) / weights).read_bytes()
