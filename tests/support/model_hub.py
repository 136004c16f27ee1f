"""A model hub on the loopback address: the paths of the Hugging Face Hub that isamap calls, over models in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_the_tests"


@dataclass
class Model:
    """Files by name at each commit, the last one is main's."""

    private: bool = True
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    def commit(self, files: dict[str, bytes]) -> str:
        """A further commit: the files of the last one and these."""
        every = {**(self.commits[self.head] if self.commits else {}), **files}
        sha = hashlib.sha1(repr((len(self.commits), sorted(every.items()))).encode()).hexdigest()
        self.commits[sha] = every
        return sha


@dataclass
class Hub:
    """Models by ORG/NAME, large files by hash, and what was asked (method, path, whether a token came with it)."""

    url: str = ""
    models: dict[str, Model] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    elsewhere: str = ""  # where large files are led to, if not here
    status: int = 0  # answered to everything, if not 0
    instead: dict[str, bytes] = field(default_factory=dict)  # bodies of paths that hold these words, status 200
    torn: str = ""  # paths that hold these words get the first half of their body, and no more

    def paths(self, method: str = "GET") -> list[str]:
        return [path for request, path, _ in self.asked if request == method]


def handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, body: bytes | Any = b"", **headers: str) -> None:
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if hub.torn and hub.torn in self.path else body)

        def begin(self) -> tuple[list[str], bytes, bool]:
            has_token = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            hub.asked.append((self.command, self.path, has_token))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return self.path.strip("/").split("/"), body, has_token

        def other_body(self) -> bytes | None:
            return next((body for words, body in hub.instead.items() if words in self.path), None)

        def do_GET(self) -> None:
            words, _, has_token = self.begin()
            if hub.status:
                return self.answer(hub.status)
            if (body := self.other_body()) is not None:
                return self.answer(200, body)
            is_api = words[:2] == ["api", "models"]
            name = "/".join(words[2:4] if is_api else words[:2])
            model = hub.models.get(name)
            if words[0] == "large":
                return self.answer(200, hub.large[words[1]])
            if model is None:
                return self.answer(404)
            if model.private and not has_token:
                return self.answer(401)
            if is_api:
                return self.answer(200, {"id": name, "sha": model.head}) if model.commits else self.answer(200, {})
            files, path = model.commits.get(words[3], {}), "/".join(words[4:])
            if path not in files:
                return self.answer(404)
            if path.endswith(".safetensors"):  # large files are kept elsewhere
                oid = hashlib.sha256(files[path]).hexdigest()
                hub.large.setdefault(oid, files[path])
                return self.answer(302, Location=f"{hub.elsewhere or hub.url}/large/{oid}")
            return self.answer(200, files[path])

        def do_PUT(self) -> None:
            words, body, _ = self.begin()
            if hashlib.sha256(body).hexdigest() != words[1]:
                return self.answer(400)
            hub.large[words[1]] = body
            return self.answer(200)

        def do_POST(self) -> None:
            words, body, has_token = self.begin()
            if not has_token:
                return self.answer(403)
            if (other := self.other_body()) is not None:
                return self.answer(200, other)
            if self.path == "/api/repos/create":
                request = json.loads(body)
                hub.models[f"{request['organization']}/{request['name']}"] = Model(request["private"])
                return self.answer(200, {})
            if words[-1] == "batch":
                objects = json.loads(body)["objects"]
                return self.answer(200, {"objects": [self.large_object(each["oid"]) for each in objects]})
            name = "/".join(words[2:4])
            if words[4] == "preupload":
                modes = ("lfs" if f["path"].endswith(".safetensors") else "regular" for f in json.loads(body)["files"])
                paths = [f["path"] for f in json.loads(body)["files"]]
                files = [{"path": path, "uploadMode": mode} for path, mode in zip(paths, modes, strict=True)]
                return self.answer(200, {"files": files})
            lines = [json.loads(line) for line in body.splitlines()]
            hub.models[name].commit(dict(self.stored(line) for line in lines if line["key"] != "header"))
            return self.answer(200, {})

        def large_object(self, oid: str) -> dict[str, Any]:
            if oid in hub.large:
                return {"oid": oid}
            return {"oid": oid, "actions": {"upload": {"href": f"{hub.url}/large/{oid}"}}}

        def stored(self, line: dict[str, Any]) -> tuple[str, bytes]:
            value = line["value"]
            if line["key"] == "lfsFile":
                return value["path"], hub.large[value["oid"]]
            return value["path"], base64.b64decode(value["content"])

    return Handler


@contextmanager
def model_hub() -> Iterator[Hub]:
    """A hub that answers until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
