"""How a request to a server can end other than well. All are :class:`~protocols.errors.ProtocolError`."""

from __future__ import annotations

from protocols.dlms.acse import Aare, DiagnosticSource, ProviderDiagnostic, UserDiagnostic
from protocols.dlms.enums import DataAccessResult, InitiateErrorCode, ServiceError, StateError
from protocols.errors import ProtocolError


class AssociationRejected(ProtocolError):
    """The server answered the AARQ with a refusal; ``error`` is its Initiate error where it gave one."""

    def __init__(self, answer: Aare, error: InitiateErrorCode | None = None) -> None:
        self.result = answer.result
        self.source = answer.source
        self.diagnostic = answer.diagnostic
        self.error = error
        why = _diagnostic(answer.source, answer.diagnostic) if error is None else _spoken(error.name)
        super().__init__(f"the server refused the association: {why}")


class AuthenticationFailed(ProtocolError):
    """High level security did not end well, on either side; the text says on which."""


class Refused(ProtocolError):
    """An attribute or a method was not served. ``result`` is a data-access-result or an action-result."""

    def __init__(self, result: int) -> None:
        self.result = result
        super().__init__(f"the server answered {name_of_result(result)}")


class ExceptionAnswer(ProtocolError):
    """An exception-response; ``counter`` is the last invocation counter accepted, where the server tells it."""

    def __init__(self, state: int, service: int, counter: int | None = None) -> None:
        self.state = state
        self.service = service
        self.counter = counter
        what = f"{_name(StateError, state)}, {_name(ServiceError, service)}"
        told = "" if counter is None else f" (last counter {counter})"
        super().__init__(f"the server answered with an exception: {what}{told}")


class ConfirmedServiceError(ProtocolError):
    """A confirmed-service-error: its service, the kind of error and the error's number."""

    def __init__(self, service: int, kind: int, value: int) -> None:
        self.service = service
        self.kind = kind
        self.value = value
        super().__init__(f"the server answered with an error of service {service}: kind {kind}, value {value}")


class NoAnswer(ProtocolError):
    """The server did not answer in time, or the way to it is gone."""


class UnexpectedAnswer(ProtocolError):
    """An answer that does not belong to what was asked: another service, invoke id or block."""


def name_of_result(result: int) -> str:
    """``object undefined (4)`` of a data-access-result or action-result."""
    return f"{_name(DataAccessResult, result)} ({result})"


def _diagnostic(source: DiagnosticSource, number: int) -> str:
    kind = UserDiagnostic if source is DiagnosticSource.USER else ProviderDiagnostic
    return f"{_name(kind, number)} ({'service user' if source is DiagnosticSource.USER else 'provider'} {number})"


def _name(
    kind: type[DataAccessResult | StateError | ServiceError | UserDiagnostic | ProviderDiagnostic], number: int
) -> str:
    try:
        return _spoken(kind(number).name)
    except ValueError:
        return f"number {number}"


def _spoken(name: str) -> str:
    return name.lower().replace("_", " ")
