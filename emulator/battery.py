"""The battery of a device that has no mains: what is left of its life, and its voltage."""

from __future__ import annotations

FULL, LOW, EMPTY = 3_650, 3_200, 3_100
"""Voltages, mV: of a new lithium cell, below which a device says that it is low, and at which the device dies."""


class Battery:
    """A battery whose life is used up evenly, from :data:`FULL` to :data:`EMPTY`.

    Instants are the rig's, ns, and in order. ``drain`` is how many times as fast as the profile says it is used up.
    ``spared`` is what of it only a fault has used up, ns: after the end of the rig it is there again.
    """

    __slots__ = ("_from", "_used", "drain", "life", "spared")

    def __init__(self, life: int, since: int) -> None:
        """``life`` in ns; it has been in use since rig instant ``since``."""
        self.life = life
        self.drain = 1
        self.spared = 0
        self._from = since
        self._used = 0

    def used(self, t: int) -> int:
        """How much of its life is used up at ``t``, ns; no more than there was."""
        return min(self.life, self._used + (t - self._from) * self.drain)

    def use(self, t: int, used: int, drain: int) -> None:
        """So much is used up at ``t``, and from there it goes ``drain`` times as fast."""
        self._from, self._used, self.drain = t, used, drain

    def voltage(self, t: int) -> int:
        """mV."""
        return FULL - self.used(t) * (FULL - EMPTY) // self.life

    def used_at(self, millivolts: int) -> int:
        """How much of its life is used up when its voltage has fallen to that, ns."""
        return -(-self.life * (FULL - millivolts) // (FULL - EMPTY))

    def reaches(self, millivolts: int) -> int:
        """The rig instant at which its voltage has fallen to that, as it goes now; one that is past for what it is."""
        return self._from - (-(self.used_at(millivolts) - self._used) // self.drain)
