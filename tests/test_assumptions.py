"""Every assumption of the pages carries the probe of `isamap prove` that would settle it, and probes stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isamap.inference.prove.steps import STEPS

DOCS = Path(__file__).resolve().parents[1] / "docs"
ENGINE = DOCS.parent / "local_ee" / "docs"
PROBES = {probe.name for step in STEPS.values() for probe in step}
NAMED = re.compile(r"`((?:rights|constants|facts|graphs|cost|refusals|exports|assets|scripts)\.[a-z0-9_-]+)`")
SECTIONS = {  # page -> heading whose items are assumptions
    "local_ee/docs/engine.md": "## Assumptions",
    "docs/batch.md": "## Assumptions",
    "docs/labels.md": "## What is not verified",
    "docs/sentinel1.md": "## Not tested",
}

UNTRIED = {  # page -> its words for what no probe can settle
    "docs/open-archives.md": "No live archive was reached",
    "docs/runtimes.md": "no GPU was at hand",
    "docs/scale-out.md": "Dask ran on one machine only",
    "docs/inside-earth-engine.md": "nor in the Code Editor",
    "docs/after-the-network.md": "were not measured in 8 bits",
    "docs/install.md": "Colab itself was not run",
    "docs/training.md": "no Drive was mounted",
    "docs/view.md": "other versions were not run",
    "docs/pretrained.md": "No published weights, OlmoEarth's included, were at hand",
    "docs/reproduction.md": "untried on WHU-IS itself",
}


def section(page: str) -> str:
    text = (DOCS.parent / page).read_text(encoding="utf-8")
    return text.partition(SECTIONS[page])[2].partition("\n## ")[0]


# engine-coverage.md names modules of the engine
@pytest.mark.parametrize("page", sorted({path.name for path in DOCS.glob("*.md")} - {"engine-coverage.md"}))
def test_pages_name_probes_that_there_are(page):
    assert set(NAMED.findall((DOCS / page).read_text(encoding="utf-8"))) <= PROBES


@pytest.mark.parametrize("page", ["docs/batch.md", "docs/labels.md", "docs/sentinel1.md"])
def test_every_item_of_a_list_of_assumptions_names_its_probe(page):
    items = re.split(r"\n- ", section(page))[1:]
    assert items
    for item in items:
        assert NAMED.search(item.partition("\n\n")[0]), item


def test_every_row_of_the_engines_assumptions_names_its_probe_or_none():
    rows = [line for line in section("local_ee/docs/engine.md").splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 30
    for row in rows:
        cell = row.strip().strip("|").split("|")[-1].strip()
        assert cell == "-" or NAMED.search(cell), row


def test_the_list_of_limits_names_probes_of_every_step_and_pages_that_there_are():
    """docs/limits.md lists what `isamap prove` would settle, and where it stands."""
    text = (DOCS / "limits.md").read_text(encoding="utf-8").partition("## Assumed")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!what \||---)(.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    named = {probe for *_, cell in rows for probe in NAMED.findall(cell)}
    assert all(NAMED.search(cell) for *_, cell in rows) and named <= PROBES
    assert {probe.partition(".")[0] for probe in named} == {probe.partition(".")[0] for probe in PROBES}
    for page in re.findall(r"\]\(([a-z0-9-]+\.md)", " ".join(where for _, where, _ in rows)):
        assert (DOCS / page).exists()


def test_the_page_of_limits_has_no_row_that_no_probe_settles():
    """What was not tried elsewhere stands in the page that it belongs to, and the page of limits leads there."""
    text = (DOCS / "limits.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10 and all(NAMED.search(row.rpartition(" | ")[2]) for row in rows)
    elsewhere = text.partition("What no probe can settle")[2].partition("\n\n")[0]
    assert {f"docs/{page}" for page in re.findall(r"\]\(([a-z0-9-]+\.md)", elsewhere)} == set(UNTRIED)
    for page, words in UNTRIED.items():
        assert words in (DOCS.parent / page).read_text(encoding="utf-8"), page


def test_every_probe_of_single_rules_stands_in_a_page():
    text = "".join(path.read_text(encoding="utf-8") for path in (*DOCS.glob("*.md"), *ENGINE.glob("*.md")))
    silent = [name for name in PROBES if name.startswith("constants.") and f"`{name}`" not in text]
    assert not silent
