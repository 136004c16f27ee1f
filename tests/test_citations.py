"""Citations lead somewhere: every page that code, tests and pages name is there, and so is every heading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.citations import BARE, PAGES, ROOT, anchor, broken, headings, links, missing_modules, unwrapped

PRODUCT = ("gee_export", "training", "inference", "reproduction")
REFERENCE = ROOT / "docs" / "reference"
THIS = Path(__file__).resolve()


def sources() -> list[Path]:
    """Every Python file of the project but this one, whose examples lead nowhere."""
    files = ROOT.rglob("*.py")
    own = (path for path in files if not any(piece.startswith(".") for piece in path.relative_to(ROOT).parts))
    return sorted(path for path in own if path != THIS)


def where(path: Path, names: list[str]) -> list[str]:
    return [f"{path.relative_to(ROOT)}: {name}" for name in names]


def test_every_citation_in_code_leads_to_a_page_and_a_heading():
    assert not [line for path in sources() for line in where(path, broken(path.read_text("utf-8")))]


def test_every_module_that_a_docstring_names_is_there():
    product = [path for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py"))]
    assert not [line for path in product for line in where(path, missing_modules(path))]


def test_a_module_that_is_not_there_is_seen(tmp_path):
    """By its path from its own folder, and by its dotted name."""
    own = tmp_path / "training" / "loop.py"
    own.parent.mkdir()
    own.write_text('"""As plan.py and loop.py have it; isamap.training.fit, isamap.training.loop."""\nfit = None\n')
    (tmp_path / "isamap" / "training").mkdir(parents=True)
    (tmp_path / "isamap" / "training" / "__init__.py").write_text("")
    (tmp_path / "isamap" / "training" / "loop.py").write_text("")
    assert missing_modules(own, tmp_path) == ["isamap.training.fit", "plan.py"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_citation_and_anchor_of_a_page_leads_somewhere(page):
    text = page.read_text("utf-8")
    missing = [
        f"{target.name}#{fragment}"
        for target, fragment in links(page)
        if not target.exists() or (fragment and fragment not in map(anchor, headings(target)))
    ]
    assert not broken(text) and not missing


def test_no_code_names_a_page_without_its_folder():
    """`BARE` are the names of notes that are no part of the project, or of pages whose folder is left out."""
    actual = [(path, BARE.findall(path.read_text("utf-8"))) for path in sources() if path.name != "citations.py"]
    assert not [line for path, names in actual for line in where(path, names) if not _is_path(path, line)]


def _is_path(path: Path, line: str) -> bool:
    """Whether a bare name is part of a path that a program puts together: (... / "docs" / "engine.md")."""
    name = line.rpartition(": ")[2]
    text = path.read_text("utf-8")
    return text.count(name) == text.count(f'/ "{name}"') + text.count(f"/{name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_name_only_pages_that_are_there(page):
    named = set(BARE.findall(page.read_text("utf-8")))
    assert not [name for name in named if not (page.parent / name).exists()]


def test_every_page_of_the_reference_is_in_its_table():
    listed = {target.name for target, _ in links(REFERENCE / "README.md")}
    assert listed >= {page.name for page in REFERENCE.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.name)
def test_headings_of_the_reference_are_unique(page):
    anchors = [anchor(heading) for heading in headings(page)]
    assert len(anchors) == len(set(anchors))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\n## Wish 3: many\n\n## Seams\n\n```\n# no heading\n```\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('(docs/a.md, "Seams")', []),
        ('docs/a.md, "Wish 3" and "Seams": words', []),
        ('# docs/a.md,\n    # "Seams"', []),
        ("docs/a.md#wish-3-many", []),
        ("docs/b.md", ["docs/b.md"]),
        ('docs/a.md, "Seam"', ['docs/a.md, "Seam"']),
        ('docs/a.md, "Wish 3" and "Wish 4"', ['docs/a.md, "Wish 4"']),
        ('docs/a.md, "no heading"', ['docs/a.md, "no heading"']),
        ("docs/a.md#seam", ["docs/a.md#seam"]),
    ],
)
def test_what_leads_nowhere_is_seen(root, text, expected):
    assert broken(text, root) == expected


def test_strings_over_two_lines_are_one():
    assert unwrapped('\n    "see "\n    "docs/a.md#seams"') == ' "see docs/a.md#seams"'


@pytest.mark.parametrize("name", ["models.md 4.1", "world.md section 3", "user-wishes.md row 3"])
def test_bare_names_are_seen(name):
    assert BARE.search(name) and not BARE.search(f"docs/reference/{name}")
