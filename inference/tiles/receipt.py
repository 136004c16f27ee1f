"""What a tile leaves behind: a receipt that names its files and their checksums, or the reason why there are none."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gee_export.base.errors import Fault

VERSION = 1


@dataclass(frozen=True)
class StoredFile:
    """A file of a tile as the store holds it; crc32c as Cloud Storage writes it."""

    name: str
    bytes: int
    crc32c: str
    sha256: str


@dataclass(frozen=True)
class Receipt:
    """A tile that is made: its files, or why it has none.

    tile: its id. counts: pixels of each class. empty: the reason where no pixel could be mapped. facts: what decided
    the pixels. measured: seconds, CPU seconds and memory; they differ from run to run. made: by this call, not before.
    """

    tile: str
    name: str
    files: tuple[StoredFile, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    empty: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    made: bool = field(default=True, compare=False)

    def to_json(self) -> bytes:
        """The bytes of the receipt's file."""
        document = {"version": VERSION, **asdict(self)}
        del document["made"]
        return (json.dumps(document, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Receipt | None:
        """The receipt of a file's bytes, not made by this call; None where they are torn, damaged or of a later
        release.
        """
        try:
            document = json.loads(text)
            if document.pop("version") != VERSION:
                return None
            files = tuple(StoredFile(**stored) for stored in document.pop("files"))
            return cls(**document, files=files, made=False)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(frozen=True)
class Failure:
    """A tile that could not be made: its id and name, the reason in one sentence, and how often it was tried.

    final: no other attempt would end better, because the user's options are at fault. eecu_s: what the last attempt
    cost its server.
    """

    tile: str
    name: str
    reason: str
    attempts: int = 1
    final: bool = False
    eecu_s: float = 0.0


def reason_of(error: BaseException) -> str:
    """The sentence of an error, as the command line would print it."""
    if os.environ.get("ISAMAP_TRACEBACK"):
        traceback.print_exception(error, file=sys.stderr)
    words = " ".join(str(error).split())
    if isinstance(error, ValueError | Fault | OSError):
        return words or type(error).__name__
    return f"unexpected {type(error).__name__}: {words} (ISAMAP_TRACEBACK=1 shows where)"
