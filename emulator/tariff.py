"""Tariff switching: activity calendar, special days and register activation (classes 20, 11, 6), compiled to a plan.

A plan answers which switching comes next after a local second. Switchings that only select a mask of the meter's
register activation are regular: they need no trace and can be replayed. Other scripts are run as scripts are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast

from emulator.cosem.encoding import decoded
from emulator.cosem.model import ObjectModel
from emulator.cosem.view import InternalView
from emulator.scripts import SCRIPT_TABLE_CLASS, Action, ServiceId, parse_scripts
from protocols.dlms import axdr, datetime
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type
from protocols.errors import DecodeError

CALENDAR_CLASS, SPECIAL_DAYS_CLASS, ACTIVATION_CLASS = 20, 11, 6
SEASONS = "arr st{oct,oct12,oct}"
WEEKS = "arr st{oct,u8,u8,u8,u8,u8,u8,u8}"
DAYS = "arr st{u8,arr st{oct4,oct6,u16}}"
SPECIAL_DAYS = "arr st{u16,oct5,u8}"
ASSIGNMENT = "arr st{u16,oct6}"
MASKS = "arr st{oct,arr u8}"
_ANY_YEAR = 0xFFFF
_SEARCHED_DAYS = 800
_MAX_CACHED_DAYS = 2000
_MAX_PLANS = 64
_EMPTY = b"\x01\x00"  # an array without elements

_seasons, _weeks, _days = parse_type(SEASONS), parse_type(WEEKS), parse_type(DAYS)
_special_days, _assignment, _masks = parse_type(SPECIAL_DAYS), parse_type(ASSIGNMENT), parse_type(MASKS)
_octets = parse_type("oct")


_occurrence = lru_cache(maxsize=4096)(datetime.occurrence)


class Switching(NamedTuple):
    """Something a calendar does at a second of a day: select ``mask``, or run a script when ``mask`` is None."""

    second: int
    mask: bytes | None
    table: bytes
    selector: int


class Plan:
    """The active calendar of a meter, ready to be followed; shared by all meters with the same settings.

    ``masks`` maps a mask's name to the indices of the tariff registers it lets count.
    """

    __slots__ = ("_by_day", "_profiles", "_seasons", "_specials", "_weeks", "masks")

    def __init__(self, settings: PlanSettings, tariff_registers: Mapping[bytes, int]) -> None:
        """``tariff_registers`` maps logical names to indices. ValueError for settings of another shape."""
        self.masks = _mask_registers(settings, tariff_registers)
        self._seasons = [(start, week) for _, start, week in decoded(_seasons, settings.seasons)]
        self._weeks: dict[bytes, list[int]] = {name: days for name, *days in decoded(_weeks, settings.weeks)}
        self._specials: list[tuple[bytes, int]] = [
            (date, day_id) for _, date, day_id in decoded(_special_days, settings.special_days)
        ]
        self._profiles = {
            day_id: tuple(
                sorted(
                    switching
                    for time, table, selector in actions
                    if (switching := _switching(settings, time, table, selector)) is not None
                )
            )
            for day_id, actions in decoded(_days, settings.days)
        }
        self._by_day: dict[int, tuple[Switching, ...]] = {}

    def day(self, day: int) -> tuple[Switching, ...]:
        """What is switched on a local day (counted from 1970-01-01), in order of time."""
        found = self._by_day.get(day)
        if found is None:
            if len(self._by_day) >= _MAX_CACHED_DAYS:
                self._by_day.clear()
            found = self._by_day[day] = self._profiles.get(self.day_id(day), ())
        return found

    def day_id(self, day: int) -> int:
        """Number of the day profile of a local day; -1 where the calendar has none for it."""
        special = self.special(day)
        if special is not None:
            return special
        this_year = datetime.civil(day)[0]
        started = [
            (at, week)
            for start, week in self._seasons
            for year in _years_of(start, this_year)
            if (at := _occurrence(start, year)) is not None and at // datetime.DAY <= day
        ]
        if not started:
            return -1
        days = self._weeks.get(max(started)[1])
        return days[datetime.weekday_of(day) - 1] if days else -1

    def special(self, day: int) -> int | None:
        """Number of the day profile of a special day, None for an ordinary day."""
        return next((day_id for date, day_id in self._specials if datetime.date_matches(date, day)), None)

    def next(self, local: int) -> tuple[int, Switching] | None:
        """The first switching after a local second, and when; None when none comes in two years."""
        if not self._profiles:
            return None
        day, second = divmod(local, datetime.DAY)
        for switching in self.day(day):
            if switching.second > second:
                return day * datetime.DAY + switching.second, switching
        for later in range(day + 1, day + _SEARCHED_DAYS):
            switchings = self.day(later)
            if switchings:
                return later * datetime.DAY + switchings[0].second, switchings[0]
        return None

    def in_force(self, local: int) -> Switching | None:
        """The last switching at or before a local second; None when there was none for two years."""
        if not self._profiles:
            return None
        day, second = divmod(local, datetime.DAY)
        for earlier in range(day, day - _SEARCHED_DAYS, -1):
            switchings = self.day(earlier)
            count = bisect_right([item.second for item in switchings], second) if earlier == day else len(switchings)
            if count:
                return switchings[count - 1]
        return None


def _years_of(start: bytes, this_year: int) -> tuple[int, ...]:
    """Years in which a season may have begun last: its own year where it has one, however long ago."""
    year = int.from_bytes(start[:2], "big")
    return (this_year, this_year - 1) if year == _ANY_YEAR else (year,)


class PlanSettings(NamedTuple):
    """What a plan is made from: encoded attributes, and the script tables that the calendar names."""

    seasons: bytes = _EMPTY
    weeks: bytes = _EMPTY
    days: bytes = _EMPTY
    special_days: bytes = _EMPTY
    assignment: bytes = _EMPTY
    masks: bytes = _EMPTY
    scripts: tuple[tuple[bytes, bytes], ...] = ()
    activation: bytes = b""
    """Logical name of the register activation object, empty without one."""


def script_tables(days: bytes) -> list[bytes]:
    """Logical names of the script tables that encoded day profiles name; ValueError for another shape."""
    return sorted({table for _, actions in decoded(_days, days) for _, table, _ in actions})


def _switching(settings: PlanSettings, time: bytes, table: bytes, selector: int) -> Switching | None:
    """A day profile's action; None when its time is not one or its script does not exist."""
    second = datetime.first_time(time)
    if second is None:
        return None
    encoded = dict(settings.scripts).get(table)
    actions = parse_scripts(encoded).get(selector) if encoded is not None else None
    if actions is None:
        return None
    return Switching(second, _selected_mask(settings.activation, actions), table, selector)


