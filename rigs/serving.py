"""What the HTTP servers of the control API and of the S1SP share: their socket, bounds on requests, who has signals.

Imported when a server starts: uvicorn takes its time.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.datastructures import Headers

MAX_BODY = 64 * 1024
"""Octets that a request may carry."""


class Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket, of IPv6 where ``host`` is such an address; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=backlog)


def unbounded(headers: Headers) -> tuple[int, str] | None:
    """HTTP status and text for a request whose body has no length that is told, or one over :data:`MAX_BODY`."""
    if "transfer-encoding" in headers:
        return 411, "a body needs a Content-Length header"
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal() and len(length) < 10 and int(length) <= MAX_BODY):
        return 413, f"the body is too long: at most {MAX_BODY} octets"
    return None
