"""What people do at the devices of a running rig: look at displays, press keys and buttons, enter tokens.

The HTTP API, the pytest plugin and whoever comes later say it with these verbs. All calls belong to the thread of the
rig's loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from emulator.display import Display
from emulator.front import Front, Key, parse_keys
from emulator.gas import GasMeter
from emulator.meter import Meter
from emulator.prepayment import display
from emulator.prepayment.keypad import Keypad
from emulator.prepayment.tokens import Delivery
from rigs.driver import SECOND, ClockMode
from rigs.events import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from emulator.device import Device
    from emulator.premises import Premises
    from emulator.prepayment.account import Account
    from protocols.tokens.scheme import Outcome
    from rigs.rig import Rig

    T = TypeVar("T")

LONGEST_STEP = 366 * 86_400 * SECOND
"""How far one request may move a stepped clock, ns."""
LEAST_RATE, MOST_RATE = 0.001, 1_000_000
"""Seconds of the rig's clock in one of the world."""
WIDEST_TAP = 100_000
"""Most that flows through an open tap, dm3 an hour."""
_SEPARATORS = str.maketrans("", "", " -")


class DeskError(Exception):
    """Something that cannot be done; the text is one line: what, where, what to do. ``status`` is that of HTTP."""

    status = 409


class NotThereError(DeskError):
    """No such premises or device."""

    status = 404


class BadInputError(DeskError):
    """Keys, digits or times that make no sense."""

    status = 422


class TokenWay(Enum):
    """How a token is entered: typed in at the meter, or at an in-home display (delivery local of class 115)."""

    KEYPAD = "keypad"
    DISPLAY = "display"


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A device as a person finds it.

    ``power`` is ``on``, ``starting``, ``hangs`` or ``off``; ``clock`` the device's own time, ns of UTC; ``alarms`` the
    events that the set bits of its alarm register stand for. Amounts are in millipence (1e-5 GBP). What only a meter
    has is None for a hub, and what belongs to an account for a firmware without one.
    """

    premises: str
    kind: str
    profile: str
    serial: str
    power: str
    clock: int
    alarm_register: int
    alarms: list[str]
    display: str | None = None
    supply: str | None = None
    mode: str | None = None
    balance: int | None = None
    emergency_credit: int | None = None
    debt: int | None = None
    locked_seconds: int | None = None


def meter_of(device: Device, what: str = "account") -> Meter:
    """The device as a meter; DeskError for one that is none."""
    if not isinstance(device, Meter):
        raise DeskError(f"{device.identity.device_id}: has no {what}; electricity and gas meters have")
    return device


def account_of(device: Device) -> Account:
    """The account of a meter; DeskError where there is none."""
    account = meter_of(device).account
    if account is None:
        raise DeskError(_without_account(device))
    return account


def settled_account_of(device: Device) -> Account:
    """The account of a meter as of the meter's present; DeskError where there is none."""
    device.settle()
    return account_of(device)


def keypad_of(device: Device) -> Keypad:
    """Keypad and display of a meter; DeskError where there is none."""
    meter = meter_of(device, "keypad or display")
    if meter.account is None:
        raise DeskError(_without_account(device))
    return meter.keypad


def front_of(device: Device) -> Front:
    """What people find at the front of a device, keys and display; DeskError where there is nothing."""
    return device.front if isinstance(device, Display) else keypad_of(device)


def _without_account(device: Device) -> str:
    name = device.firmware.name
    return f"{device.identity.device_id}: its profile {name} has no [prepayment] table; choose one that has"


def press(device: Device, keys: str) -> str:
    """Press keys (:data:`emulator.front.ALPHABET`); what the display shows after the last one."""
    front = front_of(device)
    try:
        pressed = parse_keys(keys)
    except ValueError as error:
        raise BadInputError(f"{device.identity.device_id}: keys: {error}") from None
    for key in pressed:
        front.press(key)
    return front.text()


def top_up(device: Device, digits: str, way: TokenWay = TokenWay.KEYPAD) -> Outcome:
    """Enter a token, spaces and ``-`` between its digits or not; what became of it.

    DeskError when the meter has no power or is starting: then nothing was entered.
    """
    where = device.identity.device_id
    if isinstance(device, Display):
        raise DeskError(f"{where}: the meter's answer to a token takes its time; press keys, the last one #, and look")
    keypad = keypad_of(device)
    match way:
        case TokenWay.KEYPAD:
            try:
                outcome = keypad.top_up(digits)
            except ValueError as error:
                raise BadInputError(f"{where}: digits: {error}") from None
        case TokenWay.DISPLAY:
            account = account_of(device)
            entered = digits.translate(_SEPARATORS)
            outcome = account.tokens.enter(entered, Delivery.LOCAL) if meter_of(device).touched() else None
    if outcome is None:
        raise DeskError(f"{where}: has no power or is starting; nothing was entered")
    return outcome


