"""What an end of an ASH link (:mod:`protocols.zigbee.ash`) is set to, tells and counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final, TypeAlias

from protocols.errors import LocalProtocolError

_MS: Final = 1_000_000


class ResetCode(IntEnum):
    """Why the processor started or failed: in RSTACK and ERROR."""

    UNKNOWN = 0x00
    EXTERNAL = 0x01
    POWER_ON = 0x02
    WATCHDOG = 0x03
    ASSERT = 0x06
    BOOTLOADER = 0x09
    SOFTWARE = 0x0B
    ACK_TIMEOUTS = 0x51


class State(Enum):
    """Where a link is."""

    CLOSED = "closed"
    RESETTING = "resetting"
    CONNECTED = "connected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of one end. Times in ns; the defaults are UG101's.

    ``window``: DATA frames on their way at once, 1..7. ``queue``: payloads that may wait behind them. ``timeouts``:
    waits in a row without an acknowledgement before the link is given up.
    """

    window: int = 3
    queue: int = 256
    timeouts: int = 4
    ack_initial: int = 1600 * _MS
    ack_least: int = 400 * _MS
    ack_most: int = 3200 * _MS
    not_ready: int = 1000 * _MS
    reset_wait: int = 3200 * _MS

    def __post_init__(self) -> None:
        if not 1 <= self.window <= 7:
            raise LocalProtocolError(f"an ASH window of {self.window}", expected="1..7")


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """The host wants the processor to start again; nothing is taken until :meth:`AshNcp.start`."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The processor has started: sequences are at zero. ``code`` is a :class:`ResetCode` or one nobody knows."""

    code: int


@dataclass(frozen=True, slots=True)
class Received:
    """The data of one DATA frame, in order and once: 3..128 octets, without the randomiser."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Discarded:
    """A frame that was not taken, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The link is lost until a reset."""

    code: int
    why: str


Event: TypeAlias = ResetRequested | Connected | Received | Discarded | Failed


@dataclass(slots=True)
class Counters:
    """What a link has seen since it was made."""

    received: int = 0
    duplicates: int = 0
    bad: int = 0
    resent: int = 0
    naks_sent: int = 0
    naks_received: int = 0
    timeouts: int = 0
