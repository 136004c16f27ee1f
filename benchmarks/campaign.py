"""Before a release: kills, power cuts, faults, odd and hostile requests, clients, silence, bombs (docs/reliability.md).

python benchmarks/campaign.py --out FOLDER [--parts kills=20 requests=100000 ...] [--commands NAME ...] [--seed 1]

What is finished is noted in the folder: the same command continues, and larger counts add to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from reliability import bombs, fuzz, http_fuzz, kills, schedules, silence, soak, visitors
from reliability.trials import Sitting, table


@dataclass(frozen=True)
class Part:
    """A part of the campaign. count: how many, unless another number is asked for."""

    count: int
    heads: Sequence[str]
    run: Callable[[Sitting, int], None]
    lines: Callable[[Sitting], list[tuple[Any, ...]]]

    @classmethod
    def of(cls, count: int, module: Any, **how: Any) -> Part:
        return cls(count, module.HEADS, partial(module.run, **how), partial(module.lines, **how))


PARTS = {
    "kills": Part.of(20, kills, mode=kills.KILL),  # of each command
    "power-cuts": Part.of(5, kills, mode=kills.POWER_CUT),  # of each command
    "schedules": Part.of(200, schedules),  # of faults of the line and the engine
    "questions": Part.of(100_000, fuzz),  # to the engine below HTTP
    "soak": Part.of(10, soak),  # minutes of 50 clients of the engine
    "requests": Part.of(100_000, http_fuzz),  # to the service, and as many to the engine
    "visitors": Part.of(10, visitors),  # minutes of 100 visitors of the service
    "silence": Part.of(4, silence),  # minutes of 500 connections that send nothing, then half a head
    "bombs": Part.of(100, bombs),  # of each format at most
}


def count_of(words: str) -> tuple[str, int]:
    """A part and its count, of words such as kills=20 or kills."""
    name, _, count = words.partition("=")
    if name not in PARTS or not (count or "1").isdigit():
        raise argparse.ArgumentTypeError(f"{words}: give {', '.join(PARTS)}, each alone or as NAME=COUNT")
    return name, int(count or PARTS[name].count)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="what is finished; the same command continues")
    usual = [(name, campaign_part.count) for name, campaign_part in PARTS.items()]
    parser.add_argument("--parts", nargs="+", type=count_of, default=usual, metavar="NAME=COUNT", help=", ".join(PARTS))
    parser.add_argument("--commands", nargs="+", choices=kills.NAMES, metavar="NAME", help=", ".join(kills.NAMES))
    parser.add_argument("--jobs", type=int, default=1, help="schedules, or processes of questions, at a time")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    sitting = Sitting(options.out.expanduser().absolute(), options.seed, options.jobs, options.commands or ())
    for name, count in options.parts:
        PARTS[name].run(sitting, count)
        print(f"{name}, seed {options.seed}\n\n{table(PARTS[name].heads, PARTS[name].lines(sitting))}\n", flush=True)


if __name__ == "__main__":
    main()
