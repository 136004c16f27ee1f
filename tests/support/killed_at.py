"""A program that a signal ends at a call of its own: by the clock, a quick one may be over on a busy machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAP = """
import importlib, itertools, os, signal
kind, calls = getattr(importlib.import_module({module!r}), {kind!r}), itertools.count(1)
original = kind.{method}
def counted(*words, **named):
    if next(calls) == {number}:
        os.kill(os.getpid(), {signal})
    return original(*words, **named)
kind.{method} = counted
"""


def ended_at(call: str, number: int, code: str, by: signal.Signals = signal.SIGKILL, **environment: str) -> int:
    """How Python code ends to which the signal comes as a call such as module:Class.method begins for the n-th time."""
    module, _, name = call.partition(":")
    kind, _, method = name.partition(".")
    trap = TRAP.format(module=module, kind=kind, method=method, number=number, signal=int(by))
    words = [sys.executable, "-c", trap + code]
    return subprocess.run(words, cwd=ROOT, env=os.environ | environment, check=False).returncode


def assert_killed_at(call: str, number: int, code: str) -> None:
    """The code is killed there by kill -9."""
    assert ended_at(call, number, code) == -signal.SIGKILL
