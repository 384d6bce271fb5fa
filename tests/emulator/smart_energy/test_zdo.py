"""The device profile: descriptors, bindings, and what a device says to questions about others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.electricity import ElectricityMeter
from emulator.han.message import Message
from emulator.premises import Premises
from emulator.smart_energy.zdo import Description, Kind, announcement, answer
from protocols.zigbee import zdo
from protocols.zigbee.zdo import RESPONSE, Cluster, Status

from .conftest import HOST_EUI, OURS, Host

Esme = Callable[..., ElectricityMeter]
METERING, BASIC = 0x0702, 0x0000


@pytest.fixture
def meter(esme: Esme) -> Host:
    """An electricity meter and who talks to it."""
    return Host(esme())


def test_node_descriptor_octets(meter: Host) -> None:
    # router on mains that listens, 2.4 GHz, revision 22, as hosts read it octet by octet
    (said,) = meter.deliver(Message(0, Cluster.NODE_DESCRIPTOR, 0, 0, bytes.fromhex("015c3a")))
    assert said.payload.hex() == "01005c3a" + "01408e6812520002002c000200"
    assert said.cluster == 0x8002


def test_a_sleepy_gas_meter_says_so(home: Callable[..., Premises]) -> None:
    gas = Host(home().gas)  # type: ignore[arg-type]
    node = gas.zdo(Cluster.NODE_DESCRIPTOR, address=OURS)
    power = gas.zdo(Cluster.POWER_DESCRIPTOR, address=OURS)
    assert node is not None and power is not None
    assert (node["descriptor"]["kind"]["type"], node["descriptor"]["capability"]) == (2, 0x80)
    assert power["descriptor"] == {"available_sources": 4, "mode": 1, "level": 12, "source": 4}
    for cluster in (Cluster.MGMT_LQI, Cluster.MGMT_ROUTES):
        found = gas.zdo(cluster, start=0)
        assert found is not None and found["status"] == Status.NOT_SUPPORTED


def test_the_hub_is_the_coordinator(home: Callable[..., Premises]) -> None:
    hub = Host(home().hub)  # type: ignore[arg-type]
    node = hub.zdo(Cluster.NODE_DESCRIPTOR, address=OURS)
    simple = hub.zdo(Cluster.SIMPLE_DESCRIPTOR, address=OURS, endpoint=1)
    assert node is not None and simple is not None
    assert node["descriptor"]["kind"]["type"] == 0
    assert node["descriptor"]["server_mask"] & 1
    assert simple["descriptor"]["device"] == 0x0500
    assert {0x0700, 0x0703, 0x000A} <= set(simple["descriptor"]["input_clusters"])


def test_simple_descriptor(meter: Host) -> None:
    found = meter.zdo(Cluster.SIMPLE_DESCRIPTOR, address=OURS, endpoint=1)
    assert found is not None
    descriptor = found["descriptor"]
    assert (descriptor["profile"], descriptor["device"]) == (0x0109, 0x0501)
    assert {0x0000, 0x0702, 0x0705, 0x0704, 0x0800} <= set(descriptor["input_clusters"])
    assert 0x0703 in descriptor["output_clusters"]


@pytest.mark.parametrize(
    ("endpoint", "status"), [(2, Status.NOT_ACTIVE), (0, Status.INVALID_ENDPOINT), (255, Status.INVALID_ENDPOINT)]
)
def test_endpoints_that_are_not_there(meter: Host, endpoint: int, status: Status) -> None:
    found = meter.zdo(Cluster.SIMPLE_DESCRIPTOR, address=OURS, endpoint=endpoint)
    assert found is not None and found["status"] == status


def test_active_endpoints_and_match(meter: Host) -> None:
    assert meter.zdo(Cluster.ACTIVE_ENDPOINTS, address=OURS) == {"status": 0, "address": OURS, "endpoints": [1]}
    for inputs, outputs, endpoints in (([METERING], [], [1]), ([], [0x0703], [1]), ([0x0006], [0x0006], [])):
        found = meter.zdo(
            Cluster.MATCH_DESCRIPTOR, address=OURS, profile=0x0109, input_clusters=inputs, output_clusters=outputs
        )
        assert found == {"status": 0, "address": OURS, "endpoints": endpoints}


def test_broadcasts_are_answered_only_by_whom_they_mean(meter: Host) -> None:
    wanted = {"profile": 0x0109, "output_clusters": []}
    match = Cluster.MATCH_DESCRIPTOR
    assert meter.zdo(match, broadcast=True, address=0xFFFD, input_clusters=[METERING], **wanted)
    assert meter.zdo(match, broadcast=True, address=0xFFFD, input_clusters=[0x0006], **wanted) is None
    asked = {"request_type": 0, "start": 0}
    found = meter.zdo(Cluster.NWK_ADDRESS, broadcast=True, eui=meter.device.identity.eui64, **asked)
    assert found is not None and (found["status"], found["address"]) == (0, OURS)
    assert meter.zdo(Cluster.NWK_ADDRESS, broadcast=True, eui=HOST_EUI, **asked) is None
    assert meter.zdo(Cluster.MGMT_PERMIT_JOINING, broadcast=True, duration=60, trust_centre=1) is None


def test_questions_about_others(meter: Host) -> None:
    unicast = meter.zdo(Cluster.NWK_ADDRESS, eui=HOST_EUI, request_type=0, start=0)
    assert unicast is not None and (unicast["status"], unicast["eui"]) == (Status.DEVICE_NOT_FOUND, HOST_EUI)
    for cluster in (Cluster.NODE_DESCRIPTOR, Cluster.POWER_DESCRIPTOR, Cluster.ACTIVE_ENDPOINTS):
        found = meter.zdo(cluster, address=0x1234)
        assert found is not None and found["status"] == Status.DEVICE_NOT_FOUND


def test_binding_and_unbinding(meter: Host) -> None:
    ours = meter.device.identity.eui64
    bound = {
        "source": ours,
        "source_endpoint": 1,
        "cluster": METERING,
        "mode": 3,
        "destination": {"eui": HOST_EUI, "endpoint": 1},
    }
    assert meter.zdo(Cluster.BIND, **bound) == {"status": 0}
    assert meter.zdo(Cluster.BIND, **bound) == {"status": 0}
    table = meter.zdo(Cluster.MGMT_BIND, start=0)
    assert table is not None and table["page"] == {"total": 1, "start": 0, "entries": [bound]}
    assert meter.zdo(Cluster.UNBIND, **bound) == {"status": 0}
    assert meter.zdo(Cluster.UNBIND, **bound) == {"status": Status.NO_ENTRY}
    assert meter.zdo(Cluster.BIND, **{**bound, "source": HOST_EUI}) == {"status": Status.NOT_SUPPORTED}
    assert meter.zdo(Cluster.BIND, **{**bound, "source_endpoint": 7}) == {"status": Status.INVALID_ENDPOINT}


def test_the_binding_table_fills_up(meter: Host) -> None:
    def bind(number: int) -> int:
        target = {"mode": 1, "destination": {"group": number}}
        found = meter.zdo(
            Cluster.BIND, source=meter.device.identity.eui64, source_endpoint=1, cluster=METERING, **target
        )
        assert found is not None
        return found["status"]

    assert [bind(number) for number in range(17)] == [0] * 16 + [Status.TABLE_FULL]
    page = meter.zdo(Cluster.MGMT_BIND, start=15)
    assert page is not None and (page["page"]["total"], len(page["page"]["entries"])) == (16, 1)


def test_leaving_is_the_networks_to_do(meter: Host) -> None:
    options = {"options": {"rejoin": True, "remove_children": False}}
    assert meter.zdo(Cluster.MGMT_LEAVE, eui=bytes(8), **options) == {"status": Status.NOT_SUPPORTED}
    told: list[bool] = []
    meter.application.leave = told.append
    assert meter.zdo(Cluster.MGMT_LEAVE, eui=HOST_EUI, **options) == {"status": Status.DEVICE_NOT_FOUND}
    assert told == []
    assert meter.zdo(Cluster.MGMT_LEAVE, eui=bytes(8), **options) == {"status": 0}
    assert told == [True]


def test_neighbours_come_from_the_network(meter: Host) -> None:
    assert meter.zdo(Cluster.MGMT_LQI, start=0) == {"status": 0, "page": {"total": 0, "start": 0, "entries": []}}
    neighbour = {
        "extended_pan": bytes(8),
        "eui": HOST_EUI,
        "address": 0,
        "what": {"relationship": 0, "receiver_on": 1, "type": 0},
        "permit_joining": 2,
        "depth": 0,
        "lqi": 200,
    }
    meter.application.neighbours = lambda: [neighbour] * 5
    page = meter.zdo(Cluster.MGMT_LQI, start=3)
    assert page is not None and (page["page"]["total"], len(page["page"]["entries"])) == (5, 2)


def test_unknown_requests_are_not_supported_and_responses_are_nothing(meter: Host) -> None:
    (said,) = meter.deliver(Message(0, 0x0040, 0, 0, b"\x07\x01"))
    assert (said.cluster, said.payload) == (0x8040, bytes((0x07, Status.NOT_SUPPORTED)))
    for cluster, payload in ((0x8002, b"\x01\x00"), (0x0002, b""), (0x0002, b"\x01\x02"), (0x0013, b"\x01")):
        assert meter.deliver(Message(0, cluster, 0, 0, payload)) == []


def test_the_endpoints_of_a_host() -> None:
    class Endpoint:
        number, profile, device, version = 1, 0x0104, 0x0005, 0
        servers, clients = (0x000A,), (0x0702,)

    hub = Description(0, bytes(8), Kind.COORDINATOR, 0x1049, [Endpoint()])  # type: ignore[list-item]
    ask = Message(0, Cluster.SIMPLE_DESCRIPTOR, 0, 0, zdo.encode(Cluster.SIMPLE_DESCRIPTOR, 9, address=0, endpoint=1))
    said = answer(hub, ask)
    assert said is not None
    _, found = zdo.decode(said.cluster, said.payload)
    assert found["descriptor"]["input_clusters"] == [0x000A]
    bind = zdo.encode(
        Cluster.BIND,
        1,
        source=bytes(8),
        source_endpoint=1,
        cluster=BASIC,
        mode=3,
        destination={"eui": HOST_EUI, "endpoint": 1},
    )
    said = answer(hub, Message(0, Cluster.BIND, 0, 0, bind))
    assert said is not None and said.payload == bytes((1, Status.NOT_SUPPORTED))


def test_the_announcement(meter: Host) -> None:
    said = announcement(meter.application.description, 3)
    sequence, found = zdo.decode(Cluster.DEVICE_ANNOUNCE, said.payload)
    assert (sequence, said.profile, said.cluster & RESPONSE) == (3, 0, 0)
    assert found == {"address": OURS, "eui": meter.device.identity.eui64, "capability": 0x8E}
