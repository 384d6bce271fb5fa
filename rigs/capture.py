"""Captures: the messages of every line in a pcapng file that Wireshark and tshark 4.6 dissect without settings.

An interface of the file is a port of the rig. A packet is one HDLC frame, one wrapper message or one message of
sign-on text, at the rig's time. Wireshark's dissector knows HDLC addresses of one octet only and tells the links of
different ports apart by their network addresses, so each line has a pair of made-up ones, and frames with longer
addresses are shown as octets with a text, followed by the APDU they complete. An AARQ or AARE with a system title,
which it takes for malformed, is shown as octets with a text too.

The air of each HAN is an interface of its own, of 802.15.4 frames with channel, RSSI and LQI. The dissector decrypts
them once it is given the keys that comments of the frames have, each with the first frame after it came to be known;
a frame that a radio dropped has a comment that says which radio and why.

A packet of a port on which a fault in force may show has a comment with its id, ``in force: fault F1: ..``; that it
begins or ends is a packet of text at each port of the device, or a comment of a frame of the HAN.

What a line or a device dropped or refused is told by a comment of the packet that it is about, ``why: LAYER: ...``, or
by a packet of that text where there is none (a time-out); :mod:`rigs.captured` reads them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from protocols import pcapng
from protocols.dlms import axdr
from protocols.dlms.enums import ApduTag
from protocols.dlms.security import PROTECTED_TAGS
from protocols.errors import DecodeError
from protocols.sniffer import MAX_LINKS, SEVEN_BITS, Kind, Message, Sniffer, without_llc
from rigs.air import AirListener, HubKeys, dissector_option
from rigs.apdu_text import ApduText
from rigs.in_force import MARK, is_told
from rigs.opener import Opener, PortReveal
from rigs.ports import PortKind, PortSpec, Tap
from rigs.radio_text import is_radio

if TYPE_CHECKING:
    from emulator.faults.injection import Injection
    from emulator.han.medium import Link
    from emulator.hub import Hub
    from emulator.telling import Layer
    from rigs.rig import Rig

WHY = "why: "
"""How comments begin that say why something was dropped or refused; the layer follows, and a colon."""
FLUSH_AFTER = 0.2
"""Seconds after which what has been seen is in the file."""
BUFFER = 1 << 16
"""Octets gathered at most before they are written at once."""
COSEM_PORT = 4059
_CLIENT_PORT = 50_000
_DEVICES = int(IPv4Address("10.0.0.0"))
_CLIENTS = int(IPv4Address("10.128.0.0"))
_LINES = 0x7F_FFFF
_JUST = 100_000_000  # ns of the rig's time after a packet in which it is what a fault began or ended at
_SHOWN = 400  # characters of text in a packet list


class CaptureError(Exception):
    """A capture file that cannot be written. The text is one line: file, problem, what to do."""


class Capture:
    """Writes a capture file of what it is attached to. All calls belong to one thread.

    ``reveal``, if set, opens ciphered APDUs (see :mod:`rigs.known_keys`); what is inside then follows as a packet. When
    the disk is full or the file fails otherwise, ``failed`` is called once with a sentence and nothing more is
    written; the rig goes on.
    """

    def __init__(self, path: Path | str, *, application: str = "smets1-hil") -> None:
        """Creates the file, over one of that name; raises CaptureError."""
        self.path = Path(path)
        self.packets = 0
        self.failed: Callable[[str], None] | None = None
        self.reveal: PortReveal | None = None
        self.clock: Callable[[], int] = lambda: self._latest.time
        """The rig's time in ns, for what is not about a packet; without it that of the latest packet."""
        self.faults: Callable[[str], tuple[str, ...]] = lambda port: ()
        """The faults in force at a port, in words with their ids."""
        self.error = ""
        """What ended the writing before :meth:`close`; empty while all is well."""
        self._interfaces: dict[str, int] = {}
        self._lines = 0
        self._latest = _Latest()
        self._buffer = bytearray(pcapng.section(application))
        self._waiting = False
        self._last = -1  # where in the buffer the last block begins, if it is there still
        self._size = 0  # octets of whole blocks in the file
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CaptureError(f"{self.path}: cannot write the capture: {error.strerror}") from None
        self._open = True
        self.flush()
        if self.error:
            self.close()
            raise CaptureError(self.error)

    def attach(self, rig: Rig, *, air: bool = True) -> None:
        """Hear all lines of a rig that has not started yet, its faults and, unless that is left out, its HANs."""
        rig.taps.append(self)
        rig.reasons.append(self.explained)
        rig.fault_observers.append(self.fault)
        self.faults = rig.in_force.labels
        self.clock = lambda: rig.clock.now
        if air:
            rig.air.append(self.air)

    def __call__(self, name: str, spec: PortSpec) -> Tap:
        """A listener for a new line of the port ``name``; one of a radio processor is left out, its air is there."""
        if is_radio(name):
            return _unheard
        interface = self._interface(name, str(spec))
        self._lines += 1
        device = IPv4Address(_DEVICES + 1 + interface % _LINES), COSEM_PORT
        client = IPv4Address(_CLIENTS + 1 + interface % _LINES), _CLIENT_PORT + (self._lines - 1) % 10_000
        udp = spec.kind is PortKind.UDP
        shown = _Shown(None if self.reveal is None else Opener(name, self.reveal))
        sniffer = Sniffer(wrapped=spec.wrapped, datagrams=udp)

        def write(now: int, message: Message) -> None:
            source, destination = (client, device) if message.inbound else (device, client)
            for dissector, octets, info in shown.packets(message):
                protocol = message.kind.value if info else ""
                exported = pcapng.exported(
                    dissector, octets, source, destination, udp=udp, protocol=protocol, info=info[:_SHOWN]
                )
                comments = (*((message.remark,) if message.remark else ()), *self._in_force(name))
                self._latest = _Latest(interface, now, exported, message.inbound, comments)
                self._add(self._latest.block())
                self.packets += 1

        def tap(now: int, inbound: bool, data: bytes) -> None:
            if self._open:
                for message in sniffer.see(inbound, data) if data else sniffer.flush():
                    write(now, message)

        return tap

    def explained(self, name: str, layer: Layer, text: str) -> None:
        """Something was dropped or refused at the port ``name``; for ``Rig.reasons``.

        It is said of the packet before where that came towards this port and is not in the file yet, which is usual.
        """
        interface = self._interfaces.get(name)
        if interface is None or not self._open:
            return
        comment = f"{WHY}{layer.value}: {text}"
        if not self._said_of_latest(interface, comment):
            self._note(interface, "why", text, (comment, *self._in_force(name)))

    def fault(self, now: int, injection: Injection, text: str) -> None:
        """An injection of a fault waits, begins or ends; for ``Rig.fault_observers``.

        It is said of the packet that came just before, or else by a packet of text, at each port of the device.
        """
        just = 0 <= now - self._latest.time <= _JUST
        for name, interface in self._interfaces.items():
            if name.startswith(f"{injection.target}/") and not (just and self._said_of_latest(interface, text)):
                self._note(interface, "fault", text, (text,))

    def _said_of_latest(self, interface: int, comment: str) -> bool:
        """Say it of the latest packet, if that came towards this port and is not in the file yet."""
        before = self._latest
        if before.interface != interface or not before.inbound:
            return False
        after = replace(before, comments=(*before.comments, comment))
        amended = self._amend(before.block(), after.block())
        if amended:
            self._latest = after
        return amended

    def _in_force(self, name: str) -> tuple[str, ...]:
        return tuple(f"{MARK}{each}" for each in self.faults(name))

    def _note(self, interface: int, protocol: str, text: str, comments: tuple[str, ...]) -> None:
        """A packet of text."""
        if self._open:
            told = pcapng.exported("data-text-lines", text.encode(), protocol=protocol, info=text[:_SHOWN])
            self._add(pcapng.packet(interface, self.clock(), told, comments=comments))
            self.packets += 1

    def air(self, name: str, hub: Hub) -> AirListener:
        """A listener for the air of the HAN that a hub formed, an interface of that name."""
        interface = self._interface(name, "the air of the HAN", pcapng.IEEE802154_TAP)
        return _Air(interface, hub, self._radio, self._amend, lambda: self._in_force(name))

    def _interface(self, name: str, description: str, link_type: int = pcapng.UPPER_PDU) -> int:
        interface = self._interfaces.get(name)
        if interface is None:
            interface = self._interfaces[name] = len(self._interfaces)
            self._add(pcapng.interface(name, description, link_type))
        return interface

    def flush(self) -> None:
        """Write what has been gathered."""
        self._waiting = False
        if not self._open:
            return
        written = 0
        try:
            while written < len(self._buffer):
                written += os.write(self._file, self._buffer[written:])
        except OSError as error:
            self._fail(f"{self.path}: the capture ends here: {error.strerror}")
        else:
            self._size += written
        self._buffer.clear()
        self._last = -1

    def close(self) -> None:
        """Write the rest and close the file; stop the rig first. Closing twice does no harm."""
        self.flush()
        if self._open:
            self._open = False
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _radio(self, block: bytes) -> None:
        self._add(block)
        self.packets += 1

    def _amend(self, earlier: bytes, block: bytes) -> bool:
        """Write a block in the place of the last one, if that is ``earlier`` and not in the file yet."""
        if self._last < 0 or self._buffer[self._last :] != earlier:
            return False
        self._buffer[self._last :] = block
        return True

    def _add(self, block: bytes) -> None:
        if not self._open:
            return
        if len(self._buffer) >= BUFFER:
            self.flush()
        self._last = len(self._buffer)
        self._buffer += block
        if not self._waiting:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                self._waiting = True
                loop.call_later(FLUSH_AFTER, self.flush)

    def _fail(self, sentence: str) -> None:
        self._open = False
        with suppress(OSError):  # a pipe
            os.ftruncate(self._file, self._size)  # half a block at the end would spoil the file for readers
        os.close(self._file)
        self.error = sentence
        if self.failed is not None:
            self.failed(sentence)


