"""The sign-on of IEC 62056-21 on a line, before HDLC or for what it offers itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from protocols.dlms.client import NoAnswer
from protocols.errors import FrameError, ProtocolError
from protocols.iec62056_21 import (
    DataSet,
    Ended,
    Failed,
    HandedOver,
    Identification,
    Identified,
    Prompted,
    Reader,
    ReaderEvent,
    ReaderSettings,
    ReadOut,
    Wanted,
)
from rigs.client.lines import Line, make_line
from rigs.client.options import ClientError, ClientOptions, parse_client_port
from rigs.ports.spec import PortError

_SECOND = 1_000_000_000
_FINAL = (HandedOver, ReadOut, Prompted, Ended, Failed)


async def sign_on(
    line: Line, wanted: Wanted, options: ClientOptions, heard: Callable[[Identification], None] | None = None
) -> ReaderEvent:
    """Sign on to the meter at the other end of a connected line, until it is where it is wanted.

    Gives HandedOver, ReadOut, Prompted or Ended; raises the ProtocolError that stopped it, NoAnswer for a lost line.
    ``heard`` is told who the meter says it is.
    """
    settings = ReaderSettings(wanted, options.meter_address, options.max_baud, retries=options.retries)
    patience = min(settings.response_timeout, int(options.timeout * _SECOND))
    reader = Reader(replace(settings, response_timeout=patience))
    arrived: asyncio.Queue[bytes | PortError] = asyncio.Queue()
    line.received = arrived.put_nowait
    line.lost = arrived.put_nowait
    await line.set(reader.baud, reader.character)
    reader.start(time.monotonic_ns())
    while True:
        sent = 0
        while (out := reader.data_to_send()) is not None:
            line.send(out.data)
            sent += len(out.data)
        if (reader.baud, reader.character) != (line.baud, line.character):
            await line.set(reader.baud, reader.character, sent)
        events = await _next(reader, arrived)
        for event in events:
            if heard is not None and isinstance(event, Identified):
                heard(event.identification)
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, _FINAL):
                await line.set(reader.baud, reader.character)
                return event


async def _next(reader: Reader, arrived: asyncio.Queue[bytes | PortError]) -> list[ReaderEvent]:
    """What happens next: octets arrive, or time runs out."""
    due = reader.next_timeout()
    delay = None if due is None else max(0, due - time.monotonic_ns()) / _SECOND
    try:
        async with asyncio.timeout(delay):
            what = await arrived.get()
    except TimeoutError:
        return reader.timeout(time.monotonic_ns())
    if isinstance(what, PortError):
        raise NoAnswer(what.problem)
    return reader.receive(what, time.monotonic_ns())


async def read_out(port: str, options: ClientOptions | None = None) -> tuple[DataSet, ...]:
    """The data readout of a meter that speaks IEC 62056-21 (modes A, B, C). Raises PortError and ClientError."""
    options = options or ClientOptions()
    line = make_line(parse_client_port(port).spec)
    await line.connect(options.timeout)
    try:
        event = await sign_on(line, Wanted.READOUT, options)
        if not isinstance(event, ReadOut):
            raise FrameError("the meter gave no readout")
        return event.content
    except ProtocolError as error:
        raise ClientError(f"{port}: {error}") from error
    finally:
        line.close()
