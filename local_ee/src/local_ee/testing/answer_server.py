"""A server on the loopback address that gives Earth Engine's clients the answers of a file, or of another server."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from local_ee.evaluation.signatures import listing
from local_ee.rest import discovery
from local_ee.testing.answers import Answer, Answers, Question
from local_ee.token import client_url, without_token

ADDRESS = "127.0.0.1"
JSON = "application/json; charset=UTF-8"
DISCOVERY, ALGORITHMS = "/$discovery/rest", "/projects/-/algorithms"
UPSTREAM_SECONDS = 600
LARGEST_BODY = 64 << 20
UNSENT = ("host", "content-length", "connection", "accept-encoding", "transfer-encoding")
PASSING = (401, 403, 408, 429, 499)  # and 500 and above: of the moment or the account, and no answers to a graph


@dataclass(frozen=True)
class Request:
    """What a client sent; `target` is the path with its query, without the server's token; `base` the server's URL."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes
    base: str

    @property
    def question(self) -> Question:
        return Question.of(self.method, self.target, self.content)

    @property
    def is_discovery(self) -> bool:
        """Whether it asks for the description of the API, which names addresses and is never kept."""
        return urlsplit(self.target).path == DISCOVERY

    @property
    def lists_algorithms(self) -> bool:
        """Whether it asks for the names and arguments of all algorithms."""
        return self.method == "GET" and self.question.path == ALGORITHMS


@dataclass
class Recorder:
    """Answers with what the server at `upstream` answers, and keeps it."""

    answers: Answers
    upstream: str = ""
    http: requests.Session = field(default_factory=requests.Session)

    def __call__(self, request: Request) -> Answer:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in UNSENT}
        try:
            reply = self.http.request(
                request.method,
                self.upstream + request.target,
                data=request.content or None,
                headers=headers,
                timeout=UPSTREAM_SECONDS,
            )
        except requests.RequestException as error:
            return refusal(503, f"The server that is recorded does not answer ({type(error).__name__}).")
        answer = Answer(reply.status_code, reply.headers.get("content-type", ""), reply.content)
        if answer.status not in PASSING and answer.status < 500 and not _is_known(request, answer):
            self.answers.add(request.question, answer)
        return answer


@dataclass
class Replayer:
    """Answers from recorded answers alone; `file` is where they come from, for people."""

    answers: Answers
    file: Path

    def __call__(self, request: Request) -> Answer:
        if request.is_discovery:
            return Answer(200, JSON, json.dumps(discovery.document(request.base)).encode())
        answer = self.answers.next(request.question)
        if answer is not None:
            return answer
        if request.lists_algorithms:
            return Answer(200, JSON, json.dumps(discovery.algorithms()).encode())
        remedy = "record it with --ee-record where there is an account"
        return refusal(404, f"{self.file} has no answer to {request.question}: {remedy}.")


def _is_known(request: Request, answer: Answer) -> bool:
    """Whether a replay has the answer without the file: the API's description, and the `ee` wheel's list."""
    return request.is_discovery or (request.lists_algorithms and answer.document == listing())


def refusal(status: int, message: str) -> Answer:
    """An error in the form of Google's APIs."""
    return Answer(status, JSON, json.dumps({"error": {"code": status, "message": message}}).encode())


class AnswerServer:
    """Serves on a free port until `stop`; only clients that have its address, which holds a token, are answered."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        token = secrets.token_urlsafe(32)
        self._server = ThreadingHTTPServer((ADDRESS, 0), _handler(answer, token, lambda: self.url))
        self._server.daemon_threads = True
        self.url = client_url(f"http://{ADDRESS}:{self._server.server_port}", token)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="local-ee-answers", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(answer: Callable[[Request], Answer], token: str, base: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a small reply waits 40 ms for the client otherwise

        def _answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            if not 0 <= size <= LARGEST_BODY:
                self.close_connection = True
                return self._send(refusal(413, f"The request body of {size} bytes is larger than {LARGEST_BODY}."))
            content = self.rfile.read(size)
            sent, target = without_token(self.path)
            if not hmac.compare_digest((sent or "").encode(), token.encode()):
                return self._send(refusal(403, "Use the address with the token that this server was started with."))
            return self._send(answer(Request(self.command, target, dict(self.headers), content, base())))

        def _send(self, reply: Answer) -> None:
            self.send_response(reply.status)
            self.send_header("content-type", reply.media_type)
            self.send_header("content-length", str(len(reply.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, *words: Any) -> None:
            """Nothing: the address holds the token."""

    return Handler
