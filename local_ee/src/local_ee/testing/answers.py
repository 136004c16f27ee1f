"""Answers of an Earth Engine in a file: what was asked, by hash of its graph, and what came back.

Kept are method, path, body and answer. Not kept are headers (tokens, keys), keys in the query, the client's project
in paths, request ids and workload tags. Graphs are kept as they are, with the asset ids that they name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

FORMAT = 1
UNKEPT_QUERY = ("key", "access_token", "alt", "prettyPrint", "$prettyPrint", "quotaUser", "workloadTag")
UNKEPT_FIELDS = ("requestId", "workloadTag")
ANY_PROJECT, LOCAL_PROJECT = "projects/-/", "projects/local/"
_VERSION = re.compile(r"^/v1(?:alpha|beta)?/")
_PROJECT = re.compile(r"projects/[^/\"]+/(?!assets)")
_RESOURCE = re.compile(
    r"projects/[^/\"]+/(?=(?:thumbnails|videoThumbnails|filmstripThumbnails|maps|tables|operations)/)"
)
_CHILDREN = ("valueReference", "functionReference")


@dataclass(frozen=True)
class Question:
    """One request, without what differs between accounts: the same question has the same key everywhere."""

    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, method: str, target: str, content: bytes) -> Question:
        """The question of a request; `target` is its path with the query. A body that is no JSON counts as absent."""
        parts = urlsplit(target)
        query = sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in UNKEPT_QUERY)
        path = _PROJECT.sub(ANY_PROJECT, _VERSION.sub("/", parts.path), count=1)
        try:
            document = json.loads(content or b"{}")
        except (ValueError, RecursionError):
            document = {}
        body = document if isinstance(document, dict) else {}
        kept = {name: value for name, value in body.items() if name not in UNKEPT_FIELDS}
        return cls(method, f"{path}?{urlencode(query)}" if query else path, kept)

    @property
    def key(self) -> str:
        """The hash: of the graph whatever its nodes are called, and of everything else as it is written."""
        body = {**self.body, "expression": graph_hash(self.body["expression"])} if self.has_graph else self.body
        return _digest([self.method, self.path, body])

    @property
    def has_graph(self) -> bool:
        """Whether it holds an expression."""
        return isinstance(self.body.get("expression"), dict)

    def __str__(self) -> str:
        graph = f" of the graph {self.key[:12]} ({_outermost(self.body['expression'])})" if self.has_graph else ""
        return f"{self.method} {self.path}{graph}"


@dataclass(frozen=True)
class Answer:
    """One reply."""

    status: int
    media_type: str
    content: bytes

    @property
    def document(self) -> Any:
        """What its JSON says; ValueError where it is none."""
        return json.loads(self.content)


class Answers:
    """Answers by question, in the order in which they came; safe for several threads."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[Question, list[Answer]]] = {}
        self._turns: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[Question, Answer]]:
        """Each question with its last answer."""
        return iter([(question, answers[-1]) for question, answers in self._entries.values()])

    def add(self, question: Question, answer: Answer) -> None:
        """Keeps an answer; one that repeats the question's last is kept once."""
        answer = Answer(answer.status, answer.media_type, _without_project(answer))
        with self._lock:
            _, answers = self._entries.setdefault(question.key, (question, []))
            if not answers or answers[-1] != answer:
                answers.append(answer)

    def next(self, question: Question) -> Answer | None:
        """The question's next answer, the last one for ever after; None where it was never asked."""
        with self._lock:
            entry = self._entries.get(question.key)
            if entry is None:
                return None
            turn = self._turns.get(question.key, 0)
            self._turns[question.key] = turn + 1
            return entry[1][min(turn, len(entry[1]) - 1)]

    @property
    def replayed(self) -> Answers:
        """Those that `next` has given."""
        used = Answers()
        used._entries = {key: self._entries[key] for key in self._turns}
        return used

    @classmethod
    def read(cls, path: Path) -> Answers:
        """The answers of a file; ValueError names the file where it holds anything else."""
        answers = cls()
        try:
            document = json.loads(path.read_bytes())
            if document["format"] != FORMAT:
                raise ValueError(f"its format is {document['format']}, expected {FORMAT}")
            for entry in document["answers"]:
                question = Question(entry["method"], entry["path"], dict(entry["body"]))
                for answer in entry["answers"]:
                    answers.add(question, _read_answer(answer))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
            words = f"{type(error).__name__}: {error}"
            raise ValueError(f"{path} is no file of recorded answers ({words}): record it with --ee-record") from error
        return answers

    def write(self, path: Path) -> None:
        """Writes the file in one step."""
        from local_ee.home import write_json

        entries = [
            {**vars(question), "answers": [_written_answer(answer) for answer in answers]}
            for _, (question, answers) in sorted(self._entries.items())
        ]
        write_json(path.absolute(), {"format": FORMAT, "answers": entries})


