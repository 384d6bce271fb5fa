"""What a step of a scenario can do: one model a verb, with everything that may be said about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from emulator.front import parse_keys
from protocols import obis
from protocols.tokens.scheme import Outcome
from rigs.config import Occasion
from rigs.times import Span, zoned

_DEVICE = r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[a-z0-9-]+$"
DeviceName = Annotated[str, Field(pattern=_DEVICE, description="PREMISES/KIND, such as home/electricity")]
PremisesName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="A premises of the rig")]
Zoned = Annotated[datetime, AfterValidator(zoned)]


class Model(BaseModel):
    """What is not known is refused; what was read stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _object(text: str) -> str:
    """``[CLASS/]LOGICAL NAME``: ValueError for anything else."""
    class_id, slash, name = text.rpartition("/")
    if slash and not (class_id.isascii() and class_id.isdigit() and int(class_id) <= 0xFFFF):
        raise ValueError("an object such as 1-0:1.8.0 or 104/0-0:30.3.0")
    obis.parse(name)
    return text


ObjectName = Annotated[
    str, AfterValidator(_object), Field(description="[CLASS/]LOGICAL NAME, such as 1-0:1.8.0 or 104/0-0:30.3.0")
]


class Load(Model):
    """What is drawn through a meter from now on."""

    device: DeviceName
    watts: float | None = Field(default=None, ge=-100_000, le=100_000, description="Of electricity; negative: exported")
    cubic_metres_per_hour: float | None = Field(default=None, ge=0, le=100, description="Of gas")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.watts is None) == (self.cubic_metres_per_hour is None):
            raise ValueError("either watts or cubic_metres_per_hour")
        return self


class Tap(Model):
    """An appliance behind a gas meter is left open, or closed."""

    device: DeviceName
    litres_per_hour: int = Field(ge=0, le=100_000, description="0 closes it")


class Press(Model):
    """Keys are pressed at a meter or a display."""

    device: DeviceName
    keys: str = Field(
        description="Digits, < back-space, c clear, # enter, > scroll, s supply button, e emergency credit"
    )

    @field_validator("keys")
    @classmethod
    def _keys(cls, keys: str) -> str:
        parse_keys(keys)
        return keys


class TopUp(Model):
    """A token is entered at a meter; the step fails unless that comes of it which is expected."""

    device: DeviceName
    pence: int | None = Field(default=None, ge=1, le=1_000_000, description="A new token of this worth is bought")
    token: str | None = Field(
        default=None, description="What the scenario calls the token; without pence the one bought before under it"
    )
    mistyped: bool = Field(default=False, description="Its last digit is typed wrong")
    way: Literal["keypad", "display"] = Field(default="keypad", description="Typed in at the meter, or at a display")
    outcome: str = Field(default="accepted", description="What becomes of it: accepted, duplicate, check_digit, ..")

    @field_validator("outcome")
    @classmethod
    def _outcome(cls, outcome: str) -> str:
        names = [item.name.lower() for item in Outcome]
        if outcome not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return outcome

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.pence is None and self.token is None:
            raise ValueError("pence for a new token, or the token that was bought before")
        return self


class Power(Model):
    """Mains (or the battery of a gas meter) come or go."""

    device: DeviceName
    state: Literal["on", "off"]


class SetClock(Model):
    """Somebody sets a device's own clock wrong, or right: the rig's clock stays as it is."""

    device: DeviceName
    forward: Span | None = Field(default=None, description="By so much")
    back: Span | None = Field(default=None, description="By so much")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.forward is None) == (self.back is None):
            raise ValueError("either forward or back")
        return self


class Join(Model):
    """The button by which a device looks for its network is pressed; the step fails unless it is on it then."""

    device: DeviceName
    refused: str | None = Field(default=None, description="Why it is expected not to be let in, in part")


class Premises(Model):
    """A deed that needs no more than the premises."""

    premises: PremisesName


class DeviceLog(Premises):
    """The head-end updates the hub's device log (service request 8.11): removes, adds, lets devices join.

    Devices by the names that were given to them: ``home/gas`` is the first gas meter of the premises, ``home/gas-2``
    the one that took its place.
    """

    remove: tuple[DeviceName, ...] = Field(default=(), description="Removed, and told to leave if they hear")
    add: tuple[DeviceName, ...] = Field(default=(), description="Registered with the link keys of their install codes")
    permit: bool = Field(default=True, description="Opens the permit-join window after that")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.remove and not self.add and not self.permit:
            raise ValueError("something to remove, to add or to permit")
        return self


class Price(Model):
    """The head-end gives a meter another price (class 113): one for all rates, at once or later."""

    device: DeviceName
    pence: float = Field(ge=0, le=1000, description="For a kWh, in hundredths of a penny at most")
    starts: Zoned | None = Field(default=None, description="When it takes over, by the meter's clock; at once without")


class Set(Model):
    """The head-end writes an attribute."""

    device: DeviceName
    object: ObjectName
    attribute: int = Field(default=2, ge=1, le=127)
    value: object = Field(description="A value of the attribute's type; hex:... for octets, a date and time for twelve")
    association: str = "management"
    refused: str | None = Field(default=None, description="What the answer is expected to be, in part, if no success")


class Action(Model):
    """The head-end runs a method."""

    device: DeviceName
    object: ObjectName
    method: int = Field(ge=1, le=127)
    value: object = Field(default=0, description="Its parameter; hex:... for octets, a date and time for twelve")
    association: str = "management"
    refused: str | None = Field(default=None, description="What the answer is expected to be, in part, if no success")


class Fault(Occasion):
    """A fault of the catalogue (`smets1 fault list`) is injected."""

    device: DeviceName
    name: str = Field(description="As the catalogue has it")
    parameters: dict[str, int | str] = Field(default_factory=dict, description="By their names in the catalogue")
    label: str | None = Field(default=None, description="What the scenario calls it, to end it by")


class EndFault(Model):
    """A fault that was injected ends."""

    label: str = Field(description="As its step called it")
