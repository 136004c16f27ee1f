"""Plain words for a line that fails: what went wrong between this machine and a server, and what the user can do."""

from __future__ import annotations

import errno
from collections.abc import Iterator

NO_NETWORK = (errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EHOSTDOWN)
NO_ROUTE = "there is no network to it"
NETWORK = "check the network (and the variables HTTPS_PROXY and NO_PROXY)"

# Name of an exception's class anywhere in the chain -> words; the first that fits is given.
WORDS = {
    "SSLCertVerificationError": "its certificate is not trusted: name yours with REQUESTS_CA_BUNDLE=FILE",
    "CertificateError": "its certificate is not trusted: name yours with REQUESTS_CA_BUNDLE=FILE",
    "SSLError": "no encrypted connection is possible (is a proxy between?)",
    "ProxyError": "the proxy does not let the request through",
    "gaierror": "its name cannot be resolved (no network, or no name server)",
    "NameResolutionError": "its name cannot be resolved (no network, or no name server)",
    "ConnectionRefusedError": "it refuses connections",
    "ConnectTimeoutError": "no connection could be made in time",
    "ConnectTimeout": "no connection could be made in time",
    "ReadTimeoutError": "it did not answer in time",
    "ReadTimeout": "it did not answer in time",
    "TimeoutError": "it did not answer in time",
    "RemoteDisconnected": "it closed the connection without an answer",
    "InvalidJsonError": "it sent a damaged reply",
    "JSONDecodeError": "it sent a damaged reply",
    "IncompleteRead": "its answer was cut short",
    "ConnectionResetError": "it cut the connection",
    "BrokenPipeError": "it cut the connection",
    "ConnectionAbortedError": "it cut the connection",
}


class NotJson(ConnectionError):
    """A reply with status 200 that holds no answer: an empty one, or a web page such as a network's login."""


def outage(error: BaseException) -> str:
    """Why the line failed, in plain words; empty where the error is no failure of the line."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, NotJson):
            return str(link)
        if isinstance(link, OSError) and link.errno in NO_NETWORK:
            return NO_ROUTE
    names = {name for link in chain for name in _names(link)}
    return next((words for name, words in WORDS.items() if name in names), "")


def _names(error: BaseException) -> Iterator[str]:
    """Names of the error's own class, and of the standard errors of a connection that it is a kind of."""
    yield type(error).__name__
    for base in (TimeoutError, ConnectionRefusedError, ConnectionResetError):
        if isinstance(error, base):
            yield base.__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made of: urllib3 and requests hide the cause in arguments and attributes."""
    waiting, seen = [error], set()
    while waiting:
        link = waiting.pop(0)
        # Causes may point in a circle: an exception that is raised again is its own context.
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        parts = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        waiting += [cause for cause in parts if isinstance(cause, BaseException)]
