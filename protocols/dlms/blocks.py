"""Long values in numbered blocks: what GET, SET and ACTION share of their block transfers (Green Book 9.3.5 to 9.3.7).

Blocks count from 1. Raw data of a block is any slice of the encoded octets; where it is cut means nothing.
"""

from __future__ import annotations

from protocols.errors import DecodeError

MAX_LONG = 1 << 20
"""Most octets that are put together from blocks before a transfer is given up."""


class Outgoing:
    """Octets that leave in blocks, each when it is asked for. ``number`` is that of the block sent last."""

    __slots__ = ("_data", "_position", "number")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self.number = 0

    @property
    def exhausted(self) -> bool:
        """Whether the last block has been taken."""
        return self._position >= len(self._data)

    @property
    def left(self) -> int:
        """Octets not yet taken."""
        return max(len(self._data) - self._position, 0)

    def take(self, octets: int) -> bytes:
        """The next block, of at most ``octets`` octets (at least one)."""
        start = self._position
        self._position = start + max(octets, 1)
        self.number += 1
        return self._data[start : self._position]


class Incoming:
    """Octets that arrive in blocks. ``number`` is that of the block taken last."""

    __slots__ = ("_limit", "_parts", "_size", "number")

    def __init__(self, limit: int = MAX_LONG) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = limit
        self.number = 0

    def add(self, number: int, raw: bytes) -> None:
        """Take the block after the last one.

        Raises DecodeError for any other number, and OverlongError when it makes the whole longer than the limit.
        """
        if number != self.number + 1:
            raise DecodeError(f"block {number}", None, f"block {self.number + 1}")
        if self._size + len(raw) > self._limit:
            raise OverlongError(f"more than {self._limit} octets in blocks")
        self._parts.append(raw)
        self._size += len(raw)
        self.number = number

    def octets(self) -> bytes:
        """All of it so far."""
        return b"".join(self._parts)


class OverlongError(DecodeError):
    """More octets than one transfer may bring."""
