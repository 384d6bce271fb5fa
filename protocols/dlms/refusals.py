"""What a server says to a request that it does not serve: exception-responses (IEC 62056-5-3)."""

from __future__ import annotations

from protocols.dlms.enums import ApduTag, ServiceError, StateError
from protocols.errors import DecodeError, SecurityError, SecurityFault

_INSECURE = {
    SecurityFault.COUNTER: ("counter", ServiceError.INVOCATION_COUNTER_ERROR),
    SecurityFault.POLICY: ("policy", ServiceError.OPERATION_NOT_POSSIBLE),
}
_DECIPHERING = ("deciphering", ServiceError.DECIPHERING_ERROR)


class NotServedError(Exception):
    """A request that is answered by an exception-response. ``kind`` is what it counts as, ``why`` is for people.

    ``security`` says that it was refused for the sake of security. ``counter`` goes into the answer to an invocation
    counter that is too low: the last one accepted.
    """

    def __init__(
        self,
        kind: str,
        service: ServiceError,
        why: str,
        state: StateError = StateError.SERVICE_NOT_ALLOWED,
        *,
        security: bool = False,
        counter: int | None = None,
    ) -> None:
        super().__init__(why)
        self.kind = kind
        self.state = state
        self.service = service
        self.why = why
        self.security = security
        self.counter = counter

    def encode(self) -> bytes:
        """The exception-response."""
        response = bytes((ApduTag.EXCEPTION_RESPONSE, self.state, self.service))
        return response if self.counter is None else response + max(self.counter, 0).to_bytes(4, "big")


def not_negotiated(service: str) -> NotServedError:
    """A service, or a form of one, that the association did not agree on."""
    return NotServedError("not negotiated", ServiceError.SERVICE_NOT_SUPPORTED, f"{service} was not negotiated")


def malformed(why: str) -> NotServedError:
    """A request that cannot be read."""
    return NotServedError("malformed", ServiceError.OTHER_REASON, why)


def unknown(why: str) -> NotServedError:
    """A service, or a form of one, that does not exist."""
    return NotServedError("unknown service", ServiceError.SERVICE_NOT_SUPPORTED, why, StateError.SERVICE_UNKNOWN)


def not_associated(why: str) -> NotServedError:
    """A request that needs an open association."""
    return NotServedError("before association", ServiceError.OPERATION_NOT_POSSIBLE, why)


def unprotected(why: str) -> NotServedError:
    """A request that is protected less than the security policy asks."""
    return NotServedError("policy", ServiceError.OPERATION_NOT_POSSIBLE, why, security=True)


def insecure(client: int, error: SecurityError | DecodeError) -> NotServedError:
    """An APDU of a client SAP that fails the checks of security."""
    if isinstance(error, SecurityError):
        kind, service = _INSECURE.get(error.fault, _DECIPHERING)
        counter = error.last_counter
    else:
        (kind, service), counter = _DECIPHERING, None
    return NotServedError(kind, service, f"client {client}: {error}", security=True, counter=counter)


def too_long(octets: int, most: int) -> NotServedError:
    """A request of more octets than are taken."""
    return NotServedError("too long", ServiceError.PDU_TOO_LONG, f"a request of {octets} octets, {most} are taken")


def unanswerable(why: str) -> NotServedError:
    """A request whose answer is longer than can be sent."""
    return NotServedError("answer too long", ServiceError.OTHER_REASON, why)
