"""The paths of the control API for faults."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import Field

from rigs.control import faults as verbs
from rigs.control.asked import Body, TheDesk
from rigs.control.faults import ConditionState, FaultState, InjectionState

MOST_TEXT = 200
"""Characters of a parameter's value."""
_LONGEST_NAME = 100
Seconds = Annotated[float, Field(strict=False, gt=0, allow_inf_nan=False)]


class Wanted(Body):
    """A fault to inject."""

    fault: str = Field(max_length=_LONGEST_NAME, description="Its name in the catalogue")
    device: str = Field(max_length=_LONGEST_NAME, description="PREMISES/KIND, such as home/gas")
    parameters: dict[str, int | Annotated[str, Field(max_length=MOST_TEXT)]] = Field(
        default_factory=dict[str, int | str], description="By name; the catalogue has units, ranges and defaults"
    )
    at: int | None = Field(default=None, description="When it begins, ns of UTC; without it at once")
    after_seconds: Annotated[float, Field(strict=False, ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="In place of at: how long from now"
    )
    seconds: Seconds | None = Field(
        default=None, description="How long it lasts each time; without it until somebody ends it"
    )
    when: str | None = Field(
        default=None, max_length=MOST_TEXT, description="A condition to wait for: /faults/conditions says which"
    )
    every_seconds: Seconds | None = Field(default=None, description="It begins anew after so long")
    between: str | None = Field(
        default=None,
        max_length=MOST_TEXT,
        description="It begins at these times of day only, by the device's clock, such as 17:00-19:00; without when and"
        " every_seconds it is in force then, every day",
    )
    times: int | None = Field(default=None, description="It begins no more often; on a condition 1 by default")
    probability: Annotated[float, Field(strict=False, allow_inf_nan=False)] | None = Field(
        default=None, description="Of each beginning, above 0 and at most 1"
    )


Id = Annotated[str, Path(max_length=20, description="Of an injection, such as F1")]


def add_faults(app: FastAPI) -> None:
    """The paths of the faults."""

    @app.get("/faults/catalogue")
    async def catalogue() -> list[FaultState]:
        """The faults there are to inject."""
        return verbs.catalogue()

    @app.get("/faults/conditions")
    async def conditions() -> list[ConditionState]:
        """The conditions that a fault can wait for."""
        return verbs.conditions()

    @app.get("/faults")
    async def faults(desk: TheDesk) -> list[InjectionState]:
        """The injections of faults that wait or are in force, and the latest of those that are over."""
        return verbs.injections(desk)

    @app.get("/faults/{id}")
    async def fault(id: Id, desk: TheDesk) -> InjectionState:
        """An injection of a fault."""
        return verbs.injection(desk, id)

    @app.post("/faults")
    async def start_fault(wanted: Wanted, desk: TheDesk) -> InjectionState:
        """Inject a fault into a device."""
        return verbs.start(
            desk,
            wanted.fault,
            wanted.device,
            wanted.parameters,
            at=wanted.at,
            after_seconds=wanted.after_seconds,
            seconds=wanted.seconds,
            when=wanted.when,
            every_seconds=wanted.every_seconds,
            between=wanted.between,
            times=wanted.times,
            probability=wanted.probability,
        )

    @app.post("/faults/{id}/end")
    async def end_fault(id: Id, desk: TheDesk) -> InjectionState:
        """End an injection of a fault, or take back one that waits."""
        return verbs.end(desk, id)
