"""What an address that was handed out stands for: thumbnails, animations, maps."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from local_ee.errors import EngineError
from local_ee.wire import Reply

MOST_NAMES = 10_000  # the oldest are forgotten first


class Remembered:
    """The bodies of requests by names of 128 random bits."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def name(self, parent: str, body: Mapping[str, Any]) -> Reply:
        """A new name of a body, below the parent."""
        name = secrets.token_hex(16)
        self._bodies[name] = body
        while len(self._bodies) > MOST_NAMES:
            self._bodies.popitem(last=False)
        return Reply.of({"name": f"{parent}/{name}"})

    def body(self, name: str) -> Mapping[str, Any]:
        """The body of a name; EngineError (404) where there is none."""
        if name not in self._bodies:
            raise EngineError(f"Not found: {name}", 404, "NOT_FOUND")
        return self._bodies[name]
