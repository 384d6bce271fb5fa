"""The hub's radio processor as a ZNP, driven frame by frame, with the devices of real premises behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.han.member import Member
from emulator.han.message import Arrival, Message
from emulator.hub import Hub
from emulator.nvm import Saved
from emulator.premises import Premises, build_premises
from emulator.radio.coordinator import Coordinator, Received
from emulator.radio.znp import HANDLERS, ZnpStack
from emulator.radio.znp_data import MAX_HELD
from emulator.radio.znp_memory import MAX_ITEMS, Memory
from emulator.time import SECOND, Clock
from firmware_profiles.loader import load
from protocols.zigbee import zdo as profile
from protocols.zigbee.mt import Frame, Kind, Receiver
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp import zdo
from protocols.zigbee.znp.command import AddressMode, Command, DeviceState, Status
from protocols.zigbee.znp.nv import Item, build_item, key_of, read_item

from ..conftest import SEED, START, DeviceSpec, Spec

SOFT = 1
STRANGER = bytes.fromhex("00DB1234567890A0")
READ = bytes.fromhex("00 05 00 0000")
"""Read attribute 0x0000."""


class Host:
    """What a host does on the line: asks, and keeps what it was told unasked."""

    def __init__(self, stack: ZnpStack, clock: Clock) -> None:
        self.stack = stack
        self.clock = clock
        self.receiver = Receiver()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.notes: list[str] = []
        stack.transmit = lambda octets: self._hear(self.receiver.receive(octets))
        stack.explain = self.notes.append

    def _hear(self, frames: list[Frame]) -> None:
        for frame in frames:
            command, values = znp.read(frame)
            self.told.append((command.name, values))

    def send(self, octets: bytes) -> list[Frame]:
        """Octets of the line; the frames that come back."""
        return self.receiver.receive(self.stack.receive(octets, self.clock.now))

    def ask(self, command: Command, **values: Any) -> dict[str, Any]:
        """The answer to a request."""
        answer, *events = self.send(znp.ask(command, values).encode())
        assert answer.kind is Kind.ANSWER
        self._hear(events)
        found, read = znp.read(answer)
        assert found is command
        return read

    def reset(self, kind: int = SOFT) -> None:
        self._hear(self.send(znp.ask(znp.RESET_REQUEST, {"type": kind}).encode()))

    def item(self, number: int) -> bytes | None:
        """A whole item of the memory, as a host reads it."""
        length, octets = self.ask(znp.NV_LENGTH, id=number)["length"], b""
        while len(octets) < length:
            octets += self.ask(znp.NV_READ_LONG, id=number, offset=len(octets))["value"]
        return octets if length else None

    def put(self, number: int, octets: bytes) -> None:
        """Write an item, made anew where it has another length."""
        length = self.ask(znp.NV_LENGTH, id=number)["length"]
        if length not in (0, len(octets)):
            assert self.ask(znp.NV_DELETE, id=number, length=length)["status"] == Status.SUCCESS
            length = 0
        if not length:
            made = self.ask(znp.NV_INIT, id=number, length=len(octets), value=octets[:200])
            assert made["status"] == Status.NV_ITEM_CREATED
        assert self.ask(znp.NV_WRITE_LONG, id=number, offset=0, value=octets)["status"] == Status.SUCCESS

    def start(self) -> None:
        """As herdsman does on a network that is formed."""
        assert self.ask(zdo.STARTUP, delay=100) == {"status": 0}
        assert self.heard("stateChangeInd") == [{"state": DeviceState.COORDINATOR}]

    def register(self, endpoint: int = 1, profile: int = 0x0104) -> int:
        fields = {"device": 0x0005, "version": 0, "latency": 0, "inputs": [0x000A], "outputs": [0x0702]}
        return self.ask(znp.REGISTER, endpoint=endpoint, profile=profile, **fields)["status"]

    def run(self, seconds: float = 0.1) -> None:
        """Let the rig's clock run."""
        self.clock.advance_to(self.clock.now + round(seconds * SECOND))

    def heard(self, name: str) -> list[dict[str, Any]]:
        """What it was told under that name, which is forgotten."""
        found = [values for told, values in self.told if told == name]
        self.told = [event for event in self.told if event[0] != name]
        return found


class Home:
    """Premises whose hub has a ZNP, without a line between it and the host."""

    def __init__(self, clock: Clock) -> None:
        spec = Spec(hub=DeviceSpec("hub-znp"), display=DeviceSpec())
        self.clock = clock
        self.premises: Premises = build_premises("home", spec, clock, SEED, load)
        hub = self.premises.hub
        assert hub is not None
        self.hub: Hub = hub

    def host(self) -> Host:
        stack = self.hub.stacks["radio"]()
        assert isinstance(stack, ZnpStack)
        return Host(stack, self.clock)

    def member(self, kind: str) -> Member:
        return next(item for item in self.hub.han.members if item.device.firmware.kind == kind)

    @property
    def meter(self) -> Member:
        return self.member("electricity")


