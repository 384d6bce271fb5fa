"""The bench panel: switches, contacts, gauges and displays of a rig's devices as Modbus registers, and relay boards."""

from __future__ import annotations

import logging

# pymodbus logs what we say ourselves, and would write it to standard error where nobody has asked for its log.
logging.getLogger("pymodbus").addHandler(logging.NullHandler())
