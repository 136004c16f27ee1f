"""A refusal, as RFC 7807 writes it: type, title, status and one plain sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
# OGC 18-062r2, "OGC API - Processes - Part 1: Core", 7.5 and Table 9: the types of these two and of a result too early
_OGC = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"
NO_SUCH_PROCESS, NO_SUCH_JOB = f"{_OGC}/no-such-process", f"{_OGC}/no-such-job"
NOT_READY = f"{_OGC}/result-not-ready"


class Problem(Exception):
    """A request that is refused: its status, a sentence for people, and headers if any."""

    def __init__(
        self, status: int, detail: str, *, type: str = "about:blank", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.type, self.headers = status, detail, type, dict(headers or {})

    @property
    def document(self) -> dict[str, object]:
        """As RFC 7807, section 3.1, names its members."""
        return {
            "type": self.type,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }

    @property
    def response(self) -> Response:
        """The reply."""
        text = json.dumps(self.document, ensure_ascii=False)
        return Response(text, self.status, self.headers, MEDIA_TYPE)