@pytest.fixture
def home() -> Home:
    return Home(Clock(START))


@pytest.fixture
def host(home: Home) -> Host:
    return home.host()


# --- the processor and its memory


def test_who_it_says_it_is(home: Home, host: Host) -> None:
    assert host.ask(znp.PING) == {"capabilities": 0x0479}
    version = host.ask(znp.VERSION)
    assert (version["product"], version["major"], version["minor"]) == (2, 2, 7)
    eui64 = home.hub.identity.eui64
    assert host.ask(znp.GET_EXTENDED_ADDRESS) == {"eui": eui64}
    info = host.ask(znp.DEVICE_INFO)
    assert (info["eui"], info["state"]) == (eui64, DeviceState.HOLD)
    assert host.ask(znp.SAPI_DEVICE_INFO, parameter=1)["value"] == eui64
    host.reset()
    assert host.heard("resetInd")[0]["product"] == 2


def test_the_network_that_the_hub_has_formed_is_in_the_memory(home: Home, host: Host) -> None:
    network = home.hub.coordinator.parameters
    base = read_item(Item.NIB, host.item(Item.NIB) or b"")
    assert (base["pan"], base["extended_pan"]) == (network.pan_id, network.extended_pan_id)
    assert (base["channel"], base["coordinator_eui"]) == (network.channel, home.hub.identity.eui64)
    for item in (Item.ACTIVE_KEY, Item.ALTERNATE_KEY):
        assert host.item(item) == bytes((network.key_sequence,)) + network.network_key
    assert (host.item(Item.NWK_KEY_INFO) or b"")[1:17] == network.network_key
    assert host.item(Item.ON_A_NETWORK) == b"\x01"
    assert host.item(Item.CONFIGURED) == b"\x55"
    assert host.item(Item.PAN) == network.pan_id.to_bytes(2, "little")
    material = read_item(Item.SECURITY_MATERIAL, host.item(Item.SECURITY_MATERIAL) or b"")
    assert material["extended_pan"] == network.extended_pan_id
    devices = read_item(Item.ADDRESS_MANAGER, host.item(Item.ADDRESS_MANAGER) or b"")["entries"]
    keys = read_item(Item.APS_LINK_KEYS, host.item(Item.APS_LINK_KEYS) or b"")["keys"]
    found = {}
    for key in keys:
        data = read_item(Item.APS_LINK_KEY_DATA, host.item(key["item"]) or b"")
        found[devices[key["address_index"]]["eui"]] = data["key"]
    assert found == {member.node.eui64: member.link_key for member in home.hub.han.members}
    children = {entry["eui"] for entry in devices if entry["use"] & 1}
    assert children == {member.node.eui64 for member in home.hub.han.members if member.sleepy}


def test_items_of_a_host_come_and_go(host: Host) -> None:
    number = 0x0F01
    assert host.item(number) is None
    assert host.ask(znp.NV_READ, id=number, offset=0) == {"status": Status.INVALID_PARAMETER, "value": b""}
    assert host.ask(znp.NV_WRITE, id=number, offset=0, value=b"1")["status"] == Status.NV_OPERATION_FAILED
    made = host.ask(znp.NV_INIT, id=number, length=4, value=b"ab")
    assert made["status"] == Status.NV_ITEM_CREATED
    assert host.ask(znp.NV_INIT, id=number, length=4, value=b"xy")["status"] == Status.SUCCESS
    assert host.item(number) == b"ab\xff\xff"
    assert host.ask(znp.NV_WRITE, id=number, offset=2, value=b"cd")["status"] == Status.SUCCESS
    assert host.ask(znp.NV_WRITE, id=number, offset=3, value=b"ef")["status"] == Status.NV_BAD_LENGTH
    assert host.ask(znp.NV_READ, id=number, offset=1)["value"] == b"bcd"
    assert host.ask(znp.NV_DELETE, id=number, length=3)["status"] == Status.NV_BAD_LENGTH
    assert host.ask(znp.NV_DELETE, id=number, length=4)["status"] == Status.SUCCESS
    assert host.ask(znp.NV_DELETE, id=number, length=4)["status"] == Status.NV_ITEM_CREATED
    assert host.ask(znp.WRITE_CONFIGURATION, id=0x62, value=bytes(range(16)))["status"] == Status.SUCCESS
    assert host.ask(znp.READ_CONFIGURATION, id=0x62)["value"] == bytes(range(16))


