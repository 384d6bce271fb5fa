"""Faults of frames: what a device's link layer says that it should not, or leaves unsaid.

Each is of so many frames (``frames``) and then over by itself, or goes on until it is ended (0). Whatever is wrong with
a frame, all else of it is right, so that a receiver finds just that. The device itself believes that it has sent the
right frame: its numbers, its counters and what it keeps to send again are those of a device without the fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from emulator.faults.damage import SAID, WRONG
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.line import DEVICES
from emulator.faults.parameters import Number
from emulator.faults.wire import LINES, on_lines, owner_of
from emulator.gate import AT_DEVICE, Blow, Hazard, unharmed
from emulator.ports import HdlcStack
from emulator.telling import Layer as Told
from protocols.hdlc.frame import DM, FRMR, POLL, RNR, RR, Frame, decode_address, encode
from protocols.iec62056_21.message import NAK
from protocols.sniffer import SEVEN_BITS, Kind

if TYPE_CHECKING:
    from emulator.ports import Stack
    from protocols.sniffer import Message

_FRAMES: Final = Number("frames", "So many, then it is over by itself; 0: until it is ended", "frames", 0, 1_000_000, 1)
_SERIAL, _NETWORK = "serial", "network"
_OPTICAL = ("electricity",)
_UNDEFINED = 0x01  # of FRMR: the rejected control field is undefined or not implemented
_AGAIN = "its frames are right again; a client that sends again, or connects anew, goes on"
_FIRMWARE = "the firmware of its link layer is wrong; the line, the objects and the keys are right"


@dataclass(slots=True)
class _Left:
    """Frames that are still to be hit, on all lines together; negative: any number."""

    frames: int


class _LinkFault(Hazard):
    """Counts the frames that it hits, and is over after the last."""

    __slots__ = ("_left", "_site", "chance", "stack")

    whole: ClassVar[bool] = True
    depth: ClassVar[int] = AT_DEVICE
    layer: ClassVar[Told] = Told.LINK

    def __init__(self, site: Site, name: str, left: _Left, stack: Stack, chance: Random) -> None:
        super().__init__(owner_of(site, name))
        self.stack = stack
        self.chance = chance
        self._site = site
        self._left = left

    def hit(self, message: Message, now: int) -> Blow:
        blow = self.strike(message) if self._left.frames else None
        if blow is None:
            return unharmed(message)
        self._left.frames -= self.counts(message)
        return blow

    def told(self) -> None:
        if self._left.frames == 0:
            self._site.over()

    def strike(self, message: Message) -> Blow | None:
        """What becomes of a message, None for one that the fault passes by."""
        raise NotImplementedError

    def counts(self, message: Message) -> bool:
        """Whether a message that was hit is one of those counted."""
        return True


_Kind: TypeAlias = Callable[[Site, str, _Left, "Stack", Random], _LinkFault]


def _bad(name: str, kind: _Kind, lines: str = "") -> Callable[[Site], End]:
    """Begins a fault of this kind on the lines of that word, or on those of the parameter."""

    def begin(site: Site) -> End:
        left = _Left(site.number(_FRAMES.name) or -1)
        return on_lines(site, lambda stack, chance: kind(site, name, left, stack, chance), lines)

    return begin


# --- answers that are wrong


class _WrongAnswer(_LinkFault):
    """An answer is wrong in one of the ways of the model."""

    __slots__ = ("_kind",)

    def __init__(self, kind: str, site: Site, name: str, left: _Left, stack: Stack, chance: Random) -> None:
        super().__init__(site, name, left, stack, chance)
        self._kind = kind

    def strike(self, message: Message) -> Blow | None:
        octets = None if message.inbound else WRONG[self._kind](message, self.chance)
        return None if octets is None else Blow(0, (octets,), SAID[self._kind])


class _Repeated(_LinkFault):
    """The last I frame is sent again in place of the next."""

    __slots__ = ("_last",)

    def __init__(self, site: Site, name: str, left: _Left, stack: Stack, chance: Random) -> None:
        super().__init__(site, name, left, stack, chance)
        self._last = b""

    def strike(self, message: Message) -> Blow | None:
        if message.inbound or message.frame is None or message.frame.control & 1:
            return None
        last, self._last = self._last, self._last or message.octets
        return Blow(0, (last,), "the frame before it is sent again in its place") if last else None


class _Unanswered(_LinkFault):
    """What a frame with P = 1 has given the device the turn for is not sent."""

    __slots__ = ()

    def strike(self, message: Message) -> Blow | None:
        return None if message.inbound or message.frame is None else Blow(0, (), "it is not sent")

    def counts(self, message: Message) -> bool:
        return message.frame is not None and message.frame.control & POLL != 0


# --- requests that are refused


class _Refused(_LinkFault):
    """A frame with P = 1 of a client in normal response mode does not come any further."""

    __slots__ = ()

    def strike(self, message: Message) -> Blow | None:
        frame = message.frame
        if not message.inbound or frame is None or not frame.control & POLL or not self._here(frame):
            return None
        answer = self.answer(frame)
        if answer is None:
            return None
        control, information, said = answer
        reply = encode(Frame(frame.source, frame.destination, control | POLL, information))
        return Blow(0, (), said, reply)

    def answer(self, frame: Frame) -> tuple[int, bytes, str] | None:
        """Control octet and information of what is said in answer to a frame, and in words; None: all is well."""
        raise NotImplementedError

    def _here(self, frame: Frame) -> bool:
        """Whether the frame is for this station."""
        stack = self.stack
        upper, lower = decode_address(frame.destination)
        if not isinstance(stack, HdlcStack) or upper not in stack.associations.saps:
            return False
        return lower in (None, stack.station.physical_address)


class _Disconnected(_Refused):
    """DM in answer to an I frame or RR, as if there were no link."""

    __slots__ = ()

    def answer(self, frame: Frame) -> tuple[int, bytes, str] | None:
        if frame.control & 1 and frame.control & 0x0F != RR:
            return None
        return DM, b"", "not taken, DM is the answer"


class _Rejected(_Refused):
    """FRMR in answer to an I frame (ISO/IEC 13239, 5.5.4)."""

    __slots__ = ()

    def answer(self, frame: Frame) -> tuple[int, bytes, str] | None:
        control = frame.control
        if control & 1:
            return None
        counts = (control >> 1 & 7) << 5 | (control >> 5) << 1
        return FRMR, bytes((control, counts, _UNDEFINED)), "not taken, FRMR is the answer"


class _Busy(_Refused):
    """RNR in answer to an I frame, which is to come again; what the device has to say it goes on saying."""

    __slots__ = ()

    def strike(self, message: Message) -> Blow | None:
        frame = message.frame
        if not message.inbound and frame is not None and frame.control & 0x0F == RR:
            busy = encode(frame._replace(control=frame.control & 0xF0 | RNR))
            return Blow(0, (busy,), "RNR in place of RR")
        return super().strike(message)

    def answer(self, frame: Frame) -> tuple[int, bytes, str] | None:
        if frame.control & 1:
            return None
        return RNR | (frame.control >> 1 & 7) << 5, b"", "not taken, RNR is the answer"


class _Nak(_LinkFault):
    """NAK in answer to a command of programming mode (IEC 62056-21, 6.4)."""

    __slots__ = ()

    def strike(self, message: Message) -> Blow | None:
        text = message.octets.translate(SEVEN_BITS)
        command = message.inbound and message.kind is Kind.TEXT and text.startswith(b"\x01")
        if not command or text.startswith(b"\x01B"):
            return None
        return Blow(0, (), "not taken, NAK is the answer", bytes((NAK,)))


def _fault(
    name: str,
    text: str,
    kind: _Kind,
    symptoms: tuple[str, ...],
    lines: str = _SERIAL,
    kinds: tuple[str, ...] = DEVICES,
    ends: str = _AGAIN,
) -> Fault:
    """A line of the table; the device is to blame for each."""
    parameters = (_FRAMES,) if lines else (_FRAMES, LINES)
    return Fault(
        name, Layer.LINK, text, kinds, _bad(name, kind, lines), Culprit.DEVICE, _FIRMWARE, symptoms, ends, parameters
    )


FAULTS: Final = (
    _fault(
        "wrong-fcs",
        "Frames of the device have a wrong frame check sequence",
        partial(_WrongAnswer, "fcs"),
        ("a client discards the frame and has no answer", "it is there when the client sends again"),
    ),
    _fault(
        "wrong-hcs",
        "Frames of the device that have information have a wrong header check sequence, and a right FCS over it",
        partial(_WrongAnswer, "hcs"),
        ("a client that checks the HCS discards the frame and has no answer",),
    ),
    _fault(
        "wrong-receive-number",
        "Frames of the device acknowledge with a wrong N(R)",
        partial(_WrongAnswer, "nr"),
        ("the acknowledgement is of frames that were not sent, or not of the last",),
    ),
    _fault(
        "wrong-send-number",
        "I frames of the device have a wrong N(S)",
        partial(_WrongAnswer, "ns"),
        ("a client finds the frame out of sequence, and asks again or gives up",),
    ),
    _fault(
        "repeated-frame",
        "The device sends its last I frame again in place of the next",
        _Repeated,
        ("a client finds N(S) repeated, or takes an answer of before for the new one",),
    ),
    _fault(
        "wrong-frame-length",
        "The length field of the device's frames says more than there is; both checks are right for it",
        partial(_WrongAnswer, "length"),
        ("a client waits for octets that do not come, and has no answer",),
    ),
    _fault(
        "truncated-frame",
        "The last octets of the device's frames or messages are missing",
        partial(_WrongAnswer, "truncated"),
        ("a client waits for the end of the frame, and has no answer",),
        lines="",
    ),
    _fault(
        "wrong-frame-address",
        "Frames of the device go to another client",
        partial(_WrongAnswer, "address"),
        ("a client discards the frame as not its own, and has no answer",),
    ),
    _fault(
        "spurious-dm",
        "The device answers DM though it is connected",
        _Disconnected,
        ("a client finds its link disconnected", "its request has not been carried out"),
    ),
    _fault(
        "frame-reject",
        "The device answers FRMR to a right frame",
        _Rejected,
        ("a client finds its frame rejected", "its request has not been carried out"),
    ),
    _fault(
        "receiver-not-ready",
        "The device says that it is busy (RNR) and takes no frame",
        _Busy,
        ("a client is told RNR to every request", "its request has not been carried out"),
    ),
    _fault(
        "unanswered-poll",
        "The device does not answer frames that give it the turn (P = 1); it carries out what they ask for",
        _Unanswered,
        ("a client has no answer", "a request sent again is answered as a repeated one"),
    ),
    _fault(
        "wrong-wrapper-length",
        "The length field of the device's wrapper messages says more than there is",
        partial(_WrongAnswer, "length"),
        ("a client waits for octets that do not come; later ones are taken for them",),
        lines=_NETWORK,
        ends="its messages are right again; a client that connects anew goes on",
    ),
    _fault(
        "wrong-wrapper-version",
        "The device's wrapper messages have another version than 1",
        partial(_WrongAnswer, "version"),
        ("a client refuses the message and leaves",),
        lines=_NETWORK,
        ends="its messages are right again; a client that connects anew goes on",
    ),
    _fault(
        "wrong-block-check",
        "Blocks of IEC 62056-21 have a wrong block check character",
        partial(_WrongAnswer, "bcc"),
        ("a reader refuses the readout or the value, or asks again with NAK",),
        kinds=_OPTICAL,
    ),
    _fault(
        "command-nak",
        "The device answers NAK to commands of programming mode",
        _Nak,
        ("a reader is told NAK, and asks again or gives up", "its command has not been carried out"),
        kinds=_OPTICAL,
    ),
)
"""Faults of frames."""
