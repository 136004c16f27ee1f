"""How an archive fails."""

from __future__ import annotations

from local_ee.errors import EngineFault


class ArchiveFault(EngineFault):
    """An archive did not give what was asked; the message names the archive and the remedy, and never a token."""


class Missing(ArchiveFault):
    """An archive gives no such file: it answered 404, or 403 as buckets do that may not be listed, or want a login."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class AccountWanted(ArchiveFault):
    """An archive gives its files to holders of an account only; the message says what else there is."""


class Changed(ArchiveFault):
    """A file is another one than when its head was read."""
