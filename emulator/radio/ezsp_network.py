"""The network: form, resume, leave, permit joining, scan; who comes and goes."""

from __future__ import annotations

from collections.abc import Callable

from emulator.radio.coordinator import Changed, Joined, Joining, Left, Parameters
from emulator.radio.ezsp_processor import Handlers, Processor
from emulator.time import SECOND, Event
from protocols.zigbee.declared import Values
from protocols.zigbee.ezsp import networking as ezsp
from protocols.zigbee.ezsp.configuration import TOKEN_FACTORY_RESET
from protocols.zigbee.ezsp.enums import (
    ALLOW_JOINS,
    Counter,
    DeviceUpdate,
    JoinDecision,
    NetworkStatus,
    NodeType,
    Policy,
    Scan,
    Security,
    Status,
)

FIRST_CHANNEL, LAST_CHANNEL = 11, 26
FOR_EVER = 0xFF
_ALL_CHANNELS = 0x07FFF800
_LONGEST_SCAN = 14
_SUPERFRAME = 15_360_000
"""ns; a scan stays on each channel for 2 ** duration + 1 of them."""
_ALL = 0xFF  # channel in scanCompleteHandler: none failed
_UPDATES = {
    Joining.ASSOCIATION: DeviceUpdate.UNSECURED_JOIN,
    Joining.REJOIN: DeviceUpdate.SECURED_REJOIN,
    Joining.TRUST_CENTRE_REJOIN: DeviceUpdate.UNSECURED_REJOIN,
}
_NOWHERE = 0xFFFE
_NO_EUI = bytes(8)
_POWER = range(-20, 21)
"""dBm that the radio can be set to."""


