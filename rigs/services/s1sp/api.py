"""The HTTP API of a site (OpenAPI at ``/docs``). Every request but those for the description needs a bearer token.

Answers that are no success are ``{"error": one line}``: they hold no secrets, nor what was sent.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from rigs.services.s1sp import explain
from rigs.services.s1sp.config import digest
from rigs.services.s1sp.ledger import Refusal
from rigs.services.s1sp.records import MAX_COUNTER, MAX_PENCE
from rigs.services.s1sp.service import Issued, UtrnService
from rigs.services.s1sp.store import AuditRow
from rigs.serving import unbounded

_MOST_ROWS = 1000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class UtrnRequest(_Body):
    """A token is wanted."""

    transaction: str = Field(description="The requester's own id; the same id always has the same token", max_length=64)
    meter: str = Field(description="EUI-64 of the meter, 16 hexadecimal digits", max_length=23)
    pence: int = Field(description="Its value", ge=1, le=MAX_PENCE)


class UtrnAnswer(BaseModel):
    """A token, durable at two of three."""

    transaction: str
    meter: str
    pence: int
    counter: int
    utrn: str = Field(description="20 digits")
    shown: str = Field(description="The same in groups, for the customer")
    time: str = Field(description="When its counter was reserved, UTC")
    site: str = Field(description="Who computed this answer")
    repeated: bool = Field(description="Whether the transaction had it before this request")


class MeterRequest(_Body):
    """A meter is to be enrolled; this site must hold its key."""

    meter: str = Field(max_length=23)
    first_counter: int = Field(default=1, ge=0, le=MAX_COUNTER)


class MeterAnswer(BaseModel):
    """A meter that tokens may be issued for."""

    meter: str
    scheme: str
    first_counter: int
    issued: int
    latest: int | None = Field(description="The highest counter issued")


class ExplainRequest(_Body):
    """Digits to explain. The limits are those of the meter, if known."""

    digits: str = Field(max_length=64)
    meter: str = Field(default="", max_length=23)
    token_limit: int | None = Field(default=None, ge=0, description="Pence that one token may be worth")
    history: int | None = Field(default=None, ge=1, description="Counters back that the meter can tell apart")


class FindingAnswer(BaseModel):
    """One field or check; ``fits`` is null where it cannot be told."""

    name: str
    text: str
    fits: bool | None


class DeliveryRequest(_Body):
    """A token is to be delivered through the hub at ``port``, such as tcp:192.0.2.7:4059."""

    transaction: str = Field(max_length=64)
    port: str = Field(max_length=200)


class DeliveryAnswer(BaseModel):
    """How it went. Whatever it says, ``shown`` may be typed in: the meter credits it once."""

    transaction: str
    fate: str
    result: int | None = Field(description="The meter's action-result; null without an answer")
    text: str
    utrn: str
    shown: str


class AuditAnswer(BaseModel):
    """A step that was taken at this site."""

    number: int
    time: str
    site: str
    term: int
    transaction: str
    meter: str
    step: str
    detail: str


class StatusMember(BaseModel):
    """Another member, as far as this one knows; null: not known here."""

    heard: bool | None
    behind: int | None = Field(description="Records that it is not known to have")


class StatusAnswer(BaseModel):
    """This site, and what it knows of the others."""

    site: str
    role: str
    leader: str | None
    term: int
    issuing: bool = Field(description="Whether a token asked for now can be made durable, as far as is known here")
    committed: int
    records: int
    meters: int
    members: dict[str, StatusMember]


@dataclass(slots=True)
class Running:
    """What the API stands in front of; set before it is served."""

    service: UtrnService
    requesters: dict[str, str]


def build_app() -> FastAPI:
    """The API. ``app.state.running`` is a :class:`Running` by the time it is served."""
    app = FastAPI(title="SMETS1 S1SP UTRN service", version="1", redoc_url=None)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(_Bounded)
    _add_tokens(app)
    _add_rest(app)
    return app


# -- who asks, and errors -------------------------------------------------------------------------------------------


def _running(request: Request) -> Running:
    running = request.app.state.running
    assert isinstance(running, Running)
    return running


async def _requester(request: Request) -> str:
    """The requester whose bearer token it is; compared with all, in time that does not depend on them."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = digest(token.strip())
    found = ""
    for name, expected in _running(request).requesters.items():
        if hmac.compare_digest(given, expected):
            found = name
    if scheme.lower() != "bearer" or not found:
        raise Refusal(401, "a bearer token of a requester is needed: header Authorization: Bearer TOKEN")
    return found


async def _service(request: Request) -> UtrnService:
    return _running(request).service


Requester = Annotated[str, Depends(_requester)]
Service = Annotated[UtrnService, Depends(_service)]


def _error(status: int, text: str) -> JSONResponse:
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(status)
    return JSONResponse({"error": text}, status, headers)


async def _refused(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return _error(refusal.status, refusal.text)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return _error(400, f"{where}: {first['msg']}")


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, str(error.detail))


