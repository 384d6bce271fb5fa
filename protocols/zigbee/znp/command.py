"""What declarations of ZNP commands share: field types, statuses, and the :class:`Command` itself.

Source: TI "Z-Stack Monitor and Test API" (Z-Stack 1.2 and 3.0), "CC2530-ZNP Interface Specification".
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from construct import (
    Construct,
    GreedyBytes,
    Int8ul,
    Int16ul,
    Prefixed,
    PrefixedArray,
    Struct,
    Terminated,
)

from protocols.zigbee.mt import Subsystem


class Status(IntEnum):
    """Statuses of answers and confirms that the emulated processor gives."""

    SUCCESS = 0x00
    FAILURE = 0x01
    INVALID_PARAMETER = 0x02
    NV_ITEM_CREATED = 0x09
    """Of an item that was not there: a request to make it has made it, one to delete it had nothing to do."""
    NV_OPERATION_FAILED = 0x0A
    NV_BAD_LENGTH = 0x0C
    APS_NO_ACK = 0xB7
    APS_DUPLICATE_ENTRY = 0xB8
    NWK_INVALID_REQUEST = 0xC2
    NWK_TABLE_FULL = 0xC7
    NWK_NO_ROUTE = 0xCD
    MAC_NO_ACK = 0xE9
    MAC_TRANSACTION_EXPIRED = 0xF0


class DeviceState(IntEnum):
    """What a ZDO state change tells (ZDO_STATE_CHANGE_IND)."""

    HOLD = 0
    INITIALISED = 1
    DISCOVERING = 2
    COORDINATOR_STARTING = 8
    COORDINATOR = 9


class AddressMode(IntEnum):
    """How a request names its destination."""

    GROUP = 1
    SHORT = 2
    EXTENDED = 3
    BROADCAST = 15


class TransmitOption(IntFlag):
    """Options of a data request."""

    ACKNOWLEDGE = 0x10
    DISCOVER_ROUTE = 0x20
    SECURE = 0x40
    """Protect it with the link key as well."""


class Capability(IntFlag):
    """Subsystems that an answer to a ping says are there."""

    SYS = 0x0001
    MAC = 0x0002
    NWK = 0x0004
    AF = 0x0008
    ZDO = 0x0010
    SAPI = 0x0020
    UTIL = 0x0040
    APP_CONFIG = 0x0400
    """Without it hosts take the processor for a Z-Stack 1.2."""


class Startup(IntEnum):
    """What a request to start has found."""

    RESTORED = 0
    NEW = 1
    NOT_STARTED = 2


class Relation(IntEnum):
    """What an associated device is to the coordinator."""

    CHILD_ASLEEP = 1
    CHILD_LISTENING = 2
    ROUTER_ASLEEP = 3
    ROUTER = 4
    NEIGHBOUR = 5
    NONE = 0xFF


def fields(*declared: Construct) -> Construct:
    """A layout of these fields and nothing after them."""
    return Struct(*declared, Terminated)


STATUS: Final = fields("status" / Int8ul)
"""The answer of most requests."""
SHORT_BYTES: Final = Prefixed(Int8ul, GreedyBytes)
LONG_BYTES: Final = Prefixed(Int16ul, GreedyBytes)
SHORT_LIST: Final = PrefixedArray(Int8ul, Int16ul)
"""Clusters or short addresses, at most 255."""


class Command(NamedTuple):
    """One command: what the host asks and the processor answers, or, of an event (no ``answer``), what it tells."""

    name: str
    subsystem: Subsystem
    id: int
    fields: Construct
    answer: Construct | None

    @property
    def key(self) -> tuple[int, int]:
        """Subsystem and id, by which a frame names it."""
        return int(self.subsystem), self.id


def request(name: str, subsystem: Subsystem, id: int, *declared: Construct, answer: Construct = STATUS) -> Command:
    """Declare a request with these fields."""
    return Command(name, subsystem, id, fields(*declared), answer)


def event(name: str, subsystem: Subsystem, id: int, *declared: Construct) -> Command:
    """Declare an event with these fields."""
    return Command(name, subsystem, id, fields(*declared), None)
