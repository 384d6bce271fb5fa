"""A device's own clock (class 8): a straight line in rig time, bent by drift and moved by adjustments.

Rig time is the truth; a device knows only what its crystal made of it. The clock was right when the rig started, so
history before that has no drift. Every adjustment starts a new line at that instant.
"""

from __future__ import annotations

from functools import lru_cache

from emulator.firmware import ClockSettings
from emulator.nvm import Image, Saved
from protocols.dlms import datetime

SECOND = 1_000_000_000
_BILLION = 1_000_000_000
NEVER = 1 << 63
"""An instant after every other, ns."""
STANDSTILL = -_BILLION
"""The drift, ppb, of a clock that stands."""
CRYSTAL = 1
"""clock_base of class 8: internal crystal."""


class DeviceClock:
    """The clock of one device. Rig instants and device UTC are ns since the Unix epoch, local time is in seconds.

    Zone and daylight saving start as the profile has them and may be set (class 8, attributes 3 and 5 to 8). Local time
    plus deviation is UTC; daylight saving takes ``dst_deviation`` minutes off the deviation.
    """

    __slots__ = (
        "_base_rig",
        "_base_utc",
        "_packed",
        "_packed_at",
        "drift",
        "dst_begin",
        "dst_deviation",
        "dst_enabled",
        "dst_end",
        "dst_ignored",
        "invalid",
        "last_set",
        "sound",
        "time_zone",
    )

    def __init__(self, settings: ClockSettings, drift: int, right_at: int) -> None:
        """``drift`` in parts per billion, positive for one that runs fast; at rig instant ``right_at`` it is right."""
        self._base_rig = right_at
        self._base_utc = right_at
        self.drift = drift
        self.time_zone = settings.time_zone
        self.dst_begin = settings.dst_begin
        self.dst_end = settings.dst_end
        self.dst_deviation = settings.dst_deviation
        self.dst_enabled = settings.dst_enabled
        self.invalid = False
        """Whether it has lost the time, by a power cut longer than its reserve, and not been set since."""
        self.last_set = 0
        """Device UTC of the last time it was set or adjusted, 0 for never."""
        self.dst_ignored = False
        """Whether it does not follow its own rules of daylight saving."""
        self.sound: Image | None = None
        """What the non-volatile memory is given in place of what a fault has changed: ``crystal``, ``zone``."""
        self._packed_at = -1
        self._packed = b""

    def copy(self) -> DeviceClock:
        """Another clock that shows the same, now and later."""
        other = object.__new__(DeviceClock)
        for name in DeviceClock.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def image(self) -> Image:
        """All of it for the non-volatile memory."""
        return {
            "line": [self._base_rig, self._base_utc, self.drift],
            "zone": [self.time_zone, self.dst_deviation],
            "dst_begin": self.dst_begin.hex(),
            "dst_end": self.dst_end.hex(),
            "dst_enabled": self.dst_enabled,
            "invalid": self.invalid,
            "last_set": self.last_set,
            **(self.sound or {}),
        }

    def restore(self, saved: Saved, rig: int) -> None:
        """Be what :meth:`image` said, at rig instant ``rig``."""
        self._base_rig, self._base_utc, self.drift = saved.numbers("line")
        if "crystal" in saved and self.sound is None:
            self.run(rig, saved.number("crystal"))
        self.time_zone, self.dst_deviation = saved.numbers("zone")
        self.dst_begin, self.dst_end = saved.octets("dst_begin"), saved.octets("dst_end")
        self.dst_enabled, self.invalid = saved.flag("dst_enabled"), saved.flag("invalid")
        self.last_set = saved.number("last_set")
        self._packed_at = -1

    def utc(self, rig: int) -> int:
        """What the clock shows at a rig instant; never goes back between adjustments."""
        passed = rig - self._base_rig
        if passed > 0:
            return self._base_utc + passed + passed * self.drift // _BILLION
        return self._base_utc + passed

    def rig(self, utc: int) -> int:
        """The first rig instant at which the clock shows ``utc`` or later, by its present line; NEVER if it stands."""
        ahead = utc - self._base_utc
        if ahead > 0:
            try:
                return self._base_rig - (-ahead * _BILLION // (_BILLION + self.drift))
            except ZeroDivisionError:  # at a standstill
                return NEVER
        return self._base_rig + ahead

    def local(self, rig: int) -> int:
        """Local seconds at a rig instant."""
        seconds = self.utc(rig) // SECOND
        return seconds - self.deviation(seconds) * 60

    def set(self, rig: int, utc: int) -> None:
        """Show ``utc`` at rig instant ``rig`` and run on from there."""
        self._base_rig, self._base_utc = rig, utc
        self.invalid = False
        self.last_set = utc
        self._packed_at = -1

    def stopped(self, rig: int, utc: int) -> None:
        """Run on from ``utc`` at ``rig`` after a time without power; the time is wrong and the clock knows it."""
        self.set(rig, utc)
        self.invalid = True

    def run(self, rig: int, drift: int) -> None:
        """Run with another drift from rig instant ``rig`` on (ppb, no less than :data:`STANDSTILL`)."""
        self.move(rig, self.utc(rig))
        self.drift = drift

    def move(self, rig: int, utc: int) -> None:
        """Show ``utc`` at rig instant ``rig`` without having been set."""
        self._base_rig, self._base_utc = rig, utc
        self._packed_at = -1

    def forget_packed(self) -> None:
        """Zone or daylight saving have been set."""
        self._packed_at = -1
        if self.sound is not None:
            self.sound.pop("zone", None)

    def daylight_saving(self, seconds: int) -> bool:
        """Whether daylight saving is active at UTC ``seconds``."""
        span = self.changes(seconds) if self.dst_enabled and not self.dst_ignored else None
        if span is None:
            return False
        begin, end = span
        return begin <= seconds < end if begin < end else not end <= seconds < begin

    def changes(self, seconds: int) -> tuple[int, int] | None:
        """UTC seconds at which daylight saving begins and ends in the year of UTC ``seconds``."""
        year = datetime.civil((seconds - self.time_zone * 60) // datetime.DAY)[0]
        return _summer(self.dst_begin, self.dst_end, self.time_zone, self.dst_deviation, year)

    def _summer_begins(self, seconds: int) -> int:
        changes = self.changes(seconds)
        return seconds if changes is None else changes[0]

    def deviation(self, seconds: int) -> int:
        """Minutes that are added to local time to give UTC, at UTC ``seconds``."""
        if self.dst_enabled and self.daylight_saving(seconds):
            return self.time_zone - self.dst_deviation
        return self.time_zone

    def utc_of_local(self, local: int) -> int:
        """UTC in ns of a local second; of one that comes twice the first, of one that is skipped the moment it was."""
        normal = local + self.time_zone * 60
        if self.dst_enabled:
            summer = normal - self.dst_deviation * 60
            if self.daylight_saving(summer):
                return summer * SECOND
            if self.daylight_saving(normal):
                return self._summer_begins(normal) * SECOND
        return normal * SECOND

    def status(self, seconds: int) -> int:
        """clock_status of date-time at UTC ``seconds`` (Blue Book, 4.1.6.1)."""
        summer = datetime.STATUS_DAYLIGHT_SAVING if self.daylight_saving(seconds) else 0
        return summer | (datetime.STATUS_INVALID if self.invalid else 0)

    def packed(self, rig: int) -> bytes:
        """The clock's time at a rig instant as 12 octets, with deviation and status."""
        if rig == self._packed_at:
            return self._packed
        self._packed = self.pack(self.utc(rig))
        self._packed_at = rig
        return self._packed

    def pack(self, utc: int) -> bytes:
        """A device UTC instant as 12 octets of local time with deviation and status."""
        seconds, rest = divmod(utc, SECOND)
        deviation = self.deviation(seconds)
        return datetime.pack(seconds - deviation * 60, rest // 10_000_000, deviation, self.status(seconds))

    def unpack(self, octets: bytes) -> int:
        """Device UTC in ns of 12 octets, local time when they give no deviation; 0 when nothing is specified.

        Raises DecodeError for other wildcards and for dates that do not exist.
        """
        if datetime.deviation_of(octets) is not None or octets[:8] == datetime.UNSPECIFIED[:8]:
            return datetime.unpack_utc(octets)
        rest = octets[8] * 10_000_000 if octets[8] < 100 else 0
        return self.utc_of_local(datetime.local_seconds(octets)) + rest


@lru_cache(maxsize=512)
def _summer(begin: bytes, end: bytes, time_zone: int, dst_deviation: int, year: int) -> tuple[int, int] | None:
    """UTC seconds of a year's two changes, None when a pattern does not fall in that year.

    A pattern with a deviation is in the local time of that deviation; one without is in the time that ends with it.
    """
    first, last = datetime.occurrence(begin, year), datetime.occurrence(end, year)
    if first is None or last is None:
        return None
    begin_deviation, end_deviation = datetime.deviation_of(begin), datetime.deviation_of(end)
    return (
        first + (time_zone if begin_deviation is None else begin_deviation) * 60,
        last + (time_zone - dst_deviation if end_deviation is None else end_deviation) * 60,
    )
