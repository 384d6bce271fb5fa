"""The display of a HAN against a port of the test's own: all it knows it was told, all it does is sent."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.device import Identity
from emulator.display import Display
from emulator.display_client import CLIENTS, MOST_METERS
from emulator.display_known import KEPT, Fuel
from emulator.firmware import Notice
from emulator.han.message import NOWHERE, RECEIVERS_ON, Arrival, Done, Message
from emulator.security import KeyRing
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load
from protocols.zigbee import zdo
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.clusters import (
    IDENTIFY,
    MESSAGING,
    METERING,
    PREPAYMENT,
    PRICE,
    TIME,
    decode_command,
    encode_command,
)
from protocols.zigbee.zcl.clusters.prepayment import CreditStatus, TopUpResult
from protocols.zigbee.zcl.foundation import Command, ReadRecord, Record, Reporting, Status
from protocols.zigbee.zcl.header import Direction, Frame, cluster_frame, global_frame
from protocols.zigbee.zcl.types import Type

from .conftest import SEED, START

PROFILE = 0x0109
ESME, HUB = b"\x02SM1\0\0\0\1", b"\x02SM1\0\0\0\2"
PLACES = {ESME: 0x4E21, HUB: 0x0000}
EVERYTHING = [0x0000, METERING.id, PREPAYMENT.id, PRICE.id]
ELECTRICITY = [
    Record(0x0306, Type.ENUM8, 0),
    Record(0x0301, Type.U24, 1),
    Record(0x0302, Type.U24, 1000),
    Record(0x0000, Type.U48, 1_234_567),
    Record(0x0400, Type.S24, 345),
    Record(0x0014, Type.ENUM8, 2),
]
MONEY = [
    Record(0x0001, Type.S32, 1_234_567),
    Record(0x0002, Type.S32, 500_000),
    Record(0x0003, Type.MAP8, int(CreditStatus.OK | CreditStatus.EMERGENCY_AVAILABLE)),
    Record(0x0502, Type.ENUM8, 1),
]
SEARCH = {"address": RECEIVERS_ON, "profile": PROFILE, "input_clusters": [], "output_clusters": []}
TOKEN = "73943829106572839104"
EPOCH = 946_684_800 * SECOND
"""2000-01-01T00:00:00Z, from which Zigbee counts."""
NOW = (START - EPOCH) // SECOND


class Sent(NamedTuple):
    """A message that the display sent, and what wants to hear of it."""

    destination: int
    message: Message
    done: Done | None


class FakePort:
    """A port that keeps what is sent."""

    def __init__(self) -> None:
        self.address = 0x1234
        self.sent: list[Sent] = []

    def send(self, destination: int, message: Message, done: Done | None = None) -> None:
        self.sent.append(Sent(destination, message, done))

    def address_of(self, eui64: bytes) -> int | None:
        return PLACES.get(eui64)

    def make_up(self) -> None:
        """Nothing is late here."""

    def break_off(self) -> None:
        """Nothing is late here."""

    def eui64_of(self, address: int) -> bytes | None:
        return next((eui64 for eui64, short in PLACES.items() if short == address), None)


class Bench:
    """A display, and the hand of a test that plays everybody else."""

    def __init__(self, clock: Clock, profile: str = "display-base") -> None:
        self.clock = clock
        identity = Identity("home/display", "1234567890123", b"GEN\0\0\0\0\3", b"\x02SM1\0\0\0\3")
        ring = KeyRing(SEED, "home/display")
        self.display = Display(load(profile), identity, clock, SEED, ring, clock.now - DAY)
        self.port = FakePort()
        self.display.connect(self.port)
        self.sequence = 0

    @property
    def text(self) -> str:
        return self.display.text

    @property
    def now(self) -> int:
        """What the display's clock shows, seconds since 2000."""
        self.display.settle()
        return (self.display.utc - EPOCH) // SECOND

    def wait(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.now + round(seconds * SECOND))

    def taken(self) -> list[Sent]:
        """What was sent since the last call."""
        sent, self.port.sent = self.port.sent, []
        return sent

    def hear(self, message: Message, source: bytes = ESME) -> bool:
        """A message arrives: whether it was one for the client side."""
        self.display.settle()
        return self.display.client.receive(Arrival(PLACES[source], source, message))

    def zcl(self, cluster: int, frame: Frame, source: bytes = ESME, endpoint: int = 1) -> None:
        assert self.hear(Message(PROFILE, cluster, endpoint, 1, frame.encode(), True), source)

    def answer(self, request: Sent, **values: Any) -> None:
        """An answer of the device profile."""
        cluster = request.message.cluster | zdo.RESPONSE
        sequence = zdo.decode(request.message.cluster, request.message.payload).sequence
        payload = zdo.encode(cluster, sequence, status=zdo.Status.SUCCESS, **values)
        source = next(eui64 for eui64, short in PLACES.items() if short == values["address"])
        assert self.hear(Message(0, cluster, 0, 0, payload), source)

    def introduce(self, source: bytes = ESME, endpoint: int = 1, clusters: list[int] = EVERYTHING) -> list[Sent]:
        """A device answers the search with one endpoint: what the display does about it."""
        address = PLACES[source]
        self.taken()
        payload = zdo.encode(zdo.Cluster.MATCH_DESCRIPTOR, 1, **SEARCH)
        search = Sent(RECEIVERS_ON, Message(0, zdo.Cluster.MATCH_DESCRIPTOR, 0, 0, payload), None)
        self.answer(search, address=address, endpoints=[endpoint])
        (ask,) = self.taken()
        assert ask.destination == address and ask.message.cluster == zdo.Cluster.SIMPLE_DESCRIPTOR
        assert zdo.decode(ask.message.cluster, ask.message.payload).values == {"address": address, "endpoint": endpoint}
        descriptor = {
            "endpoint": endpoint,
            "profile": PROFILE,
            "device": 0x0501,
            "version": 0,
            "input_clusters": clusters,
            "output_clusters": [],
        }
        self.answer(ask, address=address, descriptor=descriptor)
        return self.taken()

    def searches(self) -> list[Sent]:
        """Searches among what was sent and not taken yet."""
        return [sent for sent in self.port.sent if sent.message.cluster == zdo.Cluster.MATCH_DESCRIPTOR]

    def report(self, cluster: int, records: list[Record], source: bytes = ESME, endpoint: int = 1) -> None:
        frame = global_frame(0, Command.REPORT, foundation.encode_report(records), Direction.TO_CLIENT, answer=False)
        self.zcl(cluster, frame, source, endpoint)

    def read(self, cluster: int, records: list[Record], source: bytes = ESME, endpoint: int = 1) -> None:
        """Attributes that were read come."""
        payload = foundation.encode_read_response([ReadRecord(id, 0, type, value) for id, type, value in records])
        self.zcl(cluster, global_frame(0, Command.READ_RESPONSE, payload, Direction.TO_CLIENT), source, endpoint)

    def command(self, cluster: int, id: int, sender: bytes = ESME, /, **values: Any) -> None:
        """A command of a server, which wants to hear nothing of it."""
        payload = encode_command(cluster, Direction.TO_CLIENT, id, values)
        self.zcl(cluster, cluster_frame(7, id, payload, Direction.TO_CLIENT, answer=False), sender)

    def default_response(self, cluster: int, command: int, status: int) -> None:
        payload = foundation.encode_default_response(command, status)
        self.zcl(cluster, global_frame(0, Command.DEFAULT_RESPONSE, payload, Direction.TO_CLIENT))

    def order(self, cluster: int, command: int) -> tuple[dict[str, Any], Sent]:
        """The one message that was sent: a command of this cluster, and what is in it."""
        (sent,) = self.taken()
        frame = Frame.decode(sent.message.payload)
        assert (sent.message.cluster, frame.command) == (cluster, command)
        assert sent.message.secured and sent.destination == PLACES[ESME]
        return decode_command(cluster, Direction.TO_SERVER, command, frame.payload), sent

    def type(self, keys: str) -> str:
        self.display.front.type(keys)
        return self.text

    def tell(self, number: int = 1, **changes: Any) -> None:
        """A message for the customer."""
        values: dict[str, Any] = {"message": number, "control": 0, "start": 0, "minutes": 10, "text": b"Hello"}
        self.command(MESSAGING.id, 0x00, HUB, extended_control=None, **{**values, **changes})


