"""What a site does for requesters: issue, look up, deliver, enrol. It answers only what two members have on disk."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from protocols.errors import LocalProtocolError
from rigs.config import ConfigError
from rigs.services.s1sp import records
from rigs.services.s1sp.delivery import Delivery, Fate, check_port, deliver
from rigs.services.s1sp.ledger import Refusal, agree
from rigs.services.s1sp.records import Enrolment, RecordError, Reservation

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from protocols.tokens.scheme import TokenScheme
    from rigs.services.s1sp.keystore import DlmsKey, KeyStore, MeterKey
    from rigs.services.s1sp.node import Node

    T = TypeVar("T")


_DELIVERY = "delivery: "
_MOST_ROWS = 1000
"""Rows of the audit that are searched."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token. ``repeated``: the transaction had it before this request; ``utrn`` is 20 digits."""

    reservation: Reservation
    utrn: str
    repeated: bool = False


def masked(utrn: str) -> str:
    """A UTRN for audit and logs: it is worth its value to whoever reads it."""
    return "*" * (len(utrn) - 4) + utrn[-4:]


class UtrnService:
    """The service of one site, whose member of the cluster is ``node`` and whose keys are ``keys``.

    All methods raise Refusal; what :meth:`issue` refuses is in the audit.
    """

    def __init__(self, node: Node, keys: KeyStore) -> None:
        self.node = node
        self.keys = keys

    async def issue(self, requester: str, transaction: str, meter: str, pence: int) -> Issued:
        """The token of a transaction: the same one for ever, from either site.

        400 for values that are none, 404 for a meter that is not enrolled, 409 for a transaction that stands for
        another meter or value, 422 for a value that the scheme cannot carry, 503 where it cannot be made durable or
        computed now.
        """
        wish = _checked(lambda: _wish(requester, transaction, meter, pence))
        self.node.note("requested", wish, f"{pence} pence")
        try:
            return await self._issue(wish)
        except Refusal as refusal:
            self.node.note("refused", wish, f"{refusal.status}: {refusal.text}")
            await self.node.noted()
            raise

    async def _issue(self, wish: Reservation) -> Issued:
        known = self.node.ledger.reservation(*wish.key)
        if known is not None:
            agree(known, wish)
        scheme = self.scheme(wish.meter)
        _issuable(scheme, wish)
        if known is not None:
            return await self._answer(known, scheme, repeated=True)
        found = await self.node.fulfil(wish)
        assert isinstance(found, Reservation)
        # The enrolment may have come with the reservation: see that the key is the enrolled one before it is used.
        return await self._answer(found, self.scheme(found.meter), repeated=False)

    async def _answer(self, reservation: Reservation, scheme: TokenScheme, *, repeated: bool) -> Issued:
        utrn = scheme.issue(reservation.counter, reservation.pence)
        self.node.note("computed", reservation, f"counter {reservation.counter}, UTRN {masked(utrn)}")
        self.node.note("answered", reservation, "again" if repeated else "")
        await self.node.noted()
        return Issued(reservation, utrn, repeated)

    async def find(self, requester: str, transaction: str) -> Issued:
        """The token that a transaction has; 404 where the leader knows of none, 503 where there is no leader to ask."""
        ledger = self.node.ledger
        reservation = ledger.reservation(requester, transaction)
        if reservation is None:
            await self.node.catch_up(self.node.timing.answer_s)
            reservation = ledger.reservation(requester, transaction)
        if reservation is None:
            raise Refusal(
                404, f"transaction {transaction[:64]}: has no token; to have one, ask for it with that transaction id"
            )
        return await self._answer(reservation, self.scheme(reservation.meter), repeated=True)

    async def deliver(self, requester: str, transaction: str, port: str) -> tuple[Issued, Delivery]:
        """Enter the token of a transaction at its meter through the hub at ``port``, and how that went.

        404 for a transaction without a token here, 400 for a port that is none, 503 without the meter's DLMS keys.
        """
        check_port(port)
        issued = await self.find(requester, transaction)
        reservation = issued.reservation
        key = self._delivery_key(reservation.meter)
        self.node.note("sent to meter", reservation, port)
        delivery = await deliver(port, key, issued.utrn, self.node.timing.answer_s)
        if delivery.fate is Fate.REFUSED and await self._delivered(reservation):
            delivery = replace(delivery, fate=Fate.ALREADY, text="it was delivered before, and taken")
        self.node.note(f"{_DELIVERY}{delivery.fate.value}", reservation, delivery.text)
        await self.node.noted()
        return issued, delivery

    async def _delivered(self, reservation: Reservation) -> bool:
        rows = await self.node.audit(reservation.transaction, reservation.requester, _MOST_ROWS)
        return any(row.step == f"{_DELIVERY}{Fate.ACCEPTED.value}" for _, row in rows)

    async def deliveries(self) -> dict[tuple[str, str], Fate]:
        """How the latest deliveries from this site went, by requester and transaction."""
        rows = await self.node.audit("", "", _MOST_ROWS)
        return {
            (row.requester, row.transaction): Fate(row.step.removeprefix(_DELIVERY))
            for _, row in rows
            if row.step.startswith(_DELIVERY)
        }

    async def enrol(self, meter: str, first_counter: int) -> Enrolment:
        """Have a meter whose key this site holds enrolled; 409 where it is already, with other content."""
        meter = _checked(lambda: records.meter_of(meter))
        first_counter = _checked(lambda: records.counter_of(first_counter))
        key = self._key(meter)
        self._usable(meter)
        wish = Enrolment(meter, key.scheme, key.check(meter), first_counter, 0)
        found = await self.node.fulfil(wish)
        assert isinstance(found, Enrolment)
        await self.node.noted()
        return found

    async def enrolled(self, meter: str) -> tuple[Enrolment, list[Reservation]]:
        """A meter's enrolment and its reservations so far, as far as is known where there is no leader; 404 without."""
        meter = _checked(lambda: records.meter_of(meter))
        with suppress(Refusal):
            await self.node.catch_up(self.node.timing.answer_s / 10)
        enrolment = self.node.ledger.enrolment(meter)
        if enrolment is None:
            raise Refusal(404, f"meter {meter}: not enrolled, as far as {self.node.name} knows")
        return enrolment, self.node.ledger.issued(meter)

    # -- keys --------------------------------------------------------------------------------------------------------

    def schemes(self) -> dict[str, TokenScheme]:
        """The schemes of all meters that this site has keys of."""
        return {meter: self._usable(meter) for meter in self._stored(self.keys.meters)}

    def _delivery_key(self, meter: str) -> DlmsKey:
        """What opens the meter's association to deliver a token in."""
        key = self._stored(lambda: self.keys.dlms(meter))
        if key is None:
            raise Refusal(
                503, f"meter {meter}: {self.node.name} has no DLMS keys of it; show the token to the customer"
            )
        return key

    def _key(self, meter: str) -> MeterKey:
        key = self._stored(lambda: self.keys.key(meter))
        if key is None:
            raise Refusal(503, f"meter {meter}: {self.node.name} has no key of it; run there: smets1 utrn enrol")
        return key

    def _stored(self, read: Callable[[], T]) -> T:
        """What the key store gives; Refusal (503) where it cannot be used."""
        try:
            return read()
        except ConfigError as error:
            raise Refusal(503, f"key store of {self.node.name}: {error}") from None

    def _usable(self, meter: str) -> TokenScheme:
        """The scheme of a meter with this site's key in it, whether or not it is the enrolled one."""
        self._key(meter)
        scheme = self._stored(lambda: self.keys.scheme(meter))
        assert scheme is not None
        return scheme

    def scheme(self, meter: str) -> TokenScheme:
        """The scheme of a meter with this site's key, which must be the one that it was enrolled with."""
        key = self._key(meter)
        enrolment = self.node.ledger.enrolment(meter)
        if enrolment is not None and (enrolment.scheme, enrolment.check) != (key.scheme, key.check(meter)):
            raise Refusal(503, f"meter {meter}: the key at {self.node.name} is not the one that it was enrolled with")
        return self._usable(meter)


def _wish(requester: str, transaction: str, meter: str, pence: int) -> Reservation:
    return Reservation(
        requester,
        records.name_of("transaction", transaction),
        records.meter_of(meter),
        0,
        records.pence_of(pence),
        0,
    )


def _checked(make: Callable[[], T]) -> T:
    try:
        return make()
    except RecordError as error:
        raise Refusal(400, str(error)) from None


def _issuable(scheme: TokenScheme, wish: Reservation) -> None:
    """Raises Refusal (422) for a value that the scheme cannot carry: before a counter is spent on it."""
    try:
        scheme.issue(1, wish.pence)
    except LocalProtocolError as error:
        raise Refusal(422, f"{wish.pence} pence: {error}") from None
