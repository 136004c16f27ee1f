"""The one way in which the engine refuses: a message in Earth Engine's words, an HTTP status and its reason."""

from __future__ import annotations


class EngineError(Exception):
    """What a server of Earth Engine answers instead of a value; `status` and `reason` are those of its REST API."""

    def __init__(self, message: str, status: int = 400, reason: str = "INVALID_ARGUMENT") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason

    def within(self, algorithm: str) -> EngineError:
        """The same refusal, said by an algorithm: Earth Engine puts the innermost algorithm's name in front."""
        if getattr(self, "said_by", None):
            return self
        named = EngineError(f"{algorithm}: {self.message}", self.status, self.reason)
        named.said_by = algorithm
        return named
