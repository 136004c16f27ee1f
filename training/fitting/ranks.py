"""Which of several training processes this is: Lightning starts one per device and numbers them.

The first one runs the command; the others run it again as its followers (LOCAL_RANK above 0), train their share of
every batch, and write and print nothing.
"""

from __future__ import annotations

import os
import sys


def rank() -> int:
    """Number of this process, 0 where there is only one."""
    return int(os.environ.get("LOCAL_RANK", 0))


def is_follower() -> bool:
    """Whether another process keeps the run's files."""
    return rank() > 0


def check_can_follow() -> None:
    """ValueError where followers cannot run the same command again: in notebooks and in code typed or piped in."""
    if hasattr(sys, "ps1") or not sys.argv or not os.path.isfile(sys.argv[0]):
        raise ValueError("several devices need a command that can be run again: use `isamap train --devices ...`")
