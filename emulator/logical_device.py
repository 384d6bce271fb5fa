"""A logical device as the application layer meets it: what it offers to each client SAP.

Keys of an association come from the device's :class:`~emulator.security.KeyRing`. For ECDSA authentication (mechanism
7) the names beside those are ``ASSOCIATION.signing``, the device's private key, and ``ASSOCIATION.client_signing``, the
client's, of which the device knows the public half; both are scalars. A rig file that keeps the client's private key to
itself gives ``ASSOCIATION.client_verifying`` instead: the public key's two coordinates, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec

from emulator.cosem.model import AssociationSpec, ObjectModel
from emulator.cosem.view import AssociationView
from emulator.device import Device
from emulator.events import EventName
from emulator.security import KeyRing, SecurityState
from protocols.dlms.association import Association
from protocols.dlms.enums import ContextName, Mechanism
from protocols.dlms.objects import Objects, Offer
from protocols.dlms.security import SecurityContext, SecuritySuite

ViewMaker = Callable[[Device, ObjectModel, int, Association | None], AssociationView]
"""Makes the objects of a device as association number ``int`` sees them."""

_SCALAR_OCTETS = 32
_REFUSALS: dict[str, EventName] = {
    "authentication": "authentication_failed",
    "deciphering": "deciphering_failed",
    "counter": "replayed",
}
"""What a device calls a refusal in its logs, by the word the application layer has for it."""


class AssociationOffer:
    """One association that a device offers; made anew for each client that asks for it."""

    __slots__ = ("_device", "_index", "_log", "_spec", "_state", "_view", "conformance", "security")

    def __init__(self, device: Device, model: ObjectModel, index: int, view: ViewMaker, log: Device) -> None:
        self._device = device
        self._log = log
        self._index = index
        self._spec: AssociationSpec = model.associations[index]
        self._view = view
        self._state: SecurityState = device.security(index)
        self.conformance: int = self._spec.conformance
        """Conformance block offered."""
        self.security: SecurityContext | None = None
        if ContextName.LN_CIPHERED in self._spec.contexts or self._spec.mechanism >= Mechanism.HLS_GMAC:
            self.security = self._state.context(device.identity.system_title)
            if self._spec.mechanism == Mechanism.HLS_ECDSA:
                self.security.signing, self.security.peer_verifying = signing_keys(device.ring, self._spec)

    @property
    def client(self) -> int:
        """Client SAP that it is made to."""
        return self._spec.client

    @property
    def contexts(self) -> tuple[int, ...]:
        """Application contexts allowed: 1 LN plain, 3 LN ciphered."""
        return self._spec.contexts

    @property
    def mechanism(self) -> int:
        """Authentication mechanism, 0 none .. 7 ECDSA."""
        return self._spec.mechanism

    @property
    def max_receive_pdu(self) -> int:
        """Largest APDU taken, octets."""
        return self._spec.max_receive_pdu

    @property
    def max_send_pdu(self) -> int:
        """Largest APDU sent, octets."""
        return self._spec.max_send_pdu

    def secret(self) -> bytes:
        """The LLS password or HLS secret."""
        return self._state.secret_in_force

    def challenge(self) -> bytes:
        """A fresh server-to-client challenge from the device's own stream of chance."""
        return self._device.chance.randbytes(self._spec.challenge_octets)

    def open(self, association: Association) -> Objects:
        """The objects this association may work on."""
        objects = self._view(self._device, self._device.firmware.model, self._index, association)
        taps = self._log.taps
        return objects if taps is None else taps.objects_of(association, objects)

    def opened(self, association: Association) -> None:
        """The association is open: the security setup remembers whose title it was."""
        if association.client_title:
            self._state.client_title = association.client_title
        self._log.record("association_opened")

    def closed(self, association: Association) -> None:
        """The association has ended; keys and counters stay with the device."""
        if self._log.mains:
            self._log.record("association_closed")

    def refused(self, association: Association, why: str) -> None:
        """The association or one of its messages was refused for the sake of security: that goes into the log."""
        self._log.record(_REFUSALS.get(why, "authentication_failed"))


class LogicalDevice:
    """The objects of a device behind one server SAP.

    Another device may stand in for it, as a hub for a gas meter: it makes the views that clients get, and what it
    refuses goes into its own log.
    """

    __slots__ = ("_view", "device", "model", "speaker")

    def __init__(self, device: Device, view: ViewMaker = AssociationView, speaker: Device | None = None) -> None:
        self.device = device
        self.model = device.firmware.model
        self._view = view
        self.speaker = speaker or device
        """The device that answers: without power in it there is no answer."""

    def offer(self, client: int) -> Offer | None:
        """What the device offers to a client SAP, None where it has no association for it."""
        index = self.model.association_of(client)
        if index is None:
            return None
        made = AssociationOffer(self.device, self.model, index, self._view, self.speaker)
        if self.speaker.taps is not None:
            self.speaker.taps.offered(made)
        return made

    def serves(self, client: int) -> bool:
        """Whether it has an association for a client SAP."""
        return self.model.association_of(client) is not None


def signing_keys(ring: KeyRing, spec: AssociationSpec) -> tuple[ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey]:
    """The device's private and the client's public key of an ECDSA association; see the module for their names.

    Raises ValueError for keys of a rig file that are not on the suite's curve.
    """
    signing = _private(spec.suite, ring.key(f"{spec.name}.signing", _SCALAR_OCTETS))
    given = ring.key(f"{spec.name}.client_verifying", 0)
    if given:
        return signing, ec.EllipticCurvePublicKey.from_encoded_point(_curve(spec.suite), b"\x04" + given)
    return signing, client_signing_key(ring, spec).public_key()


def client_signing_key(ring: KeyRing, spec: AssociationSpec) -> ec.EllipticCurvePrivateKey:
    """The private key of the client of an ECDSA association, for a client that shares the rig's secrets."""
    return _private(spec.suite, ring.key(f"{spec.name}.client_signing", _SCALAR_OCTETS))


def _curve(suite: int) -> ec.EllipticCurve:
    return ec.SECP384R1() if suite == SecuritySuite.ECDH_P384 else ec.SECP256R1()


@lru_cache(maxsize=1024)
def _private(suite: int, octets: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(octets, "big"), _curve(suite))