@pytest.fixture
def bench(clock: Clock) -> Bench:
    return Bench(clock)


@pytest.fixture
def met(bench: Bench) -> Bench:
    """A display that has met an electricity meter, which has reported."""
    bench.wait(10)
    bench.introduce()
    bench.report(METERING.id, ELECTRICITY)
    bench.report(PREPAYMENT.id, MONEY)
    bench.taken()
    return bench


def commands_in(sent: list[Sent]) -> list[tuple[int, int]]:
    """Cluster and command of ZCL frames among what was sent."""
    return [(each.message.cluster, each.message.payload[2]) for each in sent if each.message.profile == PROFILE]


# --- finding meters


def test_it_looks_for_servers_once_it_is_on_the_network(bench: Bench) -> None:
    bench.port.address = NOWHERE
    bench.wait(60)
    assert not bench.port.sent
    bench.port.address = 0x1234
    bench.wait(15)
    (search,) = bench.taken()
    assert search.destination == RECEIVERS_ON and not search.message.acknowledge
    assert zdo.decode(search.message.cluster, search.message.payload).values == {
        "address": RECEIVERS_ON,
        "profile": PROFILE,
        "input_clusters": [METERING.id, PRICE.id, MESSAGING.id, TIME.id],
        "output_clusters": [],
    }


