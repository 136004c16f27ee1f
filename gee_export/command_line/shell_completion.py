"""Completion in the shell: the scripts of bash, zsh and fish, and the words that they ask isamap for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.command_line import global_options
from isamap.gee_export.command_line.choice_tables import ChoiceTables
from isamap.gee_export.command_line.command_words import OptionNames, is_option

TOP = ("--help", "--version", "--install-completion", "--show-completion")

_BASH = """_isamap_completion() {
    local IFS=$'\\n'
    COMPREPLY=( $(isamap --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) )
}
complete -o default -F _isamap_completion isamap
"""
_ZSH = """#compdef isamap
_isamap_completion() {
    local -a candidates
    candidates=(${(f)"$(isamap --complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#candidates )); then compadd -a candidates; else _files; fi
}
compdef _isamap_completion isamap
"""
_FISH = """function __isamap_completion
    set --local words (commandline --tokenize --cut-at-cursor --current-process)
    set --local last (commandline --current-token --cut-at-cursor | string collect --allow-empty)
    isamap --complete $words[2..] $last 2>/dev/null
end
complete --command isamap --arguments '(__isamap_completion)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(shell: str) -> str:
    """The script that a shell reads to complete isamap's commands; ValueError for other shells."""
    if shell not in SCRIPTS:
        raise ValueError(f"shell {shell!r}: expected one of {', '.join(SCRIPTS)}")
    return SCRIPTS[shell]


def install(shell: str) -> str:
    """Writes the script where the shell looks for it; a sentence that says where, and what is still to do."""
    text, home = script(shell), Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    path, remark = {
        "bash": (data / "bash-completion" / "completions" / "isamap", "read by the package bash-completion"),
        "zsh": (
            home / ".zfunc" / "_isamap",
            "read if ~/.zshrc has `fpath+=~/.zfunc; autoload -Uz compinit; compinit`",
        ),
        "fish": (settings / "fish" / "completions" / "isamap.fish", "read by fish itself"),
    }[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
    return f"wrote {path} ({remark}); open a new shell to use it"


def user_shell() -> str:
    """The name of the shell that the user logs in with; ValueError where it is none that we complete."""
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SCRIPTS:
        raise ValueError(f"the shell {name or '(unknown)'} has no completion here: name one of {', '.join(SCRIPTS)}")
    return name


def candidates(
    words: Sequence[str], commands: Sequence[str], load: Callable[[str], Any], tables: ChoiceTables
) -> list[str]:
    """The words that may stand in the last place of `isamap WORDS`; none where a file is expected."""
    *before, start = words or [""]
    name = next((c for c in commands if before[: len(c.split())] == c.split()), None)
    if name is None:
        level = len(before)
        following = [c.split()[level] for c in commands if len(c.split()) > level and c.split()[:level] == before]
        return _starting(start, [*dict.fromkeys(following), *(TOP if level == 0 else ())])
    command = load(name)
    names = OptionNames.of(command)
    if start.startswith("-"):
        return _starting(start, [*sorted(names.declared), *global_options.FLAGS, *global_options.VALUED])
    return _starting(start, _values(name, before[len(name.split()) :], command, tables))


def _values(name: str, before: Sequence[str], command: Any, tables: ChoiceTables) -> Sequence[str]:
    names = OptionNames.of(command)
    option = next((word for word in reversed(before) if is_option(word)), None)
    behind = list(reversed(before)).index(option) if option else 0
    if option is None or option in names.flags or (behind and option not in names.repeatable):
        arguments = [p.metavar or p.name.upper() for p in command.params if p.param_type_name == "argument"]
        return [value for argument in arguments for value in tables.of_option(name, argument)]
    return tables.of_option(name, option)


def _starting(start: str, words: Sequence[str] | Mapping[str, Any]) -> list[str]:
    return [word for word in words if word.startswith(start)]
