"""What every verb of the control API is asked with: a body that holds what it says, and the desk of the rig."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict

from rigs.control.desk import Desk


class Body(BaseModel):
    """The body of a request: nothing in it that is unknown, nothing of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


async def _desk(request: Request) -> Desk:
    desk = request.app.state.desk
    assert isinstance(desk, Desk)
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]
"""The desk of the rig that the API is in front of."""
