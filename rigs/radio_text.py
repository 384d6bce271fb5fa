"""What goes over the line of a hub's radio processor, in words: EZSP over ASH, and ZNP's MT.

Keys, and octets that may hold one, are not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from protocols.errors import DecodeError, FrameError
from protocols.zigbee import ash, mt
from protocols.zigbee.ezsp.commands import COMMANDS
from protocols.zigbee.ezsp.enums import EzspStatus
from protocols.zigbee.ezsp.frame import CALLBACK, INVALID_COMMAND, RESPONSE, Frame
from protocols.zigbee.znp import commands as znp

_HIDDEN = frozenset(("key", "network_key", "preconfigured_key", "value", "code"))
_LONGEST = 300  # octets of a frame with its stuffing
_SHORT = {4: "ACK", 5: "NAK"}


def is_radio(port: str) -> bool:
    """Whether a port, by its full name, is that of a hub's radio processor."""
    return port.rpartition("/")[2] == "radio"


class RadioText:
    """One line of a radio port, as somebody who listens in hears it."""

    __slots__ = ("_ash", "_mt", "_protocol")

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._ash = {inbound: bytearray() for inbound in (True, False)}
        self._mt = {inbound: mt.Receiver() for inbound in (True, False)}
        self._protocol = ""

    def see(self, inbound: bool, data: bytes) -> list[str]:
        """The frames that octets to the processor (``inbound``) or from it complete, each in words.

        No octets: the far end has gone.
        """
        if not data:
            self._forget()
            return []
        if not self._protocol:
            # A host's first octet is MT's start, or the one that ends whatever ASH frame has begun.
            self._protocol = "mt" if data[0] in (mt.START, 0xEF) else "ash"
        if self._protocol == "mt":
            return [_mt_text(frame) for frame in self._mt[inbound].receive(data)]
        return list(self._ash_frames(inbound, data))

    def _ash_frames(self, inbound: bool, data: bytes) -> Iterator[str]:
        held = self._ash[inbound]
        for octet in data:
            if octet == ash.FLAG:
                if held:
                    yield _ash_text(inbound, bytes(held))
                held.clear()
            elif octet == ash.CANCEL:
                held.clear()
            elif octet not in (ash.XON, ash.XOFF) and len(held) < _LONGEST:
                held.append(octet)


def _ash_text(inbound: bool, raw: bytes) -> str:
    try:
        control, data = ash.decode(raw)
    except FrameError as error:
        return f"bad frame: {error}"
    if control < 0x80:
        again = " again" if control & 0x08 else ""
        return f"DATA {control >> 4}{again}, ACK {control & 7} | {_ezsp_text(inbound, ash.randomise(data))}"
    if control >> 5 in _SHORT:
        return f"{_SHORT[control >> 5]} {control & 7}"
    if control == 0xC0:
        return "RST"
    name = {0xC1: "RSTACK", 0xC2: "ERROR"}.get(control)
    if name is None or len(data) != 2:
        return f"frame with control {control:02X}"
    codes = {int(code): code.name.lower().replace("_", " ") for code in ash.ResetCode}
    return f"{name} {codes.get(data[1], f'code {data[1]:02X}')}"


def _ezsp_text(inbound: bool, octets: bytes) -> str:
    try:
        frame = Frame.decode(octets)
        if frame.id == INVALID_COMMAND and not inbound and frame.parameters:
            reasons = {int(status): status.name.lower().replace("_", " ") for status in EzspStatus}
            return f"EZSP {frame.sequence} invalidCommand ({reasons.get(frame.parameters[0], frame.parameters.hex())})"
        command = COMMANDS.get(frame.id)
        if command is None:
            return f"EZSP {frame.sequence} command {frame.id:04X}"
        answer = not inbound and frame.control & CALLBACK == RESPONSE
        values = command.told(frame.parameters) if answer else command.read(frame.parameters)
    except DecodeError as error:
        return f"bad EZSP frame: {error}"
    kind = "=" if answer else "callback " if not inbound else ""
    return f"EZSP {frame.sequence} {kind}{command.name}({_fields(values)})"


def _mt_text(frame: mt.Frame) -> str:
    try:
        command, values = znp.read(frame)
    except DecodeError:
        return f"MT {frame.kind.name.lower()} {frame.subsystem:02X}.{frame.command:02X}, {len(frame.data)} octets"
    return f"MT {frame.kind.name.lower()} {command.name}({_fields(values)})"


def _fields(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(name, value)}" for name, value in values.items())


def _value(name: str, value: object) -> str:
    if name in _HIDDEN and isinstance(value, bytes):
        return "**" if value else "none"
    if isinstance(value, bytes):
        return value.hex() or "none"
    if isinstance(value, Mapping):
        return f"{{{_fields(cast('Mapping[str, Any]', value))}}}"
    if isinstance(value, list):
        return f"[{', '.join(_value(name, each) for each in cast('list[object]', value))}]"
    return str(value)
