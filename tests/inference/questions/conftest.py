"""Maps of the assessments' tests."""

from __future__ import annotations

from tests.inference.assessment.conftest import make_map  # noqa: F401
