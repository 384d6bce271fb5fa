"""The paths of the control API for the rig as it runs: status, power, load, events and metrics."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Literal

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, model_validator
from starlette.routing import WebSocketRoute

from rigs.control import loads, overview, power
from rigs.control.asked import Body, TheDesk
from rigs.control.loads import LoadState
from rigs.control.overview import DeviceStatus, RigStatus
from rigs.control.power import PowerState
from rigs.control.stream import EventStream, SourceName
from rigs.events import EventFilter, RigEvent

MOST_DEVICES = 1000
"""Devices that one answer shows."""
MOST_EVENTS = 1000
MOST_CSV = 60_000
"""Characters of a CSV load."""

Premises = Annotated[str, Path(max_length=64, description="Name of the premises")]
Kind = Annotated[str, Path(max_length=20, description="hub, electricity, gas or display")]
Number = Annotated[float, Field(strict=False, allow_inf_nan=False)]


class Switch(Body):
    """Whether a device has power."""

    on: bool
    seconds: Number | None = Field(default=None, description="How long a cut lasts, of the rig's clock; else until on")


class LoadWanted(Body):
    """What is drawn from now on."""

    kind: Literal["constant", "household", "csv"]
    value: Number | None = Field(
        default=None, description="constant: W, below 0 for what is exported; of a gas meter m3/h"
    )
    scale: Number = Field(default=1.0, description="household: how much larger than what the seed gives")
    csv: str | None = Field(
        default=None, max_length=MOST_CSV, description="csv: lines of time,rate such as 2026-01-01T00:30:00Z,450"
    )

    @model_validator(mode="after")
    def _complete(self) -> LoadWanted:
        if self.kind == "constant" and self.value is None:
            raise ValueError("a constant load needs a value")
        if self.kind == "csv" and self.csv is None:
            raise ValueError("a csv load needs the text in csv")
        return self


class Events(BaseModel):
    """Events, the oldest first."""

    first: int = Field(description="Number of the oldest event that is kept")
    last: int = Field(description="Number of the latest event")
    events: list[RigEvent]


Text = Annotated[str | None, Query(max_length=100)]


def add_running(app: FastAPI) -> None:
    """The paths of the rig as it runs."""
    _add_status(app)
    _add_power(app)
    _add_load(app)
    _add_events(app)

    @app.get("/metrics", response_class=Response)
    async def metrics(request: Request, desk: TheDesk) -> Response:
        """What was counted, for Prometheus to scrape: its text format, or OpenMetrics where Accept asks for that."""
        from rigs.metrics import exposition

        content, media_type = await exposition(desk.rig, request.headers.get("accept", ""))
        return Response(content, media_type=media_type)


def _add_status(app: FastAPI) -> None:
    @app.get("/status")
    async def status(
        desk: TheDesk,
        first: Annotated[int, Query(ge=0, description="Devices to pass over")] = 0,
        most: Annotated[int, Query(ge=0, le=MOST_DEVICES, description="Devices to show")] = 100,
    ) -> RigStatus:
        """The rig, its devices and their ports with what was counted there."""
        return overview.status(desk, first, most)

    @app.get("/devices/{premises}/{kind}/status")
    async def device_status(premises: Premises, kind: Kind, desk: TheDesk) -> DeviceStatus:
        """A device and its ports."""
        return overview.device_status(desk, desk.device(premises, kind))


def _add_power(app: FastAPI) -> None:
    @app.get("/devices/{premises}/{kind}/power")
    async def power_now(premises: Premises, kind: Kind, desk: TheDesk) -> PowerState:
        """The power of a device."""
        return power.look(desk, desk.device(premises, kind))

    @app.post("/devices/{premises}/{kind}/power")
    async def switch(premises: Premises, kind: Kind, wanted: Switch, desk: TheDesk) -> PowerState:
        """Give a device power or cut it: the mains, or the battery of a gas meter."""
        return power.switch(desk, [desk.device(premises, kind)], wanted.on, wanted.seconds)[0]

    @app.post("/premises/{premises}/power")
    async def switch_all(premises: Premises, wanted: Switch, desk: TheDesk) -> list[PowerState]:
        """A power cut at a premises, or its end: all devices on the mains at one instant."""
        return power.switch(desk, power.mains_of(desk, premises), wanted.on, wanted.seconds)

    @app.post("/devices/{premises}/{kind}/battery")
    async def battery(premises: Premises, kind: Kind, desk: TheDesk) -> PowerState:
        """Put a new battery into a gas meter."""
        return power.replace_battery(desk, desk.device(premises, kind))


def _add_load(app: FastAPI) -> None:
    @app.get("/devices/{premises}/{kind}/load")
    async def load_now(premises: Premises, kind: Kind, desk: TheDesk) -> LoadState:
        """What is drawn through a meter."""
        return loads.look(desk, desk.device(premises, kind))

    @app.post("/devices/{premises}/{kind}/load")
    async def load(premises: Premises, kind: Kind, wanted: LoadWanted, desk: TheDesk) -> LoadState:
        """Draw another load through a meter from now on."""
        device = desk.device(premises, kind)
        match wanted.kind:
            case "constant":
                assert wanted.value is not None
                return loads.draw_constant(desk, device, wanted.value)
            case "household":
                return loads.draw_household(desk, device, wanted.scale)
            case "csv":
                assert wanted.csv is not None
                return loads.draw_csv(desk, device, wanted.csv)


def _add_events(app: FastAPI) -> None:
    @app.get("/events")
    async def events(
        desk: TheDesk,
        after: Annotated[int, Query(ge=0, description="Number of the last event that is known")] = 0,
        most: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 100,
        latest: Annotated[bool, Query(description="The latest of them; else the oldest")] = False,
        device: Text = None,
        source: SourceName | None = None,
        fault: Text = None,
    ) -> Events:
        """What has happened, as far as it is kept. WebSocket clients follow it at /events/stream, with the same query
        and the same token."""
        log = desk.act(lambda: desk.rig.events)
        wanted = EventFilter(device, source, fault)
        found = (event for event in log.since(after) if wanted(event))
        chosen = list(found)[-most:] if latest else list(islice(found, most))
        return Events(first=log.first, last=log.last, events=chosen)

    # A route of Starlette's own: what a path of FastAPI depends on is asked for requests only.
    app.router.routes.append(WebSocketRoute("/events/stream", EventStream()))
