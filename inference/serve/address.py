"""Where a service listens, and who may come in."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar

from isamap.gee_export.base.options import Option
from isamap.inference.serve.tokens import Tokens, own_token, read_tokens


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Address:
    """Where the service listens, and who may come in. port 0: any free one. url: how browsers call it.

    Without a token file the service makes a token of its own, unless no_token lets the whole machine in. proxy: the
    address of a proxy whose word about its visitors' addresses counts.
    """

    GROUP: ClassVar[str] = "Address"
    host: Annotated[str, Option("Address to listen on; others need --token-file.")] = "127.0.0.1"
    port: Annotated[int, Option("0: any free one.")] = 8765
    token_file: Annotated[str | None, Option("A token a line; requests must send one of them.")] = None
    url: Annotated[str | None, Option("How browsers reach it: https://maps.example.org.")] = None
    no_token: Annotated[bool, Option("Let every user and program of this machine in, without a token.")] = False
    proxy: Annotated[
        str | None, Option("Address of a proxy whose X-Forwarded-For is believed.", flag="--trusted-proxy")
    ] = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"--port {self.port}: expected 0 to 65535")
        if self.no_token and self.token_file is not None:
            raise ValueError("--no-token and --token-file exclude each other: leave one out")

    @property
    def has_own_token(self) -> bool:
        """Whether the service makes its token itself."""
        return self.token_file is None and not self.no_token and is_loopback(self.host)

    def tokens(self, folder: Path) -> Tokens:
        """Of the file, of the service's folder, or none; ValueError as `read_tokens`."""
        if self.token_file is not None:
            return read_tokens(self.token_file)
        return own_token(folder) if self.has_own_token else Tokens()

    def shown(self, port: int, tokens: Tokens) -> str:
        """The address for people, with the service's own token where it has one: the page takes it from there.

        It stands after a `#`, so that no browser sends it, and no log of a proxy has it.
        """
        address = self.url or f"http://{'127.0.0.1' if self.host == 'localhost' else self.host}:{port}"
        return f"{address}/#token={tokens.tokens[0]}" if self.has_own_token else address
