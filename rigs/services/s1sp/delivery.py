"""A token's way over the air: through the hub to the meter's token gateway (class 115, method 1, Blue Book).

Whatever comes of it, the customer can be shown the digits to type in. A meter that is given a token both ways credits
it once: its history of counters sees to that. The second arrival is told as ``already credited`` where the meter shows
that it was this token that it took last, or has a code of its own for duplicates; else as refused, with all that it may
mean.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from emulator.prepayment.tokens import TokenStatus
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import Attribute, ClientSecurity, ClientSettings, Method, Refused, client_counters
from protocols.dlms.enums import Mechanism
from protocols.dlms.security import Keys
from protocols.errors import DecodeError
from protocols.tokens.scheme import Outcome
from rigs.client import ClientError, ClientOptions, DlmsClient, parse_client_port
from rigs.ports.spec import PortError, PortKind
from rigs.services.s1sp.ledger import Refusal

if TYPE_CHECKING:
    from rigs.services.s1sp.keystore import DlmsKey

GATEWAY = obis.parse("0-0:19.40.0.255")
_CLASS, _ENTER, _TOKEN, _STATUS = 115, 1, 2, 6
_TITLE = b"S1SP"
"""The first octets of our system title; the others are drawn for each association."""
_AIR = (PortKind.TCP, PortKind.UDP)


class Fate(Enum):
    """What became of a token on its way."""

    ACCEPTED = "accepted"
    TAKEN = "taken by the hub for a meter that sleeps"
    ALREADY = "already credited"
    REFUSED = "refused"
    UNREACHED = "no answer: show the token to the customer"

    @property
    def credited(self) -> bool:
        """Whether the meter has credited it."""
        return self in (Fate.ACCEPTED, Fate.ALREADY)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a delivery went: ``result`` is the action-result of the meter, None without an answer."""

    fate: Fate
    result: int | None
    text: str


def check_port(port: str) -> str:
    """A hub's WAN port, ``tcp:`` or ``udp:``; raises Refusal. A requester has no business with a site's own devices."""
    try:
        kind = parse_client_port(port).spec.kind
    except PortError as error:
        raise Refusal(400, str(error)) from None
    if kind not in _AIR:
        raise Refusal(400, f"port {port[:80]}: a hub is reached at tcp:HOST:PORT or udp:HOST:PORT")
    return port


async def deliver(port: str, key: DlmsKey, utrn: str, answer_s: float) -> Delivery:
    """Enter a token at a meter, unless the meter shows that it has credited it; never raises for what happens there."""
    try:
        async with asyncio.timeout(3 * answer_s), DlmsClient.open(port, _options(key, answer_s)) as meter:
            if await _shown(meter) == (utrn, TokenStatus.EXECUTION_OK):
                return Delivery(Fate.ALREADY, None, "the meter shows it as the last one that it has taken")
            try:
                await meter.action(Method(_CLASS, GATEWAY, _ENTER), axdr.octets(utrn.encode("ascii")))
            except ClientError as error:
                if not isinstance(error.__cause__, Refused):
                    raise
                return _refused(key, error.__cause__.result, (await _shown(meter))[1], str(error.__cause__))
            digits, status = await _shown(meter)
            if status is not None and (digits, status) != (utrn, TokenStatus.EXECUTION_OK):
                return Delivery(
                    Fate.TAKEN, 0, "deliver it again after the meter's next wake-up to see what became of it"
                )
    except (ClientError, PortError) as error:
        return Delivery(Fate.UNREACHED, None, str(error))
    except TimeoutError:
        return Delivery(Fate.UNREACHED, None, f"{port}: no end of it in {3 * answer_s:g} s")
    return Delivery(Fate.ACCEPTED, 0, "the meter has taken it")


async def _shown(meter: DlmsClient) -> tuple[str, int | None]:
    """The token that was entered last and the code of what became of it, as far as the meter shows them."""
    try:
        token = axdr.decode_all(await meter.get(Attribute(_CLASS, GATEWAY, _TOKEN))).value
        status = axdr.decode_all(await meter.get(Attribute(_CLASS, GATEWAY, _STATUS))).elements
    except ClientError as error:
        if not isinstance(error.__cause__, Refused):
            raise
        return "", None
    except DecodeError:
        return "", None
    code = status[0].value if status else None
    return token.decode("latin-1") if isinstance(token, bytes) else "", code if isinstance(code, int) else None


def _refused(key: DlmsKey, result: int, status: int | None, text: str) -> Delivery:
    """What the make means by its codes, where the site knows them."""
    names = key.codes.get(f"{result}/{status}", [])
    if names == [Outcome.DUPLICATE.name]:
        return Delivery(Fate.ALREADY, result, "the meter has taken it before")
    meant = " or ".join(Outcome[name].value for name in names if name in Outcome.__members__)
    return Delivery(Fate.REFUSED, result, f"{meant} ({text})" if meant else text)


def _options(key: DlmsKey, answer_s: float) -> ClientOptions:
    security = None
    if key.ciphered or key.mechanism == Mechanism.HLS_GMAC:
        security = ClientSecurity(
            system_title=_TITLE + secrets.token_bytes(4),
            keys=Keys(key.encryption, key.authentication),
            suite=key.suite,
            ciphered=key.ciphered,
            counters=client_counters(0),
        )
    settings = ClientSettings(
        mechanism=Mechanism(key.mechanism), secret=key.secret, security=security, recover_counter=True
    )
    return ClientOptions(client=key.client, server=key.server, settings=settings, timeout=answer_s)
