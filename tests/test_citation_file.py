"""CITATION.cff against the schema of the Citation File Format 1.2.0 itself.

The schema is that of the Citation File Format's repository, unchanged: Druskat et al., "Citation File Format" 1.2.0,
doi:10.5281/zenodo.5171937, CC-BY-4.0 (tests/fixtures/citation).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "tests" / "fixtures" / "citation" / "cff-1.2.0.schema.json").read_text(encoding="utf-8"))


def errors(document: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft7Validator(SCHEMA, format_checker=FormatChecker()).iter_errors(document)]


@pytest.fixture
def citation() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_schema_is_a_schema_of_this_version():
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "https://citation-file-format.github.io/1.2.0/schema.json"


def test_the_citation_follows_the_schema(citation):
    assert errors(citation) == [] and citation["cff-version"] == "1.2.0"


@pytest.mark.parametrize(
    "change",
    [{"authors": []}, {"license": "Apache 2"}, {"type": "program"}, {"cff-version": "1.3"}, {"colour": "red"}],
    ids=lambda change: next(iter(change)),
)
def test_the_schema_sees_a_wrong_field(citation, change):
    assert errors(citation | change) != []