def _selected_mask(activation: bytes, actions: tuple[Action, ...]) -> bytes | None:
    """The mask that a script selects when that is all it does."""
    if len(actions) != 1 or not activation:
        return None
    (action,) = actions
    descriptor = ACTIVATION_CLASS.to_bytes(2, "big") + activation + b"\x04"
    if action.service is not ServiceId.WRITE or action.descriptor != descriptor:
        return None
    data = axdr.decode_all(action.parameter)
    return _octets.decode(data) if _octets.check(data) else None


def _mask_registers(settings: PlanSettings, tariff_registers: Mapping[bytes, int]) -> dict[bytes, tuple[int, ...]]:
    """Tariff register indices by mask; entries that name no tariff register of the meter count nothing."""
    assigned: list[int | None] = [
        tariff_registers.get(logical_name) for _, logical_name in decoded(_assignment, settings.assignment)
    ]
    masks: dict[bytes, tuple[int, ...]] = {}
    for name, indices in decoded(_masks, settings.masks):
        registers: set[int] = set()
        for index in cast(list[int], indices):
            register = assigned[index] if index < len(assigned) else None
            if register is not None:
                registers.add(register)
        masks[name] = tuple(sorted(registers))
    return masks


def script_descriptor(table: bytes) -> bytes:
    """Attribute descriptor of a script table's scripts."""
    return SCRIPT_TABLE_CLASS.to_bytes(2, "big") + table + b"\x02"


