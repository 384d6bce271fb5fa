"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng): section, interfaces, packets with times in nanoseconds.

Packets of link type :data:`UPPER_PDU` carry Wireshark's "exported PDU" header in front, which names the dissector to
use, so that COSEM traffic is dissected without any setting; those of :data:`IEEE802154_TAP` are frames of the HAN's
radio. All blocks are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from typing import TypeAlias

Endpoint: TypeAlias = tuple[IPv4Address, int]
"""An address and a port number."""

UPPER_PDU = 252
"""LINKTYPE_WIRESHARK_UPPER_PDU."""
IEEE802154_TAP = 283
"""LINKTYPE_IEEE802_15_4_TAP: a radio frame behind a header of what the receiver measured; see :func:`radio`."""
SNAP_LENGTH = 0x40000
"""Longest packet that readers take, octets (262,144)."""
MAX_TEXT = 0xFFFF
"""Longest comment or name, octets of UTF-8; what is over is cut off."""
MAX_COLUMN = 1000
"""Longest text for a column, octets of UTF-8."""

SECTION_BLOCK, INTERFACE_BLOCK, PACKET_BLOCK = 0x0A0D0D0A, 1, 6
"""Types of blocks."""
_MAGIC = 0x1A2B3C4D
_END, _COMMENT = 0, 1
_SHB_HARDWARE, _SHB_OS, _SHB_APPLICATION = 2, 3, 4
_IF_NAME, _IF_DESCRIPTION, _IF_TIME_RESOLUTION = 2, 3, 9
_EPB_FLAGS = 2
_INBOUND, _OUTBOUND = 1, 2
_NANOSECONDS = b"\x09"
_PACKET_HEAD = 20

# Tags of the exported PDU header (Wireshark, epan/exported_pdu.h); these and their lengths are big-endian.
_TAG_DISSECTOR, _TAG_IPV4_SOURCE, _TAG_IPV4_DESTINATION = 12, 20, 21
_TAG_PORT_TYPE, _TAG_SOURCE_PORT, _TAG_DESTINATION_PORT = 24, 25, 26
_TAG_PROTOCOL_COLUMN, _TAG_INFO_COLUMN = 33, 36
_PORT_TYPE_TCP, _PORT_TYPE_UDP = 2, 3

# Fields of the TAP header (IEEE 802.15.4 TAP link type specification); little-endian, padded to 4 octets.
_TAP_FCS, _TAP_RSS, _TAP_CHANNEL, _TAP_LQI = 0, 1, 3, 10
_FCS_16 = b"\x01"


def section(application: str, comment: str = "") -> bytes:
    """The block that begins a file; ``application`` is who wrote it."""
    options = _text(_SHB_APPLICATION, application) + _text(_COMMENT, comment)
    return _block(SECTION_BLOCK, struct.pack("<IHHq", _MAGIC, 1, 0, -1) + _closed(options))


def interface(name: str, description: str = "", link_type: int = UPPER_PDU) -> bytes:
    """An interface; those of a file are numbered from 0 in the order of their blocks. Times count nanoseconds."""
    options = _text(_IF_NAME, name) + _text(_IF_DESCRIPTION, description) + _option(_IF_TIME_RESOLUTION, _NANOSECONDS)
    return _block(INTERFACE_BLOCK, struct.pack("<HHI", link_type, 0, SNAP_LENGTH) + _closed(options))


def packet(
    interface: int, time: int, octets: bytes, *, inbound: bool | None = None, comments: Iterable[str] = ()
) -> bytes:
    """A packet seen at ``time`` (ns since the Unix epoch, 0..2**64-1) on an interface.

    ``inbound`` is whether it goes towards the device whose interface this is, None where that is not known. Octets over
    :data:`SNAP_LENGTH` are cut off; the block tells how many there were.
    """
    options = b"".join(_text(_COMMENT, comment) for comment in comments)
    if inbound is not None:
        options += _option(_EPB_FLAGS, struct.pack("<I", _INBOUND if inbound else _OUTBOUND))
    kept = octets[:SNAP_LENGTH]
    head = struct.pack("<IIIII", interface, time >> 32, time & 0xFFFFFFFF, len(kept), len(octets))
    return _block(PACKET_BLOCK, head + _padded(kept) + _closed(options))


def exported(
    dissector: str,
    octets: bytes,
    source: Endpoint | None = None,
    destination: Endpoint | None = None,
    *,
    udp: bool = False,
    protocol: str = "",
    info: str = "",
) -> bytes:
    """``octets`` behind an exported PDU header that names their dissector and, if given, addresses and ports.

    Dissectors keep what they remember (segments, for one) apart by these. ``protocol`` and ``info`` are text for the
    columns of a packet list, for octets that have no dissector of their own.
    """
    header = _header(dissector, source, destination, udp)
    if not (protocol or info):
        return header + octets
    columns = ((_TAG_PROTOCOL_COLUMN, protocol), (_TAG_INFO_COLUMN, info))
    tags = [_tag(number, text.encode("utf-8", "replace")[:MAX_COLUMN]) for number, text in columns if text]
    return b"".join(tags) + header + octets


