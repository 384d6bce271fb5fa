"""Pushing data unasked: what a push setup object (class 40) collects, and where it goes.

A device opens no connection of its own: a push goes out on every line or connection of the kind that its destination
names (TCP, UDP or HDLC, where it is a UI frame) that is open when it is made, to the client SAP of the setup (version
1 and 2; in version 0 the public client). Of connections those count on which that client has talked, or nobody yet; a
meter has its hub's as well as its own. Where there is none, it is tried again as often as the setup says.
The address of the destination and the communication window are stored and not acted upon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.lines import Lines
from emulator.ports import Transport
from emulator.time import SECOND
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.notification import DataNotification
from protocols.dlms.objects import AccessRefused
from protocols.dlms.security import Envelope, required_protection
from protocols.errors import LocalProtocolError

if TYPE_CHECKING:
    from emulator.cosem.model import CosemObject
    from emulator.device import Device

PUSH_CLASS = 40
OBJECT_LIST, DESTINATION, RANDOMISATION, RETRIES, DELAY, CLIENT = 2, 3, 5, 6, 7, 9
"""Attributes of the push setup."""
PUBLIC_CLIENT = 16
XDLMS_MESSAGE = 0
"""message of a destination: an APDU in A-XDR."""
ASSOCIATED = 2
MAX_WAITING = 64
"""Pushes of one device that wait for their time at once."""


class PushSetup:
    """One push setup object of every device of a profile, by its logical name."""

    __slots__ = ("_name",)

    def __init__(self, logical_name: bytes) -> None:
        self._name = logical_name

    def push(self, device: Device) -> None:
        """Collect the objects of the list and send them.

        Raises AccessRefused: what refuses the first object that cannot be read; other-reason for a message that is not
        an APDU; temporary-failure when there is nothing to send it on and no retry is set, or too many wait.
        """
        spread = self._number(device, RANDOMISATION)
        apdu = self._notification(device)
        retries = self._number(device, RETRIES)
        if spread:
            self._schedule(device, apdu, retries, device.chance.randrange(spread * SECOND))
        elif not self._send(device, apdu):
            if not retries:
                raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE)
            self._later(device, apdu, retries)

    def push_later(self, device: Device) -> None:
        """Collect the objects of the list now and send them on the rig's clock, once the device has started.

        Raises AccessRefused as :meth:`push` does, but for a line that is not there.
        """
        spread = self._number(device, RANDOMISATION)
        delay = device.chance.randrange(spread * SECOND) if spread else 0
        starting = max(0, device.ready_at - device.clock.now)
        self._schedule(device, self._notification(device), self._number(device, RETRIES), starting + delay)

    def push_now(self, device: Device) -> None:
        """Collect the objects of the list and send them now or never. Raises AccessRefused as :meth:`push` does."""
        self._send(device, self._notification(device))

    def destined(self, device: Device) -> bool:
        """Whether the device has this setup and a client has given it a destination."""
        item = device.firmware.model.objects_by_name.get(self._name)
        if item is None or item.class_id != PUSH_CLASS:
            return False
        return self._attribute(device, DESTINATION).elements[1].value != b""

    def _later(self, device: Device, apdu: bytes, retries: int) -> None:
        self._schedule(device, apdu, retries - 1, self._number(device, DELAY) * SECOND)

    def _schedule(self, device: Device, apdu: bytes, retries: int, delay: int) -> None:
        lines = Lines.of(device)
        if lines.waiting == MAX_WAITING:
            raise AccessRefused(DataAccessResult.TEMPORARY_FAILURE)
        lines.waiting += 1

        def due() -> None:
            lines.waiting -= 1
            if not self._send(device, apdu) and retries:
                self._later(device, apdu, retries)

        device.clock.schedule(device.clock.now + delay, due)

    def _notification(self, device: Device) -> bytes:
        transport, _, message = self._attribute(device, DESTINATION).elements
        if message.value != XDLMS_MESSAGE or transport.value not in list(Transport):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        device.settle()
        values = [_captured(device, item) for item in self._attribute(device, OBJECT_LIST).elements]
        return DataNotification(Lines.of(device).next_push(), axdr.structure(*values)).encode()

    def _send(self, device: Device, apdu: bytes) -> bool:
        """Whether there was a line to send it on."""
        if not device.ready:
            return False
        transport = self._attribute(device, DESTINATION).elements[0].value
        client = self._client(device)
        stacks = [*Lines.of(device)]
        if device.uplink is not None and device.uplink.ready:
            stacks += Lines.of(device.uplink)
        ways = [
            (stack, server)
            for stack in stacks
            if stack.transport == transport
            and stack.leads_to(client)
            and (server := stack.associations.sap_of(device)) is not None
        ]
        for stack, server in ways:
            if not stack.lines.lets_out(stack):
                continue
            association = stack.associations.known(client, server)
            try:
                if association is not None and association.state_code == ASSOCIATED:
                    protected = association.notify(apdu)
                else:
                    protected = _protected(device, client, apdu)
            except LocalProtocolError:  # the invocation counter is used up: nothing can be protected any more
                continue
            stack.notify(client, server, protected)
        return bool(ways)

    def _client(self, device: Device) -> int:
        item = self._item(device)
        return self._number(device, CLIENT) if CLIENT in item.attributes else PUBLIC_CLIENT

    def _number(self, device: Device, index: int) -> int:
        """An attribute's value; of a structure (repetition_delay from version 2 on) the first element."""
        data = self._attribute(device, index)
        value = next(iter(data.elements), data).value
        assert isinstance(value, int)
        return value

    def _attribute(self, device: Device, index: int) -> Data:
        key = PUSH_CLASS.to_bytes(2, "big") + self._name + bytes((index,))
        return axdr.decode_all(device.internal.read(key))

    def _item(self, device: Device) -> CosemObject:
        return device.firmware.model.objects_by_name[self._name]


def _captured(device: Device, item: Data) -> bytes:
    """The value of one element of a push object list: class, logical name, attribute (0 all) and data index."""
    class_id, name, attribute, data_index = (part.value for part in item.elements)
    assert isinstance(class_id, int) and isinstance(name, bytes)
    assert isinstance(attribute, int) and isinstance(data_index, int)
    key = class_id.to_bytes(2, "big") + name
    if attribute == 0:
        found = device.firmware.model.objects.get(key)
        if found is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        return axdr.structure(*[one.read(device.internal) for one in found.attributes.values()])
    encoded = device.internal.read(key + bytes((attribute & 0xFF,)))
    if data_index == 0:
        return encoded
    parts = axdr.decode_all(encoded).elements
    if data_index > len(parts):
        raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    return axdr.encode(parts[data_index - 1])


def _protected(device: Device, client: int, apdu: bytes) -> bytes:
    """The APDU as the security policy of a client's association wants it when that is not open."""
    index = device.firmware.model.association_of(client)
    if index is None:
        return apdu
    state = device.security(index)
    protection = required_protection(state.policy_in_force)
    if not protection:
        return apdu
    return state.context(device.identity.system_title).protect(apdu, Envelope.GENERAL_GLO, protection)
