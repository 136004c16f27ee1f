"""Whether a dataset's composites were made by the present rules, or by those of an earlier isamap."""

from __future__ import annotations

from isamap.gee_export.card.finding import PASS, WARN, Finding
from isamap.gee_export.card.survey import CardSurvey
from isamap.gee_export.datasets.composite_rules import COMPOSITE_VERSION, behind, version_of
from isamap.gee_export.datasets.dataset import Dataset


def composite_rules(data: Dataset, survey: CardSurvey) -> Finding:
    """The present rules made the composites; older datasets still train, and their networks map by the older rules."""
    version = version_of(data.manifest.settings)
    if version is None:
        return Finding("composite rules", PASS, "no composites of Sentinel: nothing to compare", {})
    numbers = {"version": version, "present": COMPOSITE_VERSION}
    if (words := behind(version)) is None:
        return Finding("composite rules", PASS, f"those of version {version}", numbers)
    detail = f"{words}: networks trained on it map by the older rules; export it again for the present ones"
    return Finding("composite rules", WARN, detail, numbers)