def test_a_host_cannot_fill_the_memory_without_end(host: Host) -> None:
    made = [host.ask(znp.NV_INIT, id=0x4000 + at, length=9, value=b"")["status"] for at in range(MAX_ITEMS + 9)]
    assert made.count(Status.NV_ITEM_CREATED) <= MAX_ITEMS
    assert made[-1] == Status.NV_OPERATION_FAILED
    assert host.ask(znp.NV_INIT, id=0x3FFF, length=0xFFFF, value=b"")["status"] == Status.NV_OPERATION_FAILED


def test_the_hubs_own_address_cannot_be_written(home: Home, host: Host) -> None:
    own = home.hub.identity.eui64[::-1]
    assert host.ask(znp.NV_WRITE, id=1, offset=0, value=own)["status"] == Status.SUCCESS
    assert host.ask(znp.NV_WRITE, id=1, offset=0, value=STRANGER)["status"] == Status.NV_OPERATION_FAILED
    assert host.ask(znp.NV_DELETE, id=1, length=8)["status"] == Status.SUCCESS
    assert host.item(1) == own


def test_the_memory_outlives_the_rig(home: Home, host: Host) -> None:
    host.put(Item.MIGRATION, b"\x01")
    host.put(Item.PRECONFIGURED_KEY, bytes(range(16)))
    host.ask(znp.NV_DELETE, id=Item.NIB, length=110)
    image = json.dumps(Memory.of(home.hub).image())
    other = Home(Clock(START))
    Memory.of(other.hub).restore(Saved.read("znp", image))
    again = other.host()
    assert again.item(Item.MIGRATION) == b"\x01"
    assert again.item(Item.PRECONFIGURED_KEY) == bytes(range(16))
    assert again.item(Item.NIB) is None


# --- starting and forming


def test_a_formed_network_is_resumed_by_commissioning_too(home: Home, host: Host) -> None:
    before = home.hub.coordinator.parameters
    assert host.ask(znp.START_COMMISSIONING, mode=4) == {"status": 0}
    assert host.heard("stateChangeInd") == [{"state": DeviceState.COORDINATOR}]
    assert host.heard("bdbComissioningNotifcation") == [{"status": 8, "mode": 4, "remaining": 0}]
    assert home.hub.coordinator.up
    assert home.hub.coordinator.parameters == before
    host.ask(znp.START_COMMISSIONING, mode=2)
    assert host.heard("bdbComissioningNotifcation") == [{"status": 14, "mode": 2, "remaining": 0}]
    host.reset()
    assert not home.hub.coordinator.up
    assert home.hub.coordinator.formed


def test_it_forms_the_network_that_the_settings_name(home: Home, host: Host) -> None:
    host.ask(znp.NV_WRITE, id=Item.STARTUP_OPTION, offset=0, value=b"\x03")
    host.reset()
    assert not home.hub.coordinator.formed
    assert host.item(Item.NIB) is None
    assert host.item(Item.STARTUP_OPTION) == b"\x00"
    assert len(host.item(Item.NWK_KEY_INFO) or b"") == 21  # by which herdsman finds out how structures are aligned
    host.put(Item.PAN, bytes.fromhex("621A"))
    host.put(Item.PREFERRED_EXTENDED_PAN, STRANGER[::-1])
    host.put(Item.PRECONFIGURED_KEY, bytes(range(16)))
    assert host.ask(znp.SET_CHANNEL, primary=1, channels=1 << 20)["status"] == 0
    assert host.ask(znp.SET_CHANNEL, primary=0, channels=0)["status"] == 0
    assert host.ask(znp.START_COMMISSIONING, mode=4)["status"] == 0
    assert [values["state"] for values in host.heard("stateChangeInd")] == [8, 9]
    assert host.heard("bdbComissioningNotifcation")[0]["status"] == 0
    assert home.hub.coordinator.parameters == (0x1A62, STRANGER, 20, bytes(range(16)), 0)
    assert home.hub.coordinator.keys() == []
    info = host.ask(zdo.NETWORK_INFO)
    assert (info["pan"], info["extended_pan"], info["channel"], info["state"]) == (0x1A62, STRANGER, 20, 9)


def test_what_the_settings_leave_open_is_drawn(home: Home, host: Host) -> None:
    home.hub.coordinator.leave()
    home.hub.han.medium.interfere(channels=1 << 15)
    host.put(Item.CHANNEL_LIST, (1 << 15 | 1 << 25).to_bytes(4, "little"))
    assert host.ask(zdo.STARTUP, delay=0) == {"status": 1}
    first = home.hub.coordinator.parameters
    assert first.channel == 25
    assert first.extended_pan_id == home.hub.identity.eui64
    home.hub.coordinator.leave()
    assert host.ask(zdo.STARTUP, delay=0) == {"status": 1}
    assert home.hub.coordinator.parameters.network_key != first.network_key


