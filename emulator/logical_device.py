"""A logical device as the application layer meets it: what it offers to each client SAP."""

from __future__ import annotations

from emulator.cosem.model import AssociationSpec, ObjectModel
from emulator.cosem.view import View
from emulator.device import Device
from emulator.security import SecurityState
from protocols.dlms.association import Association
from protocols.dlms.objects import Objects, Offer
from protocols.dlms.security import SecurityContext

PLAIN_CONTEXT = 1
CIPHERED_CONTEXT = 3
HLS_GMAC = 5
HLS_SHA256 = 6


class AssociationOffer:
    """One association that a device offers; made anew for each client that asks for it."""

    __slots__ = ("_device", "_index", "_spec", "_state", "_view", "security")

    def __init__(self, device: Device, model: ObjectModel, index: int, view: type[View]) -> None:
        self._device = device
        self._index = index
        self._spec: AssociationSpec = model.associations[index]
        self._view = view
        self._state: SecurityState = device.security(index)
        needs_keys = CIPHERED_CONTEXT in self._spec.contexts or self._spec.mechanism >= HLS_GMAC
        self.security: SecurityContext | None = (
            self._state.context(device.identity.system_title) if needs_keys else None
        )

    @property
    def contexts(self) -> tuple[int, ...]:
        """Application contexts allowed: 1 LN plain, 3 LN ciphered."""
        return self._spec.contexts

    @property
    def mechanism(self) -> int:
        """Authentication mechanism, 0 none .. 7 ECDSA."""
        return self._spec.mechanism

    @property
    def conformance(self) -> int:
        """Conformance block offered."""
        return self._spec.conformance

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
        return self._state.secret

    def challenge(self) -> bytes:
        """A fresh server-to-client challenge from the device's own stream of chance."""
        return self._device.chance.randbytes(self._spec.challenge_octets)

    def open(self, association: Association) -> Objects:
        """The objects this association may work on."""
        return self._view(self._device, self._device.firmware.model, self._index, association)

    def opened(self, association: Association) -> None:
        """The association is open: remember the client's title, log it."""
        if association.client_title:
            self._state.client_title = association.client_title

    def closed(self, association: Association) -> None:
        """The association has ended."""

    def refused(self, association: Association, why: str) -> None:
        """The association or one of its messages was refused for the sake of security."""
        self._device.record(_REFUSALS.get(why, "authentication_failed"))


_REFUSALS = {
    "authentication": "authentication_failed",
    "deciphering": "deciphering_failed",
    "counter": "replayed",
}


class LogicalDevice:
    """The objects of a device behind one server SAP."""

    __slots__ = ("device", "model", "view")

    def __init__(self, device: Device, view: type[View] = View) -> None:
        self.device = device
        self.model = device.firmware.model
        self.view = view

    def offer(self, client: int) -> Offer | None:
        """What the device offers to a client SAP, None where it has no association for it."""
        index = self.model.association_of(client)
        if index is None:
            return None
        return AssociationOffer(self.device, self.model, index, self.view)
