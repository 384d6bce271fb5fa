"""Ciphered APDUs in clear, for captures and traces: a rig knows the keys of its devices."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from protocols.dlms.enums import ApduTag
from protocols.dlms.initiate import InitiateRequest
from protocols.dlms.security import PROTECTED_TAGS, Counters, SecurityContext
from protocols.errors import ProtocolError

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.premises import Premises

_ANY_COUNTER = -1
_KEPT = 16
"""Dedicated keys kept for each port."""
_INITIATE = bytes((ApduTag.INITIATE_REQUEST,))
_DEDICATED = ("DED_", "GENERAL_DED_")
_GENERAL = (ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING, ApduTag.GENERAL_CIPHERING)


class _Dedicated(NamedTuple):
    """The dedicated key of an association of a device."""

    device: Device
    association: int
    key: bytes


class KnownKeys:
    """Opens APDUs protected with the keys of the devices behind a port. Counters are left as they are.

    Call it with a port's name and an APDU; the answer is the APDU in clear, or None. Dedicated keys it learns from the
    InitiateRequests it opens; those of the latest associations of each port are kept.
    """

    def __init__(self, premises: Mapping[str, Premises]) -> None:
        self._premises = premises
        self._latest: dict[str, list[tuple[Device, int]]] = {}
        self._dedicated: dict[str, deque[_Dedicated]] = {}

    def __call__(self, name: str, apdu: bytes) -> bytes | None:
        if not apdu or apdu[0] not in PROTECTED_TAGS:
            return None
        if ApduTag(apdu[0]).name.startswith(_DEDICATED):
            return self._with_dedicated(name, apdu)
        latest = self._latest.setdefault(name, [])
        for device, index in [*latest, *self._keys(name)]:
            plain = _opened(device, index, apdu)
            if plain is not None:
                latest[:] = [(device, index)]
                self._learn(name, device, index, plain)
                return plain
        return None

    def _learn(self, name: str, device: Device, index: int, plain: bytes) -> None:
        """Keep the dedicated key of an InitiateRequest."""
        if plain[:1] != _INITIATE:
            return
        try:
            key = InitiateRequest.decode(plain).dedicated_key
        except ProtocolError:
            return  # whoever shows the APDU says what is wrong with it
        if key is None or len(key) != len(device.security(index).encryption):
            return
        kept, found = self._dedicated.setdefault(name, deque(maxlen=_KEPT)), _Dedicated(device, index, key)
        if found not in kept:
            kept.appendleft(found)

    def _with_dedicated(self, name: str, apdu: bytes) -> bytes | None:
        for device, index, key in self._dedicated.get(name, ()):
            plain = _opened(device, index, apdu, key)
            if plain is not None:
                return plain
        return None

    def _keys(self, name: str) -> Iterator[tuple[Device, int]]:
        """Associations that may be open on a port: those of the device, and of all the others where it is the hub."""
        home, kind, _ = name.split("/", 2)
        premises = self._premises[home]
        for device in premises.devices() if kind == "hub" else (getattr(premises, kind),):
            for index, spec in enumerate(device.firmware.model.associations):
                if spec.security_setup is not None:
                    yield device, index


def _opened(device: Device, index: int, apdu: bytes, dedicated: bytes | None = None) -> bytes | None:
    """The APDU in clear if it was sent by or to this association of the device."""
    context = device.security(index).context(device.identity.system_title)
    context.keys.dedicated = dedicated
    # The general envelopes say who the sender is; for the others it is one of the two that talk here.
    senders = (b"",) if apdu[0] in _GENERAL else (context.peer_title, context.system_title)
    for sender in senders:
        reader = SecurityContext(
            suite=context.suite,
            system_title=b"",
            peer_title=sender,
            keys=context.keys,
            counters=Counters(received=_ANY_COUNTER),
        )
        try:
            return reader.unprotect(apdu).plain
        except ProtocolError:
            continue
    return None
