"""Keys: the security state of the next network, link keys of devices, the network key and its change.

The link keys are those of the hub's device log. The key table that a host reads has, at their indices, the ones that
the host put there, and all others of the log in the places left. findKeyTableEntry finds the former only: hosts erase
what they find when a device joins, and the log's keys are the ones in use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from emulator.radio.coordinator import KeyChanged
from emulator.radio.ezsp_processor import Handlers, Processor
from emulator.time import SECOND, Event
from protocols.zigbee.declared import Values
from protocols.zigbee.ezsp import keys as ezsp
from protocols.zigbee.ezsp.enums import Config, KeyBit, KeyFlag, KeyStatus, KeyType, Status

NO_INDEX = 0xFF
NO_EUI, NO_KEY = bytes(8), bytes(16)
ANYBODY = b"\xff" * 8
_NO_METADATA = {"known": 0, "outgoing": 0, "incoming": 0, "lifetime": 0}
_MOST_TRANSIENT = 32


class _Transient(NamedTuple):
    """A key that a device may join with for a while. ``added``: it is in the log because of this."""

    key: bytes
    expires: int  # rig instant
    event: Event
    added: bool


class Keys:
    """Answers the commands about keys. ``begin_with`` takes the security state that the next network begins with."""

    def __init__(self, processor: Processor, begin_with: Callable[[Values], None]) -> None:
        self._processor = processor
        self._coordinator = processor.coordinator
        self._begin_with = begin_with
        self._transient: dict[bytes, _Transient] = {}
        self._next_key = b""

    def handlers(self) -> Handlers:
        """By command."""
        return {
            ezsp.SET_INITIAL_STATE: self._set_initial_state,
            ezsp.GET_CURRENT_STATE: self._current_state,
            ezsp.IMPORT_TRANSIENT_KEY: self._import_transient,
            ezsp.CLEAR_TRANSIENT_KEYS: self._clear_transient,
            ezsp.EXPORT_TRANSIENT_KEY: self._export_transient,
            ezsp.EXPORT_TRANSIENT_KEY_AT: self._export_transient_at,
            ezsp.FIND_KEY: self._find,
            ezsp.ERASE_KEY: self._erase,
            ezsp.CLEAR_KEYS: self._clear,
            ezsp.KEY_INFO: self._info,
            ezsp.IMPORT_LINK_KEY: self._import,
            ezsp.EXPORT_LINK_KEY: self._export,
            ezsp.EXPORT_LINK_KEY_AT: self._export_at,
            ezsp.EXPORT_KEY: self._export_key,
            ezsp.NETWORK_KEY_INFO: self._network_key_info,
            ezsp.BROADCAST_NEXT_KEY: self._broadcast_next,
            ezsp.UNICAST_NEXT_KEY: self._unicast_next,
            ezsp.BROADCAST_KEY_SWITCH: self._switch,
        }

    # --- state

    def _set_initial_state(self, values: Values) -> Values:
        if self._processor.up:
            return {"status": Status.INVALID_CALL}
        self._begin_with(values["state"])
        return {"status": Status.SUCCESS}

    def _current_state(self, values: Values) -> Values:
        state = {"options": self._processor.memory.bitmask, "trust_centre": self._coordinator.eui64}
        return {"status": Status.SUCCESS if self._processor.up else Status.NOT_JOINED, "state": state}

    # --- transient keys

    def _import_transient(self, values: Values) -> Values:
        return {"status": KeyStatus.OK if self._admit(values["eui"], values["key"]) else KeyStatus.FULL}

    def _admit(self, eui64: bytes, key: bytes) -> bool:
        """Let a device join with a key for a while.

        A key for anybody is only kept: the devices of these premises have keys of their own.
        """
        self._forget(eui64)
        if len(self._transient) >= _MOST_TRANSIENT:
            return False
        added = False
        if eui64 != ANYBODY:
            known = eui64 in self._log()
            if not self._coordinator.add_key(eui64, key):
                return False
            added = not known
        lifetime = self._processor.configuration[Config.TRANSIENT_KEY_TIMEOUT_S] * SECOND
        expiry = self._processor.later(lifetime, lambda: self._forget(eui64))
        self._transient[eui64] = _Transient(key, self._processor.clock.now + lifetime, expiry, added)
        return True

    def _forget(self, eui64: bytes) -> None:
        """A transient key ends: a device that has not joined with it cannot any more."""
        transient = self._transient.pop(eui64, None)
        if transient is None:
            return
        self._processor.cancel(transient.event)
        _, joined = self._log().get(eui64, (b"", False))
        if transient.added and not joined:
            self._coordinator.remove_key(eui64)

    def end(self) -> None:
        """RAM is lost, and the transient keys with it."""
        for eui64 in list(self._transient):
            self._forget(eui64)

    def _clear_transient(self, values: Values) -> Values:
        self.end()
        return {}

    def _export_transient(self, values: Values) -> Values:
        return self._transient_of(values["eui"])

    def _export_transient_at(self, values: Values) -> Values:
        at: int = values["index"]
        keys = list(self._transient)
        return self._transient_of(keys[at] if at < len(keys) else NO_EUI)

    def _transient_of(self, eui64: bytes) -> Values:
        found = self._transient.get(eui64)
        context = {"kind": KeyType.TRANSIENT_LINK, "index": 0, "derived": 0, "eui": eui64, "network": 0, "flags": 0}
        context |= {"algorithm": 0, "flags": KeyFlag.EUI_IS_VALID}
        if found is None:
            return {"context": context, "key": NO_KEY, "about": _NO_METADATA, "status": KeyStatus.NOT_FOUND}
        left = max(0, found.expires - self._processor.clock.now) // SECOND
        about = {**_NO_METADATA, "known": KeyBit.HAS_PARTNER, "lifetime": min(left, 0xFFFF)}
        return {"context": context, "key": found.key, "about": about, "status": KeyStatus.OK}

    # --- the key table

    def _log(self) -> dict[bytes, tuple[bytes, bool]]:
        """Link key and whether it has joined, of every device of the log by EUI-64."""
        log = self._coordinator.keys()
        return {eui64: (key, joined) for eui64, key, joined in log}

    def _table(self) -> dict[int, tuple[bytes, bytes, bool]]:
        """What a host reads as the key table, by index: EUI-64, key and whether the device has joined."""
        placed = self._processor.memory.key_table
        keys = {eui64: (eui64, key, joined) for eui64, (key, joined) in self._log().items()}
        table = {index: keys.pop(eui64) for index, eui64 in placed.items() if eui64 in keys}
        free = (index for index in range(self._processor.configuration[Config.KEY_TABLE_SIZE]) if index not in table)
        table.update(zip(free, keys.values(), strict=False))
        return table

    def _inside(self, index: int) -> bool:
        return index < self._processor.configuration[Config.KEY_TABLE_SIZE]

    def _find(self, values: Values) -> Values:
        placed = self._processor.memory.key_table.items()
        known = self._log()
        found = next((index for index, eui64 in placed if eui64 == values["eui"] and eui64 in known), NO_INDEX)
        return {"index": found}

    def _erase(self, values: Values) -> Values:
        if not self._inside(values["index"]):
            return {"status": Status.INDEX_OUT_OF_RANGE}
        found = self._table().get(values["index"])
        self._processor.memory.key_table.pop(values["index"], None)
        self._processor.touch()
        if found is not None:
            self._coordinator.remove_key(found[0])
        return {"status": Status.SUCCESS}

    def _clear(self, values: Values) -> Values:
        for eui64 in self._processor.memory.key_table.values():
            self._coordinator.remove_key(eui64)
        self._processor.memory.key_table.clear()
        self._processor.touch()
        return {"status": Status.SUCCESS}

    def _import(self, values: Values) -> Values:
        index, eui64 = values["index"], values["eui"]
        placed = self._processor.memory.key_table
        if not self._inside(index):
            return {"status": KeyStatus.INVALID_INDEX}
        if eui64 in (NO_EUI, ANYBODY):
            return {"status": KeyStatus.INVALID_PARAMETER}
        if not self._coordinator.add_key(eui64, values["key"]):
            return {"status": KeyStatus.FULL}
        for before, other in list(placed.items()):
            if other == eui64:
                del placed[before]
        placed[index] = eui64
        self._processor.touch()
        return {"status": KeyStatus.OK}

    def _export(self, values: Values) -> Values:
        for index, entry in self._table().items():
            if entry[0] == values["eui"]:
                return {"key": entry[1], "index": index, "about": self._about(entry[2]), "status": KeyStatus.OK}
        return {"key": NO_KEY, "index": NO_INDEX, "about": _NO_METADATA, "status": KeyStatus.NOT_FOUND}

    def _export_at(self, values: Values) -> Values:
        entry = self._table().get(values["index"])
        if entry is None:
            status = KeyStatus.NOT_FOUND if self._inside(values["index"]) else KeyStatus.INVALID_INDEX
            return {"eui": NO_EUI, "key": NO_KEY, "about": _NO_METADATA, "status": status}
        return {"eui": entry[0], "key": entry[1], "about": self._about(entry[2]), "status": KeyStatus.OK}

    def _about(self, joined: bool) -> Values:
        return {**_NO_METADATA, "known": KeyBit.HAS_PARTNER | (KeyBit.IS_AUTHORISED if joined else 0)}

    def _info(self, values: Values) -> Values:
        context = values["context"]
        entry = self._entry(context)
        if entry is None:
            return {"eui": NO_EUI, "about": _NO_METADATA, "status": KeyStatus.NOT_FOUND}
        return {"eui": entry[0], "about": self._about(entry[2]), "status": KeyStatus.OK}

    def _entry(self, context: Values) -> tuple[bytes, bytes, bool] | None:
        """The link key that a context names by its index or its device."""
        table = self._table()
        if context["flags"] & KeyFlag.EUI_IS_VALID:
            return next((entry for entry in table.values() if entry[0] == context["eui"]), None)
        return table.get(context["index"])

    def _export_key(self, values: Values) -> Values:
        context = values["context"]
        match context["kind"]:
            case KeyType.NETWORK:
                key = self._network_key(context["index"])
            case KeyType.TRUST_CENTRE_LINK:
                key = self._processor.memory.link_key
            case KeyType.TRANSIENT_LINK:
                transient = self._transient.get(context["eui"])
                key = transient.key if transient is not None else b""
            case KeyType.APPLICATION_LINK:
                entry = self._entry(context)
                key = entry[1] if entry is not None else b""
            case _:
                return {"key": NO_KEY, "status": KeyStatus.INVALID_TYPE}
        return {"key": key or NO_KEY, "status": KeyStatus.OK if key else KeyStatus.NOT_FOUND}

    # --- the network key

    def _network_key(self, index: int) -> bytes:
        if not self._coordinator.formed or index > 1:
            return b""
        return self._next_key if index else self._coordinator.parameters.network_key

    def _network_key_info(self, values: Values) -> Values:
        formed = self._coordinator.formed
        sequence = self._coordinator.parameters.key_sequence if formed else 0
        return {
            "status": KeyStatus.OK,
            "set": formed,
            "alternate_set": bool(self._next_key),
            "sequence": sequence,
            "alternate_sequence": sequence + 1 & 0xFF if self._next_key else 0,
            "frame_counter": self._coordinator.frame_counter if formed else 0,
        }

    def _broadcast_next(self, values: Values) -> Values:
        """Zeros for a key of chance. Devices take it over when they are told to switch."""
        if not self._processor.up:
            return {"status": Status.NETWORK_DOWN}
        self._next_key = values["key"] if any(values["key"]) else self._processor.chance.randbytes(16)
        return {"status": Status.SUCCESS}

    def _unicast_next(self, values: Values) -> Values:
        known = self._processor.up and self._coordinator.address_of(values["eui"]) is not None
        return self._broadcast_next(values) if known else {"status": Status.NOT_FOUND}

    def _switch(self, values: Values) -> Values:
        if not self._processor.up or not self._next_key:
            return {"status": Status.INVALID_CALL}
        key, self._next_key = self._next_key, b""
        self._coordinator.set_network_key(key, self._coordinator.parameters.key_sequence + 1 & 0xFF)
        return {"status": Status.SUCCESS}

    def changed(self, event: KeyChanged) -> None:
        """The network has another network key."""
        self._processor.tell(ezsp.KEY_SWITCHED, {"sequence": event.key_sequence})
