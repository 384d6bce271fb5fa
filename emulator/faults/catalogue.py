"""The catalogue: every fault there is, by name, in the order of the layers."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.faults import han, processor, radio
from emulator.faults.fault import Fault

CATALOGUE: Mapping[str, Fault] = {
    fault.name: fault for module in (han.FAULTS, radio.FAULTS, processor.FAULTS) for fault in module
}
"""Faults by name."""
