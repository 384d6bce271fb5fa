"""Why a meter would take or refuse 20 digits, field by field, as far as a site can know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.prepayment.money import PENNY
from protocols.tokens import ptut
from protocols.tokens.counter import SPAN, truncated
from protocols.tokens.scheme import Credit, TokenRefused, TokenScheme
from protocols.tokens.sealed import SealedTokens
from rigs.services.s1sp.records import Reservation

if TYPE_CHECKING:
    from rigs.services.s1sp.delivery import Fate

Known = tuple[TokenScheme, Sequence[Reservation]]
"""A meter's scheme with its key, and its reservations by counter."""
_MOST_METERS = 2000
"""Other meters that a token is tried with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One field or check. ``fits``: None where it is neither right nor wrong, or cannot be told."""

    name: str
    text: str
    fits: bool | None = None


def describe(digits: str) -> list[Finding]:
    """What digits hold without any key."""
    return [Finding(item.name, item.text, False if item.fault else None) for item in ptut.describe(digits)]


def plain(text: str) -> str:
    """Digits without the blanks and dashes that people put between groups of them."""
    return text.translate({ord(" "): None, ord("-"): None})


def explain(
    digits: str,
    meter: str,
    scheme: TokenScheme,
    issued: Sequence[Reservation],
    others: Mapping[str, Known],
    *,
    delivered: Callable[[Reservation], Fate | None] = lambda _: None,
    token_limit: int | None = None,
    history: int | None = None,
) -> list[Finding]:
    """What the meter would make of digits, check by check in its order, and the verdict last.

    ``issued`` are the meter's reservations by counter, ``others`` the same of other meters, by meter; ``delivered``
    says what came of a token's delivery, as far as is known. ``token_limit`` (pence) and ``history`` (counters) are the
    meter's, if known.
    """
    # Tokens that are no UTRN in their layout show nothing without their key.
    findings = describe(digits) if isinstance(scheme, SealedTokens) else []
    if any(finding.fits is False for finding in findings):
        return [*findings, _verdict(findings)]
    credit, fault = _genuine(scheme, digits, issued)
    if credit is None:
        findings.append(Finding("MAC", _whose(digits, others) or f"meter {meter}: {fault}", False))
        return [*findings, _verdict(findings)]
    findings.append(Finding("MAC", f"proves it genuine, for meter {meter} and counter {credit.counter}", True))
    reservation = next((one for one in issued if one.counter == credit.counter), None)
    findings.append(_origin(reservation, credit))
    fate = delivered(reservation) if reservation is not None else None
    if fate is not None:
        text = f"{fate.value}; now it is a duplicate" if fate.credited else fate.value
        findings.append(Finding("delivery", text, False if fate.credited else None))
    findings.append(_window(credit, issued, history, truncates=isinstance(scheme, SealedTokens)))
    if token_limit is not None:
        pence = credit.amount // PENNY  # some schemes round a value up: by less than a penny
        findings.append(Finding("limit", f"{pence} pence of at most {token_limit} in one token", pence <= token_limit))
    return [*findings, _verdict(findings)]


def _genuine(scheme: TokenScheme, digits: str, issued: Sequence[Reservation]) -> tuple[Credit | None, str]:
    """What digits say with this key, or why nothing.

    Where a token carries the low bits of its counter only, each counter issued that ends in them is tried, the latest
    first, and the one that a meter would try that has taken the latest token.
    """
    latest = issued[-1].counter if issued else -1
    counters = [latest]
    if isinstance(scheme, SealedTokens):
        low = _low(digits)
        counters += [one.counter for one in reversed(issued) if truncated(one.counter) == low]
    fault = ""
    for counter in counters:
        try:
            return scheme.read(digits, counter), ""
        except TokenRefused as refused:
            fault = f"{refused.outcome.value} ({refused})"
    return None, fault


def _low(digits: str) -> int | None:
    try:
        return ptut.decode(digits).low
    except TokenRefused:
        return None


def _whose(digits: str, others: Mapping[str, Known]) -> str:
    for other, (scheme, issued) in list(others.items())[:_MOST_METERS]:
        credit, _ = _genuine(scheme, digits, issued)
        if credit is not None:
            return f"does not match this meter: the token is for meter {other}, counter {credit.counter}"
    return ""


def _origin(reservation: Reservation | None, credit: Credit) -> Finding:
    if reservation is None:
        return Finding("origin", f"counter {credit.counter} was not issued by this service, as far as this site knows")
    told = f"transaction {reservation.transaction} of {reservation.requester}, {reservation.pence} pence"
    # Some schemes round a value up: by less than a penny.
    return Finding("origin", told, 0 <= credit.amount - reservation.pence * PENNY < PENNY)


def _window(credit: Credit, issued: Sequence[Reservation], history: int | None, *, truncates: bool) -> Finding:
    later = sum(one.counter > credit.counter for one in issued)
    text = f"{later} later tokens were issued to this meter"
    if truncates and later >= SPAN // 2:
        return Finding("counter", f"{text}: once it has taken the latest it rebuilds another counter here", False)
    if history is not None and later >= history:
        return Finding("counter", f"{text}, its history holds {history}: too old once it has taken the latest", False)
    return Finding("counter", f"{text}; duplicate if it has taken this one before, which its history tells it")


def _verdict(findings: Sequence[Finding]) -> Finding:
    wrong = [finding.name for finding in findings if finding.fits is False]
    if wrong:
        return Finding("verdict", f"a meter refuses it: {', '.join(wrong)}", False)
    return Finding("verdict", "a meter in prepayment mode takes it once, its token and balance limits permitting", True)
