"""Faults of a running rig: the catalogue, what was injected, and the verbs that begin and end it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.faults.catalogue import CATALOGUE
from emulator.faults.injection import Injection, UnknownFaultError
from emulator.faults.occasions import MILLION, between_text
from emulator.faults.parameters import FaultError, ParameterError
from emulator.faults.triggers import TRIGGERS
from rigs.control.desk import BadInputError, Desk, DeskError, NotThereError
from rigs.driver import SECOND

if TYPE_CHECKING:
    from emulator.faults.fault import Fault
    from emulator.faults.parameters import Parameter


@dataclass(frozen=True, slots=True)
class ParameterState:
    """A parameter of a fault. ``range`` says what is allowed; without a ``default`` the value is one of chance."""

    name: str
    text: str
    unit: str
    range: str
    default: int | str | None


@dataclass(frozen=True, slots=True)
class FaultState:
    """A fault of the catalogue.

    ``kinds`` are those of devices that it can be injected into, ``symptoms`` what is seen from outside, ``culprit`` who
    is to blame (a device, a function of the hub, or what lies between), ``truth`` why, ``ends`` how it is after the
    end. A ``momentary`` one is over as soon as it has begun.
    """

    name: str
    layer: str
    text: str
    kinds: list[str]
    parameters: list[ParameterState]
    symptoms: list[str]
    culprit: str
    truth: str
    ends: str
    momentary: bool


@dataclass(frozen=True, slots=True)
class ConditionState:
    """A condition that an injection can wait for: how it is written, what it means, devices that can have it."""

    form: str
    text: str
    kinds: list[str]


@dataclass(frozen=True, slots=True)
class InjectionState:
    """One injection of a fault into ``device`` (``premises/kind``).

    ``state`` is ``waiting``, ``active``, ``ended`` or ``failed``; ``failure`` is why one that waited could not begin.
    Instants are the rig's, ns of UTC; ``begins_at`` is null while it waits for a condition, which ``waits_for`` says in
    words; ``ends_at`` is null for one that lasts until somebody ends it. ``occurrences`` is how often it has begun, of
    ``times`` at most (null: no end), ``passed`` how often it could have and did not, by chance or for the time of day.
    ``when``, ``every_seconds`` and ``between`` are null where nothing of the kind was asked for. ``blamed`` is the id
    of the device to look at, once it has begun. The rest is the catalogue's.
    """

    id: str
    fault: str
    device: str
    parameters: dict[str, int | str]
    state: str
    begins_at: int | None
    waits_for: str | None
    occurrences: int
    passed: int
    when: str | None
    every_seconds: float | None
    between: str | None
    times: int | None
    probability: float
    ends_at: int | None
    ended_at: int | None
    failure: str | None
    culprit: str
    blamed: str | None
    truth: str
    symptoms: list[str]
    ends: str


def catalogue() -> list[FaultState]:
    """The faults there are to inject."""
    return [describe(fault) for fault in CATALOGUE.values()]


def conditions() -> list[ConditionState]:
    """The kinds of conditions that an injection can wait for."""
    return [ConditionState(trigger.form, trigger.text, list(trigger.kinds)) for trigger in TRIGGERS.values()]


def describe(fault: Fault) -> FaultState:
    """A fault of the catalogue, for people and programs."""
    return FaultState(
        name=fault.name,
        layer=fault.layer.name.lower(),
        text=fault.text,
        kinds=list(fault.kinds),
        parameters=[_parameter(parameter) for parameter in fault.parameters],
        symptoms=list(fault.symptoms),
        culprit=fault.culprit.value,
        truth=fault.truth,
        ends=fault.ends,
        momentary=fault.momentary,
    )


def _parameter(parameter: Parameter) -> ParameterState:
    return ParameterState(
        name=parameter.name,
        text=parameter.text,
        unit=parameter.unit,
        range=parameter.range,
        default=parameter.default,
    )


def _answer(injection: Injection) -> InjectionState:
    fault, occasions = injection.fault, injection.occasions
    return InjectionState(
        id=injection.id,
        fault=fault.name,
        device=injection.target,
        parameters=fault.shown(injection.values),
        state=injection.state.value,
        begins_at=injection.begins_at,
        waits_for=injection.waits_for,
        occurrences=injection.occurrences,
        passed=injection.passed,
        when=None if occasions.condition is None else str(occasions.condition),
        every_seconds=None if occasions.every is None else occasions.every / SECOND,
        between=None if occasions.between is None else between_text(occasions.between),
        times=occasions.times,
        probability=occasions.probability / MILLION,
        ends_at=injection.ends_at,
        ended_at=injection.ended_at,
        failure=injection.failure or None,
        culprit=fault.culprit.value,
        blamed=injection.blamed or None,
        truth=fault.truth,
        symptoms=list(fault.symptoms),
        ends=fault.ends,
    )


def injections(desk: Desk) -> list[InjectionState]:
    """All there are, and the latest of those that are over."""
    return desk.act(lambda: [_answer(injection) for injection in desk.rig.faults])


def injection(desk: Desk, id: str) -> InjectionState:
    """One of them; NotThereError without it."""
    return _at(desk, lambda: desk.rig.faults.find(id))


def start(
    desk: Desk,
    fault: str,
    device: str,
    parameters: Mapping[str, object] | None = None,
    *,
    at: int | None = None,
    after_seconds: float | None = None,
    seconds: float | None = None,
    when: str | None = None,
    every_seconds: float | None = None,
    between: str | None = None,
    times: int | None = None,
    probability: float | None = None,
) -> InjectionState:
    """Inject a fault into a device, at an instant (ns of UTC), after so long, or at once, for ``seconds``.

    ``when`` is a condition to wait for, ``every_seconds`` has it begin again and again, ``between`` at some times of
    day only; see :meth:`emulator.faults.injection.Faults.start`. DeskError for what is not there, makes no sense or
    cannot be done now.
    """
    if at is not None and after_seconds is not None:
        raise BadInputError(f"{fault}: at and after_seconds: give one of them")

    def begin() -> Injection:
        rig = desk.rig
        return rig.faults.start(
            fault,
            device,
            parameters,
            at=at if after_seconds is None else rig.clock.now + round(after_seconds * SECOND),
            duration=None if seconds is None else round(seconds * SECOND),
            when=when,
            every=None if every_seconds is None else round(every_seconds * SECOND),
            between=between,
            times=times,
            probability=probability,
        )

    return _at(desk, begin)


def end(desk: Desk, id: str) -> InjectionState:
    """End one, or take back one that waits; NotThereError without it."""
    return _at(desk, lambda: desk.rig.faults.end(id))


def _at(desk: Desk, act: Callable[[], Injection]) -> InjectionState:
    try:
        return _answer(desk.act(act))
    except UnknownFaultError as error:
        raise NotThereError(str(error)) from None
    except ParameterError as error:
        raise BadInputError(str(error)) from None
    except FaultError as error:
        raise DeskError(str(error)) from None
