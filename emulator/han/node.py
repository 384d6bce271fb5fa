"""One radio's part in a Zigbee network: its short address, its counters and sequence numbers, what waits for it.

Outgoing frame counters must never repeat under one key. They are reserved ahead in the non-volatile memory, so that a
device which loses its power goes on after the last one that it may have used (Zigbee specification 4.3.1.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.han.medium import Radio
from emulator.han.message import NOWHERE
from emulator.nvm import Image, Saved
from protocols.zigbee.security import COUNTER_MAX

if TYPE_CHECKING:
    from emulator.han.member import Member

RESERVED_AHEAD = 1024
"""Frame counters between two writes of the non-volatile memory."""


class Node:
    """One radio on the network. ``member`` is None for the coordinator."""

    __slots__ = (
        "_keep",
        "_reserved",
        "address",
        "aps_sequence",
        "counter",
        "link_counter",
        "mac_sequence",
        "member",
        "nwk_sequence",
        "radio",
        "waiting",
    )

    def __init__(self, radio: Radio, keep: Callable[[], bool], member: Member | None = None) -> None:
        """``keep`` writes the device's non-volatile memory: whether that is safe."""
        self.radio = radio
        self.member = member
        self.address = NOWHERE
        self.counter = self.link_counter = 0
        """Next outgoing frame counter of the network key, and the one of the link keys, 32 bits."""
        self.mac_sequence = self.nwk_sequence = self.aps_sequence = 0
        self.waiting = 0
        """Messages that its parent holds for it."""
        self._reserved = 0
        self._keep = keep

    @property
    def eui64(self) -> bytes:
        """Its EUI-64."""
        return self.radio.eui64

    def spend(self, *, secured: bool, count: int = 1) -> None:
        """So many more frames that the network key protects, and a link key too where they are ``secured``."""
        self.counter += count
        if secured:
            self.link_counter += count
        if self.counter > self._reserved or self.link_counter > self._reserved:
            self._reserve()

    def next_counter(self) -> int:
        """The frame counter of one more frame that the network key protects."""
        counter = self.counter
        self.counter = counter + 1
        if counter >= self._reserved:
            self._reserve()
        return counter

    def next_link_counter(self) -> int:
        """The frame counter of one more frame that a link key protects."""
        counter = self.link_counter
        self.link_counter = counter + 1
        if counter >= self._reserved:
            self._reserve()
        return counter

    def _reserve(self) -> None:
        used = max(self.counter, self.link_counter)
        beyond = (used - self._reserved - 1) % (RESERVED_AHEAD + 1)  # frames since it was due, where many are counted
        self._reserved = used - beyond + RESERVED_AHEAD
        if not self._keep():
            self._reserved = used  # the next frame tries again

    def next_mac(self) -> int:
        """The sequence number of one more MAC frame, an octet."""
        self.mac_sequence = self.mac_sequence + 1 & 0xFF
        return self.mac_sequence

    def next_nwk(self) -> int:
        """The sequence number of one more network frame, an octet."""
        self.nwk_sequence = self.nwk_sequence + 1 & 0xFF
        return self.nwk_sequence

    def next_aps(self) -> int:
        """The counter of one more APS frame, an octet."""
        self.aps_sequence = self.aps_sequence + 1 & 0xFF
        return self.aps_sequence

    def image(self) -> Image:
        """For the non-volatile memory: the address, and the counters as far as they are reserved."""
        return {"address": self.address, "reserved": self._reserved}

    def restore(self, saved: Saved) -> None:
        """Go on beyond the counters that may have been used when :meth:`image` was made; the address is the network's
        to restore."""
        self.counter = self.link_counter = self._reserved = saved.within("reserved", 0, COUNTER_MAX)
