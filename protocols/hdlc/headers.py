"""Headers of I frames that have been seen or made before, so that requests and answers of a busy link need one check
sequence each, not two.

A header depends on the addresses, the control octet and the length only. The tables are shared by all links with the
same addresses, and are emptied when they have grown to ``MOST`` entries.
"""

from __future__ import annotations

from protocols.errors import FrameError
from protocols.hdlc.frame import FLAG, WHOLE, Header, encode_parts

MOST = 1024
PAIRS = 64

_UNSUITABLE = 0


class RequestHeaders(dict[bytes, int]):
    """From the octets before the information of an unsegmented frame (flag to HCS) to ``octets << 8 | control``.

    ``octets`` counts the whole frame, flags included. A header that is wrong, segmented, of other addresses or without
    information gives 0.
    """

    def __init__(self, opening: bytes) -> None:
        super().__init__()
        self._opening = opening

    def __missing__(self, octets: bytes) -> int:
        if len(octets) != len(self._opening) + 6:
            return _UNSUITABLE
        if len(self) >= MOST:
            self.clear()
        self[octets] = found = self._examined(octets)
        return found

    def _examined(self, octets: bytes) -> int:
        if octets[:1] != FLAG or not octets.startswith(self._opening, 3) or octets[1] & 0xF8 != WHOLE:
            return _UNSUITABLE
        try:
            header = Header.read(octets, 1)
        except FrameError:
            return _UNSUITABLE
        if header is None or header.length <= len(octets) + 1:
            return _UNSUITABLE
        return header.length + 2 << 8 | octets[header.source + 1]


class AnswerHeaders(dict[int, bytes]):
    """From ``octets << 8 | control`` to the octets before the information of an unsegmented frame, flag to HCS.

    ``octets`` counts the information, of which there is at least one.
    """

    def __init__(self, addresses: bytes) -> None:
        super().__init__()
        self._addresses = addresses

    def __missing__(self, key: int) -> bytes:
        octets = key >> 8
        header = encode_parts(WHOLE, self._addresses, key & 0xFF, bytes(octets))[: -3 - octets]
        if len(self) >= MOST:
            self.clear()
        self[key] = header
        return header


_tables: dict[bytes, tuple[RequestHeaders, AnswerHeaders]] = {}


def tables(opening: bytes, addresses: bytes) -> tuple[RequestHeaders, AnswerHeaders]:
    """The tables for frames with ``opening`` (destination and source) in and ``addresses`` out."""
    found = _tables.get(opening + addresses)
    if found is None:
        if len(_tables) >= PAIRS:
            _tables.clear()
        found = _tables[opening + addresses] = RequestHeaders(opening), AnswerHeaders(addresses)
    return found
