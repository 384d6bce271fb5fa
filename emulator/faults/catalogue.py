"""The catalogue: every fault there is, by name, in the order of the layers."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.faults import (
    application,
    clock,
    device,
    firmware,
    han,
    hub,
    line,
    link,
    metering,
    processor,
    radio,
    security,
    storage,
    supply,
    wan,
)
from emulator.faults.fault import Fault

MODULES = (
    line,
    link,
    application,
    security,
    device,
    metering,
    supply,
    clock,
    storage,
    firmware,
    han,
    radio,
    processor,
    hub,
    wan,
)
"""One a layer, or a part of one; each has its FAULTS."""

CATALOGUE: Mapping[str, Fault] = {fault.name: fault for module in MODULES for fault in module.FAULTS}
"""Faults by name."""
