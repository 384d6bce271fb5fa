"""Requests that a ZNP host makes of the processor itself (subsystems SYS, SAPI, UTIL and application configuration)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.radio import znp_zdo
from emulator.radio.znp_memory import NO_ADDRESS, NOBODY
from protocols.errors import DecodeError
from protocols.zigbee import install_code
from protocols.zigbee.declared import Values
from protocols.zigbee.mt import Frame
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp.command import Capability, Command, DeviceState, Relation, Status

if TYPE_CHECKING:
    from emulator.radio.coordinator import Neighbour
    from emulator.radio.znp import Handler, ZnpStack

CAPABILITIES: Final = (
    Capability.SYS | Capability.AF | Capability.ZDO | Capability.SAPI | Capability.UTIL | Capability.APP_CONFIG
)
MAX_READ: Final = 248
"""Octets of an item in one answer."""
MAX_POWER: Final = 20
ANY_DEVICE: Final = 7
"""Device type of a processor that can be coordinator, router and end device."""
INSTALL_CODE, LINK_KEY = 1, 2
"""Formats of a key that a host adds."""
_NO_ADDRESS_INDEX: Final = 0xFFFF


def _ping(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"capabilities": CAPABILITIES}


def _version(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return stack.version._asdict()


def _extended_address(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"eui": stack.coordinator.eui64}


def _random(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"value": stack.device.chance.randrange(1 << 16)}


def _tune(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"value": Status.SUCCESS}


def _set_power(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"power": min(asked["power"], MAX_POWER)}


# --- items


def _nv_init(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"status": stack.memory.create(stack.coordinator, asked["id"], asked["length"], asked["value"])}


def _nv_read(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    octets, offset = stack.memory.get(stack.coordinator, asked["id"]), asked["offset"]
    if octets is None or offset >= len(octets):
        return {"status": Status.INVALID_PARAMETER, "value": b""}
    return {"status": Status.SUCCESS, "value": octets[offset : offset + MAX_READ]}


def _nv_write(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"status": stack.memory.write(stack.coordinator, asked["id"], asked["offset"], asked["value"])}


def _nv_delete(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"status": stack.memory.delete(stack.coordinator, asked["id"], asked["length"])}


def _nv_length(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"length": len(stack.memory.get(stack.coordinator, asked["id"]) or b"")}


def _read_configuration(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    octets = stack.memory.get(stack.coordinator, asked["id"])
    if octets is None or len(octets) > MAX_READ - 1:
        return {"status": Status.INVALID_PARAMETER, "id": asked["id"], "value": b""}
    return {"status": Status.SUCCESS, "id": asked["id"], "value": octets}


def _write_configuration(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    number, value = asked["id"], asked["value"]
    status = stack.memory.create(stack.coordinator, number, len(value), value)
    if status is Status.SUCCESS:
        status = stack.memory.write(stack.coordinator, number, 0, value)
    return {"status": Status.SUCCESS if status is Status.NV_ITEM_CREATED else status}


# --- the device and its neighbours


def _sapi_device_info(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    coordinator, parameter = stack.coordinator, asked["parameter"]
    network = coordinator.parameters if coordinator.formed else None
    number = 0  # the short address of a coordinator and of its parent
    match parameter:
        case 0:
            number = _state(stack)
        case 1 | 4:
            return {"parameter": parameter, "value": coordinator.eui64 if parameter == 1 else bytes(8)}
        case 5:
            number = network.channel if network is not None else 0
        case 6:
            number = network.pan_id if network is not None else 0xFFFF
        case 7:
            return {"parameter": parameter, "value": network.extended_pan_id if network is not None else bytes(8)}
        case _:
            pass
    return {"parameter": parameter, "value": number.to_bytes(8, "big")}


def _device_info(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    up = stack.coordinator.up
    return {
        "status": Status.SUCCESS,
        "eui": stack.coordinator.eui64,
        "short": 0 if up else NO_ADDRESS,
        "type": ANY_DEVICE,
        "state": _state(stack),
        "children": [neighbour.address for neighbour in _children(stack)],
    }


def _state(stack: ZnpStack) -> DeviceState:
    return DeviceState.COORDINATOR if stack.coordinator.up else DeviceState.HOLD


def _led(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"status": Status.SUCCESS}


def _find_short(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    short = stack.coordinator.address_of(asked["eui"])
    return {"short": NO_ADDRESS if short is None else short}


def _find_eui(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"eui": stack.coordinator.eui64_of(asked["short"]) or NOBODY}


def _children(stack: ZnpStack) -> list[Neighbour]:
    return [neighbour for neighbour in stack.coordinator.neighbours() if neighbour.child]


def _relation(neighbour: Neighbour) -> Relation:
    if not neighbour.child:
        return Relation.NEIGHBOUR
    return Relation.CHILD_ASLEEP if neighbour.sleepy else Relation.ROUTER


def _count_associated(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    wanted = range(asked["first"], asked["last"] + 1)
    return {"count": sum(_relation(neighbour) in wanted for neighbour in stack.coordinator.neighbours())}


def _find_associated(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    children = _children(stack)
    index: int = asked["index"]
    return _associated(children[index] if index < len(children) else None, index)


def _get_associated(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    for index, neighbour in enumerate(stack.coordinator.neighbours()):
        wanted, found = asked["eui"], neighbour.eui64
        if found == wanted or (not any(wanted) and neighbour.address == asked["short"]):
            return _associated(neighbour, index)
    return _associated(None, 0)


def _associated(neighbour: Neighbour | None, index: int) -> Values:
    """The association table's entry for a neighbour, or that of nobody."""
    values = dict.fromkeys(_ASSOCIATED, 0)
    if neighbour is None:
        return values | {"short": NO_ADDRESS, "address_index": _NO_ADDRESS_INDEX, "relation": Relation.NONE}
    found = {"short": neighbour.address, "address_index": index, "relation": _relation(neighbour)}
    return values | found | {"lqi": neighbour.lqi, "keep_alive": 1}


