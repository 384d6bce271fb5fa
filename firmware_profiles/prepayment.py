"""The tables ``prepayment``, ``display`` and ``token`` of a profile, checked against its objects and compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emulator.cosem.model import CosemObject, ObjectModel
from emulator.firmware import (
    OutcomeSettings,
    OverBalance,
    PrepaymentSettings,
    Reconnection,
    Recovery,
    TokenSettings,
    Trigger,
)
from emulator.prepayment import display
from emulator.prepayment.charge import CHARGES
from emulator.prepayment.credit import CREDITS
from emulator.prepayment.sources import CHARGE_CLASS, CREDIT_CLASS, EXTENDED_CLASS, sources
from emulator.supply import MODES, Transition, Way
from emulator.time import SECOND
from firmware_profiles.schema import OutcomeTable, Prepayment, Profile, Token
from firmware_profiles.texts import checked, logical_name, octets, screens
from protocols import obis
from protocols.dlms.enums import DataAccessResult
from protocols.errors import LocalProtocolError
from protocols.tokens import schemes
from protocols.tokens.scheme import Outcome

PAYMENT_CLASSES = (111, CREDIT_CLASS, CHARGE_CLASS, 115, EXTENDED_CLASS)
MAX_INDEX = 255
Copies = Mapping[str, Sequence[tuple[int, str, str, int]]]
"""What else takes over with a passive value, by the logical name of its class 9000 object."""

_MONEY = frozenset(("account", "credit", "charge", "tokens", "price"))
_REPLAYED = (Trigger.PERIOD, Trigger.DAY, Trigger.MONTH)
_OUTCOMES = {outcome.name.lower(): outcome for outcome in Outcome}


def prepayment_settings(profile: Profile, model: ObjectModel, copies: Copies) -> PrepaymentSettings | None:
    """What a profile says of its account, None where it has none. ValueError in one line for what makes no sense."""
    table, shown, token = profile.prepayment, profile.display, profile.token
    if table is None or shown is None or token is None:
        _check_absent(profile, model)
        return None
    _check_parts(model)
    _check_prices(table)
    _check_reconnection(profile)
    known = sources(model)
    for number, (credit, charge, _) in enumerate(table.collections):
        for source in (f"credit.{credit}", f"charge.{charge}"):
            if source not in known:
                raise ValueError(
                    f"prepayment.collections: entry {number + 1}: no object has source {source!r}; "
                    f"known: {', '.join(item for item in known if item.startswith(('credit.', 'charge.')))}"
                )
    return PrepaymentSettings(
        prepayment=table.mode == "prepayment",
        balance=table.balance_mp,
        prices=tuple(table.prices_mp),
        first_block_price=table.first_block_price,
        blocks=table.blocks,
        block_step=table.block_step,
        block_masks=frozenset(mask.encode() for mask in table.block_masks),
        standing_charge=table.standing_charge_mp,
        standing_period=table.standing_period_s,
        configuration=tuple(table.collections),
        copies={
            EXTENDED_CLASS.to_bytes(2, "big") + logical_name(f"object.{text}", text): tuple(
                _copied(f"object.{text}.copies", model, entry) for entry in entries
            )
            for text, entries in copies.items()
        },
        recovery=tuple(Recovery(step) for step in table.recovery),
        reconnection=Reconnection(table.reconnection),
        over_balance=OverBalance(table.over_balance),
        clears=frozenset(table.clears),
        valve_test=table.valve_test_s * SECOND,
        valve_test_flow=table.valve_test_flow_l_h,
        entry_timeout=shown.entry_timeout_s * SECOND,
        screen_time=shown.screen_time_s * SECOND,
        screens=screens("display.screen", shown.screen, display.check),
        tokens=_tokens(token),
        credit_screens=screens("display.credit_screen", shown.credit_screen, display.check),
    )


def check_column(where: str, trigger: Trigger, captured: CosemObject) -> None:
    """ValueError for money in rows that are made when somebody reads them: they would hold that moment's amounts."""
    if trigger in _REPLAYED and captured.source.partition(".")[0] in _MONEY:
        raise ValueError(
            f"{where}: {captured.title!r} is money, which a buffer with trigger {trigger.value!r} cannot capture; "
            "use trigger 'account' or 'event'"
        )


def _check_absent(profile: Profile, model: ObjectModel) -> None:
    """Without an account there is none of its tables and none of its objects."""
    tables = {"prepayment": profile.prepayment, "display": profile.display, "token": profile.token}
    if profile.identity.kind == "display":  # which has screens without an account
        del tables["display"]
    given = [name for name, table in tables.items() if table is not None]
    if given:
        missing = next(name for name, table in tables.items() if table is None)
        raise ValueError(f"{missing}: missing; a profile with [{given[0]}] needs {', '.join(tables)}")
    for class_id in PAYMENT_CLASSES:
        for item in model.by_class.get(class_id, ()):
            raise ValueError(f"prepayment: missing, though {item.title!r} is an object of class {class_id}")