def test_a_meter_that_is_found_is_read_bound_and_has_to_report(bench: Bench) -> None:
    bench.wait(10)
    sent = bench.introduce(clusters=[0, METERING.id, PREPAYMENT.id])
    read, bind, configure = sent[:3]
    assert set(foundation.decode_read(Frame.decode(read.message.payload).payload)) == KEPT[METERING.id]
    assert zdo.decode(zdo.Cluster.BIND, bind.message.payload).values == {
        "source": ESME,
        "source_endpoint": 1,
        "cluster": METERING.id,
        "mode": zdo.UNICAST_BINDING,
        "destination": {"eui": bench.display.identity.eui64, "endpoint": 1},
    }
    assert Frame.decode(configure.message.payload).command == Command.CONFIGURE_REPORTING
    assert foundation.decode_configure_reporting(configure.message.payload[3:]) == [
        Reporting(0, 0x0000, Type.U48, 10, 10, 0),
        Reporting(0, 0x0400, Type.S24, 10, 10, 0),
        Reporting(0, 0x0014, Type.ENUM8, 10, 10),
    ]
    assert foundation.decode_configure_reporting(sent[5].message.payload[3:]) == [
        Reporting(0, 0x0001, Type.S32, 10, 10, 0),
        Reporting(0, 0x0002, Type.S32, 10, 10, 0),
        Reporting(0, 0x0003, Type.MAP8, 10, 10),
    ]
    assert len(sent) == 6
    zcl = [each.message for each in sent if each.message.profile == PROFILE]
    assert all(message.secured and message.source_endpoint == 1 for message in zcl)


def test_prices_messages_and_time_are_asked_for_from_time_to_time(bench: Bench) -> None:
    bench.wait(10)
    asked = {(PRICE.id, 0x00), (MESSAGING.id, 0x00), (TIME.id, Command.READ)}
    assert set(commands_in(bench.introduce(HUB, clusters=[PRICE.id, MESSAGING.id, TIME.id]))) == asked
    bench.introduce()
    bench.command(PRICE.id, 0x00, HUB, **price())
    bench.taken()
    for _ in range(180):
        bench.wait(10)
        bench.report(METERING.id, ELECTRICITY)
    repeated = commands_in(bench.taken())
    assert set(repeated) == asked and len(repeated) == 3


