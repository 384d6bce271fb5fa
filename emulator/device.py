"""What every device shares: identity, its own clock, stored values, buffers, logs, keys, power and boot.

A device computes its state when it is looked at. :meth:`Device.settle` brings it from the instant it was last looked
at to the present, doing on the way, in order, what had fallen due: captures, tariff switches, billing. Nothing ticks.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from emulator.buffers import Buffer
from emulator.cosem.model import ObjectModel
from emulator.cosem.view import InternalView
from emulator.device_clock import DeviceClock
from emulator.firmware import FirmwareProfile, Trigger
from emulator.security import KeyRing, SecurityState
from emulator.time import Clock, stream

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NEVER = 1 << 63
"""An instant after every other, ns."""

STATUS_CLOCK_INVALID = 0x02
STATUS_DAYLIGHT_SAVING = 0x08
STATUS_CLOCK_ADJUSTED = 0x20
STATUS_POWER_DOWN = 0x80


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is.

    ``serial`` is the number on its plate, ``system_title`` 8 octets (3 of the FLAG id and 5 unique), ``eui64`` 8
    octets, ``point`` the MPAN or MPRN, empty for a hub.
    """

    device_id: str
    serial: str
    system_title: bytes
    eui64: bytes
    point: str = ""


class Device:
    """A powered device with a clock of its own."""

    __slots__ = (
        "_buffers",
        "_grid",
        "_security",
        "boots",
        "clock",
        "device_clock",
        "event_codes",
        "firmware",
        "frame_counts",
        "identity",
        "internal",
        "interval_status",
        "mains",
        "next_boundary",
        "random",
        "ready_at",
        "ring",
        "started_at",
        "switched_off_at",
        "time",
        "uptime_base",
        "values",
        "version",
    )

    def __init__(
        self, firmware: FirmwareProfile, identity: Identity, clock: Clock, seed: int, ring: KeyRing, installed_at: int
    ) -> None:
        self.firmware = firmware
        self.identity = identity
        self.clock = clock
        self.ring = ring
        self.random: Random | None = None
        self.time = installed_at
        self.device_clock = DeviceClock(firmware.clock, self._drift(seed), installed_at)
        self.values: dict[bytes, bytes] = {}
        self.event_codes: dict[str, int] = {}
        self.frame_counts: dict[str, int] = {}
        self.internal = InternalView(self, firmware.model)
        self._buffers: dict[str, Buffer] = {}
        self._security: dict[int, SecurityState] = {}
        self.version = firmware.version
        self.mains = True
        self.boots = 1
        self.started_at = installed_at
        self.ready_at = installed_at
        self.switched_off_at = 0
        self.uptime_base = 0
        self.interval_status = 0
        periods = [spec.period for spec in firmware.buffers.values() if spec.trigger is Trigger.PERIOD]
        self._grid = min(periods, default=0) * SECOND
        self.next_boundary = NEVER
