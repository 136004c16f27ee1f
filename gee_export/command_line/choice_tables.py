"""The values that options take, read from the tables that hold them when help, completion or an error needs them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module


def names_at(address: str) -> tuple[str, ...]:
    """The names that `module:attribute` holds: keys of a mapping, a sequence, a record's fields, or what it returns."""
    module, _, attribute = address.partition(":")
    table = getattr(import_module(module), attribute)
    if dataclasses.is_dataclass(table):
        return tuple(field.name for field in dataclasses.fields(table))
    return tuple(map(str, table() if callable(table) else table))


@dataclasses.dataclass(frozen=True)
class ChoiceTables:
    """choices: `[COMMAND ]OPTION` to the address of its values; settings: a command to that of its --set names."""

    choices: Mapping[str, str] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def of_option(self, command: str, option: str) -> Sequence[str]:
        """The values of a command's option (or argument, by its metavar); empty where they are not limited."""
        address = self.choices.get(f"{command} {option}") or self.choices.get(option)
        return names_at(address) if address else ()

    def of_settings(self, command: str) -> Sequence[str]:
        """The names that --set of a command takes; empty where it has no --set."""
        return names_at(self.settings[command]) if command in self.settings else ()


@dataclasses.dataclass(frozen=True)
class SettingNames(Collection):
    """The names that --set of a command takes, read from their table only when they are asked for."""

    tables: ChoiceTables
    command: str

    def __contains__(self, name: object) -> bool:
        return name in self.tables.of_settings(self.command)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables.of_settings(self.command))

    def __len__(self) -> int:
        return len(self.tables.of_settings(self.command))
