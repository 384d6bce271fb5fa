"""The path of the control API that tells why a port gave no answer, or an odd one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from emulator.telling import Layer
from rigs.air import air_name
from rigs.control.asked import TheDesk
from rigs.control.desk import NotThereError
from rigs.ports.spec import plain_name

if TYPE_CHECKING:
    from rigs.rig import Rig

MOST = 1000
"""Explanations that one answer lists."""
LONGEST_PORT = 300
_NAMED = 10  # ports that a message names


class WhyEntry(BaseModel):
    """Something that was dropped or refused."""

    number: int = Field(description="Counts up, and anew when the same happens again")
    time: int = Field(description="When it happened, the last time: ns of UTC of the rig")
    port: str = Field(description="premises/device/port, or premises/hub/han")
    layer: str = Field(description=f"What dropped it: one of {', '.join(layer.value for layer in Layer)}")
    why: str
    came: str = Field(description="The message that it is about; empty where none came in")
    answer: str = Field(description="What was answered; empty where none came in")
    times: int = Field(description="How often, one after another")
    faults: list[str] = Field(description="Faults in force there, in words with their ids, whether they are why or not")


def add_why(app: FastAPI) -> None:
    """The path of explanations."""

    @app.get("/why")
    async def why(
        desk: TheDesk,
        port: Annotated[
            str, Query(max_length=LONGEST_PORT, description="Its name or the beginning of it, or its address; all")
        ] = "",
        after: Annotated[int, Query(ge=0, description="Only those with higher numbers")] = 0,
        most: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    ) -> list[WhyEntry]:
        """Why requests got no answer, or an odd one: the latest ones, in order."""
        rig = desk.rig
        entries = rig.history.entries(ports_named(rig, port) if port else None, after, most)
        return [
            WhyEntry(
                number=entry.number,
                time=entry.time,
                port=entry.port,
                layer=entry.layer.value,
                why=entry.why,
                came=entry.came,
                answer=entry.answer,
                times=entry.times,
                faults=list(entry.faults),
            )
            for entry in entries
        ]


def ports_named(rig: Rig, text: str) -> list[str]:
    """Ports and HANs that a name (or ``premises/device``, or ``premises``), a rig file's port or an address means.

    A device stands for its ports, a hub for its HAN too. Raises :class:`rigs.control.desk.NotThereError`.
    """
    names = [*rig.ports, *(air_name(premises) for premises in rig.premises)]
    found = [name for name in names if name == text or name.startswith(f"{text.rstrip('/')}/")]
    if not found:
        wanted = plain_name(text)
        found = [name for name, port in rig.ports.items() if wanted in (plain_name(str(port.spec)), port.address)]
    if not found:
        there = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        raise NotThereError(f"{text}: no such port in this rig; there are {there}")
    return found
