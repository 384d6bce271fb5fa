"""Calendar (Smart Energy annex D.9): what tariffs and friendly credit periods are switched by."""

from __future__ import annotations

from typing import Final

from construct import Array

from protocols.zigbee.zcl.cluster import OCTSTR, U8, U16, U32, UTC, Cluster, command, commands, group, rest_of

_OF = {"provider": U32, "event": U32, "calendar": U32}

CALENDAR: Final = Cluster(
    0x0707,
    "Calendar",
    {},
    commands(
        command(0x00, "GetCalendar", earliest=UTC, minimum_event=U32, count=U8, type=U8, provider=U32),
        command(0x01, "GetDayProfiles", provider=U32, calendar=U32, start=U8, count=U8),
        command(0x02, "GetWeekProfiles", provider=U32, calendar=U32, start=U8, count=U8),
        command(0x03, "GetSeasons", provider=U32, calendar=U32),
        command(0x04, "GetSpecialDays", start=UTC, count=U8, type=U8, provider=U32, calendar=U32),
        command(0x05, "GetCalendarCancellation"),
    ),
    commands(
        command(
            0x00,
            "PublishCalendar",
            **_OF,
            start=UTC,
            type=U8,
            time_reference=U8,
            name=OCTSTR,
            seasons=U8,
            weeks=U8,
            days=U8,
        ),
        command(
            0x01,
            "PublishDayProfile",
            **_OF,
            day=U8,
            entries=U8,
            index=U8,
            total=U8,
            type=U8,
            schedule=rest_of(group(minute=U16, action=U8)),
        ),
        command(0x02, "PublishWeekProfile", **_OF, week=U8, days=Array(7, U8)),
        command(0x03, "PublishSeasons", **_OF, index=U8, total=U8, seasons=rest_of(group(start=U32, week=U8))),
        command(
            0x04,
            "PublishSpecialDays",
            **_OF,
            start=UTC,
            type=U8,
            count=U8,
            index=U8,
            total=U8,
            days=rest_of(group(date=U32, day=U8)),
        ),
        command(0x05, "CancelCalendar", provider=U32, calendar=U32, type=U8),
    ),
)
