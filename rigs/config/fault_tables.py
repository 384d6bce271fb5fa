"""Tables of faults: what is injected into which device, and when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rigs.config.table import Table
from rigs.times import Span, nanoseconds, zoned

if TYPE_CHECKING:
    from emulator.faults.occasions import Timing

DEVICE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[a-z]+$"
_LONGEST = 200


class Occasion(Table):
    """When something begins: once at its time, again and again, or on a condition."""

    lasts: Span | None = Field(
        default=None, description="Each time, such as 90s or 1h 30m; without it until it is ended"
    )
    when: str | None = Field(
        default=None,
        max_length=_LONGEST,
        description="A condition to wait for, such as frame 5 or read 1-0:1.8.0; `smets1 fault conditions` lists them",
    )
    every: Span | None = Field(default=None, description="It begins anew after so long")
    between: str | None = Field(
        default=None,
        max_length=_LONGEST,
        description="It begins at these times of day only, by the device's clock, such as 17:00-19:00; without when and"
        " every it is in force then, every day",
    )
    times: int | None = Field(default=None, description="It begins no more often; on a condition 1 by default")
    probability: float | None = Field(default=None, description="Of each beginning, above 0 and at most 1")

    def timing(self) -> Timing:
        """The same as :meth:`emulator.faults.injection.Faults.start` takes it."""
        return {
            "duration": None if self.lasts is None else nanoseconds(self.lasts),
            "when": self.when,
            "every": None if self.every is None else nanoseconds(self.every),
            "between": self.between,
            "times": self.times,
            "probability": self.probability,
        }


class Injected(Occasion):
    """A fault of the catalogue that is injected when the rig starts, or later."""

    fault: str = Field(max_length=_LONGEST, description="Its name: `smets1 fault list`")
    parameters: dict[str, int | Annotated[str, Field(max_length=_LONGEST)]] = Field(
        default_factory=dict[str, int | str], description="By name; `smets1 fault show` has units, ranges and defaults"
    )
    at: Annotated[datetime, AfterValidator(zoned)] | None = Field(
        default=None, description="When it begins, or when it begins to wait; a date and time with its zone"
    )
    after: Span | None = Field(default=None, description="The same, since the start of the rig")

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.at is not None and self.after is not None:
            raise ValueError("either at or after")
        return self


class FaultConfig(Injected):
    """A fault of one device."""

    device: str = Field(pattern=DEVICE_NAME, description="PREMISES/KIND, such as home/gas or home-3/gas")


class PremisesFaultConfig(Injected):
    """A fault of a device of these premises: of each of them, of every nth, or of a share of them."""

    device: Literal["hub", "electricity", "gas", "display"] = Field(description="Which device of the premises")
    nth: int = Field(default=1, ge=1, description="Of every nth premises, the first one among them")
    share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Of such a part of the premises, at least one, in place of nth; the seed says which",
    )

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.share is not None and self.nth != 1:
            raise ValueError("either nth or share")
        return self
