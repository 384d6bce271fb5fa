"""What stands before the control API: nobody gets past it without the token, nor with more than a little to say."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from rigs.serving import unbounded

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_GONE_S = 1.0
"""Seconds that a refused WebSocket has to go."""


class Guard:
    """Lets requests with the right bearer token through to an ASGI application; looks at it before anything else."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        refused = self._refusal(Headers(scope=scope))
        if refused is not None:
            await deny(refused, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not hmac.compare_digest(f"{scheme.lower()} {token.strip()}".encode(), self._expected):
            text = "not logged in: send the header Authorization: Bearer TOKEN; the token is in smets1-control.json"
            return _told(401, text, {"WWW-Authenticate": "Bearer"})
        refused = unbounded(headers)
        return None if refused is None else _told(*refused)


async def deny(response: JSONResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with ``response`` in place of what was asked for, be it a request or a WebSocket's handshake."""
    await response(scope, receive, send)
    if scope["type"] == "websocket":
        # uvicorn complains of a handshake that was refused unless the connection is gone when the application returns.
        left = 2  # one disconnect is said with the refusal, one when it is gone
        with suppress(TimeoutError):
            async with asyncio.timeout(_GONE_S):
                while left:
                    left -= (await receive())["type"] == "websocket.disconnect"


def _told(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    # The connection is closed with it: whatever body follows is not read.
    return JSONResponse({"detail": text}, status, {"Connection": "close", **(headers or {})})
