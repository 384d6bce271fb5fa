"""The hub's mirror of the gas meter: the last wake-up is what is seen, the next one is when a change arrives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.device import NEVER
from emulator.gas import GasMeter
from emulator.han.mirror import MAX_COMMANDS, Mirror
from emulator.hub import Hub
from emulator.load import Constant
from emulator.premises import Premises
from emulator.time import HOUR, MINUTE, SECOND, Clock
from protocols.dlms import axdr, datetime
from protocols.dlms.client import Refused
from protocols.dlms.enums import DataAccessResult

from .conftest import DeviceSpec, Load, Talker, settings_of

Home = Callable[..., Premises]
PERIOD = 30 * MINUTE
CUBIC_METRE = 1000
STEADY = DeviceSpec(load=Load("constant", 2.0))


def parts(premises: Premises) -> tuple[Hub, GasMeter, Mirror]:
    hub, gas = premises.hub, premises.gas
    assert hub is not None and gas is not None and hub.mirror is not None
    return hub, gas, hub.mirror


def mirror_talker(premises: Premises, association: str = "management", sap: int = 64) -> Talker:
    hub, gas, _ = parts(premises)
    return Talker(hub.stacks["wan-tcp"](), settings_of(gas, association), sap=sap, server=17).open()


def test_reads_show_the_meter_at_its_last_wake_up(home: Home, clock: Clock) -> None:
    premises = home(gas=STEADY)
    _, gas, _ = parts(premises)
    reader = mirror_talker(premises, "data_collection", 32)
    clock.advance_to(gas.next_wake_up)
    before = reader.value(3, "7-0:1.8.0")
    assert isinstance(before, int)
    shown = reader.value(8, "0-0:1.0.0")
    clock.advance_to(clock.now + PERIOD - 1)
    assert reader.value(3, "7-0:1.8.0") == before
    assert reader.value(8, "0-0:1.0.0") == shown
    clock.advance_to(clock.now + 1)
    assert reader.value(3, "7-0:1.8.0") == before + CUBIC_METRE
    later = reader.value(8, "0-0:1.0.0")
    assert isinstance(shown, bytes) and isinstance(later, bytes)
    assert datetime.unpack_utc(later) - datetime.unpack_utc(shown) == pytest.approx(PERIOD, abs=SECOND)


def test_meters_wake_up_at_moments_of_their_own(home: Home) -> None:
    phases = {home(f"home-{number}").gas.next_wake_up % PERIOD for number in range(10)}  # type: ignore[union-attr]
    assert len(phases) == 10


def test_the_hub_tells_the_last_wake_up_and_what_waits(home: Home, clock: Clock) -> None:
    premises = home()
    hub, gas, _ = parts(premises)
    reader = Talker(hub.stacks["wan-tcp"](), settings_of(hub, "data_collection"), sap=32).open()
    clock.advance_to(gas.next_wake_up + MINUTE)
    gas.settle()
    told = reader.value(1, "0-0:96.2.13")
    assert isinstance(told, bytes)
    assert datetime.unpack_utc(told) == pytest.approx(clock.now - MINUTE, abs=SECOND)
    mirror_talker(premises).set(3, "7-0:54.0.0", 2, axdr.u32(400_000))
    assert reader.value(1, "0-0:96.15.10") == 1
    clock.advance_to(gas.next_wake_up + SECOND)
    assert reader.value(1, "0-0:96.15.10") == 0


def test_a_change_waits_for_the_meter_to_wake_up(home: Home, clock: Clock) -> None:
    premises = home()
    _, gas, mirror = parts(premises)
    manager = mirror_talker(premises)
    manager.set(3, "7-0:54.0.0", 2, axdr.u32(401_000))
    assert manager.value(3, "7-0:54.0.0") == 395_000
    assert mirror.pending == 1
    wake_up = gas.next_wake_up
    clock.advance_to(wake_up + 499_999_999)
    assert manager.value(3, "7-0:54.0.0") == 395_000
    clock.advance_to(wake_up + 500_000_000)
    assert manager.value(3, "7-0:54.0.0") == 401_000
    assert mirror.counters == {"taken": 1, "delivered": 1}
    assert mirror.last_wake_up == clock.now
    clock.advance_to(clock.now + HOUR)
    gas.settle()
    assert mirror.last_wake_up == wake_up + 2 * PERIOD


def test_a_change_waits_also_when_nobody_has_read_for_long(home: Home, clock: Clock) -> None:
    premises = home()
    _, gas, mirror = parts(premises)
    manager = mirror_talker(premises)
    clock.advance_to(clock.now + 20 * HOUR)
    manager.set(3, "7-0:54.0.0", 2, axdr.u32(401_000))
    assert clock.now < gas.next_wake_up <= clock.now + PERIOD
    clock.advance_to(gas.next_wake_up - 1)
    assert mirror.pending == 1
    clock.advance_to(gas.next_wake_up + SECOND)
    assert mirror.pending == 0


def test_a_change_waits_for_a_meter_that_has_lost_its_battery(home: Home, clock: Clock) -> None:
    premises = home()
    _, gas, mirror = parts(premises)
    manager = mirror_talker(premises)
    manager.set(3, "7-0:54.0.0", 2, axdr.u32(401_000))
    gas.power_off()
    manager.set(3, "7-0:54.0.0", 2, axdr.u32(402_000))
    clock.advance_to(clock.now + 20 * HOUR)
    assert mirror.pending == 2
    gas.power_on()
    assert mirror.pending == 2
    clock.advance_to(gas.next_wake_up + SECOND)
    assert mirror.pending == 0
    assert gas.calorific_value == 402_000


def test_a_command_to_a_meter_that_dies_on_the_way_is_lost(home: Home, clock: Clock) -> None:
    premises = home()
    _, gas, mirror = parts(premises)
    mirror_talker(premises).set(3, "7-0:54.0.0", 2, axdr.u32(401_000))
    clock.advance_to(gas.next_wake_up + 300_000_000)
    gas.power_off()
    clock.advance_to(clock.now + HOUR)
    assert mirror.counters == {"taken": 1}
    assert gas.calorific_value == 395_000


def test_changes_arrive_in_order(home: Home, clock: Clock) -> None:
    premises = home()
    _, gas, _ = parts(premises)
    manager = mirror_talker(premises)
    for value in range(390_000, 390_010):
        manager.set(3, "7-0:54.0.0", 2, axdr.u32(value))
    clock.advance_to(gas.next_wake_up + SECOND)
    assert manager.value(3, "7-0:54.0.0") == 390_009


def test_the_valve_closes_at_the_next_wake_up(home: Home, clock: Clock) -> None:
    premises = home(gas=STEADY)
    _, gas, _ = parts(premises)
    manager = mirror_talker(premises)
    manager.action(70, "0-0:96.3.10", 1, axdr.i8(0))
    assert gas.switch.closed
    clock.advance_to(gas.next_wake_up + SECOND)
    assert not gas.switch.closed
    assert manager.value(3, "7-0:43.7.0") == 0
    volume = manager.value(3, "7-0:1.8.0")
    clock.advance_to(clock.now + 3 * HOUR)
    assert manager.value(3, "7-0:1.8.0") == volume
    rows = manager.value(7, "0-0:99.98.2")
    assert isinstance(rows, list) and [row[1] for row in rows] == [61]


@pytest.mark.parametrize(
    ("association", "sap", "data", "result"),
    [
        ("extended", 48, axdr.u32(1), DataAccessResult.READ_WRITE_DENIED),
        ("management", 64, axdr.octets(b"1"), DataAccessResult.TYPE_UNMATCHED),
    ],
)
def test_rights_and_types_are_checked_at_once(
    home: Home, association: str, sap: int, data: bytes, result: DataAccessResult
) -> None:
    premises = home()
    _, _, mirror = parts(premises)
    with pytest.raises(Refused) as refused:
        mirror_talker(premises, association, sap).set(3, "7-0:54.0.0", 2, data)
    assert refused.value.result == result
    assert mirror.pending == 0


def test_what_the_meter_refuses_on_delivery_is_counted(home: Home, clock: Clock) -> None:
    premises = home()
    _, gas, mirror = parts(premises)
    mirror_talker(premises).set(70, "0-0:96.3.10", 4, axdr.enum_(99))
    clock.advance_to(gas.next_wake_up + SECOND)
    assert mirror.counters == {"taken": 1, "failed": 1}


def test_a_hub_that_takes_no_changes_says_so(home: Home) -> None:
    premises = home(hub=DeviceSpec(profile="hub-lima"))
    hub, gas, mirror = parts(premises)
    manager = Talker(hub.stacks["wan-tcp"](), settings_of(gas, "management"), sap=64, server=3).open()
    with pytest.raises(Refused) as refused:
        manager.set(3, "7-0:54.0.0", 2, axdr.u32(1))
    assert refused.value.result == DataAccessResult.TEMPORARY_FAILURE
    assert mirror.pending == 0


def test_the_mirror_keeps_no_more_than_it_can(home: Home) -> None:
    _, _, mirror = parts(home())
    for _ in range(MAX_COMMANDS):
        mirror.take(lambda: None, 10)
    with pytest.raises(Exception, match="TEMPORARY_FAILURE"):
        mirror.take(lambda: None, 10)
    mirror.clear()
    mirror.take(lambda: None, 1 << 20)
    with pytest.raises(Exception, match="TEMPORARY_FAILURE"):
        mirror.take(lambda: None, 1)


def test_the_meters_security_setup_is_the_hubs_to_keep(home: Home) -> None:
    premises = home()
    _, gas, mirror = parts(premises)
    manager = mirror_talker(premises)
    manager.set(15, "0-0:40.0.0", 7, axdr.octets(b"new secret 12345"))
    assert gas.security(gas.firmware.model.by_name["management"]).secret == b"new secret 12345"
    assert mirror.pending == 0


def test_a_wrong_secret_at_the_mirror_is_logged_by_the_hub(home: Home) -> None:
    premises = home()
    hub, gas, _ = parts(premises)
    wrong = settings_of(gas, "data_collection", secret=b"wrong")
    with pytest.raises(Exception, match="authentication failure"):
        Talker(hub.stacks["wan-tcp"](), wrong, sap=32, server=17).open()
    assert hub.event_codes["fraud"] == 46
    assert gas.event_codes == {}


def test_a_hub_that_was_off_shows_what_it_heard_last(home: Home, clock: Clock) -> None:
    premises = home(gas=STEADY)
    hub, gas, mirror = parts(premises)
    manager = mirror_talker(premises)
    volume = manager.value(3, "7-0:1.8.0")
    manager.set(3, "7-0:54.0.0", 2, axdr.u32(401_000))
    heard = mirror.last_wake_up
    hub.power_off()
    assert gas.next_wake_up == NEVER
    clock.advance_to(clock.now + 10 * HOUR)
    hub.power_on()
    clock.advance_to(hub.ready_at)
    assert gas.next_wake_up - clock.now < PERIOD
    assert mirror.pending == 0
    manager = mirror_talker(premises)
    assert manager.value(3, "7-0:1.8.0") == volume
    assert mirror.last_wake_up == heard
    clock.advance_to(gas.next_wake_up)
    now = manager.value(3, "7-0:1.8.0")
    assert isinstance(now, int) and isinstance(volume, int)
    assert now - volume == (clock.now - heard) * 2 * CUBIC_METRE // HOUR
    assert manager.value(3, "7-0:54.0.0") == 395_000


def test_a_load_that_changes_during_sleep_counts_from_that_moment(home: Home, clock: Clock) -> None:
    """20 changes between two wake-ups: the register is the integral of all of them."""
    premises = home(gas=STEADY)
    _, gas, _ = parts(premises)
    clock.advance_to(gas.next_wake_up)
    gas.settle()
    start, amount = clock.now, 0
    base = gas.metering.imported(gas.time)
    rate = 2_000 * 1_000_000
    for number in range(20):
        clock.advance_to(clock.now + MINUTE)
        amount += MINUTE * rate
        rate = (number % 5) * 500 * 1_000_000
        gas.set_load(Constant(rate))
        assert gas.time == start
    assert len(gas.metering.load.parts) == 21  # type: ignore[attr-defined]
    wake_up = gas.next_wake_up
    amount += (wake_up - clock.now) * rate
    clock.advance_to(wake_up + HOUR)
    gas.settle()
    assert gas.metering.imported(wake_up) - base == amount
    assert gas.time == clock.now
    gas.set_load(Constant(1))  # awake: nothing to remember
    clock.advance_to(clock.now + MINUTE)
    gas.set_load(Constant(2))
    assert len(gas.metering.load.parts) == 2  # type: ignore[attr-defined]


def test_firmware_for_the_gas_meter_goes_through_the_mirror(home: Home, clock: Clock) -> None:
    from emulator.image_transfer import build_image

    premises = home()
    _, gas, mirror = parts(premises)
    assert gas.firmware.image is not None
    image = build_image(gas.firmware.image, "02.00.00", bytes(5000))
    talker = mirror_talker(premises, "firmware", 80)
    talker.action(18, "0-0:44.0.0", 1, axdr.structure(axdr.octets(b"new"), axdr.u32(len(image))))
    size = gas.firmware.image.block_size
    for number in range(-(-len(image) // size)):
        block = axdr.structure(axdr.u32(number), axdr.octets(image[number * size : (number + 1) * size]))
        talker.action(18, "0-0:44.0.0", 2, block)
    assert talker.value(18, "0-0:44.0.0", 6) == 0
    clock.advance_to(gas.next_wake_up + SECOND)
    assert talker.value(18, "0-0:44.0.0", 6) == 1
    assert talker.value(18, "0-0:44.0.0", 4) == -(-len(image) // size)
    talker.action(18, "0-0:44.0.0", 3, axdr.i8(0))
    clock.advance_to(gas.next_wake_up + MINUTE)
    assert talker.value(18, "0-0:44.0.0", 6) == 3
    talker.action(18, "0-0:44.0.0", 4, axdr.i8(0))
    clock.advance_to(gas.next_wake_up + MINUTE)
    assert talker.value(1, "7-0:0.2.0") == b"02.00.00"
    assert mirror.counters["failed"] == 2  # verify and activate answer that they have begun
