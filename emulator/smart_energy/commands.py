"""Commands of the clusters that are served, by cluster, side and number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emulator.smart_energy import (
    identify,
    management,
    messaging,
    metering,
    mirror,
    prepayment,
    price,
    readings,
    tunnels,
)
from emulator.smart_energy.request import Handler

Side = tuple[int, bool]
"""A cluster, and whether its client is meant."""


def _merged(*tables: Mapping[Side, Mapping[int, Handler]]) -> Mapping[Side, Mapping[int, Handler]]:
    merged: dict[Side, dict[int, Handler]] = {}
    for table in tables:
        for side, handlers in table.items():
            merged.setdefault(side, {}).update(handlers)
    return merged


HANDLERS: Final[Mapping[Side, Mapping[int, Handler]]] = _merged(
    identify.HANDLERS,
    metering.HANDLERS,
    readings.HANDLERS,
    mirror.HANDLERS,
    prepayment.HANDLERS,
    price.HANDLERS,
    messaging.HANDLERS,
    management.HANDLERS,
    tunnels.HANDLERS,
)
