"""The programs of hostile requests and bombs see what is wrong in a reply, and ask the same for the same seed."""

from __future__ import annotations

import pytest

from benchmarks.reliability import hostile, http_fuzz, targets
from benchmarks.reliability.bombs import Reading

TARGET = hostile.Target("127.0.0.1:1", targets.SERVICE, lambda index: [("Authorization", "Bearer a")])
OK = b"HTTP/1.1 200 OK\r\n"


def test_a_request_follows_from_its_seed_and_number():
    first, other = ([hostile.request(TARGET, index, seed) for index in range(300)] for seed in (1, 2))
    assert first == [hostile.request(TARGET, index, 1) for index in range(300)] and first != other
    assert len(set(first)) > 150


@pytest.mark.parametrize(
    ("reply", "odd"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "status 500"),
        (OK + b"\r\nroot:x:0:0:root:/root:/bin/bash", "a file of the machine"),
        (OK + b"\r\nTraceback (most recent call last):", "traceback in a reply"),
        (b"HTTP/1.1 400 \r\n\r\nInternal error of the local engine: KeyError", "internal error"),
    ],
)
def test_what_a_reply_may_not_be_is_seen(reply, odd):
    assert http_fuzz.oddities(reply) == [odd]


@pytest.mark.parametrize("reply", [b"HTTP/1.1 503 \r\n\r\n", OK + b"\r\n{}", b""])
def test_a_reply_that_is_allowed_is_no_oddity(reply):
    assert http_fuzz.oddities(reply) == []


@pytest.mark.parametrize(
    ("reply", "content", "is_whole"),
    [
        (OK + b"Content-Length: 3\r\n\r\nab", b"GET ", False),
        (OK + b"content-length: 3\r\n\r\nabc", b"GET ", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", b"GET ", True),
        (OK + b"Content-Length: 3\r\n\r\n", b"HEAD ", True),
        (b"HTTP/1.1 100 \r\n\r\n", b"HEAD ", False),
    ],
)
def test_the_end_of_a_reply_is_seen(reply, content, is_whole):
    assert http_fuzz._is_whole(reply, content) is is_whole


@pytest.mark.parametrize(
    ("status", "words", "verdict"),
    [
        (2, "error: it is damaged\n", "sentence"),
        (2, "error: one\nerror: two\n", "other"),
        (0, "", "read"),
        (-14, "", "other"),
        (1, "error: unexpected KeyError (a fault of isamap; ...)\n", "other"),
    ],
)
def test_only_one_sentence_refuses_a_bomb(status, words, verdict):
    assert Reading("a.zip", "outline", status, 1.0, 1.0, words).verdict == verdict
