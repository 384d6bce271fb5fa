"""Non-volatile memory: every part comes back as it was, nothing acknowledged is lost, no counter goes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.device import Cover, Device
from emulator.electricity import ElectricityMeter
from emulator.firmware import Trigger
from emulator.gas import GasMeter
from emulator.han.medium import Place, Radio
from emulator.han.node import RESERVED_AHEAD, Node
from emulator.image_transfer import ImageStatus, build_image
from emulator.load import MICRO, Constant
from emulator.meter import Meter
from emulator.nvm import Image, MemoryNvm, NvmFault, Saved, keep
from emulator.premises import Premises, build_premises
from emulator.prepayment.account import Account
from emulator.prepayment.passive import PaymentMode
from emulator.prepayment.tokens import Delivery
from emulator.security import WINDOW, KeyId, ReservedCounters
from emulator.supply import ControlState
from emulator.time import DAY, HOUR, MINUTE, SECOND, Clock, stream
from firmware_profiles.loader import load
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.security import COUNTER_MAX, Counters
from protocols.tokens.scheme import Outcome, TokenScheme

from .conftest import SEED, START, DeviceSpec, Hand, Prepayment, Spec, Talker, settings_of
from .conftest import Load as LoadSpec

MESSAGE = "0-0:96.13.0"
SWITCH = "0-0:96.3.10"
FILTER = "0-0:97.98.10"
IMAGE = "0-0:44.0.0"
KILOWATT = 1000 * MICRO
Esme = Callable[..., ElectricityMeter]


def built(clock: Clock) -> Premises:
    spec = Spec(
        electricity=DeviceSpec(load=LoadSpec("constant", 1234.5)), gas=DeviceSpec(load=LoadSpec("constant", 0.987))
    )
    return build_premises("home", spec, clock, SEED, load, history_days=3)


def wired(premises: Premises, memories: dict[str, MemoryNvm], snapshot: int | None = None) -> None:
    """Keep the devices of a premises as a rig does; those that were kept go on from there."""
    devices = list(premises.devices())
    restored = [
        device
        for device in devices
        if keep(device, memories.setdefault(device.identity.device_id, MemoryNvm()), snapshot)
    ]
    for device in reversed(restored):
        device.resume()
    for device in devices:
        assert device.keeper is not None and device.keeper.begin()


def kept(device: Device) -> str:
    return json.dumps(device.parts(), sort_keys=True)


def restored(device: Device, parts: dict[str, Any]) -> Device:
    """A device given images as a memory would hand them back."""
    device.restore({name: Saved.read(name, json.dumps(image)) for name, image in parts.items()})
    return device


def account_of(meter: Meter) -> Account:
    assert meter.account is not None
    return meter.account


def issuer(meter: Meter) -> TokenScheme:
    """What issues tokens for a meter."""
    rules = account_of(meter).settings.tokens
    return rules.scheme(meter.token_secret(rules), meter.token_originator(rules), meter.identity.eui64)


# -- a life to be remembered ------------------------------------------------------------------------------------------


def live(premises: Premises, chance: Random) -> None:
    """One thing that happens in a premises, with some time before it."""
    hub, electricity, gas = premises.hub, premises.electricity, premises.gas
    assert hub is not None and electricity is not None and gas is not None
    clock = hub.clock
    clock.advance_to(
        clock.now + chance.choice((0, 1, 7 * SECOND, 11 * MINUTE, 5 * HOUR, 3 * DAY)) + chance.randrange(9)
    )
    device = chance.choice((hub, electricity, gas))
    meter = chance.choice((electricity, gas))
    for each in (hub, electricity, gas):
        each.settle()
    match chance.randrange(18):
        case 0:
            device.set_clock(max(1, device.utc + chance.randrange(-4000, 4000) * SECOND))
        case 1:
            meter.set_load(Constant(chance.randrange(-2000, 9000) * MICRO if meter is electricity else 500 * MICRO))
        case 2:
            Hand(electricity).set(1, MESSAGE, 2, "oct", chance.randbytes(chance.randrange(200)))
        case 3:
            with suppress(AccessRefused):  # it is not closed from afar while there is no credit
                Hand(electricity).act(70, SWITCH, chance.choice((1, 2)))
        case 4:
            cover = chance.choice(tuple(Cover))
            (device.close_cover if cover in device.open_covers else device.open_cover)(cover)
        case 5:
            device.power_off()
            clock.advance_to(clock.now + chance.choice((0, MINUTE, DAY)))
            device.power_on()
        case 6:
            state = device.security(device.firmware.model.by_name["management"])
            state.replace(chance.choice(tuple(KeyId)), chance.randbytes(16))
            state.client_title = chance.randbytes(8)
        case 7:
            counters = device.security(device.firmware.model.by_name["data_collection"]).counters
            counters.sent += chance.randrange(500)
            counters.received += chance.randrange(500)
        case 8:
            electricity.set_voltage(chance.choice((1000, 2300, 2900)))
        case 9:
            electricity.limiter.threshold_normal = chance.randrange(5000)
            electricity.limiter.group_ids = (1, chance.randrange(9))
            electricity.reconsider()
        case 10:
            gas.convert_by(chance.randrange(300_000, 500_000), chance.randrange(90_000, 110_000))
        case 11:
            gas.replace_battery()
        case 12:
            device.watchdog()
        case 13:
            account_of(meter).orders.switch_mode(chance.choice(tuple(PaymentMode)))
        case 14:
            meter.attend()
            digits = issuer(meter).issue(chance.randrange(1, 60), chance.randrange(1, 5000))
            account_of(meter).tokens.enter(chance.choice((digits, digits[::-1])), chance.choice(tuple(Delivery)))
        case 15:
            account_of(meter).orders.adjust("balance", chance.randrange(-200_000, 200_000))
            account_of(meter).activate_emergency()
        case 16:
            account_of(meter).orders.set_remaining(account_of(meter).charges["debt_payment"], chance.randrange(900_000))
            account_of(meter).orders.set_limit("low_credit", chance.randrange(500_000))
        case _:
            electricity.press_button()


@given(st.integers(0, 1 << 32), st.integers(0, 25))
@settings(max_examples=40, deadline=None)
def test_a_device_that_is_restored_has_the_same_image(seed: int, events: int) -> None:
    clock = Clock(START)
    premises = built(clock)
    chance = Random(seed)
    for _ in range(events):
        live(premises, chance)
    again = built(clock)
    for device, other in zip(premises.devices(), again.devices(), strict=True):
        device.settle()
        before = kept(device)
        assert kept(restored(other, device.parts())) == before
        assert [*other.buffer("standard").rows()] == [*device.buffer("standard").rows()]


def test_parts_are_all_there(clock: Clock) -> None:
    """What is kept is what the sentences above say, so that a part that goes missing is seen."""
    premises = built(clock)
    electricity, gas = premises.electricity, premises.gas
    assert electricity is not None and gas is not None
    for device in premises.devices():
        device.record("clock_set")
        assert device.firmware.image is None or device.image.enabled
    common = {"device", "values", "clock", "security", "image", "log.standard"}
    metered = common | {"metering", "intervals", "supply", "account"}
    assert metered | {"demand", "voltage"} <= electricity.parts().keys()
    assert metered | {"gas"} <= gas.parts().keys()
    electricity.buffer("credit_log").append()
    assert "log.credit_log" in electricity.parts()
    unasked = (Trigger.EVENT, Trigger.ACCOUNT)
    timed = {name for name, spec in gas.firmware.buffers.items() if spec.trigger not in unasked}
    assert not timed & {name.removeprefix("log.") for name in gas.parts()}


def test_a_memory_changes_nothing_that_a_meter_shows() -> None:
    """Two premises live the same life, one with memories that are written at other moments."""
    plain, remembering = built(Clock(START)), built(Clock(START))
    wired(remembering, {}, 17 * MINUTE)
    for seed in range(40):
        live(plain, Random(seed))
        live(remembering, Random(seed))
    for one, other in zip(plain.devices(), remembering.devices(), strict=True):
        one.settle()
        other.settle()
        assert {**one.parts(), "security": 0} == {**other.parts(), "security": 0}
        for name in one.firmware.buffers:
            assert one.buffer(name).encoded() == other.buffer(name).encoded(), name


# -- restart ----------------------------------------------------------------------------------------------------------


def test_the_end_of_a_rig_is_a_power_cut(clock: Clock, hand: type[Hand]) -> None:
    memories: dict[str, MemoryNvm] = {}
    premises = built(clock)
    wired(premises, memories)
    meter = premises.electricity
    assert meter is not None
    clock.advance_to(START + DAY + 7 * MINUTE)
    hand(meter).set(1, MESSAGE, 2, "oct", b"owe")
    register, count = hand(meter).get(3, "1-0:1.8.0"), len(hand(meter).rows("0-0:99.98.0"))
    later = Clock(START + 3 * DAY + 12 * MINUTE)
    again = built(later)
    wired(again, memories)
    meter = again.electricity
    assert meter is not None and meter.ready
    reader = hand(meter)
    assert reader.get(1, MESSAGE) == b"owe"
    assert reader.get(3, "1-0:1.8.0") == register
    assert (meter.power_failures, meter.boots) == (1, 2)
    down, up = meter.firmware.logs["standard"].codes["power_down"], meter.firmware.logs["standard"].codes["power_up"]
    rows = reader.rows("0-0:99.98.0")
    codes = [row[1] for row in rows[count:]]
    assert codes[:2] == [down, up]
    later.advance_to(later.now + 2 * HOUR)
    assert reader.get(3, "1-0:1.8.0") - register == pytest.approx(2 * 1234.5, abs=1)
    profile = reader.rows("1-0:99.1.0")
    assert len(profile) == 4  # those since the restart
    assert profile[0][1] < 1235  # since the last boundary before the cut, not the whole register
    assert [row[1] for row in profile[1:]] == pytest.approx([617, 617, 617], abs=1)


def test_nothing_is_metered_and_nothing_lost_over_many_ends(clock: Clock) -> None:
    """Registers add up over kills at random moments to what was drawn, less what came after the last snapshot."""
    memories: dict[str, MemoryNvm] = {}
    chance = Random(5)
    now, period = START, 10 * MINUTE
    shown: dict[str, int] = {}
    for _ in range(30):
        clock = Clock(now)
        premises = built(clock)
        wired(premises, memories, period)
        for device in premises.devices():
            if isinstance(device, Meter):
                name = device.identity.device_id
                rate = 1235 if device is premises.electricity else 987
                slack = rate * (period + 30 * MINUTE * (device is premises.gas)) // HOUR + 1
                assert shown.get(name, 0) - slack <= device.metering.total(0, device.time)
                if name in shown:
                    assert device.metering.total(0, device.time) <= shown[name]
        clock.advance_to(now + chance.randrange(2 * HOUR))
        for device in premises.devices():
            device.settle()
            if isinstance(device, Meter):
                shown[device.identity.device_id] = device.metering.total(0, device.time)
        now = clock.now + chance.randrange(2 * HOUR)


def test_a_snapshot_of_a_gas_meter_is_as_good_as_its_period(clock: Clock) -> None:
    """The meter is snapped when it wakes up, so that what its hub shows is never further ahead than the period."""
    memories: dict[str, MemoryNvm] = {}
    premises = built(clock)
    wired(premises, memories, 30 * MINUTE)
    gas = premises.gas
    assert isinstance(gas, GasMeter)
    for _ in range(300):
        clock.advance_to(clock.now + 3 * MINUTE + 1)
        gas.settle()
        saved = json.loads(memories["home/gas"].parts["device"])["time"]
        assert gas.time - saved <= 30 * MINUTE


def test_snapshots_of_many_devices_are_spread(clock: Clock) -> None:
    phases = {stream(SEED, f"home-{number}/electricity", "snapshot").randrange(30 * MINUTE) for number in range(100)}
    assert len(phases) == 100
    memories: dict[str, MemoryNvm] = {}
    premises = built(clock)
    wired(premises, memories)
    hub = premises.hub
    assert hub is not None
    begun = memories["home/hub"].writes
    clock.advance_to(START + 10 * hub.firmware.snapshot_period)
    assert memories["home/hub"].writes == begun + 10


def test_a_battery_that_was_low_is_not_low_again(clock: Clock) -> None:
    memories: dict[str, MemoryNvm] = {}
    premises = built(clock)
    wired(premises, memories, 30 * DAY)
    clock.advance_to(START + 9 * 365 * DAY)
    heard: list[str] = []
    again = built(Clock(clock.now + DAY))
    assert again.gas is not None
    again.gas.observers.append(heard.append)
    wired(again, memories)
    again.gas.clock.advance_to(again.gas.clock.now + DAY)
    assert "power_up" in heard and "battery_low" not in heard


def test_mains_that_were_off_come_back_with_the_rig(clock: Clock) -> None:
    memories: dict[str, MemoryNvm] = {}
    premises = built(clock)
    wired(premises, memories)
    assert premises.electricity is not None and premises.gas is not None
    premises.electricity.power_off()
    premises.gas.power_off()
    clock.advance_to(START + DAY)
    again = built(Clock(START + 2 * DAY))
    wired(again, memories)
    for device in (again.electricity, again.gas):
        assert device is not None
        assert device.ready and device.power_failures == 1 and device.boots == 2


def test_a_new_firmware_stays_and_one_on_its_way_is_sent_again(esme: Esme, clock: Clock, hand: type[Hand]) -> None:
    memory = MemoryNvm()
    meter = esme()
    keep(meter, memory)
    rules = meter.firmware.image
    assert rules is not None
    image = build_image(rules, "02.00.00", bytes(700))
    keeper = hand(meter, "firmware")
    keeper.act(18, IMAGE, 1, "st{oct,u32}", [b"new", len(image)])
    for number, begin in enumerate(range(0, len(image), rules.block_size)):
        keeper.act(18, IMAGE, 2, "st{u32,oct}", [number, image[begin : begin + rules.block_size]])
    under_way = esme()
    assert keep(under_way, MemoryNvm()) is False and keep(under_way, memory) is True
    assert under_way.image.status is ImageStatus.NOT_INITIATED
    for method in (3, 4):
        with pytest.raises(AccessRefused):
            keeper.act(18, IMAGE, method)
        clock.advance_to(clock.now + rules.verification_time + rules.activation_time)
    again = esme()
    keep(again, memory)
    assert again.version == "02.00.00"
    assert again.image.status is ImageStatus.ACTIVATION_SUCCESSFUL
    assert again.image.to_activate == [[len(image), b"new", image[-32:]]]


# -- commits ----------------------------------------------------------------------------------------------------------


def test_what_a_client_is_told_is_kept_by_then(esme: Esme, clock: Clock, hand: type[Hand]) -> None:
    memory = MemoryNvm()
    meter = esme(Constant(KILOWATT))
    keep(meter, memory)
    reader = hand(meter)
    for number in range(3):
        clock.advance_to(clock.now + MINUTE)
        reader.set(1, FILTER, 2, "u32", number)
        again = esme(Constant(KILOWATT))
        keep(again, memory)
        assert hand(again).get(1, FILTER) == number
        assert memory.instant == clock.now
    reader.act(70, SWITCH, 1)
    again = esme()
    keep(again, memory)
    assert again.switch.state is ControlState.DISCONNECTED and not again.metering.flowing
    writes = memory.writes
    assert meter.commit() and memory.writes == writes  # nothing has changed since
    reader.get(3, "1-0:1.8.0")
    assert memory.writes == writes


def test_an_accepted_token_stays_accepted(clock: Clock) -> None:
    """Whenever the rig dies: what the customer was told was taken is there, and is not taken twice."""
    memories: dict[str, MemoryNvm] = {}
    spec = Spec(electricity=DeviceSpec(load=LoadSpec("constant", 0.0), prepayment=Prepayment(0)))
    balance = 0
    for counter in range(1, 30):
        clock = Clock(clock.now + HOUR)
        premises = build_premises("home", spec, clock, SEED, load, history_days=1)
        wired(premises, memories)
        meter = premises.electricity
        assert meter is not None
        tokens, scheme = account_of(meter).tokens, issuer(meter)
        if counter > 1:
            assert tokens.enter(scheme.issue(counter - 1, 100), Delivery.MANUAL) is Outcome.DUPLICATE
        before = account_of(meter).books.balance
        assert before <= balance  # standing charges may have been taken since
        memories["home/electricity"].broken = counter % 5 == 0
        outcome = tokens.enter(scheme.issue(counter, 100), Delivery.MANUAL)
        if memories["home/electricity"].broken:
            assert outcome is Outcome.STORAGE_FAULT and account_of(meter).books.balance == before
            memories["home/electricity"].broken = False
            outcome = tokens.enter(scheme.issue(counter, 100), Delivery.MANUAL)
        assert outcome is Outcome.ACCEPTED
        balance = account_of(meter).books.balance
        assert balance == before + 100_000


def test_an_event_is_kept_at_the_next_step_of_the_clock(esme: Esme, clock: Clock) -> None:
    memory = MemoryNvm()
    meter = esme()
    keep(meter, memory)
    meter.open_cover()
    meter.open_cover(Cover.TERMINAL)
    clock.advance_to(clock.now)
    assert memory.writes == 1
    assert json.loads(memory.parts["device"])["open_covers"] == ["meter cover", "terminal cover"]


def test_a_memory_that_fails_refuses_and_loses_nothing(esme: Esme, clock: Clock, hand: type[Hand]) -> None:
    memory = MemoryNvm()
    meter = esme(Constant(KILOWATT))
    keep(meter, memory)
    assert meter.keeper is not None and meter.keeper.begin()
    before = dict(memory.parts)
    memory.broken = True
    with pytest.raises(AccessRefused) as refused:
        hand(meter).set(1, MESSAGE, 2, "oct", b"kept?")
    assert refused.value.result is DataAccessResult.HARDWARE_FAULT
    assert hand(meter).get(1, MESSAGE) == b"kept?"
    assert meter.commit() is False and meter.keeper.fault == "the memory is broken"
    clock.advance_to(clock.now + 2 * HOUR)  # snapshots fail too, and nothing else does
    assert hand(meter).get(3, "1-0:1.8.0") == 2000
    assert memory.parts == before
    memory.broken = False
    assert meter.commit() is True and meter.keeper.fault == ""
    again = esme(Constant(KILOWATT))
    keep(again, memory)
    assert hand(again).get(1, MESSAGE) == b"kept?" and again.metering.total(0, again.time) == 2000


def test_a_device_without_a_memory_is_always_safe(esme: Esme) -> None:
    meter = esme()
    assert meter.keeper is None and meter.commit() is True


def test_what_waits_in_a_hub_is_kept_once_the_gas_meter_has_it(clock: Clock) -> None:
    memories: dict[str, MemoryNvm] = {}
    premises = built(clock)
    wired(premises, memories)
    hub, gas = premises.hub, premises.gas
    assert hub is not None and gas is not None
    talker = Talker(hub.stacks["wan-tcp"](), settings_of(gas, "management"), sap=64, server=17).open()
    talker.set(1, FILTER, 2, bytes.fromhex("0600000007"))
    assert json.loads(memories["home/gas"].parts["values"]) == {}
    clock.advance_to(clock.now + HOUR)
    assert list(json.loads(memories["home/gas"].parts["values"]).values()) == ["0600000007"]


# -- invocation counters ----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(("sent", "received", "broadcast")), st.integers(1, 700), st.booleans())))
def test_no_counter_goes_back(steps: list[tuple[str, int, bool]]) -> None:
    stored = dict.fromkeys(Counters.__slots__, 0)
    used = dict(stored)
    writes = messages = 0

    def reserve() -> bool:
        nonlocal writes
        writes += 1
        stored.update(counters.reserved)
        return True

    counters = ReservedCounters(Counters(), reserve)
    for name, messages_now, dies in steps:
        for _ in range(messages_now):
            setattr(counters, name, getattr(counters, name) + 1)
        messages += messages_now
        assert used[name] < getattr(counters, name) <= stored[name]
        used[name] = getattr(counters, name)
        if dies:
            old = Counters(stored["sent"], stored["received"])
            old.broadcast = stored["broadcast"]
            counters = ReservedCounters(old, reserve)
    assert writes <= messages // WINDOW + len(steps)


def test_counters_end_where_they_must() -> None:
    counters = ReservedCounters(Counters(COUNTER_MAX - 3), lambda: True)
    counters.sent += 1
    assert counters.reserved["sent"] == COUNTER_MAX


def test_a_counter_that_could_not_be_reserved_is_with_the_next_message(esme: Esme) -> None:
    memory = MemoryNvm()
    meter = esme()
    keep(meter, memory)
    assert meter.keeper is not None and meter.keeper.begin()
    counters = meter.security(meter.firmware.model.by_name["management"]).counters
    memory.broken = True
    for _ in range(3):
        counters.sent += 1
    assert meter.keeper.fault
    memory.broken = False
    counters.sent += 1
    assert json.loads(memory.parts["security"])["management"]["counters"]["sent"] == 4 + WINDOW
    assert not meter.keeper.fault
    writes = memory.writes
    counters.sent += 1
    assert memory.writes == writes


def test_frame_counters_that_could_not_be_reserved_are_with_the_next_frame() -> None:
    stored: list[Image] = []
    safe = False

    def write() -> bool:
        if safe:
            stored.append(node.image())
        return safe

    node = Node(Radio("a radio", bytes(8), Place(0, 0), 11), write)
    assert [node.next_counter(), node.next_link_counter(), node.next_counter()] == [0, 0, 1]
    safe = True
    node.next_counter()
    assert stored == [{"address": node.address, "reserved": 3 + RESERVED_AHEAD}]
    node.next_link_counter()
    assert len(stored) == 1


def test_counters_of_messages_survive(esme: Esme, clock: Clock) -> None:
    memory = MemoryNvm()
    meter = esme()
    keep(meter, memory)
    assert meter.keeper is not None and meter.keeper.begin()
    index = meter.firmware.model.by_name["management"]
    sent = received = 0
    for _ in range(3):
        talker = Talker(meter.stacks["local-tcp"](), settings_of(meter, "management"), sap=64).open()
        writes = memory.writes
        for _ in range(WINDOW // 2):
            talker.value(3, "1-0:1.8.0")
        assert memory.writes - writes <= 4
        counters = meter.security(index).counters
        assert counters.sent > sent and counters.received > received
        sent, received = counters.sent, counters.received
        meter = esme()
        keep(meter, memory)
        counters = meter.security(index).counters
        assert sent <= counters.sent <= sent + WINDOW and received <= counters.received <= received + WINDOW


def test_a_clean_end_wastes_no_counter(esme: Esme) -> None:
    memory = MemoryNvm()
    meter = esme()
    keep(meter, memory)
    counters = meter.security(meter.firmware.model.by_name["management"]).counters
    counters.sent, counters.received = 3, 5
    assert meter.keeper is not None and meter.keeper.close()
    assert meter.keeper is None
    again = esme()
    keep(again, memory)
    counters = again.security(again.firmware.model.by_name["management"]).counters
    assert (counters.sent, counters.received) == (3, 5)


# -- logs and damage --------------------------------------------------------------------------------------------------


@given(st.integers(0, 250), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_log_keeps_its_newest_rows(new_esme: Esme, events: int, reset: bool) -> None:
    clock = Clock(START)
    meter = new_esme(clock)
    for number in range(events):
        clock.advance_to(clock.now + SECOND)
        meter.record(("clock_set", "power_up")[number % 2])
        if reset and number == events // 2:
            meter.buffer("standard").reset()
    log = meter.buffer("standard")
    memory = MemoryNvm()
    keep(meter, memory)
    assert meter.commit()
    again = new_esme(clock)
    keep(again, memory)
    other = again.buffer("standard")
    assert other.encoded() == log.encoded() and other.image() == log.image()
    for device in (meter, again):
        device.keeper = None
        for _ in range(3):
            device.record("clock_set")
    assert other.encoded() == log.encoded()


def test_a_log_of_other_columns_begins_anew(esme: Esme) -> None:
    meter = esme()
    meter.record("clock_set")
    image = meter.buffer("standard").image()
    meter.buffer("standard").restore(Saved("log", {**image, "columns": "00"}))
    assert meter.buffer("standard").count == 0


DAMAGE: list[Any] = [None, True, -1, 1 << 70, "", "zz", "00", [], [1], ["x"], {}, {"a": 1}, 1.5]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_image_is_refused_and_does_no_more(new_esme: Esme, data: st.DataObject) -> None:
    """Whatever stands in place of a field: the image is taken, or NvmFault says what is wrong."""
    clock = Clock(START)
    meter = new_esme(clock)
    meter.record("clock_set")
    meter.security(0)
    assert meter.image.enabled
    parts: dict[str, Any] = json.loads(json.dumps(meter.parts()))
    name = data.draw(st.sampled_from(sorted(parts)))
    damage = data.draw(st.sampled_from(DAMAGE))
    if parts[name] and data.draw(st.booleans()):
        field = data.draw(st.sampled_from(sorted(parts[name])))
        if data.draw(st.booleans()):
            parts[name][field] = damage
        else:
            del parts[name][field]
    elif data.draw(st.booleans()):
        parts[name] = damage
    else:
        del parts[name]
    memory = MemoryNvm()
    memory.parts = {part: json.dumps(image) for part, image in parts.items()}
    again = new_esme(clock)
    try:
        keep(again, memory)
    except NvmFault as fault:
        assert str(fault) and "\n" not in str(fault)
        assert again.keeper is None


@pytest.mark.parametrize(
    ("text", "words"), [("{", "device:"), ("[]", "device: not a table"), ('{"time": "x"}', "device.time: must be")]
)
def test_what_is_wrong_is_named(esme: Esme, text: str, words: str) -> None:
    memory = MemoryNvm()
    memory.parts = {"device": text}
    with pytest.raises(NvmFault, match=words):
        keep(esme(), memory)