def test_an_endpoint_of_another_profile_is_left_alone(bench: Bench) -> None:
    bench.wait(10)
    (search,) = bench.taken()
    bench.answer(search, address=PLACES[ESME], endpoints=[1])
    (ask,) = bench.taken()
    descriptor = {
        "endpoint": 1,
        "profile": 0x0104,
        "device": 0x0053,
        "version": 0,
        "input_clusters": [METERING.id],
        "output_clusters": [],
    }
    bench.answer(ask, address=PLACES[ESME], descriptor=descriptor)
    assert not bench.taken() and bench.display.client.meter(Fuel.ELECTRICITY) is None


# --- what is shown


def test_reports_are_shown(met: Bench) -> None:
    assert met.text == "345 W\nElectricity 001234.567 kWh"
    met.report(METERING.id, [Record(0x0000, Type.U48, 1_234_568), Record(0x0400, Type.S24, -1200)])
    assert met.text == "-1200 W\nElectricity 001234.568 kWh"
    assert met.type(">") == "Electricity credit 12.34 GBP\nEmergency credit 5.00 GBP available"
    assert met.type(">") == "Supply on"
    met.wait(10)
    assert met.text == "-1200 W\nElectricity 001234.568 kWh"


def test_nothing_is_shown_of_a_meter_before_it_is_heard(bench: Bench) -> None:
    assert bench.text == "- W\nElectricity - kWh"
    bench.wait(10)
    bench.introduce()
    assert bench.text == "- W\nElectricity - kWh"


def test_both_fuels_go_by_what_the_meters_say_they_are(met: Bench) -> None:
    met.wait(119)
    met.wait(1)
    met.introduce(HUB, endpoint=2, clusters=[METERING.id, PREPAYMENT.id])
    gas = [Record(0x0306, Type.ENUM8, 128), Record(0x0302, Type.U24, 1000), Record(0x0000, Type.U48, 4321)]
    met.read(METERING.id, gas, HUB, 2)
    assert met.type(">>>>") == "Gas 000004.321 m3\nValve -"
    electricity, mirror = met.display.client.meter(Fuel.ELECTRICITY), met.display.client.meter(Fuel.GAS)
    assert electricity and mirror and electricity.at != mirror.at


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (Record(0x0000, Type.U48, 0xFFFF_FFFF_FFFF), "345 W\nElectricity - kWh"),
        (Record(0x0000, Type.OCTSTR, b"12"), "345 W\nElectricity - kWh"),
        (Record(0x0400, Type.S24, -(1 << 23)), "- W\nElectricity 001234.567 kWh"),
        (Record(0x0302, Type.U24, 0), "345000 W\nElectricity 1234567.000 kWh"),
        (Record(0x1234, Type.U8, 1), "345 W\nElectricity 001234.567 kWh"),
    ],
)
def test_what_is_not_available_or_no_number_shows_as_nothing(met: Bench, record: Record, shown: str) -> None:
    met.report(METERING.id, [record])
    assert met.text == shown


def test_a_report_that_is_cut_off_is_refused_and_changes_nothing(met: Bench) -> None:
    whole = foundation.encode_report([Record(0x0400, Type.S24, 1), Record(0x0000, Type.U48, 1)])
    met.zcl(METERING.id, global_frame(9, Command.REPORT, whole[:-1], Direction.TO_CLIENT, answer=False))
    assert met.text == "345 W\nElectricity 001234.567 kWh"
    (sent,) = met.taken()
    frame = Frame.decode(sent.message.payload)
    assert (frame.sequence, frame.command) == (9, Command.DEFAULT_RESPONSE)
    assert foundation.decode_default_response(frame.payload) == (Command.REPORT, Status.MALFORMED_COMMAND)


