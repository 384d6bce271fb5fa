"""What a ZNP host asks of the network (subsystem ZDO): start, form, permit, keys, groups, the device profile both ways.

A message of the device profile comes to a host that has registered for its cluster as a message. To one that has not it
comes as the event that there is for its cluster, as does the answer to a request that has a command of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.han.message import ALL_DEVICES, COORDINATOR, ROUTERS, Arrival, Message
from emulator.radio.znp_memory import NO_ADDRESS, NO_KEY
from emulator.time import SECOND
from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee import zdo as profile
from protocols.zigbee.declared import Values
from protocols.zigbee.mt import Frame
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp import zdo
from protocols.zigbee.znp.command import AddressMode, Command, DeviceState, Startup, Status

if TYPE_CHECKING:
    from emulator.radio.znp import Handler, ZnpStack

EVERY_CLUSTER: Final = 0xFFFF
MAX_GROUPS: Final = 32
FORMATION: Final = 0x04
"""Mode of commissioning (BDB): form a network. The others are for devices that look for one."""
COMMISSIONED, FORMATION_FAILED, FAILED = 0x00, 0x08, 0x0E
NOT_FORMED: Final = "networks not formed"
"""Counter."""
_LONGEST_SCAN: Final = 5
"""Durations of Mgmt_NWK_Update up to this ask for an energy scan."""
_QUIET, _LOUD = -95, -35
"""dBm at which an energy scan finds 0 and 255."""


class Unacceptable(Exception):
    """A request's fields are well formed, but not to be done."""


# --- starting


def commission(stack: ZnpStack, mode: int) -> None:
    """Commission (BDB): with FORMATION among the modes, start the network, after forming one if there is none.

    A formation that finds a network "fails", as in the real processor, and starts it.
    """
    if not mode & FORMATION:
        stack.tell(znp.COMMISSIONING, {"status": FAILED, "mode": mode, "remaining": 0})
        return
    new = not stack.coordinator.formed
    up = _start(stack)
    status = COMMISSIONED if new and up else FORMATION_FAILED
    stack.tell(znp.COMMISSIONING, {"status": status, "mode": FORMATION, "remaining": 0})


