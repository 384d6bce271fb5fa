"""What stands before the control API: nobody gets past it without the token, nor with more than a little to say."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from rigs.serving import unbounded

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Guard:
    """Lets requests with the right bearer token through to an ASGI application; looks at it before anything else."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refused = self._refusal(Headers(scope=scope))
        if refused is not None:
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not hmac.compare_digest(f"{scheme.lower()} {token.strip()}".encode(), self._expected):
            text = "not logged in: send the header Authorization: Bearer TOKEN; the token is in smets1-control.json"
            return _told(401, text, {"WWW-Authenticate": "Bearer"})
        refused = unbounded(headers)
        return None if refused is None else _told(*refused)


def _told(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    # The connection is closed with it: whatever body follows is not read.
    return JSONResponse({"detail": text}, status, {"Connection": "close", **(headers or {})})
