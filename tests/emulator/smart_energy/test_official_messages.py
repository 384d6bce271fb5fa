"""ZCL frames of GB's official test data, done to a gas meter as they are: its answers are the official octets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.gas import GasMeter
from emulator.premises import Premises
from emulator.prepayment.account import Account
from emulator.prepayment.passive import PaymentMode
from emulator.supply import ControlState
from emulator.time import DAY, Clock
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.header import Frame, FrameType

from ..conftest import DeviceSpec, Prepayment
from .conftest import Host

FILE = Path(__file__).parents[2] / "data" / "rtds-zcl-frames.txt"
FRAMES = {
    name: (int(cluster, 16), bytes.fromhex(octets))
    for name, cluster, octets in (
        line.split() for line in FILE.read_text(encoding="ascii").splitlines() if not line.startswith("#")
    )
    if not name.endswith("*")
}


@pytest.fixture
def gas(home: Callable[..., Premises]) -> Host:
    """A gas meter in prepayment mode, with the emergency credit that the data's meter has."""
    meter = home(gas=DeviceSpec(prepayment=Prepayment(5000))).gas
    assert meter is not None
    host = Host(meter)
    account = account_of(host)
    account.orders.set_limit("emergency_limit", 1_000_000)
    account.orders.set_limit("emergency_threshold", 200_000)
    return host


def account_of(host: Host) -> Account:
    assert isinstance(host.device, GasMeter)
    assert host.device.account is not None
    return host.device.account


def say(host: Host, name: str) -> bytes:
    """Deliver an official command; the octets of what is said to it."""
    cluster, octets = FRAMES[name]
    return host.one(cluster, octets).encode()


def answers(host: Host, case: str, *parts: int) -> None:
    """The commands of a case are answered with its official responses."""
    for part in parts:
        _, expected = FRAMES[f"{case}_RESPONSE:{part}"]
        assert say(host, f"{case}_COMMAND:{part}") == expected


def test_payment_mode_to_credit_and_back(gas: Host) -> None:
    account = account_of(gas)
    _, expected = FRAMES["GCS02_1.6_IMMEDIATE_SUCCESS_RESPONSE:0"]
    said = say(gas, "GCS02_1.6_IMMEDIATE_SUCCESS_COMMAND:0")
    # all but whether it is friendly hours now, and the number of a calendar that this meter does not number
    assert (said[:3], said[8:]) == (expected[:3], expected[8:])
    assert account.mode is PaymentMode.CREDIT
    say(gas, "GCS03_1.6_FUTURE_DATED_SUCCESS_COMMAND:0")
    assert account.mode is PaymentMode.CREDIT
    frame = FRAMES["GCS03_1.6_FUTURE_DATED_SUCCESS_COMMAND:0"][1]
    at_once = frame[:11] + bytes(4) + frame[15:]
    gas.one(0x0705, at_once)
    assert account.mode is PaymentMode.PREPAYMENT
    assert account.limit("disablement") == 0


def test_parameters_of_prepayment(gas: Host) -> None:
    answers(gas, "GCS05_2.1_FUTURE_DATED_SUCCESS", 0, 1, 2, 3)
    account = account_of(gas)
    assert account.limit("low_credit") == 5_000_000
    assert account.limit("emergency_limit") == 1_000_000, "for a time to come"
    assert len(gas.application.planned.orders) == 3  # type: ignore[union-attr]
    answers(gas, "GCS05_2.1_CANCELLATION_SUCCESS", 0, 1, 2, 3)
    assert gas.application.planned is not None
    assert gas.application.planned.orders == {}


def test_what_was_planned_is_done_in_its_time(gas: Host, clock: Clock) -> None:
    account = account_of(gas)
    _, frame = FRAMES["GCS05_2.1_FUTURE_DATED_SUCCESS_COMMAND:0"]
    tomorrow = (clock.now + DAY) // 1_000_000_000 - 946_684_800
    gas.one(0x0705, frame[:7] + tomorrow.to_bytes(4, "little") + frame[11:])
    clock.advance_to(clock.now + DAY - 60 * 1_000_000_000)
    assert account.limit("emergency_limit") == 1_000_000
    clock.advance_to(clock.now + 120 * 1_000_000_000)
    assert (account.limit("emergency_limit"), account.limit("emergency_threshold")) == (10_000_000, 100_000)