def _startup(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    new = not stack.coordinator.formed
    if not _start(stack):
        return {"status": Startup.NOT_STARTED}
    return {"status": Startup.NEW if new else Startup.RESTORED}


def _start(stack: ZnpStack) -> bool:
    """Bring the network up: whether it is. The host is told of it, and of the beginning of a new one."""
    coordinator = stack.coordinator
    if not coordinator.formed:
        try:
            wanted = stack.memory.choose(coordinator, stack.session.channels)
            coordinator.form(wanted)
        except ValueError as error:
            stack.remark(f"no network formed: {error}", NOT_FORMED)
            return False
        stack.tell(zdo.STATE_CHANGE, {"state": DeviceState.COORDINATOR_STARTING})
    elif not coordinator.up and not coordinator.start():
        return False
    stack.tell(zdo.STATE_CHANGE, {"state": DeviceState.COORDINATOR})
    return True


def _network_info(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    coordinator = stack.coordinator
    network = coordinator.parameters if coordinator.formed else None
    return {
        "short": COORDINATOR if coordinator.up else NO_ADDRESS,
        "state": DeviceState.COORDINATOR if coordinator.up else DeviceState.HOLD,
        "pan": 0xFFFF if network is None else network.pan_id,
        "parent": COORDINATOR,
        "extended_pan": bytes(8) if network is None else network.extended_pan_id,
        "parent_eui": bytes(8),
        "channel": 0 if network is None else network.channel,
    }


# --- the device profile


def arrived(stack: ZnpStack, arrival: Arrival) -> None:
    """A message of the device profile."""
    message = arrival.message
    if not message.payload:
        stack.remark(f"a message of cluster {message.cluster:#06x} without octets")
        return
    asked, callbacks = (message.cluster, message.payload[0]), stack.session.callbacks
    registered = message.cluster in callbacks or EVERY_CLUSTER in callbacks
    if not registered or asked in stack.session.asked:
        try:
            event = zdo.event_of(arrival.source, message.cluster, message.payload)
        except DecodeError as error:
            stack.remark(f"from {arrival.source:#06x}: {error}")
            return
        if event is not None:
            stack.send(event.encode())
    if registered:
        values = {
            "source": arrival.source,
            "broadcast": arrival.broadcast,
            "cluster": message.cluster,
            "secured": message.secured,
            "sequence": message.payload[0],
            "mac_destination": ALL_DEVICES if arrival.broadcast else COORDINATOR,
            "data": message.payload[1:],
        }
        stack.tell(zdo.ZDO_MESSAGE, values)


def _ask(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    """A request of the device profile: the answer says that it was sent."""
    if not stack.coordinator.up:
        return {"status": Status.NWK_INVALID_REQUEST}
    try:
        destination, cluster, octets = zdo.message_of(frame, asked, stack.session.next())
    except LocalProtocolError as error:
        raise Unacceptable(str(error)) from None
    stack.session.asked.append((cluster | profile.RESPONSE, octets[0]))
    if not scanned(stack, destination, cluster, octets):
        stack.coordinator.send(destination, Message(0, cluster, 0, 0, octets, acknowledge=False))
    return {"status": Status.SUCCESS}


def _permit(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    coordinator, destination, duration = stack.coordinator, asked["destination"], asked["duration"]
    if not coordinator.up:
        return {"status": Status.NWK_INVALID_REQUEST}
    if asked["mode"] == AddressMode.BROADCAST:
        _ask(stack, frame, asked)
    elif destination not in (COORDINATOR, ROUTERS):
        return _ask(stack, frame, asked)
    coordinator.permit(duration)
    stack.tell(_PERMIT_RESPONSE, {"source": COORDINATOR, "status": profile.Status.SUCCESS})
    _tell_permitted(stack, duration)
    return {"status": Status.SUCCESS}


_PERMIT_RESPONSE: Final = zdo.RESPONSES[profile.Cluster.MGMT_PERMIT_JOINING | profile.RESPONSE]


def _tell_permitted(stack: ZnpStack, duration: int) -> None:
    """Tell the host for how long devices may join, and when the time is over."""
    stack.tell(zdo.PERMIT_JOIN_INDICATION, {"duration": duration})
    if 0 < duration < 0xFF:
        clock, session = stack.device.clock, stack.session

        def over() -> None:
            if stack.session is session and stack.coordinator.open_for == 0:
                stack.tell(zdo.PERMIT_JOIN_INDICATION, {"duration": 0})

        clock.schedule(clock.now + duration * SECOND, over)


def scanned(stack: ZnpStack, destination: int, cluster: int, octets: bytes) -> bool:
    """Whether a message asks the processor itself to scan for energy or to change the channel, which is answered here.

    It finds 0 to 255 for each channel; the channel of a HAN cannot be changed by its host.
    """
    if destination != COORDINATOR or cluster != profile.Cluster.MGMT_NWK_UPDATE:
        return False
    try:
        sequence, values = profile.decode(cluster, octets)
    except DecodeError as error:
        stack.remark(str(error))
        return True
    supported, channels = values["duration"] <= _LONGEST_SCAN, values["channels"]
    offered = [channel for channel in range(11, 27) if channels >> channel & 1] if supported else []
    levels = [min(max(stack.coordinator.energy(channel), _QUIET), _LOUD) for channel in offered]
    answer = profile.encode(
        _UPDATE_ANSWER,
        sequence,
        status=profile.Status.SUCCESS if supported else profile.Status.NOT_SUPPORTED,
        channels=channels,
        transmissions=0,
        failures=0,
        energies=[(level - _QUIET) * 255 // (_LOUD - _QUIET) for level in levels],
    )
    message = Message(0, _UPDATE_ANSWER, 0, 0, answer)
    arrived(stack, Arrival(COORDINATOR, stack.coordinator.eui64, message))
    return True


_UPDATE_ANSWER: Final = profile.Cluster.MGMT_NWK_UPDATE | profile.RESPONSE


def _register(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    stack.session.callbacks.add(asked["cluster"])
    return {"status": Status.SUCCESS}


def _unregister(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    stack.session.callbacks.discard(asked["cluster"])
    return {"status": Status.SUCCESS}


# --- routes and groups


def _discover_route(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"status": Status.SUCCESS}  # routes of this network are there as soon as the air carries


def _check_route(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    known = stack.coordinator.eui64_of(asked["destination"]) is not None
    return {"status": Status.SUCCESS if known else Status.FAILURE}


def _find_group(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    found = (asked["endpoint"], asked["group"]) in stack.session.groups
    return {"status": Status.SUCCESS if found else Status.FAILURE, "group": asked["group"], "name": b""}


def _add_group(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    groups = stack.session.groups
    if len(groups) >= MAX_GROUPS:
        return {"status": Status.FAILURE}
    groups.add((asked["endpoint"], asked["group"]))
    return {"status": Status.SUCCESS}


def _remove_group(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    groups, group = stack.session.groups, (asked["endpoint"], asked["group"])
    if group not in groups:
        return {"status": Status.FAILURE}
    groups.remove(group)
    return {"status": Status.SUCCESS}


def _find_groups(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"groups": sorted(group for endpoint, group in stack.session.groups if endpoint == asked["endpoint"])}


# --- keys


def _set_link_key(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    added = stack.coordinator.add_key(asked["eui"], asked["key"])
    return {"status": Status.SUCCESS if added else Status.NWK_TABLE_FULL}


def _remove_link_key(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    return {"status": Status.SUCCESS if stack.coordinator.remove_key(asked["eui"]) else Status.FAILURE}


def _get_link_key(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    log = stack.coordinator.keys()
    for eui64, key, _ in log:
        if eui64 == asked["eui"]:
            return {"status": Status.SUCCESS, "eui": eui64, "key": key}
    return {"status": Status.FAILURE, "eui": asked["eui"], "key": NO_KEY}


def _update_network_key(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    stack.session.next_key = asked["sequence"], asked["key"]
    return {"status": Status.SUCCESS}


def _switch_network_key(stack: ZnpStack, frame: Frame, asked: dict[str, Any]) -> Values:
    waiting, stack.session.next_key = stack.session.next_key, None
    if waiting is None or waiting[0] != asked["sequence"] or not stack.coordinator.up:
        return {"status": Status.FAILURE}
    stack.coordinator.set_network_key(waiting[1], waiting[0])
    return {"status": Status.SUCCESS}


HANDLERS: Final[tuple[tuple[Command, Handler], ...]] = (
    *((command, _ask) for command, _ in zdo.REQUESTS.values()),
    (zdo.NWK_ADDRESS, _ask),
    (zdo.IEEE_ADDRESS, _ask),
    (zdo.BIND, _ask),
    (zdo.UNBIND, _ask),
    (zdo.PERMIT_JOIN, _permit),
    (zdo.MGMT_NWK_UPDATE, _ask),
    (zdo.CALLBACK_REGISTER, _register),
    (zdo.CALLBACK_REMOVE, _unregister),
    (zdo.STARTUP, _startup),
    (zdo.SET_LINK_KEY, _set_link_key),
    (zdo.ADD_LINK_KEY, _set_link_key),
    (zdo.REMOVE_LINK_KEY, _remove_link_key),
    (zdo.GET_LINK_KEY, _get_link_key),
    (zdo.ROUTE_DISCOVERY, _discover_route),
    (zdo.ROUTE_CHECK, _check_route),
    (zdo.REMOVE_GROUP, _remove_group),
    (zdo.FIND_GROUPS, _find_groups),
    (zdo.FIND_GROUP, _find_group),
    (zdo.ADD_GROUP, _add_group),
    (zdo.UPDATE_NETWORK_KEY, _update_network_key),
    (zdo.SWITCH_NETWORK_KEY, _switch_network_key),
    (zdo.NETWORK_INFO, _network_info),
)