def test_a_meter_that_is_silent_is_marked_and_looked_for_again(met: Bench) -> None:
    met.wait(119)
    assert met.text == "345 W\nElectricity 001234.567 kWh"
    assert len(met.searches()) <= 1
    met.taken()
    met.wait(900)
    assert met.text == "345 W (old)\nElectricity 001234.567 kWh"
    assert met.searches()
    met.introduce()
    met.report(METERING.id, ELECTRICITY)
    assert met.text == "345 W\nElectricity 001234.567 kWh"


def test_a_device_that_has_joined_is_looked_for_and_else_there_is_little_to_look_for(met: Bench) -> None:
    def searches_within(minutes: int) -> int:
        for _ in range(minutes):
            met.wait(60)
            met.report(METERING.id, ELECTRICITY)
        return sum(sent.message.cluster == zdo.Cluster.MATCH_DESCRIPTOR for sent in met.taken())

    assert [searches_within(minutes) for minutes in (30, 90, 360, 360)] == [0, 2, 2, 1]
    announce = zdo.encode(zdo.Cluster.DEVICE_ANNOUNCE, 1, address=0x2222, eui=bytes(8), capability=0x8E)
    assert not met.hear(Message(0, zdo.Cluster.DEVICE_ANNOUNCE, 0, 0, announce))
    assert 5 <= searches_within(60) <= 7
    assert searches_within(30) == 0


def price(**changes: Any) -> dict[str, Any]:
    """The fields of PublishPrice: 28.5 p a kWh until changed, tier 2."""
    values: dict[str, Any] = {
        "provider": 0,
        "label": b"",
        "event": 5,
        "time": NOW,
        "unit": 0,
        "currency": 826,
        "digit_and_tier": 0x52,
        "tiers_and_register": 0x20,
        "start": 0,
        "minutes": 0xFFFF,
        "price": 28_500,
    }
    left_out = ("price_ratio", "generation_price", "generation_ratio", "alternate_cost", "alternate_unit")
    values.update(dict.fromkeys((*left_out, "alternate_digit", "block_thresholds", "control")))
    return {**values, **changes}


def test_a_price_is_shown_until_it_ends(met: Bench) -> None:
    met.command(PRICE.id, 0x00, **price(minutes=60))
    assert met.type(">>>") == "Rate 2: 28.50 p/kWh"
    met.wait(3598)
    assert met.type("c>>>") == "Rate 2: 28.50 p/kWh"
    met.wait(4)
    assert met.type("c>>>") == "Rate -: - p/kWh"


def test_a_price_of_another_unit_is_one_of_gas(met: Bench) -> None:
    met.command(PRICE.id, 0x00, HUB, **price(unit=1, price=425, digit_and_tier=0x40))
    gas = met.display.client.price(Fuel.GAS)
    assert gas is not None and gas.hundredths == 425
    assert met.type("c>>>") == "Rate -: - p/kWh"


def test_a_price_that_wants_it_is_acknowledged(met: Bench) -> None:
    full = {name: 0 for name, value in price().items() if value is None}
    met.command(PRICE.id, 0x00, **price(**{**full, "control": 1}))
    values, _ = met.order(PRICE.id, 0x02)
    assert values == {"provider": 0, "event": 5, "time": met.now, "control": 1}


def test_it_follows_the_time_of_the_network(met: Bench) -> None:
    met.read(TIME.id, [Record(0, Type.UTC, NOW + 86_400 + 3600)])
    assert met.type(">" * 6) == "02/01/26 01:00\nNetwork on"
    met.read(TIME.id, [Record(0, Type.UTC, 0xFFFF_FFFF)])
    met.read(TIME.id, [Record(0, Type.U48, 0xFFFF_FFFF_FFFF)])
    assert met.text.startswith("02/01/26 01:00")


# --- messages


def test_a_message_is_shown_until_its_time_is_over(met: Bench) -> None:
    met.tell(text="Köln\n\x1b[2J".encode())
    assert met.text == "345 W\nElectricity 001234.567 kWh\nKöln  [2J"
    met.wait(598)
    assert met.text.endswith("Köln  [2J")
    met.wait(4)
    assert met.text.endswith("kWh")


