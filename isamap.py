"""The `isamap` command: finds the function behind each word, importing only the package that holds it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module, metadata

from gee_export import console

# word(s) on the command line -> where its typed function lives, and what it does
COMMANDS: dict[str, tuple[str, str]] = {
    "export": ("gee_export.cli:export", "cut co-registered Sentinel-1/Sentinel-2/label patches of a region and month"),
    "inspect": ("gee_export.cli:inspect", "check a patch dataset and draw its card: counts, pictures, STAC"),
    "coregister": ("gee_export.cli:coregister", "find and mend the shift of Sentinel-1 against Sentinel-2"),
    "train": ("training.cli:train", "train a network on a patch dataset"),
    "agreement": ("training.cli:agreement", "count on which training patches a model and the labels agree"),
    "prune": ("training.cli:prune", "make a trained network smaller and faster by removing filters"),
    "evaluate": ("training.cli:evaluate", "measure a checkpoint on a split of a dataset"),
    "compare": ("training.cli:compare", "say which of several checkpoints is better on the same patches"),
    "calibrate": ("inference.cli:calibrate", "choose the threshold of impervious, or of a post-processing step"),
    "reproduce": ("reproduction.cli:reproduce", "run a table or figure of the papers again, beside its numbers"),
    "map": ("inference.cli:map", "map a region and month, or a GeoTIFF, with a checkpoint"),
    "publish": ("inference.cli:publish", "upload a map as an Earth Engine image asset"),
    "view": ("inference.cli:view", "draw a map as a PNG"),
    "check": ("gee_export.cli:check", "test login, API, bucket and write rights before using Google's servers"),
    "regions": ("gee_export.cli:regions", "list the named regions"),
    "labels": ("gee_export.cli:labels", "list the label products"),
    "onnx": ("training.cli:onnx", "write a checkpoint as an ONNX file for other programs"),
    "models": ("training.cli:models", "list the networks with their sizes"),
    "engine serve": ("gee_export.cli:engine_serve", "run the local Earth Engine for other clients"),
}

# commands that keep what they have done and go on there when they are given again
CONTINUED = ("export", "train", "prune", "reproduce", "map")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of one command: 0 done, 2 the user's mistake, 1 a fault."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else console.USER_MISTAKE
    if words[0] == "--version":
        print(f"isamap {version()}")
        return 0
    name, rest = _split(words)
    if name not in COMMANDS:
        print(f"error: {_unknown(name)}", file=sys.stderr)
        return console.USER_MISTAKE
    module, function = COMMANDS[name][0].split(":")
    load, ending = (lambda: getattr(import_module(module), function)), console.START_OVER
    if name in CONTINUED:
        ending = console.CONTINUE
    return console.run_command(load, rest, prog=f"isamap {name}", interrupted=ending)


def version() -> str:
    """The installed version, or 'unreleased' from a clone that is not installed."""
    try:
        return metadata.version("isamap")
    except metadata.PackageNotFoundError:
        return "unreleased"


def _split(words: list[str]) -> tuple[str, list[str]]:
    pair = " ".join(words[:2])
    return (pair, words[2:]) if pair in COMMANDS else (words[0], words[1:])


def _overview() -> str:
    rows = "\n".join(f"  isamap {name:<13} {help_}" for name, (_, help_) in COMMANDS.items())
    return (
        f"Impervious-surface maps from Sentinel-1 and Sentinel-2.\n\n{rows}\n\n`isamap COMMAND --help` says the rest."
    )


def _unknown(name: str) -> str:
    starts = [command for command in COMMANDS if command.split()[0] == name]
    if starts:
        return f"`isamap {name}` needs one more word: {', '.join(f'isamap {command}' for command in starts)}"
    return f"unknown command {name!r}: expected {', '.join(COMMANDS)}"


if __name__ == "__main__":
    sys.exit(main())
