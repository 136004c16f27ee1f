"""The lines of local_ee/docs/engine.md for clients of other programs, run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "local_ee" / "docs" / "engine.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|bash) client\n(.*?)```", PAGE, re.DOTALL)
TOKEN = "a-token-for-the-lines-of-the-page"
# What each block prints last, in their order
EXPECTED = [
    "['elevation']", "['elevation']", "mine", "ours", "/tiles/{z}/{x}/{y}", "projects/local/assets/folder",
]  # fmt: skip


@dataclass(frozen=True)
class Served:
    """A running `isamap engine serve`: what it printed, its port, its home."""

    words: str
    port: int
    home: Path

    @property
    def credentials(self) -> Path:
        return self.home / "engine" / f"credentials-{self.port}.json"


def serve(home: Path, *options: str) -> tuple[subprocess.Popen, Served]:
    command = [sys.executable, "-m", "isamap", "engine", "serve", "--port", "0", *options]
    environment = {**os.environ, "ISAMAP_HOME": str(home), "ISAMAP_ENGINE_TOKEN": TOKEN}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(6)]
    return process, Served("".join(lines), int(re.search(r"127\.0\.0\.1:(\d+)", lines[0])[1]), home)


def end(process: subprocess.Popen) -> None:
    process.terminate()  # a shell's background process ignores Ctrl-C
    process.communicate(timeout=120)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    process, server = serve(tmp_path_factory.mktemp("served") / "home")
    yield server
    end(process)


def test_the_page_has_lines_for_every_client():
    assert len(BLOCKS) == len(EXPECTED)


def _blocks() -> list:
    """Their numbers; the notebook's library takes 20 s to load."""
    slow = [index for index, (_, text) in enumerate(BLOCKS) if "geemap" in text]
    return [pytest.param(n, marks=[pytest.mark.long] if n in slow else []) for n in range(len(EXPECTED))]


@pytest.mark.long
@pytest.mark.parametrize("number", _blocks())
def test_the_lines_of_the_page_work(served, tmp_path, number):
    language, text = BLOCKS[number]
    if "geemap" in text:
        pytest.importorskip("geemap")
    text = text.replace("8085", str(served.port)).replace("TOKEN", TOKEN)
    interpreter = [sys.executable, "-c"] if language == "python" else [shutil.which("bash"), "-ec"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("STORAGE_", "ISAMAP_"))}
    environment |= {
        "GOOGLE_APPLICATION_CREDENTIALS": str(served.credentials),
        "HOME": str(tmp_path),  # of somebody who has no Google account
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_GCE_CHECK": "true",
    }
    done = subprocess.run(
        [*interpreter, text], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0 and EXPECTED[number] in done.stdout.splitlines()[-1], done.stdout + done.stderr


@pytest.mark.long
def test_what_is_printed_leads_to_the_engine(served):
    origin = f"http://127.0.0.1:{served.port}"
    assert f"local Earth Engine at {origin}/t/{TOKEN} " in served.words
    assert f"GOOGLE_APPLICATION_CREDENTIALS={served.credentials}" in served.words
    assert stat.S_IMODE(served.credentials.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.home.stat().st_mode) == 0o700


@pytest.mark.long
def test_no_token_prints_a_warning_and_leaves_no_file(tmp_path):
    process, server = serve(tmp_path, "--no-token")
    end(process)
    assert (
        TOKEN not in server.words and "WARNING: no token: every program and every user of this machine" in server.words
    )
    assert not server.credentials.exists()