def test_a_message_to_come_is_shown_when_it_begins(met: Bench) -> None:
    met.tell(start=NOW + 100)
    assert not met.text.endswith("Hello")
    met.wait(91)
    assert met.text.endswith("Hello")


@pytest.mark.parametrize("told_again", [False, True])
def test_a_key_confirms_a_message_that_asks_for_it_once(met: Bench, told_again: bool) -> None:
    met.tell(number=77, control=0x80)
    met.type("c")
    (sent,) = met.taken()
    frame = Frame.decode(sent.message.payload)
    assert (sent.message.cluster, frame.command, sent.destination) == (MESSAGING.id, 0x01, PLACES[HUB])
    values = decode_command(MESSAGING.id, Direction.TO_SERVER, 0x01, frame.payload)
    assert values == {"message": 77, "time": met.now, "control": None, "response": None}
    if told_again:
        met.wait(300)
        met.tell(number=77, control=0x80)
        met.taken()
    met.type("c")
    assert not met.taken()
    assert met.text.split("\n")[-1] == "Hello"
    met.wait(602)
    assert met.text.endswith("kWh")  # telling it again makes it last no longer


def test_a_message_that_does_not_ask_is_not_confirmed(met: Bench) -> None:
    met.tell()
    met.type("c")
    assert not met.taken()


@pytest.mark.parametrize(("number", "gone"), [(1, True), (2, False)])
def test_a_message_can_be_cancelled(met: Bench, number: int, gone: bool) -> None:
    met.tell(minutes=0xFFFF)
    met.command(MESSAGING.id, 0x01, HUB, message=number, control=0)
    assert met.text.endswith("Hello") is not gone


def test_all_messages_can_be_cancelled_at_a_time(met: Bench) -> None:
    met.tell(minutes=0xFFFF)
    met.command(MESSAGING.id, 0x03, HUB, implementation=NOW + 60)
    assert met.text.endswith("Hello")
    met.wait(51)
    assert met.text.endswith("kWh")


# --- what people do


def test_a_token_goes_to_the_meter_and_its_result_is_shown(met: Bench) -> None:
    assert met.type(TOKEN) == "7394 3829 1065 7283 9104"
    assert met.type("#") == "Please wait"
    values, _ = met.order(PREPAYMENT.id, 0x04)
    assert values == {"device": 2, "code": TOKEN.encode()}
    met.wait(2)
    met.command(PREPAYMENT.id, 0x03, result=0x10, value=1_000_000, source=2, credit=2_234_567)
    assert met.text == "Accepted 10.00 GBP, supply on"
    assert met.type(">>").startswith("Electricity credit 22.34 GBP")


@pytest.mark.parametrize("result", [*TopUpResult, 0x55])
def test_every_result_of_a_top_up_has_its_words(met: Bench, result: int) -> None:
    met.type(TOKEN + "#")
    met.command(PREPAYMENT.id, 0x03, result=result, value=500_000, source=2, credit=0)
    name = TopUpResult(result).name.lower() if result in set(TopUpResult) else "error"
    words = met.display.settings.notices[Notice(name)]
    assert met.text == words.replace("{top_up}", "5.00")


def test_a_top_up_that_another_made_is_not_announced(met: Bench) -> None:
    met.command(PREPAYMENT.id, 0x03, result=0, value=500_000, source=1, credit=777_000)
    assert met.text == "345 W\nElectricity 001234.567 kWh"
    assert met.type(">").startswith("Electricity credit 7.77 GBP")


def test_an_answer_that_does_not_come_is_missed_and_shown_when_it_does(met: Bench) -> None:
    met.type(TOKEN + "#")
    met.display.front.show_outcome()
    met.wait(9)
    assert met.text == "Please wait"
    met.wait(21)
    met.display.front.show_outcome()
    assert met.text == "No answer yet"
    met.wait(1500)
    met.command(PREPAYMENT.id, 0x03, result=0, value=500_000, source=2, credit=0)
    assert met.text == "Accepted 5.00 GBP"