@dataclass(frozen=True, slots=True)
class _Latest:
    """The packet of a line that was added last."""

    interface: int = -1
    time: int = 0
    octets: bytes = b""
    inbound: bool = False
    comments: tuple[str, ...] = ()

    def block(self) -> bytes:
        """As it is in the file."""
        return pcapng.packet(self.interface, self.time, self.octets, inbound=self.inbound, comments=self.comments)


class _Air:
    """Writes the frames of one HAN's air. Keys that a dissector needs are comments of the first frame after they are
    known, which are all."""

    __slots__ = (
        "_amend",
        "_block",
        "_comments",
        "_frame",
        "_hub",
        "_in_force",
        "_interface",
        "_keys",
        "_late",
        "_now",
        "_told",
        "_write",
    )

    def __init__(
        self,
        interface: int,
        hub: Hub,
        write: Callable[[bytes], None],
        amend: Callable[[bytes, bytes], bool],
        in_force: Callable[[], tuple[str, ...]],
    ) -> None:
        self._hub = hub
        self._interface = interface
        self._write = write
        self._amend = amend
        self._keys = HubKeys(hub)
        self._told: set[bytes] = set()
        self._now = 0
        self._frame = self._block = b""
        self._comments: list[str] = []
        self._late: list[str] = []
        self._in_force = in_force

    def frame(self, now: int, octets: bytes, heard: Link) -> None:
        self._now = now
        rssi, lqi = (heard.rssi, heard.lqi) if heard.usable else (None, None)  # others hear it, not the hub
        self._frame = pcapng.radio(octets, self._hub.han.channel, rssi, lqi)
        self._comments = [f"tshark {dissector_option(label, key)}" for label, key in self._new_keys()]
        self._comments += (*self._late, *self._in_force())
        self._late.clear()
        self._block = self._packet()
        self._write(self._block)

    def explained(self, now: int, text: str) -> None:
        """Said of the frame before, which mostly is not in the file yet; else that a fault begins or ends is said of
        the next."""
        self._comments.append(text)
        block = self._packet()
        if self._block and self._amend(self._block, block):
            self._block = block
        elif is_told(text):
            self._late.append(text)

    def _packet(self) -> bytes:
        return pcapng.packet(self._interface, self._now, self._frame, comments=self._comments)

    def _new_keys(self) -> list[tuple[str, bytes]]:
        new = [(label, key) for label, key in self._keys.labelled() if key not in self._told]
        self._told.update(key for _, key in new)
        return new


