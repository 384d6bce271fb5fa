"""Prepayment's commands (Smart Energy annex D.7), done to the meter's account. Amounts are in millipence (1e-5 GBP)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from emulator.meter import Meter
from emulator.prepayment.account import Account
from emulator.prepayment.charge import ChargeType
from emulator.prepayment.money import PENNY, POUND, SCALE
from emulator.prepayment.passive import PaymentMode
from emulator.prepayment.tokens import Delivery
from emulator.smart_energy.planned import is_deferred
from emulator.smart_energy.readings import GENERAL, Row, instant, log_rows, snapshot
from emulator.smart_energy.request import Answer, Handler, Reply, Request
from emulator.smart_energy.sources import DEBTS, PREPAYING, RECOVERY_PERIODS, supply_status
from protocols.tokens.scheme import Outcome
from protocols.zigbee.zcl.clusters import PREPAYMENT
from protocols.zigbee.zcl.clusters.metering import SupplyStatus
from protocols.zigbee.zcl.clusters.prepayment import OriginatingDevice, TopUpResult
from protocols.zigbee.zcl.foundation import Status

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application

_SNAPSHOT, _MODE_RESPONSE, _TOP_UP_RESPONSE, _TOP_UP_LOG, _DEBT_LOG = 0x01, 0x02, 0x03, 0x05, 0x06
_UNCHANGED: Final = -1
"""A cut-off value that leaves things as they are."""
_LONGEST_CODE: Final = 25
_INCREMENT, _ABSOLUTE = 0x00, 0x01
"""Types of a credit adjustment."""
_IN_A_FRAME: Final = 3
"""Log entries in one response."""
_PAYMENT_DEBT: Final = 0x02
"""Debt that is recovered from payments."""
_DEBT_STATUS: Final = 0x00
"""Type of a snapshot of debts and credits."""
_RESULTS: Final[Mapping[Outcome, TopUpResult]] = {
    Outcome.DUPLICATE: TopUpResult.DUPLICATE,
    Outcome.TOO_OLD: TopUpResult.DUPLICATE,
    Outcome.STORAGE_FAULT: TopUpResult.ERROR,
    Outcome.NOT_PREPAYMENT: TopUpResult.ERROR,
    Outcome.OVER_BALANCE_LIMIT: TopUpResult.MAX_CREDIT,
    Outcome.LOCKED: TopUpResult.KEYPAD_LOCK,
    Outcome.OVER_TOKEN_LIMIT: TopUpResult.TOO_LARGE,
}
"""Of tokens that were refused; what is not here is no top-up at all."""
_ACCEPTED: Final[Mapping[SupplyStatus, TopUpResult]] = {
    SupplyStatus.ON: TopUpResult.SUPPLY_ENABLED,
    SupplyStatus.OFF: TopUpResult.SUPPLY_DISABLED,
    SupplyStatus.ARMED: TopUpResult.SUPPLY_ARMED,
}
"""Of those that were accepted while the supply was not on, by what it is after them."""


def _account(application: Application) -> Account | None:
    return cast("Meter", application.device).account


def _select_emergency(application: Application, request: Request) -> Answer:
    account = _account(application)
    if account is None or not account.activate_emergency():
        return Status.ACTION_DENIED
    return _kept(application)


def _top_up(application: Application, request: Request) -> Answer:
    """A token, of the hub or of a device in the home; the answer says what became of it."""
    account = _account(application)
    if account is None:
        return Status.ACTION_DENIED
    origin, code = request.values["device"], request.values["code"]
    if len(code) > _LONGEST_CODE:
        return Status.INVALID_FIELD
    was_on = account.meter.switch.closed
    outcome = account.tokens.enter(code, Delivery.REMOTE if origin == OriginatingDevice.ESI else Delivery.LOCAL)
    accepted = account.tokens.accepted if outcome is Outcome.ACCEPTED else None
    supply = supply_status(account.meter)
    taken = TopUpResult.ACCEPTED if was_on and supply is SupplyStatus.ON else _ACCEPTED[supply]
    result = taken if accepted else _RESULTS.get(outcome, TopUpResult.INVALID)
    return Reply(
        _TOP_UP_RESPONSE,
        {
            "result": result,
            "value": accepted[1] if accepted else 0,
            "source": origin,
            "credit": account.balance,
        },
    )


def _change_mode(application: Application, request: Request) -> Answer:
    """Credit or prepayment mode, now or at a date; the cut-off value goes with it."""
    account = _account(application)
    if account is None:
        return Status.HARDWARE_FAILURE
    values = request.values
    if not is_deferred(application, request):
        if values["cut_off"] != _UNCHANGED and not _limits(account, disablement=values["cut_off"]):
            return Status.INVALID_VALUE
        account.orders.switch_mode(PaymentMode.PREPAYMENT if values["control"] & PREPAYING else PaymentMode.CREDIT)
    if not application.commit():
        return Status.HARDWARE_FAILURE
    answer = {
        "friendly_credit": int(account.friendly),
        "friendly_calendar": 0,
        "emergency_limit": max(0, account.limit("emergency_limit")),
        "emergency_threshold": max(0, account.limit("emergency_threshold")),
    }
    return Reply(_MODE_RESPONSE, answer)


def _limits(account: Account, **values: int) -> bool:
    """Set named parameters of the account, all or none: whether its firmware has them and takes them."""
    before = {name: account.limit(name) for name in values}
    try:
        for name, value in values.items():
            account.orders.set_limit(name, value)
    except (ValueError, OverflowError, struct.error):
        for name in values:
            if account.limit(name) != before[name]:
                account.orders.set_limit(name, before[name])
        return False
    return True


def _order(application: Application, request: Request, **limits: int) -> Answer:
    """Parameters that take effect now or at a date."""
    account = _account(application)
    if account is None:
        return Status.HARDWARE_FAILURE
    if not is_deferred(application, request) and not _limits(account, **limits):
        return Status.INVALID_VALUE
    return _kept(application)


def _emergency_setup(application: Application, request: Request) -> Answer:
    values = request.values
    return _order(application, request, emergency_limit=values["limit"], emergency_threshold=values["threshold"])


def _low_credit(application: Application, request: Request) -> Answer:
    return _order(application, request, low_credit=request.values["level"])


def _maximum_credit(application: Application, request: Request) -> Answer:
    values = request.values
    return _order(application, request, max_balance=values["level"], max_credit=values["per_top_up"])


def _debt_cap(application: Application, request: Request) -> Answer:
    return _order(application, request, debt_cap=request.values["cap"] // POUND)


def _adjust(application: Application, request: Request) -> Answer:
    """Add to the balance, or make it another; nobody adjusts emergency credit."""
    account, values = _account(application), request.values
    if account is None:
        return Status.HARDWARE_FAILURE
    if values["type"] not in (_INCREMENT, _ABSOLUTE):
        return Status.INVALID_FIELD
    if not is_deferred(application, request):
        amount = values["amount"] - (account.balance if values["type"] == _ABSOLUTE else 0)
        try:
            account.orders.adjust("balance", amount)
        except ValueError:
            return Status.INVALID_VALUE
    return _kept(application)


def _change_debt(application: Application, request: Request) -> Answer:
    """What is owed of one of three debts, made another or added to, and how it is recovered."""
    account, values = _account(application), request.values
    if account is None:
        return Status.HARDWARE_FAILURE
    number, added = divmod(values["type"], 2)
    period = RECOVERY_PERIODS.get(values["frequency"])
    if number >= len(DEBTS) or period is None:
        return Status.INVALID_FIELD
    if is_deferred(application, request):
        return _kept(application)
    charge, orders = account.charges[DEBTS[number]], account.orders
    recovered: int = values["recovery_amount"]
    try:
        if charge.kind is ChargeType.TIME:
            index = charge.active.prices[0][0] if charge.active.prices else b"\x01"
            orders.set_charge(charge, charge.active._replace(price_scale=SCALE, prices=((index, recovered),)))
            orders.activate_charge(charge)
            orders.change_charge(charge, period=period)
        else:
            orders.change_charge(charge, proportion=values["percentage"])
        (orders.adjust_remaining if added else orders.set_remaining)(charge, values["amount"])
    except ValueError:
        return Status.INVALID_VALUE
    return _kept(application)


def _kept(application: Application) -> Status:
    return Status.SUCCESS if application.commit() else Status.HARDWARE_FAILURE


# --- logs


def _rows(account: Account | None, name: str, latest: int, count: int) -> list[Row]:
    """At most ``count`` rows (0 for all) of a log until Zigbee time ``latest``, as many as go into a response."""
    rows = log_rows(account.meter, name, 0, latest) if account else []
    return rows[: min(count or len(rows), _IN_A_FRAME)]


def _top_up_log(application: Application, request: Request) -> Answer:
    meter = cast("Meter", application.device)
    rows = _rows(meter.account, "credit_log", request.values["latest"], request.values["count"])
    if not rows:
        return Status.NOT_FOUND
    top_ups = [{"code": b"", "amount": _written_amount(row), "time": instant(meter, row)} for row in rows]
    return Reply(_TOP_UP_LOG, {"index": 0, "total": 1, "top_ups": top_ups})


def _written_amount(row: Row) -> int:
    """Millipence of a token's description, such as ``12.34 GBP``."""
    descriptions = row[1].elements
    text = cast("bytes", descriptions[0].value).decode("ascii", "replace") if descriptions else ""
    pounds, _, pence = text.partition(" ")[0].partition(".")
    return int(pounds) * POUND + int(pence) * PENNY if pounds.isdigit() and pence.isdigit() else 0