def test_a_token_that_does_not_get_there_is_said_so(met: Bench) -> None:
    met.type(TOKEN + "#")
    (sent,) = met.taken()
    assert sent.done is not None
    sent.done(False)
    assert met.text == "Meter not reached"


def test_without_a_meter_nothing_is_sent(bench: Bench) -> None:
    assert bench.type(TOKEN + "#") == "No meter"
    assert bench.type("s") == "No meter"
    assert not bench.taken()


def test_a_supply_that_is_on_is_left_on(met: Bench) -> None:
    assert met.type("s") == "Supply on"
    assert not met.taken()


def off(met: Bench) -> None:
    """The meter's supply is off."""
    met.report(METERING.id, [Record(0x0014, Type.ENUM8, 0)])


@pytest.mark.parametrize("by_default_response", [False, True])
def test_the_supply_is_armed_from_the_display(met: Bench, by_default_response: bool) -> None:
    off(met)
    assert met.type("s") == "Please wait"
    values, _ = met.order(METERING.id, 0x0C)
    assert values == {"status": 1}
    if by_default_response:
        met.default_response(METERING.id, 0x0C, Status.SUCCESS)
    else:
        met.command(METERING.id, 0x0C, provider=0, event=0, implementation=0, status=1)
    assert met.text == "Supply armed"
    met.wait(10)
    assert met.type(">>") == ("Supply off" if by_default_response else "Supply armed")  # until the next report


def test_emergency_credit_is_selected_from_the_display(met: Bench) -> None:
    met.type("e")
    values, _ = met.order(PREPAYMENT.id, 0x00)
    assert values == {"time": met.now, "device": 2, "site": None, "serial_number": None}
    met.default_response(PREPAYMENT.id, 0x00, Status.SUCCESS)
    assert met.text == "Done"


@pytest.mark.parametrize(("keys", "cluster", "command"), [("s", METERING.id, 0x0C), ("e", PREPAYMENT.id, 0x00)])
def test_a_refusal_is_shown(met: Bench, keys: str, cluster: int, command: int) -> None:
    off(met)
    met.type(keys)
    met.default_response(cluster, command ^ 1, Status.FAILURE)
    assert met.text == "Please wait"
    met.default_response(cluster, command, Status.ACTION_DENIED)
    assert met.text == "Refused"


def test_at_the_screens_of_gas_keys_mean_the_gas_meter(met: Bench) -> None:
    met.wait(180)
    met.introduce(HUB, endpoint=2, clusters=[METERING.id, PREPAYMENT.id])
    met.read(METERING.id, [Record(0x0306, Type.ENUM8, 128)], HUB, 2)
    met.type(">>>>" + TOKEN + "#")
    (sent,) = met.taken()
    assert (sent.destination, sent.message.destination_endpoint) == (PLACES[HUB], 2)
    met.type("c>>>>s")
    (sent,) = met.taken()
    assert (sent.destination, sent.message.cluster) == (PLACES[HUB], METERING.id)


def test_an_in_home_display_only_shows(clock: Clock) -> None:
    bench = Bench(clock, "display-ihd")
    bench.wait(10)
    bench.introduce()
    bench.report(METERING.id, ELECTRICITY)
    bench.taken()
    assert bench.type(TOKEN + "#se") == "345 W\nElectricity 001234.567 kWh"
    assert not bench.taken()
    assert bench.type(">>") == "Supply on"


# --- robustness


def test_a_loss_of_power_loses_what_it_knew(met: Bench) -> None:
    met.display.power_off()
    assert met.text == ""
    met.type("1")
    met.display.power_on()
    met.wait(3)
    assert met.text == "- W\nElectricity - kWh"
    met.taken()
    met.wait(15)
    assert met.searches()


