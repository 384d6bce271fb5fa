"""The air of a rig's HANs for those who listen in: captures, traces, and the keys and names that make sense of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Protocol, TypeAlias

from emulator.han.message import COORDINATOR
from protocols.zigbee.mac import Address

if TYPE_CHECKING:
    from emulator.han.medium import Link
    from emulator.hub import Hub


class AirListener(Protocol):
    """Hears the air of one HAN, in the order of time."""

    def frame(self, now: int, octets: bytes, heard: Link) -> None:
        """A frame with its check sequence, at ``now`` (ns of the rig), and how it is heard."""
        ...

    def explained(self, now: int, text: str) -> None:
        """A sentence on what a radio dropped, or its device refused, and why."""
        ...


AirMaker: TypeAlias = "Callable[[str, Hub], AirListener]"
"""Makes a listener for the air of the HAN that a hub formed; the name is ``premises/hub/han``."""


AIR_PORT = "han"
"""What the air of a HAN is called beside the ports of its hub."""


def air_name(premises: str) -> str:
    """What the air of a premises' HAN is called, beside the names of ports."""
    return f"{premises}/hub/{AIR_PORT}"


def listen(
    name: str, hub: Hub, makers: Iterable[AirMaker], explain: Callable[[str, str], None] | None
) -> Callable[[], None]:
    """Have the listeners hear a HAN, and ``explain`` what is dropped there, until what is returned is called."""
    air = hub.han.air
    listeners = [make(name, hub) for make in makers]
    latest = hub.clock.now

    def hear(now: int, octets: bytes, heard: Link) -> None:
        nonlocal latest
        latest = now
        for listener in listeners:
            listener.frame(now, octets, heard)

    def tell(text: str) -> None:
        now = max(latest, hub.clock.now)  # a frame said just now may be on the air a little later
        for listener in listeners:
            listener.explained(now, text)
        if explain is not None:
            explain(name, text)

    if listeners or explain is not None:
        air.explain = tell
    ended = air.listen(hear) if listeners else None

    def end() -> None:
        air.explain = None
        if ended is not None:
            ended()

    return end


class HubKeys:
    """Keys and names of the HAN that a hub formed, as they are when they are asked for.

    It is the :class:`rigs.zigbee_text.AirKeys` of a running rig. Network keys that were in use before stay known.
    """

    __slots__ = ("_hub", "_network_keys", "_pair_keys")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._network_keys: dict[int, bytes] = {}
        self._pair_keys: dict[tuple[bytes, bytes], bytes] = {}
        self.network_key(0)

    def network_key(self, sequence: int) -> bytes | None:
        """The network key with that number, if it is in use or was since we look."""
        han = self._hub.han
        self._network_keys[han.key_sequence] = han.network_key
        return self._network_keys.get(sequence)

    def link_keys(self) -> Iterator[bytes]:
        """The link keys of the device log, the historic one too, and those that devices in range have."""
        han = self._hub.han
        for entry in han.log:
            yield entry.key
        yield from han.log.historic.values()
        for member in han.members:
            yield from member.keys
        for _, key in self._pairs():
            yield key

    def labelled(self) -> Iterator[tuple[str, bytes]]:
        """The keys that a dissector may need, and what each is: the network key, link keys of install codes, and those
        that took their place."""
        han = self._hub.han
        yield f"network key {han.key_sequence} of {self._hub.identity.device_id}", han.network_key
        for member in han.members:
            device = member.device.identity.device_id
            yield f"install code of {device}", member.first_key
            if member.link_key not in (b"", member.first_key):
                yield f"link key of {device}", member.link_key
        yield from self._pairs()

    def _pairs(self) -> Iterator[tuple[str, bytes]]:
        """The link keys between devices that are no hub."""
        han = self._hub.han
        for one, other in combinations(han.members, 2):
            pair = one.node.eui64, other.node.eui64
            if pair not in self._pair_keys:
                self._pair_keys[pair] = han.link_key(one.node, other.node)
            label = f"link key of {one.device.identity.device_id} and {other.device.identity.device_id}"
            yield label, self._pair_keys[pair]

    def name(self, address: Address) -> str | None:
        """The device with that EUI-64 or short address."""
        han, hub = self._hub.han, self._hub.identity
        if isinstance(address, bytes):
            member = han.find(address)
            return (
                hub.device_id if address == hub.eui64 else None if member is None else member.device.identity.device_id
            )
        if address == COORDINATOR:
            return hub.device_id
        # One that is on the network goes before one that only remembers the address.
        found = [member for member in han.members if member.node.address == address]
        found.sort(key=lambda member: not member.on)
        return found[0].device.identity.device_id if found else None


def dissector_option(label: str, key: bytes) -> str:
    """An option of tshark's command line that gives it a key, quoted for a shell."""
    octets = ":".join(f"{octet:02X}" for octet in key)
    return "-o " + shlex.quote(f'uat:zigbee_pc_keys:"{octets}","Normal","{label}"')
