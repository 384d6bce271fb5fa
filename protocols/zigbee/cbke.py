"""Certificate-based key establishment, suite 1 (Smart Energy specification, annex C): two devices make a link key.

What the keys and certificates are is in :mod:`protocols.zigbee.cbke_keys`. :class:`Exchange` plays either side over the
messages of the Key Establishment cluster (0x0800)::

    initiator                        responder
    Initiate (certificate)      ->
                                <-   Initiate (certificate)
    EphemeralData (point)       ->
                                <-   EphemeralData (point)
    ConfirmKey (MAC(U))         ->
                                <-   ConfirmKey (MAC(V))

Either may send Terminate instead.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from hmac import compare_digest
from random import Random
from typing import Final, NamedTuple

from protocols.errors import DecodeError, LocalProtocolError, SecurityError
from protocols.zigbee import curve
from protocols.zigbee.cbke_keys import (
    PROFILE,
    Authority,
    Certificate,
    Credentials,
    confirm_initiator,
    confirm_responder,
    ephemeral_public,
    keys,
    private_key,
    public_key,
    shared_secret,
)

SUITE: Final = 0x0001
"""Key establishment suite 1: sect163k1, AES-MMO."""


class Status(IntEnum):
    """Why key establishment is terminated (Smart Energy specification, table C.8)."""

    UNKNOWN_ISSUER = 1
    BAD_KEY_CONFIRM = 2
    BAD_MESSAGE = 3
    NO_RESOURCES = 4
    UNSUPPORTED_SUITE = 5
    INVALID_CERTIFICATE = 6


class Initiate(NamedTuple):
    """Initiate Key Establishment, request and response (command 0).

    The times are the seconds, 0 to 254, that the sender takes to make its ephemeral data and its key confirmation.
    """

    suite: int
    ephemeral_time: int
    confirm_time: int
    certificate: bytes


class EphemeralData(NamedTuple):
    """Ephemeral Data, request and response (command 1): a point of 22 octets."""

    point: bytes


class ConfirmKey(NamedTuple):
    """Confirm Key, request and response (command 2): a MAC of 16 octets."""

    mac: bytes


class Terminate(NamedTuple):
    """Terminate Key Establishment (command 3). ``status`` as :class:`Status`; ``wait`` seconds before a new attempt;
    ``suite`` the suites that the sender has."""

    status: int
    wait: int
    suite: int


Message = Initiate | EphemeralData | ConfirmKey | Terminate


class Role(Enum):
    """Who begins."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class State(Enum):
    """What an exchange waits for, or how it ended."""

    IDLE = "not begun"
    INITIATE = "the other side's certificate"
    EPHEMERAL = "the other side's ephemeral data"
    CONFIRM = "the other side's key confirmation"
    ESTABLISHED = "established"
    FAILED = "failed"


