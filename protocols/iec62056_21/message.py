"""Messages of IEC 62056-21 (clause 6): text in, text out, nothing kept.

All octets here are 7-bit characters; who hears them with a parity bit takes it away first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from protocols.errors import FrameError, LocalProtocolError

SOH, STX, ETX, EOT, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x06, 0x15
INITIAL_BAUD = 300
MODE_D_BAUD = 2400
CHARACTER = "7E1"
HDLC_CHARACTER = "8N1"

BAUD_CODES: dict[str, int] = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Baud rate characters of modes C and E (clause 6.3.14 item 13)."""
MODE_B_CODES: dict[str, int] = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
"""Baud rate characters of mode B."""

MAX_ADDRESS = 32
MAX_IDENTIFICATION = 16
MAX_MESSAGE = 65_536
"""Longest message taken, octets; a readout has no limit of its own in the standard."""

_IDENTIFICATION = re.compile(rb"/([A-Za-z]{3})([ -~])((?:\\[ -~])*)([ -.0-~]{0,64})\r\n")
_OPTION = re.compile(rb"\x06([0-9])([0-9A-Z])([0-9])\r\n")
_DATA_SET = re.compile(r"([^()/!]*)\(([^()/!]*)\)")
_FORBIDDEN = re.compile(r"[^ -~]|[()/!]")


def bcc(octets: bytes) -> int:
    """Block check character: XOR of all octets given, that is of what follows SOH or STX up to and including ETX."""
    check = 0
    for octet in octets:
        check ^= octet
    return check


def block(octets: bytes) -> bytes:
    """``octets`` from SOH or STX up to ETX or EOT with the block check character behind them."""
    return octets + bytes((bcc(octets[1:]),))


def duration(octets: int, baud: int) -> int:
    """How long that many characters of ten bits take on the wire, ns."""
    return octets * 10_000_000_000 // baud


def printable(text: str) -> str:
    """``text`` as it may stand between parentheses: what the standard forbids there becomes ``?``."""
    return _FORBIDDEN.sub("?", text)


@dataclass(frozen=True, slots=True)
class Identification:
    """What a meter says of itself. ``flag_id`` is its maker's three letters, ``baud_code`` the character Z.

    ``mode_e`` is whether ``\\2`` announces the switch to HDLC.
    """

    flag_id: str
    baud_code: str
    text: str
    mode_e: bool = False

    @property
    def fast_reaction(self) -> bool:
        """Whether the meter answers within 20 ms: its third letter is lower case."""
        return self.flag_id[2:].islower()

    def encode(self) -> bytes:
        """``/XXXZ[\\2]text CR LF``."""
        escape = "\\2" if self.mode_e else ""
        return f"/{self.flag_id}{self.baud_code}{escape}{self.text}\r\n".encode("ascii")

    @classmethod
    def decode(cls, octets: bytes) -> Identification:
        """Raises FrameError."""
        found = _IDENTIFICATION.fullmatch(octets)
        if found is None:
            raise FrameError("not an identification message", 0, "/XXXZ and printable characters")
        flag_id, code, escapes, text = (group.decode("ascii") for group in found.groups())
        return cls(flag_id, code, text, "\\2" in escapes)


@dataclass(frozen=True, slots=True)
class OptionSelect:
    """The reader's choice after an identification: protocol V, baud rate Z, mode Y, one character each.

    V: 0 normal, 1 secondary, 2 HDLC. Y: 0 readout, 1 programming, 2 binary (HDLC), 6..9 of the maker.
    """

    protocol: str
    baud_code: str
    mode: str

    def encode(self) -> bytes:
        """``ACK V Z Y CR LF``."""
        return f"\x06{self.protocol}{self.baud_code}{self.mode}\r\n".encode("ascii")

    @classmethod
    def decode(cls, octets: bytes) -> OptionSelect:
        """Raises FrameError."""
        found = _OPTION.fullmatch(octets)
        if found is None:
            raise FrameError("not an acknowledgement with option select", 0, "06 V Z Y 0D 0A")
        return cls(*(group.decode("ascii") for group in found.groups()))


@dataclass(frozen=True, slots=True)
class DataSet:
    """``address(value*unit)``; address and unit may be empty."""

    address: str
    value: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.address}({self.value}*{self.unit})" if self.unit else f"{self.address}({self.value})"


