"""The home area network (HAN) of one premises: who is on it, with which keys, and how devices get there.

The hub forms it and is its trust centre. What it knows of the others is its device log; what a device knows is its
:class:`Member`: the link key it has and the network key it was given. A device communicates while the two agree and the
air carries. One that is not on the network looks for it: a new one, or one that was told to leave, every
``search_period``; one that lost a network it belongs to, with growing pauses.

Joining is worked out as one step at the instant of the attempt. A device presents the link key that follows from its
install code, or the one it got on this network. A wrong one leaves it without the network key, and both ends log the
failure. An attempt while the permit-join window is closed meets no open network: neither end logs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from emulator.firmware import HanSettings, JoinSettings, RegisteredKey
from emulator.han.device_log import DeviceLog, Entry, Registration
from emulator.han.medium import FIRST_CHANNEL, LAST_CHANNEL, Medium, Place, Radio
from emulator.nvm import Image, Saved
from emulator.time import SECOND, Event, stream
from protocols.zigbee import install_code, mmo

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.events import EventName
    from emulator.hub import Hub
    from emulator.meter import Meter

NO_KEY = b""
_PATIENT = JoinSettings(15 * SECOND, 60 * SECOND, 3600 * SECOND)
"""Of a profile that says nothing."""
_HUB = Place(0, 0)
_BESIDE_HUB = Place(20, 0)
"""SMETS1 hubs sit on or beside the electricity meter."""
_NEAREST_GAS, _FARTHEST_GAS = 100, 800  # cm


class Refusal(Enum):
    """Why a device did not get onto the network."""

    NO_NETWORK = "no network in range"
    CLOSED = "the permit-join window is closed"
    UNKNOWN = "the device log does not have it"
    WRONG_KEY = "its key is not the one in the device log"
    WRONG_KIND = "it is not what the device log says"


class Member:
    """What a device knows of the HAN, and its search for it. ``on`` is whether it communicates."""

    __slots__ = ("_event", "_network", "device", "link_key", "network_key", "on", "radio", "refusal", "tries")

    def __init__(self, network: Network, device: Meter, radio: Radio) -> None:
        self._network = network
        self.device = device
        self.radio = radio
        self.link_key = self.network_key = NO_KEY
        self.on = False
        self.tries = 0
        self.refusal: Refusal | None = None
        """What came of the last attempt, None for success."""
        self._event: Event | None = None

    @property
    def install_code(self) -> bytes:
        """The code on its label, with the CRC."""
        return install_code.with_crc(self.device.ring.key("install_code", 16))

    @property
    def first_key(self) -> bytes:
        """The link key that follows from its install code."""
        return install_code.link_key(self.install_code)

    @property
    def keys(self) -> Sequence[bytes]:
        """Link keys that it can present: the one of this network, that after a swap-out of the hub, its first."""
        return (self.link_key, mmo.digest(self.link_key), self.first_key) if self.link_key else (self.first_key,)

    def join(self) -> Refusal | None:
        """Look for the network now, as by the button on the device; None when it is on it."""
        self._stop()
        self.refusal = self._network.admit(self)
        self.tries = 0 if self.refusal is None else self.tries + 1
        self._network.review(self)
        return self.refusal

    def move(self, network: Network, channel: int) -> None:
        """Be where another hub's network is, found on that channel."""
        self._network = network
        self.radio.channel = channel

    def leave(self) -> None:
        """Forget the network."""
        self.link_key = self.network_key = NO_KEY
        self.tries = 0
        self._stop()

    def seek(self) -> None:
        """Look for the network from time to time, if it does not already."""
        if self._event is None:
            clock = self.device.clock
            self._event = clock.schedule(clock.now + self._pause(), self._try)

    def found(self) -> None:
        """It is on the network: nothing to look for."""
        self.tries = 0
        self._stop()

    def _pause(self) -> int:
        settings = self.device.firmware.joining or _PATIENT
        if not self.network_key:
            return settings.search_period
        return min(settings.first_pause << min(self.tries, 16), settings.longest_pause)

    def _try(self) -> None:
        self._event = None
        if self.device.ready:
            self.join()
        else:
            self.seek()

    def _stop(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def image(self) -> Image:
        """For the device's non-volatile memory."""
        return {"link_key": self.link_key.hex(), "network_key": self.network_key.hex()}

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said."""
        self.link_key, self.network_key = saved.octets("link_key"), saved.octets("network_key")
        self._network.review(self)


class Network:
    """The HAN that one hub formed. It is the hub's :class:`~emulator.han.link.HanLink`."""

    __slots__ = (
        "_radio",
        "_settings",
        "delay",
        "hub",
        "join_timeout",
        "key_sequence",
        "log",
        "medium",
        "members",
        "network_key",
        "pan_id",
    )

    def __init__(self, hub: Hub, settings: HanSettings, delay: int) -> None:
        identity = hub.identity
        self.hub = hub
        self.delay = delay
        self._settings = settings
        chance = self._chance("han")
        self.log = DeviceLog(settings.capacity, settings.historic_capacity)
        self.join_timeout = settings.join_timeout
        """Seconds that the permit-join window is opened for."""
        self.pan_id = chance.randrange(1, 0xFFFF)
        self.network_key = chance.randbytes(16)
        self.key_sequence = 0
        self.medium = Medium(hub.clock, hub.seed, identity.device_id)
        self._radio = Radio(identity.device_id, identity.eui64, _HUB, chance.randint(FIRST_CHANNEL, LAST_CHANNEL))
        self.medium.add(self._radio)
        self.medium.changed = self.review_all
        self.members: list[Member] = []

    def _chance(self, purpose: str) -> Random:
        return stream(self.hub.seed, self.hub.identity.device_id, purpose)

    @property
    def channel(self) -> int:
        """Its channel, 11 to 26."""
        return self._radio.channel

    # --- devices

    def place(self, device: Meter, *, commissioned: bool = False) -> Member:
        """Bring a device into the dwelling; one that is ``commissioned`` has been on the network since."""
        kind = device.firmware.kind
        chance = stream(device.seed, device.identity.device_id, "place")
        place = _BESIDE_HUB if kind == "electricity" else Place(0, chance.randint(_NEAREST_GAS, _FARTHEST_GAS))
        name = f"{device.identity.device_id} {device.identity.eui64.hex()}"
        member = Member(self, device, Radio(name, device.identity.eui64, place, self.channel))
        self._enter(member)
        if commissioned:
            key = member.first_key
            member.link_key, member.network_key, member.on = key, self.network_key, True
            self.log.register(device.identity.eui64, key, self._kind_number(kind))
            self.log.join(device.identity.eui64, key).heard_at = device.installed_at
        else:
            self.hub.lost(device)
            member.seek()
        return member

    def adopt(self, member: Member) -> None:
        """A device of another hub's network, taken away from there, is in range of this hub, which replaces it."""
        member.move(self, self.channel)
        self._enter(member)
        self.review(member)

    def _enter(self, member: Member) -> None:
        self.medium.add(member.radio)
        self.members.append(member)
        member.device.kept["han"] = member

    def take_away(self, device: Meter) -> None:
        """Take a device out of the dwelling. The hub does not know."""
        member = self.member(device)
        self.medium.remove(member.radio)
        self.members.remove(member)
        member.found()
        del device.kept["han"]
        if member.on:
            member.on = False
            self.hub.lost(device)

    def member(self, device: Device) -> Member:
        """A device that is here; KeyError for one that is not."""
        for member in self.members:
            if member.device is device:
                return member
        raise KeyError(device.identity.device_id)

    def find(self, eui64: bytes) -> Member | None:
        """The device with that EUI-64, None where none is here."""
        return next((member for member in self.members if member.device.identity.eui64 == eui64), None)

    # --- the link

    def way(self, member: Member) -> int | None:
        """Relays between a device and the hub on the best way there is, None where there is none."""
        relays = [other.radio for other in self.members if other.on and other.device.firmware.sleep is None]
        way = self.medium.route(member.radio, self._radio, [radio for radio in relays if radio is not member.radio])
        return None if way is None else len(way) - 2

    def agrees(self, member: Member) -> bool:
        """Whether the device log and the device say the same: it is on this network, with this key."""
        entry = self.log.entries.get(member.device.identity.eui64)
        return (
            entry is not None
            and entry.joined
            and entry.key == member.link_key
            and member.network_key == self.network_key
        )

    def reaches(self, source: Device, target: Device) -> bool:
        """Whether both have power and have started, and the one that is not the hub is on the network."""
        other = target if source is self.hub else source
        return source.ready and target.ready and any(item.on for item in self.members if item.device is other)

    def deliver(self, source: Device, target: Device, arrived: Callable[[], None]) -> None:
        """Run ``arrived`` after the delay, if the target can be reached then."""
        if not self.reaches(source, target):
            return

        def due() -> None:
            if self.reaches(source, target):
                arrived()

        self.hub.clock.schedule(self.hub.clock.now + self.delay, due)

    def review_all(self) -> None:
        """Look anew at who is on the network."""
        for member in list(self.members):
            self.review(member)

    def review(self, member: Member) -> None:
        """Look anew at whether a device is on the network, and let the hub know."""
        on = self.agrees(member) and self.way(member) is not None
        if on and not member.on:
            member.on = True
            member.found()
            self.hub.gained(member.device)
        elif member.on and not on:
            member.on = False
            self.hub.lost(member.device)
        if not on:
            member.seek()

    # --- joining

    def admit(self, member: Member) -> Refusal | None:
        """A device asks for the network: None when it was given the network key."""
        way = self.way(member)
        if not self.hub.ready or way is None:
            return Refusal.NO_NETWORK
        now, eui64 = self.hub.clock.now, member.device.identity.eui64
        entry = self.log.entries.get(eui64)
        if entry is not None and entry.joined and member.link_key and entry.key in member.keys:
            self._give(member, entry, entry.key)  # a rejoin, which needs no window
            return None
        if not self.log.is_open(now):
            return Refusal.CLOSED
        wanted = self.log.key_for(eui64, now)
        if entry is None or wanted is None:
            return self._refuse(member, Refusal.UNKNOWN)
        if not self._is_kind(member, entry):
            return self._refuse(member, Refusal.WRONG_KIND)
        if wanted not in member.keys:
            return self._refuse(member, Refusal.WRONG_KEY)
        self._give(member, self.log.join(eui64, wanted), wanted)
        self._record("device_joined", member)
        return None

    def _give(self, member: Member, entry: Entry, key: bytes) -> None:
        member.link_key, member.network_key = key, self.network_key
        self._hear(member, entry)
        entry.successes = min(entry.successes + 1, 0xFF)

    def _refuse(self, member: Member, refusal: Refusal) -> Refusal:
        entry = self.log.entries.get(member.device.identity.eui64)
        if entry is not None:
            entry.failures = min(entry.failures + 1, 0xFF)
            self._hear(member, entry)
        self._record("join_failed", member)
        return refusal

    def _record(self, event: EventName, member: Member) -> None:
        member.device.attend()
        for end in (self.hub, member.device):
            end.record(event)

    def _hear(self, member: Member, entry: Entry, instant: int | None = None) -> None:
        link = self.medium.link(member.radio, self._radio)
        entry.heard(self.hub.clock.now if instant is None else instant, link.rssi, link.lqi, self.way(member) or 0)

    def _kind_number(self, kind: str) -> int:
        return next((number for number, name in self._settings.kinds.items() if name == kind), 0)

    def another_kind(self, number: int) -> int:
        """A number of another kind of device; ValueError where the profile knows no other."""
        for other in self._settings.kinds:
            if other != number:
                return other
        raise ValueError(f"the profile {self.hub.firmware.name} knows no other kind of device")

    def _is_kind(self, member: Member, entry: Entry) -> bool:
        wanted = self._settings.kinds.get(entry.kind)
        return wanted is None or wanted == member.device.firmware.kind

    # --- what a client of the hub can do (class 104)

    def permit(self, allowed: bool) -> None:
        """Open the permit-join window for the join time-out, or close it."""
        self.log.permit(self.hub.clock.now, self.join_timeout if allowed else 0)

    @property
    def permitting(self) -> bool:
        """Whether the window is open."""
        return self.log.is_open(self.hub.clock.now)

    def register(self, eui64: bytes, key: bytes, kind: int) -> bool:
        """Add a device to the log: False when there is no room.

        ``key`` is a link key, or an install code without its CRC where the profile says so.
        """
        if self._settings.registered_key is RegisteredKey.INSTALL_CODE:
            key = install_code.link_key(install_code.with_crc(key))
        outcome = self.log.register(eui64, key, kind)
        if outcome is Registration.ADDED:
            self.hub.record("device_log_changed")
        return outcome is not Registration.FULL

    def unregister(self, eui64: bytes) -> bool:
        """Remove a device from the log and tell it to leave, if it hears: False when it was not there."""
        member = self.find(eui64)
        heard = member is not None and member.on and self.reaches(self.hub, member.device)
        if not self.log.unregister(eui64):
            return False
        self.hub.remove_mirror(eui64)
        if member is not None:
            if heard:
                member.leave()
            self.review(member)
        self.hub.record("device_log_changed")
        return True

    def unregister_all(self) -> None:
        """Remove every device."""
        for eui64 in list(self.log.entries):
            self.unregister(eui64)

    def restore_backup(self, devices: list[tuple[bytes, bytes]]) -> bool:
        """Take over the devices of a hub that this one replaces: False, and nothing changed, when there is no room."""
        if not self.log.restore_backup(devices):
            return False
        self.hub.record("device_log_changed")
        self.review_all()
        return True

    def update_network_key(self) -> None:
        """Change the network key. A device that cannot be told now, as a sleeping one, rejoins with its link key."""
        told = [member for member in self.members if member.on and member.device.firmware.sleep is None]
        self.key_sequence = self.key_sequence + 1 & 0xFF
        self.network_key = self._chance(f"network key {self.network_key.hex()}").randbytes(16)
        for member in told:
            if self.reaches(self.hub, member.device):
                member.network_key = self.network_key
        self.hub.record("network_key_changed")
        self.review_all()

    def update_link_key(self, eui64: bytes) -> bool:
        """Give a device a new link key: False for one that is not on the network, or sleeps and does not hear."""
        entry, member = self.log.entries.get(eui64), self.find(eui64)
        if entry is None or member is None or not member.on:
            return False
        if member.device.firmware.sleep is not None or not self.reaches(self.hub, member.device):
            return False
        entry.key = member.link_key = self._chance(f"link key {eui64.hex()} {entry.key.hex()}").randbytes(16)
        self.hub.record("device_log_changed")
        return True

    def refresh(self, entry: Entry) -> bool:
        """Bring an entry to the present: whether its device is heard."""
        member = self.find(entry.eui64)
        if member is None or not member.on or not self.reaches(member.device, self.hub):
            return False
        heard_at = self.hub.last_heard(member.device)
        if heard_at > entry.heard_at:
            self._hear(member, entry, heard_at)
        return True

    # --- non-volatile memory

    def image(self) -> Image:
        """For the hub's non-volatile memory."""
        return {
            "network_key": self.network_key.hex(),
            "key_sequence": self.key_sequence,
            "join_timeout": self.join_timeout,
            "mirrored": self.hub.mirrored.hex(),
            "log": self.log.image(),
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said."""
        self.network_key, self.key_sequence = saved.octets("network_key"), saved.number("key_sequence")
        self.join_timeout = saved.number("join_timeout")
        self.log.restore(saved.table("log"))
        if self.hub.mirrored != saved.octets("mirrored"):
            self.hub.remove_mirror(self.hub.mirrored)
        self.review_all()
