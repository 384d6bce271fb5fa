"""Meters in prepayment mode, with the parameters that a test sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from emulator.meter import Meter
from emulator.premises import Premises
from emulator.prepayment.account import Account
from emulator.prepayment.tokens import Delivery
from emulator.time import DAY, HOUR, Clock
from protocols.dlms.types import parse_type
from protocols.tokens.scheme import Outcome, TokenScheme

from ..conftest import START, DeviceSpec, Load, Prepayment

Home = Callable[..., Premises]
_entries = parse_type("arr st{u16,bool,oct6,u16,oct4,u16,bits,bits,oct5,oct5}")


@dataclass
class Prepaid:
    """A meter in prepayment mode and what an issuer needs to know of it."""

    meter: Meter
    clock: Clock
    scheme: TokenScheme
    counter: int = 0
    events: list[tuple[float, str]] = field(default_factory=list)
    """What it recorded, and at which hour after the start."""

    def __post_init__(self) -> None:
        self.meter.observers.append(lambda event: self.events.append((self.hour, event)))

    @property
    def account(self) -> Account:
        assert self.meter.account is not None
        return self.meter.account

    @property
    def hour(self) -> float:
        return round((self.meter.time - START) / HOUR, 6)

    def heard(self, *names: str) -> list[tuple[float, str]]:
        """Events of these names, and when."""
        return [item for item in self.events if item[1] in names]

    def advance(self, *, hours: float = 0, days: float = 0) -> None:
        """Let time pass, and look at the meter as it is then."""
        self.clock.advance_to(self.clock.now + round(hours * HOUR) + round(days * DAY))
        self.meter.attend()

    def limits(self, **values: int) -> None:
        """Set named parameters."""
        for name, value in values.items():
            self.account.orders.set_limit(name, value)

    def token(self, pence: int) -> str:
        """A fresh token."""
        self.counter += 1
        return self.scheme.issue(self.counter, pence)

    def top_up(self, pence: int) -> Outcome:
        """Type in a fresh token."""
        return self.enter(self.token(pence))

    def enter(self, digits: str) -> Outcome:
        """Type in these digits."""
        self.meter.attend()
        return self.account.tokens.enter(digits, Delivery.MANUAL)

    def friendly(self, *hours: tuple[int, int]) -> None:
        """Set friendly hours of every day: hours at which they begin and end."""
        marks = [(hour, 32 + side) for pair in hours for side, hour in enumerate(pair)]
        script = bytes((0, 0, 10, 0, 106, 255))
        always = b"\xff" * 5
        entries = [
            [number, True, script, selector, bytes((hour, 0, 0, 0)), 0xFFFF, "1111111", "", always, always]
            for number, (hour, selector) in enumerate(marks, 1)
        ]
        item = next(item for item in self.meter.firmware.model.by_class[10] if item.source == "friendly.schedule")
        self.meter.values[b"\x00\x0a" + item.logical_name + b"\x02"] = _entries.encode(entries)
        self.meter.changed()
        self.account.changed()


@pytest.fixture
def prepaid(home: Home, clock: Clock) -> Callable[..., Prepaid]:
    """``prepaid(pence, watts)``: an electricity meter; ``prepaid(pence, gas=1.0)`` (m3/h) a gas meter."""

    def make(pence: int, watts: float = 1000, *, gas: float | None = None, profile: str | None = None) -> Prepaid:
        kind = "electricity" if gas is None else "gas"
        load = Load("constant", watts if gas is None else gas)
        spec = DeviceSpec(profile=profile, load=load, prepayment=Prepayment(pence))
        meter: Meter = getattr(home(**{kind: spec}), kind)
        meter.device_clock.drift = 0
        assert meter.account is not None
        tokens = meter.account.settings.tokens
        scheme = tokens.scheme(meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64)
        made = Prepaid(meter, clock, scheme)
        clock.advance_to(clock.now)
        meter.attend()
        return made

    return make
