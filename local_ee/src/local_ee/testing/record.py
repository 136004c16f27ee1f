"""Answers of a server to a list of graphs, asked once by whoever has an account: `local-ee record GRAPHS FILE`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from local_ee.errors import EngineFault
from local_ee.testing.answer_server import PASSING, UPSTREAM_SECONDS
from local_ee.testing.answers import Answer, Answers, Question
from local_ee.testing.client import GOOGLE


def read_graphs(path: Path) -> Mapping[str, Any]:
    """Expressions by name, as ee.serializer.encode writes them ({"result": ..., "values": ...}); ValueError otherwise.

    The file holds a JSON object of them, or a list: its numbers are the names then.
    """
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no JSON ({error})") from error
    graphs = dict(enumerate(document)) if isinstance(document, list) else document
    if not isinstance(graphs, dict):
        raise ValueError(f"{path}: expected a JSON object or list of graphs")
    for name, graph in graphs.items():
        if not (isinstance(graph, dict) and {"result", "values"} <= graph.keys()):
            raise ValueError(f'{path}: the graph {name} is none: expected {{"result": ..., "values": ...}}')
    return {str(name): graph for name, graph in graphs.items()}


def record_answers(
    graphs: Mapping[str, Any], file: Path, *, project: str = "local", url: str = GOOGLE, http: requests.Session
) -> Answers:
    """The answers of a server to value:compute of each graph, also written to the file; its refusals are answers.

    http sends the requests with the account's credentials. EngineFault where the server answers nobody, is too busy
    or fails: the file is not written then.
    """
    answers = Answers()
    for name, graph in graphs.items():
        path = f"/v1/projects/{project}/value:compute"
        body = {"expression": graph}
        reply = http.post(url.rstrip("/") + path, json=body, timeout=UPSTREAM_SECONDS)
        if reply.status_code in PASSING or reply.status_code >= 500:
            raise EngineFault(f"the graph {name} got no answer: {reply.status_code} {reply.text[:200]}")
        question = Question.of("POST", path, json.dumps(body).encode())
        answers.add(question, Answer(reply.status_code, reply.headers.get("content-type", ""), reply.content))
    answers.write(file)
    return answers


def account(project: str) -> requests.Session:
    """A session with the credentials of `earthengine authenticate`, whose requests count for the project.

    Without a project that pays, Google answers a user's login with 403. EngineFault where there is no login.
    """
    import ee
    from google.auth.transport.requests import AuthorizedSession

    try:
        credentials = ee.data.get_persistent_credentials()
    except ee.EEException as error:
        raise EngineFault("no Earth Engine login was found: run `earthengine authenticate` once") from error
    return AuthorizedSession(credentials.with_quota_project(project))
