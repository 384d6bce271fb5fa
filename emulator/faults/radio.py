"""Faults of the air: interference, walls, radios that do not work, strangers with a device's address, counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.han import BEHIND, HUB
from emulator.faults.parameters import Channels, FaultError, Number, Word
from emulator.han.message import RECEIVERS_ON
from emulator.time import SECOND, Event
from protocols.zigbee import aps, mac, nwk, zdo
from protocols.zigbee.aps import ApsFrame, Delivery

if TYPE_CHECKING:
    from emulator.han.medium import Radio
    from emulator.han.member import Member
    from emulator.han.network import Network

_COUNTERS = "frame counters"
_EVERYBODY = (*HUB, *BEHIND)
_FIRST_ADDRESS, _LAST_ADDRESS = 0x0001, 0xFFF7
_RADIUS = 30
_BACK = "who lost the network is back within the longest pause of its profile's [joining]"


def _interference(site: Site) -> End:
    return site.network.medium.interfere(site.number("channels"), site.number("level")).end


def _radio(site: Site) -> Radio:
    return site.network.node.radio if site.device is site.hub else site.member.radio


def _attenuation(site: Site) -> End:
    medium = site.network.medium
    other = {device.firmware.kind: device for device in site.premises.devices()}.get(site.word("to"))
    if other is None or other is site.device:
        raise FaultError(f"{site.device.identity.device_id}: to: {site.word('to')}: is no other device of its premises")
    one, peer = _radio(site), _radio(Site(site.premises, other, site.chance))
    decibels = site.number("decibels")
    medium.attenuate(one, peer, medium.attenuation(one, peer) + decibels)

    def end() -> None:
        medium.attenuate(one, peer, medium.attenuation(one, peer) - decibels)

    return end


def _radio_off(site: Site) -> End:
    return site.network.medium.silence(_radio(site))


def _antenna_off(site: Site) -> End:
    medium, radio, decibels = site.network.medium, _radio(site), site.number("decibels")

    def lose(decibels: int) -> None:
        radio.loss += decibels
        medium.moved()

    lose(decibels)
    return lambda: lose(-decibels)


# --- frame counters


class _Twin:
    """A second radio with the EUI-64 and the keys of a device, which announces itself with counters ahead of it."""

    __slots__ = ("_address", "_counter", "_event", "_lead", "_member", "_network", "_period", "_sequence")

    def __init__(self, network: Network, member: Member, address: int, period: int, lead: int) -> None:
        self._network = network
        self._member = member
        self._address = address
        self._period = period
        self._lead = lead
        self._counter = self._sequence = 0
        self._event: Event | None = None

    def announce(self) -> None:
        """Say so to everybody, and again after the period; without a network key nobody would listen."""
        network = self._network
        if self._member.network_key:
            network.make_up()
            self._counter = max(self._counter + 1, self._member.node.counter + self._lead)
            self._sequence = self._sequence + 1 & 0xFF
            network.air.inject(self._frame())
        clock = network.hub.clock
        self._event = clock.schedule(clock.now + self._period, self.announce)

    def end(self) -> None:
        """It has gone, and nobody remembers its counters."""
        if self._event is not None:
            self._event.cancel()
        self._network.forgive_counters(self._member.node.eui64)

    def _frame(self) -> bytes:
        network, node, sequence = self._network, self._member.node, self._sequence
        announcement = zdo.encode(
            zdo.Cluster.DEVICE_ANNOUNCE, sequence, address=self._address, eui=node.eui64, capability=0
        )
        data = ApsFrame(
            aps.FrameType.DATA,
            sequence,
            announcement,
            Delivery.BROADCAST,
            0,
            None,
            zdo.Cluster.DEVICE_ANNOUNCE,
            aps.ZDO_PROFILE,
            0,
        )
        frame = nwk.NwkFrame(nwk.FrameType.DATA, RECEIVERS_ON, self._address, _RADIUS, sequence, aps.encode(data))
        pan = network.pan_id
        sent = network.protect(frame, node, self._counter)
        return mac.encode(mac.MacFrame(mac.FrameType.DATA, sequence, sent, pan, nwk.ALL_DEVICES, pan, self._address))


def _duplicate(site: Site) -> End:
    network, member = site.network, site.member
    if not member.network_key:
        raise FaultError(f"{site.device.identity.device_id}: it has not been on the HAN: there are no keys to have")
    address = site.chance.randint(_FIRST_ADDRESS, _LAST_ADDRESS)
    while network.node_at(address) is not None:
        address = site.chance.randint(_FIRST_ADDRESS, _LAST_ADDRESS)
    twin = _Twin(network, member, address, site.number("period") * SECOND, site.number("lead"))
    twin.announce()
    return twin.end


def _counter_reset(site: Site) -> End:
    network, node = site.network, site.member.node
    network.make_up()
    was = node.counter
    seen = max(was, site.number("seen"))
    for other in network.nodes():
        if other is not node:
            network.note_counter(other, node.eui64, seen - 1)
    node.counter = 0

    def end() -> None:
        node.counter = max(node.counter, was)
        network.forgive_counters(node.eui64)

    return end


FAULTS: Final = (
    Fault(
        "interference",
        Layer.AIR,
        "Something else sends on the channels of the HAN",
        HUB,
        _interference,
        Culprit.AIR,
        "the devices are right; the noise drowns their frames",
        ("link quality falls, frames are sent several times and lost", "at strong levels devices lose the network"),
        f"the air is as it was; {_BACK}",
        (
            Channels("channels", "Channels that are hit"),
            Number("level", "How strongly every radio hears it", "dBm", -100, 10, -50),
        ),
    ),
    Fault(
        "attenuation",
        Layer.AIR,
        "Something stands between two devices",
        _EVERYBODY,
        _attenuation,
        Culprit.AIR,
        "the devices are right; what is between them takes the signal",
        ("RSSI and link quality of the pair fall", "frames go round by another device, or are lost"),
        f"the air is as it was; {_BACK}",
        (
            Word("to", "The other device", _EVERYBODY),
            Number("decibels", "What it takes, both ways", "dB", 1, 120, 20),
        ),
    ),
    Fault(
        "radio-off",
        Layer.AIR,
        "The radio of a device neither sends nor hears",
        _EVERYBODY,
        _radio_off,
        Culprit.DEVICE,
        "the device runs, its radio does not",
        ("the device is listed and silent", "what is sent to it is not acknowledged"),
        f"the radio works; {_BACK}",
    ),
    Fault(
        "antenna-off",
        Layer.AIR,
        "The antenna of a device is loose",
        _EVERYBODY,
        _antenna_off,
        Culprit.DEVICE,
        "the device sends and hears with a fraction of its strength",
        ("RSSI and link quality towards all others fall alike", "far devices are lost, near ones stay"),
        f"the antenna is on; {_BACK}",
        (Number("decibels", "What it lacks, both ways", "dB", 1, 120, 40),),
    ),
    Fault(
        "duplicate-eui64",
        Layer.AIR,
        "A second radio has the EUI-64 and the keys of a device, and announces itself from time to time",
        BEHIND,
        _duplicate,
        Culprit.DEVICE,
        "two radios have one EUI-64; the frame counters of the one make replays of the other's frames",
        ("announcements of the EUI-64 from a second short address", "frames of the device are dropped as replayed"),
        "the second radio has gone and nobody remembers its counters; the device is heard at once",
        (
            Number("period", "Between two announcements", "s", 1, 86_400, 60),
            Number("lead", "How far its frame counter is ahead", "frames", 1, 1 << 24, 1000),
        ),
        holds=_COUNTERS,
    ),
    Fault(
        "frame-counter-reset",
        Layer.AIR,
        "A device has lost its outgoing frame counter and begins again at 0",
        BEHIND,
        _counter_reset,
        Culprit.DEVICE,
        "the counter is at 0, so that the others take the device's frames for replayed ones",
        ("frames of the device are dropped as replayed", "its reports do not arrive; it is listed and silent"),
        "it goes on from the counter that it had, and is heard at once",
        (Number("seen", "Frames that others had heard of it, if it were not more", "frames", 1, 1 << 31, 100_000),),
        holds=_COUNTERS,
    ),
)
"""Faults of the air."""