class Network:
    """Answers the commands about the network."""

    def __init__(self, processor: Processor, frame_counter: Callable[[], int]) -> None:
        """``frame_counter`` gives the outgoing frame counter for the next network."""
        self._processor = processor
        self._coordinator = processor.coordinator
        self._frame_counter = frame_counter
        self._initial: Values | None = None
        self._open_until = 0  # rig instant
        self._closing: Event | None = None
        self._scan: Event | None = None

    def handlers(self) -> Handlers:
        """By command."""
        return {
            ezsp.NETWORK_INIT: self._init,
            ezsp.NETWORK_STATE: self._state,
            ezsp.START_SCAN: self._start_scan,
            ezsp.STOP_SCAN: self._stop_scan,
            ezsp.FORM_NETWORK: self._form,
            ezsp.LEAVE_NETWORK: self._leave,
            TOKEN_FACTORY_RESET: self._factory_reset,
            ezsp.PERMIT_JOINING: self._permit,
            ezsp.GET_EUI64: self._eui64,
            ezsp.GET_NODE_ID: self._node_id,
            ezsp.GET_PARAMETERS: self._parameters,
            ezsp.PARENT_AND_CHILDREN: self._family,
            ezsp.SET_CONCENTRATOR: self._accept,
            ezsp.SOURCE_ROUTE_DISCOVERY: self._source_routes,
            ezsp.REMOVE_DEVICE: self._remove,
            ezsp.SET_POWER: self._set_power,
            ezsp.SET_CHANNEL: self._set_channel,
            ezsp.SET_LOGICAL_CHANNEL: self._set_channel,
            ezsp.GET_CHANNEL: self._channel,
        }

    def begin_with(self, state: Values) -> None:
        """The next network that is formed begins with that security state (setInitialSecurityState)."""
        self._initial = state

    # --- up and down

    def _init(self, values: Values) -> Values:
        if self._processor.up:
            return {"status": Status.INVALID_CALL}
        if not self._coordinator.start():
            return {"status": Status.NOT_JOINED}
        self._processor.status(Status.NETWORK_UP)
        return {"status": Status.SUCCESS}

    def _state(self, values: Values) -> Values:
        return {"status": NetworkStatus.JOINED if self._processor.up else NetworkStatus.NO_NETWORK}

    def _form(self, values: Values) -> Values:
        processor, wanted, initial = self._processor, values["parameters"], self._initial
        if processor.up:
            return {"status": Status.INVALID_CALL}
        if initial is None:
            return {"status": Status.SECURITY_STATE_NOT_SET}
        if not FIRST_CHANNEL <= wanted["channel"] <= LAST_CHANNEL:
            return {"status": Status.INVALID_CHANNEL}
        options, memory = initial["options"], processor.memory
        key = initial["network_key"] if options & Security.HAVE_NETWORK_KEY else processor.chance.randbytes(16)
        extended_pan = wanted["extended_pan"] if any(wanted["extended_pan"]) else self._coordinator.eui64
        parameters = Parameters(wanted["pan"], extended_pan, wanted["channel"], key, initial["key_sequence"])
        counter = self._frame_counter() if options & Security.NO_FRAME_COUNTER_RESET else 0
        try:
            self._coordinator.form(parameters, counter)
        except ValueError:
            return {"status": Status.BAD_ARGUMENT}
        if options & Security.HAVE_PRECONFIGURED_KEY:
            memory.link_key = initial["preconfigured_key"]
        hashed = Security.HASHED_LINK_KEY if options & Security.HASHED_LINK_KEY == Security.HASHED_LINK_KEY else 0
        memory.bitmask = options & Security.GLOBAL_LINK_KEY | Security.HAVE_TRUST_CENTRE_LINK_KEY | hashed
        memory.power, memory.update_id = wanted["power"], wanted["update_id"]
        memory.key_table.clear()
        processor.touch()
        self._initial = None
        processor.status(Status.NETWORK_UP)
        return {"status": Status.SUCCESS}

    def _leave(self, values: Values) -> Values:
        if not self._processor.up:
            return {"status": Status.INVALID_CALL}
        self._go()
        return {"status": Status.SUCCESS}

    def _factory_reset(self, values: Values) -> Values:
        """The network is forgotten; what frame counters are kept does not matter, as its key is gone too."""
        self._go()
        self._processor.memory.bindings.clear()
        return {}

    def _go(self) -> None:
        was_up = self._processor.up
        self._close()
        self._coordinator.leave()
        self._processor.memory.key_table.clear()
        self._processor.touch()
        if was_up:
            self._processor.status(Status.NETWORK_DOWN)

    def changed(self, event: Changed) -> None:
        """The network went up or down without the host."""
        self._processor.status(Status.NETWORK_UP if event.up else Status.NETWORK_DOWN)

    # --- joining

    def _permit(self, values: Values) -> Values:
        processor, seconds = self._processor, values["duration"]
        if not processor.up:
            return {"status": Status.NETWORK_DOWN}
        processor.cancel(self._closing)
        self._closing = None
        was_open = self._open_until > processor.clock.now
        self._open_until = processor.clock.now + (seconds * SECOND if seconds != FOR_EVER else 1 << 62)
        if 0 < seconds < FOR_EVER:
            self._closing = processor.later(seconds * SECOND, self._closed)
        self.policy_changed()
        if seconds and not was_open:
            processor.status(Status.NETWORK_OPENED)
        elif was_open and not seconds:
            processor.status(Status.NETWORK_CLOSED)
        return {"status": Status.SUCCESS}

    def policy_changed(self) -> None:
        """The trust centre's policy or the window is another: devices may join while both let them."""
        if not self._processor.up:
            return
        left = -(-(self._open_until - self._processor.clock.now) // SECOND)
        allowed = self._processor.policies[Policy.TRUST_CENTER] & ALLOW_JOINS
        self._coordinator.permit(min(left, FOR_EVER) if allowed and left > 0 else 0)

    def _closed(self) -> None:
        self._close()
        self._processor.status(Status.NETWORK_CLOSED)

    def _close(self) -> None:
        self._processor.cancel(self._closing)
        self._closing, self._open_until = None, 0

    def joined(self, event: Joined) -> None:
        """A device asked for the network."""
        processor = self._processor
        if event.how is Joining.ASSOCIATION:
            processor.count(Counter.JOIN_INDICATION)
        if event.sleepy and event.admitted and event.parent == 0:
            children = [each.eui64 for each in self._coordinator.neighbours() if each.child and each.sleepy]
            index = children.index(event.eui64) if event.eui64 in children else len(children)
            child = {"index": index & 0xFF, "joining": True, "address": event.address, "eui": event.eui64}
            processor.tell(ezsp.CHILD_JOIN, {**child, "kind": NodeType.SLEEPY_END_DEVICE})
        decision = JoinDecision.USE_PRECONFIGURED_KEY if event.admitted else JoinDecision.DENY
        if event.how is Joining.REJOIN and event.admitted:
            decision = JoinDecision.NO_ACTION
        processor.tell(
            ezsp.TRUST_CENTRE_JOIN,
            {
                "address": event.address,
                "eui": event.eui64,
                "status": _UPDATES[event.how],
                "decision": decision,
                "parent": event.parent,
            },
        )

    def left(self, event: Left) -> None:
        """A device has left."""
        update = {"address": event.address, "eui": event.eui64, "status": DeviceUpdate.LEFT}
        self._processor.tell(ezsp.TRUST_CENTRE_JOIN, {**update, "decision": JoinDecision.NO_ACTION, "parent": _NOWHERE})

    def _remove(self, values: Values) -> Values:
        if not self._processor.up:
            return {"status": Status.NETWORK_DOWN}
        return {"status": Status.SUCCESS if self._coordinator.remove(values["eui"]) else Status.NOT_FOUND}

    # --- what it is

    def _eui64(self, values: Values) -> Values:
        return {"eui": self._coordinator.eui64}

    def _node_id(self, values: Values) -> Values:
        return {"address": 0 if self._processor.up else _NOWHERE}

    def _parameters(self, values: Values) -> Values:
        memory = self._processor.memory
        if not self._processor.up:
            return {"status": Status.NOT_JOINED, "kind": 0, "parameters": _NO_PARAMETERS}
        network = self._coordinator.parameters
        parameters = {
            "extended_pan": network.extended_pan_id,
            "pan": network.pan_id,
            "power": memory.power,
            "channel": network.channel,
            "join_method": 0,
            "manager": 0,
            "update_id": memory.update_id,
            "channels": _ALL_CHANNELS,
        }
        return {"status": Status.SUCCESS, "kind": NodeType.COORDINATOR, "parameters": parameters}

    def _family(self, values: Values) -> Values:
        children = [each for each in self._coordinator.neighbours() if each.child and each.sleepy]
        return {"children": min(len(children), 0xFF), "parent": _NO_EUI, "parent_address": 0xFFFF}

    def _accept(self, values: Values) -> Values:
        return {"status": Status.SUCCESS}

    def _source_routes(self, values: Values) -> Values:
        """Many-to-one routes are not discovered: the network finds its routes otherwise."""
        return {"remaining": 0xFFFF_FFFF}

    def _set_power(self, values: Values) -> Values:
        if values["power"] not in _POWER:
            return {"status": Status.BAD_ARGUMENT}
        self._processor.memory.power = values["power"]
        self._processor.touch()
        return {"status": Status.SUCCESS}

    def _set_channel(self, values: Values) -> Values:
        """The network stays on its channel, to which a host may come back; no other can be listened to."""
        here = self._processor.up and values["channel"] == self._coordinator.parameters.channel
        return {"status": Status.SUCCESS if here else Status.INVALID_CHANNEL}

    def _channel(self, values: Values) -> Values:
        return {"channel": self._coordinator.parameters.channel if self._processor.up else 0}

    # --- scans

    def _start_scan(self, values: Values) -> Values:
        channels = [each for each in range(FIRST_CHANNEL, LAST_CHANNEL + 1) if values["channels"] >> each & 1]
        if values["kind"] not in (Scan.ENERGY, Scan.ACTIVE) or values["duration"] > _LONGEST_SCAN or not channels:
            return {"status": Status.BAD_ARGUMENT}
        if self._scan is not None:
            return {"status": Status.INVALID_CALL}
        stay = ((1 << values["duration"]) + 1) * _SUPERFRAME
        energy = values["kind"] == Scan.ENERGY

        def next_channel() -> None:
            channel = channels.pop(0)
            if energy:
                level = self._coordinator.energy(channel)
                self._processor.tell(ezsp.ENERGY_RESULT, {"channel": channel, "rssi": min(max(level, -128), 127)})
            if channels:
                self._scan = self._processor.later(stay, next_channel)
            else:
                self._scan_ended()

        self._scan = self._processor.later(stay, next_channel)
        return {"status": Status.SUCCESS}

    def _scan_ended(self) -> None:
        self._scan = None
        self._processor.tell(ezsp.SCAN_COMPLETE, {"channel": _ALL, "status": Status.SUCCESS})

    def _stop_scan(self, values: Values) -> Values:
        if self._scan is not None:
            self._processor.cancel(self._scan)
            self._scan_ended()
        return {"status": Status.SUCCESS}


_NO_PARAMETERS = {
    "extended_pan": _NO_EUI,
    "pan": 0xFFFF,
    "power": 0,
    "channel": 0,
    "join_method": 0,
    "manager": 0,
    "update_id": 0,
    "channels": 0,
}
