"""What other users of the machine may not read, and the token that a service makes for itself."""

from __future__ import annotations

import stat
from types import SimpleNamespace

import pytest

from isamap.inference.serve import server
from isamap.inference.serve.server import Address
from isamap.inference.serve.tokens import Tokens, fault_of_rights, own_token, private_folder, read_tokens


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_for_its_user_alone(tmp_path):
    private_folder(tmp_path / "far" / "service")
    assert mode(tmp_path / "far" / "service") == 0o700


def test_a_folder_that_others_may_read_is_told_with_its_remedy(tmp_path, capsys):
    (tmp_path / "service").mkdir()
    (tmp_path / "service").chmod(0o755)  # whatever the umask is
    private_folder(tmp_path / "service")
    assert f"chmod 700 {tmp_path / 'service'}" in capsys.readouterr().err
    assert mode(tmp_path / "service") == 0o755  # its owner may have meant it


USER, ROOT, ANOTHER = 1000, 0, 1001


@pytest.mark.parametrize(("owner", "rights"), [(USER, 0o600), (USER, 0o400), (ROOT, 0o640), (ROOT, 0o440)])
def test_a_secret_file_that_no_other_user_reads_is_taken(owner, rights):
    assert fault_of_rights(SimpleNamespace(st_uid=owner, st_mode=stat.S_IFREG | rights), USER) is None


@pytest.mark.parametrize(
    ("owner", "rights", "remedy"),
    [
        (USER, 0o640, "chmod 600 it"),
        (USER, 0o604, "chmod 600 it"),
        (USER, 0o602, "chmod 600 it"),
        (ROOT, 0o644, "chmod 640 it"),
        (ROOT, 0o660, "chmod 640 it"),
        (ANOTHER, 0o600, "chown the copy to user 1000"),
    ],
)
def test_a_secret_file_of_others_is_refused_with_the_remedy(owner, rights, remedy):
    """PostgreSQL's rule for its key: https://www.postgresql.org/docs/current/ssl-tcp.html."""
    assert remedy in fault_of_rights(SimpleNamespace(st_uid=owner, st_mode=stat.S_IFREG | rights), USER)


def test_a_file_of_tokens_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("a-token-that-is-long-enough-0123\n")
    path.chmod(0o604)
    with pytest.raises(ValueError, match="can be used by other users of this machine"):
        read_tokens(path)


def test_the_services_own_token_is_private_long_and_an_operators(tmp_path):
    tokens = own_token(tmp_path)
    assert mode(tmp_path / "token") == 0o600
    assert len(tokens.tokens[0]) >= 40 and tokens.operators == tokens.tokens


def test_it_stays_the_same_after_a_restart(tmp_path):
    assert own_token(tmp_path) == own_token(tmp_path)


def test_the_printed_address_has_the_token_where_no_server_gets_it(tmp_path):
    address = Address()
    tokens = address.tokens(tmp_path)
    assert address.shown(8765, tokens) == f"http://127.0.0.1:8765/#token={tokens.tokens[0]}"


def test_the_tokens_of_a_file_are_not_printed(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("a-token-that-is-long-enough-0123\n")
    path.chmod(0o600)
    address = Address(token_file=str(path))
    assert address.shown(8765, address.tokens(tmp_path)) == "http://127.0.0.1:8765"


def test_without_a_token_there_is_none(tmp_path):
    assert Address(no_token=True).tokens(tmp_path) == Tokens() and not (tmp_path / "token").exists()


def test_no_token_and_a_file_of_tokens_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        Address(no_token=True, token_file="tokens")


def test_what_a_server_writes_is_for_its_user_alone(monkeypatch, settings):
    """The umask is set before anything is made; no server is started here."""
    masks: list[int] = []
    monkeypatch.setattr(server.os, "umask", masks.append)
    monkeypatch.setattr(server, "bound_memory", lambda: None)
    monkeypatch.setattr(server, "_listening", _refused)
    with pytest.raises(OSError, match="stop here"):
        server.serve(settings, Address(port=0))
    assert masks == [0o077] and (settings.folder / "token").exists()


def _refused(address: Address) -> None:
    raise OSError("stop here")


def test_a_trusted_proxy_says_who_asks():
    class Application:
        def application(self) -> None:
            return None

    config = server._config(Application(), "10.0.0.9")  # type: ignore[arg-type]
    assert (config.proxy_headers, config.forwarded_allow_ips) == (True, "10.0.0.9")
    assert server._config(Application(), None).proxy_headers is False  # type: ignore[arg-type]
