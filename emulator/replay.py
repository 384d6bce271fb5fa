"""Making the rows of a meter's profiles: a run over its past, from the states it was in at irregular events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from emulator.buffers import Buffer
from emulator.demand import Demand
from emulator.device_clock import DeviceClock
from emulator.firmware import BufferSpec, FirmwareProfile, Trigger
from emulator.metering import Intervals, Metering
from emulator.tariff import Plan, Switching
from emulator.time import DAY, SECOND
from protocols.dlms import datetime

if TYPE_CHECKING:
    from emulator.meter import Meter

DEFAULT_PERIOD = 1800 * SECOND


class State(NamedTuple):
    """All that a replay runs on, as it was at rig instant ``time``; copies, so that it stays."""

    time: int
    metering: Metering
    intervals: tuple[Intervals, ...]
    demand: Demand | None
    clock: DeviceClock
    mains: bool
    plan: Plan

    def copy(self) -> State:
        return State(
            self.time,
            self.metering.copy(),
            tuple(item.copy() for item in self.intervals),
            self.demand.copy() if self.demand else None,
            self.clock.copy(),
            self.mains,
            self.plan,
        )


class Replay:
    """One run over all segments of a meter that makes the rows due until ``end``."""

    def __init__(self, meter: Meter, segments: list[State], end: int) -> None:
        self._meter = meter
        self._segments = segments
        self._ends = [*(segment.time for segment in segments[1:]), end]
        specs = meter.firmware.buffers.values()
        self._periodic = [(meter.buffer(spec.name), spec.period * SECOND) for spec in specs if _regular(spec)]
        self._daily = [meter.buffer(spec.name) for spec in specs if spec.trigger is Trigger.DAY]
        self._monthly = [meter.buffer(spec.name) for spec in specs if spec.trigger is Trigger.MONTH]
        self._skip = {buffer.spec.name: self._overwritten(buffer, period) for buffer, period in self._periodic}
        self._layouts: dict[tuple[int, int, tuple[Switching, ...]], list[_Stop]] = {}

    def _overwritten(self, buffer: Buffer, period: int) -> int:
        """How many of the first rows due would be overwritten before this run ends."""
        due = 0
        for segment, end in zip(self._segments, self._ends, strict=True):
            if segment.mains:
                due += segment.clock.utc(end) // period - segment.clock.utc(segment.time) // period
        return max(0, due - buffer.spec.capacity)

    def run(self, number: int) -> None:
        """Make the rows of segment ``number``, whose state the meter has taken up."""
        meter, start, end = self._meter, self._segments[number].time, self._ends[number]
        clock, metering, plan, skip = meter.device_clock, meter.metering, meter.plan, self._skip
        day = clock.local(start) // datetime.DAY
        midnight = clock.utc_of_local(day * datetime.DAY)
        while (first := clock.rig(midnight)) <= end:
            following = clock.utc_of_local((day + 1) * datetime.DAY)
            for offset, buffers, switching in self._stops(day, midnight, following - midnight, plan):
                at = clock.rig(midnight + offset) if offset else first
                if at <= start:
                    continue
                if at > end:
                    return
                meter.time = at
                if meter.mains:
                    used = -1
                    for buffer, period in buffers:
                        name = buffer.spec.name
                        if skip[name]:
                            skip[name] -= 1
                            continue
                        if period != used:
                            meter.use_interval(period)
                            used = period
                        buffer.append()
                    if not offset:
                        self._begin_day(day)
                if switching is not None and switching.mask is not None:
                    registers = plan.masks.get(switching.mask)
                    if registers is not None:
                        metering.switch(at, switching.mask, registers)
            day, midnight = day + 1, following

    def _begin_day(self, day: int) -> None:
        meter = self._meter
        meter.use_interval(0)
        for buffer in self._daily:
            buffer.append()
        if datetime.civil(day)[2] == 1:
            meter.metering.billing_count += 1
            for buffer in self._monthly:
                buffer.append()
            if meter.demand:
                meter.demand.reset(meter.metering, meter.device_clock, meter.time)

    def _stops(self, day: int, midnight: int, length: int, plan: Plan) -> list[_Stop]:
        """Where a local day has something to do; days alike share one list."""
        switchings = plan.day(day)
        key = (midnight % DAY, length, switchings)
        found = self._layouts.get(key)
        if found is None:
            clock = self._meter.device_clock
            buffers: dict[int, list[tuple[Buffer, int]]] = {0: []}
            for buffer, period in self._periodic:
                for boundary in range(-(-midnight // period) * period, midnight + length, period):
                    buffers.setdefault(boundary - midnight, []).append((buffer, period))
            switched = {clock.utc_of_local(day * datetime.DAY + item.second) - midnight: item for item in switchings}
            found = [
                (offset, tuple(buffers.get(offset, ())), switched.get(offset))
                for offset in sorted({*buffers, *switched})
            ]
            if all(DAY % period == 0 for _, period in self._periodic) and length == DAY:
                self._layouts[key] = found
        return found


_Stop = tuple[int, "tuple[tuple[Buffer, int], ...]", "Switching | None"]


def _regular(spec: BufferSpec) -> bool:
    return spec.trigger is Trigger.PERIOD and spec.period > 0


def capture_periods(firmware: FirmwareProfile) -> list[int]:
    """Capture periods of a profile's buffers in ns, the shortest first; half an hour where it has none."""
    found = {spec.period * SECOND for spec in firmware.buffers.values() if _regular(spec)}
    return sorted(found) or [DEFAULT_PERIOD]
