"""What a client must know to open an association of a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocols.dlms.enums import ContextName, Mechanism

if TYPE_CHECKING:
    from emulator.cosem.model import ObjectModel
    from emulator.security import SecurityState

_DATA = 1


@dataclass(frozen=True, slots=True)
class AssociationKeys:
    """What a client needs to open an association of a device. Keys are octets; ``secret`` is the password or secret.

    ``client`` is the client SAP, ``mechanism`` 0 none .. 7 ECDSA, ``system_title`` the device's. ``counter_object`` is
    the logical name of the object that shows the last invocation counter taken, None where there is none.
    """

    association: str
    client: int
    mechanism: int
    ciphered: bool
    suite: int
    policy: int
    encryption: bytes
    authentication: bytes
    broadcast: bytes
    master: bytes
    secret: bytes
    system_title: bytes
    counter_object: bytes | None

    @property
    def uses_secret(self) -> bool:
        """Whether the mechanism asks for the secret."""
        return self.mechanism not in (Mechanism.NONE, Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA)

    @property
    def uses_keys(self) -> bool:
        """Whether the context or the mechanism asks for the symmetric keys."""
        return self.ciphered or self.mechanism == Mechanism.HLS_GMAC


def association_keys(model: ObjectModel, index: int, state: SecurityState, title: bytes) -> AssociationKeys:
    """Those of association ``index`` of a device with this model, security state and system title."""
    spec = model.associations[index]
    source = f"counter.{spec.name}"
    counters = (item.logical_name for item in model.by_class.get(_DATA, ()) if item.source == source)
    return AssociationKeys(
        association=spec.name,
        client=spec.client,
        mechanism=spec.mechanism,
        ciphered=ContextName.LN_CIPHERED in spec.contexts,
        suite=spec.suite,
        policy=spec.policy,
        encryption=state.encryption,
        authentication=state.authentication,
        broadcast=state.broadcast,
        master=state.master,
        secret=state.secret,
        system_title=title,
        counter_object=next(counters, None),
    )
