"""Whether a dataset's composites were made by the present rules, or by those of an earlier isamap."""

from __future__ import annotations

from isamap.gee_export.card.finding import PASS, WARN, Finding
from isamap.gee_export.card.survey import CardSurvey
from isamap.gee_export.datasets.composite_rules import CHANGES, COMPOSITE_VERSION
from isamap.gee_export.datasets.dataset import Dataset


def composite_rules(data: Dataset, survey: CardSurvey) -> Finding:
    """The present rules made the composites; older datasets still train, and their networks map by the older rules."""
    settings = data.manifest.settings
    if "clouds" not in settings:
        return Finding("composite rules", PASS, "no composites of Sentinel: nothing to compare", {})
    version = int(settings.get("composite_version", 1))  # before 2026-11-24 no settings said it
    numbers = {"version": version, "present": COMPOSITE_VERSION}
    if version >= COMPOSITE_VERSION:
        return Finding("composite rules", PASS, f"those of version {version}", numbers)
    changed = "; ".join(CHANGES[number] for number in range(version + 1, COMPOSITE_VERSION + 1))
    detail = (
        f"version {version}, the present one is {COMPOSITE_VERSION} ({changed}): networks trained on it map by the "
        "older rules; export it again for the present ones"
    )
    return Finding("composite rules", WARN, detail, numbers)
