"""IEC 62056-21: direct local data exchange at a meter's optical port, modes A to E. Meter side and reader side."""

from __future__ import annotations

from protocols.iec62056_21.message import (
    BAUD_CODES,
    INITIAL_BAUD,
    MODE_D_BAUD,
    Command,
    DataSet,
    Identification,
    OptionSelect,
    Readout,
    bcc,
)
from protocols.iec62056_21.meter import Meter, Phase
from protocols.iec62056_21.reader import (
    Accepted,
    Ended,
    Failed,
    HandedOver,
    Identified,
    Prompted,
    Reader,
    ReaderEvent,
    ReaderSettings,
    ReadOut,
    Refused,
    Transmission,
    Values,
    Wanted,
)
from protocols.iec62056_21.settings import Content, MeterSettings

__all__ = [
    "BAUD_CODES",
    "INITIAL_BAUD",
    "MODE_D_BAUD",
    "Accepted",
    "Command",
    "Content",
    "DataSet",
    "Ended",
    "Failed",
    "HandedOver",
    "Identification",
    "Identified",
    "Meter",
    "MeterSettings",
    "OptionSelect",
    "Phase",
    "Prompted",
    "ReadOut",
    "Reader",
    "ReaderEvent",
    "ReaderSettings",
    "Readout",
    "Refused",
    "Transmission",
    "Values",
    "Wanted",
    "bcc",
]
