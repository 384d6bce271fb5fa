"""The requester's side: asks one site after the other, the same transaction, until one answers."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

from rigs import http_json
from rigs.client.options import ClientError

_PAUSE_S = 0.2


class UtrnClient:
    """Requests to the sites at ``servers`` (``http://host:port``) with a bearer ``token``.

    A site that cannot be reached, or answers 503, is passed over for the next, round after round for ``timeout``
    seconds: requests are such that asking twice does no harm. All methods raise ClientError, one line.
    """

    def __init__(self, servers: Sequence[str], token: str, timeout: float = 15.0) -> None:
        self._servers = [_server(text) for text in servers]
        self._token = token
        self._timeout = timeout

    def get(self, path: str) -> object:
        """What a path shows."""
        return self._ask("GET", path, None)

    def post(self, path: str, content: Mapping[str, object]) -> object:
        """The answer to a request with content."""
        return self._ask("POST", path, content)

    def each(self, path: str) -> list[tuple[str, object]]:
        """What each site shows at a path, or why it shows nothing, as text."""
        shown: list[tuple[str, object]] = []
        for server in self._servers:
            try:
                status, content = self._exchange(server, "GET", path, None, self._timeout)
            except (OSError, http.client.HTTPException) as error:
                shown.append((server.netloc, f"cannot be reached: {_reason(error)}"))
            else:
                answered = status == 200 and content is not None
                shown.append((server.netloc, content if answered else _told(content, status)))
        return shown

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> object:
        deadline = time.monotonic() + self._timeout
        reasons: dict[str, str] = {}
        while True:
            for server in self._servers:
                left = max(0.1, deadline - time.monotonic())
                try:
                    status, content = self._exchange(server, method, path, body, left)
                except (OSError, http.client.HTTPException) as error:
                    # Time that runs out says less than what a site has said before.
                    if not isinstance(error, TimeoutError) or server.netloc not in reasons:
                        reasons[server.netloc] = _reason(error)
                    continue
                if status == 200 and content is not None:
                    return content
                reasons[server.netloc] = _told(content, status)
                if status != 503:
                    raise ClientError(f"{server.netloc}: {reasons[server.netloc]}")
            if time.monotonic() + _PAUSE_S >= deadline:
                raise ClientError("; ".join(f"{where}: {reason}" for where, reason in reasons.items()))
            time.sleep(_PAUSE_S)

    def _exchange(
        self, server: SplitResult, method: str, path: str, body: Mapping[str, object] | None, timeout: float
    ) -> tuple[int, object]:
        kind = http.client.HTTPSConnection if server.scheme == "https" else http.client.HTTPConnection
        connection = kind(server.hostname or "", server.port, timeout=timeout)
        return http_json.ask(connection, method, server.path.rstrip("/") + path, self._token, body)


def _server(text: str) -> SplitResult:
    try:
        split = urlsplit(text)
        usable = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ClientError(f"--server {text}: write http://HOST:PORT")
    return urlsplit(text)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _told(content: object, status: int) -> str:
    if status == 200:
        return "what answers there is no UTRN service"
    return http_json.told(content, "error") or f"answered with HTTP status {status}"