_ASSOCIATED: Final = (
    "status",
    "associations",
    "age",
    "sent",
    "cost",
    "lqi",
    "key_sequence",
    "frame_counter",
    "failures",
    "end_device_configuration",
    "device_timeout",
    "timeout_counter",
    "keep_alive",
)

# --- commissioning


def _add_install_code(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    code: bytes = asked["code"]
    if asked["format"] == LINK_KEY and len(code) == 16:
        key = code
    elif asked["format"] == INSTALL_CODE:
        try:
            key = install_code.link_key(code)
        except DecodeError as error:
            stack.remark(f"install code refused: {error}", "install codes refused")
            return {"status": Status.INVALID_PARAMETER}
    else:
        return {"status": Status.INVALID_PARAMETER}
    return {"status": Status.SUCCESS if stack.coordinator.add_key(asked["eui"], key) else Status.NWK_TABLE_FULL}


def _start_commissioning(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    znp_zdo.commission(stack, asked["mode"])
    return {"status": Status.SUCCESS}


def _set_channel(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    if asked["primary"]:
        stack.session.channels = asked["channels"]
    return {"status": Status.SUCCESS}


def _policy(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"status": Status.SUCCESS}  # devices of a HAN join by their install code, whatever the host says


HANDLERS: Final[tuple[tuple[Command, Handler], ...]] = (
    (znp.PING, _ping),
    (znp.VERSION, _version),
    (znp.GET_EXTENDED_ADDRESS, _extended_address),
    (znp.RANDOM, _random),
    (znp.STACK_TUNE, _tune),
    (znp.SET_POWER, _set_power),
    (znp.NV_INIT, _nv_init),
    (znp.NV_READ, _nv_read),
    (znp.NV_READ_LONG, _nv_read),
    (znp.NV_WRITE, _nv_write),
    (znp.NV_WRITE_LONG, _nv_write),
    (znp.NV_DELETE, _nv_delete),
    (znp.NV_LENGTH, _nv_length),
    (znp.READ_CONFIGURATION, _read_configuration),
    (znp.WRITE_CONFIGURATION, _write_configuration),
    (znp.SAPI_DEVICE_INFO, _sapi_device_info),
    (znp.DEVICE_INFO, _device_info),
    (znp.LED, _led),
    (znp.FIND_SHORT, _find_short),
    (znp.FIND_EUI, _find_eui),
    (znp.COUNT_ASSOCIATED, _count_associated),
    (znp.FIND_ASSOCIATED, _find_associated),
    (znp.GET_ASSOCIATED, _get_associated),
    (znp.ADD_INSTALL_CODE, _add_install_code),
    (znp.START_COMMISSIONING, _start_commissioning),
    (znp.SET_CHANNEL, _set_channel),
    (znp.JOIN_BY_INSTALL_CODE, _policy),
    (znp.REQUIRE_KEY_EXCHANGE, _policy),
)
