"""Faults of the hub: what it keeps of its meters, what it forgets, and how it is after the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from emulator.faults.hub import FAULTS
from emulator.faults.parameters import FaultError
from emulator.gas import GasMeter
from emulator.han.mirror import Mirror
from emulator.premises import Premises
from emulator.smart_energy.application import Application
from emulator.time import HOUR, MINUTE, Clock
from protocols.dlms import axdr
from protocols.dlms.client import AssociationRejected, by_entry
from protocols.dlms.objects import AccessRefused
from protocols.errors import LocalProtocolError

from ..conftest import DeviceSpec, Prepayment, Talker, settings_of
from .conftest import ALL, Place

VOLUME, CLOCK, LOAD, LOG = (3, "7-0:1.8.0"), (8, "0-0:1.0.0"), (7, "7-0:99.1.0"), (104, "0-0:30.3.0")
TIME_ZONE = 3


def talker(place: Place, kind: str = "hub", association: str = "management", sap: int = 64) -> Talker:
    """A client at the hub's WAN that talks to a device."""
    server = {"hub": 1, "electricity": 16, "gas": 17}[kind]
    settings = settings_of(place.device(kind), association)
    return Talker(place.hub.stacks["wan-tcp"](), settings, sap=sap, server=server).open()


def public(place: Place, kind: str = "hub") -> Talker:
    return talker(place, kind, "public", 16)


def gas_of(place: Place) -> tuple[GasMeter, Mirror]:
    gas, mirror = place.device("gas"), place.hub.mirror
    assert isinstance(gas, GasMeter) and mirror is not None
    return gas, mirror


def test_the_meter_takes_power_and_place_back(place: Place) -> None:
    meter = place.device("electricity")
    fault = place.start("hub-without-meter", "electricity")
    assert (fault.device, fault.blamed) == ("home/electricity", "home/electricity")
    assert not meter.mains and place.on == ["gas", "display"]
    assert sorted(place.hub.served) == [1, 17]
    with pytest.raises(FaultError, match="has that already"):
        place.start("hub-without-meter", "electricity")
    place.after(HOUR)
    place.end(fault)
    place.after(MINUTE)
    assert meter.ready and sorted(place.on) == sorted(ALL)
    assert sorted(place.hub.served) == [1, 16, 17]
    assert public(place, "electricity").value(1, "0-0:42.0.0")


def test_a_meter_that_had_no_power_gets_none(place: Place) -> None:
    meter = place.device("electricity")
    meter.power_off()
    place.end(place.start("hub-without-meter", "electricity"))
    assert not meter.mains


def test_a_forgotten_han_comes_back_whole(place: Place) -> None:
    place.after(2 * HOUR)
    application = place.han.application
    assert isinstance(application, Application) and application.mirror is not None
    before, mirrored = place.han.image(), application.mirror.image(application)
    counter = place.han.node.counter
    fault = place.start("hub-forgot-han")
    assert list(place.han.log.entries) == [] and place.on == []
    assert sorted(place.hub.served) == [1] and application.mirror is None
    assert place.han.pan_id != before["pan_id"]
    assert place.han.network_key.hex() != before["network_key"]
    place.after(3 * HOUR)
    assert place.on == []
    place.end(fault)
    after = place.han.image()
    for name in ("formed", "pan_id", "extended_pan_id", "channel", "network_key", "key_sequence", "log", "mirrored"):
        assert after[name] == before[name], name
    assert place.han.node.counter >= counter
    assert application.mirror is not None and application.mirror.image(application) == mirrored
    assert sorted(place.on) == sorted(ALL) and sorted(place.hub.served) == [1, 16, 17]


def test_a_log_without_room(place: Place) -> None:
    room = place.han.log.capacity
    fault = place.start("device-log-full")
    assert not place.han.register(bytes(8), bytes(16), 0)
    with pytest.raises(FaultError, match="has that already"):
        place.start("device-log-full")
    place.end(fault)
    while len(place.han.log.entries) < room:
        assert place.han.register(len(place.han.log.entries).to_bytes(8, "big"), bytes(16), 0)
    with pytest.raises(FaultError, match="home/hub: its device log is full already"):
        place.start("device-log-full")


def test_a_relay_that_is_stuck(place: Place) -> None:
    before = public(place, "electricity")
    name = before.value(1, "0-0:42.0.0")
    own = Talker(place.device("electricity").stacks["local-tcp"](), settings_of(place.device("electricity"), "public"))
    fault = place.start("relay-stuck")
    for silent in (lambda: before.value(1, "0-0:42.0.0"), lambda: public(place, "electricity")):
        with pytest.raises(LocalProtocolError):  # nobody answers
            silent()
    assert (
        before.said[-1] == f"fault {fault.id} (relay-stuck): the hub does not pass on what is for the electricity meter"
    )
    assert before.stack.counters["not passed on"] == 1
    assert own.open().value(1, "0-0:42.0.0") == name
    assert place.reporting == ALL
    place.end(fault)
    assert public(place, "electricity").value(1, "0-0:42.0.0") == name
    assert place.device("electricity").taps is None


