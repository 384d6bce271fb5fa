"""What the application layer asks of a logical device: associations on offer, and objects behind an open one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from protocols.dlms.enums import DataAccessResult
from protocols.dlms.security import SecurityContext

if TYPE_CHECKING:
    from protocols.dlms.association import Association


class AccessRefused(Exception):
    """An attribute or method was not served; ``result`` is the data-access-result or action-result to answer with."""

    def __init__(self, result: DataAccessResult) -> None:
        super().__init__(result.name)
        self.result = result


class Objects(Protocol):
    """COSEM objects as one association sees them; every call raises :class:`AccessRefused`.

    ``descriptor`` is the nine octets of an attribute or method descriptor as they stand in a request: class, logical
    name, index. ``selection`` is the access selector octet followed by its encoded parameters.
    """

    def get(self, descriptor: bytes, selection: bytes | None = None) -> bytes:
        """Encoded Data of an attribute."""
        ...

    def set(self, descriptor: bytes, selection: bytes | None, data: bytes) -> None:
        """Give an attribute a new value, encoded Data."""
        ...

    def attributes(self, descriptor: bytes) -> tuple[int, ...]:
        """Indices of all attributes of the object in a descriptor, ascending, whether they may be read or not."""
        ...

    def action(self, descriptor: bytes, parameters: bytes | None) -> bytes | None:
        """Run a method; its encoded return value, None without one."""
        ...


class Offer(Protocol):
    """One association that a logical device offers to a client SAP; made anew for each client that asks."""

    @property
    def security(self) -> SecurityContext | None:
        """Keys and counters, None for an association that is never ciphered."""
        ...

    @property
    def contexts(self) -> tuple[int, ...]:
        """Application contexts allowed: 1 LN plain, 3 LN ciphered."""
        ...

    @property
    def mechanism(self) -> int:
        """Authentication mechanism, 0 none .. 7 ECDSA."""
        ...

    @property
    def conformance(self) -> int:
        """Conformance block offered, 24 bits."""
        ...

    @property
    def max_receive_pdu(self) -> int:
        """Largest APDU taken, octets."""
        ...

    @property
    def max_send_pdu(self) -> int:
        """Largest APDU sent, octets, but for an answer that cannot be cut; 0 for no limit of our own."""
        ...

    def secret(self) -> bytes:
        """The LLS password or HLS secret."""
        ...

    def challenge(self) -> bytes:
        """A fresh server-to-client challenge."""
        ...

    def open(self, association: Association) -> Objects:
        """The objects this association may work on."""
        ...

    def opened(self, association: Association) -> None:
        """The association is open: authentication, if any, has succeeded."""
        ...

    def closed(self, association: Association) -> None:
        """The association has ended, by release, a lost link or a new AARQ."""
        ...

    def refused(self, association: Association, why: str) -> None:
        """Something was refused for the sake of security.

        ``why`` is ``authentication``, ``deciphering``, ``counter``, or ``policy`` for protection weaker than required.
        """
        ...


class LogicalDevice(Protocol):
    """The objects behind one server SAP."""

    def offer(self, client: int) -> Offer | None:
        """What is offered to a client SAP, None where there is no association for it."""
        ...