NO_PLAN: Plan = Plan(PlanSettings(), {})


def current_plan(view: InternalView) -> Plan:
    """The plan of a device's settings as they are, shared with other devices that have the same.

    Settings that make no sense together switch nothing.
    """
    model = view.model
    plans: dict[PlanSettings, Plan] = model.shared.setdefault("plans", {})
    try:
        settings = _settings(view)
        plan = plans.get(settings)
        if plan is None:
            if len(plans) >= _MAX_PLANS:
                plans.clear()
            plan = plans[settings] = Plan(settings, tariff_registers(model))
    except (ValueError, DecodeError, AccessRefused):
        return NO_PLAN
    return plan


def _settings(view: InternalView) -> PlanSettings:
    calendar, activation = _first(view, CALENDAR_CLASS), _first(view, ACTIVATION_CLASS)
    if calendar is None or activation is None:
        return PlanSettings()
    read, special = view.read, _special_days_of(view)
    days = read(calendar + b"\x05")
    tables = [table for table in script_tables(days) if view.model.find(script_descriptor(table)) is not None]
    return PlanSettings(
        seasons=read(calendar + b"\x03"),
        weeks=read(calendar + b"\x04"),
        days=days,
        special_days=read(special + b"\x02") if special else _EMPTY,
        assignment=read(activation + b"\x02"),
        masks=read(activation + b"\x03"),
        scripts=tuple((table, read(script_descriptor(table))) for table in tables),
        activation=activation[2:],
    )


def first_mask(view: InternalView) -> bytes:
    """The active mask as delivered, empty without a register activation."""
    activation = _first(view, ACTIVATION_CLASS)
    return cast(bytes, axdr.decode_all(view.read(activation + b"\x04")).value) if activation else b""


def _first(view: InternalView, class_id: int) -> bytes | None:
    """Class and logical name, as in a descriptor, of the first object of a class."""
    items = view.model.by_class.get(class_id)
    return class_id.to_bytes(2, "big") + items[0].logical_name if items else None


def _special_days_of(view: InternalView) -> bytes | None:
    """Class and logical name of the tariff's special days; passive ones, and those of other calendars, are not."""
    items = view.model.by_class.get(SPECIAL_DAYS_CLASS, ())
    found = next((item.logical_name for item in items if item.source == "special_days"), None)
    return SPECIAL_DAYS_CLASS.to_bytes(2, "big") + found if found else None


def tariff_registers(model: ObjectModel) -> dict[bytes, int]:
    """Index, from 0, of each tariff register object by logical name: those with a source ``....tou.N``."""
    found: dict[bytes, int] | None = model.shared.get("tariff registers")
    if found is None:
        found = {}
        for item in model.objects.values():
            family, _, member = item.source.rpartition(".")
            if family.endswith(".tou") and member.isdigit():
                found[item.logical_name] = int(member) - 1
        model.shared["tariff registers"] = found
    return found


def activate_passive(view: InternalView) -> bool:
    """Put the passive calendar in place of the active one; whether there is a calendar."""
    calendar = _first(view, CALENDAR_CLASS)
    if calendar is None:
        return False
    values = view.device.values
    for index in range(2, 6):
        values[calendar + bytes((index,))] = view.read(calendar + bytes((index + 4,)))
    values[calendar + b"\x0a"] = axdr.octets(datetime.UNSPECIFIED)
    return True


def next_activation(view: InternalView, local: int) -> int | None:
    """Local second after ``local`` at which the passive calendar takes over; None when none is set or it is over."""
    calendar = _first(view, CALENDAR_CLASS)
    if calendar is None:
        return None
    pattern = cast(bytes, axdr.decode_all(view.read(calendar + b"\x0a")).value)
    if pattern[:8] in (datetime.UNSPECIFIED[:8], bytes(8)):
        return None
    return datetime.next_match(pattern[:5], pattern[5:9], local)
