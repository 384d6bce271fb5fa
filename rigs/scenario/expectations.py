"""What a step expects of a device, and the sentence where it is otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from emulator.gas import GasMeter
from emulator.prepayment.money import PENNY
from rigs.control import desk
from rigs.control.desk import DeskError
from rigs.cosem_text import value_text
from rigs.scenario.head_end import HeadEndError
from rigs.scenario.stage import Stage, Unmet, events_text

if TYPE_CHECKING:
    from emulator.device import Device
    from rigs.scenario.schema import Expect, Reading

_SHOWN = 200  # characters of what was found


def check(stage: Stage, expect: Expect) -> None:
    """Raises Unmet with all that is otherwise, DeskError for what the device has not."""
    device = stage.device(expect.device)
    found = [text for one in _CHECKS for text in one(stage, device, expect)]
    if found:
        raise Unmet(f"{expect.device}: {'; '.join(found)}")


def _differs(what: str, expected: object, found: object) -> Iterator[str]:
    if expected is not None and expected != found:
        yield f"{what}: expected {_text(expected)}, found {_text(found)}"


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "none: it has none"
        case _:
            text = " / ".join(str(value).splitlines())
            return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}.."


def _state(_stage: Stage, device: Device, expect: Expect) -> Iterator[str]:
    if {"power", "supply", "mode", "display"} & expect.model_fields_set:
        state = desk.look(device)
        yield from _differs("power", expect.power, state.power)
        yield from _differs("supply", expect.supply, state.supply)
        yield from _differs("mode", expect.mode, state.mode)
        shown = state.display
        if expect.display and (shown is None or expect.display not in shown):
            yield f"display: expected to contain {expect.display!r}, found {_text(shown or 'a display that is off')}"
        elif expect.display == "":
            yield from _differs("display", "", shown)


def _balance(_stage: Stage, device: Device, expect: Expect) -> Iterator[str]:
    if expect.balance_pence is not None:
        low, high = expect.balance_pence
        balance = desk.settled_account_of(device).balance
        if not low * PENNY <= balance <= high * PENNY:
            yield f"balance: expected {low:g} to {high:g} pence, found {balance / PENNY:g}"


def _events(stage: Stage, device: Device, expect: Expect) -> Iterator[str]:
    if expect.event is not None or expect.no_event is not None:
        device.settle()
        logged = stage.logged(device)
        if expect.event is not None and expect.event not in logged:
            yield f"log: expected {expect.event}, found {events_text(logged)}"
        if expect.no_event is not None and expect.no_event in logged:
            yield f"log: expected no {expect.no_event}, found {events_text(logged)}"


def _han(stage: Stage, device: Device, expect: Expect) -> Iterator[str]:
    if expect.on_han is None and expect.in_log is None and expect.mirrored is None:
        return
    hub = stage.premises_of(device).hub
    if hub is None:
        raise DeskError(f"{expect.device}: its premises have no hub, and so no HAN")
    on = any(member.device is device and member.on for member in hub.han.members)
    yield from _differs("on the HAN", expect.on_han, on)
    yield from _differs("in the hub's device log", expect.in_log, device.identity.eui64 in hub.han.log.entries)
    mirror = hub.mirror
    mirrored = isinstance(device, GasMeter) and mirror is not None and mirror.gas is device and hub.filled
    yield from _differs("mirrored by the hub", expect.mirrored, mirrored)


def _reading(stage: Stage, device: Device, expect: Expect) -> Iterator[str]:
    reading = expect.reading
    if reading is not None:
        what = f"{reading.object}:{reading.attribute}"
        try:
            value = stage.read(device, reading.association, reading.object, reading.attribute)
        except HeadEndError as error:
            if reading.refused is None or reading.refused not in str(error):
                yield f"{what}: expected {_wanted(reading)}, found no value: {error}"
            return
        text = value_text(value)
        if reading.refused is not None:
            yield f"{what}: expected {_wanted(reading)}, found {_text(text)}"
        elif reading.equals is not None:
            yield from _differs(what, reading.equals, text)
        elif reading.between is not None:
            number = value.value
            low, high = reading.between
            if isinstance(number, bool) or not isinstance(number, int | float) or not low <= number <= high:
                yield f"{what}: expected {_wanted(reading)}, found {_text(text)}"


def _wanted(reading: Reading) -> str:
    if reading.refused is not None:
        return f"no value ({reading.refused})"
    if reading.between is not None:
        return f"{reading.between[0]:.12g} to {reading.between[1]:.12g}"
    return _text(reading.equals)


_CHECKS: tuple[Callable[[Stage, Device, Expect], Iterator[str]], ...] = (_state, _balance, _events, _han, _reading)
