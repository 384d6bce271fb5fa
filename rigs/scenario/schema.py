"""The scenario file: what is in it, what it means, and the one line a person gets when it is wrong.

A scenario is TOML: a title, a rig (a file's name, or its tables) and steps. Each step happens at a time (``at``
since the beginning, or a date and time; ``after`` the step before; else at once) and does one thing, or expects
something, or both.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from emulator.events import EventName
from emulator.faults.catalogue import CATALOGUE
from rigs.config import ConfigError, RigConfig, RigFile, describe, load_rig, make_rig
from rigs.scenario import verbs
from rigs.scenario.verbs import DeviceName, Model, ObjectName
from rigs.system_errors import reason
from rigs.times import Moment, Span, nanoseconds

MOST_STEPS = 10_000
MOST_LOOKS = 100_000
"""How often a step may look whether what it expects has come true."""
VERBS = (
    "load",
    "tap",
    "press",
    "top_up",
    "power",
    "clock",
    "join",
    "replace_gas",
    "replace_hub",
    "back_up",
    "restore",
    "device_log",
    "network_key",
    "price",
    "set",
    "action",
    "fault",
    "end_fault",
)
"""What a step can do, at most one of them."""

_NUMBERED = re.compile(r"(?<=^gas)-[0-9]+$|(?<=^hub)-[0-9]+$", re.ASCII)
"""What the name of a gas meter or hub has that took another's place."""

Range = Annotated[list[float], Field(min_length=2, max_length=2)]


class Reading(Model):
    """What a head-end reads, through the hub where the premises have one."""

    object: ObjectName
    attribute: int = Field(default=2, ge=1, le=127)
    association: str = "management"
    between: Range | None = Field(default=None, description="Lowest and highest number, as the meter gives it")
    equals: str | None = Field(default=None, description="The value as smets1 read shows it, without its unit")
    refused: str | None = Field(default=None, description="What is answered instead of a value, in part")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(item is not None for item in (self.between, self.equals, self.refused)) != 1:
            raise ValueError("one of between, equals and refused")
        return self


class Expect(Model):
    """What must be so of one device. Everything that is said is looked at."""

    device: DeviceName
    power: str | None = Field(default=None, pattern="^(on|starting|off)$", description="on, starting or off")
    supply: str | None = Field(default=None, pattern="^(on|armed|off)$", description="on, armed or off")
    display: str | None = Field(default=None, description="The display shows this somewhere; empty: it is off")
    balance_pence: Range | None = Field(default=None, description="The meter balance, lowest and highest")
    mode: str | None = Field(default=None, pattern="^(credit|prepayment)$", description="credit or prepayment")
    event: EventName | None = Field(default=None, description="It has been logged since the scenario began")
    no_event: EventName | None = Field(default=None, description="It has not been logged since the scenario began")
    on_han: bool | None = Field(default=None, description="Whether it communicates over the HAN")
    in_log: bool | None = Field(default=None, description="Whether the device log of the hub has it")
    mirrored: bool | None = Field(default=None, description="Of a gas meter: whether head-ends find its mirror")
    reading: Reading | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if len(self.model_fields_set) < 2:
            raise ValueError("something to expect of it")
        return self


