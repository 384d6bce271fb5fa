"""What all tables of a rig file have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """What is not known is refused; what was read stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)
