"""The processor about itself: configuration, values, policies, tokens, counters, endpoints."""

from __future__ import annotations

from collections.abc import Callable

from emulator.radio.coordinator import Endpoint
from emulator.radio.ezsp_memory import TOKEN_OCTETS, TOKENS
from emulator.radio.ezsp_processor import Handlers, Processor
from protocols.zigbee.declared import Values
from protocols.zigbee.ezsp import configuration as ezsp
from protocols.zigbee.ezsp.enums import (
    COUNTERS,
    TOKEN_SIZES,
    Config,
    ExtendedValue,
    EzspStatus,
    Policy,
    Status,
    Token,
    Value,
)
from protocols.zigbee.ezsp.frame import VERSION as PROTOCOL
from protocols.zigbee.ezsp.messaging import MAX_CONTENTS
from protocols.zigbee.fields import number

NOTHING: Values = {}
_SIZES = frozenset(
    (
        Config.NEIGHBOR_TABLE_SIZE,
        Config.BINDING_TABLE_SIZE,
        Config.ADDRESS_TABLE_SIZE,
        Config.MULTICAST_TABLE_SIZE,
        Config.ROUTE_TABLE_SIZE,
        Config.DISCOVERY_TABLE_SIZE,
        Config.MAX_END_DEVICE_CHILDREN,
        Config.SOURCE_ROUTE_TABLE_SIZE,
        Config.KEY_TABLE_SIZE,
    )
)
"""Of tables: fixed while the network is up, and one octet counts their entries."""
_MESH = 2
_RELEASE = 0xAA  # type of a version that was released for general use
_PLAIN: dict[Value, bytes] = {
    Value.STACK_TOKEN_WRITING: b"\x01",
    Value.DESCRIPTOR_CAPABILITY: b"\x00",
    Value.CCA_THRESHOLD: b"\x00",
    Value.FORCE_TX_AFTER_FAILED_CCA_ATTEMPTS: b"\x00",
    Value.END_DEVICE_KEEP_ALIVE_SUPPORT_MODE: b"\x03",
    Value.MAXIMUM_INCOMING_TRANSFER_SIZE: number(MAX_CONTENTS, 2),
    Value.MAXIMUM_OUTGOING_TRANSFER_SIZE: number(MAX_CONTENTS, 2),
    Value.TRANSIENT_DEVICE_TIMEOUT: number(10_000, 2),
    Value.NWK_FRAME_COUNTER: bytes(4),
    Value.APS_FRAME_COUNTER: bytes(4),
}
"""Values that are what was set last, and what they are after a reset."""
_BEFORE_NETWORK = frozenset((Value.NWK_FRAME_COUNTER, Value.APS_FRAME_COUNTER))
_INHIBITED = frozenset((Token.CUSTOM_EUI64, Token.CALIBRATION))
"""Manufacturing tokens that cannot be written: what they say is the hub's identity and the radio's trim."""
_ENABLED = 1


