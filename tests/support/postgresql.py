"""A PostgreSQL server for tests: Debian's programs in a temporary folder, with a password, on this machine alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

USER, PASSWORD = "isamap", "geheim-und-lang"
UNPRIVILEGED = "nobody"  # in whose name root starts the server, which refuses root itself
SETTINGS = "-c fsync=off -c listen_addresses=127.0.0.1 -c max_connections=60 -c shared_buffers=16MB"
FOLDERS = ("", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))


@dataclass
class Server:
    """folder: of its files; port: on 127.0.0.1. Its user may make databases."""

    folder: Path
    port: int
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str = "postgres", password: str = PASSWORD) -> str:
        """Of a database, for the server's user."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{name}"

    def new_database(self, options: str = "") -> str:
        """The URL of an empty database; options: further words of CREATE DATABASE."""
        name = f"jobs{next(self._numbers)}"
        self.query(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def query(self, statement: str, url: str | None = None) -> list[tuple]:
        """The rows of a statement."""
        import psycopg

        with psycopg.connect(url or self.url(), autocommit=True) as base:
            cursor = base.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        options = f"-k {self.folder} -p {self.port} {SETTINGS}"
        log = str(self.folder / "log.txt")
        _run("pg_ctl", "start", "-w", "-t", "120", "-D", str(self.folder / "data"), "-l", log, "-o", options)

    def stop(self) -> None:
        """Ends it at once, as a power cut does."""
        _run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self.folder / "data"))

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It does not run meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()


@contextmanager
def running() -> Iterator[Server]:
    """A new server that runs; skips the test where its programs or the driver are not installed."""
    pytest.importorskip("psycopg")
    if _program("initdb") is None or _program("pg_ctl") is None:
        pytest.skip("PostgreSQL's server programs are not installed")
    folder = Path(tempfile.mkdtemp(prefix="isamap-pg-"))  # pytest's own folders are closed to other users
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    words = folder / "password"
    words.write_text(PASSWORD)
    words.chmod(0o644)
    server = Server(folder, _free_port())
    try:
        _run("initdb", "-D", str(folder / "data"), "-U", USER, "-A", "scram-sha-256", "--pwfile", str(words), "-E",
             "UTF8", "--locale", "C", "--no-sync")  # fmt: skip
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *words: str) -> None:
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    result = subprocess.run(
        [str(_program(program)), *words], user=user, env=environment, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert result.returncode == 0, f"{program}: {result.stdout}"


def _program(name: str) -> str | None:
    return next((path for folder in FOLDERS if (path := shutil.which(name, path=folder or None))), None)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
