"""Plays a scenario in stepped time: no second of it depends on the machine, and a seed gives the same result again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from emulator.faults.parameters import FaultError
from rigs.control.desk import DeskError
from rigs.driver import ClockMode
from rigs.rig import Rig
from rigs.scenario import deeds, expectations
from rigs.scenario.head_end import HeadEndError
from rigs.scenario.stage import Stage, Unmet
from rigs.times import LONGEST, nanoseconds, shown, utc_of

if TYPE_CHECKING:
    from rigs.scenario.schema import Scenario, Step

_WORDS = {
    "load": "a load is drawn",
    "tap": "a tap is turned",
    "press": "keys are pressed",
    "top_up": "a token is entered",
    "power": "power is switched",
    "clock": "a clock is set",
    "join": "a device joins",
    "replace_gas": "the gas meter is replaced",
    "replace_hub": "the hub is replaced",
    "back_up": "the HAN is backed up",
    "restore": "the backup is restored",
    "device_log": "the device log is updated",
    "network_key": "the network key is changed",
    "price": "a price is set",
    "set": "an attribute is set",
    "action": "a method is run",
    "fault": "a fault begins",
    "end_fault": "a fault ends",
}
_EXPECTED, _WAITED = "is as expected", "time passes"


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of a step. ``began`` and ``ended`` are the rig's UTC, ns; ``failure`` is one line, empty for success.

    ``broken`` says that the step could not be done at all, as it names what is not there.
    """

    number: int
    name: str
    began: int
    ended: int
    failure: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario."""

    scenario: str
    """The name of its file."""
    title: str
    seed: int
    began: int
    ended: int
    steps: tuple[StepResult, ...]

    @property
    def failures(self) -> int:
        """Steps that did not end well."""
        return sum(bool(step.failure) for step in self.steps)


def play(scenario: Scenario, told: Callable[[StepResult], None] | None = None) -> Result:
    """Play it to its end, whatever fails; ``told`` hears of each step. Raises ConfigError when the rig cannot start."""
    return asyncio.run(_play(scenario, told))


async def _play(scenario: Scenario, told: Callable[[StepResult], None] | None) -> Result:
    rig = Rig(scenario.rig, mode=ClockMode.STEPPED)
    await rig.start()
    try:
        stage = Stage(rig)
        steps: list[StepResult] = []
        for number, step in enumerate(scenario.config.step, 1):
            steps.append(_take(stage, number, step))
            if told is not None:
                told(steps[-1])
        config = scenario.config
        return Result(scenario.name, config.title, rig.file.config.seed, stage.began, rig.clock.now, tuple(steps))
    finally:
        await rig.stop()


def _take(stage: Stage, number: int, step: Step) -> StepResult:
    failure, broken = "", False
    try:
        _wait(stage, step)
    except Unmet as error:
        failure, broken = str(error), True
    began = stage.rig.clock.now
    if not failure:
        try:
            stage.desk.act(lambda: deeds.do(stage, step))
            _expect(stage, step)
        except Unmet as error:
            failure = str(error)
        except (DeskError, HeadEndError, FaultError) as error:
            failure, broken = str(error), True
    return StepResult(number, _name(step), began, stage.rig.clock.now, " ".join(failure.split()), broken)


def _name(step: Step) -> str:
    if step.name:
        return step.name
    verb = step.verb
    if verb is not None:
        target = getattr(step, verb)
        where = getattr(target, "device", None) or getattr(target, "premises", None) or target.label
        return f"{where}: {_WORDS[verb]}"
    return f"{step.expect[0].device}: {_EXPECTED}" if step.expect else _WAITED


def _wait(stage: Stage, step: Step) -> None:
    now = stage.rig.clock.now
    match step.at:
        case None:
            due = now + (nanoseconds(step.after) if step.after else 0)
        case datetime():
            due = utc_of(step.at)
        case span:
            due = stage.began + nanoseconds(span)
    if due < now:
        raise Unmet(f"at {shown(due)}: it is {shown(now)} already; steps go by time")
    if due - now > LONGEST:
        raise Unmet(f"at {shown(due)}: more than 400 days after the step before, at {shown(now)}")
    stage.rig.driver.advance(due - now)


def _expect(stage: Stage, step: Step) -> None:
    """Look at what is expected until all of it is so, as long as the step gives it; raises Unmet."""
    every = nanoseconds(step.every)
    latest = stage.rig.clock.now + (nanoseconds(step.within) if step.within else 0)
    while True:
        try:
            for expect in step.expect:
                stage.desk.act(lambda expect=expect: expectations.check(stage, expect))
        except Unmet as error:
            left = latest - stage.rig.clock.now
            if left <= 0:
                waited = f" (within {step.within})" if step.within else ""
                raise Unmet(f"{error}{waited}") from None
            stage.rig.driver.advance(min(every, left))
        else:
            return