def press_button(device: Device) -> str:
    """The supply button; the state of the supply after it: ``on``, ``armed`` or ``off``."""
    meter = meter_of(device, "supply")
    if meter.account is None:
        meter.press_button()
    else:
        meter.keypad.press(Key.SUPPLY)
    return display.supply(meter)


def activate_emergency_credit(device: Device) -> bool:
    """The emergency credit key; whether emergency credit is activated after it."""
    account = account_of(device)
    keypad_of(device).press(Key.EMERGENCY)
    return account.emergency_selected


def open_tap(device: Device, litres_per_hour: int) -> None:
    """Leave an appliance behind a gas meter open, so that its valve test fails; 0 closes it. DeskError for others."""
    if not isinstance(device, GasMeter):
        raise DeskError(f"{device.identity.device_id}: has no tap behind it; gas meters have")
    if not 0 <= litres_per_hour <= WIDEST_TAP:
        raise BadInputError(f"{device.identity.device_id}: litres_per_hour: {litres_per_hour}: 0 to {WIDEST_TAP}")
    device.open_tap = litres_per_hour


def power_word(device: Device) -> str:
    """``on``, ``starting``, ``hangs`` (its firmware does not run though it has power) or ``off``."""
    if not device.mains:
        return "off"
    return "on" if device.ready else "hangs" if device.hung else "starting"


def look(device: Device) -> DeviceState:
    """A device as it is now, the gas meter as of its last wake-up."""
    device.settle()
    premises, _, kind = device.identity.device_id.partition("/")
    state = DeviceState(
        premises=premises,
        kind=kind,
        profile=device.firmware.name,
        serial=device.identity.serial,
        power=power_word(device),
        clock=device.utc,
        alarm_register=device.alarms,
        alarms=[name for name, reaction in device.firmware.reactions.items() if reaction.alarm & device.alarms],
    )
    if isinstance(device, Display):
        return replace(state, display=device.text)
    if not isinstance(device, Meter):
        return state
    account = device.account
    if account is None:
        return replace(state, supply=display.supply(device))
    return replace(
        state,
        display=device.keypad.text(),
        supply=display.supply(device),
        mode=account.mode.name.lower(),
        balance=account.balance,
        emergency_credit=account.statement.emergency_left,
        debt=account.statement.aggregated_debt,
        locked_seconds=-(-account.tokens.locked_for // SECOND),
    )


class Desk:
    """The devices of one rig by name, each verb at the rig's present."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def devices(self) -> Iterator[Device]:
        """All of them, premises by premises."""
        for premises in self.rig.premises.values():
            yield from premises.devices()

    def premises(self, name: str) -> Premises:
        """The premises of that name; raises NotThereError naming what is there."""
        found = self.rig.premises.get(name)
        if found is None:
            some = list(self.rig.premises)[:5]
            more = ", ..." if len(self.rig.premises) > len(some) else ""
            raise NotThereError(f"{name}: no such premises; there are {', '.join(some)}{more}")
        return found

    def device(self, premises: str, kind: str) -> Device:
        """The device of that name; raises NotThereError naming what is there."""
        devices = {device.firmware.kind: device for device in self.premises(premises).devices()}
        if kind not in devices:
            raise NotThereError(f"{premises}/{kind}: no such device; there are {', '.join(devices)}")
        return devices[kind]

    def act(self, function: Callable[[], T]) -> T:
        """What ``function()`` gives at the present of the rig's clock; what it sets in motion goes on by itself."""
        driver = self.rig.driver
        driver.now()
        try:
            return function()
        finally:
            driver.attend()

    def advance(self, seconds: float) -> int:
        """Move a stepped clock on; its new time, ns of UTC. DeskError where the clock runs by itself."""
        driver = self.rig.driver
        if driver.mode is not ClockMode.STEPPED:
            raise DeskError(
                f"clock: it runs by itself ({driver.mode.value}); start the rig with --stepped to advance it"
            )
        if not 0 <= seconds <= LONGEST_STEP // SECOND:
            raise BadInputError(f"clock: seconds: {seconds:g}: 0 to {LONGEST_STEP // SECOND}")
        self.rig.events.add(Source.CONTROL, "clock", f"advanced by {seconds:g} s")
        return driver.advance(round(seconds * SECOND))

    def set_rate(self, rate: float) -> None:
        """Let the clock run at another rate; DeskError for a stepped one."""
        driver = self.rig.driver
        if driver.mode is ClockMode.STEPPED:
            raise DeskError("clock: it is stepped and has no rate; advance it, or start the rig without --stepped")
        if not LEAST_RATE <= rate <= MOST_RATE:
            raise BadInputError(f"clock: rate: {rate:g}: {LEAST_RATE} to {MOST_RATE}")
        driver.set_rate(rate)
        self.rig.events.add(Source.CONTROL, "clock", f"runs at {rate:g} times the pace of the world")
