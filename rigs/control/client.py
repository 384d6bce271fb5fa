"""The command line's side of the control API: it finds the rig by the file in its folder."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from rigs import http_json
from rigs.control.place import NAME, ControlFileError, read_place

_PATIENCE_S = 60.0


class ControlError(Exception):
    """A rig that cannot be reached, or what it did not do; the text is one line: what, where, what to do."""


class ControlClient:
    """Requests to the rig that runs in ``folder``; all raise ControlError."""

    def __init__(self, folder: Path) -> None:
        try:
            self._place = read_place(folder)
        except ControlFileError as error:
            raise ControlError(str(error)) from None
        self._folder = folder

    def get(self, *path: str, **query: str | int) -> Any:
        """What there is at a path of these parts."""
        return self._ask("GET", path, None, urlencode(query))

    def post(self, *path: str, **content: object) -> Any:
        """The answer to ``content`` at a path of these parts."""
        return self._ask("POST", path, content)

    def follow(self, **query: str | int) -> Iterator[dict[str, Any]]:
        """Events of the rig as they happen, until it ends; ``query`` as /events/stream takes it."""
        from websockets.exceptions import ConnectionClosed, InvalidHandshake
        from websockets.sync.client import connect

        url = f"ws{self._place.url.removeprefix('http')}/events/stream" + (f"?{urlencode(query)}" if query else "")
        login = {"Authorization": f"Bearer {self._place.token}"}
        try:
            with connect(url, additional_headers=login, proxy=None, open_timeout=_PATIENCE_S) as socket:
                for message in socket:
                    yield json.loads(message)
        except ConnectionRefusedError:
            raise self._left() from None
        except ConnectionClosed:
            return
        except (OSError, InvalidHandshake, ValueError) as error:
            raise ControlError(f"{self._place.url}: no events: {error}; is the rig still running?") from None

    def device(self, text: str) -> tuple[str, str]:
        """Premises and kind of ``PREMISES/KIND``, or of ``KIND`` alone where the rig has only one of it."""
        premises, slash, kind = text.rpartition("/")
        if slash:
            return premises, kind
        found = [entry for entry in self.get("devices") if entry["kind"] == kind]
        if len(found) != 1:
            some = "no device" if not found else "several devices"
            raise ControlError(
                f"{text}: {some} of that kind in this rig; write PREMISES/KIND, such as home/electricity"
            )
        return found[0]["premises"], kind

    def text(self, *path: str) -> str:
        """What there is at a path of these parts, where that is no JSON."""
        return self._exchange("GET", path, None).decode()

    def _ask(self, method: str, path: tuple[str, ...], content: Mapping[str, object] | None, query: str = "") -> Any:
        said = http_json.parsed(self._exchange(method, path, content, query))
        if said is None:
            raise ControlError(f"{self._place.url}: what answers there is no rig; start yours again")
        return said

    def _exchange(
        self, method: str, path: tuple[str, ...], content: Mapping[str, object] | None, query: str = ""
    ) -> bytes:
        url = self._place.url
        try:
            server = urlsplit(url)
            connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=_PATIENCE_S)
        except ValueError:
            raise ControlError(f"{url}: not a rig's address; remove the file that says so and start it again") from None
        target = "/" + "/".join(quote(part, safe="") for part in path) + (f"?{query}" if query else "")
        try:
            status, octets = http_json.exchange(connection, method, target, self._place.token, content)
        except ConnectionRefusedError:
            raise self._left() from None
        except (OSError, http.client.HTTPException) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise ControlError(f"{url}: {why}; is the rig still running?") from None
        if status == http.client.OK:
            return octets
        if status == http.client.UNAUTHORIZED:
            raise ControlError(f"{url}: another rig answers there; start yours again")
        said = http_json.told(http_json.parsed(octets), "detail")
        raise ControlError(said or f"{url}: answered with HTTP status {status}")

    def _left(self) -> ControlError:
        return ControlError(f"{self._folder / NAME}: left by a rig that has ended; start it again: smets1 up")
