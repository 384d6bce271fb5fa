"""A client for running rigs that blocks: the association of a device with its own keys, for tests and scripts."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import fields, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import Attribute, ClientSecurity, ClientSettings, Method
from protocols.dlms.enums import ContextName, Mechanism
from protocols.dlms.security import Counters, Keys
from rigs.client import ClientOptions, DlmsClient

if TYPE_CHECKING:
    from emulator.device import Device
    from rigs.running import Runner

T = TypeVar("T")
CLIENT_TITLE = b"HILCLNT1"
"""System title of these clients."""


class BlockingClient:
    """An association with a logical device, open inside a ``with`` block; see :class:`rigs.client.DlmsClient`.

    Objects are named by class and logical name: ``meter.get(3, "1-0:1.8.0")``. Requests raise ClientError.
    """

    def __init__(self, runner: Runner, port: str, options: ClientOptions) -> None:
        self.port = port
        self.options = options
        self._runner = runner
        self._context: AbstractAsyncContextManager[DlmsClient]
        self._client: DlmsClient

    def __enter__(self) -> Self:
        self._context = DlmsClient.open(self.port, self.options)
        self._client = self.run(self._context.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._context.__aexit__(None, None, None))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a request of :attr:`client` gives, for those that have no method here."""
        return self._runner.run(work)

    @property
    def client(self) -> DlmsClient:
        """The client itself; its requests are coroutines for :meth:`run`."""
        return self._client

    def get(self, class_id: int, name: str, attribute: int = 2, selection: bytes | None = None) -> axdr.Data:
        """The value of an attribute, decoded."""
        return axdr.decode_all(self.get_encoded(class_id, name, attribute, selection))

    def get_encoded(self, class_id: int, name: str, attribute: int = 2, selection: bytes | None = None) -> bytes:
        """The value of an attribute as it came."""
        return self.run(self._client.get(Attribute(class_id, obis.parse(name), attribute), selection))

    def set(self, class_id: int, name: str, attribute: int, encoded: bytes) -> None:
        """Write an attribute."""
        self.run(self._client.set(Attribute(class_id, obis.parse(name), attribute), encoded))

    def action(self, class_id: int, name: str, method: int, encoded: bytes | None = axdr.i8(0)) -> bytes | None:
        """Run a method; what it returns, encoded."""
        return self.run(self._client.action(Method(class_id, obis.parse(name), method), encoded))


def options_for(device: Device, association: str, server: int) -> ClientOptions:
    """What a client needs to open an association of a device, by its name, through server SAP ``server``.

    Raises KeyError naming the associations there are.
    """
    model = device.firmware.model
    index = model.by_name.get(association)
    if index is None:
        raise KeyError(f"{association}: no such association; this device has {', '.join(model.by_name)}")
    spec = model.associations[index]
    state = device.security(index)
    mechanism = Mechanism(spec.mechanism)
    ciphered = ContextName.LN_CIPHERED in spec.contexts
    security = None
    if ciphered or mechanism >= Mechanism.HLS_GMAC:
        security = ClientSecurity(
            system_title=CLIENT_TITLE,
            keys=Keys(state.encryption, state.authentication, broadcast=state.broadcast, kek=state.master),
            suite=spec.suite,
            ciphered=ciphered,
            counters=Counters(sent=max(0, state.counters.received)),
        )
        if mechanism is Mechanism.HLS_ECDSA:
            from emulator.logical_device import client_signing_key, signing_keys

            own, _ = signing_keys(device.ring, spec)
            signing = client_signing_key(device.ring, spec)
            security = replace(security, signing=signing, peer_verifying=own.public_key())
    secret = state.secret if mechanism is not Mechanism.NONE else b""
    settings = ClientSettings(mechanism=mechanism, secret=secret, security=security)
    return ClientOptions(client=spec.client, server=server, settings=settings)


def varied(options: ClientOptions, changes: Mapping[str, object]) -> ClientOptions:
    """``options`` with fields of it, its settings or their security replaced by name; TypeError for other names."""
    settings = options.settings
    security = settings.security
    left = dict(changes)
    if security is not None and (mine := _taken(ClientSecurity, left)):
        settings = replace(settings, security=replace(security, **mine))
    settings = replace(settings, **_taken(ClientSettings, left))
    outermost: dict[str, Any] = {"settings": settings, **left}
    return replace(options, **outermost)


def _taken(kind: type[ClientSecurity | ClientSettings], changes: dict[str, object]) -> dict[str, Any]:
    """Those of ``changes`` that are fields of ``kind``, taken out of it."""
    names = [field.name for field in fields(kind) if field.name in changes]
    return {name: changes.pop(name) for name in names}
