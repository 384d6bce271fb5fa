"""The tables ``display`` and ``in_home`` of a display of the HAN, checked and compiled."""

from __future__ import annotations

from functools import partial

from emulator import templates
from emulator.display_text import FIELDS
from emulator.firmware import Ability, DisplaySettings, Notice
from emulator.time import SECOND
from firmware_profiles.schema import Profile
from firmware_profiles.texts import checked, screens

_NOTICES = {notice.value: notice for notice in Notice}


def display_settings(profile: Profile) -> DisplaySettings | None:
    """What a profile of a display says of it, None for another kind. ValueError in one line for what makes no sense."""
    table, shown = profile.in_home, profile.display
    if profile.identity.kind != "display":
        if table is not None:
            raise ValueError(f"in_home: a table of displays; this profile is of kind {profile.identity.kind}")
        return None
    if table is None or shown is None:
        raise ValueError(f"{'in_home' if table is None else 'display'}: missing; a display needs in_home and display")
    if shown.credit_screen:
        raise ValueError("display.credit_screen: a display has no mode; give its screens in display.screen")
    unknown = next((name for name in table.notice if name not in _NOTICES), None)
    if unknown is not None:
        raise ValueError(f"in_home.notice: no notice {unknown!r}; known: {', '.join(_NOTICES)}")
    missing = next((name for name in _NOTICES if name not in table.notice), None)
    if missing is not None:
        raise ValueError(f"in_home.notice.{missing}: missing")
    check = partial(templates.check, fields=FIELDS)
    found = screens("display.screen", shown.screen, check)
    strange = next((name for name in table.gas_screens if name not in dict(found)), None)
    if strange is not None:
        raise ValueError(f"in_home.gas_screens: no screen {strange!r}; there are {', '.join(dict(found))}")
    return DisplaySettings(
        report_period=table.report_period_s,
        refresh_period=table.refresh_s * SECOND,
        stale_after=table.stale_s * SECOND,
        answer_time=table.answer_s * SECOND,
        entry_timeout=shown.entry_timeout_s * SECOND,
        screen_time=shown.screen_time_s * SECOND,
        stale_mark=table.stale_mark,
        abilities=frozenset(Ability(name) for name in table.abilities),
        screens=found,
        gas_screens=frozenset(table.gas_screens),
        notices={
            notice: checked(f"in_home.notice.{name}", check, table.notice[name]) for name, notice in _NOTICES.items()
        },
    )