def data_sets(text: str) -> list[DataSet]:
    """The data sets of a data block without its end; one address may be followed by several values.

    Raises FrameError for anything between them.
    """
    found: list[DataSet] = []
    address = ""
    for line in text.split("\r\n"):
        at = 0
        for match in _DATA_SET.finditer(line):
            if match.start() != at:
                break
            at = match.end()
            address = match[1] or (address if match.start() else "")
            value, _, unit = match[2].partition("*")
            found.append(DataSet(address, value, unit))
        if at != len(line):
            raise FrameError(f"data line {line[at : at + 32]!r}", at, "address(value*unit)")
    return found


@dataclass(frozen=True, slots=True)
class Readout:
    """A data message: what a meter says of its registers."""

    content: tuple[DataSet, ...]

    def encode(self) -> bytes:
        """``STX data ! CR LF ETX BCC``, one data set a line."""
        return block(b"\x02" + self.encode_plain() + b"\x03")

    def encode_plain(self) -> bytes:
        """The same without framing characters and check, as mode D sends it."""
        return "".join(f"{data_set}\r\n" for data_set in self.content).encode("ascii") + b"!\r\n"

    @classmethod
    def decode(cls, octets: bytes) -> Readout:
        """From STX to BCC; raises FrameError, also where the check is wrong."""
        body = checked(octets, STX)
        if not body.endswith(b"!\r\n"):
            raise FrameError("data block without its end", len(octets), "! CR LF before ETX")
        return cls.decode_plain(body)

    @classmethod
    def decode_plain(cls, body: bytes) -> Readout:
        """From the data block up to ``! CR LF``; raises FrameError."""
        text = _ascii(body.removesuffix(b"!\r\n").removesuffix(b"\r\n"))
        return cls(tuple(data_sets(text)) if text else ())


@dataclass(frozen=True, slots=True)
class Command:
    """A programming message ``SOH C D STX data ETX BCC``, such as R1 with ``1.8.0(1)``; B0 has no data."""

    name: str
    data: str | None = None

    def encode(self) -> bytes:
        """Octets from SOH to BCC; LocalProtocolError for a name or data that cannot be sent."""
        data = self.data
        try:
            body = self.name.encode("ascii") + (b"" if data is None else b"\x02" + data.encode("ascii"))
        except UnicodeEncodeError:
            raise LocalProtocolError("programming messages are 7-bit text") from None
        if len(self.name) != 2 or (data is not None and not data.isprintable()):
            raise LocalProtocolError(f"command {self.name!r} {data!r}: two characters and printable data")
        return block(b"\x01" + body + b"\x03")

    @classmethod
    def decode(cls, octets: bytes) -> Command:
        """From SOH to BCC; raises FrameError, also where the check is wrong."""
        body = checked(octets, SOH)
        if len(body) < 2:
            raise FrameError("command without a name", 1, "two characters")
        name, rest = _ascii(body[:2]), body[2:]
        if not rest:
            return cls(name)
        if rest[0] != STX:
            raise FrameError("command without STX before its data", 3, "02")
        return cls(name, _ascii(rest[1:]))

    def operand(self) -> DataSet:
        """The data as ``address(value)``, a unit left in the value; raises FrameError."""
        match = _DATA_SET.fullmatch(self.data or "")
        if match is None:
            raise FrameError(f"data of {self.name}", None, "address(value)")
        return DataSet(match[1], match[2])


BREAK = Command("B0").encode()
"""``SOH B0 ETX BCC``: 01 42 30 03 71."""


def checked(octets: bytes, start: int) -> bytes:
    """What stands between ``start`` (SOH or STX) and ETX or EOT of a message whose check is right, else FrameError."""
    if len(octets) < 3 or octets[0] != start or octets[-2] not in (ETX, EOT):
        raise FrameError("message without its framing characters", 0, f"{start:02X} .. 03 and BCC")
    if octets[-1] != bcc(octets[1:-1]):
        raise FrameError("wrong block check character", len(octets) - 1, f"{bcc(octets[1:-1]):02X}")
    return octets[1:-2]


def data_message(content: Iterable[DataSet]) -> bytes:
    """A meter's answer in programming mode: ``STX data ETX BCC``."""
    return block(b"\x02" + "".join(map(str, content)).encode("ascii") + b"\x03")


def text_message(text: str) -> bytes:
    """``STX (text) ETX BCC``: an error message, or the operand of P0."""
    return data_message([DataSet("", printable(text))])


def _ascii(octets: bytes) -> str:
    if not octets.isascii():
        raise FrameError("characters of more than seven bits")
    return octets.decode("ascii")
