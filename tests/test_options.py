"""Help texts, messages and pages name only commands and options that there are."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Any

import pytest

import isamap
from isamap.gee_export.command_line.console import click_command
from tests.support.citations import PAGES, ROOT

PACKAGES = tuple(sorted({path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"}))
MENTION = re.compile(r"`isamap ([a-z][^`]*)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
EVERYWHERE = {"--json", "--quiet", "--verbose", "--offline", "--log-file", "--endpoint", "--trust"}
TOP = {"--version", "--install-completion", "--show-completion"}
# lines of pages that show the options of other programs
FOREIGN = (
    "local-ee ",
    "--ee-re",
    "gcloud ",
    "dask worker",
    "benchmarks",
    "pip ",
    "PIP_ARGS",
    "pytest",
    "earthengine ",
    "export_patches.py",
)


@cache
def parsed(name: str) -> Any:
    """The click command of a name."""
    module, function = isamap.COMMANDS[name][0].split(":")
    return click_command(getattr(import_module(module), function))


@cache
def options(name: str) -> frozenset[str]:
    """The options of a command, such as --region."""
    words = (word for p in parsed(name).params for word in (*p.opts, *p.secondary_opts))
    return frozenset({"--help", *EVERYWHERE, *words})


def help_of(name: str) -> str:
    """The help texts of a command and its options."""
    command = parsed(name)
    return "\n".join([command.help or "", *(getattr(p, "help", None) or "" for p in command.params)])


def command_of(mention: str) -> str:
    """The command that words after `isamap` begin with; the first word where there is none."""
    words = mention.removeprefix("help ").split()  # `isamap help export` describes a command, too
    pair = " ".join(words[:2])
    return pair if pair in isamap.COMMANDS else words[0]


def wrong(text: str) -> list[str]:
    """The mentions `isamap COMMAND --option` of a text that name what there is not."""
    actual = []
    for mention in MENTION.findall(" ".join(text.split())):
        name = command_of(mention)
        if name not in isamap.COMMANDS:
            actual += [] if any(listed.startswith(f"{name} ") for listed in isamap.COMMANDS) else [mention]
        elif set(OPTION.findall(mention)) - options(name):
            actual.append(mention)
    return actual


@pytest.mark.parametrize("name", isamap.COMMANDS)
def test_a_help_text_sends_nobody_to_an_option_that_is_not_there(name):
    assert not wrong(help_of(name))


@pytest.mark.parametrize("name", isamap.COMMANDS)
def test_options_that_a_help_text_names_alone_are_the_commands_own(name):
    own = MENTION.sub("", help_of(name))
    assert not set(OPTION.findall(own)) - options(name)


@pytest.mark.parametrize("name", isamap.COMMANDS)
def test_headings_are_words_and_no_names_of_classes(name):
    """A record's heading once became the name of its class, DrawOptions, when that was renamed."""
    panels = {getattr(each, "rich_help_panel", None) or "" for each in parsed(name).params}
    assert not [panel for panel in panels if re.search("[a-z][A-Z]", panel)]


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("polygons", {"--class", "--classes", "--min", "--simplify"}),
        ("train", {"--from", "--set", "--label-weight", "--backbone-bands"}),
        ("evaluate", {"--json", "--tta"}),
        ("prune", {"--tune", "--round-to"}),
        ("serve", {"--trusted-proxy", "--max-area", "--max-jobs", "--max-cache", "--no-token"}),
        ("calibrate", {"--map", "--input", "--post", "--curve"}),
        ("assess sample", {"--design", "--cluster-side", "--min-distance", "--buffer", "--picture", "--show-map"}),
        ("assess estimate", {"--answers", "--by", "--by-column", "--classes", "--products", "--product-areas"}),
        ("change", {"--map", "--sample", "--by", "--classes"}),
        ("reproduce", {"--list", "--seeds"}),
    ],
)
def test_flags_are_not_the_names_of_fields(name, flags):
    """Fields and parameters are called as code needs it, which users must not notice."""
    assert flags <= options(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_commands_and_options_that_are_there(page):
    assert not wrong(page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_option_on_a_page_is_one_of_a_command(page):
    is_known = frozenset().union(*map(options, isamap.COMMANDS)) | TOP
    # pages about programs of benchmarks/ show the options of those
    is_known |= {
        option for path in (ROOT / "benchmarks").rglob("*.py") for option in OPTION.findall(path.read_text("utf-8"))
    }
    lines = [line for line in page.read_text("utf-8").splitlines() if not any(word in line for word in FOREIGN)]
    named = {option for line in lines for span in re.findall(r"`([^`]+)`", line) for option in OPTION.findall(span)}
    assert not named - is_known


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_messages_and_docstrings_name_commands_and_options_that_are_there(package):
    actual = {path: wrong(_joined(path.read_text("utf-8"))) for path in sorted(package.rglob("*.py"))}
    assert not {str(path.relative_to(ROOT)): mentions for path, mentions in actual.items() if mentions}


def _joined(source: str) -> str:
    """Python whose strings over several lines are one, and whose fields {name} stand for a word."""
    return re.sub(r"\{[^{}]*\}", "WORD", re.sub(r'"\s*\n\s*f?"', "", source))


@pytest.mark.parametrize(
    "text", ["see `isamap export --displacement`", "`isamap exprot`", "give it to\n`isamap train\n--chip FILE`"]
)
def test_wrong_mentions_are_seen(text):
    assert len(wrong(text)) == 1


@pytest.mark.parametrize(
    "text", ["`isamap export --set displacement=FILE`", "`isamap engine`", "`isamap engine serve --faults FILE`"]
)
def test_right_mentions_pass(text):
    assert not wrong(text)