def test_commands_that_are_not_known_are_answered_as_such(met: Bench) -> None:
    met.zcl(METERING.id, cluster_frame(3, 0x7E, b"", Direction.TO_CLIENT))
    met.zcl(MESSAGING.id, cluster_frame(4, 0x00, b"\x01", Direction.TO_CLIENT, answer=False))
    met.zcl(METERING.id, cluster_frame(5, 0x0C, bytes(13), Direction.TO_CLIENT))
    said = [foundation.decode_default_response(sent.message.payload[3:]) for sent in met.taken()]
    assert said == [(0x7E, Status.UNSUP_CLUSTER_COMMAND), (0x00, Status.MALFORMED_COMMAND), (0x0C, Status.SUCCESS)]


def test_what_is_for_a_server_is_left_to_it(met: Bench) -> None:
    read = global_frame(1, Command.READ, b"\0\0").encode()
    assert not met.hear(Message(PROFILE, METERING.id, 1, 1, read))
    assert not met.hear(Message(PROFILE, IDENTIFY.id, 1, 1, cluster_frame(1, 0, b"\0\0", Direction.TO_CLIENT).encode()))
    ask = zdo.encode(zdo.Cluster.ACTIVE_ENDPOINTS, 1, address=0x1234)
    assert not met.hear(Message(0, zdo.Cluster.ACTIVE_ENDPOINTS, 0, 0, ask))
    assert not met.hear(Message(0, zdo.Cluster.MATCH_DESCRIPTOR | zdo.RESPONSE, 0, 0, b"\x01"))


def test_it_keeps_a_bounded_number_of_meters(bench: Bench) -> None:
    bench.wait(10)
    for endpoint in range(1, MOST_METERS + 1):
        bench.introduce(endpoint=endpoint)
        bench.report(METERING.id, ELECTRICITY, endpoint=endpoint)
    assert (METERING.id, Command.CONFIGURE_REPORTING) not in commands_in(bench.introduce(endpoint=200))
    bench.wait(300)
    assert (METERING.id, Command.CONFIGURE_REPORTING) in commands_in(bench.introduce(endpoint=200))


MESSAGES = st.builds(
    Message,
    st.sampled_from([PROFILE, 0]),
    st.sampled_from([*CLIENTS, 0x8004, 0x8006, 0x8021]),
    st.integers(0, 255),
    st.just(1),
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda control, command, rest: bytes((control, 1, command)) + rest,
            st.sampled_from([0x08, 0x18, 0x09, 0x19]),
            st.integers(0, 16),
            st.binary(max_size=60),
        ),
    ),
)


@settings(max_examples=100, deadline=None)
@given(messages=st.lists(st.tuples(st.sampled_from([ESME, HUB]), MESSAGES), max_size=12), keys=st.text("0>#secx<"[:7]))
def test_no_octets_upset_it(messages: list[tuple[bytes, Message]], keys: str) -> None:
    bench = Bench(Clock(START))
    bench.wait(10)
    bench.introduce()
    for source, message in messages:
        bench.hear(message, source)
        assert len(bench.text) < 1000
    bench.type(keys.replace("x", ""))
    bench.wait(HOUR / MINUTE)
    for _ in range(8):
        assert bench.type(">")


def test_displays_of_a_rig_do_not_all_speak_at_once() -> None:
    clock = Clock(START)
    times: set[int] = set()
    for number in range(5):
        device_id = f"home-{number}/display"
        identity = Identity(device_id, "1", b"GEN\0\0\0\0\3", bytes((2, 0, 0, 0, 0, 0, 0, number)))
        display = Display(load("display-base"), identity, clock, SEED, KeyRing(SEED, device_id), START)
        port = FakePort()

        def note(destination: int, message: Message, done: Done | None = None) -> None:
            times.add(clock.now)

        port.send = note  # type: ignore[method-assign]
        display.connect(port)
    clock.advance_to(START + 10 * SECOND)
    assert len(times) == 5
