"""The `ee` client's connection as somebody else made it, so that it can be made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClientState:
    """Where the client is connected to, as whom, and under which tag its computing is counted."""

    project: str | None
    url: str | None
    credentials: Any
    api_key: str | None
    transport: Any
    tag: str

    @classmethod
    def now(cls) -> ClientState | None:
        """The client's present connection; None where it has none, or the client does not say it.

        The client has no public way to ask (1.7.50: ee/_state.py).
        """
        try:
            import ee
            from ee._state import get_state
        except ImportError:
            return None
        state = get_state()
        if not state.initialized:
            return None
        return cls(
            state.cloud_api_user_project,
            state.cloud_api_base_url,
            state.credentials,
            state.cloud_api_key,
            state.http_transport,
            str(ee.data.getWorkloadTag() or ""),
        )

    def is_same_connection(self, other: ClientState | None) -> bool:
        """Whether both lead to one server as one user, whatever their tags."""
        if other is None:
            return False
        mine, theirs = ((s.project, s.url, s.api_key) for s in (self, other))
        return mine == theirs and self.credentials is other.credentials and self.transport is other.transport

    def restore(self) -> None:
        """Connects the client as it was; errors are those of `ee.Initialize`."""
        import ee

        ee.Initialize(
            credentials=self.credentials,
            url=self.url,
            cloud_api_key=self.api_key,
            http_transport=self.transport,
            project=self.project,
        )
        ee.data.setDefaultWorkloadTag(self.tag)
