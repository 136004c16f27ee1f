"""Patch export against a known server (docs/reference/performance.md, "P6"): this project's client, and others beside
it in the same run.

python benchmarks/export.py [--setting NAME] [--program NAME] [--seconds 40] [--full]

A stub (stub_server.py) answers after latency L, refuses with 429 beyond C requests under way or R a second, and in the
last setting fails as servers do. Each program fetches N blocks of 128 x 128 pixels and 7 bands in a process of its own;
T / ideal compares its time with max(N L / C, N / R). "known" clients are told C, "unknown" ones twice as much.
Slow programs fetch fewer blocks (--full: all the same), which the ideal takes into account.
geedim's getDownloadURL costs a tenth of L, the download after it all of it. A refusal within two latencies and a second
of the first one, or of a change of C, is a lesson; later ones count as refused once C is known.

The other programs live in an environment of their own, kept out of git; where it is missing, they are left out:

    python -m venv benchmarks/peers/.venv
    benchmarks/peers/.venv/bin/pip install -r benchmarks/peers/requirements.txt
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS_PYTHON = HERE / "peers" / ".venv" / "bin" / "python"
# Google's limit for a project (docs/reference/earth-engine.md).
RATE_PER_S = 100


@dataclass(frozen=True)
class Program:
    """A file under peers/ and its words; `{at_once}` stands for the server's limit."""

    name: str
    file: str
    words: tuple[str, ...]
    count: int
    is_peer: bool = True


@dataclass(frozen=True)
class Case:
    """A server, and the programs that ask it."""

    name: str
    stub: dict[str, Any]
    programs: tuple[Program, ...]


def ours(name: str, workers: int) -> Program:
    return Program(name, "ours.py", (str(workers), str(RATE_PER_S)), 560, is_peer=False)


def pool(workers: int, count: int) -> Program:
    return Program(f"thread pool, {workers}", "pool.py", (str(workers),), count, is_peer=False)


def geedim(count: int) -> Program:
    return Program("geedim 2.0, its 32", "geedim_peer.py", ("32",), count)


def xee(workers: int, count: int) -> Program:
    return Program(f"Xee 0.1.2, {workers or 'its default'}", "xee_peer.py", (str(workers),), count)


ONE_BY_ONE = Program("one by one", "pool.py", ("1",), 6, is_peer=False)
CASES = {
    "usual": Case(
        "L = 0.5 s, C = 40",
        {"latency_s": 0.5},
        (
            *(ours("isamap, C known", 40), ours("isamap, C unknown", 80)),
            *(pool(20, 280), pool(40, 560), geedim(280), xee(40, 560), xee(0, 56), ONE_BY_ONE),
        ),
    ),
    "narrow": Case(
        "L = 0.5 s, C = 20",
        {"latency_s": 0.5, "at_once": 20},
        (
            *(ours("isamap, C known", 20), ours("isamap, C unknown", 40)),
            *(pool(20, 280), pool(40, 140), geedim(140), xee(20, 140)),
        ),
    ),
    "quick": Case(
        "L = 0.1 s, C = 40: bound by the rate",
        {"latency_s": 0.1},
        (
            *(ours("isamap, C known", 40), ours("isamap, C unknown", 80)),
            *(pool(10, 280), pool(40, 280), geedim(280), xee(10, 280)),
        ),
    ),
    "rough": Case(
        "L lognormal (median 1 s), C 40 then 20, 2 % errors, 1 % resets",
        {"latency_s": 1.0, "spread": 0.5, "at_once_later": 20, "errors": 0.02, "resets": 0.01},
        (ours("isamap, C unknown", 40), pool(20, 140), pool(40, 140), geedim(140), xee(20, 140)),
    ),
}


@contextmanager
def stub(setting: dict[str, Any]) -> Iterator[str]:
    """The address of a server of its own."""
    # A process of its own: in the client's, Python's lock would count the server's work as the client's.
    command = [sys.executable, str(HERE / "stub_server.py"), json.dumps(setting)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measure(case: Case, program: Program, limit_s: float) -> dict[str, Any]:
    """The program's own figures and the server's; `stopped` where it took too long."""
    python = str(PEERS_PYTHON) if program.is_peer else sys.executable
    with stub({**case.stub, "answers": program.count, "per_second": RATE_PER_S}) as url:
        command = [python, str(HERE / "peers" / program.file), url, str(program.count), *program.words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, env=environment)
            lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
            result = json.loads(lines[-1]) if lines else {"error": ended.stderr.strip().splitlines()[-1][:200]}
        except subprocess.TimeoutExpired:
            result = {"error": f"stopped after {limit_s:.0f} s"}
        figures = json.load(urllib.request.urlopen(f"{url}/figures"))
    return {**figures, **result}


def ideal_s(case: Case, figures: dict[str, Any]) -> float:
    """The time of a client that keeps all places full; of the latencies that were drawn."""
    first, later = case.stub.get("at_once", 40), case.stub.get("at_once_later") or 1
    return max(figures["service_s"] / first + figures["service_later_s"] / later, figures["answered"] / RATE_PER_S)


def row(case: Case, program: Program, figures: dict[str, Any]) -> str:
    """A line of the table."""
    requests, later_requests = max(figures["requests"], 1), max(figures["asked_when_known"], 1)
    refused = (
        f"{100 * figures['refused'] / requests:.1f} %",
        f"{100 * figures['refused_when_known'] / later_requests:.1f} %",
    )
    if figures.get("error"):
        answered = f"{figures['places']} of {program.count} answered"
        return f"| {program.name} | failed: {figures['error']} ({answered}) | | | {refused[0]} | {refused[1]} | |"
    ideal = ideal_s(case, figures)
    wall, cpu = figures["wall_s"], 1000 * figures["cpu_s"] / requests
    if program is ONE_BY_ONE:  # estimated from a few: all of them would take minutes
        ideal = case.stub["latency_s"] * program.count / 40
    lost = program.count - figures["arrived"]
    cells = f"{wall:.2f} s for {program.count} | {wall / ideal:.2f} | {lost} | {refused[0]} | {refused[1]} | {cpu:.1f}"
    return f"| {program.name} | {cells} |"


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--setting", choices=CASES, action="append")
    parser.add_argument("--program", help="only programs whose name holds this")
    parser.add_argument("--seconds", type=float, default=40.0, help="longest time of one program")
    parser.add_argument("--full", action="store_true", help="as many blocks for every program (12 minutes)")
    options = parser.parse_args(words)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    if not PEERS_PYTHON.exists():
        print("geedim and Xee are not installed (see the first lines of this file) and are left out\n")
    for name in options.setting or CASES:
        case = CASES[name]
        print(f"**{case.name}, R = {RATE_PER_S}/s**\n")
        print("| program | T | T / ideal | lost | refused | refused once C is known | CPU ms a request |")
        print("|---|---|---|---|---|---|---|")
        for program in case.programs:
            is_selected = options.program is None or options.program in program.name
            if options.full and program is not ONE_BY_ONE:
                program = replace(program, count=560)
            if is_selected and (not program.is_peer or PEERS_PYTHON.exists()):
                print(row(case, program, measure(case, program, options.seconds)), flush=True)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
