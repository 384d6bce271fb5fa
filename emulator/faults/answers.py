"""What faults of the application and of security have in common: whom they hit, how often, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from emulator.faults.parameters import Number
from emulator.gate import SPOILT

if TYPE_CHECKING:
    from emulator.faults.fault import End, Site
    from protocols.dlms.association import Association

T = TypeVar("T")

SPEAKERS: Final = ("hub", "electricity", "gas")
"""Kinds of devices that have associations."""
CLIENT: Final = Number("client", "Client SAP whose associations are hit, 0 for all", "", 0, 0xFFFF, 0)
ANSWERS: Final = Number(
    "answers", "How many are hit before it is over by itself, 0 for no end", "answers", 0, 1_000_000, 0
)
_MOST: Final = 64
"""Associations that a fault remembers something of."""


class Hits:
    """Whom one injection hits, by its parameters ``client`` and ``answers``; each hit is counted and told."""

    __slots__ = ("_client", "_left", "_site")

    def __init__(self, site: Site) -> None:
        self._site = site
        self._client = site.number("client")
        self._left = site.number("answers") if "answers" in site.values else 0

    def meant(self, association: Association) -> bool:
        """Whether associations of this client are hit."""
        return self.meant_for(association.client)

    def meant_for(self, client: int) -> bool:
        """Whether associations of a client SAP are hit."""
        return self._client in (0, client)

    def hit(self, association: Association, what: str, *, security: bool = False) -> None:
        """One is hit, which is counted and told to whoever wants to know why. After the last one it is over."""
        association.counters[SPOILT] += 1
        explain = (security and association.explain_security) or association.explain
        if explain is not None:
            explain(f"fault {self._site.id}: {what}")
        if self._left:
            self._left -= 1
            if not self._left:
                self._site.over()


class Remembered(Generic[T]):
    """Something of each association, of the latest ones."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[Association, T] = {}

    def swap(self, association: Association, value: T) -> T | None:
        """Remember ``value``; returns what was remembered before."""
        before = self._kept.pop(association, None)
        self._kept[association] = value
        if len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        return before


def together(ends: Sequence[End]) -> End:
    """The end of several things, in their order."""

    def end() -> None:
        for each in ends:
            each()

    return end


def words(numbers: Iterable[IntEnum]) -> dict[str, int]:
    """Numbers by their names as people write them."""
    return {number.name.lower().replace("_", "-"): int(number) for number in numbers}
