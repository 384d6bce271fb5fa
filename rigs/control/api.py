"""The control API of a running rig, described by itself at ``/openapi.json``.

Answers that are no success are ``{"detail": one line}``: what, where, and what to do. Amounts are integer millipence
(1e-5 GBP), instants integer nanoseconds of UTC.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from emulator.front import ALPHABET
from protocols.tokens.scheme import Outcome
from rigs.control import desk as verbs
from rigs.control import han as home
from rigs.control.asked import Body, TheDesk
from rigs.control.desk import Desk, DeskError, TokenWay
from rigs.control.faults_api import add_faults
from rigs.control.ports_api import add_ports
from rigs.control.running_api import add_running
from rigs.control.why_api import add_why

MOST_DEVICES = 1000
"""Devices that one answer lists."""
MOST_KEYS = 200
JSON_TYPE = "application/json"


class Keys(Body):
    """Keys to press, one after another."""

    keys: str = Field(min_length=1, max_length=MOST_KEYS, description=f"{ALPHABET}; spaces and - are no keys")


class Token(Body):
    """A token to enter."""

    digits: str = Field(min_length=1, max_length=MOST_KEYS, description="Spaces and - may stand between the digits")
    way: Literal["keypad", "display"] = Field(
        default="keypad", description="Typed in at the meter, or at an in-home display"
    )


class Tap(Body):
    """An appliance behind a gas meter, left open."""

    litres_per_hour: int = Field(ge=0, le=verbs.WIDEST_TAP, description="What flows through it; 0 closes it")


class Rate(Body):
    """How fast the clock runs."""

    rate: Annotated[float, Field(strict=False, allow_inf_nan=False)] = Field(
        description="Seconds of the rig's clock in one of the world"
    )


class Step(Body):
    """How far to move a stepped clock."""

    seconds: Annotated[float, Field(strict=False, ge=0, allow_inf_nan=False)]


class Problem(BaseModel):
    """Why it was not done, in one line: what, where, what to do."""

    detail: str


class DeviceName(BaseModel):
    """A device of the rig."""

    premises: str
    kind: str
    profile: str


class DeviceAnswer(DeviceName):
    """A device as a person finds it; what a device does not have is null."""

    serial: str
    power: Literal["on", "starting", "hangs", "off"]
    clock: int = Field(description="The device's own time, ns of UTC")
    alarm_register: int
    alarms: list[str] = Field(description="Events that the set bits of the alarm register stand for")
    display: str | None = Field(description="What the display shows; empty while it is off")
    supply: Literal["on", "armed", "off"] | None
    mode: Literal["credit", "prepayment"] | None
    balance: int | None = Field(description="Meter balance, millipence")
    emergency_credit: int | None = Field(description="What is left of it, millipence")
    debt: int | None = Field(description="All that is owed, millipence")
    locked_seconds: int | None = Field(description="How long manual entry of tokens is still locked")


class DisplayAnswer(BaseModel):
    """What the display shows after it; empty while it is off."""

    display: str


class TokenAnswer(DisplayAnswer):
    """What became of a token."""

    outcome: str = Field(description=f"One of {', '.join(outcome.name.lower() for outcome in Outcome)}")
    text: str = Field(description="The same for people")
    balance: int = Field(description="Meter balance after it, millipence")


class ButtonAnswer(DisplayAnswer):
    """The supply after the button was pressed."""

    supply: Literal["on", "armed", "off"]


class EmergencyAnswer(DisplayAnswer):
    """Emergency credit after its key was pressed."""

    activated: bool


class TapAnswer(BaseModel):
    """The tap after it."""

    litres_per_hour: int


class LogEntry(BaseModel):
    """An entry of the device log."""

    eui64: str
    device: str | None = Field(description="The device that has this EUI-64; null: none is there")
    joined: bool
    reporting: bool
    heard: int | None = Field(description="When the hub last heard it, ns of UTC")
    rssi: int | None = Field(description="Mean, dBm")
    lqi: int | None = Field(description="Mean, 0 to 255")
    hops: int
    failures: int
    successes: int


class HanDevice(BaseModel):
    """A device within range of the hub."""

    device: str
    eui64: str
    kind: str
    on: bool = Field(description="Whether it communicates")
    refused: str | None = Field(description="Why it did not get onto the network")
    address: int | None = Field(description="Its short address on the network")
    sleepy: bool = Field(description="Its receiver is off between polls; it is no router")
    parent: str | None = Field(description="Whom it speaks through; null: there is no way")
    hops: int | None = Field(description="Relays on the way to the hub; null: there is no way")
    rssi: int | None = Field(description="How its parent hears it now, dBm")
    lqi: int | None = Field(description="How its parent hears it now, 0 to 255")
    waiting: int = Field(description="Messages that its parent holds for it")
    polls_at: int | None = Field(description="When a sleepy device asks for them next, ns of UTC")
    counter: int = Field(description="Its next frame counter under the network key")
    link_counter: int = Field(description="Its next frame counter under link keys")
    knows_network_key: bool = Field(description="Whether it has the network key that is in use")
    keyed_at: int = Field(description="Since when it has its link key, ns of UTC")
    install_code: str = Field(description="With its CRC")
    link_key: str = Field(description="What the install code gives")
    present_link_key: str | None = Field(description="The one that it has on this network")


class HanAnswer(BaseModel):
    """A hub's HAN."""

    hub: str
    now: int = Field(description="The rig's time, ns of UTC")
    formed: bool = Field(description="Whether there is a network")
    pan_id: int
    extended_pan_id: str
    channel: int
    network_key: str
    key_sequence: int
    keyed_at: int = Field(description="Since when the network key is in use, ns of UTC")
    counter: int = Field(description="The hub's next frame counter under the network key")
    link_counter: int = Field(description="The hub's next frame counter under link keys")
    open_seconds: int = Field(description="How long devices may still join")
    capacity: int
    mirrored: str | None = Field(description="EUI-64 of the gas meter that is mirrored")
    pending: int = Field(description="Commands that wait for it")
    dropped: dict[str, int] = Field(description="Frames that radios of the network dropped, by the reason")
    log: list[LogEntry]
    devices: list[HanDevice]