def _debt_log(application: Application, request: Request) -> Answer:
    meter = cast("Meter", application.device)
    rows = _rows(meter.account, "debt_log", request.values["latest"], request.values["count"])
    if not rows:
        return Status.NOT_FOUND
    repayments: list[dict[str, Any]] = [
        {
            "time": instant(meter, row),
            "amount": max(0, cast("int", row[1].value)),
            "type": _PAYMENT_DEBT,
            "outstanding": max(0, cast("int", row[2].value)),
        }
        for row in rows
    ]
    return Reply(_DEBT_LOG, {"index": 0, "total": 1, "repayments": repayments})


def _snapshot(application: Application, request: Request) -> Answer:
    """One of the account's daily snapshots, the newest first: debts and credits as they were at the end of a day."""
    meter, values = cast("Meter", application.device), request.values
    rows = log_rows(meter, "prepay_daily", values["earliest"], values["latest"]) if values["cause"] & GENERAL else []
    offset: int = values["offset"]
    if offset >= len(rows):
        return Status.NOT_FOUND
    row = rows[offset]
    balance, emergency, accumulated, *debts = (cast("int", cell.value) for cell in row[1:7])
    content = struct.pack("<i3I2i", accumulated, *(max(0, debt) for debt in debts), emergency, balance)
    return Reply(_SNAPSHOT, snapshot(instant(meter, row), len(rows), GENERAL, _DEBT_STATUS, content))


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (PREPAYMENT.id, False): {
        0x00: _select_emergency,
        0x02: _change_debt,
        0x03: _emergency_setup,
        0x04: _top_up,
        0x05: _adjust,
        0x06: _change_mode,
        0x07: _snapshot,
        0x08: _top_up_log,
        0x09: _low_credit,
        0x0A: _debt_log,
        0x0B: _maximum_credit,
        0x0C: _debt_cap,
    }
}
