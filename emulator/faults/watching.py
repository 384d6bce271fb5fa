"""Watching what comes to a device, for injections that wait for it: frames, requests, accesses to objects.

Whoever is told may begin a fault there and then. One of the line or of frames hits the frame that was told of; one that
is laid in the way of APDUs or objects (:mod:`emulator.taps`) has its effect on the request or access that was told of;
and a device that has lost its power by it does not answer. Nobody watches a device unless something waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from emulator.gate import WATCHING, Blow, Hazard, unharmed
from emulator.lines import Lines
from emulator.taps import ApduTap, Attempt, ObjectTap, tap, through_apdus, through_objects
from protocols.sniffer import Kind, Message

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.faults.fault import End
    from emulator.ports import Stack
    from emulator.quirks import Handler
    from protocols.dlms.association import Association


class _Watch(Hazard):
    """Sees what is on its way to the device, and leaves it as it is."""

    __slots__ = ("_came",)

    whole: ClassVar[bool] = True
    depth: ClassVar[int] = WATCHING

    def __init__(self, came: Callable[[], None]) -> None:
        super().__init__()
        self._came = came

    def hit(self, message: Message, now: int) -> Blow:
        if message.inbound and message.kind is not Kind.NOISE:
            self._came()
        return unharmed(message)


def on_frame(device: Device, came: Callable[[], None]) -> End:
    """Call ``came`` before each HDLC frame, wrapper message or message of sign-on text on a line to the device."""
    return Lines.of(device).endanger(lambda stack: _Watch(came))


def on_request(device: Device, came: Callable[[], None]) -> End:
    """Call ``came`` before each APDU that the device is to answer, on its own lines and on those of its hub."""

    def watch(stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        before = _apdu_taps(device)
        came()
        if not device.ready:
            return ()
        laid = [each for each in _apdu_taps(device) if each not in before]
        return through_apdus(laid, stack, association, handle)(apdu)

    return tap(device, apdus=watch)


def on_access(device: Device, came: Callable[[Attempt], None]) -> End:
    """Call ``came`` before each access to an attribute or method of the device, whether it will be granted or not."""

    def watch(attempt: Attempt, go: Callable[[], bytes | None]) -> bytes | None:
        before = _object_taps(device)
        came(attempt)
        laid = [each for each in _object_taps(device) if each not in before]
        return through_objects(laid, attempt, go)()

    def silence(stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        del stack, association
        answers = handle(apdu)
        return answers if device.ready else ()

    return tap(device, apdus=silence, objects=watch)


def _apdu_taps(device: Device) -> tuple[ApduTap, ...]:
    return () if device.taps is None else tuple(device.taps.apdus)


def _object_taps(device: Device) -> tuple[ObjectTap, ...]:
    return () if device.taps is None else tuple(device.taps.objects)
