"""Frames of the air in words: every kind of frame, what is protected, and whatever octets come."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.zigbee import aps, mac, nwk, zdo
from protocols.zigbee.mac import Address, MacFrame
from protocols.zigbee.nwk import NwkFrame
from protocols.zigbee.security import Auxiliary, KeyId
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.clusters import encode_command
from protocols.zigbee.zcl.foundation import Command, ReadRecord, Record, Reporting, Status
from protocols.zigbee.zcl.header import Direction, cluster_frame, global_frame
from protocols.zigbee.zcl.types import Type
from rigs.zcl_text import MAX_RECORDS, zcl_text, zdo_text
from rigs.zigbee_text import MAX_NAMES, AirText

from ..protocols.zigbee.air_frames import (
    HUB,
    LINK,
    LINK_KEY,
    METER,
    METER_ADDRESS,
    NETWORK_KEY,
    PAN,
    READ,
    Air,
    data,
    join,
    traffic,
)


class Keys:
    """The hub and its gas meter by name, and the link key; the network key only when it was given."""

    def __init__(self, network: bytes | None = None) -> None:
        self.network = network

    def network_key(self, sequence: int) -> bytes | None:
        return self.network if sequence == 0 else None

    def link_keys(self) -> Iterable[bytes]:
        return bytes(16), LINK_KEY

    def name(self, address: Address) -> str | None:
        return {HUB: "home/hub", 0: "home/hub", METER: "home/gas"}.get(address)


@pytest.fixture(scope="module")
def air() -> Air:
    made = Air()
    join(made)
    traffic(made)
    return made


def test_every_kind_of_frame_is_told_with_the_link_key_alone(air: Air) -> None:
    texts = AirText(Keys())
    told = [texts.tell(octets) for _, octets in air.frames]
    assert len(told) > 70
    assert not [text for text in told if "malformed" in text or "not known" in text or "\n" in text]
    for (what, _), text in zip(air.frames, told, strict=True):
        kind, _, _ = what.partition(" ")
        assert (kind == "zdo") is (" | ZDO " in text), text
        assert (kind == "zcl" and "| block" not in text) is ("| read " in text), text
    text = "\n".join(told)
    for line in (
        "somebody > everybody | beacon request",
        "home/hub | beacon of PAN 1A62 (00DB1234567890A0), open, depth 0",
        "home/gas > home/hub | association request of a sleepy end device",
        "acknowledgement of 2, a frame waits",
        "home/hub > home/gas | association response: address 3456",
        "home/hub > home/gas | network key 0 for home/gas, key-transport key, counter 1",
        "home/gas > home/hub | told to leave and to rejoin",
        "home/gas > home/hub | network status: address conflict, home/gas",
        "home/gas > home/hub | update device: home/gas at 3456, unsecured join, link key, counter 18",
        "tunnel to home/gas: [network key 0 for home/gas, key-transport key, counter 900]",
        "home/hub > home/gas | switch to network key 1",
        "Metering 1 > 1, link key, counter 108 | read CurrentSummationDelivered",
        "ZDO simple descriptor response success address=3456 descriptor=(endpoint=1 profile=0109",
        "block 0 of 3, 60 octets",
    ):
        assert line in text


def test_keys_are_never_part_of_the_text(air: Air) -> None:
    texts = AirText(Keys(NETWORK_KEY))
    text = "\n".join(texts.tell(octets) for _, octets in air.frames).upper()
    assert LINK_KEY.hex().upper() not in text and NETWORK_KEY.hex().upper() not in text


def test_what_cannot_be_opened_says_so(air: Air) -> None:
    ciphered = next(octets for what, octets in air.frames if what == "zcl 1794")
    assert AirText().tell(ciphered).startswith("3456 > 0000 | network key 0, counter ")
    assert ", not known, " in AirText().tell(ciphered)

    wrong = AirText(Keys(bytes(16)))
    assert "network key 0, counter" in wrong.tell(ciphered) and "the MIC is wrong" in wrong.tell(ciphered)

    class NoLinkKey(Keys):
        def link_keys(self) -> Iterable[bytes]:
            return ()

    text = AirText(NoLinkKey(NETWORK_KEY)).tell(ciphered)
    assert "home/hub | Metering 1 > 1, link key, counter" in text and text.split(", ")[-2] == "not known"


def test_a_relayed_frame_names_both_ends() -> None:
    frame = NwkFrame(nwk.FrameType.DATA, 0, METER_ADDRESS, 29, 1, aps.encode(data(0x0000, READ)))
    octets = nwk.encode(frame, NETWORK_KEY, Auxiliary(KeyId.NETWORK, 7, bytes(8), 0))
    relayed = MacFrame(mac.FrameType.DATA, 1, octets, PAN, 0, PAN, 0x1111, True)
    told = AirText(Keys(NETWORK_KEY)).tell(mac.encode(relayed))
    assert told.startswith("1111 > home/hub | 3456 > home/hub | Basic 1 > 1 | read ZCLVersion")


def test_an_announced_address_has_its_devices_name() -> None:
    air = Air()
    values = {"address": METER_ADDRESS, "eui": METER, "capability": 0x80}
    payload = zdo.encode(zdo.Cluster.DEVICE_ANNOUNCE, 1, **values)
    ends = {"destination_endpoint": 0, "source_endpoint": 0, "profile": 0}
    air.aps("announce", data(0x0013, payload, **ends))
    air.aps("read", data(0x0000, b"\x00\x01\x00\x04\x00"))
    texts = AirText(Keys(NETWORK_KEY))
    first, second = (texts.tell(octets) for _, octets in air.frames)
    assert first.endswith("| ZDO device announce address=3456 eui=0102030405060708 capability=128")
    assert second == "home/gas > home/hub | Basic 1 > 1 | read ManufacturerName"


def test_addresses_are_forgotten_when_there_are_too_many() -> None:
    texts = AirText(Keys(NETWORK_KEY))
    for number in range(MAX_NAMES + 10):
        response = mac.encode_command(mac.AssociationResponse(number, 0))
        frame = MacFrame(mac.FrameType.COMMAND, 1, response, PAN, number.to_bytes(8), PAN, HUB)
        assert texts.tell(mac.encode(frame)).endswith(f"association response: address {number:04X}")
    assert len(texts._euis) == MAX_NAMES


def test_a_malformed_layer_says_which_and_why() -> None:
    texts = AirText(Keys(NETWORK_KEY))
    assert texts.tell(b"\x01\x02").startswith("2 octets of no frame: ")
    good = mac.encode(mac.beacon_request(1))
    assert "wrong check sequence" in texts.tell(good[:-1] + bytes((good[-1] ^ 1,)))
    unknown = MacFrame(mac.FrameType.COMMAND, 1, b"\x63", PAN, 0, PAN, METER)
    assert texts.tell(mac.encode(unknown)).startswith("home/gas > home/hub | command, malformed: MAC command 99")
    air = Air()
    air.nwk("unknown", NwkFrame(nwk.FrameType.COMMAND, 0, METER_ADDRESS, 1, 1, b"\x63"))
    air.aps("unknown", aps.ApsFrame(aps.FrameType.COMMAND, 1, b"\x63"))
    air.aps("zcl", data(0x0702, b"\x00\x01\x00\x04"), LINK)
    told = [texts.tell(octets) for _, octets in air.frames]
    assert "malformed: network command 0x63" in told[0]
    assert "APS command, malformed: APS command 0x63" in told[1]
    assert "read, malformed: Read Attributes of 1 octets" in told[2]


@given(st.binary(max_size=140))
def test_any_octets_are_one_line(octets: bytes) -> None:
    texts = AirText(Keys(NETWORK_KEY))
    for frame in (octets, octets[:125] + mac.check_sequence(octets[:125])):
        told = texts.tell(frame)
        assert told and "\n" not in told


@given(st.sampled_from(sorted({0x0000, 0x0700, 0x0702, 0x0705, 0x0708, 0x0800, 0x9999})), st.binary(max_size=90))
def test_any_zcl_frame_is_one_line(cluster: int, octets: bytes) -> None:
    assert "\n" not in zcl_text(cluster, octets)
    assert "\n" not in zdo_text(cluster, octets)


METERING = 0x0702


@pytest.mark.parametrize(
    ("command", "payload", "text"),
    [
        (Command.READ, foundation.encode_read([0, 0xFFF0]), "read CurrentSummationDelivered, attribute FFF0"),
        (
            Command.READ_RESPONSE,
            foundation.encode_read_response(
                [ReadRecord(0, Status.SUCCESS, Type.U48, 123), ReadRecord(1, Status.UNSUPPORTED_ATTRIBUTE)]
            ),
            "read response CurrentSummationDelivered=123, CurrentSummationReceived: unsupported attribute",
        ),
        (
            Command.REPORT,
            foundation.encode_report([Record(0, Type.U48, 123456)]),
            "report CurrentSummationDelivered=123456",
        ),
        (
            Command.WRITE,
            foundation.encode_write([Record(0x0303, Type.OCTSTR, None)]),
            "write SummationFormatting=not available",
        ),
        (Command.WRITE_RESPONSE, foundation.encode_write_response([]), "write response success"),
        (
            Command.WRITE_RESPONSE,
            foundation.encode_write_response([foundation.AttributeStatus(0, Status.READ_ONLY)]),
            "write response CurrentSummationDelivered: read only",
        ),
        (
            Command.CONFIGURE_REPORTING,
            foundation.encode_configure_reporting([Reporting(0, 0, Type.U48, 10, 600, 5)]),
            "configure reporting CurrentSummationDelivered every 10 to 600 s or a change of 5",
        ),
        (
            Command.CONFIGURE_REPORTING,
            foundation.encode_configure_reporting([Reporting(1, 0, timeout=60)]),
            "configure reporting CurrentSummationDelivered within 60 s",
        ),
        (
            Command.CONFIGURE_REPORTING_RESPONSE,
            foundation.encode_configure_reporting_response([]),
            "configure reporting response success",
        ),
        (
            Command.DEFAULT_RESPONSE,
            foundation.encode_default_response(0x00, Status.UNSUP_CLUSTER_COMMAND),
            "default response to GetProfileResponse: unsup cluster command",
        ),
        (Command.DISCOVER, foundation.encode_discover(0, 20), "discover from CurrentSummationDelivered, 20 at most"),
        (
            Command.DISCOVER_RESPONSE,
            foundation.encode_discover_response(False, [foundation.Discovered(0, Type.U48)]),
            "discover response CurrentSummationDelivered, and more",
        ),
    ],
)
def test_foundation_commands(command: Command, payload: bytes, text: str) -> None:
    assert zcl_text(METERING, global_frame(1, command, payload).encode()) == text


def test_commands_of_clusters_have_their_fields() -> None:
    payload = encode_command(0x0800, Direction.TO_SERVER, 3, {"status": 1, "wait": 5, "suite": 1})
    told = zcl_text(0x0800, cluster_frame(1, 3, payload).encode())
    assert told == "TerminateKeyEstablishment status=1 wait=5 suite=1"
    values = {"event": 1, "implementation": 2, "minutes": 3, "type": 1, "password": b"secret"}
    payload = encode_command(0x0708, Direction.TO_CLIENT, 2, values)
    told = zcl_text(0x0708, cluster_frame(1, 2, payload, Direction.TO_CLIENT).encode())
    assert told.endswith("password=(not shown)") and b"secret".hex().upper() not in told
    assert zcl_text(0x9999, cluster_frame(1, 3, b"\1\2").encode()) == "command 03 to the server 2 octets"


def test_many_attributes_are_cut_off() -> None:
    told = zcl_text(METERING, global_frame(1, Command.READ, foundation.encode_read([0] * 30)).encode())
    assert told.endswith(f", and {30 - MAX_RECORDS} more") and len(told) < 250