def radio(frame: bytes, channel: int, rssi: int | None = None, lqi: int | None = None) -> bytes:
    """An IEEE 802.15.4 frame with its check sequence, for an interface of link type :data:`IEEE802154_TAP`.

    ``channel`` is 11..26, ``rssi`` in dBm and ``lqi`` 0..255 as the receiver had them, None where there was none.
    """
    return _tap(channel, rssi, lqi) + frame


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as it was read: see :func:`packet`."""

    interface: int
    time: int
    octets: bytes
    inbound: bool | None
    comments: tuple[str, ...]


def read_interface(body: bytes) -> tuple[str, int]:
    """Name and link type from the body of an interface block; what is cut short is empty or 0."""
    names = [value.decode("utf-8", "replace") for code, value in _options(body[8:]) if code == _IF_NAME]
    return (names[0] if names else ""), int.from_bytes(body[:2], "little")


def read_packet(body: bytes) -> Packet | None:
    """The packet in the body of a packet block, its time taken for nanoseconds; None where it is cut short."""
    if len(body) < _PACKET_HEAD:
        return None
    interface, high, low, kept, _ = struct.unpack_from("<IIIII", body)
    if len(body) < _PACKET_HEAD + kept:
        return None
    inbound, comments = None, list[str]()
    for code, value in _options(body[_PACKET_HEAD + kept + -kept % 4 :]):
        if code == _COMMENT:
            comments.append(value.decode("utf-8", "replace"))
        elif code == _EPB_FLAGS:
            inbound = {_INBOUND: True, _OUTBOUND: False}.get(int.from_bytes(value, "little") & 3)
    return Packet(interface, high << 32 | low, body[_PACKET_HEAD : _PACKET_HEAD + kept], inbound, tuple(comments))


def read_exported(octets: bytes) -> tuple[bytes, str]:
    """What is behind an exported PDU header, and its text for the column; what is no such header, whole."""
    info, at = "", 0
    while at + 4 <= len(octets):
        number, length = struct.unpack_from(">HH", octets, at)
        at += 4
        if number == _END:
            return octets[at:], info
        if number == _TAG_INFO_COLUMN:
            info = octets[at : at + length].rstrip(b"\0").decode("utf-8", "replace")
        at += length
    return octets, ""


def _options(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(octets):
        code, length = struct.unpack_from("<HH", octets, at)
        if code == _END:
            return
        yield code, octets[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


@lru_cache(maxsize=4096)
def _tap(channel: int, rssi: int | None, lqi: int | None) -> bytes:
    fields = _option(_TAP_FCS, _FCS_16) + _option(_TAP_CHANNEL, struct.pack("<HB", channel, 0))
    if rssi is not None:
        fields += _option(_TAP_RSS, struct.pack("<f", rssi))
    if lqi is not None:
        fields += _option(_TAP_LQI, struct.pack("<B", lqi))
    return struct.pack("<BBH", 0, 0, 4 + len(fields)) + fields


@lru_cache(maxsize=1024)
def _header(dissector: str, source: Endpoint | None, destination: Endpoint | None, udp: bool) -> bytes:
    tags = [_tag(_TAG_DISSECTOR, dissector.encode("ascii"))]
    if source is not None and destination is not None:
        tags += [
            _tag(_TAG_IPV4_SOURCE, source[0].packed),
            _tag(_TAG_IPV4_DESTINATION, destination[0].packed),
            _tag(_TAG_PORT_TYPE, struct.pack(">I", _PORT_TYPE_UDP if udp else _PORT_TYPE_TCP)),
            _tag(_TAG_SOURCE_PORT, struct.pack(">I", source[1])),
            _tag(_TAG_DESTINATION_PORT, struct.pack(">I", destination[1])),
        ]
    return b"".join(tags) + _tag(_END, b"")


def _tag(number: int, value: bytes) -> bytes:
    padded = _padded(value)
    return struct.pack(">HH", number, len(padded)) + padded


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _text(code: int, text: str) -> bytes:
    """An option of text; none for empty text, as readers do not expect it."""
    if not text:
        return b""
    octets = text.encode("utf-8", "replace")
    if len(octets) > MAX_TEXT:
        octets = octets[:MAX_TEXT].decode("utf-8", "ignore").encode("utf-8")
    return _option(code, octets)


def _closed(options: bytes) -> bytes:
    return options + struct.pack("<HH", _END, 0) if options else b""
