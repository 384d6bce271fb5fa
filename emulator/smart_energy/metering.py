"""Metering's commands to the meter itself (Smart Energy annex D.3): fast polling, and the supply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from emulator.meter import Meter
from emulator.smart_energy.planned import is_deferred
from emulator.smart_energy.request import Answer, Handler, Reply, Request
from emulator.smart_energy.sources import supply_status, zigbee_time
from emulator.supply import Cause, ControlState, Way
from protocols.dlms.objects import AccessRefused
from protocols.zigbee.zcl.clusters import METERING
from protocols.zigbee.zcl.clusters.metering import SupplyStatus
from protocols.zigbee.zcl.foundation import Status

if TYPE_CHECKING:
    from emulator.smart_energy.application import Application

_FAST_POLL_RESPONSE, _SUPPLY_RESPONSE = 0x03, 0x0C
_FASTEST: Final = 2
_ACKNOWLEDGE: Final = 0x01


def _fast_poll(application: Application, request: Request) -> Answer:
    """Poll for messages for a while; the meter says how often it does and until when."""
    fastest = application.number(request.endpoint, METERING.id, 0x000B, _FASTEST)
    period = max(request.values["period"], fastest)
    end = application.begin_fast_poll(period, request.values["minutes"])
    return Reply(
        _FAST_POLL_RESPONSE, {"period": period, "end_time": zigbee_time(application.device.device_clock.utc(end))}
    )


def _change_supply(application: Application, request: Request) -> Answer:
    """The supplier opens, arms or closes the supply, now or at a date."""
    values, meter = request.values, cast("Meter", application.device)
    if not is_deferred(application, request):
        try:
            _move(meter, values["status"])
        except ValueError:
            return Status.INVALID_VALUE
        except AccessRefused:
            return Status.ACTION_DENIED
    if not application.commit():
        return Status.HARDWARE_FAILURE
    if not values["control"] & _ACKNOWLEDGE:
        return Status.SUCCESS
    answer: dict[str, Any] = {name: values[name] for name in ("provider", "event", "implementation")}
    return Reply(_SUPPLY_RESPONSE, {**answer, "status": supply_status(meter)})


def _move(meter: Meter, status: int) -> None:
    """Have the supply as the supplier wants it; AccessRefused where the switch does not allow it, ValueError for no
    state of a supply."""
    switch = meter.switch
    match status:
        case SupplyStatus.OFF:
            switch.disconnect(Way.REMOTE)
        case SupplyStatus.ARMED:
            if switch.state is not ControlState.READY_FOR_RECONNECTION:
                switch.disconnect(Way.REMOTE)
                switch.release(Cause.SUPPLIER)
        case SupplyStatus.ON:
            switch.reconnect(Way.REMOTE)
        case _:
            raise ValueError(f"supply status {status}")


def _change_locally(application: Application, request: Request) -> Answer:
    """The customer's display: arm the supply, or close it where it is armed already."""
    meter = cast("Meter", application.device)
    match request.values["status"]:
        case SupplyStatus.ARMED:
            try:
                meter.switch.disconnect(Way.LOCAL)
                meter.switch.release(Cause.SUPPLIER)
            except AccessRefused:
                return Status.ACTION_DENIED
            return Status.SUCCESS if application.commit() else Status.HARDWARE_FAILURE
        case SupplyStatus.ON:
            return Status.SUCCESS if meter.close_armed() else Status.ACTION_DENIED
        case _:
            return Status.INVALID_VALUE


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (METERING.id, False): {
        0x03: _fast_poll,
        0x0B: _change_supply,
        0x0C: _change_locally,
    }
}