class Settings:
    """Answers the commands about the processor. ``restart`` is what resetNode does, after its answer;
    ``policy_changed`` is called when a policy has been set."""

    def __init__(self, processor: Processor, restart: Callable[[], None], policy_changed: Callable[[], None]) -> None:
        self._processor = processor
        self._restart = restart
        self._policy_changed = policy_changed
        self._values = dict(_PLAIN)

    @property
    def frame_counter(self) -> int:
        """Outgoing frame counter that the next network begins with."""
        return int.from_bytes(self._values[Value.NWK_FRAME_COUNTER], "little")

    def handlers(self) -> Handlers:
        """By command."""
        return {
            ezsp.VERSION: self._version,
            ezsp.ADD_ENDPOINT: self._add_endpoint,
            ezsp.GET_EXTENDED_VALUE: self._get_extended_value,
            ezsp.NOP: _nothing,
            ezsp.CALLBACK: _nothing,
            ezsp.SET_TOKEN: self._set_token,
            ezsp.GET_TOKEN: self._get_token,
            ezsp.GET_MFG_TOKEN: self._get_mfg_token,
            ezsp.SET_MFG_TOKEN: self._set_mfg_token,
            ezsp.SET_MANUFACTURER_CODE: _nothing,
            ezsp.SET_POWER_DESCRIPTOR: _nothing,
            ezsp.CUSTOM_FRAME: _no_custom_frame,
            ezsp.RANDOM_NUMBER: self._random,
            ezsp.GET_CONFIGURATION: self._get_configuration,
            ezsp.SET_CONFIGURATION: self._set_configuration,
            ezsp.SET_POLICY: self._set_policy,
            ezsp.GET_POLICY: self._get_policy,
            ezsp.READ_COUNTERS: self._read_counters,
            ezsp.READ_AND_CLEAR_COUNTERS: self._read_and_clear_counters,
            ezsp.ECHO: _echo,
            ezsp.SET_CCA_MODE: _accepted,
            ezsp.GET_VALUE: self._get_value,
            ezsp.SET_VALUE: self._set_value,
            ezsp.RESET_NODE: self._reset,
        }

    def _version(self, values: Values) -> Values:
        major, minor, patch = (part & 0xF for part in self._processor.settings.version)
        return {"protocol": PROTOCOL, "stack_type": _MESH, "stack": major << 12 | minor << 8 | patch << 4}

    def _add_endpoint(self, values: Values) -> Values:
        endpoints, given = self._processor.coordinator.endpoints, values["endpoint"]
        if self._processor.up:
            return {"status": EzspStatus.INVALID_CALL}
        if not 1 <= given <= 0xFE or given in endpoints:
            return {"status": EzspStatus.INVALID_VALUE}
        endpoints[given] = Endpoint(
            given,
            values["profile"],
            values["device"],
            values["version"],
            tuple(values["inputs"]),
            tuple(values["outputs"]),
        )
        return {"status": EzspStatus.SUCCESS}

    def _get_extended_value(self, values: Values) -> Values:
        if values["id"] == ExtendedValue.ENDPOINT_FLAGS:
            known = values["characteristics"] in self._processor.coordinator.endpoints
            return _value(number(_ENABLED, 2)) if known else _value(bytes(2), EzspStatus.INVALID_VALUE)
        if values["id"] == ExtendedValue.LAST_LEAVE_REASON:
            return _value(bytes(3))
        if values["id"] == ExtendedValue.SOURCE_ROUTE_OVERHEAD:
            return _value(bytes(1))
        return _value(b"", EzspStatus.INVALID_ID)

    # --- tokens

    def _set_token(self, values: Values) -> Values:
        if values["id"] >= TOKENS:
            return {"status": Status.INDEX_OUT_OF_RANGE}
        self._processor.memory.set_token(values["id"], values["value"])
        self._processor.touch()
        return {"status": Status.SUCCESS}

    def _get_token(self, values: Values) -> Values:
        if values["id"] >= TOKENS:
            return {"status": Status.INDEX_OUT_OF_RANGE, "value": bytes(TOKEN_OCTETS)}
        return {"status": Status.SUCCESS, "value": self._processor.memory.tokens[values["id"]]}

    def _get_mfg_token(self, values: Values) -> Values:
        token = values["id"]
        return {"value": self._processor.memory.mfg_token(Token(token)) if token in TOKEN_SIZES else b""}

    def _set_mfg_token(self, values: Values) -> Values:
        memory, token, octets = self._processor.memory, values["id"], values["value"]
        if token not in TOKEN_SIZES or len(octets) != TOKEN_SIZES[token]:
            return {"status": Status.BAD_ARGUMENT}
        if token in _INHIBITED or memory.mfg_token(Token(token)).strip(b"\xff"):
            return {"status": Status.WRITE_INHIBITED}  # they can be written once
        memory.written[Token(token)] = octets
        self._processor.touch()
        return {"status": Status.SUCCESS}

    # --- configuration, policies, values

    def _get_configuration(self, values: Values) -> Values:
        found = self._processor.configuration.get(values["id"])
        return {"status": EzspStatus.INVALID_ID, "value": 0} if found is None else _found(found)

    def _set_configuration(self, values: Values) -> Values:
        processor, known = self._processor, values["id"]
        if known not in processor.configuration:
            return {"status": EzspStatus.INVALID_ID}
        if known in _SIZES and processor.up:
            return {"status": EzspStatus.INVALID_CALL}
        if known in _SIZES and values["value"] > 0xFF:
            return {"status": EzspStatus.OUT_OF_MEMORY}
        processor.configuration[Config(known)] = values["value"]
        return {"status": EzspStatus.SUCCESS}

    def _set_policy(self, values: Values) -> Values:
        if values["id"] not in self._processor.policies:
            return {"status": EzspStatus.INVALID_ID}
        self._processor.policies[Policy(values["id"])] = values["decision"]
        self._policy_changed()
        return {"status": EzspStatus.SUCCESS}

    def _get_policy(self, values: Values) -> Values:
        found = self._processor.policies.get(values["id"])
        return {"status": EzspStatus.INVALID_ID if found is None else EzspStatus.SUCCESS, "decision": found or 0}

    def _get_value(self, values: Values) -> Values:
        octets = self._value(values["id"])
        return _value(b"", EzspStatus.INVALID_ID) if octets is None else _value(octets)

    def _value(self, wanted: int) -> bytes | None:
        processor = self._processor
        match wanted:
            case Value.VERSION_INFO:
                return bytes((0, 0, *processor.settings.version, 0, _RELEASE))
            case Value.FREE_BUFFERS:
                return bytes((processor.configuration[Config.PACKET_BUFFER_COUNT] & 0xFF,))
            case Value.EXTENDED_SECURITY_BITMASK:
                return number(processor.memory.extended_bitmask, 2)
            case Value.NODE_SHORT_ID:
                return number(0 if processor.up else 0xFFFE, 2)
            case Value.STACK_IS_PERFORMING_REJOIN:
                return b"\0"
            case Value.TRANSIENT_KEY_TIMEOUT_S:
                return number(processor.configuration[Config.TRANSIENT_KEY_TIMEOUT_S], 4)
            case Value.NWK_FRAME_COUNTER if processor.up:
                return number(processor.coordinator.frame_counter, 4)
            case _:
                return self._values.get(Value(wanted)) if wanted in self._values else None

    def _set_value(self, values: Values) -> Values:
        processor, wanted, octets = self._processor, values["id"], values["value"]
        match wanted:
            case Value.EXTENDED_SECURITY_BITMASK if len(octets) == 2:
                processor.memory.extended_bitmask = int.from_bytes(octets, "little")
                processor.touch()
            case Value.TRANSIENT_KEY_TIMEOUT_S if len(octets) == 4:
                processor.configuration[Config.TRANSIENT_KEY_TIMEOUT_S] = int.from_bytes(octets[:2], "little")
            case Value.ENDPOINT_FLAGS if len(octets) == 3:
                if octets[0] not in processor.coordinator.endpoints:
                    return {"status": EzspStatus.INVALID_VALUE}
            case Value.CLEAR_COUNTERS:
                processor.counters[:] = [0] * COUNTERS
            case _ if wanted not in self._values:
                return {"status": EzspStatus.INVALID_ID}
            case _ if len(octets) != len(self._values[wanted]):
                return {"status": EzspStatus.INVALID_VALUE}
            case _ if wanted in _BEFORE_NETWORK and processor.up:
                return {"status": EzspStatus.INVALID_CALL}
            case _:
                self._values[Value(wanted)] = octets
        return {"status": EzspStatus.SUCCESS}

    # --- the rest

    def _read_counters(self, values: Values) -> Values:
        return {"values": list(self._processor.counters)}

    def _read_and_clear_counters(self, values: Values) -> Values:
        counters = self._read_counters(values)
        self._processor.counters[:] = [0] * COUNTERS
        return counters

    def _random(self, values: Values) -> Values:
        return {"status": Status.SUCCESS, "value": self._processor.chance.randrange(0x10000)}

    def _reset(self, values: Values) -> Values:
        self._restart()
        return NOTHING


def _found(value: int) -> Values:
    return {"status": EzspStatus.SUCCESS, "value": value}


def _value(octets: bytes, status: EzspStatus = EzspStatus.SUCCESS) -> Values:
    return {"status": status, "value": octets}


def _nothing(values: Values) -> Values:
    return NOTHING


def _accepted(values: Values) -> Values:
    return {"status": Status.SUCCESS}


def _echo(values: Values) -> Values:
    return {"value": values["value"]}


def _no_custom_frame(values: Values) -> Values:
    """There are no commands of the firmware's own."""
    return {"status": Status.INVALID_CALL, "value": b""}