def test_debts(gas: Host) -> None:
    answers(gas, "GCS04_2.3_SUCCESS", 0, 1, 2)
    charges = account_of(gas).charges
    assert (charges["debt_1"].remaining, charges["debt_1"].active.amount, charges["debt_1"].period) == (
        1_000_000,
        50_000,
        86_400,
    )
    assert (charges["debt_2"].remaining, charges["debt_2"].period) == (500_000, 3600)
    assert (charges["debt_payment"].remaining, charges["debt_payment"].proportion) == (1_000_000, 100)


def test_the_balance_is_reset(gas: Host) -> None:
    answers(gas, "GCS40b_1.5_SUCCESS", 0)
    assert account_of(gas).balance == 0


def test_emergency_credit(gas: Host) -> None:
    command = next(name for name in FRAMES if name.startswith("GCS06_2.5") and name.endswith("_COMMAND:0"))
    cluster, octets = FRAMES[command]
    refused = gas.one(cluster, octets)
    assert refused.payload == bytes((0x00, foundation.Status.ACTION_DENIED))
    account = account_of(gas)
    account.orders.adjust("balance", 100_000 - account.balance)
    response = next(octets for name, (_, octets) in FRAMES.items() if name.startswith("GCS06_2.5_SUCCESS_RESPONSE"))
    assert say(gas, command) == response
    assert account.emergency_selected


def test_the_supply_is_disabled_and_armed(gas: Host) -> None:
    assert isinstance(gas.device, GasMeter)
    _, expected = FRAMES["GCS32_7.2_SUCCESS_RESPONSE:0"]
    assert say(gas, "GCS32_7.2_SUCCESS_COMMAND:0")[1:] == expected[1:]
    assert not gas.device.switch.closed
    assert say(gas, "GCS39_7.3_ERROR_COMMAND:0")[1:] == expected[1:-1] + b"\x01"
    assert gas.device.switch.state is ControlState.READY_FOR_RECONNECTION


def test_a_top_up(gas: Host) -> None:
    account, device = account_of(gas), gas.device
    assert isinstance(device, GasMeter)
    account.orders.adjust("balance", 2_500_000 - account.balance)
    cluster, frame = FRAMES["PCS01_NA_SUCCESS_COMMAND:0"]
    tokens = account.settings.tokens
    scheme = tokens.scheme(device.token_secret(tokens), device.token_originator(tokens), device.identity.eui64)
    said = gas.one(cluster, frame[:5] + scheme.issue(1, 2025).encode()).encode()
    _, expected = FRAMES["PCS01_NA_SUCCESS_RESPONSE:0"]
    assert said[1:] == expected[1:]
    refused = gas.one(cluster, frame).encode()
    assert refused[3] == 1, "a token of another meter"


def test_a_change_of_tenancy(gas: Host) -> None:
    account = account_of(gas)
    account.orders.set_remaining(account.charges["debt_1"], 5000)
    answers(gas, "GCS09_3.2_SUCCESS", 0)
    assert account.tenancy_began == gas.device.utc
    assert account.charges["debt_1"].remaining == 0


def test_every_official_command_is_answered_in_its_form(gas: Host) -> None:
    """Whatever is asked, a meter says one thing: a response of that command, or why not."""
    asked = 0
    for name, (cluster, octets) in FRAMES.items():
        frame = Frame.decode(octets)
        if "COMMAND" not in name or frame.direction or frame.command == foundation.Command.DEFAULT_RESPONSE:
            continue
        if frame.type is FrameType.GLOBAL and frame.command == foundation.Command.READ:
            (said,) = gas.zcl(cluster, octets)
            found = foundation.decode_read_response(Frame.decode(said.payload).payload) if cluster != 0x0707 else []
            assert [record.attribute for record in found] == list(foundation.decode_read(frame.payload)) or not found
        else:
            (said,) = gas.zcl(cluster, octets)
            assert Frame.decode(said.payload).sequence == frame.sequence
        asked += 1
    assert asked > 200