class Step(Model):
    """One step."""

    name: str = Field(default="", max_length=200, description="What happens, for people")
    at: Moment | None = Field(default=None, description="Since the beginning, such as 1h 30m; or date and time")
    after: Span | None = Field(default=None, description="Since the step before")
    within: Span | None = Field(
        default=None, description="expect may take so long to come true; it is tried each every"
    )
    every: Span = "1m"
    expect: tuple[Expect, ...] = ()

    load: verbs.Load | None = None
    tap: verbs.Tap | None = None
    press: verbs.Press | None = None
    top_up: verbs.TopUp | None = None
    power: verbs.Power | None = None
    clock: verbs.SetClock | None = None
    join: verbs.Join | None = None
    replace_gas: verbs.Premises | None = Field(default=None, description="A new gas meter in the old one's place")
    replace_hub: verbs.Premises | None = Field(default=None, description="A new hub in the old one's place")
    back_up: verbs.Premises | None = Field(default=None, description="The head-end reads the backup of the HAN")
    restore: verbs.Premises | None = Field(default=None, description="The head-end gives it to the hub that is there")
    device_log: verbs.DeviceLog | None = None
    network_key: verbs.Premises | None = Field(default=None, description="The head-end has the network key changed")
    price: verbs.Price | None = None
    set: verbs.Set | None = None
    action: verbs.Action | None = None
    fault: verbs.Fault | None = None
    end_fault: verbs.EndFault | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        given = [name for name in VERBS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: a step does one thing")
        if self.at is not None and self.after is not None:
            raise ValueError("either at or after")
        if self.within is not None and not self.expect:
            raise ValueError("within needs something to expect")
        every = nanoseconds(self.every)
        if every == 0:
            raise ValueError("every must be more than 0s")
        if self.within is not None and nanoseconds(self.within) // every > MOST_LOOKS:
            raise ValueError(f"within is more than {MOST_LOOKS} times every; look less often")
        return self

    @property
    def verb(self) -> str | None:
        """What it does, None for nothing."""
        return next((name for name in VERBS if getattr(self, name) is not None), None)


class ScenarioConfig(Model):
    """A scenario."""

    title: str = Field(min_length=1, max_length=200, description="What it is about")
    rig_file: str | None = Field(default=None, min_length=1, description="The rig's file, relative to this one")
    rig: RigConfig | None = Field(default=None, description="The rig itself; without either it is the built-in rig")
    step: tuple[Step, ...] = Field(min_length=1, max_length=MOST_STEPS)

    @model_validator(mode="after")
    def _one_rig(self) -> Self:
        if self.rig_file is not None and self.rig is not None:
            raise ValueError("either rig_file or a [rig] table")
        return self


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that has been read, and its rig."""

    config: ScenarioConfig
    rig: RigFile
    name: str
    """How messages call it: the file's name."""


def load_scenario(path: Path, seed: int | None = None) -> Scenario:
    """Read a scenario; raises :class:`rigs.config.ConfigError`. ``seed`` goes before that of the rig."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; a scenario is TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {reason(error)}") from None
    return make_scenario(content, path, seed)


def make_scenario(tables: Mapping[str, object], path: Path, seed: int | None = None) -> Scenario:
    """A scenario from tables as TOML would give them; raises :class:`rigs.config.ConfigError`."""
    try:
        config = ScenarioConfig.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error, ScenarioConfig)}") from None
    if config.rig_file is not None:
        given = load_rig(path.parent / config.rig_file)
        file, rig_path = given.config, given.path
    else:
        file, rig_path = config.rig or RigConfig(), path
    if seed is not None:
        file = file.model_copy(update={"seed": seed})
    rig = make_rig(_alone(file), rig_path)
    for where, text in _misnamed(config, rig):
        raise ConfigError(f"{path}: {where}: {text}")
    return Scenario(config, rig, path.name)


def _misnamed(config: ScenarioConfig, rig: RigFile) -> Iterator[tuple[str, str]]:
    """Names in steps of what the rig never has: where they are, and what is wrong with them."""
    kinds = {spec.name: [device.kind for device in spec.devices()] for spec in rig.specs}
    for number, step in enumerate(config.step):
        verb = step.verb
        for place, given in _names(step, verb):
            premises, _, kind = given.partition("/")
            where = f"step.{number}.{place}"
            if premises not in kinds:
                some = ", ".join(list(kinds)[:5])
                yield where, f"{given}: no such premises; there are {some}{', ...' if len(kinds) > 5 else ''}"
            elif kind and _NUMBERED.sub("", kind) not in kinds[premises]:
                yield where, f"{given}: no such device; there are {', '.join(kinds[premises])}"
        if step.fault is not None and step.fault.name not in CATALOGUE:
            yield f"step.{number}.fault.name", f"{step.fault.name}: no such fault; `smets1 fault list` names them"


def _names(step: Step, verb: str | None) -> Iterator[tuple[str, str]]:
    """Devices and premises that a step names, with their places in it."""
    deed = None if verb is None else getattr(step, verb)
    for field in ("device", "premises"):
        given = getattr(deed, field, None)
        if given is not None:
            yield f"{verb}.{field}", given
    if step.device_log is not None:
        for field in ("remove", "add"):
            for index, given in enumerate(getattr(step.device_log, field)):
                yield f"device_log.{field}.{index}", given
    for index, expect in enumerate(step.expect):
        yield f"expect.{index}.device", expect.device


def _alone(config: RigConfig) -> RigConfig:
    """Its clock, faults and premises, without a port: a scenario begins anew each time, and needs nothing else."""
    premises = tuple(
        each.model_copy(
            update={
                kind: device.model_copy(update={"ports": {}})
                for kind in ("hub", "electricity", "gas")
                if (device := getattr(each, kind)) is not None
            }
        )
        for each in config.premises
    )
    return RigConfig(seed=config.seed, clock=config.clock, faults=config.faults, premises=premises)


def schema() -> dict[str, object]:
    """JSON Schema of a scenario, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ScenarioConfig.model_json_schema()}
