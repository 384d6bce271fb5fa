"""Which tokens a meter has accepted, as far back as its memory goes, so that each credits once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping

from protocols.tokens.scheme import Outcome, TokenScheme

LONGEST = 4096
"""Counters of the longest window: its octets stay well below 1 KiB."""
LONGEST_LIST = 200
"""Counters of the longest list, for the same reason."""


class TokenHistory:
    """A replay window: the highest accepted counter and a bit for each of the ``length`` counters up to it.

    Tokens may come in any order within the window. Counters are 0 to 2**32 - 1.
    """

    __slots__ = ("_seen", "highest", "length")

    def __init__(self, length: int) -> None:
        """ValueError for a length outside 1 to 4096."""
        if not 1 <= length <= LONGEST:
            raise ValueError(f"a history of {length} counters: 1 to {LONGEST}")
        self.length = length
        self.highest = -1
        """The highest counter accepted, -1 for none."""
        self._seen = 0
        """Bit n is whether ``highest - n`` was accepted."""

    def judge(self, counter: int) -> Outcome:
        """ACCEPTED for a counter not used yet, else DUPLICATE, or TOO_OLD below what the window can tell apart."""
        back = self.highest - counter
        if back < 0:
            return Outcome.ACCEPTED
        if back >= self.length:
            return Outcome.TOO_OLD
        return Outcome.DUPLICATE if self._seen >> back & 1 else Outcome.ACCEPTED

    def add(self, counter: int) -> None:
        """Remember ``counter``, which :meth:`judge` accepts, as used."""
        ahead = counter - self.highest
        if ahead <= 0:
            self._seen |= 1 << -ahead
            return
        # A far step empties the window; shifting by it would make a number of as many bits.
        kept = self._seen << ahead & (1 << self.length) - 1 if ahead < self.length else 0
        self._seen = kept | 1
        self.highest = counter

    def image(self) -> dict[str, object]:
        """All of it as plain values, for the non-volatile memory."""
        return {"length": self.length, "highest": self.highest, "seen": f"{self._seen:x}"}

    def restore(self, image: Mapping[str, object]) -> None:
        """Be what :meth:`image` said; ValueError for another mapping.

        When the image is of a shorter window, as before a change of firmware, what it cannot tell counts as used.
        """
        match image:
            case {"length": int(length), "highest": int(highest), "seen": str(digits)}:
                seen = int(digits, 16)
            case _:
                raise ValueError("not the image of a token history")
        unknown = (1 << self.length) - (1 << length) if highest >= 0 and length < self.length else 0
        self._seen = (seen | unknown) & (1 << self.length) - 1
        self.highest = highest


class TokenList:
    """The ``length`` highest counters accepted, for schemes whose counters are far apart.

    What is not above the highest counter ever dropped from the list is too old. Tokens may come in any order.
    """

    __slots__ = ("_floor", "_kept", "length")

    def __init__(self, length: int) -> None:
        """ValueError for a length below 1; one above 200 is taken for 200."""
        if length < 1:
            raise ValueError(f"a list of {length} counters: at least 1")
        self.length = min(length, LONGEST_LIST)
        self._kept = array("I")
        self._floor = -1

    @property
    def highest(self) -> int:
        """The highest counter accepted, -1 for none."""
        return self._kept[-1] if self._kept else -1

    def judge(self, counter: int) -> Outcome:
        """ACCEPTED for a counter not used yet, else DUPLICATE, or TOO_OLD below what the list can tell apart."""
        place = bisect_left(self._kept, counter)
        if place < len(self._kept) and self._kept[place] == counter:
            return Outcome.DUPLICATE
        return Outcome.ACCEPTED if counter > self._floor else Outcome.TOO_OLD

    def add(self, counter: int) -> None:
        """Remember ``counter``, which :meth:`judge` accepts, as used."""
        self._kept.insert(bisect_left(self._kept, counter), counter)
        self._drop()

    def _drop(self) -> None:
        while len(self._kept) > self.length:
            self._floor = self._kept.pop(0)

    def image(self) -> dict[str, object]:
        """All of it as plain values, for the non-volatile memory."""
        return {"floor": self._floor, "kept": " ".join(map(str, self._kept))}

    def restore(self, image: Mapping[str, object]) -> None:
        """Be what :meth:`image` said; ValueError for another mapping."""
        match image:
            case {"floor": int(floor), "kept": str(kept)}:
                self._kept = array("I", sorted(int(counter) for counter in kept.split()))
                self._floor = floor
                self._drop()
            case _:
                raise ValueError("not the image of a list of tokens")


def history_for(scheme: TokenScheme, length: int) -> TokenHistory | TokenList:
    """The memory that fits a scheme: a list where it says that its counters are ``sparse``, else a window."""
    return TokenList(length) if getattr(scheme, "sparse", False) else TokenHistory(length)
