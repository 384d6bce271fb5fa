"""Premises: who their devices are, which keys they have, what they draw."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cosem.view import AssociationView
from emulator.premises import Premises, PremisesError, build_premises, mpan_check, mprn_check
from emulator.time import DAY, HOUR, SECOND, Clock
from firmware_profiles.loader import load
from protocols.dlms.client import AssociationRejected

from .conftest import SEED, START, DeviceSpec, Load, Spec, Talker, settings_of

Home = Callable[..., Premises]
EVERYTHING = [f"home-{number}" for number in range(50)]


@pytest.mark.parametrize(("digits", "check"), [("39384244", "03"), ("00000000", "00"), ("99999999", "05")])
def test_mprn_check_digits(digits: str, check: str) -> None:
    """The first is the worked example of the published rule."""
    assert mprn_check(digits) == check


@pytest.mark.parametrize(
    ("digits", "check"), [("200000000000", "6"), ("010000000000", "5"), ("000000000001", "0"), ("101234567890", "3")]
)
def test_mpan_check_digit(digits: str, check: str) -> None:
    """Worked by hand: 2*3 = 6; 1*5 = 5; 43 mod 11 = 10, mod 10 = 0; the sum of the last is 1334, mod 11 is 3."""
    assert mpan_check(digits) == check


@given(st.integers(10**7, 10**8 - 1), st.integers(0, 7), st.integers(1, 9))
def test_a_wrong_digit_of_an_mprn_is_noticed(number: int, place: int, more: int) -> None:
    digits = str(number)
    wrong = digits[:place] + str((int(digits[place]) + more) % 10) + digits[place + 1 :]
    assert mprn_check(wrong) != mprn_check(digits)


def test_identities_are_well_formed_and_of_their_own(home: Home) -> None:
    devices = [device for name in EVERYTHING for device in home(name).devices()]
    assert len({device.identity.serial for device in devices}) == len(devices)
    assert len({device.identity.system_title for device in devices}) == len(devices)
    assert len({device.identity.eui64 for device in devices}) == len(devices)
    for device in devices:
        identity = device.identity
        assert len(identity.system_title) == len(identity.eui64) == 8
        assert identity.system_title[:3] == device.firmware.flag_id.encode()
        assert len(device.firmware.flag_id + identity.serial) == 16
        match device.firmware.kind:
            case "electricity":
                assert len(identity.point) == 13
                assert mpan_check(identity.point[:12]) == identity.point[12:]
            case "gas":
                assert len(identity.point) == 10
                assert mprn_check(identity.point[:8]) == identity.point[8:]
            case _:
                assert identity.point == ""


def test_the_same_seed_gives_the_same_premises(home: Home, clock: Clock) -> None:
    first, second = home(), home()
    other = build_premises("home", Spec(), clock, 8, load)
    for one, same, changed in zip(first.devices(), second.devices(), other.devices(), strict=True):
        assert one.identity == same.identity != changed.identity
        for index in range(len(one.firmware.model.associations)):
            assert one.security(index).encryption == same.security(index).encryption
            assert one.security(index).encryption != changed.security(index).encryption
        one.settle()
        same.settle()
        assert one.device_clock.utc(START + DAY) == same.device_clock.utc(START + DAY)


def test_a_device_less_does_not_change_the_others(home: Home) -> None:
    whole, part = home(), home(hub=None, gas=None)
    assert part.hub is part.gas is None
    assert whole.electricity and part.electricity
    assert whole.electricity.identity == part.electricity.identity
    whole.electricity.settle()
    part.electricity.settle()
    assert whole.electricity.metering.totals(START) == part.electricity.metering.totals(START)
    assert [device.firmware.kind for device in part.devices()] == ["electricity"]


def story(seed: int = SEED, **absent: None) -> dict[str, list[bytes]]:
    """Every attribute of every device, encoded, after two days in which something happened."""
    clock = Clock(START)
    premises = build_premises("home", Spec(**absent), clock, seed, load, history_days=40)
    for hour in range(0, 48, 7):
        clock.advance_to(START + hour * HOUR)
        for device in premises.devices():
            device.open_cover() if hour % 2 else device.close_cover()
            if hour == 21:
                device.power_off()
            if hour == 28:
                device.power_on()
    clock.advance_to(START + 2 * DAY)
    found: dict[str, list[bytes]] = {}
    for device in premises.devices():
        device.settle()
        model = device.firmware.model
        view = AssociationView(device, model, 0, None)
        found[device.firmware.kind] = [
            attribute.read(view) for item in model.objects.values() for attribute in item.attributes.values()
        ]
    return found


def test_the_same_seed_gives_the_same_octets_and_another_device_changes_none() -> None:
    whole = story()
    assert whole == story()
    alone = story(hub=None, gas=None)
    assert alone == {"electricity": whole["electricity"]}
    assert story(electricity=None)["gas"] == whole["gas"]
    other = story(8)
    assert all(other[kind] != whole[kind] for kind in whole)


def test_what_is_given_is_taken(home: Home) -> None:
    spec = DeviceSpec(
        profile="electricity-as300p",
        serial="E1",
        point="1234567890123",
        keys={"data_collection.secret": b"open sesame", "master": bytes(16)},
        load=Load("constant", 250.0),
    )
    premises = home(electricity=spec)
    electricity = premises.electricity
    assert electricity is not None
    assert (electricity.identity.serial, electricity.identity.point) == ("E1", "1234567890123")
    assert electricity.firmware.name == "electricity-as300p"
    assert electricity.security(0).master == bytes(16)
    settings = settings_of(electricity, "data_collection")
    assert settings.secret == b"open sesame"
    talker = Talker(electricity.stacks["local-tcp"](), settings, sap=32).open()
    assert talker.value(3, "1-0:1.7.0") == 250
    assert talker.value(3, "1-0:1.8.0") == 396 * 24 * 250
    with pytest.raises(AssociationRejected):
        wrong = settings_of(electricity, "data_collection", secret=b"open barley")
        Talker(electricity.stacks["local-tcp"](), wrong, sap=32).open()


def test_a_csv_load_is_in_watts_or_cubic_metres(home: Home, clock: Clock) -> None:
    text = "time,rate\n2026-01-01T00:00:00Z,600\n2026-01-01T12:00:00Z,0\n"
    gas_text = "2026-01-01T00:00:00Z,1.5\n2026-01-01T12:00:00Z,0\n"
    premises = home(
        electricity=DeviceSpec(load=Load("csv", file="electricity.csv")),
        gas=DeviceSpec(load=Load("csv", file="gas.csv")),
        read={"electricity.csv": text, "gas.csv": gas_text}.__getitem__,
    )
    clock.advance_to(START + DAY)
    assert premises.electricity and premises.gas
    premises.electricity.settle()
    premises.gas.settle()
    assert premises.electricity.metering.totals(clock.now)[0] == 7200
    assert premises.gas.metering.totals(clock.now)[0] == 18_000


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (DeviceSpec(profile="gas-base"), "electricity.profile: gas-base: is a profile of kind gas, not electricity"),
        (DeviceSpec(load=Load("constant")), "electricity.load.value: a constant load needs a value"),
        (DeviceSpec(load=Load("csv", file="x.csv")), "electricity.load.file: x.csv: line 1: '0,1,2': a time and a"),
        (DeviceSpec(load=Load("wind")), "electricity.load.kind: wind: household, constant or csv"),
    ],
)
def test_what_cannot_be_built_is_said_with_its_place(home: Home, spec: DeviceSpec, said: str) -> None:
    with pytest.raises(PremisesError) as refused:
        home(electricity=spec, read=lambda _: "0,1,2\n")
    assert str(refused.value).startswith(said)


def test_devices_have_a_history(home: Home, clock: Clock) -> None:
    short = build_premises("home", Spec(), clock, 7, load, history_days=2)
    assert short.electricity is not None
    talker = Talker(
        short.electricity.stacks["local-tcp"](), settings_of(short.electricity, "data_collection"), sap=32
    ).open()
    rows = talker.value(7, "1-0:99.1.0")
    assert isinstance(rows, list) and len(rows) in (95, 96)


@pytest.mark.parametrize("name", [spec.name for spec in load("electricity-bench").model.associations])
def test_every_association_of_the_bench_opens_and_reads(home: Home, name: str) -> None:
    premises = home(electricity=DeviceSpec(profile="electricity-bench"))
    electricity = premises.electricity
    assert electricity is not None
    spec = electricity.firmware.model.associations[electricity.firmware.model.by_name[name]]
    for port in ("local-tcp", "optical"):
        talker = Talker(electricity.stacks[port](), settings_of(electricity, name), sap=spec.client).open()
        assert talker.value(1, "0-0:96.1.0") == electricity.identity.serial.encode()
        assert talker.value(15, "0-0:40.0.0", 8) == 2
        assert talker.value(15, "0-0:40.0.0", 3) == [spec.client, 1]


def test_a_premises_is_small_until_it_is_read(clock: Clock) -> None:
    spec = Spec()
    build_premises("warm", spec, clock, 1, load)
    gc.collect()
    tracemalloc.start()
    try:
        kept = [build_premises(f"home-{number}", spec, clock, 1, load) for number in range(100)]
        gc.collect()
        octets, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert octets / len(kept) < 24_000


def test_a_display_takes_little(clock: Clock) -> None:
    def octets(display: DeviceSpec | None) -> float:
        """Of one premises, two minutes after it was built."""
        spec, own = Spec(display=display), Clock(START)
        gc.collect()
        tracemalloc.start()
        try:
            kept = [build_premises(f"home-{number}", spec, own, 1, load, history_days=1) for number in range(30)]
            own.advance_to(START + 120 * SECOND)
            gc.collect()
            return tracemalloc.get_traced_memory()[0] / len(kept)
        finally:
            tracemalloc.stop()

    octets(DeviceSpec())
    assert octets(DeviceSpec()) - octets(None) < 30_000


def test_a_display_is_one_of_the_premises(home: Home) -> None:
    premises = home(display=DeviceSpec())
    display = premises.display
    assert display is not None
    assert [device.firmware.kind for device in premises.devices()] == ["hub", "electricity", "gas", "display"]
    assert (display.identity.device_id, display.identity.point) == ("home/display", "")
    assert display.identity == getattr(home(display=DeviceSpec()).display, "identity", None)
    assert premises.hub is not None and premises.hub.han.member(display).on
    alone = home("alone", hub=None, electricity=None, gas=None, display=DeviceSpec()).display
    assert alone is not None and not alone.client.on and alone.text == "- W\nElectricity - kWh"


def test_advancing_premises_costs_nothing(clock: Clock, home: Home) -> None:
    """Nothing ticks: a year passes with no event but what has been asked for."""
    premises = [home(name) for name in EVERYTHING]
    clock.advance_to(START + 365 * DAY)
    assert clock.next_due() is None or clock.next_due() > clock.now + HOUR  # type: ignore[operator]
    for one in premises:
        assert one.electricity and one.electricity.time < START
