"""The tag that Google counts the computing of requests under (guides/monitoring_usage): its form, and setting it."""

from __future__ import annotations

import re

DEFAULT_TAG = "isamap"
# As the client has it (1.7.50, ee/_state.py); its documentation (apidocs ee-data-setworkloadtag) also allows capitals
# and dots, which that client refuses.
_FORM = re.compile(r"[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?")

_latest: str | None = None  # what set_tag has set


def check_tag(tag: str) -> str:
    """The tag; ValueError for what the `ee` client refuses."""
    if not _FORM.fullmatch(tag):
        raise ValueError(
            f"--workload-tag {tag!r}: expected 1 to 63 of a-z, 0-9, dashes and underscores, beginning and ending with "
            f"a letter or digit, such as {DEFAULT_TAG}"
        )
    return tag


def set_tag(tag: str | None) -> None:
    """Lets every later request of the `ee` client carry the tag; without one, the caller's own or DEFAULT_TAG."""
    import ee

    global _latest
    if tag is None and ee.data.getWorkloadTag() not in ("", _latest):
        return  # the caller's own, of ee.data.setDefaultWorkloadTag
    _latest = check_tag(tag or DEFAULT_TAG)
    ee.data.setDefaultWorkloadTag(_latest)