def test_a_frozen_mirror_is_the_meter_as_it_was(place: Place) -> None:
    """To clients and to the HAN; it shares keys and counters with the meter, and what waits for it is forgotten."""
    place.after(HOUR)
    application, (gas, mirror) = place.han.application, gas_of(place)
    assert isinstance(application, Application) and application.mirror is not None
    counters = gas.security(gas.firmware.model.by_name["management"]).counters
    zone = gas.device_clock.time_zone

    def seen() -> list[object]:
        reader = talker(place, "gas")
        count = reader.value(*LOAD, 7)
        assert isinstance(count, int)
        rows = reader.get(*LOAD, 2, by_entry(count - 20, count))
        return [reader.value(*VOLUME), reader.value(*CLOCK), axdr.encode(rows)]

    before, reported, received = seen(), application.mirror.image(application), counters.received
    fault = place.start("mirror-frozen")
    assert seen() == before
    assert counters.received > received
    writer = talker(place, "gas")
    writer.set(*CLOCK, TIME_ZONE, axdr.i16(zone + 60))
    writer.set(15, "0-0:40.0.0", 7, axdr.octets(bytes(16)))  # which is the hub's to keep
    assert gas.security(gas.firmware.model.by_name["management"]).secret == bytes(16)
    place.after(2 * HOUR)
    assert seen() == before
    assert application.mirror.image(application) == reported
    assert mirror.pending == 1
    gas.settle()
    assert mirror.last_wake_up + HOUR < gas.last_wake_up
    place.end(fault)
    after = seen()
    assert all(new != old for new, old in zip(after, before, strict=True))
    assert mirror.last_wake_up == gas.last_wake_up
    place.after(HOUR)
    assert (mirror.pending, gas.device_clock.time_zone) == (0, zone)
    assert application.mirror.image(application) != reported


def test_a_still_is_the_meter_in_every_object(home: Callable[..., Premises], clock: Clock) -> None:
    premises = home(gas=DeviceSpec(prepayment=Prepayment(2_500)))
    clock.advance_to(clock.now + 2 * HOUR)
    gas = premises.gas
    assert gas is not None
    still = gas.still()
    assert still.account is not None and gas.account is not None and still.account.balance == gas.account.balance
    read = 0
    for key, item in gas.firmware.model.objects.items():
        for index in item.attributes:
            descriptor = key + bytes((index,))
            with suppress(AccessRefused):  # what is of the association that reads it
                assert still.internal.read(descriptor) == gas.internal.read(descriptor), item.title
                read += 1
    assert read > 300
    assert gas.time == still.time == still.clock.now


def test_a_mirror_that_was_replaced_while_it_was_frozen(place: Place) -> None:
    gas, mirror = gas_of(place)
    fault = place.start("mirror-frozen")
    place.hub.remove_mirror(gas.identity.eui64)
    place.hub.lost(gas)
    place.hub.gained(gas)
    place.end(fault)
    assert place.hub.mirror is not mirror and place.hub.mirror is not None and not place.hub.mirror.frozen
    with pytest.raises(FaultError, match="mirrors no gas meter"):
        place.hub.remove_mirror(gas.identity.eui64)
        place.start("mirror-frozen")


def test_commands_that_are_forgotten(place: Place) -> None:
    gas, mirror = gas_of(place)
    zone = gas.device_clock.time_zone
    fault = place.start("commands-forgotten")
    talker(place, "gas").set(*CLOCK, TIME_ZONE, axdr.i16(zone + 60))
    place.after(HOUR)
    assert (mirror.pending, mirror.counters["taken"], mirror.counters["delivered"]) == (0, 1, 0)
    assert gas.device_clock.time_zone == zone
    place.end(fault)
    talker(place, "gas").set(*CLOCK, TIME_ZONE, axdr.i16(zone + 60))
    place.after(HOUR)
    assert gas.device_clock.time_zone == zone + 60


@pytest.mark.parametrize("most", [0, 2])
def test_memory_for_few_associations(place: Place, most: int) -> None:
    fault = place.start("associations-exhausted", most=most)
    kept = [public(place, kind) for kind in ("hub", "gas")[:most]]
    with pytest.raises(AssociationRejected):
        public(place)
    assert public(place, "electricity").value(1, "0-0:42.0.0")  # that one is the meter's
    for each in kept:
        assert each.value(1, "0-0:42.0.0")
    place.end(fault)
    assert public(place).value(1, "0-0:42.0.0")


def test_alerts_that_are_dropped_or_lost(place: Place) -> None:
    head_end = talker(place)
    destination = axdr.structure(axdr.enum_(0), axdr.octets(b"head-end:4059"), axdr.enum_(0))
    head_end.set(40, "0-2:25.9.0", 3, destination)

    def changed() -> tuple[int, int]:
        """Alerts heard of a change of the log, and frames that the hub says it has sent for it."""
        heard, sent = len(head_end.notifications), head_end.stack.counters["frames sent"]
        place.han.register(place.clock.now.to_bytes(8, "big"), bytes(16), 0)
        place.after(MINUTE)
        return len(head_end.notifications) - heard, head_end.stack.counters["frames sent"] - sent

    assert changed() == (1, 1)
    for name, sent in (("alerts-dropped", 0), ("wan-lost-pushes", 1)):
        fault = place.start(name)
        assert changed() == (0, sent)
        with pytest.raises(FaultError, match="has that already"):
            place.start("alerts-dropped")
        place.end(fault)
        assert changed() == (1, 1)


def test_all_end_where_they_began(place: Place) -> None:
    """All at once, and ended together, the hub is as it was."""
    begun = [place.start(fault.name, fault.kinds[0]) for fault in reversed(FAULTS)]
    place.after(HOUR)
    for injection in reversed(begun):
        place.end(injection)
    place.after(2 * HOUR)
    assert sorted(place.on) == sorted(place.reporting) == sorted(ALL)
    assert sorted(place.hub.served) == [1, 16, 17]
    assert place.hub.taps is None and place.hub.mirror is not None and not place.hub.mirror.frozen
