"""The account of a meter (class 111): it charges for energy and time, takes payments, warns, and cuts the supply.

Everything follows from what the meter has counted, so nothing ticks. :attr:`Account.due` is the rig instant at which
something happens by itself: a charge by time, a threshold that the balance reaches, friendly hours that end, a passive
value that takes over. The meter calls :meth:`Account.run` then, and :meth:`Account.look` when something else has
changed the course of money.

In credit mode the balance is what the customer owes or has paid ahead: energy and standing charge are taken, debts are
not, and nothing is cut off. In prepayment mode charges are met from the balance down to the disablement threshold, then
from emergency credit that the customer has activated; charges by time that neither holds become accumulated debt, and
energy in friendly hours takes the balance further down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.device import NEVER
from emulator.prepayment import friendly
from emulator.prepayment.books import Books
from emulator.prepayment.charge import Charge
from emulator.prepayment.collection import END_OF_DAY, Collections
from emulator.prepayment.consumption import Consumption
from emulator.prepayment.credit import CREDITS
from emulator.prepayment.money import LEAST, MOST
from emulator.prepayment.orders import Orders
from emulator.prepayment.passive import AccountStatus, PassiveAccount, PaymentMode
from emulator.prepayment.payments import Payments
from emulator.prepayment.sources import Configuration, first_charges, first_configuration, references, sources
from emulator.prepayment.statement import Statement
from emulator.prepayment.tokens import TokenGateway
from emulator.prepayment.watch import Watch
from emulator.time import DAY
from protocols.dlms import datetime

if TYPE_CHECKING:
    from emulator.firmware import PrepaymentSettings
    from emulator.meter import Meter

LIMITS: dict[str, int] = {
    "low_credit": LEAST,
    "emergency_limit": 0,
    "emergency_threshold": LEAST,
    "disablement": 0,
    "max_credit": MOST,
    "max_balance": MOST,
    "debt_cap": 0,
    "debt_cap_period": 0,
}
"""The account's named parameters (class 9000), and what holds where a profile has no object for one. Money is in
millipence, but ``debt_cap`` in pounds; ``debt_cap_period`` is in seconds, 0 for no cap."""


class Account:
    """The account of one meter. Amounts in millipence; instants in ns of rig time unless called UTC."""

    __slots__ = (
        "_passive",
        "books",
        "charges",
        "closure",
        "collections",
        "configuration",
        "consumption",
        "due",
        "emergency_selected",
        "meter",
        "mode",
        "opened",
        "payments",
        "planned",
        "priorities",
        "settings",
        "status",
        "supplier",
        "tenancy_began",
        "tenancy_begins",
        "tokens",
        "watch",
    )

    def __init__(self, meter: Meter, settings: PrepaymentSettings, opens_at: int) -> None:
        """The account begins at rig instant ``opens_at``: what the meter counted before is not charged for."""
        self.meter = meter
        self.settings = settings
        self.opened = False
        """Whether it has begun to charge."""
        self.due = opens_at
        """Rig instant of what happens next by itself."""
        self.mode = PaymentMode.PREPAYMENT if settings.prepayment else PaymentMode.CREDIT
        self.status = AccountStatus.ACTIVE
        self.closure: int | None = None
        """Device UTC (ns) at which it was closed."""
        self.books = Books(settings.balance)
        self.emergency_selected = False
        """Whether the customer has activated emergency credit."""
        self.priorities = {name: number for number, name in enumerate(CREDITS, 1)}
        model = meter.firmware.model
        self.charges = {charge.name: charge for charge in first_charges(model, settings, meter.charged_by)}
        self.configuration: Configuration = first_configuration(model, settings)
        """Which credit pays which charge (class 111, attribute 11)."""
        self.tenancy_began: int | None = None
        """Device UTC (ns) at which this tenancy began, None for before anyone can remember."""
        self.tenancy_begins: int | None = None
        """Device UTC (ns) at which the next one will, None for none in sight."""
        self.supplier = b""
        self.consumption = Consumption(meter, settings, self.charges["consumption"])
        self.collections = Collections(meter)
        self.payments = Payments(self)
        self.watch = Watch(self)
        self.planned: dict[bytes, int] = {}
        self._passive: PassiveAccount | None = None
        tokens = settings.tokens
        self.tokens = TokenGateway(
            tokens.scheme(meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64),
            tokens,
            utc=lambda: meter.utc,
            credit=self.payments.credit,
            undo=self.payments.undo,
            commit=meter.commit,
            outcome=self.payments.entered,
        )

    def begin(self, balance: int) -> None:
        """Begin in prepayment mode with this balance, millipence, as the meter is commissioned."""
        self.mode = PaymentMode.PREPAYMENT
        self.books = Books(balance)
        self.meter.money_changed()

    # --- what it shows

    @property
    def prepaying(self) -> bool:
        """Whether it is in prepayment mode and charges."""
        return self.mode is PaymentMode.PREPAYMENT and self.status is AccountStatus.ACTIVE

    @property
    def watches(self) -> bool:
        """Whether it may do something by itself that others notice: warn, cut the supply, tell of a change."""
        return self.prepaying or bool(self._planned_instants())

    @property
    def passive(self) -> PassiveAccount:
        """What the account will be."""
        if self._passive is None:
            self._passive = PassiveAccount(self)
        return self._passive

    @property
    def orders(self) -> Orders:
        """What a supplier may change."""
        return Orders(self)

    @property
    def statement(self) -> Statement:
        """What it shows of itself."""
        return Statement(self)

    @property
    def balance(self) -> int:
        """The meter balance at the meter's present."""
        self.fold()
        return self.books.balance

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left that energy could be taken from."""
        books = self.books
        lends = self.emergency_selected and books.emergency > 0 and self._pays("emergency", "consumption") is not None
        return books.balance <= self.limit("disablement") and not lends

    @property
    def friendly(self) -> bool:
        """Whether the supply is not cut for want of credit now."""
        meter = self.meter
        return friendly.current(meter.internal).now(meter.local)

    @property
    def in_use(self) -> str:
        """The credit that charges are met from now, by the name profiles use."""
        books = self.books
        if self.emergency_selected and books.emergency > 0 and books.balance <= self.limit("disablement"):
            return "emergency"
        return "balance"

    def limit(self, name: str) -> int:
        """A named parameter as it is set now; see :data:`LIMITS`."""
        meter = self.meter
        item = sources(meter.firmware.model).get(f"limit.{name}")
        return LIMITS[name] if item is None else meter.setting(item + b"\x02", LIMITS[name])

    @property
    def price(self) -> int:
        """The price of energy at present, as the table of the consumption charge has it."""
        return self.consumption.price

    def references(self, family: str) -> list[bytes]:
        """Logical names of its ``credit`` or ``charge`` objects, in order (class 111, attributes 9 and 10)."""
        return references(self.meter.firmware.model, family)

    def reference(self, source: str) -> bytes | None:
        """Logical name of the object of one of them (``credit.balance``), None where the profile has none."""
        item = sources(self.meter.firmware.model).get(source)
        return None if item is None else item[2:]

    # --- time

    def run(self) -> None:
        """Do what is due at the meter's present."""
        if not self.opened:
            self.opened = True
            self.consumption.start()
            self.collections.plan(self.charges.values())
        self.fold()
        if self.meter.mains:
            self._collect_due()
            self._activate_due()
        self.look()

    def look(self) -> None:
        """Work out anew what happens next, after anything that bears on the course of money."""
        if self.opened:
            self.fold()
            self.watch.look()
            self.consumption.reprice()
            self.due = self._next()

    def rate_changed(self) -> None:
        """Another tariff rate counts from now on; what was counted before has been folded."""
        if not self.opened:
            return
        self.consumption.reprice()
        if self.watches or self.consumption.in_blocks:
            self.look()

    def disturb(self) -> None:
        """What the meter counts may take another course: look again at its next step."""
        if self.opened:
            self.due = min(self.due, self.meter.time)

    def changed(self) -> None:
        """A setting has changed: look at it at the meter's next step, and let the rig's clock know."""
        if self.opened:
            self.due = self.meter.time
        self.meter.money_changed()

    def recollect(self, *names: str) -> None:
        """Find anew when these charges by time fall due, all without a name; none is taken for what a clock skipped."""
        self.collections.forget(*names)
        if self.opened:
            self.collections.plan(self.charges.values())

    def _next(self) -> int:
        """The rig instant of what comes next."""
        meter = self.meter
        if not meter.mains:
            return NEVER
        now, clock = meter.time, meter.device_clock
        waiting = [*self._planned_instants(), *self.collections.due.values()]
        due = max(now, clock.rig(min(waiting))) if waiting else NEVER
        if self.prepaying:
            due = min(due, meter.ahead(friendly.current(meter.internal).next_change))
        if not meter.metering.flowing:
            return due
        latest = min(due, now + DAY)
        wanted = [amount for amount in (self.consumption.next_block(), self._next_threshold()) if amount is not None]
        if wanted:
            return self._when(min(wanted), latest) or latest
        return due

    def _planned_instants(self) -> list[int]:
        """When what a supplier has planned takes over, device UTC in ns."""
        dates = [*self.planned.values(), *(charge.activation for charge in self.charges.values()), self.tenancy_begins]
        if self._passive is not None:
            dates.append(self._passive.activation)
        return [at for at in dates if at is not None]

    def _when(self, amount: int, latest: int) -> int | None:
        """The first instant at which the meter will have counted ``amount``, None when it is after ``latest``."""
        consumed = self.meter.consumed
        low, high = self.meter.time, latest
        if consumed(high) < amount:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if consumed(middle) < amount:
                low = middle
            else:
                high = middle
        return high

    def _next_threshold(self) -> int | None:
        """What the meter will have counted when the balance next reaches something."""
        if not self.prepaying:
            return None
        books, floor = self.books, self.limit("disablement")
        marks = [self.limit("low_credit"), floor]
        if not self.emergency_selected:
            marks.append(self.limit("emergency_threshold"))
        ahead = [books.balance - mark for mark in marks if books.balance > mark]
        if books.balance <= floor and self.emergency_selected and books.emergency:
            ahead.append(books.emergency)
        return self.consumption.needed(min(ahead)) if ahead else None

    # --- collecting

    def fold(self) -> None:
        """Take what energy has cost until the meter's present."""
        if not self.opened:
            return
        cost = self.consumption.fold()
        if not cost or self.status is not AccountStatus.ACTIVE:
            return
        charge = self.charges["consumption"]
        if self.prepaying:
            lend = self.emergency_selected and self._payable("emergency", "consumption")
            self.books.take(charge, cost, self.limit("disablement"), lend, accumulate=False)
        else:
            self.books.take(charge, cost, LEAST, lend=False, accumulate=False)

    def _collect_due(self) -> None:
        """Collect what boundaries have made due; after a time without power, for all that were passed."""
        by_time = [charge for charge in self.charges.values() if charge.name in self.collections.due]
        for charge in sorted(by_time, key=lambda charge: charge.priority):
            passed = self.collections.passed(charge.name, charge.period)
            if passed:
                self.collect(charge, charge.active.amount * passed)
        if self.collections.passed(END_OF_DAY, datetime.DAY) and self.prepaying:
            self.log("prepay_daily")

    def collect(self, charge: Charge, amount: int) -> None:
        """Take a charge by time, if it is taken at all as things are."""
        if self.status is not AccountStatus.ACTIVE:
            return
        if charge.is_debt:
            amount = min(amount, charge.remaining)
        if amount <= 0 or (charge.is_debt and not self.prepaying):
            return
        if not self.prepaying:
            self.books.take(charge, amount, LEAST, lend=False, accumulate=False)
        elif self._payable(self.in_use, charge.name):
            lend = self.emergency_selected and self._payable("emergency", charge.name)
            self.books.take(charge, amount, self.limit("disablement"), lend, accumulate=True)
        else:
            return
        charge.last_time, charge.last_amount = self.meter.utc, amount
        if charge.is_debt:
            charge.remaining -= amount

    def _pays(self, credit: str, charge: str) -> str | None:
        """In which circumstances, as three bits, a credit pays a charge (class 111, attribute 11); None for never."""
        if not self.configuration:
            return "111"
        pair = self.reference(f"credit.{credit}"), self.reference(f"charge.{charge}")
        return next((bits for *names, bits in self.configuration if tuple(names) == pair), None)

    def _payable(self, credit: str, charge: str) -> bool:
        """Whether a credit pays a charge under the present circumstances."""
        bits = self._pays(credit, charge)
        if bits is None:
            return False
        meter = self.meter
        circumstances = (not meter.switch.closed, meter.limited, self.watch.friendly is True)
        return all(bit == "1" for bit, holds in zip(bits, circumstances, strict=True) if holds)

    # --- emergency credit

    @property
    def emergency_offer(self) -> int:
        """Emergency credit of a new activation, millipence; 0 for none."""
        return max(0, self.limit("emergency_limit"))

    @property
    def selectable(self) -> bool:
        """Whether emergency credit can be activated now."""
        return (
            self.prepaying
            and not self.emergency_selected
            and not self.books.borrowed
            and self.emergency_offer > 0
            and self.books.balance <= self.limit("emergency_threshold")
        )

    def activate_emergency(self) -> bool:
        """The customer, or the supplier, activates emergency credit; False when there is none to be had."""
        self.fold()
        if not self.selectable:
            return False
        self.emergency_selected = True
        self.books.emergency = self.emergency_offer
        self.meter.record("emergency_activated")
        self.look()
        self.meter.money_changed()
        return True

    def log(self, buffer: str) -> None:
        """Capture the registers of this moment in a log of the account, if the profile has it."""
        if buffer in self.meter.firmware.buffers:
            self.meter.buffer(buffer).append()

    def _activate_due(self) -> None:
        utc = self.meter.utc
        for item, at in list(self.planned.items()):
            if at <= utc:
                self.orders.activate_value(item)
        for charge in self.charges.values():
            if charge.activation is not None and charge.activation <= utc:
                self.orders.activate_charge(charge)
        passive = self._passive
        if passive is not None and passive.activation is not None and passive.activation <= utc:
            passive.activation = None
            self.configuration = passive.configuration
            self.orders.switch_mode(passive.mode, passive.status)
        if self.tenancy_begins is not None and self.tenancy_begins <= utc:
            self.orders.begin_tenancy()

    # --- storage

    def image(self) -> dict[str, Any]:
        """All of it as plain values, for the non-volatile memory."""
        passive = self._passive
        return {
            "opened": self.opened,
            "mode": [self.mode, self.status, self.closure],
            "books": self.books.image(),
            "emergency_selected": self.emergency_selected,
            "told": self.watch.image(),
            "charges": {name: charge.image() for name, charge in self.charges.items()},
            "configuration": _plain(self.configuration),
            "passive": None
            if passive is None
            else [passive.mode, passive.status, _plain(passive.configuration), passive.activation],
            "priorities": dict(self.priorities),
            "consumption": self.consumption.image(),
            "payments": self.payments.image(),
            "collections": self.collections.image(),
            "planned": {item.hex(): at for item, at in self.planned.items()},
            "tenancy": [self.tenancy_began, self.tenancy_begins],
            "supplier": self.supplier.hex(),
            "tokens": self.tokens.image(),
        }

    def restore(self, image: dict[str, Any]) -> None:
        """Be what :meth:`image` said. The meter's own parts come first: energy is charged by what it has counted."""
        self.opened = image["opened"]
        mode, status, self.closure = image["mode"]
        self.mode, self.status = PaymentMode(mode), AccountStatus(status)
        self.books.restore(image["books"])
        self.emergency_selected = image["emergency_selected"]
        self.watch.restore(image["told"])
        for name, charge in self.charges.items():
            charge.restore(image["charges"][name])
        self.configuration = _pairs(image["configuration"])
        if image["passive"] is not None:
            mode, status, configuration, activation = image["passive"]
            self.passive.set_mode(mode, status)
            self.passive.set_configuration(_pairs(configuration))
            self.passive.activation = activation
        self.priorities = dict(image["priorities"])
        self.consumption.restore(image["consumption"])
        self.payments.restore(image["payments"])
        self.collections.restore(image["collections"])
        self.planned = {bytes.fromhex(item): at for item, at in image["planned"].items()}
        self.tenancy_began, self.tenancy_begins = image["tenancy"]
        self.supplier = bytes.fromhex(image["supplier"])
        self.tokens.restore(image["tokens"])
        if self.opened:
            self.due = self.meter.time


def _plain(configuration: Configuration) -> list[list[str]]:
    return [[credit.hex(), charge.hex(), bits] for credit, charge, bits in configuration]


def _pairs(plain: list[list[str]]) -> Configuration:
    return tuple((bytes.fromhex(credit), bytes.fromhex(charge), bits) for credit, charge, bits in plain)
