"""What a meter recorded, as Metering hands it out (Smart Energy annex D.3): profiles, samples and snapshots.

All of it is in the buffers that COSEM clients read. A profile and samples are the load profile; snapshots are rows of
the daily log (cause: general), the monthly one (end of billing period), and that of changes of mode and tariff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from emulator.firmware import BufferSpec, Trigger
from emulator.meter import Meter
from emulator.smart_energy.request import Answer, Handler, Reply, Request
from emulator.smart_energy.sources import NO_TIME, utc_of, zigbee_time
from emulator.time import SECOND
from protocols.dlms import axdr, datetime
from protocols.dlms.axdr import Data
from protocols.dlms.enums import Tag
from protocols.dlms.objects import AccessRefused
from protocols.zigbee.zcl.clusters import METERING
from protocols.zigbee.zcl.foundation import Status

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application

Row = Sequence[Data]

GENERAL, END_OF_BILLING, TARIFF_OR_MODE = 0x0001, 0x0002, 0x6008
"""Causes of snapshots, as bits: change of tariff, of supplier and of meter mode are one here (GBCS asks so)."""
_SNAPSHOT_LOGS: Final[Mapping[int, str]] = {GENERAL: "daily", END_OF_BILLING: "monthly", TARIFF_OR_MODE: "mode_log"}
_PROFILE, _SNAPSHOT, _SAMPLES = 0x00, 0x06, 0x07
_DONE, _NO_CHANNEL, _NO_SUCH_TIME, _MORE_THAN_FITS, _NOTHING = 0, 1, 3, 4, 5
"""Status of GetProfileResponse."""
_INTERVALS: Final[Mapping[int, int]] = {86_400: 0, 3600: 1, 1800: 2, 900: 3, 600: 4, 450: 5, 300: 6, 150: 7}
"""ProfileIntervalPeriod by seconds."""
_CHANNELS: Final = (("interval.import", "interval.volume"), ("interval.export",))
"""Sources of what was delivered and received in an interval: channels of a profile, and types of samples."""
_TOTALS: Final = frozenset(("energy.import", "volume"))
_TIER: Final = ".tou."
_MOST_INTERVALS: Final = 24
"""In one response to GetProfile, so that it goes into a frame."""
_SAMPLES_HEAD: Final = 16
_LOAD_PROFILE: Final = 0x0000
"""The sample that is always taken."""
_REGISTERS: Final = 0x00
"""Type of a snapshot of the tariff's registers of energy delivered."""
_LATEST: Final = 1 << 62
_U24: Final = 0xFF_FFFF
_CLOCK_CLASS: Final = 8


def rows_between(meter: Meter, spec: BufferSpec, first: int, last: int) -> list[Row]:
    """Rows of a buffer that were captured from UTC ``first`` to ``last``, ns, the newest last; none of a buffer that
    does not begin with the clock."""
    column = spec.columns[0]
    if column[0] != _CLOCK_CLASS:
        return []
    tags = (Tag.UINT16, Tag.OCTET_STRING, Tag.INT8, Tag.UINT16)
    restricting = Data(Tag.STRUCTURE, tuple(Data(tag, value) for tag, value in zip(tags, column, strict=True)))
    bounds = [Data(Tag.OCTET_STRING, _packed(utc)) for utc in (first, last)]
    try:
        encoded = meter.buffer(spec.name).selected(1, Data(Tag.STRUCTURE, (restricting, *bounds, Data(Tag.ARRAY, ()))))
    except AccessRefused:
        return []
    rows: list[Row] = [row.elements for row in axdr.decode_all(encoded).elements]
    return rows if spec.sort_method == 1 else rows[::-1]


def log_rows(meter: Meter, name: str, earliest: int, latest: int) -> list[Row]:
    """Rows of a log between two Zigbee times (0 or "not available" for no bound), the newest first; none of a log that
    the firmware has not."""
    spec = meter.firmware.buffers.get(name)
    if spec is None:
        return []
    last = _LATEST if latest in (0, NO_TIME, NO_TIME - 1) else utc_of(latest)
    return rows_between(meter, spec, utc_of(earliest) if earliest else 0, last)[::-1]


def instant(meter: Meter, row: Row) -> int:
    """When a row was captured, in seconds since 2000."""
    return zigbee_time(meter.device_clock.unpack(cast("bytes", row[0].value)))


def _packed(utc: int) -> bytes:
    return datetime.UNSPECIFIED if utc in (0, _LATEST) else datetime.pack_utc(utc)


def _source(meter: Meter, column: tuple[int, bytes, int, int]) -> str:
    class_id, name, _, _ = column
    return meter.firmware.model.objects[class_id.to_bytes(2, "big") + name].source


