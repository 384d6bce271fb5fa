"""What can be laid in the way of a device's APDUs and objects: by faults, and by whoever waits for one of them.

:func:`tap` lays taps at a device and returns the call that takes them away. They hold for all lines of the device,
those that are opened later too, and for the lines of the hub that it is reached by. There are four places, from the
outside in, and at each the tap laid last is the outermost:

``apdus``
    One APDU as it came over a line, ciphered or not, and the answers as they leave: :data:`ApduTap`.
``services``
    One plain request inside an association, after the checks of security, and the plain answer before it is protected:
    :data:`ServiceTap`. Pass 3 of high level security is one too. What opens and closes associations is not.
``offers``
    What is offered to a client that asks for an association: :data:`OfferTap`.
``objects``
    One attempt to read, write or run something of an object by GET, SET, ACTION or ACCESS: :data:`ObjectTap`.

A tap is in the middle: it does its work before and after ``go``, calls it with something else, or not at all. Those of
one device concern what that device answers itself: the mirror of a gas meter is its hub's.

A device without taps has none of this on its way: associations and handlers are made anew when taps come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from protocols.dlms import axdr

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.logical_device import AssociationOffer
    from emulator.ports import Stack
    from emulator.quirks import Handler
    from protocols.dlms.association import Association
    from protocols.dlms.objects import Objects

ApduTap: TypeAlias = "Callable[[Stack, Association, bytes, Handler], Sequence[bytes]]"
"""Takes the line, the association, an APDU and what handles it; returns the answers, none for silence."""
Serve: TypeAlias = Callable[[bytes], bytes | None]
"""Answers a plain request; None where no answer is wanted."""
ServiceTap: TypeAlias = "Callable[[Association, bytes, Serve], bytes | None]"
"""Takes the association, a plain request and what serves it; returns the plain answer, None for none."""
OfferTap: TypeAlias = "Callable[[AssociationOffer], None]"
"""Takes an offer that was just made and may change it; RejectedError refuses the association."""


class Access(Enum):
    """What is attempted at an object."""

    GET = "get"
    SET = "set"
    ACTION = "action"


class Attempt(NamedTuple):
    """An access to an object.

    ``descriptor`` is the nine octets of class, logical name and index; ``selection`` the access selector and its
    parameters; ``data`` the value of a SET or the parameters of an ACTION, encoded.
    """

    association: Association
    access: Access
    descriptor: bytes
    selection: bytes | None
    data: bytes | None

    @property
    def logical_name(self) -> bytes:
        """Six octets."""
        return self.descriptor[2:8]


Tap = TypeVar("Tap")
ObjectTap: TypeAlias = "Callable[[Attempt, Callable[[], bytes | None]], bytes | None]"
"""Takes an attempt and what carries it out; returns encoded Data or None as that does, or raises AccessRefused."""


@dataclass(slots=True)
class Taps:
    """The taps of one device, the innermost first."""

    apdus: list[ApduTap] = field(default_factory=list["ApduTap"])
    services: list[ServiceTap] = field(default_factory=list["ServiceTap"])
    offers: list[OfferTap] = field(default_factory=list["OfferTap"])
    objects: list[ObjectTap] = field(default_factory=list["ObjectTap"])

    def __bool__(self) -> bool:
        return bool(self.apdus or self.services or self.offers or self.objects)

    def around(self, stack: Stack, association: Association, handle: Handler) -> Handler:
        """What serves an association of this device on a line, through the taps at its APDUs and services."""
        if self.services:
            association.interpose(self._between(association))
        return through_apdus(self.apdus, stack, association, handle)

    def _between(self, association: Association) -> Callable[[bytes, Serve], bytes | None]:
        services = tuple(self.services)

        def between(request: bytes, serve: Serve) -> bytes | None:
            for each in services:
                serve = _at_services(each, association, serve)
            return serve(request)

        return between

    def offered(self, offer: AssociationOffer) -> None:
        """Let the taps have their way with an offer; RejectedError where one refuses it."""
        for each in self.offers:
            each(offer)

    def objects_of(self, association: Association, objects: Objects) -> Objects:
        """The objects that an association works on, through the taps at them."""
        return _TappedObjects(association, objects, tuple(self.objects)) if self.objects else objects


class _TappedObjects:
    """Objects of one association, each access by way of the taps."""

    __slots__ = ("_association", "_objects", "_taps", "attributes")

    def __init__(self, association: Association, objects: Objects, taps: Sequence[ObjectTap]) -> None:
        self._association = association
        self._objects = objects
        self._taps = taps
        self.attributes = objects.attributes

    def get(self, descriptor: bytes, selection: bytes | None = None) -> bytes:
        attempt = Attempt(self._association, Access.GET, descriptor, selection, None)
        read = self._carried_out(attempt, lambda: self._objects.get(descriptor, selection))
        return axdr.NULL if read is None else read

    def set(self, descriptor: bytes, selection: bytes | None, data: bytes) -> None:
        attempt = Attempt(self._association, Access.SET, descriptor, selection, data)
        self._carried_out(attempt, lambda: self._objects.set(descriptor, selection, data))

    def action(self, descriptor: bytes, parameters: bytes | None) -> bytes | None:
        attempt = Attempt(self._association, Access.ACTION, descriptor, None, parameters)
        return self._carried_out(attempt, lambda: self._objects.action(descriptor, parameters))

    def _carried_out(self, attempt: Attempt, go: Callable[[], bytes | None]) -> bytes | None:
        return through_objects(self._taps, attempt, go)()


def tap(
    device: Device,
    *,
    apdus: ApduTap | None = None,
    services: ServiceTap | None = None,
    offers: OfferTap | None = None,
    objects: ObjectTap | None = None,
) -> Callable[[], None]:
    """Lay taps at a device, one a place. The call that is returned takes them away; a second one does nothing.

    They act from the next APDU on, in associations that are open too; taps at offers from the next AARQ on.
    """
    taps = device.taps
    if taps is None:
        taps = device.taps = Taps()
    here = taps
    laid = [
        _lay(here.apdus, apdus),
        _lay(here.services, services),
        _lay(here.offers, offers),
        _lay(here.objects, objects),
    ]
    _renew(device)

    def take_away() -> None:
        if not laid:
            return
        for lift in laid:
            lift()
        laid.clear()
        if not here and device.taps is here:
            device.taps = None
        _renew(device)

    return take_away


def _lay(place: list[Tap], each: Tap | None) -> Callable[[], None]:
    """Lay a tap, if there is one, in its place; the call that is returned lifts it."""
    if each is None:
        return lambda: None
    place.append(each)
    return lambda: place.remove(each)


def associations_of(device: Device) -> list[Association]:
    """All associations that a device has with clients now, on its own lines and on those of its hub."""
    return [association for stack in lines_of(device) for association in stack.associations.of(device)]


def lines_of(device: Device) -> list[Stack]:
    """The lines on which a device may answer: its own, and those of the hub that it is reached by."""
    return [
        stack for each in (device, device.uplink) if each is not None and each.lines is not None for stack in each.lines
    ]


def _renew(device: Device) -> None:
    for stack in lines_of(device):
        stack.renew(device)


def through_apdus(taps: Iterable[ApduTap], stack: Stack, association: Association, handle: Handler) -> Handler:
    """What handles an APDU by way of taps, the innermost first."""
    for each in taps:
        handle = _at_apdus(each, stack, association, handle)
    return handle


def through_objects(
    taps: Iterable[ObjectTap], attempt: Attempt, go: Callable[[], bytes | None]
) -> Callable[[], bytes | None]:
    """What carries out an attempt by way of taps, the innermost first."""
    for each in taps:
        go = partial(each, attempt, go)
    return go


def _at_apdus(each: ApduTap, stack: Stack, association: Association, handle: Handler) -> Handler:
    return lambda apdu: each(stack, association, apdu, handle)


def _at_services(each: ServiceTap, association: Association, serve: Serve) -> Serve:
    return lambda request: each(association, request, serve)
