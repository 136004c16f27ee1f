"""Pictures are nine tenths of a card's and of a years' page's time: left out where no test looks at them."""

from __future__ import annotations

import pytest

from isamap.gee_export.card import inspection
from isamap.inference.years import charts

YEARS_PICTURES = ("years_side_by_side", "areas_by_year", "growth_by_period", "growth_and_first_year")


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards have no pictures, and those of pages of years are empty."""
    monkeypatch.setattr(inspection, "_pictures", lambda data_survey: {})
    for name in YEARS_PICTURES:
        monkeypatch.setattr(charts, name, lambda content: b"")
