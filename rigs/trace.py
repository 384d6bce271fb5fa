"""The live trace: what goes over each line, as it goes, one message a line, for people or for other decoders.

Decoded::

    12:00:00.000000 home/electricity/optical <- 16>1 I N(S)=0 N(R)=0 P/F=1 | GET Clock 0-0:1.0.0.255 time
    12:00:00.000000 home/electricity/optical -> 1>16 I N(S)=0 N(R)=1 P/F=1 | GET response ...

``<-`` goes towards the device. While a fault is in force its id stands in brackets after the name of each port on which
it may show, and a line tells that it begins or ends. Frames of a HAN's air are told in the same way, and after them why
a radio dropped one::

    12:00:00.000000 home/hub/han home/gas > home/hub | Metering 1 > 1, link key, counter 12 | report ...
    12:00:00.000000 home/hub/han: the hub drops a frame of 53 octets: the MIC is wrong for this key, source and counter

In hexadecimal, the lines ``RX 7ea0..`` (towards the device) and ``TX ..`` feed
``text2pcap -P dlms -r '^(?<dir>[RT])X (?<data>[0-9a-f]+)$'`` and the like; lines with ``#`` before them tell when and
where, and what no decoder would take. Those of the air begin with ``RADIO``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from protocols.sniffer import SEVEN_BITS, Kind, Message, Sniffer
from rigs.air import AirListener, HubKeys
from rigs.apdu_text import ApduText
from rigs.opener import Opener, PortReveal
from rigs.ports import PortKind, PortSpec, Tap
from rigs.radio_text import RadioText, is_radio
from rigs.zigbee_text import AirText

if TYPE_CHECKING:
    from emulator.faults.injection import Injection
    from emulator.han.medium import Link
    from emulator.hub import Hub
    from rigs.rig import Rig

MAX_WAITING = 64
"""Frames of one request that wait for its end before they are shown."""
_DAY = 86_400_000_000_000
_PASSWORD = re.compile(r"(<SOH>P[12]<STX>\()[^)]*(\))")
_PASSWORD_OCTETS = re.compile(rb"\x01P[12]\x02\(([^)]*)\)")


class Trace:
    """Writes a line for each message of what it is attached to.

    ``write`` takes a line without its end. ``reveal``, if given, opens ciphered APDUs (:mod:`rigs.known_keys`), so that
    their contents can be told. Passwords and keys are not shown, in hexadecimal either: a message with one is a ``#``
    line with ``**`` in its place, or without its octets where several frames share it.
    """

    def __init__(
        self, write: Callable[[str], None], *, hexadecimal: bool = False, reveal: PortReveal | None = None
    ) -> None:
        self.write = write
        self.hexadecimal = hexadecimal
        self.reveal = reveal
        self.faults: Callable[[str], tuple[str, ...]] = lambda port: ()
        """The ids of the faults in force at a port."""

    def attach(self, rig: Rig, *, air: bool = True) -> None:
        """Hear all lines of a rig that has not started yet, its faults and, unless that is left out, its HANs."""
        rig.taps.append(self)
        rig.fault_observers.append(self.fault)
        self.faults = rig.in_force.ids
        if air:
            rig.air.append(self.air)

    def fault(self, now: int, injection: Injection, text: str) -> None:
        """An injection of a fault waits, begins or ends; for ``Rig.fault_observers``."""
        self.write(f"{'# ' if self.hexadecimal else ''}{_clock(now)} {injection.target}: {text}")

    def _where(self, now: int, name: str) -> str:
        ids = self.faults(name)
        return f"{_clock(now)} {name} [{' '.join(ids)}]" if ids else f"{_clock(now)} {name}"

    def __call__(self, name: str, spec: PortSpec) -> Tap:
        """A listener for a new line of the port ``name``."""
        if is_radio(name):
            return self._radio(name)
        sniffer = Sniffer(wrapped=spec.wrapped, datagrams=spec.kind is PortKind.UDP)
        texts = ApduText(None if self.reveal is None else Opener(name, self.reveal))
        tell = _Hexadecimal(self.write, texts).tell if self.hexadecimal else _Decoded(self.write, texts).tell

        def tap(now: int, inbound: bool, data: bytes) -> None:
            for message in sniffer.see(inbound, data) if data else sniffer.flush():
                tell(self._where(now, name), message)

        return tap

    def _radio(self, name: str) -> Tap:
        radio, comment = RadioText(), "# " if self.hexadecimal else ""

        def tap(now: int, inbound: bool, data: bytes) -> None:
            for line in radio.see(inbound, data):
                self.write(f"{comment}{self._where(now, name)} {'<-' if inbound else '->'} {line}")

        return tap

    def air(self, name: str, hub: Hub) -> AirListener:
        """A listener for the air of the HAN that a hub formed."""
        return _Air(self.write, name, None if self.hexadecimal else AirText(HubKeys(hub)), self._where)


class _Air:
    """One line for each frame of a HAN's air, and for each that a radio dropped."""

    __slots__ = ("_name", "_texts", "_where", "_write")

    def __init__(
        self, write: Callable[[str], None], name: str, texts: AirText | None, where: Callable[[int, str], str]
    ) -> None:
        self._write = write
        self._name = name
        self._texts = texts
        self._where = where

    def frame(self, now: int, octets: bytes, heard: Link) -> None:
        where = self._where(now, self._name)
        if self._texts is not None:
            self._write(f"{where} {self._texts.tell(octets)}")
        else:
            self._write(f"# {where} {heard.rssi} dBm, LQI {heard.lqi}")
            self._write(f"RADIO {octets.hex()}")

    def explained(self, now: int, text: str) -> None:
        self._write(f"{'' if self._texts is not None else '# '}{_clock(now)} {self._name}: {text}")