def _check_parts(model: ObjectModel) -> None:
    """Credits and charges are those that an account has."""
    for class_id, family, members in ((CREDIT_CLASS, "credit", CREDITS), (CHARGE_CLASS, "charge", CHARGES)):
        allowed = [f"{family}.{member}" for member in members]
        for item in model.by_class.get(class_id, ()):
            if item.source not in allowed:
                raise ValueError(
                    f"object {obis.text(item.logical_name)} (class {class_id}): source {item.source!r} is none of "
                    f"{', '.join(allowed)}"
                )


def _check_prices(table: Prepayment) -> None:
    """Rates and blocks have prices of their own, by an index of one octet."""
    if len(table.prices_mp) >= table.first_block_price:
        raise ValueError(
            f"prepayment.first_block_price: {table.first_block_price}: must be over the {len(table.prices_mp)} prices "
            "of prices_mp"
        )
    last = table.first_block_price + (table.blocks - 1) * table.block_step
    if last > MAX_INDEX:
        raise ValueError(f"prepayment.blocks: the price of block {table.blocks} would have index {last} of {MAX_INDEX}")


def _check_reconnection(profile: Profile) -> None:
    """A meter that reconnects by itself has a switch that may."""
    assert profile.prepayment is not None
    mode = profile.supply.control_mode if profile.supply else 0
    able = [number for number, (transitions, _) in MODES.items() if (Transition.RECONNECT, Way.LOCAL) in transitions]
    if Reconnection(profile.prepayment.reconnection) is Reconnection.AUTOMATIC and mode not in able:
        raise ValueError(
            f"prepayment.reconnection: 'automatic' needs supply.control_mode {' or '.join(map(str, able))}, not {mode}"
        )


def _copied(where: str, model: ObjectModel, entry: tuple[int, str, str, int]) -> tuple[bytes, bytes]:
    """Descriptors of what is copied and where to; both objects are there and have the attribute."""
    class_id, begin, end, index = entry
    found: list[bytes] = []
    for text in (begin, end):
        descriptor = class_id.to_bytes(2, "big") + logical_name(where, text)
        item = model.find(descriptor)
        if item is None or index not in item.attributes:
            raise ValueError(f"{where}: no attribute {index} of an object {text} of class {class_id}")
        found.append(descriptor + bytes((index,)))
    return found[0], found[1]


def _tokens(table: Token) -> TokenSettings:
    try:
        scheme = schemes.find(table.scheme)
    except LocalProtocolError as error:
        raise ValueError(f"token.scheme: {error}") from None
    unknown = [name for name in table.outcome if name not in _OUTCOMES]
    if unknown:
        raise ValueError(f"token.outcome: no outcome {unknown[0]!r}; known: {', '.join(_OUTCOMES)}")
    missing = [name for name in _OUTCOMES if name not in table.outcome]
    if missing:
        raise ValueError(f"token.outcome.{missing[0]}: missing")
    if table.lock_longest_s < table.lock_first_s:
        raise ValueError(f"token.lock_longest_s: {table.lock_longest_s}: at least lock_first_s, {table.lock_first_s}")
    return TokenSettings(
        scheme=scheme,
        scheme_name=table.scheme,
        originator=octets("token.originator", table.originator, 8),
        history=table.history,
        attempts=table.attempts,
        lock_first=table.lock_first_s * SECOND,
        lock_factor=table.lock_factor,
        lock_longest=table.lock_longest_s * SECOND,
        outcomes={outcome: _outcome(name, outcome, table.outcome[name]) for name, outcome in _OUTCOMES.items()},
    )


def _outcome(name: str, outcome: Outcome, table: OutcomeTable) -> OutcomeSettings:
    where = f"token.outcome.{name}"
    if table.action_result not in set(DataAccessResult):
        known = ", ".join(str(int(result)) for result in DataAccessResult)
        raise ValueError(f"{where}.action_result: {table.action_result}: must be one of {known}")
    if (table.action_result == 0) != (outcome is Outcome.ACCEPTED):
        raise ValueError(f"{where}.action_result: {table.action_result}: 0 is for what is accepted, and only that")
    text = checked(f"{where}.display", lambda template: display.check_outcome(outcome, template), table.display)
    return OutcomeSettings(text, table.action_result, table.status)