def test_without_a_channel_there_is_no_network(home: Home, host: Host) -> None:
    home.hub.coordinator.leave()
    host.put(Item.CHANNEL_LIST, bytes(4))
    assert host.ask(zdo.STARTUP, delay=0) == {"status": 2}
    host.ask(znp.START_COMMISSIONING, mode=4)
    assert host.heard("bdbComissioningNotifcation")[0]["status"] == 8
    assert host.heard("stateChangeInd") == []
    assert "no channel" in host.notes[0]


def test_a_network_written_into_the_memory_is_there_after_a_reset(home: Home, host: Host) -> None:
    base = read_item(Item.NIB, host.item(Item.NIB) or b"")
    base |= {"pan": 0x1A62, "extended_pan": STRANGER, "channel": 15}
    host.put(Item.NIB, build_item(Item.NIB, base))
    host.put(Item.ACTIVE_KEY, b"\x07" + bytes(16))
    material = {"frame_counter": 123_456, "extended_pan": STRANGER}
    host.put(Item.SECURITY_MATERIAL, build_item(Item.SECURITY_MATERIAL, material))
    first, second = home.meter.node.eui64, STRANGER
    seed = bytes(range(16))
    host.put(Item.TRUST_CENTRE_SEED, seed)
    entry = {"sent": 0, "received": 0, "eui": first, "attributes": 2, "type": 0, "shift": 5}
    host.put(Item.TRUST_CENTRE_LINK_KEYS, build_item(Item.TRUST_CENTRE_LINK_KEYS, entry))
    devices = {"entries": [{"use": 2, "short": 0x1234, "eui": second}]}
    host.put(Item.ADDRESS_MANAGER, build_item(Item.ADDRESS_MANAGER, devices).ljust(220, b"\xff"))
    keys = {"keys": [{"address_index": 0, "item": Item.APS_LINK_KEY_DATA, "authenticated": 1}], "free": bytes(95)}
    host.put(Item.APS_LINK_KEYS, build_item(Item.APS_LINK_KEYS, keys))
    data = {"key": bytes(range(16, 32)), "sent": 0, "received": 0}
    host.put(Item.APS_LINK_KEY_DATA, build_item(Item.APS_LINK_KEY_DATA, data))
    assert home.hub.coordinator.parameters.pan_id != 0x1A62
    host.reset()
    assert home.hub.coordinator.parameters == (0x1A62, STRANGER, 15, bytes(16), 7)
    assert home.hub.coordinator.frame_counter >= 123_456
    assert not home.hub.coordinator.up
    log = home.hub.coordinator.keys()
    held = {eui64: key for eui64, key, _ in log}
    assert held == {first: key_of(seed, first, 5), second: bytes(range(16, 32))}
    host.start()


def test_what_is_no_network_is_not_formed(home: Home, host: Host) -> None:
    before = home.hub.coordinator.parameters
    base = read_item(Item.NIB, host.item(Item.NIB) or b"") | {"channel": 9}
    host.put(Item.NIB, build_item(Item.NIB, base))
    host.reset()
    assert home.hub.coordinator.parameters == before
    assert "no network: channel 9" in host.notes[0]


# --- devices


def test_devices_join_by_the_install_code_that_the_host_adds(home: Home, host: Host) -> None:
    host.start()
    meter = home.meter
    assert host.ask(zdo.REMOVE_LINK_KEY, eui=meter.node.eui64)["status"] == 0
    host.run()
    host.told.clear()
    ask = {"mode": AddressMode.BROADCAST, "destination": 0xFFFC, "duration": 60, "significance": 1}
    assert host.ask(zdo.PERMIT_JOIN, **ask)["status"] == 0
    assert host.heard("mgmtPermitJoinRsp") == [{"source": 0, "status": 0}]
    assert host.heard("permitJoinInd") == [{"duration": 60}]
    meter.join()
    host.run()
    assert host.heard("tcDeviceInd") == []
    assert any("refused" in note for note in host.notes)
    code = meter.install_code
    add = {"format": 1, "eui": meter.node.eui64}
    assert host.ask(znp.ADD_INSTALL_CODE, **add, code=code[:-1] + b"\0")["status"] == Status.INVALID_PARAMETER
    assert host.ask(znp.ADD_INSTALL_CODE, **add, code=code)["status"] == Status.SUCCESS
    assert host.ask(zdo.GET_LINK_KEY, eui=meter.node.eui64)["key"] == meter.first_key
    assert meter.join() is None
    host.run()
    joined = {"short": meter.address, "eui": meter.node.eui64, "parent": 0}
    names = [name for name, _ in host.told]
    assert host.heard("tcDeviceInd") == [joined]
    assert host.heard("endDeviceAnnceInd")[0]["address"] == meter.address
    assert names.index("tcDeviceInd") < names.index("endDeviceAnnceInd")
    host.run(61)
    assert host.heard("permitJoinInd") == [{"duration": 0}]


