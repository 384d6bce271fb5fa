"""General block transfer: whole APDUs, protected or not, in numbered blocks (Green Book 9.1.4.4.9, 9.4.6.13).

Both directions of one exchange, the same on client and server. Each side says in every block how many blocks it takes
in one go (its window) and which block it had last in order. The sender streams a window, the receiver answers with a
block that carries no data; when that names an earlier block than was sent, the sender goes back to the one after it.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.dlms import axdr
from protocols.dlms.blocks import MAX_LONG, OverlongError
from protocols.dlms.enums import ApduTag
from protocols.dlms.security import PROTECTED_TAGS
from protocols.errors import DecodeError, LocalProtocolError

MAX_WINDOW = 63
MAX_NUMBER = 0xFFFF
WINDOW = 8
"""Blocks that we take in one go unless told otherwise."""
MAX_RECOVERIES = 16
"""Times that a transfer goes back without getting on before it is given up."""
_HEADER = 6
ABORT = b"\xe0\x80\x00\x00\x00\x00\x00"
"""A block that ends an exchange: last, numbered 0, acknowledging nothing, without data."""


class Block(NamedTuple):
    """One general-block-transfer APDU. ``acknowledged`` is the number of the other side's last block in order."""

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    data: bytes

    def encode(self) -> bytes:
        """Octets from the tag E0 on; window below 64, numbers of 16 bits."""
        control = (0x80 if self.last else 0) | (0x40 if self.streaming else 0) | self.window
        return (
            bytes((ApduTag.GENERAL_BLOCK_TRANSFER, control))
            + self.number.to_bytes(2, "big")
            + self.acknowledged.to_bytes(2, "big")
            + axdr.sized(self.data)
        )

    @classmethod
    def decode(cls, apdu: bytes) -> Block:
        """Raises DecodeError."""
        if len(apdu) <= _HEADER or apdu[0] != ApduTag.GENERAL_BLOCK_TRANSFER:
            raise DecodeError("no block of general block transfer", 0, "E0 and at least six octets")
        control = apdu[1]
        data, end = axdr.read_sized(apdu, _HEADER)
        if end != len(apdu):
            raise DecodeError(f"{len(apdu) - end} octets after the block", end)
        return cls(
            bool(control & 0x80),
            bool(control & 0x40),
            control & MAX_WINDOW,
            int.from_bytes(apdu[2:4], "big"),
            int.from_bytes(apdu[4:6], "big"),
            data,
        )


class Step(NamedTuple):
    """What a block led to: an APDU that is now whole, and blocks to send."""

    apdu: bytes | None = None
    send: tuple[bytes, ...] = ()


