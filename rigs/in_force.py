"""The faults in force, by the ports and HANs on which they may show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rigs.air import AIR_PORT
from rigs.events import ACTIVE

if TYPE_CHECKING:
    from emulator.faults.injection import Injection

_ON_AIR = frozenset(("HAN", "AIR", "HUB"))
MARK = "in force: "
"""How comments and lines begin that name a fault in force."""
_NAMED = re.compile(r"fault (F[0-9]+)\b", re.ASCII)


class InForce:
    """What is in force at each premises, the oldest first."""

    __slots__ = ("_premises",)

    def __init__(self) -> None:
        self._premises: dict[str, dict[str, Injection]] = {}

    def told(self, injection: Injection) -> None:
        """An injection has begun, ended or otherwise changed."""
        premises = injection.target.partition("/")[0]
        if injection.state.value == ACTIVE:
            self._premises.setdefault(premises, {})[injection.id] = injection
            return
        here = self._premises.get(premises, {})
        here.pop(injection.id, None)
        if not here:
            self._premises.pop(premises, None)

    def at(self, port: str) -> tuple[Injection, ...]:
        """Those that may show at a port: of its own device; at a hub's, of what is reached through it, too; in the air
        of a HAN, those of the HAN and of radios."""
        premises, _, rest = port.partition("/")
        here = self._premises.get(premises)
        if here is None:
            return ()
        kind, _, name = rest.partition("/")
        if kind == "hub" and name == AIR_PORT:
            return tuple(each for each in here.values() if shows_on_air(each))
        own = f"{premises}/{kind}"
        return tuple(each for each in here.values() if kind == "hub" or each.target == own)

    def ids(self, port: str) -> tuple[str, ...]:
        """Their ids."""
        return tuple(each.id for each in self.at(port))

    def labels(self, port: str) -> tuple[str, ...]:
        """They in words, such as ``fault F1: radio-off at home/gas``."""
        return tuple(label(each) for each in self.at(port))

    def blamed(self, port: str, sentence: str) -> str | None:
        """The id of the fault that a sentence on a refusal is about: that which it names, else the latest that may
        show at the port; None where there is none."""
        named = _NAMED.match(sentence)
        if named is not None:
            return named[1]
        ids = self.ids(port)
        return ids[-1] if ids else None


def shows_on_air(injection: Injection) -> bool:
    """Whether it is a fault of the HAN, of radios or of the hub, which shows in the air of the HAN."""
    return injection.fault.layer.name in _ON_AIR


def is_told(sentence: str) -> bool:
    """Whether a sentence is about the injection of a fault."""
    return _NAMED.match(sentence) is not None


def label(injection: Injection) -> str:
    """An injection in a few words."""
    return f"fault {injection.id}: {injection.fault.name} at {injection.target}"