def test_a_full_table_takes_no_more_codes(home: Home, host: Host) -> None:
    host.start()
    statuses = []
    for at in range(40):
        statuses.append(host.ask(znp.ADD_INSTALL_CODE, format=2, eui=bytes([at] * 8), code=bytes(16))["status"])
    assert statuses[0] == Status.SUCCESS
    assert statuses[-1] == Status.NWK_TABLE_FULL
    assert host.ask(znp.ADD_INSTALL_CODE, format=3, eui=bytes(8), code=b"")["status"] == Status.INVALID_PARAMETER


def test_it_tells_of_devices_that_leave_and_come_back(home: Home, host: Host) -> None:
    host.start()
    meter = home.meter
    address = meter.address
    leave = {"rejoin": False, "remove_children": False}
    assert host.ask(zdo.MGMT_LEAVE, destination=address, eui=meter.node.eui64, options=leave)["status"] == 0
    host.run()
    assert host.heard("mgmtLeaveRsp") == [{"source": address, "status": 0}]
    assert host.heard("leaveInd")[0]["eui"] == meter.node.eui64
    home.hub.coordinator.permit(60)
    assert meter.join() is None
    host.run()
    assert host.heard("tcDeviceInd")[0]["eui"] == meter.node.eui64
    assert meter.join() is None  # a rejoin with the network key: it just announces itself
    host.run()
    assert host.heard("tcDeviceInd") == []
    assert host.heard("endDeviceAnnceInd")


def test_it_knows_its_neighbours(home: Home, host: Host) -> None:
    host.start()
    meter = home.meter
    found = host.ask(znp.GET_ASSOCIATED, eui=bytes(8), short=meter.address)
    assert (found["short"], found["relation"]) == (meter.address, 5)
    assert host.ask(znp.GET_ASSOCIATED, eui=meter.node.eui64, short=0xFFFE)["short"] == meter.address
    assert host.ask(znp.GET_ASSOCIATED, eui=STRANGER, short=0)["relation"] == 0xFF
    sleeping = host.ask(znp.FIND_ASSOCIATED, index=0)
    assert (sleeping["short"], sleeping["relation"]) == (home.member("gas").address, 1)
    assert host.ask(znp.FIND_ASSOCIATED, index=200)["short"] == 0xFFFE
    assert host.ask(znp.COUNT_ASSOCIATED, first=1, last=2)["count"] >= 1
    assert host.ask(znp.FIND_SHORT, eui=meter.node.eui64)["short"] == meter.address
    assert host.ask(znp.FIND_EUI, short=meter.address)["eui"] == meter.node.eui64
    assert host.ask(zdo.ROUTE_CHECK, destination=meter.address, status=0, options=0)["status"] == 0
    assert host.ask(zdo.ROUTE_CHECK, destination=0x4242, status=0, options=0)["status"] == 1


def test_the_network_key_can_be_changed(home: Home, host: Host) -> None:
    host.start()
    key = bytes(range(16))
    assert host.ask(zdo.SWITCH_NETWORK_KEY, destination=0xFFFF, sequence=1)["status"] == Status.FAILURE
    assert host.ask(zdo.UPDATE_NETWORK_KEY, destination=0xFFFF, sequence=1, key=key)["status"] == 0
    assert host.ask(zdo.SWITCH_NETWORK_KEY, destination=0xFFFF, sequence=1)["status"] == 0
    assert host.item(Item.ACTIVE_KEY) == b"\x01" + key
    assert home.meter.network_key == key


# --- messages


def send(host: Host, destination: int, data: bytes = READ, **other: int) -> int:
    fields = {"destination_endpoint": 1, "source_endpoint": 1, "cluster": 0x0702, "transaction": 9, "options": 0x10}
    return host.ask(znp.DATA_REQUEST, **(fields | {"destination": destination, "radius": 30} | other), data=data)[
        "status"
    ]


def test_a_reading(home: Home, host: Host) -> None:
    host.start()
    assert send(host, home.meter.address) == Status.INVALID_PARAMETER
    assert host.register() == Status.SUCCESS
    assert host.register() == Status.APS_DUPLICATE_ENTRY
    assert send(host, home.meter.address) == Status.SUCCESS
    host.run()
    assert host.heard("dataConfirm") == [{"status": 0, "endpoint": 1, "transaction": 9}]
    (answer,) = host.heard("incomingMsg")
    assert (answer["source"], answer["cluster"], answer["source_endpoint"]) == (home.meter.address, 0x0702, 1)
    assert answer["data"][:6] == bytes.fromhex("18 05 01 0000 00")
    assert host.ask(znp.DELETE, endpoint=1)["status"] == 0
    assert host.ask(znp.DELETE, endpoint=1)["status"] == Status.INVALID_PARAMETER


