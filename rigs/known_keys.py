"""Ciphered APDUs in clear, for captures and traces: a rig knows the keys of its devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from protocols.dlms.enums import ApduTag
from protocols.dlms.security import PROTECTED_TAGS, Counters, SecurityContext
from protocols.errors import ProtocolError

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.premises import Premises

_ANY_COUNTER = -1
_GENERAL = (ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING, ApduTag.GENERAL_CIPHERING)


class KnownKeys:
    """Opens APDUs protected with the global keys of the devices behind a port. Counters are left as they are.

    Call it with a port's name and an APDU; the answer is the APDU in clear, or None. Dedicated keys are not known here.
    """

    def __init__(self, premises: Mapping[str, Premises]) -> None:
        self._premises = premises
        self._latest: dict[str, list[tuple[Device, int]]] = {}

    def __call__(self, name: str, apdu: bytes) -> bytes | None:
        if not apdu or apdu[0] not in PROTECTED_TAGS:
            return None
        latest = self._latest.setdefault(name, [])
        for key in [*latest, *self._keys(name)]:
            plain = _opened(*key, apdu)
            if plain is not None:
                latest[:] = [key]
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


def _opened(device: Device, index: int, apdu: bytes) -> bytes | None:
    """The APDU in clear if it was sent by or to this association of the device."""
    context = device.security(index).context(device.identity.system_title)
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
