"""The path of the control API that lists the ports of a rig."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from rigs.control.asked import TheDesk
from rigs.control.overview import port_state

MOST = 1000
"""Ports that one answer lists."""


class PortAnswer(BaseModel):
    """A port now."""

    name: str = Field(description="premises/device/port")
    spec: str = Field(description="As a rig file names it; on a bus the port of the bus")
    bus: str = Field(description="The bus that it is on, if it is on one")
    address: str = Field(description="What a client opens: a path, or host:port")
    connected: int = Field(description="Far ends there are now, as far as can be seen")
    lines: int = Field(description="Lines and connections so far")
    clients: list[str] = Field(description="Associations that are open")
    counters: dict[str, int]


def add_ports(app: FastAPI) -> None:
    """The path of the ports."""

    @app.get("/ports")
    async def ports(
        desk: TheDesk,
        first: Annotated[int, Query(ge=0, description="Ports to pass over")] = 0,
        most: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    ) -> list[PortAnswer]:
        """The ports of the rig, who is there, and what was counted."""
        chosen = list(desk.rig.ports.items())[first : first + most]
        return [
            PortAnswer.model_validate({**asdict(port_state(name, port)), "bus": port.spec.bus}) for name, port in chosen
        ]
