"""Identify and Basic: a device that shows which one it is (ZCL 3.5), and one that forgets what was written (3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from emulator.smart_energy.request import Answer, Handler, Reply, Request
from protocols.zigbee.zcl.clusters import BASIC, IDENTIFY
from protocols.zigbee.zcl.foundation import Status

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application

_QUERY_RESPONSE: Final = 0x00


def _identify(application: Application, request: Request) -> Answer:
    application.identify(request.values["identify_time"])
    return Status.SUCCESS


def _query(application: Application, request: Request) -> Answer:
    """A device that does not identify itself says nothing, but to one that asked it alone."""
    left = application.identify_time
    if left:
        return Reply(_QUERY_RESPONSE, {"timeout": left})
    return None if request.arrival.broadcast else Status.SUCCESS


def _reset(application: Application, request: Request) -> Answer:
    return Status.SUCCESS if application.forget_written() else Status.HARDWARE_FAILURE


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (BASIC.id, False): {0x00: _reset},
    (IDENTIFY.id, False): {0x00: _identify, 0x01: _query},
}