class BlockTransfer:
    """One side of general block transfer on one association.

    ``window`` is how many blocks we take in one go, ``limit`` the octets of the longest APDU put together.
    ``peer_window`` is the other side's window, 1 until it has told.
    """

    __slots__ = (
        "_acknowledged",
        "_asked",
        "_base",
        "_chunks",
        "_limit",
        "_missed",
        "_number",
        "_parts",
        "_received",
        "_recoveries",
        "_sent",
        "_size",
        "peer_window",
        "window",
    )

    def __init__(self, window: int = WINDOW, limit: int = MAX_LONG) -> None:
        self.window = window
        self.peer_window = 1
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._chunks: list[bytes] = []
        self.reset()

    def reset(self) -> None:
        """Forget the exchange in progress; the next one counts from 1. The other side's window is kept."""
        self._drop_assembly()
        self._chunks = []
        self._base = self._number = self._sent = self._acknowledged = 0
        self._received = 0
        self._recoveries = 0
        self._asked = b""
        self._missed = False  # a block has come, but not the one before it

    @property
    def sending(self) -> bool:
        """Whether the APDU given to :meth:`send` is not yet known to have arrived."""
        return self._acknowledged < self._base + len(self._chunks)

    @property
    def receiving(self) -> bool:
        """Whether an APDU has arrived in part."""
        return bool(self._parts)

    def send(self, apdu: bytes, largest: int, *, answering: bool) -> tuple[bytes, ...]:
        """The first window of an APDU cut into blocks, none longer than ``largest`` octets with its header.

        ``answering`` continues the exchange in which the other side sent its APDU in blocks; else a new one begins.
        Raises LocalProtocolError when the block numbers do not reach.
        """
        if not answering:
            self.reset()
        size = max(axdr.fitting(largest - _HEADER), 1)
        chunks = [apdu[start : start + size] for start in range(0, len(apdu), size)]
        if self._number + len(chunks) > MAX_NUMBER:
            raise LocalProtocolError(f"{len(apdu)} octets in blocks of {size} need more than {MAX_NUMBER} numbers")
        self._chunks = chunks
        self._base = self._sent = self._acknowledged = self._number
        self._recoveries = 0
        return self._stream(self._base + 1)

    def receive(self, apdu: bytes) -> Step:
        """Take one block of the other side.

        Raises DecodeError (OverlongError for an APDU over the limit); the exchange is then forgotten.
        """
        try:
            return self._take(Block.decode(apdu))
        except DecodeError:
            self.reset()
            raise

    def timeout(self) -> tuple[bytes, ...]:
        """What to send when the other side has gone quiet: what it has not acknowledged, or where we are.

        Nothing when it owes nothing. Raises DecodeError after ``MAX_RECOVERIES`` times without getting on.
        """
        if self.sending:
            self._recover()
            return self._stream(self._acknowledged + 1)
        if self._parts or self._missed:
            self._recover()
            return (self._acknowledgement(),)
        return ()

    def _take(self, block: Block) -> Step:
        if block.window:
            self.peer_window = block.window
        if not block.data and not block.number and block.last:
            self.reset()
            return Step()
        if not block.data and not self._parts:
            return self._acknowledge(block)
        if block.number == 1 and self._starts_anew(block):
            self.reset()
        if self.sending and self._sent == self._base + len(self._chunks):
            self._acknowledged = self._sent
        return self._collect(block)

    def _starts_anew(self, block: Block) -> bool:
        """Whether block 1 opens an exchange: it acknowledges nothing, or it differs from the block 1 that we hold."""
        if self._parts:
            return block.data != self._parts[0]
        # The same plain request again may well be a new one; a protected one never is, for its counter moves on.
        repeated = block.data == self._asked and block.data[0] in PROTECTED_TAGS
        return not block.acknowledged and not repeated

    def _acknowledge(self, block: Block) -> Step:
        """A block without data: how far ours have come."""
        self._received = max(self._received, block.number)
        acknowledged = block.acknowledged
        if not self.sending or acknowledged < self._acknowledged:
            return Step()
        if acknowledged > self._sent:
            raise DecodeError(f"block {acknowledged} acknowledged", 4, f"at most {self._sent}")
        if acknowledged == self._acknowledged and self._sent > acknowledged:
            self._recover()
        else:
            self._recoveries = 0
        self._acknowledged = acknowledged
        return Step(send=self._stream(acknowledged + 1)) if self.sending else Step()

    def _collect(self, block: Block) -> Step:
        answered = not block.streaming and block.window > 0
        if block.number == self._received + 1:
            self._size += len(block.data)
            if self._size > self._limit:
                raise OverlongError(f"more than {self._limit} octets in blocks")
            self._parts.append(block.data)
            self._received = block.number
            self._recoveries = 0
            self._missed = False
            if block.last:
                whole = b"".join(self._parts)
                self._asked = whole if block.number == 1 else b""
                self._drop_assembly()
                return Step(apdu=whole)
            return Step(send=(self._acknowledgement(),)) if answered else Step()
        self._missed = self._missed or block.number > self._received
        if not answered:
            return Step()
        self._recover()
        if block.number == self._received and self._chunks and not self._parts:
            # The last block of a request comes again: our answer to it got lost.
            self._acknowledged = self._base
            return Step(send=self._stream(self._base + 1))
        return Step(send=(self._acknowledgement(),))

    def _stream(self, start: int) -> tuple[bytes, ...]:
        final = self._base + len(self._chunks)
        end = min(start + self.peer_window - 1, final)
        self._sent = max(self._sent, end)
        self._number = max(self._number, end)
        return tuple(
            Block(
                number == final,
                number != end,
                self.window,
                number,
                self._received,
                self._chunks[number - self._base - 1],
            ).encode()
            for number in range(start, end + 1)
        )

    def _acknowledgement(self) -> bytes:
        self._number = min(self._number + 1, MAX_NUMBER)
        return Block(True, False, self.window, self._number, self._received, b"").encode()

    def _recover(self) -> None:
        self._recoveries += 1
        if self._recoveries > MAX_RECOVERIES:
            raise DecodeError(f"no progress after {MAX_RECOVERIES} attempts to recover a block")

    def _drop_assembly(self) -> None:
        self._parts = []
        self._size = 0
