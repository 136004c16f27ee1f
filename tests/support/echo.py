"""A process that answers what it is sent: a module of its own, so that it starts without isamap."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection


def echo(link: Connection) -> None:
    """Answers with the number of its process; ends before an answer to row 0."""
    while link.recv() != 0:
        link.send(str(os.getpid()).encode())
