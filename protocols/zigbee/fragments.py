"""Long APS payloads in blocks (specification 2.2.8.4.5): cut, acknowledged by windows, and put together again.

No time is kept here: the sender repeats what :meth:`Sending.due` gives until its retries are used up, the receiver
drops a :class:`Reassembly` that has waited too long.
"""

from __future__ import annotations

from typing import Final

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.aps import Block, Part

MAX_BLOCKS: Final = 255
MAX_WINDOW: Final = 8
_ALL: Final = 0xFF


def fragments(payload: bytes, size: int) -> list[tuple[Block, bytes]]:
    """The blocks of ``payload``, each with its extended header, ``size`` octets each but the last.

    LocalProtocolError for a payload of one block, which goes without this, or of more than 255.
    """
    count = -(-len(payload) // size) if size > 0 else 0
    if not 2 <= count <= MAX_BLOCKS:
        raise LocalProtocolError(f"{len(payload)} octets in blocks of {size}", expected=f"2 to {MAX_BLOCKS} blocks")
    cut = [payload[at : at + size] for at in range(0, len(payload), size)]
    heads = [Block(Part.FIRST, count), *(Block(Part.LATER, number) for number in range(1, count))]
    return list(zip(heads, cut, strict=True))


class Sending:
    """A payload on its way in blocks, ``window`` (1..8) of them between two acknowledgements."""

    __slots__ = ("_base", "_blocks", "_missing", "_window")

    def __init__(self, payload: bytes, size: int, window: int = 1) -> None:
        _check_window(window)
        self._blocks = fragments(payload, size)
        self._window = window
        self._base = 0
        self._missing = self._whole_window()

    @property
    def done(self) -> bool:
        """Whether every block is acknowledged."""
        return self._base >= len(self._blocks)

    def due(self) -> list[tuple[Block, bytes]]:
        """The blocks of the present window that are not acknowledged."""
        return [self._blocks[number] for number in self._missing]

    def acknowledged(self, block: Block) -> bool:
        """Takes an acknowledgement; whether it brought anything new. One of another window does not."""
        if block.received is None or block.number != self._base or self.done:
            return False
        missing = [number for number in self._missing if not block.received >> (number - self._base) & 1]
        new = missing != self._missing
        self._missing = missing
        if not missing:
            self._base += self._window
            self._missing = self._whole_window()
        return new

    def _whole_window(self) -> list[int]:
        return list(range(self._base, min(self._base + self._window, len(self._blocks))))


class Reassembly:
    """One message coming in blocks; ``window`` (1..8) and ``limit``, octets held at most, are the receiver's."""

    __slots__ = ("_blocks", "_held", "_limit", "_window", "total")

    def __init__(self, window: int = 1, limit: int = 0x10000) -> None:
        _check_window(window)
        self._window = window
        self._limit = limit
        self._blocks: dict[int, bytes] = {}
        self._held = 0
        self.total: int | None = None
        """How many blocks the message has; None until the first of them is here."""

    @property
    def payload(self) -> bytes | None:
        """The message when all of it is here."""
        if self.total is None or len(self._blocks) < self.total:
            return None
        return b"".join(self._blocks[number] for number in range(self.total))

    def add(self, block: Block, payload: bytes) -> Block | None:
        """Takes a block, one that is here already too; the acknowledgement to send, if it is due now.

        It is due when the block completes its window, is the last of it, or was here already. DecodeError for a block
        that cannot be of this message or would make it longer than the limit; what is held stays as it was.
        """
        number = 0 if block.part is Part.FIRST else block.number
        if block.part is Part.FIRST:
            self._begin(block.number)
        elif not 1 <= number < (self.total or MAX_BLOCKS):
            raise DecodeError(f"block {number} of {self.total or 'a message'}", expected="one of the message")
        again = number in self._blocks
        if not again:
            if self._held + len(payload) > self._limit:
                raise DecodeError(f"a message of over {self._limit} octets in blocks", expected="a shorter one")
            self._blocks[number] = payload
            self._held += len(payload)
        base = number - number % self._window
        window = range(base, min(base + self._window, self.total or MAX_BLOCKS))
        if not again and number != window[-1] and any(each not in self._blocks for each in window):
            return None
        lacking = sum(1 << each - base for each in window if each not in self._blocks)
        return Block(Part.FIRST if base == 0 else Part.LATER, base, _ALL & ~lacking)

    def _begin(self, total: int) -> None:
        if not 2 <= total <= MAX_BLOCKS or (self.total is not None and total != self.total):
            raise DecodeError(f"a message of {total} blocks", expected=f"2 to {MAX_BLOCKS}, always the same")
        if any(number >= total for number in self._blocks):
            raise DecodeError(f"a message of {total} blocks, of which later ones are here", expected="more")
        self.total = total


def _check_window(window: int) -> None:
    if not 1 <= window <= MAX_WINDOW:
        raise LocalProtocolError(f"a window of {window} blocks", expected=f"1 to {MAX_WINDOW}")
