"""Damage as people write it for the proxy: the model itself is that of the faults, :mod:`emulator.faults.damage`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from emulator.faults.damage import WRONG, Damage, Delay, distributed
from emulator.faults.parameters import ParameterError
from emulator.time import MILLISECOND
from rigs.ports.spec import PortError

DELAYS = "50, uniform:10..200, normal:100,20 or exponential:50, in ms"
_NUMBER = r"([0-9]{1,5}(?:\.[0-9]{1,3})?)"
_FORMS = {
    "constant": re.compile(_NUMBER),
    "uniform": re.compile(rf"uniform:{_NUMBER}\.\.{_NUMBER}"),
    "normal": re.compile(rf"normal:{_NUMBER},{_NUMBER}"),
    "exponential": re.compile(rf"exponential:{_NUMBER}"),
}
_SHARE = re.compile(r"([a-z]+)=([01](?:\.[0-9]{1,9})?|\.[0-9]{1,9})", re.ASCII)
_CHECKS = ("fcs", "bcc")
"""What --wrong-fcs makes wrong: the check of a message, whichever it has."""


def parse_delay(text: str) -> Delay:
    """The distribution that ``text`` names; raises PortError that says what is allowed."""
    for name, form in _FORMS.items():
        found = form.fullmatch(text)
        if found is None:
            continue
        first, second = (round(float(number) * MILLISECOND) for number in (*found.groups(), "0")[:2])
        try:
            return distributed(name, first, second)
        except ParameterError:
            break
    raise PortError(f"--delay {text}", "no delay", f"write {DELAYS}")


def parse_wrong(texts: Iterable[str]) -> dict[str, float]:
    """Shares of messages that are wrong in a way, from texts such as ``nr=0.1``; raises PortError."""
    shares: dict[str, float] = {}
    for text in texts:
        found = _SHARE.fullmatch(text)
        if found is None or found[1] not in WRONG:
            raise PortError(
                f"--wrong {text[:40]}", "no way to be wrong", f"write WAY=SHARE, with a way of: {', '.join(WRONG)}"
            )
        shares[found[1]] = float(found[2])
    return shares


def damage_of(
    *,
    drop: float = 0.0,
    duplicate: float = 0.0,
    bit_errors: float = 0.0,
    lost: float = 0.0,
    wrong_fcs: float = 0.0,
    wrong: Mapping[str, float] | None = None,
    delay: Delay | None = None,
) -> Damage:
    """Damage of these shares, each 0 to 1; PortError for another.

    ``wrong_fcs`` is the share of wrong checks, whichever a message has: the FCS of a frame, the block check of text.
    """
    ways = dict(wrong or {})
    if wrong_fcs:
        ways = dict.fromkeys(_CHECKS, wrong_fcs) | ways
    try:
        return Damage(drop, duplicate, bit_errors, lost, ways, delay)
    except ParameterError as error:
        raise PortError("--drop, --duplicate, --bit-errors, --lost-octets, --wrong", str(error)) from None
