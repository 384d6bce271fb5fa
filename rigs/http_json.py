"""One request for JSON over HTTP, as the clients of the control API and of the S1SP ask."""

from __future__ import annotations

import http.client
import json
from typing import cast

_MAX_ANSWER = 16 * 1024 * 1024
"""Octets of an answer that are read."""


def ask(
    connection: http.client.HTTPConnection, method: str, target: str, token: str, body: object = None
) -> tuple[int, object]:
    """HTTP status and content of the answer, None for what is not JSON; see :func:`exchange`."""
    status, octets = exchange(connection, method, target, token, body)
    return status, parsed(octets)


def exchange(
    connection: http.client.HTTPConnection, method: str, target: str, token: str, body: object = None
) -> tuple[int, bytes]:
    """HTTP status and octets of the answer; the connection is closed.

    ``body`` is sent as JSON unless it is None, ``token`` as the bearer token. Raises OSError and HTTPException.
    """
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_ANSWER)
    finally:
        connection.close()


def parsed(octets: bytes) -> object:
    """What JSON says, None for what is none."""
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        return None


def told(content: object, key: str) -> str:
    """The text under ``key`` of an answer, empty without one."""
    said = cast("dict[str, object]", content).get(key) if isinstance(content, dict) else None
    return str(said) if said else ""
