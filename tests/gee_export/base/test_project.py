"""What can be a Google Cloud project: a folder or a bucket's address is one sentence before anything is asked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, get_args, get_origin

import pytest

import isamap
from isamap.gee_export.base.project import check_project
from isamap.gee_export.earth_engine import session as sessions


@pytest.mark.parametrize("name", ["my-project", "abc123", "a" * 30, "example.com:my-project", "517222506229", "local"])
def test_ids_of_google_are_taken(name):
    """Of 6 to 30 characters; of a company's old project with its domain; a number, as `ee.Initialize` takes it."""
    check_project(name)


@pytest.mark.parametrize(
    "name", ["./folder", "/data/x", "gs://maps", "C:\\maps", "short", "a" * 31, "My-Project", "1st-project", "project-"]
)
def test_what_cannot_be_a_project_is_a_sentence_with_the_remedy(name):
    with pytest.raises(ValueError, match=r"--project .*6 to 30 lowercase letters.*or leave it out"):
        check_project(name)


def test_a_folder_where_a_project_is_expected_asks_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sessions, "connect", lambda *given, **named: pytest.fail("asked"))
    for words in (["check"], ["prove"], ["export", "--region", "wuhan", "--month", "2019-06"]):
        assert isamap.main([*words, "--project", "./folder"]) == 2
        told = capsys.readouterr().err.strip()
        assert "--project './folder': expected the ID of a Google Cloud project" in told and "\n" not in told
    assert not list(tmp_path.iterdir())


def _required(function: Callable[..., None]) -> list[str]:
    """Words for what a command must be given."""
    words: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is inspect.Parameter.empty and get_origin(parameter.annotation) is Annotated:
            kind, option = get_args(parameter.annotation)
            # typer keeps the first spelling of an annotated option as its default
            flags = [option.default] if str(option.default).startswith("--") else []
            words += [*flags, "1" if kind in (int, float) else "x"]
    return words


@pytest.mark.long
def test_every_command_that_takes_a_project_refuses_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    refused = []
    for name, (place, _) in isamap.COMMANDS.items():
        module, _, attribute = place.partition(":")
        function = getattr(import_module(module), attribute)
        if "project" in inspect.signature(function).parameters:
            assert isamap.main([*name.split(), *_required(function), "--project", "./folder"]) == 2, name
            assert "expected the ID of a Google Cloud project" in capsys.readouterr().err, name
            refused.append(name)
    assert len(refused) > 20 and {"export", "map", "run", "train", "publish", "check", "prove", "serve"} <= {*refused}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", ["check", "connect", pytest.param("prove", marks=pytest.mark.long)])
def test_functions_refuse_it_too(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="expected the ID"):
        getattr(isamap, function)(project="./folder")
    assert not list(tmp_path.iterdir())
