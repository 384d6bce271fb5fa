"""The wrapper that carries APDUs on TCP and UDP (IEC 62056-47).

Eight octets before each APDU, big-endian: version 1, source wrapper port, destination wrapper port, length of the APDU.
A wrapper port is the SAP of a client or of a logical device. There is no way to find the next message after a wrong
header, so a connection that brings one must be dropped.
"""

from __future__ import annotations

from protocols.errors import FrameError, LocalProtocolError

HEADER = 8
VERSION = 1
MAX_LENGTH = 0xFFFF

_VERSION = VERSION.to_bytes(2, "big")


def encode(source: int, destination: int, apdu: bytes) -> bytes:
    """One APDU of 1..65535 octets with its header; ports 0..65535. LocalProtocolError where they do not fit."""
    if not apdu or len(apdu) > MAX_LENGTH:
        raise LocalProtocolError(f"an APDU of {len(apdu)} octets does not fit the wrapper", expected="1..65535")
    if not (0 <= source <= 0xFFFF and 0 <= destination <= 0xFFFF):
        raise LocalProtocolError(f"wrapper ports {source} and {destination}", expected="0..65535")
    return b"\x00\x01%b%b%b%b" % (
        source.to_bytes(2, "big"),
        destination.to_bytes(2, "big"),
        len(apdu).to_bytes(2, "big"),
        apdu,
    )


def decode(datagram: bytes) -> tuple[int, int, bytes]:
    """Source port, destination port and APDU of one datagram, which holds exactly one. FrameError otherwise."""
    if len(datagram) < HEADER:
        raise FrameError(f"datagram of {len(datagram)} octets", 0, f"a header of {HEADER} octets")
    length = _length(datagram, 0, MAX_LENGTH)
    if length != len(datagram) - HEADER:
        raise FrameError(f"length {length} in the header", 6, f"{len(datagram) - HEADER}, which is what follows it")
    return int.from_bytes(datagram[2:4], "big"), int.from_bytes(datagram[4:6], "big"), datagram[HEADER:]


class WrapperReader:
    """Takes the octets of one TCP connection in any slices and gives the messages in them.

    ``limit`` is the largest APDU taken; a longer one breaks the connection like any wrong header. What is held never
    grows over that and its header.
    """

    __slots__ = ("_buffer", "broken", "limit")

    def __init__(self, limit: int = MAX_LENGTH) -> None:
        self.limit = limit
        self._buffer = b""
        self.broken: FrameError | None = None
        """What was wrong with the header that ended this connection's stream; None while all is well."""

    @property
    def partial(self) -> bool:
        """Whether octets of a message that is not complete are held."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Complete messages as (source port, destination port, APDU), oldest first.

        A wrong header raises FrameError, in this call when no message came before it, else in the next; ``broken`` is
        set at once. From then on every call raises it.
        """
        if self.broken is not None:
            raise self.broken
        if self._buffer:
            data = self._buffer + data
        messages: list[tuple[int, int, bytes]] = []
        at, end = 0, len(data)
        while end - at >= HEADER:
            try:
                length = _length(data, at, self.limit)
            except FrameError as error:
                self.broken = error
                self._buffer = b""
                if not messages:
                    raise
                return messages
            body = at + HEADER
            if end - body < length:
                break
            messages.append(
                (data[at + 2] << 8 | data[at + 3], data[at + 4] << 8 | data[at + 5], data[body : body + length])
            )
            at = body + length
        self._buffer = data[at:]
        return messages


def _length(data: bytes, at: int, limit: int) -> int:
    """Length in the header at ``at``, which is checked."""
    if data[at : at + 2] != _VERSION:
        raise FrameError(f"wrapper version {data[at : at + 2].hex()}", at, "0001")
    length = data[at + 6] << 8 | data[at + 7]
    if not 0 < length <= limit:
        raise FrameError(f"wrapper length {length}", at + 6, f"1..{limit}")
    return length
