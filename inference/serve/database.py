"""Where the jobs lie: one SQLite file, or a PostgreSQL database that several machines share.

The statements are the same for both, with `?` for a value. What differs is here: how a transaction begins, which rows
it keeps from others, whose clock counts, and how the version of the tables is noted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gee_export.base.errors import Fault

if TYPE_CHECKING:
    import psycopg

VARIABLE = "ISAMAP_DATABASE"
SCHEMES = ("postgresql", "postgres")
BUSY_S = 30  # that a writer waits for another one
IDLE_S = 60  # after which the server ends the transaction of a machine that is gone
SECRETS = ("password", "sslpassword")
# https://www.postgresql.org/docs/current/libpq-connect.html, "Parameter Key Words"; what the URL says comes first
CONNECTION = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "application_name": "isamap",
    "client_encoding": "UTF8",
}
WRITERS = 7_305_809_127  # the number of the lock that writers of new jobs wait for, the same on all machines


class Unreachable(Fault):
    """The database does not answer now; it may later."""


class Session(Protocol):
    """An open connection. Statements have `?` for each value."""

    def execute(self, statement: str, values: tuple[Any, ...] = (), /) -> Any:
        """A cursor with fetchone, rowcount and the rows."""


class Database(Protocol):
    """A dialect of SQL and the place where it is spoken.

    for_update: ends a SELECT whose rows nobody else may change until the transaction ends; skip_locked: the same, which
    passes over the rows of others.
    """

    for_update: ClassVar[str]
    skip_locked: ClassVar[str]

    def make_room(self) -> None:
        """Makes what must be there before the first connection."""

    def connection(self) -> AbstractContextManager[Session]:
        """A connection to read with."""

    def transaction(self) -> AbstractContextManager[Session]:
        """Changes that are all made or none."""

    def one_writer(self, session: Session) -> None:
        """Waits until no other transaction that called this is open: for rows that are not there yet."""

    def now(self, session: Session) -> float:
        """Seconds since 1970 by the one clock that all workers share."""

    def version(self, session: Session) -> int:
        """Of the tables; 0 where there are none."""

    def set_version(self, session: Session, version: int) -> None:
        """Notes the version of the tables."""

    def damage(self, error: Exception) -> Fault | None:
        """The refusal of a place that holds something else; None for an error of another sort."""


@dataclass(frozen=True)
class SqliteFile:
    """A file of this machine. Writers wait for each other, so that no row needs a lock of its own."""

    path: Path
    for_update: ClassVar[str] = ""
    skip_locked: ClassVar[str] = ""

    def __str__(self) -> str:
        return str(self.path)

    def make_room(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def connection(self) -> Iterator[Session]:
        base = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        try:
            _write_ahead(base)
            base.execute("PRAGMA synchronous = FULL")  # what was answered outlives a power cut
            yield base
        finally:
            base.close()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """IMMEDIATE, so that what was read is still so when it is written."""
        with self.connection() as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
            except BaseException:
                base.execute("ROLLBACK")
                raise
            base.execute("COMMIT")

    def one_writer(self, session: Session) -> None:
        """Every transaction of the file is the only one."""

    def now(self, session: Session) -> float:
        return time.time()

    def version(self, session: Session) -> int:
        return int(session.execute("PRAGMA user_version").fetchone()[0])

    def set_version(self, session: Session, version: int) -> None:
        session.execute(f"PRAGMA user_version = {int(version)}")

    def damage(self, error: Exception) -> Fault | None:
        if not isinstance(error, sqlite3.DatabaseError):
            return None
        return Fault(f"{self.path} cannot be used as the file of jobs ({error}): move it away")


def _write_ahead(base: sqlite3.Connection) -> None:
    """Readers never wait for the writer. Unlike other statements, the first change to it does not wait for its turn."""
    end = time.monotonic() + BUSY_S
    while True:
        try:
            base.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)


@dataclass(frozen=True)
class PostgresqlServer:
    """A database by its URL, whose password no message and no `repr` shows. A connection lasts for one operation."""

    url: str = field(repr=False)
    for_update: ClassVar[str] = " FOR UPDATE"
    skip_locked: ClassVar[str] = " FOR UPDATE SKIP LOCKED"

    def __post_init__(self) -> None:
        _ = self.parameters  # mistakes are refused before anything is made

    def __str__(self) -> str:
        names = self.parameters
        host, port = names.get("host") or names.get("hostaddr") or "", names.get("port")
        return f"postgresql://{host}{f':{port}' if port else ''}/{names.get('dbname') or ''}"

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the URL says, by libpq's names; ValueError for another address, or without the driver."""
        if self.url.partition("://")[0] not in SCHEMES:
            raise ValueError("the database of jobs: expected a URL such as postgresql://USER@HOST:5432/NAME")
        psycopg = _driver()
        try:
            return dict(psycopg.conninfo.conninfo_to_dict(self.url))
        except psycopg.ProgrammingError:  # its text holds the URL
            pass
        raise ValueError(
            "the URL of the database of jobs cannot be read: expected postgresql://USER:PASSWORD@HOST:5432/NAME, "
            "with %XX for other characters than letters and digits in a password"
        )

    def make_room(self) -> None:
        """The database is made by its administrator."""

    @contextmanager
    def connection(self) -> Iterator[Session]:
        psycopg = _driver()
        with self._connected() as base:
            try:
                yield _Postgresql(base)
            except psycopg.OperationalError as error:
                raise Unreachable(f"{self} stopped answering ({_reason(error)}): look at the server") from None

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """READ COMMITTED: each statement sees what was written before it, and waits for rows that others change."""
        with self.connection() as session:
            assert isinstance(session, _Postgresql)
            with session.base.transaction():
                session.base.execute(
                    f"SET LOCAL lock_timeout = '{BUSY_S}s'; SET LOCAL idle_in_transaction_session_timeout = '{IDLE_S}s'"
                )
                yield session

    def one_writer(self, session: Session) -> None:
        session.execute("SELECT pg_advisory_xact_lock(?)", (WRITERS,))

    def now(self, session: Session) -> float:
        """Of the server: the machines that share it need not agree about the time."""
        return float(session.execute("SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8").fetchone()[0])

    def version(self, session: Session) -> int:
        """The comment of the table, `isamap 1`; Fault for a table of another program, or an encoding but UTF-8."""
        (encoding,) = session.execute("SHOW server_encoding").fetchone()
        if encoding != "UTF8":
            raise Fault(f"{self} has the encoding {encoding}: create the database with ENCODING 'UTF8'")
        query = "SELECT to_regclass('jobs') IS NULL, obj_description(to_regclass('jobs'), 'pg_class')"
        missing, comment = session.execute(query).fetchone()
        program, _, number = (comment or "").partition(" ")
        if not missing and (program != "isamap" or not number.isdigit()):
            raise Fault(f"{self} has a table `jobs` of another program: give the service a database of its own")
        return 0 if missing else int(number)

    def set_version(self, session: Session, version: int) -> None:
        session.execute(f"COMMENT ON TABLE jobs IS 'isamap {int(version)}'")

    def damage(self, error: Exception) -> Fault | None:
        if not isinstance(error, _driver().Error):
            return None
        return Fault(f"{self} cannot be used as the database of jobs ({_reason(error)}): see docs/service.md")

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        psycopg = _driver()
        try:
            base = psycopg.connect(**CONNECTION | self.parameters, autocommit=True, prepare_threshold=None)
        except psycopg.OperationalError as error:
            raise Unreachable(f"{self} cannot be used ({_reason(error)}): {_remedy(error)}") from None
        with base:
            base.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            yield base


