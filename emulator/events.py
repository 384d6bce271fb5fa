"""What can happen to a device that its logs, its error and alarm registers and observers hear of."""

from __future__ import annotations

from typing import Literal, get_args

EventName = Literal[
    "alarm_register_cleared",
    "association_closed",
    "association_opened",
    "authentication_failed",
    "battery_low",
    "battery_replaced",
    "calendar_activated",
    "clock_adjusted",
    "clock_invalid",
    "clock_set",
    "cover_closed",
    "cover_opened",
    "deciphering_failed",
    "error_register_cleared",
    "firmware_activated",
    "image_initiated",
    "image_refused",
    "image_verified",
    "key_transfer_failed",
    "keys_changed",
    "link_closed",
    "link_opened",
    "power_down",
    "power_up",
    "replayed",
    "supply_armed",
    "supply_disabled",
    "supply_enabled",
    "supply_limited",
    "terminal_cover_closed",
    "terminal_cover_opened",
    "voltage_high",
    "voltage_low",
    "voltage_normal",
    "watchdog_reset",
]
"""The emulator's name of an event; profiles give it a code in a log, or a bit of a register."""

EVENTS: tuple[EventName, ...] = get_args(EventName)
