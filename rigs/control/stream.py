"""Events of a running rig as they happen, over a WebSocket: one JSON object a message.

It takes no messages. Who is too slow is told how many events were passed over, as they are not kept for ever, and goes
on with the oldest that is. Nothing waits for a slow reader.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from rigs.control.desk import Desk
from rigs.control.guard import deny
from rigs.events import EventFilter, EventLog, RigEvent, Source

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

TOGETHER = 100
"""Events that are sent before others have their turn."""

SourceName = Literal["device", "port", "fault", "control", "rig"]


class Followed(BaseModel):
    """The query: which events to follow, those after a number, by default from now on."""

    model_config = ConfigDict(extra="forbid")

    after: int | None = Field(default=None, ge=0)
    device: str | None = Field(default=None, max_length=100)
    source: SourceName | None = None
    fault: str | None = Field(default=None, max_length=100)


class EventStream:
    """The WebSocket, as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        desk = socket.app.state.desk
        assert isinstance(desk, Desk)
        log = desk.rig.events
        try:
            query = Followed.model_validate(dict(socket.query_params))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            await deny(JSONResponse({"detail": f"{where}: {first['msg']}"}, 422), scope, receive, send)
            return
        after = log.last if query.after is None else min(query.after, log.last)
        await _follow(socket, log, after, EventFilter(query.device, query.source, query.fault))


async def _follow(socket: WebSocket, log: EventLog, after: int, wanted: EventFilter) -> None:
    """Send the events after number ``after`` that are ``wanted`` until the other end has gone."""
    await socket.accept()
    news = asyncio.Event()

    def happened(event: RigEvent) -> None:
        del event
        news.set()

    log.listeners.append(happened)
    sending = asyncio.create_task(_send(socket, log, after, wanted, news))
    leaving = asyncio.create_task(_until_gone(socket))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        log.listeners.remove(happened)
        for task in (sending, leaving):
            task.cancel()
            # The connection may have gone in the middle of a message.
            with suppress(asyncio.CancelledError, WebSocketDisconnect, OSError, RuntimeError):
                await task


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _send(socket: WebSocket, log: EventLog, after: int, wanted: EventFilter, news: asyncio.Event) -> None:
    while True:
        news.clear()
        missed = log.first - 1 - after
        if missed > 0:
            after += missed
            await socket.send_text(json.dumps(_missed(log, missed)))
        for event in log.since(after, TOGETHER):
            after = event.number
            if wanted(event):
                await socket.send_text(json.dumps(asdict(event)))
        if after == log.last:
            await news.wait()
        await asyncio.sleep(0)


def _missed(log: EventLog, count: int) -> dict[str, object]:
    oldest = log.since(0, 1)[0]
    text = f"{count} events were passed over: they are not kept any more"
    return asdict(RigEvent(oldest.number - 1, oldest.at, Source.RIG.value, "missed", None, None, None, text))
