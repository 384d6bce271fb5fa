"""A device log that is wrong on purpose: what it says and who is there disagree.

Each way is put in force by :func:`disagree`, which gives the call that ends it. Entries that were lost come back as far
as others have not taken their room meanwhile. A ghost, the entry and mirror of a
meter that has gone, needs none of them: it is what :func:`emulator.premises.replace_gas_meter` leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from emulator.han.device_log import Entry
from emulator.time import stream

if TYPE_CHECKING:
    from emulator.han.network import Network


class Disagreement(Enum):
    """What is wrong with the log."""

    ENTRY_WITHOUT_DEVICE = "an entry, joined and with a key, of a device that is nowhere"
    DEVICE_WITHOUT_ENTRY = "a device that joined has no entry"
    STALE_KEY = "the entry has another link key than the device"
    WRONG_KIND = "the entry says that the device is of another kind"
    TRUNCATED = "the entries from this one on are gone"


def disagree(network: Network, kind: Disagreement, eui64: bytes) -> Callable[[], None]:
    """Make the log wrong about the device with that EUI-64; the call that is returned puts it right.

    For ENTRY_WITHOUT_DEVICE it is the EUI-64 of the entry that is made. Raises KeyError for a device that the log does
    not have, and ValueError for an entry that it has already, or has no room for.
    """
    log = network.log
    chance = stream(network.hub.seed, network.hub.identity.device_id, f"{kind.name} {eui64.hex()}")
    match kind:
        case Disagreement.ENTRY_WITHOUT_DEVICE:
            if eui64 in log.entries or len(log.entries) >= log.capacity:
                raise ValueError(f"{eui64.hex()}: the device log has it already, or is full")
            log.entries[eui64] = Entry(eui64, chance.randbytes(16), 0, joined=True)

            def end() -> None:
                log.entries.pop(eui64, None)

        case Disagreement.DEVICE_WITHOUT_ENTRY | Disagreement.TRUNCATED:
            order = list(log.entries)
            place = order.index(eui64) if eui64 in log.entries else None
            if place is None:
                raise KeyError(eui64.hex())
            gone = order[place : place + 1] if kind is Disagreement.DEVICE_WITHOUT_ENTRY else order[place:]
            lost = {name: log.entries.pop(name) for name in gone}

            def end() -> None:
                room = log.capacity - len(log.entries)
                back = [name for name in lost if name not in log.entries][:room]
                there = {**{name: lost[name] for name in back}, **log.entries}
                places = {name: place for place, name in enumerate(order)}
                log.entries = {
                    name: there[name] for name in sorted(there, key=lambda name: places.get(name, len(places)))
                }

        case Disagreement.STALE_KEY:
            entry = log.entries[eui64]
            right, wrong = entry.key, chance.randbytes(16)
            entry.key = wrong

            def end() -> None:
                if entry.key == wrong:  # nobody has given it another meanwhile
                    entry.key = right

        case Disagreement.WRONG_KIND:
            entry = log.entries[eui64]
            known, wrong = entry.kind, network.another_kind(entry.kind)
            entry.kind = wrong

            def end() -> None:
                if entry.kind == wrong:
                    entry.kind = known

    network.review_all()

    def put_right() -> None:
        end()
        network.review_all()

    return put_right
