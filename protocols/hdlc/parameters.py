"""Parameters of an HDLC link and their negotiation in SNRM and UA (IEC 62056-46, 6.4.4.4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.errors import FrameError

DEFAULT_INFO = 128
DEFAULT_WINDOW = 1
INFO_RANGE = (32, 2030)
WINDOW_RANGE = (1, 7)

FORMAT = 0x81
GROUP = 0x80
USER_DATA = 0xF0  # the rest of the field belongs to the user
INFO_TRANSMIT, INFO_RECEIVE, WINDOW_TRANSMIT, WINDOW_RECEIVE = 5, 6, 7, 8


@dataclass(frozen=True, slots=True)
class Parameters:
    """Longest information field (32..2030 octets) and window (1..7 frames), each way, seen by the station with them.

    The defaults are those of the standard. ValueError outside the ranges.
    """

    max_info_transmit: int = DEFAULT_INFO
    max_info_receive: int = DEFAULT_INFO
    window_transmit: int = DEFAULT_WINDOW
    window_receive: int = DEFAULT_WINDOW

    def __post_init__(self) -> None:
        for name, (low, high) in (
            ("max_info_transmit", INFO_RANGE),
            ("max_info_receive", INFO_RANGE),
            ("window_transmit", WINDOW_RANGE),
            ("window_receive", WINDOW_RANGE),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} {getattr(self, name)}: {low}..{high} are allowed")

    def agreed(self, proposal: Parameters) -> Parameters:
        """What holds for a station of these limits after the other station has sent ``proposal``: the smaller of each.

        What one transmits the other receives, so the two directions cross.
        """
        return Parameters(
            min(self.max_info_transmit, proposal.max_info_receive),
            min(self.max_info_receive, proposal.max_info_transmit),
            min(self.window_transmit, proposal.window_receive),
            min(self.window_receive, proposal.window_transmit),
        )

    def encode(self) -> bytes:
        """The information field of SNRM or UA: all four values; lengths take one octet up to 255, windows four."""
        values = bytearray()
        for identifier, length in ((INFO_TRANSMIT, self.max_info_transmit), (INFO_RECEIVE, self.max_info_receive)):
            octets = 1 if length < 0x100 else 2
            values += bytes((identifier, octets)) + length.to_bytes(octets, "big")
        for identifier, window in ((WINDOW_TRANSMIT, self.window_transmit), (WINDOW_RECEIVE, self.window_receive)):
            values += bytes((identifier, 4)) + window.to_bytes(4, "big")
        return bytes((FORMAT, GROUP, len(values))) + values


DEFAULTS = Parameters()


def decode(information: bytes) -> Parameters:
    """Parameters in the information field of SNRM or UA, seen by the station that sent it.

    A field that is empty, or a value that is not in it, means the default. Values may take any number of octets, more
    than the range allows are the most it allows, and identifiers and groups that the standard does not name are passed
    over. FrameError for a field cut short, one of another format, or values below the range.
    """
    if not information:
        return DEFAULTS
    if information[0] != FORMAT:
        raise FrameError(f"parameter field of format {information[0]:02X}", 0, f"{FORMAT:02X}")
    found = {INFO_TRANSMIT: DEFAULT_INFO, INFO_RECEIVE: DEFAULT_INFO}
    found |= {WINDOW_TRANSMIT: DEFAULT_WINDOW, WINDOW_RECEIVE: DEFAULT_WINDOW}
    at = 1
    while at < len(information) and information[at] != USER_DATA:
        group, at, end = _triplet(information, at, len(information))
        while group == GROUP and at < end:
            identifier, at, after = _triplet(information, at, end)
            if identifier in found:
                low, high = INFO_RANGE if identifier in (INFO_TRANSMIT, INFO_RECEIVE) else WINDOW_RANGE
                value = int.from_bytes(information[at:after], "big")
                if value < low:
                    raise FrameError(f"parameter {identifier:02X} is {value}", at, f"{low} or more")
                found[identifier] = min(value, high)
            at = after
        at = end
    return Parameters(found[INFO_TRANSMIT], found[INFO_RECEIVE], found[WINDOW_TRANSMIT], found[WINDOW_RECEIVE])


def _triplet(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Identifier at ``at``, and where its value starts and ends."""
    if at + 2 > end:
        raise FrameError("parameter field cut short", at, "an identifier and a length")
    after = at + 2 + data[at + 1]
    if after > end:
        raise FrameError(f"parameter {data[at]:02X} is longer than its field", at, f"at most {end - at - 2} octets")
    return data[at], at + 2, after