class Exchange:
    """One side of one key establishment with the device ``peer`` (its EUI-64, as the network layer knows it).

    ``authority_public`` and ``issuer`` are those of the one authority it trusts. ``ephemeral_time`` and
    ``confirm_time`` are the seconds it says it takes, ``wait`` those it asks the other side to leave before a new
    attempt. The owner sends what :meth:`start`, :meth:`receive` and :meth:`give_up` return, and keeps time:
    :attr:`patience` is how long to wait for the next message before it gives up. Each exchange uses its own ephemeral
    key, from ``chance``.
    """

    __slots__ = (
        "_authority_public",
        "_confirm_time",
        "_credentials",
        "_ephemeral",
        "_ephemeral_private",
        "_ephemeral_time",
        "_expected",
        "_issuer",
        "_link_key",
        "_ours",
        "_peer",
        "_theirs",
        "_wait",
        "failure",
        "link_key",
        "patience",
        "reason",
        "role",
        "state",
    )

    def __init__(
        self,
        role: Role,
        credentials: Credentials,
        *,
        authority_public: bytes,
        issuer: bytes,
        peer: bytes,
        chance: Random,
        ephemeral_time: int = 10,
        confirm_time: int = 10,
        wait: int = 10,
    ) -> None:
        self.role = role
        self.state = State.IDLE if role is Role.INITIATOR else State.INITIATE
        self.failure: int | None = None
        """The status of the Terminate that ended it, ours or the other side's."""
        self.reason = ""
        """Why it failed, in words."""
        self.link_key: bytes | None = None
        """The new link key, once :attr:`state` is ESTABLISHED."""
        self.patience = ephemeral_time
        """Seconds that the other side has said it takes for what is waited for; those of our own until it has."""
        self._credentials = credentials
        self._authority_public = authority_public
        self._issuer = issuer
        self._peer = peer
        self._ephemeral_private = private_key(chance)
        self._ephemeral = ephemeral_public(self._ephemeral_private)
        self._ephemeral_time = ephemeral_time
        self._confirm_time = confirm_time
        self._wait = wait
        self._theirs: Initiate | None = None
        self._ours = self._expected = self._link_key = b""

    def start(self) -> Initiate:
        """The first message, of an initiator that has not begun; LocalProtocolError otherwise."""
        if self.state is not State.IDLE:
            raise LocalProtocolError(f"cannot start key establishment: it waits for or is {self.state.value}")
        self.state = State.INITIATE
        return self._initiate()

    def receive(self, message: Message) -> Message | None:
        """Take a message of the other side; what to answer, None for nothing.

        Whatever is wrong with a message ends the exchange and is answered by a Terminate; nothing is raised. After the
        end only a Terminate still counts, for a responder: the initiator did not accept its proof, and the key is void.
        A certificate of another device counts as INVALID_CERTIFICATE, as does one whose point is none.
        """
        if isinstance(message, Terminate):
            return self._terminated(message)
        if self.state in (State.ESTABLISHED, State.FAILED):
            return self._terminate(Status.BAD_MESSAGE)
        match self.state, message, self._theirs:
            case State.INITIATE, Initiate(), _:
                return self._certificate(message)
            case State.EPHEMERAL, EphemeralData(), Initiate() as theirs:
                return self._ephemeral_data(message, theirs)
            case State.CONFIRM, ConfirmKey(), _:
                return self._confirm(message)
            case _:
                return self._fail(
                    Status.BAD_MESSAGE, f"{type(message).__name__}, while it waits for {self.state.value}"
                )

    def give_up(self, status: Status = Status.NO_RESOURCES, reason: str = "time has run out") -> Terminate | None:
        """End it from our side; None when it has ended already."""
        if self.state in (State.ESTABLISHED, State.FAILED):
            return None
        return self._fail(status, reason)

    def _certificate(self, message: Initiate) -> Message:
        if message.suite != SUITE:
            return self._fail(Status.UNSUPPORTED_SUITE, f"suite {message.suite:04X}, where 0001 is the only one here")
        try:
            certificate = Certificate.decode(message.certificate)
        except DecodeError as error:
            return self._fail(Status.BAD_MESSAGE, str(error))
        if certificate.issuer != self._issuer:
            return self._fail(Status.UNKNOWN_ISSUER, f"a certificate issued by {certificate.issuer.hex().upper()}")
        if certificate.subject != self._peer:
            return self._fail(
                Status.INVALID_CERTIFICATE,
                f"a certificate of {certificate.subject.hex().upper()} from {self._peer.hex().upper()}",
            )
        try:
            curve.decode_point(certificate.point)
        except DecodeError as error:
            return self._fail(Status.INVALID_CERTIFICATE, str(error))
        self._theirs = message
        self.patience = message.ephemeral_time
        self.state = State.EPHEMERAL
        return EphemeralData(self._ephemeral) if self.role is Role.INITIATOR else self._initiate()

    def _ephemeral_data(self, message: EphemeralData, theirs: Initiate) -> Message:
        try:
            secret = shared_secret(
                self._credentials.private,
                self._ephemeral_private,
                Certificate.decode(theirs.certificate),
                message.point,
                self._authority_public,
            )
        except (DecodeError, SecurityError) as error:
            return self._fail(Status.BAD_MESSAGE, str(error))
        mac_key, self._link_key = keys(secret)
        us = self._credentials.certificate.subject
        self.patience = theirs.confirm_time
        self.state = State.CONFIRM
        if self.role is Role.INITIATOR:
            parties = us, self._peer, self._ephemeral, message.point
            self._ours, self._expected = confirm_initiator(mac_key, *parties), confirm_responder(mac_key, *parties)
            return ConfirmKey(self._ours)
        parties = self._peer, us, message.point, self._ephemeral
        self._ours, self._expected = confirm_responder(mac_key, *parties), confirm_initiator(mac_key, *parties)
        return EphemeralData(self._ephemeral)

    def _confirm(self, message: ConfirmKey) -> Message | None:
        if not compare_digest(message.mac, self._expected):
            return self._fail(Status.BAD_KEY_CONFIRM, "the other side does not prove to have the same key")
        self.link_key = self._link_key
        self.state = State.ESTABLISHED
        return None if self.role is Role.INITIATOR else ConfirmKey(self._ours)

    def _terminated(self, message: Terminate) -> None:
        if self.state is State.FAILED or (self.state is State.ESTABLISHED and self.role is Role.INITIATOR):
            return
        self._end(message.status, "the other side terminated it")

    def _initiate(self) -> Initiate:
        certificate = self._credentials.certificate.encode()
        return Initiate(SUITE, self._ephemeral_time, self._confirm_time, certificate)

    def _fail(self, status: Status, reason: str) -> Terminate:
        self._end(status, reason)
        return self._terminate(status)

    def _end(self, status: int, reason: str) -> None:
        self.state = State.FAILED
        self.failure, self.reason, self.link_key = status, reason, None

    def _terminate(self, status: Status) -> Terminate:
        return Terminate(status, self._wait, SUITE)


__all__ = [
    "PROFILE",
    "SUITE",
    "Authority",
    "Certificate",
    "ConfirmKey",
    "Credentials",
    "EphemeralData",
    "Exchange",
    "Initiate",
    "Message",
    "Role",
    "State",
    "Status",
    "Terminate",
    "confirm_initiator",
    "confirm_responder",
    "ephemeral_public",
    "keys",
    "private_key",
    "public_key",
    "shared_secret",
]
