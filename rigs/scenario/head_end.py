"""A head-end that reads and changes devices through the protocol stacks themselves, with no wire in between.

It is a DLMS client on the wrapper at the hub's WAN, or at an electricity meter's own port where there is no hub. An
answer is there at once or not at all: nothing of a scenario waits for the time of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, TypeVar, cast

from emulator.time import stream
from protocols import obis, wrapper
from protocols.dlms import datetime as cosem_datetime
from protocols.dlms.client import Attribute, Client, Exchange, Method, NoAnswer
from protocols.errors import ProtocolError
from rigs.blocking import options_for
from rigs.times import utc_of, zoned

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.hub import Hub
    from emulator.ports import Stack
    from protocols.dlms.client import ClientSettings

T = TypeVar("T")
_PORTS = ("wan-tcp", "local-tcp")
_OWN_SAP = 1
_REGISTER = 3


class HeadEndError(Exception):
    """A request that did not end well; the text says why. ``__cause__`` is the ProtocolError behind it, if any."""


class HeadEnd:
    """The head-end of one scenario; its chance comes from the rig's seed."""

    def __init__(self, seed: int) -> None:
        self._chance = stream(seed, "scenario", "head-end")

    def get(self, device: Device, hub: Hub | None, association: str, name: str, attribute: int) -> bytes:
        """Encoded Data of an attribute of ``[CLASS/]LOGICAL NAME``."""
        class_id, logical_name = object_of(device, name)
        target = Attribute(class_id, logical_name, attribute)
        with self._associated(device, hub, association) as talk:
            return talk.result(talk.client.get(target))

    def set(self, device: Device, hub: Hub | None, association: str, name: str, attribute: int, value: object) -> None:
        """Write an attribute: a plain value of its type."""
        class_id, logical_name = object_of(device, name)
        encoded = _encoded(device, class_id, logical_name, attribute, value)
        with self._associated(device, hub, association) as talk:
            talk.result(talk.client.set(Attribute(class_id, logical_name, attribute), encoded))

    def action(
        self, device: Device, hub: Hub | None, association: str, name: str, method: int, value: object = 0
    ) -> bytes | None:
        """Run a method with a plain value of its parameter's type; its encoded return value, None without one."""
        class_id, logical_name = object_of(device, name)
        encoded = _parameter(device, class_id, logical_name, method, value)
        with self._associated(device, hub, association) as talk:
            return talk.result(talk.client.action(Method(class_id, logical_name, method), encoded))

    @contextmanager
    def _associated(self, device: Device, hub: Hub | None, association: str) -> Iterator[_Talk]:
        try:
            options = options_for(device, association, _sap(device, hub))
        except KeyError as error:
            raise HeadEndError(str(error.args[0])) from None
        talk = _Talk(_stack(device, hub), options.client, options.server, options.settings, self._chance)
        try:
            talk.result(talk.client.associate())
            yield talk
            talk.result(talk.client.release())
        except ProtocolError as error:
            raise HeadEndError(str(error)) from error
        finally:
            talk.close()


class _Talk:
    """One connection."""

    def __init__(self, stack: Stack, client: int, server: int, settings: ClientSettings, chance: Random) -> None:
        self.client = Client(settings, chance.randbytes)
        self._stack = stack
        self._saps = client, server
        self._reader = wrapper.WrapperReader()
        stack.transmit = self._arrived
        stack.opened(self._now)

    @property
    def _now(self) -> int:
        return self._stack.device.clock.now

    def result(self, exchange: Exchange[T]) -> T:
        """What an exchange comes to; raises ProtocolError."""
        while due := self.client.to_send():
            for apdu in due:
                self._arrived(self._stack.way.receive(wrapper.encode(*self._saps, apdu), self._now))
        if not exchange.done:
            self.client.abandon(NoAnswer("no answer"))
        return exchange.result()

    def close(self) -> None:
        """The connection ends."""
        self._stack.closed()
        self._stack.transmit = _nowhere

    def _arrived(self, data: bytes) -> None:
        for source, destination, apdu in self._reader.receive(data):
            if (destination, source) == self._saps:
                self.client.receive(apdu)


def _nowhere(data: bytes) -> None:
    """Where octets go after the end of a connection."""


def _stack(device: Device, hub: Hub | None) -> Stack:
    stacks = cast("dict[str, Callable[[], Stack]]", getattr(hub or device, "stacks", {}))
    made = next((stacks[name] for name in _PORTS if name in stacks), None)
    if made is None:
        raise HeadEndError(f"{device.identity.device_id}: no way there: it has no hub and no port of its own")
    return made()


def _sap(device: Device, hub: Hub | None) -> int:
    saps = None if hub is None or hub is device else hub.firmware.logical
    if saps is None:
        return _OWN_SAP
    match device.firmware.kind:
        case "electricity":
            return saps.electricity
        case "gas":
            return saps.gas
        case kind:
            raise HeadEndError(f"{device.identity.device_id}: a {kind} has no logical device that a head-end reaches")


def object_of(device: Device, name: str) -> tuple[int, bytes]:
    """Class and logical name; the class that the profile has there where none is given (a register else)."""
    given, _, text = name.rpartition("/")
    logical_name = obis.parse(text)
    if given:
        return int(given), logical_name
    found = device.firmware.model.objects_by_name.get(logical_name)
    return _REGISTER if found is None else found.class_id, logical_name


def _encoded(device: Device, class_id: int, logical_name: bytes, attribute: int, value: object) -> bytes:
    item = device.firmware.model.find(_descriptor(class_id, logical_name, attribute))
    found = None if item is None else item.attributes.get(attribute)
    if found is None:
        raise HeadEndError(f"{device.firmware.name} has no {class_id}/{obis.text(logical_name)}:{attribute}")
    return as_type(found.type.encode, value)


def _parameter(device: Device, class_id: int, logical_name: bytes, method: int, value: object) -> bytes | None:
    item = device.firmware.model.find(_descriptor(class_id, logical_name, method))
    found = None if item is None else item.methods.get(method)
    if found is None:
        raise HeadEndError(f"{device.firmware.name} has no method {method} of {class_id}/{obis.text(logical_name)}")
    return None if found.type is None else as_type(found.type.encode, value)


def _descriptor(class_id: int, logical_name: bytes, index: int) -> bytes:
    return class_id.to_bytes(2, "big") + logical_name + bytes((index,))


def as_type(encode: Callable[[object], bytes], value: object) -> bytes:
    """A value of TOML, encoded; HeadEndError for one that is not of the type. Dates and times are octets of UTC."""
    try:
        return encode(_plain(value))
    except ValueError as error:
        raise HeadEndError(f"value: {error}") from None


def _plain(value: object) -> object:
    """A value of TOML, with dates and times as the twelve octets of UTC."""
    match value:
        case datetime():
            return cosem_datetime.pack_utc(utc_of(zoned(value)))
        case list() | tuple():
            return [_plain(item) for item in cast("list[object]", value)]
        case _:
            return value