class JoinAnswer(BaseModel):
    """What came of looking for the network."""

    refused: str | None


class NewMeterAnswer(BaseModel):
    """A gas meter that took another's place."""

    device: str
    serial: str
    eui64: str
    install_code: str
    link_key: str
    keys: dict[str, dict[str, str]]


class ClockAnswer(BaseModel):
    """The rig's clock."""

    now: int = Field(description="ns of UTC")
    mode: Literal["real", "accelerated", "stepped"]
    rate: float


Premises = Annotated[str, Path(max_length=64, description="Name of the premises")]
Kind = Annotated[str, Path(max_length=20, description="hub, electricity, gas or display")]


def make_app(desk: Desk) -> FastAPI:
    """The API in front of a rig. Who may use it is not its business: see :class:`rigs.control.guard.Guard`."""
    app = FastAPI(
        title="smets1-hil control",
        version="1",
        docs_url=None,
        redoc_url=None,
        # says in the description that a token is needed; the guard has looked at it already
        dependencies=[Depends(HTTPBearer(auto_error=False))],
        responses={status: {"model": Problem} for status in (400, 401, 404, 409, 413, 422)},
    )
    app.state.desk = desk
    app.add_exception_handler(DeskError, _not_done)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)
    _add_devices(app)
    _add_han(app)
    add_faults(app)
    add_ports(app)
    add_why(app)
    add_running(app)
    _add_clock(app)
    return app


# -- errors ---------------------------------------------------------------------------------------------------------