@pytest.mark.parametrize(("chosen", "spoken", "taken"), [(0x0109, 0x0109, 1), (None, 0x0104, 0)])
def test_which_profile_it_speaks(
    home: Home, monkeypatch: pytest.MonkeyPatch, chosen: int | None, spoken: int, taken: int
) -> None:
    host = Host(ZnpStack(home.hub, home.hub.coordinator, profile=chosen), home.clock)
    host.start()
    host.register(1, 0x0104)
    deliver(host, Message(0x0109, 0x0702, 1, 1, READ))
    assert len(host.heard("incomingMsg")) == taken
    sent: list[int] = []
    monkeypatch.setattr(Coordinator, "send", lambda self, destination, message, tag: sent.append(message.profile))
    send(host, home.meter.address)
    assert sent == [spoken]


def test_what_is_not_delivered_is_confirmed_so(home: Home, host: Host) -> None:
    host.start()
    host.register()
    assert send(host, 0x4242) == Status.SUCCESS
    host.run(30)
    assert host.heard("dataConfirm")[0]["status"] == Status.NWK_NO_ROUTE
    sleeping = home.member("gas").address
    assert send(host, sleeping) == Status.SUCCESS
    host.run(60)
    assert host.heard("dataConfirm")[0]["status"] == Status.MAC_TRANSACTION_EXPIRED
    home.meter.device.power_off()
    send(host, home.meter.address)
    host.run(60)
    assert host.heard("dataConfirm")[0]["status"] in (Status.APS_NO_ACK, Status.NWK_NO_ROUTE)


def test_destinations_of_an_extended_request(home: Home, host: Host) -> None:
    host.start()
    host.register()
    fields = {"destination_endpoint": 1, "source_endpoint": 1, "cluster": 0x0702, "transaction": 3, "options": 0x10}

    def ask(mode: int, destination: bytes, pan: int = 0) -> list[int]:
        values = fields | {"mode": mode, "destination": destination, "pan": pan, "radius": 30, "data": READ}
        status = host.ask(znp.DATA_REQUEST_EXTENDED, **values)["status"]
        host.run()
        return [status, *(confirm["status"] for confirm in host.heard("dataConfirm"))]

    assert ask(AddressMode.EXTENDED, home.meter.node.eui64) == [0, 0]
    assert len(host.heard("incomingMsg")) == 1
    assert ask(AddressMode.EXTENDED, STRANGER) == [0, Status.NWK_NO_ROUTE]
    assert ask(AddressMode.BROADCAST, bytes(6) + b"\xff\xfd") == [0, 0]
    assert ask(AddressMode.GROUP, bytes(6) + b"\x00\x01") == [0, 0]
    assert ask(AddressMode.SHORT, bytes(8), pan=0xFFFF) == [Status.INVALID_PARAMETER]


def test_without_the_network_nothing_is_sent(host: Host) -> None:
    host.register()
    assert send(host, 0x1234) == Status.NWK_INVALID_REQUEST
    assert host.ask(zdo.ACTIVE_ENDPOINTS, destination=0, address=0)["status"] == Status.NWK_INVALID_REQUEST


def deliver(host: Host, message: Message, source: int = 0x1234) -> None:
    listen = host.stack.coordinator.listener
    assert listen is not None
    listen(Received(Arrival(source, STRANGER, message)))


def test_a_long_message_is_fetched(host: Host) -> None:
    host.start()
    host.register()
    long = bytes(range(256)) * 3
    for _ in range(MAX_HELD + 1):
        deliver(host, Message(0x0109, 0x0704, 1, 1, long))
    announced = host.heard("incomingMsgExt")
    assert {values["length"] for values in announced} == {768}
    timestamp = announced[-1]["timestamp"]
    found = b""
    while len(found) < 768:
        length = min(240, 768 - len(found))
        part = host.ask(znp.DATA_RETRIEVE, timestamp=timestamp, index=len(found), length=length)
        assert part["status"] == 0
        found += part["data"]
    assert found == long
    wrong = {"timestamp": timestamp, "index": 700, "length": 69}
    assert host.ask(znp.DATA_RETRIEVE, **wrong)["status"] == Status.INVALID_PARAMETER
    gone = {"index": 0, "length": 0}
    assert host.ask(znp.DATA_RETRIEVE, timestamp=timestamp, **gone)["status"] == 0
    assert host.ask(znp.DATA_RETRIEVE, timestamp=timestamp, **gone)["status"] == Status.FAILURE
    assert host.ask(znp.DATA_RETRIEVE, timestamp=announced[0]["timestamp"], **gone)["status"] == Status.FAILURE