def graph_hash(expression: Any) -> str:
    """The hash of an expression: equal for equal graphs, whatever the keys of their nodes and wherever they stand.

    An expression that is none (a reference that leads nowhere or in a circle) is hashed as it is written.
    """
    try:
        return _graph_digest(expression["result"], expression["values"])
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError):
        return _digest(expression)


def _graph_digest(result: str, values: Mapping[str, Any]) -> str:
    digests: dict[str, str] = {}
    stack, entered = [result], set[str]()
    while stack:
        name = stack[-1]
        waiting = [reference for reference in _references(values[name]) if reference not in digests]
        if waiting and name in entered:
            raise ValueError(f"the node {name} refers to itself")
        entered.add(name)
        if waiting:
            stack.extend(waiting)
        else:
            digests[stack.pop()] = _node_digest(values[name], digests)
    return digests[result]


def _references(node: Any) -> Iterator[str]:
    """The keys that a node names, those of the nodes inside it too."""
    if isinstance(node, Mapping):
        if "constantValue" in node:
            return
        yield from (node[child] for child in _CHILDREN if isinstance(node.get(child), str))
        definition = node.get("functionDefinitionValue")
        if definition is not None:
            yield definition["body"]
        else:
            for inner in node.values():
                yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


def _node_digest(node: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """A reference is what it refers to."""
    if "valueReference" in node:
        return digests[node["valueReference"]]
    plain = dict(node)
    if "arrayValue" in node:
        plain = {"array": [_node_digest(each, digests) for each in node["arrayValue"]["values"]]}
    elif "dictionaryValue" in node:
        inner = node["dictionaryValue"]["values"]
        plain = {"dictionary": {name: _node_digest(each, digests) for name, each in inner.items()}}
    elif "functionDefinitionValue" in node:
        definition = node["functionDefinitionValue"]
        plain = {"names": definition.get("argumentNames", []), "body": digests[definition["body"]]}
    elif "functionInvocationValue" in node:
        call = node["functionInvocationValue"]
        function = call["functionName"] if "functionName" in call else digests[call["functionReference"]]
        arguments = {name: _node_digest(each, digests) for name, each in call.get("arguments", {}).items()}
        plain = {"call": function, "arguments": arguments}
    return _digest(plain)


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _outermost(expression: Mapping[str, Any]) -> str:
    """The algorithm that a graph ends with, for people."""
    try:
        node = expression["values"][expression["result"]]
        return str(node.get("functionInvocationValue", {}).get("functionName") or next(iter(node)))
    except (KeyError, TypeError, AttributeError, StopIteration):
        return "no expression"


def _without_project(answer: Answer) -> bytes:
    """The names of thumbnails, maps and tasks, without the account's project."""
    if "json" not in answer.media_type:
        return answer.content
    return _RESOURCE.sub(LOCAL_PROJECT, answer.content.decode("utf-8", "replace")).encode()


def _written_answer(answer: Answer) -> dict[str, Any]:
    head = {"status": answer.status, "type": answer.media_type}
    if "json" in answer.media_type:
        return {**head, "text": answer.content.decode("utf-8", "replace")}
    return {**head, "base64": base64.b64encode(answer.content).decode()}


def _read_answer(entry: Mapping[str, Any]) -> Answer:
    content = entry["text"].encode() if "text" in entry else base64.b64decode(entry["base64"], validate=True)
    return Answer(int(entry["status"]), str(entry["type"]), content)