class _Bounded:
    """Lets requests pass whose body has a length that they tell, and that is not too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = unbounded(Headers(scope=scope)) if scope["type"] == "http" else None
        await (_error(*refused) if refused else self._app)(scope, receive, send)


# -- tokens ---------------------------------------------------------------------------------------------------------


def groups(utrn: str) -> str:
    """Digits in groups of four, as a customer reads them."""
    return " ".join(utrn[place : place + 4] for place in range(0, len(utrn), 4))


def _instant(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds")


def _answer(issued: Issued, site: str) -> UtrnAnswer:
    reservation = issued.reservation
    return UtrnAnswer(
        transaction=reservation.transaction,
        meter=reservation.meter,
        pence=reservation.pence,
        counter=reservation.counter,
        utrn=issued.utrn,
        shown=groups(issued.utrn),
        time=_instant(reservation.time),
        site=site,
        repeated=issued.repeated,
    )


def _add_tokens(app: FastAPI) -> None:
    @app.post("/utrn")
    async def issue(wanted: UtrnRequest, requester: Requester, service: Service) -> UtrnAnswer:
        """Issue a token. Asked again with the same transaction, at either site, it is the same token."""
        issued = await service.issue(requester, wanted.transaction, wanted.meter, wanted.pence)
        return _answer(issued, service.node.name)

    @app.get("/utrn/{transaction}")
    async def find(transaction: str, requester: Requester, service: Service) -> UtrnAnswer:
        """The token of a transaction of this requester, where this site knows of it."""
        return _answer(await service.find(requester, transaction), service.node.name)

    @app.post("/deliveries")
    async def send(wanted: DeliveryRequest, requester: Requester, service: Service) -> DeliveryAnswer:
        """Enter the token of a transaction at its meter, through the hub."""
        issued, delivery = await service.deliver(requester, wanted.transaction, wanted.port)
        return DeliveryAnswer(
            transaction=wanted.transaction,
            fate=delivery.fate.value,
            result=delivery.result,
            text=delivery.text,
            utrn=issued.utrn,
            shown=groups(issued.utrn),
        )

    @app.post("/decode")
    async def decode(wanted: ExplainRequest, _requester: Requester) -> list[FindingAnswer]:
        """What digits hold, without any key."""
        return _findings(explain.describe(explain.plain(wanted.digits)))

    @app.post("/explain")
    async def explained(wanted: ExplainRequest, _requester: Requester, service: Service) -> list[FindingAnswer]:
        """Why the meter would take or refuse digits, check by check."""
        enrolment, issued = await service.enrolled(wanted.meter)
        schemes = service.schemes()
        ways = await service.deliveries()
        ledger = service.node.ledger
        others = {
            other: (scheme, ledger.issued(other)) for other, scheme in schemes.items() if other != enrolment.meter
        }
        found = explain.explain(
            explain.plain(wanted.digits),
            enrolment.meter,
            service.scheme(enrolment.meter),
            issued,
            others,
            delivered=lambda reservation: ways.get(reservation.key),
            token_limit=wanted.token_limit,
            history=wanted.history,
        )
        return _findings(found)


def _findings(found: list[explain.Finding]) -> list[FindingAnswer]:
    return [FindingAnswer(name=one.name, text=one.text, fits=one.fits) for one in found]


# -- meters, audit, status ------------------------------------------------------------------------------------------


def _add_rest(app: FastAPI) -> None:
    @app.post("/meters")
    async def enrol(wanted: MeterRequest, _requester: Requester, service: Service) -> MeterAnswer:
        """Enrol a meter whose key this site holds; again, it changes nothing."""
        enrolment = await service.enrol(wanted.meter, wanted.first_counter)
        return await _meter(service, enrolment.meter)

    @app.get("/meters/{meter}")
    async def meter(meter: str, _requester: Requester, service: Service) -> MeterAnswer:
        """A meter that is enrolled."""
        return await _meter(service, meter)

    @app.get("/audit")
    async def audit(
        requester: Requester, service: Service, transaction: str = "", limit: int = 200
    ) -> list[AuditAnswer]:
        """What this site did for this requester, oldest first; of one transaction where it is given."""
        rows = await service.node.audit(transaction, requester, min(max(limit, 1), _MOST_ROWS))
        return [_audit(number, row, service.node.name) for number, row in rows]

    @app.get("/status")
    async def status(_requester: Requester, service: Service) -> StatusAnswer:
        """Who leads, who is heard, and who is behind."""
        return _status(service)


async def _meter(service: UtrnService, meter: str) -> MeterAnswer:
    enrolment, issued = await service.enrolled(meter)
    return MeterAnswer(
        meter=enrolment.meter,
        scheme=enrolment.scheme,
        first_counter=enrolment.first_counter,
        issued=len(issued),
        latest=issued[-1].counter if issued else None,
    )


def _audit(number: int, row: AuditRow, site: str) -> AuditAnswer:
    return AuditAnswer(
        number=number,
        time=_instant(row.time),
        site=site,
        term=row.term,
        transaction=row.transaction,
        meter=row.meter,
        step=row.step,
        detail=row.detail,
    )


def _status(service: UtrnService) -> StatusAnswer:
    node = service.node
    replica = node.replica
    members = {name: StatusMember(heard=known.heard, behind=known.behind) for name, known in node.members().items()}
    return StatusAnswer(
        site=node.name,
        role=replica.role.value,
        leader=replica.leader,
        term=replica.term,
        issuing=replica.leader is not None and (replica.leader != node.name or replica.leading),
        committed=replica.commit,
        records=replica.last,
        meters=sum(1 for _ in node.ledger.meters()),
        members=members,
    )
