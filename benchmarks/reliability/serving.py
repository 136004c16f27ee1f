"""`isamap engine serve` and `isamap serve` in processes of their own, and the sessions of the engine's clients."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isamap.gee_export.earth_engine.session import LOCAL, Session

from .trials import HERE, end_group, environment, start

READY = re.compile(r"(?:local Earth Engine|isamap serves \S+) at (\S+)")
READY_S = 300.0  # beside other tests a server of a second takes minutes
ENGINE, SERVICE = ("engine", "serve"), ("serve",)


@dataclass(frozen=True)
class Engine:
    """A running engine or service: its address as it printed it, its home, its log."""

    process: subprocess.Popen
    url: str
    home: Path
    log: Path

    def session(self, url: str | None = None) -> Session:
        """A connection to it, or to a proxy's address in front of it."""
        return Session(LOCAL, "local-engine", "world", url or self.url, self.home)

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    @property
    def footprint(self) -> dict[str, float]:
        """Resident memory, open files and threads of its process."""
        process = Path("/proc") / str(self.process.pid)
        status = dict(line.split(":", 1) for line in (process / "status").read_text("utf-8").splitlines())
        files = len(list((process / "fd").iterdir()))
        return {"rss_mb": int(status["VmRSS"].split()[0]) / 1000, "fds": files, "threads": int(status["Threads"])}


def launch(
    home: Path,
    log: Path,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    command: Sequence[str] = ENGINE,
) -> Engine:
    """An engine that has said that it is ready; RuntimeError with its words where it ends or says nothing."""
    words = [str(HERE / "victim.py"), *command, "--port", "0", *options]
    process = start(words, log, environment(home, **(variables or {})))
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if ready := READY.search(log.read_text("utf-8", "replace")):
            return Engine(process, ready[1], home, log)
        if process.poll() is not None:
            break
        time.sleep(0.02)
    end_group(process)
    raise RuntimeError(f"{' '.join(command)} does not start: {log.read_text('utf-8', 'replace').strip()[-400:]}")


@contextmanager
def serving(home: Path, log: Path, options: Sequence[str] = (), command: Sequence[str] = ENGINE) -> Iterator[Engine]:
    """An engine, or a service, until the block ends."""
    engine = launch(home, log, options, command=command)
    try:
        yield engine
    finally:
        end_group(engine.process)
