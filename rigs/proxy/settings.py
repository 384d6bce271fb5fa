"""Follows the rate and framing of a line by what is said on it, where neither end shows them.

A sign-on of IEC 62056-21 is at the settings that the line begins with; its option select announces the rate of what
follows, at 8N1 where that is HDLC. The line is back at its beginning after a break, a data readout, the end of HDLC or
a long silence.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from protocols.hdlc.frame import DISC, DM, POLL, UA
from protocols.iec62056_21.message import BAUD_CODES, ETX, STX
from protocols.sniffer import SEVEN_BITS, Kind, Message

SIGN_ON_FRAMING = "7E1"
QUIET = 120.0
"""Seconds of silence after which a line is taken to be at its beginning again."""
_SELECT = re.compile(rb"\x06[0-9]([0-9A-I])([0-9])\r\n")
_READOUT, _HDLC = b"0", b"2"


class Settings(NamedTuple):
    """Bits a second and character format of a line."""

    baud: int
    framing: str


class SettingsFollower:
    """Tells after each message how the line is set from then on."""

    def __init__(self, start: Settings) -> None:
        self._start = start
        self._mode = b""
        self._leaving = False
        self.settings = start

    def see(self, message: Message) -> Settings:
        """The settings after ``message``."""
        text = message.octets.translate(SEVEN_BITS)
        if message.kind is Kind.TEXT:
            if message.inbound and text.startswith(b"/?"):
                self.begin()
            elif message.inbound and text.startswith(b"\x01B0"):
                self.reset()
            elif message.inbound and (found := _SELECT.fullmatch(text)) is not None:
                self._select(found[1].decode(), found[2])
            elif not message.inbound and self._mode == _READOUT and text[:1] == bytes((STX,)) and ETX in text:
                self.reset()
        elif message.frame is not None:
            control = message.frame.control & ~POLL
            if message.inbound:
                self._leaving = control == DISC
            elif self._leaving and control in (UA, DM):
                self.reset()
        return self.settings

    def begin(self) -> None:
        """A sign-on begins: characters have seven bits."""
        self.reset()
        self.settings = Settings(self._start.baud, SIGN_ON_FRAMING)

    def reset(self) -> None:
        """The line is at its beginning again."""
        self.settings = self._start
        self._mode = b""
        self._leaving = False

    def _select(self, code: str, mode: bytes) -> None:
        baud = BAUD_CODES.get(code)
        if baud is not None:
            self._mode = mode
            self.settings = Settings(baud, "8N1" if mode == _HDLC else SIGN_ON_FRAMING)
