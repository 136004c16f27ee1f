"""The engine's own pages: links, citations and the example of faults."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from local_ee.evaluation import registry, signatures
from local_ee.faults import Faults

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
CITED = re.compile(r'local_ee/docs/(\w[\w-]*\.md)(?:(?:,|\s)\s*"([^"]+)")?')


def test_the_example_of_faults_is_read():
    example = (ROOT / "docs" / "engine.md").read_text("utf-8").partition("```json faults\n")[2].partition("```")[0]
    assert len(Faults.from_json(json.loads(example)).rules) == 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not link.startswith("http") and not (page.parent / link).exists()]


def test_the_page_counts_the_registered_algorithms():
    page = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    assert f"{len(registry.names())} of the {len(signatures.signatures())} algorithms" in page


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks"])
def test_every_page_that_the_code_cites_is_there(folder):
    texts = {path: " ".join(path.read_text(encoding="utf-8").split()) for path in (ROOT / folder).rglob("*.py")}
    assert not [
        (path, name)
        for path, text in texts.items()
        for name, _ in CITED.findall(text)
        if not (ROOT / "docs" / name).exists()
    ]
