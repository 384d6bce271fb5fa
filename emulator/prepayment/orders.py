"""What a supplier changes about an account, at once or at a date: balance, debts, prices, parameters, mode, tenancy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.prepayment.charge import WHOLE, Charge, ChargeType, UnitCharge, check
from emulator.prepayment.money import LEAST, MOST
from emulator.prepayment.passive import AccountStatus, PaymentMode
from emulator.prepayment.sources import sources
from protocols.dlms import axdr
from protocols.dlms.axdr import Data

if TYPE_CHECKING:
    from emulator.prepayment.account import Account


class Orders:
    """The orders that one account takes; made anew when somebody gives one.

    Amounts are in millipence, dates device UTC in ns. The meter is at the present; what has become due until then is
    taken before anything changes.
    """

    __slots__ = ("_account",)

    def __init__(self, account: Account) -> None:
        self._account = account

    def adjust(self, credit: str, delta: int) -> None:
        """Add to an amount of class 112; ValueError for emergency credit, which nobody adjusts."""
        account = self._account
        account.fold()
        match credit:
            case "balance":
                if not LEAST <= account.books.balance + delta <= MOST:
                    raise ValueError(f"a balance of {account.books.balance + delta} millipence does not fit")
                account.books.adjust(delta)
            case "accumulated_debt":
                change = max(delta, -account.books.accumulated)
                account.books.accumulated += change
                account.books.adjusted -= change
            case _:
                raise ValueError("emergency credit is activated, not adjusted")
        account.meter.record("balance_adjusted")
        account.changed()

    def reset_blocks(self) -> None:
        """The blocks of every rate begin anew (script 99 of the tariff script table)."""
        account = self._account
        account.fold()
        account.consumption.reset_blocks()
        account.changed()

    def set_charge(self, charge: Charge, passive: UnitCharge) -> None:
        """A unit charge to come; ValueError for scales that make no sense."""
        charge.passive = check(passive)

    def plan_charge(self, charge: Charge, utc: int | None) -> None:
        """Let the passive unit charge take over at device UTC ``utc`` (ns), never for None."""
        account = self._account
        charge.activation = utc
        account.changed()

    def activate_charge(self, charge: Charge) -> None:
        """Let the passive unit charge take over now."""
        account = self._account
        account.fold()
        charge.activate()
        self._prices_changed(charge)
        account.changed()

    def reprice(self, charge: Charge, prices: list[tuple[bytes, int]]) -> None:
        """Change prices of the active unit charge by their index; ValueError for an index that is not there."""
        account = self._account
        account.fold()
        table = dict(charge.active.prices)
        unknown = [index for index, _ in prices if index not in table]
        if unknown:
            raise ValueError(f"no price of index {unknown[0].hex()}")
        table.update(prices)
        charge.active = charge.active._replace(prices=tuple(table.items()))
        self._prices_changed(charge)
        account.changed()

    def change_charge(self, charge: Charge, **fields: Any) -> None:
        """Set ``priority``, ``period``, ``configuration`` or ``proportion``; ValueError for a value out of range."""
        account = self._account
        account.fold()
        if not 0 <= fields.get("proportion", 0) <= WHOLE:
            raise ValueError(f"a proportion of {fields['proportion']}: 0 to {WHOLE} hundredths of a per cent")
        for name, value in fields.items():
            setattr(charge, name, value)
        account.recollect(charge.name)
        account.changed()

    def collect_now(self, charge: Charge) -> None:
        """Collect a charge by time once (method 3); ValueError for another."""
        account = self._account
        if charge.kind is not ChargeType.TIME:
            raise ValueError("only a charge by time is collected on command")
        account.fold()
        account.collect(charge, charge.active.amount)
        account.changed()

    def set_remaining(self, charge: Charge, value: int) -> None:
        """What remains of a debt; ValueError below nothing, or for a charge that is no debt."""
        account = self._account
        if not charge.is_debt or value < 0:
            raise ValueError("only a debt has something that remains, and no less than nothing")
        charge.remaining = value
        account.meter.record("debt_adjusted")
        account.changed()

    def adjust_remaining(self, charge: Charge, delta: int) -> None:
        """Add to a debt, or take from it; it never falls below nothing."""
        self.set_remaining(charge, max(0, charge.remaining + delta))

    def plan_value(self, item: bytes, utc: int | None) -> None:
        """Let the passive value of a class 9000 object (its class and logical name) take over at device UTC ``utc``."""
        account = self._account
        if utc is None:
            account.planned.pop(item, None)
        else:
            account.planned[item] = utc
        account.changed()

    def activate_value(self, item: bytes) -> None:
        """Let the passive value of a class 9000 object take over now, with what its profile says goes with it."""
        account = self._account
        account.fold()
        account.planned.pop(item, None)
        meter = account.meter
        values, read = meter.values, meter.internal.read
        for passive, active in ((b"\x04", b"\x02"), (b"\x05", b"\x03")):
            values[item + active] = read(item + passive)
        for source, target in account.settings.copies.get(item, ()):
            values[target] = read(source)
        meter.changed()
        meter.record("parameters_changed")
        account.changed()

    def switch_mode(self, mode: PaymentMode, status: AccountStatus | None = None) -> None:
        """Change between credit and prepayment mode now, and the status where one is given.

        The registers of that moment go into the log.
        """
        account = self._account
        account.fold()
        changed = mode is not account.mode
        meter = account.meter
        account.mode = mode
        if status is not None and status is not account.status:
            account.status = status
            account.closure = meter.utc if status is AccountStatus.CLOSED else None
        if changed:
            meter.record("mode_prepayment" if mode is PaymentMode.PREPAYMENT else "mode_credit")
            account.log("mode_log")
        account.recollect()
        account.changed()

    def begin_tenancy(self) -> None:
        """New people move in now: the profile says what of the old ones' account is written off; their entries are
        hidden."""
        account = self._account
        account.fold()
        account.log("mode_log")
        clears = account.settings.clears
        if "debts" in clears:
            for charge in account.charges.values():
                charge.remaining = 0
            account.books.write_off()
            account.emergency_selected = False
        if "balance" in clears:
            account.books.adjust(-account.books.balance)
        account.tenancy_began, account.tenancy_begins = account.meter.utc, None
        account.tokens.forget_shown()
        account.meter.record("tenancy_changed")
        account.changed()

    def plan_tenancy(self, utc: int | None) -> None:
        """New people move in at device UTC ``utc``, ns; at once for a time that is past, never for None."""
        self._account.tenancy_begins = utc
        self._account.changed()

    def begin_supply(self, supplier: bytes) -> None:
        """Another supplier takes over; the registers of that moment go into the log."""
        account = self._account
        account.fold()
        account.supplier = supplier
        account.log("mode_log")
        account.meter.record("supplier_changed")
        account.changed()

    def activate(self) -> None:
        """Method 1 of class 111: the account begins to charge."""
        self.switch_mode(self._account.mode, AccountStatus.ACTIVE)

    def close(self) -> None:
        """Method 2 of class 111: the account charges no more."""
        self.switch_mode(self._account.mode, AccountStatus.CLOSED)

    def reset(self) -> None:
        """Method 3 of class 111: a closed account becomes a new one; ValueError for one that is not closed."""
        account = self._account
        if account.status is not AccountStatus.CLOSED:
            raise ValueError("only a closed account can be reset")
        account.status, account.closure = AccountStatus.NEW, None

    def set_limit(self, name: str, value: int) -> None:
        """Set a named parameter; ValueError where the profile has no object for it, or it does not take the value."""
        account = self._account
        meter = account.meter
        item = sources(meter.firmware.model).get(f"limit.{name}")
        if item is None:
            raise ValueError(f"this firmware has no {name}")
        descriptor = item + b"\x02"
        tag = axdr.decode_all(meter.internal.read(descriptor)).tag
        meter.values[descriptor] = axdr.encode(Data(tag, value))
        account.changed()

    def _prices_changed(self, charge: Charge) -> None:
        account = self._account
        account.recollect(charge.name)
        account.meter.record("prices_changed")
        account.log("mode_log")
