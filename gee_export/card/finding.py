"""A check's verdict on a dataset, with the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASS, WARN, FAIL = "pass", "warn", "fail"


@dataclass(frozen=True)
class Finding:
    """verdict: pass, warn or fail. detail: one sentence. numbers: plain JSON."""

    name: str
    verdict: str
    detail: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.verdict not in (PASS, WARN, FAIL):
            raise ValueError(f"check {self.name}: verdict {self.verdict!r}, expected pass, warn or fail")

    def __str__(self) -> str:
        return f"{self.verdict.upper():<5} {self.name}: {self.detail}"
