"""Who may come in: one test a refusal, and what is let through."""

from __future__ import annotations

import pytest

from isamap.inference.serve.door import Door, is_loopback
from isamap.inference.serve.problem import Problem
from isamap.inference.serve.tokens import Tokens, read_tokens

TOKEN = "a-token-that-is-long-enough-0123"
HOME = Door.of("127.0.0.1", 8765, Tokens(), None)
PUBLIC = Door.of("0.0.0.0", 8765, Tokens((TOKEN, "another-token-that-is-long-enough")), "https://maps.example.org")
HERE = {"host": "127.0.0.1:8765"}
THERE = {"host": "maps.example.org"}


def status(door: Door, method: str = "GET", path: str = "/jobs", **headers: str) -> int:
    """The status of a refusal, 0 where the request is let through."""
    try:
        door.check(method, path, {name.replace("_", "-"): text for name, text in headers.items()})
    except Problem as problem:
        return problem.status
    return 0


SAME_SITE_PICTURE = {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}
TILE = "/maps/town-2020/tiles/class/12/3350/1680.png"
FOLLOWED = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "LOCALHOST:8765", "[::1]:8765"])
def test_this_machine_may_ask_without_a_token(host):
    assert status(HOME, host=host) == 0


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:1", "", "localhost:8765.evil.example",
             "127.0.0.1:8765, evil.example"],
)  # fmt: skip
def test_other_names_of_this_machine_are_refused(host):
    assert status(HOME, host=host) == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("http://127.0.0.1:8765", 0), ("http://evil.example", 403), ("null", 403), ("127.0.0.1:8765", 403),
     ("https://127.0.0.1:8766", 403), ("http://127.0.0.1:8765@evil.example", 403), ("http://[", 403)],
)  # fmt: skip
def test_the_own_page_may_post_and_no_other(origin, expected):
    assert status(HOME, "POST", **HERE, content_type="application/json", origin=origin) == expected


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/jobs", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}, 403),
        ("/jobs", {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors"}, 403),
        ("/", FOLLOWED, 0),
        ("/", FOLLOWED | {"sec_fetch_dest": "iframe"}, 403),
        (TILE, SAME_SITE_PICTURE, 0),
        (TILE, SAME_SITE_PICTURE | {"sec_fetch_site": "cross-site"}, 403),
        (TILE, SAME_SITE_PICTURE | {"sec_fetch_mode": "cors"}, 403),
        (TILE, SAME_SITE_PICTURE | {"sec_fetch_dest": "script"}, 403),
        ("/maps/town-2020/download", SAME_SITE_PICTURE, 403),
        ("/jobs/" + TILE, SAME_SITE_PICTURE, 403),
    ],
)
def test_browsers_of_other_sites_may_follow_links_and_those_of_this_host_show_tiles(path, headers, expected):
    assert status(HOME, path=path, **HERE, **headers) == expected


def test_no_tile_is_posted_by_another_page():
    assert status(HOME, "POST", TILE, **HERE, **SAME_SITE_PICTURE, content_type="application/json") == 403


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [("", 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
     ("multipart/form-data; boundary=x", 415), ("application/geo+json; charset=utf-8", 0)],
)  # fmt: skip
def test_what_any_form_can_send_is_refused(media_type, expected):
    assert status(HOME, "POST", **HERE, content_type=media_type) == expected


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
def test_without_a_right_token_nobody_comes_in(sent):
    headers = {"authorization": sent} if sent else {}
    assert status(PUBLIC, **THERE, **headers) == 401


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/jobs", 401), ("/maps/x/tiles/class/1/1/1.png", 401), ("/metrics", 401), ("/staticx", 401),
     ("/static/../jobs", 401), ("/", 0), ("/health", 0), ("/static/page.js", 0)],
)  # fmt: skip
def test_all_but_the_page_that_asks_for_the_token_needs_it(path, expected):
    assert status(PUBLIC, path=path, **THERE) == expected


def test_the_owner_is_a_digest_that_does_not_hold_the_token():
    owner = PUBLIC.check("GET", "/jobs", THERE | {"authorization": f"Bearer {TOKEN}"})
    second = PUBLIC.check("GET", "/jobs", THERE | {"authorization": "bearer another-token-that-is-long-enough"})
    assert owner and second and owner != second and owner not in TOKEN


def test_an_address_that_others_reach_needs_tokens():
    with pytest.raises(ValueError, match="--token-file"):
        Door.of("0.0.0.0", 8765, Tokens(), "https://maps.example.org")


def test_an_address_that_others_reach_needs_its_name():
    with pytest.raises(ValueError, match="--url"):
        Door.of("192.168.1.4", 8765, Tokens((TOKEN,)), None)


@pytest.mark.parametrize(
    "url", ["maps.example.org", "ftp://maps.example.org", "https://maps.example.org/path", "http://"]
)
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="--url"):
        Door.of("0.0.0.0", 8765, Tokens((TOKEN,)), url)


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("127.0.0.53", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("192.168.0.1", False), ("::", False), ("example.org", False)],
)  # fmt: skip
def test_loopback_is_known(host, answer):
    assert is_loopback(host) is answer


def secret(folder, text):
    """A file that its user alone may read."""
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_tokens_are_read_a_line_each(tmp_path):
    path = secret(tmp_path, f"# anna\n{TOKEN}\n\n  another-token-that-is-long-enough \n")
    assert read_tokens(path) == Tokens((TOKEN, "another-token-that-is-long-enough"))


def test_an_operator_is_named_behind_a_token(tmp_path):
    path = secret(tmp_path, f"{TOKEN}\nanother-token-that-is-long-enough  operator\n")
    second = "another-token-that-is-long-enough"
    assert read_tokens(path) == Tokens((TOKEN, second), (second,))


@pytest.mark.parametrize("text", ["", "# none\n", "short\n", f"{TOKEN}\nwith spaces in it is no token at all\n",
                                  f"{TOKEN} operators\n", f"{TOKEN} operator too\n"])  # fmt: skip
def test_a_file_of_bad_tokens_is_refused_without_showing_them(tmp_path, text):
    with pytest.raises(ValueError, match="24 letters") as refusal:
        read_tokens(secret(tmp_path, text))
    assert TOKEN not in str(refusal.value)


def test_a_missing_file_of_tokens_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_tokens(tmp_path / "nothing")