@dataclass(frozen=True)
class _Postgresql:
    """A connection that takes the statements of SQLite. NUL, which no text of PostgreSQL holds, becomes U+FFFD."""

    base: psycopg.Connection[tuple[Any, ...]]

    def execute(self, statement: str, values: tuple[Any, ...] = (), /) -> Any:
        stored = tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in values)
        return self.base.execute(statement.replace("?", "%s").encode(), stored or None)


def opened(url: str | None, path: Path) -> Database:
    """The database of a URL, or the file where there is none."""
    return SqliteFile(path) if url is None else PostgresqlServer(url)


def database_url(option: str | None, environment: Mapping[str, str]) -> str | None:
    """The URL of `--database`, else that of ISAMAP_DATABASE, else None.

    ValueError for a password in the option: every user of the machine can read the words of a command.
    """
    if option is None:
        return environment.get(VARIABLE) or None
    if any(PostgresqlServer(option).parameters.get(name) for name in SECRETS):
        raise ValueError(
            f"--database holds a password, which `ps` shows to others: put the URL into {VARIABLE}, "
            "or the password into ~/.pgpass"
        )
    return option


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ValueError(
            "a PostgreSQL database needs psycopg, which is not installed: pip install 'isamap[serve-postgresql]'"
        ) from error
    return psycopg


def _reason(error: Exception) -> str:
    """The first line of libpq's message, which holds no password."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return lines[0].removeprefix("connection failed: ") if lines else type(error).__name__


def _remedy(error: psycopg.OperationalError) -> str:
    link = error.pgconn
    if link is not None and link.needs_password:
        return f"put the password into the URL in {VARIABLE}, or into ~/.pgpass"
    if link is not None and link.used_password:
        return f"check user, password and name of the database in {VARIABLE}"
    return "check that the server runs, and that this machine may use it"
