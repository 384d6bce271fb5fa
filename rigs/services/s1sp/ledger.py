"""What the log means: which meters are enrolled, which transaction has which counter, which counter comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from rigs.services.s1sp.records import MAX_COUNTER, Enrolment, Opening, Record, Reservation


class Refusal(Exception):
    """A wish that is not met. ``status`` is that of HTTP; the text is one line for people, without secrets."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = " ".join(text.split())
        super().__init__(self.text)


@dataclass(slots=True)
class _View:
    """Meters, transactions and next counters of a stretch of the log."""

    meters: dict[str, Enrolment] = field(default_factory=dict[str, Enrolment])
    reservations: dict[tuple[str, str], Reservation] = field(default_factory=dict[tuple[str, str], Reservation])
    next: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, record: Record) -> None:
        match record:
            case Reservation():
                self.reservations[record.key] = record
                self.next[record.meter] = record.counter + 1
            case Enrolment():
                self.meters[record.meter] = record
                self.next[record.meter] = record.first_counter
            case Opening():
                pass


class Ledger:
    """Committed records, and at the leader those behind them that are still on their way to a majority."""

    def __init__(self) -> None:
        self._committed = _View()
        self._tail = _View()
        self._by_meter: dict[str, list[Reservation]] = {}
        self.position = 0
        """How far the log is committed and taken in here."""

    # -- committed ---------------------------------------------------------------------------------------------------

    def commit(self, position: int, record: Record) -> None:
        """Take in the next committed record. Raises RuntimeError where it contradicts those before: then stop."""
        if position != self.position + 1:
            raise RuntimeError(f"position {position} was committed after {self.position}")
        match record:
            case Reservation():
                expected = self._committed.next.get(record.meter)
                if record.counter != expected or record.key in self._committed.reservations:
                    raise RuntimeError(
                        f"position {position}: transaction or counter {record.counter} twice, or no meter"
                    )
                self._by_meter.setdefault(record.meter, []).append(record)
            case Enrolment():
                if record.meter in self._committed.meters:
                    raise RuntimeError(f"position {position}: meter {record.meter} enrolled twice")
            case Opening():
                pass
        self._committed.add(record)
        self.position = position

    def reservation(self, requester: str, transaction: str) -> Reservation | None:
        """The committed reservation of a transaction, None without one."""
        return self._committed.reservations.get((requester, transaction))

    def enrolment(self, meter: str) -> Enrolment | None:
        """The committed enrolment of a meter, None without one."""
        return self._committed.meters.get(meter)

    def meters(self) -> Iterator[Enrolment]:
        """All meters enrolled."""
        yield from self._committed.meters.values()

    def issued(self, meter: str) -> list[Reservation]:
        """Committed reservations of a meter, by counter."""
        return self._by_meter.get(meter, [])

    # -- the leader's allotment --------------------------------------------------------------------------------------

    def lead(self, tail: Iterable[Record]) -> None:
        """Begin to allot: ``tail`` is what the log holds behind the committed part."""
        self._tail = _View()
        for record in tail:
            self._tail.add(record)

    def wish(self, wish: Reservation | Enrolment, now: int) -> Record | None:
        """The record to propose for a wish, None where the log has it already (committed or not yet).

        Raises Refusal: 404 for a meter that is not enrolled, 409 for other content under the same name.
        """
        match wish:
            case Reservation():
                return self._reserve(wish, now)
            case Enrolment():
                known = self._tail.meters.get(wish.meter) or self.enrolment(wish.meter)
                if known is None:
                    return replace(wish, time=now)
                agree(known, wish)
                return None

    def _reserve(self, wish: Reservation, now: int) -> Reservation | None:
        known = self._tail.reservations.get(wish.key) or self._committed.reservations.get(wish.key)
        if known is not None:
            agree(known, wish)
            return None
        counter = self._tail.next.get(wish.meter, self._committed.next.get(wish.meter))
        if counter is None:
            raise Refusal(404, f"meter {wish.meter}: not enrolled; enrol it with: smets1 utrn enrol")
        if counter > MAX_COUNTER:
            raise Refusal(409, f"meter {wish.meter}: all its counters are used; it needs a new key and enrolment")
        return replace(wish, counter=counter, time=now)

    def proposed(self, record: Record) -> None:
        """A record has been put at the end of the log."""
        self._tail.add(record)

    def settle(self, record: Record) -> None:
        """A record of the tail is committed: it is no longer needed there."""
        match record:
            case Reservation():
                self._tail.reservations.pop(record.key, None)
                if self._tail.next.get(record.meter) == record.counter + 1:
                    del self._tail.next[record.meter]
            case Enrolment():
                self._tail.meters.pop(record.meter, None)
                if self._tail.next.get(record.meter) == record.first_counter:
                    del self._tail.next[record.meter]
            case Opening():
                pass


def agree(known: Reservation | Enrolment, wish: Reservation | Enrolment) -> None:
    """Raises Refusal (409) that names what differs between a record and a wish under the same name."""
    match known, wish:
        case Reservation(), Reservation():
            parts = ("meter", "pence")
            what = f"transaction {wish.transaction}"
        case _:
            parts = ("scheme", "check", "first_counter")
            what = f"meter {wish.meter}"
    for part in parts:
        before, now = getattr(known, part), getattr(wish, part)
        if before != now and part == "check":
            raise Refusal(409, f"{what}: is enrolled with another key than this site has")
        if before != now:
            raise Refusal(409, f"{what}: is there already, with {part.replace('_', ' ')} {before}, not {now}")
