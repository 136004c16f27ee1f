"""hf://ORG/NAME against a hub of the tests: copied once, found again offline, nothing trusted, put there whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.hub import HubModel
from isamap.training.checkpoints.publication import publish_model
from tests.support.model_hub import TOKEN, Model, model_hub
from tests.support.raw_server import RawServer
from tests.training.test_checkpoint import described, network

ADDRESS = "hf://org/town"
PAGE = b"\n<!DOCTYPE html><html><body>Sign in</body></html>"
FETCHED = ("/revision/", ck.DESCRIPTION, ck.WEIGHTS, ck.CARD)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with model_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield running


@pytest.fixture
def saved(tmp_path) -> ck.Checkpoint:
    made = network()
    return ck.save(described(made), made, tmp_path / "run")


@pytest.fixture
def held(hub, saved):
    """The hub with the checkpoint as a public model."""
    files = {file.name: file.read_bytes() for file in Path(saved.location).iterdir()}
    hub.models["org/town"] = Model(private=False)
    hub.models["org/town"].commit(files)
    return hub


def test_a_model_of_the_hub_is_the_one_that_was_put_there(held, saved):
    loaded = ck.load(ADDRESS)
    assert loaded.fingerprint == saved.fingerprint
    x = torch.randn(1, 2, 16, 16)
    assert torch.equal(loaded.build()(x).logits_BKHW, saved.build()(x).logits_BKHW)


def test_weights_are_fetched_once(held):
    ck.load(ADDRESS)
    ck.load(ADDRESS)
    assert sum(path.startswith("/large/") for path in held.paths()) == 1


def test_a_new_commit_is_taken(held, tmp_path):
    ck.load(ADDRESS)
    made = network()
    newer = ck.save(described(made, thresholds={"impervious": 0.3}), made, tmp_path / "newer")
    held.models["org/town"].commit({file.name: file.read_bytes() for file in Path(newer.location).iterdir()})
    assert ck.load(ADDRESS).fingerprint == newer.fingerprint


def test_a_revision_is_asked_for(held):
    ck.load(f"{ADDRESS}@v1.0")
    assert "/api/models/org/town/revision/v1.0" in held.paths()


def test_without_network_the_copy_of_before_is_used(held, saved, monkeypatch, capsys):
    ck.load(ADDRESS)
    held.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert ck.load(ADDRESS).fingerprint == saved.fingerprint
    assert not held.asked and "the copy of commit" in capsys.readouterr().err


def test_a_hub_that_is_down_leads_to_the_copy_too(held, saved):
    ck.load(ADDRESS)
    held.status = 503
    assert ck.load(ADDRESS).fingerprint == saved.fingerprint


def test_without_network_and_copy_the_sentence_says_so(held, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Fault, match="there is no copy from before"):
        ck.load(ADDRESS)


def test_the_licence_is_shown_at_the_first_copy(held, capsys):
    ck.load(ADDRESS)
    assert "licence apache-2.0" in capsys.readouterr().err


def test_damaged_weights_are_refused_and_not_kept(held, tmp_path):
    held.models["org/town"].commit({ck.WEIGHTS: b"other bytes"})
    with pytest.raises(Fault, match="its hash differs"):
        ck.load(ADDRESS)
    assert not list((tmp_path / "home").rglob(ck.WEIGHTS))


def left_in(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("asked", FETCHED)
def test_a_web_page_instead_of_a_file_is_one_sentence_and_leaves_nothing(held, tmp_path, asked):
    """As a login page of a network answers, with status 200. The same command works once the page is gone."""
    held.instead[asked] = PAGE
    with pytest.raises(Fault, match="a web page came instead") as error:
        ck.load(ADDRESS)
    assert "HF_ENDPOINT" in str(error.value) and "\n" not in str(error.value)
    assert not left_in(tmp_path / "home")
    held.instead.clear()
    assert ck.load(ADDRESS).build()


@pytest.mark.parametrize("asked", ["/revision/", ck.DESCRIPTION, "/large/", ck.CARD])
def test_a_torn_file_is_one_sentence_and_leaves_nothing(held, tmp_path, asked):
    held.torn = asked
    with pytest.raises(Fault, match=r"cut off after .* there is no copy from before") as error:
        ck.load(ADDRESS)
    assert "\n" not in str(error.value) and not left_in(tmp_path / "home")
    held.torn = ""
    assert ck.load(ADDRESS).build()


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nff\r\n{}"],
    ids=["another protocol", "a torn chunk"],
)
def test_what_is_no_http_is_one_sentence(hub, monkeypatch, answer):
    with RawServer(answer) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(Fault, match=r"did not answer .* there is no copy from before") as error:
            ck.load(ADDRESS)
    assert not set("\r\n") & set(str(error.value))


def test_where_a_new_commit_comes_torn_the_copy_of_before_is_used(held, saved, capsys):
    before = Path(ck.load(ADDRESS).location)
    held.models["org/town"].commit({ck.DESCRIPTION: (before / ck.DESCRIPTION).read_bytes() + b" "})
    held.torn = "/large/"
    assert ck.load(ADDRESS).location == str(before)
    assert "the copy of commit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "use"),
    [("/revision/", lambda saved: ck.load(ADDRESS)), ("/batch", lambda saved: publish_model(saved.location, ADDRESS))],
    ids=["fetched", "published"],
)
def test_bytes_of_no_text_are_no_answer_of_a_hub(held, saved, monkeypatch, asked, use):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    held.instead[asked] = b'{"sha": "\xff"}'
    with pytest.raises(Fault, match="did not answer as a hub does"):
        use(saved)


def test_a_web_page_at_publishing_is_one_sentence(hub, saved, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.instead["/api/models/"] = PAGE
    with pytest.raises(Fault, match="a web page came instead"):
        publish_model(saved.location, ADDRESS)
    assert not hub.models and not hub.paths("POST")


def test_a_changed_description_is_refused(held, saved):
    stored = json.loads((Path(saved.location) / ck.DESCRIPTION).read_text())
    stored["thresholds"]["impervious"] = 0.1
    held.models["org/town"].commit({ck.DESCRIPTION: json.dumps(stored).encode()})
    with pytest.raises(Fault, match="fingerprint differs"):
        ck.load(ADDRESS)


def test_code_of_a_hub_needs_consent(held, saved):
    """A description that names a network of another package is loaded, and not imported without --trust."""
    foreign = replace(saved, model="some_package.nets:Net")
    held.models["org/town"].commit({ck.DESCRIPTION: json.dumps(ck._to_json(foreign)).encode()})
    with pytest.raises(ValueError, match="trust"):
        ck.load(ADDRESS).build()


def test_nothing_but_text_and_safetensors_is_fetched(held):
    held.models["org/town"].commit({"pytorch_model.bin": b"pickle", "model.py": b"import os"})
    ck.load(ADDRESS)
    assert not [path for path in held.paths() if path.endswith((".bin", ".py"))]


@pytest.mark.long
def test_the_token_goes_to_the_hub_and_not_where_it_leads(held, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with model_hub() as store:
        held.elsewhere = store.url
        files = held.models["org/town"].commits[held.models["org/town"].head]
        store.large[hashlib.sha256(files[ck.WEIGHTS]).hexdigest()] = files[ck.WEIGHTS]
        ck.load(ADDRESS)
        assert all(has_token for *_, has_token in held.asked)
        assert [has_token for *_, has_token in store.asked] == [False]


def test_a_private_model_without_a_token_says_what_is_needed(held):
    held.models["org/town"].private = True
    with pytest.raises(ValueError, match="set HF_TOKEN"):
        ck.load(ADDRESS)


def test_an_unknown_model_is_the_users_mistake(hub):
    with pytest.raises(ValueError, match="no such model or revision"):
        ck.load("hf://org/village")


def test_a_model_without_a_checkpoint_is_the_users_mistake(hub):
    hub.models["org/town"] = Model(private=False)
    hub.models["org/town"].commit({"README.md": b"# other"})
    with pytest.raises(ValueError, match="no checkpoint there"):
        ck.load(ADDRESS)


@pytest.mark.parametrize("address", ["hf://town", "hf://a/b/c", "hf://../b", "hf://a/b@../x", "hf://a/b c", "hf:///b"])
def test_other_forms_of_an_address_are_refused(address):
    with pytest.raises(ValueError, match="expected hf://ORG/NAME"):
        HubModel.of(address)


def test_a_hub_is_not_asked_in_the_clear(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.org")
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="a hub is asked by https"):
        ck.load(ADDRESS)


def test_what_is_published_can_be_used(hub, saved, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    report = publish_model(saved.location, ADDRESS)
    assert hub.models["org/town"].private
    assert set(hub.models["org/town"].commits[hub.models["org/town"].head]) == set(report.files)
    assert ck.load(ADDRESS).fingerprint == saved.fingerprint
    assert "licence: Apache-2.0; trained on simulated data" in str(report)


def test_published_again_the_weights_are_not_sent_again(hub, saved, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    publish_model(saved.location, ADDRESS, public=True)
    publish_model(saved.location, ADDRESS, public=True)
    assert len(hub.paths("PUT")) == 1 and not hub.models["org/town"].private
    assert hub.paths("POST").count("/api/repos/create") == 1


def test_publishing_without_a_token_says_what_is_needed(hub, saved):
    with pytest.raises(ValueError, match="set HF_TOKEN"):
        publish_model(saved.location, ADDRESS)
    assert not hub.models


def test_a_folder_holds_card_and_passport_and_is_a_checkpoint(saved, tmp_path, capsys):
    out = tmp_path / "published"
    assert isamap.main(["publish-model", "--checkpoint", saved.location, "--to", str(out)]) == 0
    passport = json.loads((out / "model.stac.json").read_text())
    hrefs = [asset["href"].removeprefix("./") for asset in passport["assets"].values()]
    assert "weights.safetensors" in hrefs and all((out / href).is_file() for href in hrefs)
    assert (out / "README.md").read_bytes() == (Path(saved.location) / ck.CARD).read_bytes()
    assert ck.load(out).fingerprint == saved.fingerprint


def test_a_folder_of_something_else_is_left_alone(saved, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ValueError, match="holds something else than a model"):
        publish_model(saved.location, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
