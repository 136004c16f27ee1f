"""How the engine refuses a request (in Earth Engine's words, with an HTTP status), and how it fails otherwise."""

from __future__ import annotations


class EngineError(Exception):
    """What a server of Earth Engine answers instead of a value; `status` and `reason` are those of its REST API."""

    def __init__(self, message: str, status: int = 400, reason: str = "INVALID_ARGUMENT") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.said_by: str | None = None  # whose name stands in front

    def within(self, algorithm: str) -> EngineError:
        """The same refusal, said by an algorithm: Earth Engine puts the innermost algorithm's name in front."""
        if self.said_by:
            return self
        prefix = f"{algorithm}: "
        named = EngineError(prefix + self.message.removeprefix(prefix), self.status, self.reason)
        named.said_by = algorithm
        return named


class EngineFault(OSError):
    """Something outside a request failed (a port, a damaged file); the message holds the remedy."""
