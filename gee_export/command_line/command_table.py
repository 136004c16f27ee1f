"""`isamap` and its first words: which command they name, the overview, help, version and shell completion."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from isamap.gee_export.base.imports import quick_imports
from isamap.gee_export.command_line import console, global_options, shell_completion
from isamap.gee_export.command_line.choice_tables import ChoiceTables
from isamap.gee_export.command_line.command_words import HELP, nearest


@dataclass(frozen=True)
class CommandTable:
    """commands: word(s) to where the function lives and what it does.

    headings: the first command of each group to the group's name. continued: those that keep unfinished work.
    """

    commands: Mapping[str, tuple[str, str]]
    headings: Mapping[str, str] = field(default_factory=dict)
    continued: Sequence[str] = ()
    tables: ChoiceTables = field(default_factory=ChoiceTables)

    def run(self, words: Sequence[str], version: Callable[[], str]) -> int:
        """The exit code of `isamap WORDS`."""
        words = _options_last(words)
        if not words:
            print(self.overview())
            return console.USER_MISTAKE
        if words[0] == "help" and len(words) > 1:
            words = [*words[1:], "--help"]
        if words[0] == "--complete":
            print("\n".join(self._candidates(words[1:])))
            return 0
        if words[0] == "help" or (words[0].startswith("-") and set(words) & set(HELP)):
            print(self.overview())
            return 0
        if words[0] == "--version":
            print(f"isamap {version()}")
            return 0
        if words[0] in ("--show-completion", "--install-completion"):
            return console.run(lambda: print(_completion(words[0], words[1:])))
        return self._run_command(words)

    def overview(self) -> str:
        """Every command with what it does, and what all of them have in common."""
        rows = []
        for name in self.commands:
            rows += [f"\n{self.headings[name]}:\n"] if name in self.headings else []
            rows.append(self._row(name))
        common = [f"  {name:<20} {summary}" for name, summary in global_options.HELP]
        return "\n".join(
            [
                "Impervious-surface maps from Sentinel-1 and Sentinel-2.",
                *rows,
                "\nWith every command:\n",
                *common,
                "\n`isamap COMMAND --help` describes a command; `isamap --install-completion` sets up your shell.",
            ]
        )

    def _row(self, name: str) -> str:
        return f"  isamap {name:<{max(map(len, self.commands))}}  {self.commands[name][1]}"

    def _rows(self, first: str) -> list[str]:
        """Those of the commands of two words that begin so."""
        return [self._row(name) for name in self.commands if name.split()[0] == first]

    def _run_command(self, words: Sequence[str]) -> int:
        name, others = self._split(words)
        if name not in self.commands:
            if set(others) & set(HELP) and (rows := self._rows(name)):
                print("\n".join([*rows, f"\n`isamap {name} WORD --help` describes one of them."]))
                return 0
            print(f"error: {self._unknown(name)}", file=sys.stderr)
            return console.USER_MISTAKE
        ending = console.CONTINUE if name in self.continued else console.START_OVER
        return console.run_command(
            lambda: self._load(name), others, prog=f"isamap {name}", interrupted=ending, tables=self.tables
        )

    def _load(self, name: str) -> Callable[..., Any]:
        module, function = self.commands[name][0].split(":")
        with quick_imports():
            return getattr(import_module(module), function)

    def _split(self, words: Sequence[str]) -> tuple[str, list[str]]:
        pair = " ".join(words[:2])
        return (pair, list(words[2:])) if pair in self.commands else (words[0], list(words[1:]))

    def _unknown(self, name: str) -> str:
        longer = [command for command in self.commands if command.split()[0] == name]
        if longer:
            return f"`isamap {name}` needs one more word: {', '.join(f'isamap {command}' for command in longer)}"
        if hint := nearest(name, {command.split()[0] for command in self.commands}):
            return f"unknown command {name!r}: {hint} `isamap --help` lists all commands"
        return f"unknown command {name!r}: expected {', '.join(self.commands)}"

    def _candidates(self, words: Sequence[str]) -> list[str]:
        try:
            return shell_completion.candidates(
                words, list(self.commands), lambda name: console.click_command(self._load(name)), self.tables
            )
        except Exception:  # a prompt shows no errors
            return []


def _options_last(words: Sequence[str]) -> list[str]:
    """The words with the options that lead them behind the command: `--quiet export` as `export --quiet`."""
    words, count = list(words), 0
    while count < len(words) and words[count].partition("=")[0] in (*global_options.FLAGS, *global_options.VALUED):
        count += 2 if words[count] in global_options.VALUED else 1
    return [*words[count:], *words[:count]]


def _completion(option: str, words: Sequence[str]) -> str:
    shell = words[0] if words else shell_completion.user_shell()
    return shell_completion.install(shell) if option == "--install-completion" else shell_completion.script(shell)