async def _not_done(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DeskError)
    return _problem(error.status, str(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    kind = request.headers.get("content-type", "none").partition(";")[0]
    if tuple(first["loc"]) == ("body",) and first["type"] != "missing" and kind != JSON_TYPE:
        return _problem(422, f"body: its Content-Type is {kind}; send {JSON_TYPE}")
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return _problem(422, f"{where}: {first['msg'].removeprefix('Value error, ')}")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}"
    return _problem(error.status_code, f"{what}: {str(error.detail).lower()}; /openapi.json says what there is")


async def _fault(request: Request, error: Exception) -> Response:
    text = f"{request.method} {request.url.path}: a fault of the emulator ({type(error).__name__}); its log says more"
    return _problem(500, text)


def _problem(status: int, text: str) -> JSONResponse:
    return JSONResponse({"detail": " ".join(text.split())}, status)


# -- devices --------------------------------------------------------------------------------------------------------


def _add_devices(app: FastAPI) -> None:
    @app.get("/devices")
    async def devices(
        desk: TheDesk,
        first: Annotated[int, Query(ge=0, description="Devices to pass over")] = 0,
        most: Annotated[int, Query(ge=1, le=MOST_DEVICES)] = MOST_DEVICES,
    ) -> list[DeviceName]:
        """The devices of the rig, premises by premises."""
        found = list(desk.devices())[first : first + most]
        return [
            DeviceName(
                premises=device.identity.device_id.partition("/")[0],
                kind=device.firmware.kind,
                profile=device.firmware.name,
            )
            for device in found
        ]

    @app.get("/devices/{premises}/{kind}")
    async def device(premises: Premises, kind: Kind, desk: TheDesk) -> DeviceAnswer:
        """A device as a person finds it, the gas meter's figures as of its last wake-up."""
        found = desk.device(premises, kind)
        return DeviceAnswer.model_validate(asdict(desk.act(lambda: verbs.look(found))))

    @app.post("/devices/{premises}/{kind}/keys")
    async def keys(premises: Premises, kind: Kind, wanted: Keys, desk: TheDesk) -> DisplayAnswer:
        """Press keys of a meter or display."""
        found = desk.device(premises, kind)
        return DisplayAnswer(display=desk.act(lambda: verbs.press(found, wanted.keys)))

    @app.post("/devices/{premises}/{kind}/token")
    async def token(premises: Premises, kind: Kind, wanted: Token, desk: TheDesk) -> TokenAnswer:
        """Enter a token."""
        found = desk.device(premises, kind)

        def enter() -> TokenAnswer:
            outcome = verbs.top_up(found, wanted.digits, TokenWay(wanted.way))
            return TokenAnswer(
                outcome=outcome.name.lower(),
                text=outcome.value,
                balance=verbs.account_of(found).balance,
                display=verbs.keypad_of(found).text(),
            )

        return desk.act(enter)

    @app.post("/devices/{premises}/{kind}/button")
    async def button(premises: Premises, kind: Kind, desk: TheDesk) -> ButtonAnswer:
        """Press the supply button of a meter: it closes a switch that is armed."""
        found = desk.device(premises, kind)

        def pressed() -> ButtonAnswer:
            supply = verbs.press_button(found)
            return ButtonAnswer.model_validate({"supply": supply, "display": verbs.look(found).display or ""})

        return desk.act(pressed)

    @app.post("/devices/{premises}/{kind}/emergency")
    async def emergency(premises: Premises, kind: Kind, desk: TheDesk) -> EmergencyAnswer:
        """Press the key that activates emergency credit."""
        found = desk.device(premises, kind)

        def pressed() -> EmergencyAnswer:
            activated = verbs.activate_emergency_credit(found)
            return EmergencyAnswer(activated=activated, display=verbs.keypad_of(found).text())

        return desk.act(pressed)

    @app.post("/devices/{premises}/{kind}/tap")
    async def tap(premises: Premises, kind: Kind, wanted: Tap, desk: TheDesk) -> TapAnswer:
        """Leave a tap behind a gas meter open, or close it: while one is open, the test of the valve fails."""
        found = desk.device(premises, kind)
        desk.act(lambda: verbs.open_tap(found, wanted.litres_per_hour))
        return TapAnswer(litres_per_hour=wanted.litres_per_hour)


# -- HAN ------------------------------------------------------------------------------------------------------------


def _add_han(app: FastAPI) -> None:
    @app.get("/premises/{premises}/han")
    async def han(premises: Premises, desk: TheDesk) -> HanAnswer:
        """The hub's device log, and the devices within range."""
        hub = home.hub_of(desk, premises)
        return HanAnswer.model_validate(asdict(desk.act(lambda: home.look(hub))))

    @app.post("/devices/{premises}/{kind}/join")
    async def join(premises: Premises, kind: Kind, desk: TheDesk) -> JoinAnswer:
        """Press the button by which a device looks for its network."""
        hub, found = home.hub_of(desk, premises), desk.device(premises, kind)
        return JoinAnswer(refused=desk.act(lambda: home.join(hub, found)))

    @app.post("/premises/{premises}/replace-gas")
    async def replace_gas(premises: Premises, desk: TheDesk) -> NewMeterAnswer:
        """Put a new gas meter in the old one's place. The hub hears nothing of it until its device log is updated."""
        return NewMeterAnswer.model_validate(asdict(desk.act(lambda: home.replace_gas(desk, premises))))


# -- clock ----------------------------------------------------------------------------------------------------------


def _add_clock(app: FastAPI) -> None:
    @app.get("/clock")
    async def clock(desk: TheDesk) -> ClockAnswer:
        """The rig's clock."""
        return _clock(desk)

    @app.post("/clock/rate")
    async def rate(wanted: Rate, desk: TheDesk) -> ClockAnswer:
        """Let a clock that runs by itself run at another rate."""
        desk.set_rate(wanted.rate)
        return _clock(desk)

    @app.post("/clock/advance")
    async def advance(step: Step, desk: TheDesk) -> ClockAnswer:
        """Move a stepped clock on, with all that falls due on the way."""
        desk.advance(step.seconds)
        return _clock(desk)


def _clock(desk: Desk) -> ClockAnswer:
    rig = desk.rig
    rig.driver.now()
    mode = rig.driver.mode.value
    return ClockAnswer.model_validate({"now": rig.clock.now, "mode": mode, "rate": rig.driver.rate})
