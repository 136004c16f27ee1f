"""A check's verdict on a dataset, with the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASS, UNCLEAR, WARN, FAIL = VERDICTS = ("pass", "unclear", "warn", "fail")


@dataclass(frozen=True)
class Finding:
    """A check's verdict (pass, unclear: not measurable, warn or fail), one sentence of detail, and numbers as JSON."""

    name: str
    verdict: str
    detail: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"check {self.name}: verdict {self.verdict!r}, expected one of {', '.join(VERDICTS)}")

    def __str__(self) -> str:
        return f"{self.verdict.upper():<6} {self.name}: {self.detail}"
