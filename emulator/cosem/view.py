"""COSEM objects of a logical device as one application association sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from emulator.cosem.model import (
    AttributeMode,
    BoundAttribute,
    BoundMethod,
    CosemObject,
    MethodMode,
    ObjectModel,
    Setter,
)
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.errors import DecodeError

if TYPE_CHECKING:
    from emulator.device import Device

_AUTHENTICATED_MODES = frozenset(
    (
        AttributeMode.AUTHENTICATED_READ,
        AttributeMode.AUTHENTICATED_WRITE,
        AttributeMode.AUTHENTICATED_READ_WRITE,
    )
)


class Session(Protocol):
    """What objects may ask of the application association that reads them."""

    @property
    def client(self) -> int:
        """Client SAP."""
        ...

    @property
    def server(self) -> int:
        """Server SAP, the logical device."""
        ...

    @property
    def conformance(self) -> int:
        """Negotiated conformance block, 24 bits."""
        ...

    @property
    def client_max_pdu(self) -> int:
        """Largest APDU that the client takes, octets; 0 for no limit."""
        ...

    @property
    def message_authenticated(self) -> bool:
        """Whether the request being served came with a valid authentication tag."""
        ...

    @property
    def state_code(self) -> int:
        """association_status of class 15: 0 non-associated, 1 pending, 2 associated."""
        ...


class View:
    """The objects of ``device``'s model, as what reads and changes them meets them.

    ``index`` is the number of the association that does so and ``session`` what it knows of itself; None for a device
    that works on its own objects.
    """

    __slots__ = ("device", "index", "model", "session")

    def __init__(self, device: Device, model: ObjectModel, index: int | None, session: Session | None) -> None:
        self.device = device
        self.model = model
        self.index = index
        self.session = session


class AssociationView(View):
    """The objects with the rights of association number ``index``.

    This is the ``Objects`` that :mod:`protocols.dlms` works on. Before anything is read or changed the device is
    brought to the present instant, so that every value is the one of now.
    """

    __slots__ = ("_index", "_readers")

    def __init__(self, device: Device, model: ObjectModel, index: int, session: Session | None) -> None:
        super().__init__(device, model, index, session)
        self._index = index
        self._readers = model.readers(index)

    def get(self, descriptor: bytes, selection: bytes | None = None) -> bytes:
        """Encoded Data of an attribute; raises AccessRefused."""
        self.device.settle()
        if selection is None:
            reader = self._readers.get(descriptor)
            if reader is not None:
                return reader(self)
            return self._readable(descriptor).read(self)
        attribute = self._readable(descriptor)
        selector = selection[0]
        if attribute.select is None or selector not in attribute.selectors:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        return attribute.select(self, selector, _decoded(selection[1:]))

    def attributes(self, descriptor: bytes) -> tuple[int, ...]:
        """Indices of all attributes of the object in a descriptor, ascending; raises AccessRefused."""
        return tuple(sorted(self._object(descriptor).attributes))

    def set(self, descriptor: bytes, selection: bytes | None, data: bytes) -> None:
        """Give an attribute a new value; raises AccessRefused, also where it cannot be kept (hardware-fault)."""
        write, value = self.settable(descriptor, selection, data)
        self.device.settle()
        write(self, value, data)
        self._commit()

    def action(self, descriptor: bytes, parameters: bytes | None) -> bytes | None:
        """Run a method and give its encoded return value, None without one; raises AccessRefused as :meth:`set`."""
        method, value = self.runnable(descriptor, parameters)
        self.device.settle()
        answer = method.invoke(self, value)
        self._commit()
        return answer

    def _commit(self) -> None:
        """What a client is told was done has to outlive the end of the rig."""
        if not self.device.commit():
            raise AccessRefused(DataAccessResult.HARDWARE_FAULT)

    def settable(self, descriptor: bytes, selection: bytes | None, data: bytes) -> tuple[Setter, Data]:
        """What would set an attribute, and the value decoded; raises AccessRefused when it may not be set to that."""
        item = self._object(descriptor)
        index = descriptor[8]
        attribute = item.attributes.get(index)
        if attribute is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        mode = item.access[self._index].attributes.get(index, AttributeMode.NONE)
        if not mode.writable or attribute.write is None:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        self._check_authenticated(mode in _AUTHENTICATED_MODES)
        if selection is not None:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        value = _decoded(data)
        if not attribute.type.check(value):
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        return attribute.write, value

    def runnable(self, descriptor: bytes, parameters: bytes | None) -> tuple[BoundMethod, Data | None]:
        """The method and its parameter decoded; raises AccessRefused when it may not be run with that."""
        item = self._object(descriptor)
        index = descriptor[8]
        method = item.methods.get(index)
        if method is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        mode = item.access[self._index].methods.get(index, MethodMode.NONE)
        if mode is MethodMode.NONE:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        self._check_authenticated(mode is MethodMode.AUTHENTICATED)
        return method, _parameter(method, parameters)

    def _readable(self, descriptor: bytes) -> BoundAttribute:
        item = self._object(descriptor)
        index = descriptor[8]
        attribute = item.attributes.get(index)
        if attribute is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        mode = item.access[self._index].attributes.get(index, AttributeMode.NONE)
        if not mode.readable:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        self._check_authenticated(mode in _AUTHENTICATED_MODES)
        return attribute

    def _object(self, descriptor: bytes) -> CosemObject:
        """The object meant, if this association may see it at all."""
        item = self.model.find(descriptor)
        if item is not None:
            if item.access[self._index]:
                return item
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        other = self.model.objects_by_name.get(descriptor[2:8])
        if other is not None and other.access[self._index]:
            raise AccessRefused(DataAccessResult.OBJECT_CLASS_INCONSISTENT)
        raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)

    def _check_authenticated(self, needed: bool) -> None:
        if needed and (self.session is None or not self.session.message_authenticated):
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)


class InternalView(View):
    """The device's own hand on its objects: scripts, captures and schedules have every right.

    It is in no association, so what describes the current one (class 15, 0-0:40.0.0) is refused. ``depth`` and
    ``actions`` say how deep a running script is nested and how many actions it has run.
    """

    __slots__ = ("actions", "depth")

    def __init__(self, device: Device, model: ObjectModel) -> None:
        super().__init__(device, model, None, None)
        self.depth = 0
        self.actions = 0

    def read(self, descriptor: bytes) -> bytes:
        """Encoded Data of an attribute as it stands; the device is not brought to the present first."""
        return self._bound(descriptor).read(self)

    def write(self, descriptor: bytes, data: bytes) -> None:
        """Set an attribute from a script."""
        attribute = self._bound(descriptor)
        value = _decoded(data)
        if attribute.write is None:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        if not attribute.type.check(value):
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        attribute.write(self, value, data)

    def execute(self, descriptor: bytes, parameters: bytes | None) -> bytes | None:
        """Run a method from a script."""
        item = self._item(descriptor)
        method = item.methods.get(descriptor[8])
        if method is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        return method.invoke(self, _parameter(method, parameters))

    def _bound(self, descriptor: bytes) -> BoundAttribute:
        attribute = self._item(descriptor).attributes.get(descriptor[8])
        if attribute is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        return attribute

    def _item(self, descriptor: bytes) -> CosemObject:
        item = self.model.find(descriptor)
        if item is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        return item


def _decoded(data: bytes) -> Data:
    try:
        return axdr.decode_all(data)
    except DecodeError:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from None


def _parameter(method: BoundMethod, parameters: bytes | None) -> Data | None:
    """The method's parameter, checked; a method without one takes none, null-data or the customary integer 0."""
    value = None if parameters is None else _decoded(parameters)
    if method.type is None:
        return None
    if value is None or not method.type.check(value):
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
    return value