def _profile(meter: Meter, channel: int) -> tuple[BufferSpec, int] | None:
    """The buffer by period that captures a channel, and the channel's column."""
    if channel >= len(_CHANNELS):
        return None
    for spec in meter.firmware.buffers.values():
        if spec.trigger is Trigger.PERIOD:
            for number, column in enumerate(spec.columns):
                if _source(meter, column) in _CHANNELS[channel]:
                    return spec, number
    return None


def _amount(row: Row, column: int) -> int:
    return min(cast("int", row[column].value), _U24 - 1)


def _get_profile(application: Application, request: Request) -> Answer:
    """Consumption by interval, the newest first, up to an end time."""
    values, meter = request.values, cast("Meter", application.device)
    found = _profile(meter, values["channel"])
    if found is None:
        return _profile_reply(0, _NO_CHANNEL)
    spec, column = found
    now = zigbee_time(meter.utc)
    end = values["end_time"] or now
    if end > now:
        return _profile_reply(0, _NO_SUCH_TIME)
    wanted = values["periods"]
    count = min(wanted, _MOST_INTERVALS)
    rows = rows_between(meter, spec, utc_of(end) - count * spec.period * SECOND + SECOND, utc_of(end))[-count:]
    if not rows or not count:
        return _profile_reply(0, _NOTHING)
    status = _MORE_THAN_FITS if wanted > _MOST_INTERVALS else _DONE
    amounts = [_amount(row, column) for row in reversed(rows)]
    return _profile_reply(instant(meter, rows[-1]), status, _INTERVALS.get(spec.period, 2), amounts)


def _profile_reply(end: int, status: int, interval: int = 2, amounts: list[int] | None = None) -> Reply:
    return Reply(_PROFILE, {"end_time": end, "status": status, "interval": interval, "periods": amounts or []})


def _get_samples(application: Application, request: Request) -> Answer:
    """Consumption by interval, the oldest first, from a time on."""
    values, meter = request.values, cast("Meter", application.device)
    found = _profile(meter, values["type"])
    if found is None or values["sample"] != _LOAD_PROFILE:
        return Status.NOT_FOUND
    spec, column = found
    first = utc_of(values["earliest"])
    count = min(values["samples"], (application.transfer - _SAMPLES_HEAD) // 3)
    rows = rows_between(meter, spec, first, first + (count + 1) * spec.period * SECOND)[:count]
    if not rows:
        return Status.NOT_FOUND
    begun = instant(meter, rows[0]) - spec.period
    return Reply(
        _SAMPLES,
        {
            "sample": _LOAD_PROFILE,
            "start": begun,
            "type": values["type"],
            "interval": spec.period,
            "count": len(rows),
            "samples": [_amount(row, column) for row in rows],
        },
    )


def _get_snapshot(application: Application, request: Request) -> Answer:
    """One row of a log, the newest first: the register of energy delivered and those of the tariff."""
    values, meter = request.values, cast("Meter", application.device)
    name = next((name for cause, name in _SNAPSHOT_LOGS.items() if values["cause"] & cause), "")
    rows = log_rows(meter, name, values["earliest"], values["latest"])
    offset: int = values["offset"]
    if offset >= len(rows):
        return Status.NOT_FOUND
    columns = [_source(meter, column) for column in meter.firmware.buffers[name].columns]
    total = next((number for number, source in enumerate(columns) if source in _TOTALS), None)
    if total is None:
        return Status.NOT_FOUND
    row = rows[offset]
    tiers = [cast("int", cell.value) for cell, source in zip(row, columns, strict=True) if _TIER in source]
    unbilled = bytes(8) + bytes(8) + bytes(1)  # neither bill to date nor projected bill
    content = b"".join(
        (
            cast("int", row[total].value).to_bytes(6, "little"),
            unbilled,
            bytes((len(tiers),)),
            *(tier.to_bytes(6, "little") for tier in tiers),
        )
    )
    at = instant(meter, row)
    cause = next(cause for cause, log in _SNAPSHOT_LOGS.items() if log == name)
    return Reply(_SNAPSHOT, snapshot(at, len(rows), cause, _REGISTERS, content))


def snapshot(at: int, found: int, cause: int, kind: int, content: bytes) -> dict[str, object]:
    """Fields of a snapshot that is published, in one part: when it was taken is its number too."""
    return {
        "snapshot": at,
        "time": at,
        "found": min(found, 255),
        "index": 0,
        "total": 1,
        "cause": cause,
        "type": kind,
        "content": content,
    }


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (METERING.id, False): {0x00: _get_profile, 0x06: _get_snapshot, 0x08: _get_samples}
}
