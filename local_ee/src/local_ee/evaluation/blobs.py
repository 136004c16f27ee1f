"""Objects of Cloud Storage as values of graphs (apidocs ee-blob)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Blob:
    """An object by its address, gs://BUCKET/OBJECT."""

    url: str

    def to_json(self) -> dict[str, Any]:
        """As getInfo gives it (assumption: no page shows it)."""
        return {"type": "Blob", "url": self.url}