class _Shown:
    """How the messages of one line are shown, so that the dissector takes none of them for wrong."""

    __slots__ = ("_aside", "_opener", "_texts")

    def __init__(self, opener: Opener | None) -> None:
        self._opener = opener
        self._texts = ApduText()
        self._aside: set[tuple[bool, bytes, bytes]] = set()  # HDLC links amid the segments of a misread APDU

    def packets(self, message: Message) -> Iterator[tuple[str, bytes, str]]:
        """Dissector, octets and text of each packet; no text where the dissector finds its own."""
        frame, apdu = message.frame, message.apdu
        misread = self._misread(message)
        match message.kind:
            case Kind.TEXT:
                yield "data-text-lines", message.octets.translate(SEVEN_BITS), message.text
            case Kind.NOISE:
                yield "data", message.octets, f"{len(message.octets)} octets: {message.remark or 'no message'}"
            case _ if misread:
                told = "" if apdu is None else self._texts.tell(apdu, message.inbound)
                yield "data", message.octets, " | ".join(part for part in (_carrier(message), told) if part)
            case Kind.HDLC if frame is not None and len(frame.destination) + len(frame.source) > 2:
                yield "data", message.octets, _carrier(message)
                if apdu:
                    yield "dlms", apdu, ""
            case _:
                yield "dlms", message.octets, ""
        if self._opener is None or not apdu:
            return
        if apdu[0] not in PROTECTED_TAGS:
            self._opener.note(apdu)
        elif (plain := self._opener.open(apdu, message.inbound)) is not None:
            yield "dlms", plain, ""

    def _misread(self, message: Message) -> bool:
        """Whether the message is, or is a part of, an AARQ or AARE with a system title.

        Wireshark 4.6 takes that field for malformed, whoever sends it.
        """
        frame = message.frame
        if frame is None or frame.control & 1 or not frame.information:
            return message.apdu is not None and _titled(message.apdu)
        link = message.inbound, frame.destination, frame.source
        if link in self._aside:
            if not frame.segmented:
                self._aside.discard(link)
            return True
        found = _titled(without_llc(frame.information))
        if found and frame.segmented and len(self._aside) < MAX_LINKS:
            self._aside.add(link)
        return found


def _titled(start: bytes) -> bool:
    """Whether an APDU, of which this is at least the start, opens an association and has a system title."""
    wanted = _TITLE_FIELDS.get(start[0]) if start else None
    if wanted is None:
        return False
    try:
        _, at = axdr.read_length(start, 1)
        while at < len(start):
            if start[at] == wanted:
                return True
            size, at = axdr.read_length(start, at + 1)
            at += size
    except DecodeError:
        return False
    return False


_TITLE_FIELDS: dict[int, int] = {ApduTag.AARQ: 0xA6, ApduTag.AARE: 0xA4}


def _carrier(message: Message) -> str:
    return f"{message.route} {message.frame}" if message.frame is not None else message.route


def _unheard(now: int, inbound: bool, data: bytes) -> None:
    """Of a line that no dissector reads."""
