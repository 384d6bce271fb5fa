"""Error and alarm registers: bits that events set and clear, and the pushes that new alarms and alerts bring about.

Which event stands for which bit is the profile's (``[error]`` and ``[alarm]``). A bit stays until the event that ends
its cause, or until a client clears it by writing a value without it; writing sets no bits. Only alarms that the alarm
filter lets through get into the alarm register (Blue Book, "Error register, alarm register and alarm filter objects").

An alert (``[alert]``) has a code of 16 bits, as GB's have, and leaves nothing in a register: its push setup collects
the code, and what goes with it, at the moment of the event.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from emulator.firmware import Reaction
from emulator.push import PushSetup
from protocols import obis
from protocols.dlms.objects import AccessRefused

if TYPE_CHECKING:
    from emulator.device import Device

FILTER = b"\x00\x01" + obis.parse("0-0:97.98.10") + b"\x02"
"""The alarm filter: an alarm whose bit is not in it is not heard of."""
ALARM_PUSH = obis.parse("0-0:25.9.0")
"""The push setup (class 40) that tells of alarms."""
ALL = 0xFFFF_FFFF
ALERT = "alert"
"""Under this name a device keeps the code of its last alert, beside those of its logs."""


def follow(device: Device, reaction: Reaction, *, at_once: bool = False) -> None:
    """Set and clear the bits that go with an event; a new alarm is pushed where a destination is set up.

    ``at_once`` is for a device that will not be there any more when its push setups would have it tell.
    """
    device.errors = device.errors & ~reaction.error_over | reaction.error
    before = device.alarms & ~reaction.alarm_over
    heard = reaction.alarm and reaction.alarm & device.setting(FILTER, ALL)
    device.alarms = before | heard
    if device.alarms != before:
        _tell(device, ALARM_PUSH, at_once)
    for code, setup in reaction.alerts:
        device.event_codes[ALERT] = code
        _tell(device, setup, at_once)


def clear_errors(device: Device, value: int) -> None:
    """Leave only those bits of the error register that ``value`` has."""
    device.errors &= value
    device.record("error_register_cleared")


def clear_alarms(device: Device, value: int) -> None:
    """Leave only those bits of the alarm register that ``value`` has."""
    device.alarms &= value
    device.record("alarm_register_cleared")


def _tell(device: Device, logical_name: bytes, at_once: bool) -> None:
    """What cannot be collected or has no room to wait is not told of: there is nobody to refuse it to."""
    setup = PushSetup(logical_name)
    if setup.destined(device):
        with suppress(AccessRefused):
            if at_once:
                setup.push_now(device)
            else:
                setup.push_later(device)
