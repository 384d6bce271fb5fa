"""Frames of HDLC, format type 3 (IEC 62056-46, 6.4; ISO/IEC 13239).

``7E | format 2 | destination 1, 2, 4 | source 1, 2, 4 | control 1 | HCS 2 | information | FCS 2 | 7E``

The format field holds the type (four bits, 1010), the segmentation bit and the number of octets between the flags
(eleven bits). A frame without information has no HCS. There is no octet stuffing: the length says where a frame ends,
and a flag may close one frame and open the next.

An address takes seven bits of each octet, most significant first, with the lowest bit set in its last octet. A client's
has one octet; a server's has one (upper address: the logical device), two (upper, lower: the physical device) or four
(the same, 14 bits each).
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import NamedTuple

from protocols.crc import CHECKED, REFLECTED, START, check_sequence
from protocols.errors import FrameError, LocalProtocolError

FLAG = b"\x7e"
FLAG_OCTET = 0x7E
WHOLE = 0xA0
SEGMENT = 0xA8
TYPE_MASK = 0xF0
MAX_LENGTH = 0x7FF
SHORTEST = 7
POLL = 0x10
"""P in commands, F in responses."""

# Control octets without their P/F bit; I, RR and RNR also carry N(R) in bits 7..5 and I carries N(S) in bits 3..1.
RR = 0x01
RNR = 0x05
SNRM = 0x83
DISC = 0x43
UA = 0x63
DM = 0x0F
FRMR = 0x87
UI = 0x03

CLIENT_LLC = b"\xe6\xe6\x00"
SERVER_LLC = b"\xe6\xe7\x00"

ALL_STATIONS = {1: 0x7F, 2: 0x7F, 4: 0x3FFF}
"""The broadcast address, upper or lower, by the number of octets of the whole address."""
CALLING_DEVICE = {2: 0x7E, 4: 0x3FFE}
"""The lower address that stands for the device which has called."""

_UNNUMBERED = {SNRM: "SNRM", DISC: "DISC", UA: "UA", DM: "DM", FRMR: "FRMR", UI: "UI"}


class Frame(NamedTuple):
    """One frame. Addresses are kept as their octets; ``information`` is empty where there is none."""

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False

    def __str__(self) -> str:
        length = f", {len(self.information)} octets" if self.information else ""
        return f"{control_name(self.control)}{length}{', segmented' if self.segmented else ''}"


def control_name(control: int) -> str:
    """What a control octet says, such as ``I N(S)=2 N(R)=3 P/F=1``."""
    final = f"P/F={control >> 4 & 1}"
    if not control & 1:
        return f"I N(S)={control >> 1 & 7} N(R)={control >> 5} {final}"
    if control & 0x0F in (RR, RNR):
        return f"{'RR' if control & 0x0F == RR else 'RNR'} N(R)={control >> 5} {final}"
    name = _UNNUMBERED.get(control & ~POLL)
    return f"{name} {final}" if name else f"control {control:02X}"


def encode_address(upper: int, lower: int | None = None, octets: int | None = None) -> bytes:
    """A station's address in 1, 2 or 4 octets, by default the fewest that hold it.

    A client's SAP and a server's upper address alone take one octet. LocalProtocolError for an address that does not
    fit.
    """
    if octets is None:
        octets = 1 if lower is None else 2 if max(upper, lower) < 0x80 else 4
    limit = 0x3FFF if octets == 4 else 0x7F
    if octets not in (1, 2, 4):
        raise LocalProtocolError(f"an HDLC address of {octets} octets", expected="1, 2 or 4")
    if not 0 <= upper <= limit:
        raise LocalProtocolError(f"HDLC address {upper} in {octets} octets", expected=f"0..{limit}")
    if (octets == 1) != (lower is None):
        raise LocalProtocolError(f"an HDLC address of {octets} octets has {'no' if octets == 1 else 'a'} lower address")
    if lower is None:
        return bytes((upper << 1 | 1,))
    if not 0 <= lower <= limit:
        raise LocalProtocolError(f"lower address {lower} in {octets} octets", expected=f"0..{limit}")
    if octets == 2:
        return bytes((upper << 1, lower << 1 | 1))
    return bytes((upper >> 6 & 0xFE, upper << 1 & 0xFE, lower >> 6 & 0xFE, lower << 1 & 0xFE | 1))


def decode_address(octets: bytes) -> tuple[int, int | None]:
    """Upper and lower address in the octets of one address of :class:`Frame`; lower is None where there is none."""
    match len(octets):
        case 1:
            return octets[0] >> 1, None
        case 2:
            return octets[0] >> 1, octets[1] >> 1
        case _:
            return octets[0] >> 1 << 7 | octets[1] >> 1, octets[2] >> 1 << 7 | octets[3] >> 1


def encode(frame: Frame) -> bytes:
    """A frame with its flags. LocalProtocolError for more information than the length field can tell."""
    kind = SEGMENT if frame.segmented else WHOLE
    return encode_parts(kind, frame.destination + frame.source, frame.control, frame.information)


def encode_parts(kind: int, addresses: bytes, control: int, information: bytes = b"") -> bytes:
    """A frame with its flags: ``kind`` is WHOLE or SEGMENT, ``addresses`` the octets of destination and source."""
    if not information:
        length = len(addresses) + 5
        head = b"%c%c%b%c" % (kind | length >> 8, length & 0xFF, addresses, control)
        return b"\x7e%b%b\x7e" % (head, check_sequence(head))
    length = len(addresses) + len(information) + 7
    if length > MAX_LENGTH:
        raise LocalProtocolError(f"a frame of {length} octets", expected=f"at most {MAX_LENGTH}")
    head = b"%c%c%b%c" % (kind | length >> 8, length & 0xFF, addresses, control)
    return b"\x7e%b%b%b%b\x7e" % (head, check_sequence(head), information, check_sequence(information, CHECKED))


def decode(data: bytes) -> Frame:
    """The one frame in ``data``, which begins and ends with a flag. FrameError for anything else."""
    if len(data) < SHORTEST + 2 or data[0] != FLAG_OCTET:
        raise FrameError(f"frame of {len(data)} octets", 0, f"a flag and at least {SHORTEST} octets between flags")
    header = Header.read(data, 1)
    if header is None:
        raise FrameError("frame ends within its header", len(data), "addresses and control")
    if header.length != len(data) - 2:
        raise FrameError(f"length {header.length} in the format field", 1, f"{len(data) - 2} octets between the flags")
    return header.frame(data, 1)


class Header(NamedTuple):
    """The checked start of a frame: its length, and where (from the format field on) its parts end.

    The reader checks it as soon as it has arrived, so that octets that merely look like a frame's beginning do not
    make it wait for the length they claim.
    """

    length: int
    destination: int
    source: int

    @classmethod
    def read(cls, data: bytes, start: int) -> Header | None:
        """The header of which the format field is at ``start``; None while its octets have not all arrived.

        FrameError for another frame type, an impossible length or address, or a wrong HCS; ``offset`` counts from the
        start of ``data`` and the message names the fault.
        """
        available = len(data) - start
        if available < 1:
            return None
        if data[start] & TYPE_MASK != WHOLE:
            raise FrameError(f"frame type {data[start] >> 4:X}", start, "type 3, format field Axxx")
        if available < 2:
            return None
        length = (data[start] & 7) << 8 | data[start + 1]
        if length < SHORTEST:
            raise FrameError(f"length {length}", start, f"{SHORTEST} or more")
        if available > 3 and data[start + 2] & data[start + 3] & 1:  # the usual case, one octet each
            destination, source = start + 3, start + 4
        else:
            destination = _address_end(data, start + 2)
            source = _address_end(data, destination) if destination else 0
            if not source:
                return None
        check = source + 1 - start
        if length != check + 2:
            if length < check + 5:
                expected = f"{check + 2} with a header of {check} octets, or over {check + 4}"
                raise FrameError(f"length {length}", start, expected)
            if available < check + 2:
                return None
            if crc_hqx(data[start : start + check + 2].translate(REFLECTED), START) != CHECKED:
                raise FrameError(
                    f"HCS {data[start + check : start + check + 2].hex().upper()} wrong",
                    start + check,
                    check_sequence(data[start : start + check]).hex().upper(),
                )
        return cls(length, destination - start, source - start)

    def frame(self, data: bytes, start: int) -> Frame:
        """The frame, all of which is in ``data``. FrameError where its closing flag or FCS is wrong."""
        end = start + self.length
        if data[end] != FLAG_OCTET:
            raise FrameError(f"length {self.length} wrong: octet {data[end]:02X} there", end, "the closing flag, 7E")
        body = data[start:end]
        if crc_hqx(body.translate(REFLECTED), START) != CHECKED:
            raise FrameError(f"FCS {body[-2:].hex().upper()} wrong", end - 2, check_sequence(body[:-2]).hex().upper())
        return Frame(
            body[2 : self.destination],
            body[self.destination : self.source],
            body[self.source],
            body[self.source + 3 : -2],
            body[0] & 0x08 != 0,
        )


def _address_end(data: bytes, at: int) -> int:
    """Where the address at ``at`` ends; 0 while it has not all arrived."""
    for octets in range(1, 5):
        if at + octets > len(data):
            return 0
        if data[at + octets - 1] & 1:
            if octets == 3:
                break
            return at + octets
    raise FrameError("address without an end in 1, 2 or 4 octets", at, "its lowest bit set in the last octet")
