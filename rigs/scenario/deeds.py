"""What the verbs of a step do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from emulator.faults.parameters import FaultError
from emulator.load import MICRO, Constant
from emulator.prepayment.money import PENNY, SCALE
from protocols.dlms import axdr
from protocols.dlms.types import plain
from protocols.errors import ProtocolError
from rigs.control import desk, han
from rigs.control.desk import DeskError, TokenWay
from rigs.scenario.head_end import HeadEndError
from rigs.scenario.stage import Stage, Unmet
from rigs.times import nanoseconds

if TYPE_CHECKING:
    from rigs.scenario import verbs
    from rigs.scenario.schema import Step

MANAGEMENT = "management"
DEVICE_LOG = "104/0-0:30.3.0"
CONSUMPTION = "113/0-0:19.20.0"
_REGISTER_DEVICE, _UNREGISTER_DEVICE, _BACK_UP, _RESTORE, _UPDATE_NETWORK_KEY = 1, 2, 4, 5, 8
_JOINING = 2
_PASSIVE, _ACTIVATION, _ACTIVATE = 6, 7, 2
_ACTIVE = 5
_ANY_OPTION = 0
_KWH = 3
"""Power of ten of a kWh in Wh."""
_DEAREST = 0x7FFF
"""Of a price in a table (class 113)."""


def do(stage: Stage, step: Step) -> None:
    """Do what a step does. Raises Unmet, DeskError, HeadEndError or FaultError; one line each."""
    verb = step.verb
    if verb is not None:
        _DEEDS[verb](stage, getattr(step, verb))


def _load(stage: Stage, load: verbs.Load) -> None:
    device = desk.meter_of(stage.device(load.device), "load")
    electric = device.firmware.kind == "electricity"
    value = load.watts if electric else load.cubic_metres_per_hour
    if value is None:
        unit = "watts" if electric else "cubic_metres_per_hour"
        raise DeskError(f"{load.device}: its load is given in {unit}")
    device.set_load(Constant(round(Fraction(value) * MICRO * (1 if electric else 1000))))


def _tap(stage: Stage, tap: verbs.Tap) -> None:
    desk.open_tap(stage.device(tap.device), tap.litres_per_hour)


def _press(stage: Stage, press: verbs.Press) -> None:
    desk.press(stage.device(press.device), press.keys)


def _top_up(stage: Stage, order: verbs.TopUp) -> None:
    device = stage.device(order.device)
    digits = (
        stage.bought(cast(str, order.token)) if order.pence is None else stage.buy(device, order.pence, order.token)
    )
    if order.mistyped:
        digits = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    outcome = desk.top_up(device, digits, TokenWay(order.way)).name.lower()
    if outcome != order.outcome:
        raise Unmet(f"{order.device}: token {digits}: expected {order.outcome}, found {outcome}")


def _power(stage: Stage, power: verbs.Power) -> None:
    device = stage.device(power.device)
    if power.state == "on":
        device.power_on()
    else:
        device.power_off()


def _clock(stage: Stage, order: verbs.SetClock) -> None:
    device = stage.device(order.device)
    device.settle()
    step = nanoseconds(order.forward) if order.forward else -nanoseconds(order.back or "0s")
    try:
        device.set_clock(device.utc + step)
    except ValueError as error:
        raise DeskError(f"{order.device}: {error}") from None


# --- the HAN


def _join(stage: Stage, order: verbs.Join) -> None:
    device = stage.device(order.device)
    refused = han.join(stage.hub(stage.premises_of(device).name), device)
    if order.refused is None and refused is not None:
        raise Unmet(f"{order.device}: join: expected to be on the HAN, found: {refused}")
    if order.refused is not None and (refused is None or order.refused not in refused):
        found = "it is on the HAN" if refused is None else refused
        raise Unmet(f"{order.device}: join: expected to be refused ({order.refused}), found: {found}")


def _replace_gas(stage: Stage, order: verbs.Premises) -> None:
    stage.premises(order.premises)
    han.replace_gas(stage.desk, order.premises)
    meter = stage.premises(order.premises).gas
    assert meter is not None
    stage.meet(meter)


def _replace_hub(stage: Stage, order: verbs.Premises) -> None:
    stage.replace_hub(order.premises)


def _device_log(stage: Stage, order: verbs.DeviceLog) -> None:
    hub = stage.hub(order.premises)
    kinds = {name: number for number, name in hub.firmware.han.kinds.items()} if hub.firmware.han else {}

    def act(method: int, value: object) -> None:
        stage.head_end.action(hub, hub, MANAGEMENT, DEVICE_LOG, method, value)

    for name in order.remove:
        act(_UNREGISTER_DEVICE, stage.named(name).identity.eui64)
    for name in order.add:
        device = stage.named(name)
        try:
            member = hub.han.member(device)
        except KeyError:
            raise DeskError(f"{name}: is not within range of the hub") from None
        act(
            _REGISTER_DEVICE,
            [device.identity.eui64, kinds.get(device.firmware.kind, 0), member.first_key, _ANY_OPTION],
        )
    if order.permit:
        stage.head_end.set(hub, hub, MANAGEMENT, DEVICE_LOG, _JOINING, True)


def _network_key(stage: Stage, order: verbs.Premises) -> None:
    hub = stage.hub(order.premises)
    stage.head_end.action(hub, hub, MANAGEMENT, DEVICE_LOG, _UPDATE_NETWORK_KEY)


def _back_up(stage: Stage, order: verbs.Premises) -> None:
    hub = stage.hub(order.premises)
    answer = stage.head_end.action(hub, hub, MANAGEMENT, DEVICE_LOG, _BACK_UP)
    try:
        value = plain(axdr.decode_all(answer or b""))
    except ProtocolError as error:
        raise HeadEndError(f"backup: {error}") from error
    _, extended_pan_id, devices = value
    stage.backups[order.premises] = extended_pan_id, devices


def _restore(stage: Stage, order: verbs.Premises) -> None:
    backup = stage.backups.get(order.premises)
    if backup is None:
        raise DeskError(f"{order.premises}: nothing to restore; back_up comes first")
    hub = stage.hub(order.premises)
    stage.head_end.action(hub, hub, MANAGEMENT, DEVICE_LOG, _RESTORE, list(backup))


# --- the head-end


def _price(stage: Stage, order: verbs.Price) -> None:
    device = stage.device(order.device)
    hub = stage.premises_of(device).hub
    value = plain(stage.read(device, MANAGEMENT, CONSUMPTION, _ACTIVE))
    (commodity_scale, price_scale), commodity, prices = value
    for scale in range(price_scale, 1):
        amount = Fraction(str(order.pence)) * PENNY * Fraction(10) ** (commodity_scale - _KWH - scale + SCALE)
        if amount.denominator == 1 and amount <= _DEAREST:
            break
    else:
        raise DeskError(f"{order.device}: price: {order.pence:g} pence a kWh has no place in its table of prices")
    table = [[commodity_scale, scale], commodity, [[index, int(amount)] for index, _ in prices]]
    stage.head_end.set(device, hub, MANAGEMENT, CONSUMPTION, _PASSIVE, table)
    if order.starts is None:
        stage.head_end.action(device, hub, MANAGEMENT, CONSUMPTION, _ACTIVATE)
    else:
        stage.head_end.set(device, hub, MANAGEMENT, CONSUMPTION, _ACTIVATION, order.starts)


def _set(stage: Stage, order: verbs.Set) -> None:
    device = stage.device(order.device)
    hub = stage.premises_of(device).hub
    what = f"{order.device}: set {order.object}:{order.attribute}"
    _as_expected(
        what,
        order.refused,
        lambda: stage.head_end.set(device, hub, order.association, order.object, order.attribute, order.value),
    )


def _action(stage: Stage, order: verbs.Action) -> None:
    device = stage.device(order.device)
    hub = stage.premises_of(device).hub
    what = f"{order.device}: method {order.method} of {order.object}"
    _as_expected(
        what,
        order.refused,
        lambda: stage.head_end.action(device, hub, order.association, order.object, order.method, order.value),
    )


def _as_expected(what: str, refused: str | None, act: Callable[[], object]) -> None:
    try:
        act()
    except HeadEndError as error:
        if refused is None or refused not in str(error):
            raise Unmet(f"{what}: expected {refused or 'success'}, found: {error}") from None
    else:
        if refused is not None:
            raise Unmet(f"{what}: expected {refused}, found: success")


# --- faults


def _fault(stage: Stage, order: verbs.Fault) -> None:
    injection = stage.rig.faults.start(order.name, order.device, order.parameters, **order.timing())
    if order.label is not None:
        stage.injections[order.label] = injection


def _end_fault(stage: Stage, order: verbs.EndFault) -> None:
    injection = stage.injections.get(order.label)
    if injection is None:
        raise FaultError(f"{order.label}: no fault of that label; a fault step gives it one")
    stage.rig.faults.end(injection.id)


_DEEDS: Mapping[str, Callable[[Stage, Any], None]] = {
    "load": _load,
    "tap": _tap,
    "press": _press,
    "top_up": _top_up,
    "power": _power,
    "clock": _clock,
    "join": _join,
    "replace_gas": _replace_gas,
    "replace_hub": _replace_hub,
    "device_log": _device_log,
    "network_key": _network_key,
    "back_up": _back_up,
    "restore": _restore,
    "price": _price,
    "set": _set,
    "action": _action,
    "fault": _fault,
    "end_fault": _end_fault,
}