class _Decoded:
    """One line of the decoded trace for each message."""

    __slots__ = ("_texts", "_write")

    def __init__(self, write: Callable[[str], None], texts: ApduText) -> None:
        self._write = write
        self._texts = texts

    def tell(self, where: str, message: Message) -> None:
        self._write(f"{where} {'<-' if message.inbound else '->'} {message_text(message, self._texts)}")


class _Hexadecimal:
    """Octets of each message. Segments of requests wait for the last one, which shows whether they hold a secret."""

    __slots__ = ("_texts", "_waiting", "_write")

    def __init__(self, write: Callable[[str], None], texts: ApduText) -> None:
        self._write = write
        self._texts = texts
        self._waiting: list[tuple[str, Message]] = []

    def tell(self, where: str, message: Message) -> None:
        frame = message.frame
        if message.inbound and frame is not None and frame.segmented and len(self._waiting) < MAX_WAITING:
            self._waiting.append((where, message))
            return
        secrets: list[bytes] = []
        if message.apdu is not None:
            self._texts.tell(message.apdu, message.inbound)
            secrets = self._texts.secrets
        elif message.kind is Kind.TEXT:
            text = message.octets.translate(SEVEN_BITS)
            secrets = [message.octets[found.start(1) : found.end(1)] for found in _PASSWORD_OCTETS.finditer(text)]
        if message.inbound:
            for earlier, segment in self._waiting:
                self._say(earlier, segment, secrets, whole=bool(secrets))
            several = bool(self._waiting)
            self._waiting.clear()
        else:
            several = self._texts.hiding and frame is not None and bool(frame.information)
        self._say(where, message, secrets, whole=several and (not message.inbound or bool(secrets)))

    def _say(self, where: str, message: Message, secrets: list[bytes], *, whole: bool) -> None:
        """Show a message without ``secrets``; with ``whole`` none of its octets."""
        self._write(f"# {where}" + (f": {message.remark}" if message.remark else ""))
        word = "RX" if message.inbound else "TX"
        if whole:
            self._write(f"# {word} {len(message.octets)} octets of a message with a password or key")
            return
        shown = message.octets.hex()
        for secret in filter(None, secrets):
            shown = shown.replace(secret.hex(), "**" * len(secret))
        self._write(f"{'# ' if message.kind in (Kind.NOISE, Kind.TEXT) or '*' in shown else ''}{word} {shown}")


def message_text(message: Message, texts: ApduText) -> str:
    """A message in one line without secrets: what carries it, its APDU, what is wrong with it."""
    parts = [_envelope(message)]
    if message.apdu is not None:
        parts.append(texts.tell(message.apdu, message.inbound))
    parts.append(message.remark)
    return " | ".join(part for part in parts if part)


def _envelope(message: Message) -> str:
    """What carries the APDU, or the whole message where there is none."""
    match message.kind:
        case Kind.HDLC if message.frame is not None:
            return f"{message.route} {message.frame}"
        case Kind.WRAPPER:
            return message.route
        case Kind.TEXT:
            return _PASSWORD.sub(r"\1not shown\2", message.text)
        case _:
            more = ".." if len(message.octets) > 32 else ""
            return f"{len(message.octets)} octets of no message: {message.octets[:32].hex(' ')}{more}"


def _clock(now: int) -> str:
    """Time of day, UTC, in microseconds."""
    seconds, fraction = divmod(now % _DAY, 1_000_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction // 1000:06}"
