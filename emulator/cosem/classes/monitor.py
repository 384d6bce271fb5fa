"""Register monitor (class 21)."""

from __future__ import annotations

from emulator.cosem.binding import changing_setter
from emulator.cosem.model import Attribute, InterfaceClass
from emulator.monitors import ACTIONS, MONITORED_VALUE, THRESHOLDS

CLASSES = (
    InterfaceClass(
        21,
        0,
        "Register monitor",
        (
            Attribute(2, "thresholds", THRESHOLDS, write=changing_setter(2), default=[]),
            Attribute(3, "monitored_value", MONITORED_VALUE, write=changing_setter(3)),
            Attribute(4, "actions", ACTIONS, write=changing_setter(4), default=[]),
        ),
    ),
)