def test_messages_for_no_endpoint_are_dropped(host: Host) -> None:
    host.start()
    host.register(6, 0x0109)
    deliver(host, Message(0x0109, 0x0702, 1, 9, READ))
    assert host.heard("incomingMsg") == []
    assert "no endpoint" in host.notes[-1]
    deliver(host, Message(0x0109, 0x0702, 1, 0xFF, READ))
    assert host.heard("incomingMsg")[0]["destination_endpoint"] == 6


# --- the device profile


def test_a_host_without_callbacks_gets_events(home: Home, host: Host) -> None:
    host.start()
    host.register()
    address = home.meter.address
    for destination in (0, address):
        host.ask(zdo.ACTIVE_ENDPOINTS, destination=destination, address=destination)
        host.run()
        (found,) = host.heard("activeEpRsp")
        assert found["source"] == destination and found["status"] == 0 and found["endpoints"]
    assert host.heard("msgCbIncoming") == []
    host.ask(zdo.SIMPLE_DESCRIPTOR, destination=address, address=address, endpoint=1)
    host.ask(zdo.NODE_DESCRIPTOR, destination=address, address=address)
    host.ask(zdo.IEEE_ADDRESS, address=address, request_type=0, start=0)
    host.ask(zdo.NWK_ADDRESS, eui=home.meter.node.eui64, request_type=0, start=0)
    host.run()
    assert host.heard("simpleDescRsp")[0]["descriptor"]["profile"] == 0x0109
    assert host.heard("nodeDescRsp")[0]["status"] == 0
    assert host.heard("ieeeAddrRsp")[0]["eui"] == home.meter.node.eui64
    assert host.heard("nwkAddrRsp")[0]["address"] == address


def test_a_host_with_callbacks_gets_messages(home: Home, host: Host) -> None:
    host.start()
    assert host.ask(zdo.CALLBACK_REGISTER, cluster=0xFFFF)["status"] == 0
    address = home.meter.address
    octets = profile.encode(profile.Cluster.ACTIVE_ENDPOINTS, 77, address=address)
    assert send(host, address, octets, source_endpoint=0, destination_endpoint=0, cluster=5) == 0
    host.run()
    (found,) = host.heard("msgCbIncoming")
    assert (found["source"], found["cluster"], found["sequence"]) == (address, 0x8005, 77)
    assert host.heard("activeEpRsp") == []
    assert host.heard("dataConfirm") == []
    host.ask(zdo.ACTIVE_ENDPOINTS, destination=address, address=address)  # a command of its own: both
    host.run()
    assert len(host.heard("msgCbIncoming")) == len(host.heard("activeEpRsp")) == 1
    assert host.ask(zdo.CALLBACK_REMOVE, cluster=0xFFFF)["status"] == 0
    host.ask(zdo.ACTIVE_ENDPOINTS, destination=address, address=address)
    host.run()
    assert host.heard("msgCbIncoming") == []


def test_an_energy_scan_finds_interference(home: Home, host: Host) -> None:
    host.start()
    home.hub.han.medium.interfere(channels=1 << 13, level=-40)
    ask = {"destination": 0, "mode": 2, "count": 1, "manager": 0}
    host.ask(zdo.MGMT_NWK_UPDATE, **ask, channels=0x07FFF800, duration=3)
    (found,) = host.heard("mgmtNwkUpdateNotify")
    levels = dict(zip(range(11, 27), found["energies"], strict=True))
    assert levels[13] > 200 > levels[12]
    host.ask(zdo.MGMT_NWK_UPDATE, **ask, channels=1 << 20, duration=0xFE)
    assert host.heard("mgmtNwkUpdateNotify")[0]["status"] == profile.Status.NOT_SUPPORTED


def test_groups(host: Host) -> None:
    group = {"endpoint": 242, "group": 0x0B84}
    assert host.ask(zdo.FIND_GROUP, **group)["status"] == Status.FAILURE
    assert host.ask(zdo.ADD_GROUP, **group, name=b"")["status"] == Status.SUCCESS
    assert host.ask(zdo.FIND_GROUP, **group) == {"status": 0, "group": 0x0B84, "name": b""}
    assert host.ask(zdo.FIND_GROUPS, endpoint=242)["groups"] == [0x0B84]
    assert host.ask(zdo.REMOVE_GROUP, **group)["status"] == Status.SUCCESS
    assert host.ask(zdo.REMOVE_GROUP, **group)["status"] == Status.FAILURE
    added = [host.ask(zdo.ADD_GROUP, endpoint=1, group=at, name=b"")["status"] for at in range(60)]
    assert added[-1] == Status.FAILURE


# --- faults, and whatever octets


