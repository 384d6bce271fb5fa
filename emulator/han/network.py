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

from collections.abc import Callable
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING

from emulator.firmware import HanSettings, RegisteredKey
from emulator.han.admission import Admission, Refusal
from emulator.han.device_log import DeviceLog, Entry, Registration
from emulator.han.medium import FIRST_CHANNEL, LAST_CHANNEL, Place, Radio
from emulator.han.member import Member
from emulator.han.radio_network import RadioNetwork
from emulator.nvm import Image, Saved
from emulator.time import HOUR, Event, stream
from protocols.zigbee import aps_commands, install_code, nwk, nwk_commands
from protocols.zigbee.security import KeyId

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.events import EventName
    from emulator.hub import Hub

_BESIDE_HUB = Place(20, 0)
"""SMETS1 hubs sit on or beside the electricity meter."""
_NEAREST, _FARTHEST = 100, 800  # cm


def _somewhere(kind: str, chance: Random) -> Place:
    """Where in a dwelling a device hangs: a gas meter at the wall that the hub is on, others anywhere."""
    if kind == "gas":
        return Place(0, chance.randint(_NEAREST, _FARTHEST))
    return Place(chance.randint(_NEAREST, _FARTHEST), chance.randint(0, _FARTHEST))


class Network(RadioNetwork):
    """The HAN that one hub formed, and is the trust centre of. It is the hub's :class:`~emulator.han.link.HanLink`."""

    __slots__ = ("_admission", "_fading", "delay", "join_timeout", "log")

    def __init__(self, hub: Hub, settings: HanSettings, delay: int) -> None:
        super().__init__(hub, settings)
        self.delay = delay
        self.log = DeviceLog(settings.capacity, settings.historic_capacity)
        self.join_timeout = settings.join_timeout
        """Seconds that the permit-join window is opened for."""
        self._admission = Admission(self)
        self._fading: Event | None = None
        self.medium.changed = self.review_all

    # --- devices

    def place(self, device: Device, *, commissioned: bool = False) -> Member:
        """Bring a device into the dwelling; one that is ``commissioned`` has been on the network since."""
        kind = device.firmware.kind
        chance = stream(device.seed, device.identity.device_id, "place")
        place = _BESIDE_HUB if kind == "electricity" else _somewhere(kind, chance)
        name = f"{device.identity.device_id} {device.identity.eui64.hex()}"
        member = Member(self, device, Radio(name, device.identity.eui64, place, self.channel))
        self._enter(member)
        if commissioned:
            key = member.first_key
            member.link_key, member.network_key, member.on = key, self.network_key, True
            self.give_address(member)
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
        if self.heeded:
            self.wake_ups.watch()

    def take_away(self, device: Device) -> None:
        """Take a device out of the dwelling. The hub does not know."""
        member = self.member(device)
        self.medium.remove(member.radio)
        self.members.remove(member)
        self.forget_ways()
        self.free_address(member)
        self.wake_ups.forget(member)
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

    # --- the link

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
        """Whether both have power and have started, the one that is not the hub is on the network, and the hub takes
        its frames for new ones."""
        other = target if source is self.hub else source
        return (
            source.ready
            and target.ready
            and any(
                item.on and self.takes(self.node, item.node, item.node.counter)
                for item in self.members
                if item.device is other
            )
        )

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
        self.forget_ways()
        for member in list(self.members):
            self.review(member)
        if self._fading is None and self._may_fade():
            now = self.hub.clock.now
            self._fading = self.hub.clock.schedule(now - now % HOUR + HOUR, self._another_hour)

    def _may_fade(self) -> bool:
        """Whether a link is so weak that the fading of an hour decides whether it carries."""
        radios = [self.node.radio, *(member.radio for member in self.members)]
        return any(self.medium.is_marginal(one, other) for one, other in combinations(radios, 2))

    def _another_hour(self) -> None:
        self._fading = None
        self.review_all()

    def review(self, member: Member) -> None:
        """Look anew at whether a device is on the network, and let the hub know."""
        on = self.formed and self.agrees(member) and self.way(member) is not None
        if on != member.on:
            self.forget_ways()
        if on and not member.on:
            member.on = True
            member.found()
            self.give_address(member)
            self.hub.gained(member.device)
            member.back()
        elif member.on and not on:
            member.on = False
            self.hub.lost(member.device)
        if not on:
            member.seek()

    # --- joining

    def admit(self, member: Member) -> Refusal | None:
        """A device asks for the network: None when it was given the network key."""
        return self._admission.admit(member)

    def record(self, event: EventName, member: Member) -> None:
        """Something happened between a device and the hub, which both log."""
        member.attend()
        for end in (self.hub, member.device):
            end.record(event)

    def note_heard(self, member: Member, entry: Entry, instant: int | None = None) -> None:
        """The hub heard a device now, or at a rig instant that is past."""
        link = self.medium.link(member.radio, self.node.radio)
        entry.heard(self.hub.clock.now if instant is None else instant, link.rssi, link.lqi, self.way(member) or 0)

    def _kind_number(self, kind: str) -> int:
        return next((number for number, name in self.settings.kinds.items() if name == kind), 0)

    def another_kind(self, number: int) -> int:
        """A number of another kind of device; ValueError where the profile knows no other."""
        for other in self.settings.kinds:
            if other != number:
                return other
        raise ValueError(f"the profile {self.hub.firmware.name} knows no other kind of device")

    def is_kind(self, member: Member, entry: Entry) -> bool:
        """Whether a device is of the kind that it was registered as."""
        wanted = self.settings.kinds.get(entry.kind)
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
        if self.settings.registered_key is RegisteredKey.INSTALL_CODE:
            key = install_code.link_key(install_code.with_crc(key))
        return self.admit_with(eui64, key, kind)

    def admit_with(self, eui64: bytes, key: bytes, kind: int) -> bool:
        """Add a device to the log with its link key: False when there is no room."""
        outcome = self.log.register(eui64, key, kind)
        if outcome is Registration.ADDED:
            self.hub.record("device_log_changed")
        return outcome is not Registration.FULL

    def unregister(self, eui64: bytes) -> bool:
        """Remove a device from the log and tell it to leave, if it hears: False when it was not there."""
        if not self._remove(eui64):
            return False
        self.hub.record("device_log_changed")
        return True

    def _remove(self, eui64: bytes) -> bool:
        entry, member = self.log.entries.get(eui64), self.find(eui64)
        if entry is None:
            return False
        heard = member is not None and member.on and self.reaches(self.hub, member.device)
        self._forget(eui64)
        told = heard and member is not None and self.say_leave(member)
        if member is not None:
            self.review(member)
        if told and member is not None:
            self.record("device_removed", member)
        elif entry.joined:
            self.hub.record("removal_unheard")
        return True

    def _forget(self, eui64: bytes) -> None:
        """A device goes from the log, and what mirrors it goes with it."""
        self.log.unregister(eui64)
        self.drop_mirror(eui64)
        self.hub.remove_mirror(eui64)

    def say_leave(self, member: Member) -> bool:
        """The coordinator tells a device to leave, and it does: whether it heard that."""
        way = self.nodes_between(self.node, member.node)
        if way is None:
            return False
        ask, say = (nwk_commands.encode(nwk_commands.Leave(request=request)) for request in (True, False))
        if self.carrier.hop(way, ask, nwk.FrameType.COMMAND):
            self.carrier.hop(way[::-1], say, nwk.FrameType.COMMAND)
            self._has_left(member)
            return True
        return False

    def leave(self, member: Member, *, rejoin: bool = False) -> None:
        """A device leaves by itself, as when its user or a message says so; the device log keeps it.

        One that is to ``rejoin`` keeps its keys and comes back at once.
        """
        way = self.nodes_between(member.node, self.node)
        heard = False
        if way is not None and self.reaches(member.device, self.hub):
            say = nwk_commands.encode(nwk_commands.Leave(rejoin=rejoin))
            heard = self.carrier.hop(way, say, nwk.FrameType.COMMAND)
        if rejoin:
            member.join()
            return
        self._has_left(member)
        self.review(member)
        member.device.record("device_left")
        if heard:
            self.hub.record("device_left")

    def _has_left(self, member: Member) -> None:
        address = member.node.address
        member.leave()
        if self.host is not None:
            self.host.left(member.device.identity.eui64, address)

    def unregister_all(self) -> None:
        """Remove every device."""
        for eui64 in list(self.log.entries):
            self._remove(eui64)
        self.hub.record("device_log_changed")

    def restore_backup(self, devices: list[tuple[bytes, bytes]]) -> bool:
        """Take over the devices of a hub that this one replaces: False, and nothing changed, when there is no room."""
        if not self.log.restore_backup(devices):
            return False
        self.hub.record("device_log_changed")
        self.review_all()
        return True

    def update_network_key(self) -> None:
        """Change the network key to one of chance. See :meth:`change_network_key`."""
        key = self.chance(f"network key {self.network_key.hex()}").randbytes(16)
        self.change_network_key(key, self.key_sequence + 1 & 0xFF)

    def change_network_key(self, key: bytes, sequence: int) -> None:
        """Change the network key. A device that cannot be told now, as a sleeping one, rejoins with its link key."""
        told: list[Member] = []
        for member in self.members:
            way = self.nodes_between(self.node, member.node)
            if member.on and not member.sleepy and way is not None and self.reaches(self.hub, member.device):
                command = aps_commands.TransportNetworkKey(key, sequence, member.node.eui64, self.node.eui64)
                if self.carrier.command(way, aps_commands.encode(command), KeyId.TRANSPORT):
                    told.append(member)
        self.carrier.switch_key(self.node, sequence)
        self.network_key, self.key_sequence, self.keyed_at = key, sequence, self.hub.clock.now
        for member in told:
            member.network_key = key
            member.device.commit()
        self.hub.record("network_key_changed")
        if self.host is not None:
            self.host.rekeyed()
        self.review_all()

    def update_link_key(self, eui64: bytes) -> bool:
        """Give a device a new link key: False for one that is not on the network, or sleeps and does not hear."""
        entry, member = self.log.entries.get(eui64), self.find(eui64)
        if entry is None or member is None or not member.on:
            return False
        way = self.nodes_between(self.node, member.node)
        if member.sleepy or way is None or not self.reaches(self.hub, member.device):
            return False
        key = self.chance(f"link key {eui64.hex()} {entry.key.hex()}").randbytes(16)
        command = aps_commands.encode(aps_commands.TransportLinkKey(key, eui64, self.node.eui64))
        if not self.carrier.command(way, command, KeyId.LOAD):
            return False
        entry.key = member.link_key = key
        member.keyed_at = self.hub.clock.now
        self.changed()  # its partners are introduced to it anew
        self.hub.record("device_log_changed")
        member.device.commit()
        return True

    # --- another network

    def form(self, pan_id: int, extended_pan_id: bytes, channel: int, key: bytes, sequence: int) -> None:
        """Leave the network that there is, if any, and form this one, with an empty device log."""
        self.disband()
        self.formed = True
        self.pan_id, self.extended_pan_id = pan_id, extended_pan_id
        self.network_key, self.key_sequence, self.keyed_at = key, sequence, self.hub.clock.now
        for node in (self.node, *(member.node for member in self.members)):
            node.radio.channel = channel  # devices that look for a network find it on any channel
        self.medium.moved()
        self.hub.commit()

    def disband(self) -> None:
        """There is no network any more: devices lose it, and the device log is empty."""
        for eui64 in list(self.log.entries):
            self._forget(eui64)
        self.log.historic.clear()
        self.log.permit(self.hub.clock.now, 0)
        self.formed = False
        self.review_all()
        self.hub.commit()

    def refresh(self, entry: Entry) -> bool:
        """Bring an entry to the present: whether its device is heard."""
        member = self.find(entry.eui64)
        if member is None or not member.on or not self.reaches(member.device, self.hub):
            return False
        heard_at = self.hub.last_heard(member.device)
        if heard_at > entry.heard_at:
            self.note_heard(member, entry, heard_at)
        return True

    # --- non-volatile memory

    def image(self) -> Image:
        """For the hub's non-volatile memory."""
        return {
            "formed": self.formed,
            "pan_id": self.pan_id,
            "extended_pan_id": self.extended_pan_id.hex(),
            "channel": self.channel,
            "network_key": self.network_key.hex(),
            "key_sequence": self.key_sequence,
            "keyed_at": self.keyed_at,
            "node": self.node.image(),
            "join_timeout": self.join_timeout,
            "application": self.application_image(),
            "mirrored": self.hub.mirrored.hex(),
            "filled": self.hub.filled,
            "log": self.log.image(),
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said; NvmFault for what cannot be."""
        self.formed = saved.flag("formed")
        channel = saved.within("channel", FIRST_CHANNEL, LAST_CHANNEL)
        self.pan_id, self.extended_pan_id = saved.within("pan_id", 0, 0xFFFE), saved.sized("extended_pan_id", 8)
        self.network_key, self.key_sequence = saved.sized("network_key", 16), saved.within("key_sequence", 0, 0xFF)
        self.keyed_at = saved.number("keyed_at")
        self.node.restore(saved.table("node"))
        for node in (self.node, *(member.node for member in self.members)):
            node.radio.channel = channel
        self.join_timeout = saved.number("join_timeout")
        self.restore_application(saved.table("application"))
        self.log.restore(saved.table("log"))
        self.hub.restore_mirror(saved.octets("mirrored"), filled=saved.flag("filled"))
        self.review_all()
