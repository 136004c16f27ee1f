"""How a checkpoint was judged on real ground: one source for its card, the page on it and the program's table."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import real_ground
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.card import card
from isamap.training.checkpoints.judged import judged_of, judged_table
from isamap.training.checkpoints.places import PACKAGED
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.shared_data import SHARED, needs_shared

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "training" / "starter"
RIVALS = ("forest", "ndbi", "ndvi", "own points")
FIGURES = {
    "oa": 0.9,
    "f1": 0.8,
    "auc": 0.99,
    "intervals": {"oa": [0.8, 1.0], "f1": None, "auc": [0.9, 1.0]},
    "from_others": {"threshold": 0.3, "f1": 0.7, "f1_interval": [0.6, 0.75]},
}
GROUNDS = {"here": {"net": FIGURES, "forest": FIGURES | {"oa": 0.5, "from_others": None}}}


def description(name: str = "starter") -> dict:
    return json.loads((ROOT / "training" / name / ck.DESCRIPTION).read_bytes())


def test_the_table_has_a_row_for_each_ground_and_predictor():
    rows = judged_table(GROUNDS | {"there": GROUNDS["here"]}).splitlines()[2:]
    assert rows[0] == "| here | **net** | .90 [.80, 1.00] | .80 | .99 [.90, 1.00] | .70 [.60, .75] |"
    assert rows[1] == "|  | forest | .50 [.80, 1.00] | .80 | .99 [.90, 1.00] | - |"
    assert len(rows) == 4 and rows[2].startswith("| there | **net** |")


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_card_is_what_its_description_says(name):
    """So `isamap publish-model`, which writes the card anew, prints the same rows."""
    assert (ROOT / "training" / name / ck.CARD).read_text("utf-8") == card(description(name))


@pytest.mark.parametrize(
    ("name", "predictors"),
    [("starter", ("starter", *RIVALS)), ("starter-s2s1", ("starter-s2s1", "starter", RIVALS[-1]))],
)
def test_its_card_has_every_row_of_every_ground(name, predictors):
    text, grounds = (
        (ROOT / "training" / name / ck.CARD).read_text("utf-8"),
        description(name)["origin"]["judged"]["grounds"],
    )
    assert len(grounds) == 4 and {tuple(of_ground) for of_ground in grounds.values()} == {predictors}
    assert judged_table(grounds) in text


@pytest.mark.parametrize("name", PACKAGED)
def test_the_page_has_the_cards_table(name):
    judged = judged_of(description(name))
    page = (ROOT / "docs" / "starter.md").read_text("utf-8")
    assert judged_table(judged["grounds"]) in page and judged["about"] in page


@pytest.fixture
def copied(tmp_path) -> ck.Checkpoint:
    return ck.load(shutil.copytree(STARTER, tmp_path / "starter"))


def test_a_note_changes_the_card_and_neither_weights_nor_fingerprint(copied):
    weights = (Path(copied.location) / ck.WEIGHTS).read_bytes()
    real_ground.note(Path(copied.location), GROUNDS, "2026-11-25")
    again = ck.load(copied.location)
    assert again.fingerprint == copied.fingerprint and (Path(again.location) / ck.WEIGHTS).read_bytes() == weights
    assert again.origin["levels"] == copied.origin["levels"]
    text = (Path(again.location) / ck.CARD).read_text("utf-8")
    assert judged_table(GROUNDS) in text and "2026-11-25" in text.split("## On real ground")[1]


def test_another_threshold_is_not_said_to_be_judged(copied):
    """Its accuracies are others; isamap does not know them."""
    folder = Path(copied.location).parent / "calibrated"
    ck.rewrite(replace(copied, thresholds={"impervious": 0.3}), folder)
    text = (folder / ck.CARD).read_text("utf-8")
    assert "On real ground" not in text and "real ground stands below" not in text


@needs_shared
@pytest.mark.long
@pytest.mark.parametrize("name", PACKAGED)
def test_the_program_finds_what_the_card_says(tmp_path, name):
    grounds = real_ground.known_grounds(SHARED, tmp_path)
    figures = {name: real_ground.judged(Path(name), grounds, tmp_path)}
    actual, stored = real_ground.by_ground(figures, grounds), description(name)["origin"]["judged"]["grounds"]
    assert list(actual) == list(stored)
    for ground, predictors in stored.items():
        for measure in ("oa", "f1", "auc"):
            found = actual[ground][name][measure]
            assert found == pytest.approx(predictors[name][measure], abs=0.005), (ground, measure)