def test_what_is_not_known_is_answered_so(host: Host) -> None:
    def refused(octets: str) -> bytes:
        (answer,) = host.send(Frame(Kind.REQUEST, *bytes.fromhex(octets)[:2], bytes.fromhex(octets)[2:]).encode())
        assert (answer.kind, answer.subsystem, answer.command) == (Kind.ANSWER, 0, 0)
        return answer.data

    assert refused("01 77") == bytes.fromhex("02 21 77")
    assert refused("0A 00") == bytes.fromhex("01 2A 00")
    assert refused("01 32 01 0400 0000") == bytes.fromhex("02 21 32")  # by which zigpy-znp knows a Z-Stack 3.0
    assert refused("01 08 00") == bytes.fromhex("04 21 08")
    assert refused("04 01 00") == bytes.fromhex("04 24 01")
    binding = "05 21 3412" + "00" * 8 + "01 0207 09" + "00" * 8 + "01"
    host.ask(zdo.STARTUP, delay=0)
    assert refused(binding) == bytes.fromhex("03 25 21")
    assert host.stack.counters["frames discarded"] == 6


def test_a_damaged_frame_is_skipped(host: Host) -> None:
    ping = znp.ask(znp.PING, {}).encode()
    (answer,) = host.send(ping[:-1] + b"\x00" + ping)
    assert znp.read(answer)[0] is znp.PING
    assert "check is wrong" in host.notes[0]
    assert host.send(bytes([0xEF] * 256)) == []
    assert len(host.send(ping)) == 1


def test_a_stuck_processor_says_nothing(home: Home, host: Host) -> None:
    host.start()
    host.stack.stuck = True
    assert host.send(znp.ask(znp.PING, {}).encode()) == []
    home.meter.join()
    host.run()
    host.stack.restart()
    assert host.told == []
    host.stack.stuck = False
    assert host.ask(znp.PING)


def test_a_restart_by_itself_is_told_and_the_network_is_down(home: Home, host: Host) -> None:
    host.start()
    host.register()
    host.stack.restart()
    assert host.heard("resetInd")[0]["reason"] == 2
    assert not home.hub.coordinator.up
    assert send(host, home.meter.address) == Status.NWK_INVALID_REQUEST
    host.start()
    assert host.register() == Status.SUCCESS


def test_a_hub_without_power_is_silent_and_then_has_started_anew(home: Home, host: Host) -> None:
    host.start()
    home.hub.power_off()
    assert host.send(znp.ask(znp.PING, {}).encode()) == []
    home.hub.power_on()
    host.run(600)
    indication, answer = host.send(znp.ask(znp.PING, {}).encode())
    assert znp.read(indication)[0] is znp.RESET_INDICATION
    assert znp.read(answer)[0] is znp.PING
    assert not home.hub.coordinator.up
    host.start()


def test_the_hub_has_its_network_again_when_the_host_has_gone(home: Home, host: Host) -> None:
    host.start()
    host.stack.closed()
    assert not home.hub.coordinator.up
    assert home.hub.coordinator.listener is None
    assert host.stack not in list(host.stack.lines)
    host.start()
    assert host.stack in list(host.stack.lines)
    home.meter.join()
    host.run()
    assert host.heard("endDeviceAnnceInd")


def test_every_request_is_declared_and_answered(host: Host) -> None:
    for key in HANDLERS:
        assert znp.COMMANDS[key].answer is not None
        answers = host.send(Frame(Kind.REQUEST, *key, bytes(24)).encode())
        assert [frame.kind for frame in answers].count(Kind.ANSWER) == 1


FRAMES = st.one_of(
    st.builds(
        lambda key, data: Frame(Kind.REQUEST, *key, data),
        st.sampled_from(sorted(znp.COMMANDS)),
        st.one_of(st.binary(max_size=40), st.integers(0, 40).map(bytes)),
    ),
    st.builds(Frame, st.sampled_from(Kind), st.integers(0, 31), st.integers(0, 255), st.binary(max_size=30)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(FRAMES.map(Frame.encode), st.binary(max_size=30)), max_size=12), st.booleans())
def test_any_frames_are_answered_or_dropped(octets: list[bytes], started: bool) -> None:
    home = Home(Clock(START))
    host = home.host()
    if started:
        host.start()
        host.register()
    for each in octets:
        host.send(each)
        host.run()
    host.send(bytes(300))  # what a frame without an end was waiting for
    assert host.ask(znp.PING) == {"capabilities": 0x0479}


def test_same_seed_same_octets() -> None:
    said: list[bytes] = []
    for _ in range(2):
        home = Home(Clock(START))
        host = home.host()
        home.hub.coordinator.leave()
        host.ask(zdo.STARTUP, delay=0)
        item = host.item(Item.NIB)
        assert item is not None
        said.append(item + (host.item(Item.ACTIVE_KEY) or b""))
    assert said[0] == said[1]
