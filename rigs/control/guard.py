"""What stands before the control API: nobody gets past it without the token, nor with more than a little to say."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY = 64 * 1024
"""Octets that a request may carry."""


class Guard:
    """Lets requests with the right bearer token through to an ASGI application; looks at it before anything else."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refused = self._refusal(dict(scope["headers"]))
        if refused is not None:
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, headers: dict[bytes, bytes]) -> JSONResponse | None:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if not hmac.compare_digest(scheme.lower() + b" " + token.strip(), self._expected):
            text = "not logged in: send the header Authorization: Bearer TOKEN; the token is in smets1-control.json"
            return _told(401, text, {"WWW-Authenticate": "Bearer"})
        if b"transfer-encoding" in headers:
            return _told(411, "a body needs a Content-Length header")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 9 or int(length) > MAX_BODY:
            return _told(413, f"the body is too long: at most {MAX_BODY} octets")
        return None


def _told(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    # The connection is closed with it: whatever body follows is not read.
    return JSONResponse({"detail": text}, status, {"Connection": "close", **(headers or {})})
