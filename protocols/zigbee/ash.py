"""ASH: the link between a host and an EZSP radio processor (NCP) on a serial line, both ends of it, sans I/O.

Source: Silicon Labs UG101 "UART-EZSP Gateway Protocol Reference", version 2 of the protocol. A frame is a control
octet, data and a CRC-16 (polynomial 1021, start FFFF, high octet first), stuffed and ended by a flag. DATA frames carry
a three-bit sequence and are sent again, all that are not acknowledged, after a NAK or when no acknowledgement comes.

Use: give what the line brings to ``receive``, act on the events, ``send`` answers, then write what ``output`` gives; an
acknowledgement owed rides on a DATA frame where one goes out. Call ``timeout`` when ``next_timeout`` has come. Times
are integer nanoseconds of any one clock.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections import deque
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final, TypeAlias

from protocols.errors import FrameError, LocalProtocolError

FLAG: Final = 0x7E
ESCAPE: Final = 0x7D
XON: Final = 0x11
XOFF: Final = 0x13
SUBSTITUTE: Final = 0x18
CANCEL: Final = 0x1A
VERSION: Final = 2
MIN_DATA: Final = 3
MAX_DATA: Final = 128
_MAX_RAW: Final = 2 * (1 + MAX_DATA + 2)
_RST: Final = 0xC0
_RSTACK: Final = 0xC1
_ERROR: Final = 0xC2
_RETRANSMITTED: Final = 0x08
_NOT_READY: Final = 0x08
_MS: Final = 1_000_000


class ResetCode(IntEnum):
    """Why the processor started or failed: in RSTACK and ERROR."""

    UNKNOWN = 0x00
    EXTERNAL = 0x01
    POWER_ON = 0x02
    WATCHDOG = 0x03
    ASSERT = 0x06
    BOOTLOADER = 0x09
    SOFTWARE = 0x0B
    ACK_TIMEOUTS = 0x51


class State(Enum):
    """Where a link is."""

    CLOSED = "closed"
    RESETTING = "resetting"
    CONNECTED = "connected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of one end. Times in ns; the defaults are UG101's.

    ``window``: DATA frames on their way at once, 1..7. ``queue``: payloads that may wait behind them. ``timeouts``:
    waits in a row without an acknowledgement before the link is given up.
    """

    window: int = 3
    queue: int = 256
    timeouts: int = 4
    ack_initial: int = 1600 * _MS
    ack_least: int = 400 * _MS
    ack_most: int = 3200 * _MS
    not_ready: int = 1000 * _MS
    reset_wait: int = 3200 * _MS

    def __post_init__(self) -> None:
        if not 1 <= self.window <= 7:
            raise LocalProtocolError(f"an ASH window of {self.window}", expected="1..7")


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """The host wants the processor to start again; nothing is taken until :meth:`AshNcp.start`."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The processor has started: sequences are at zero. ``code`` is a :class:`ResetCode` or one nobody knows."""

    code: int


@dataclass(frozen=True, slots=True)
class Received:
    """The data of one DATA frame, in order and once: 3..128 octets, without the randomiser."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Discarded:
    """A frame that was not taken, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The link is lost until a reset."""

    code: int
    why: str


Event: TypeAlias = ResetRequested | Connected | Received | Discarded | Failed


@dataclass(slots=True)
class Counters:
    """What a link has seen since it was made."""

    received: int = 0
    duplicates: int = 0
    bad: int = 0
    resent: int = 0
    naks_sent: int = 0
    naks_received: int = 0
    timeouts: int = 0


@dataclass(slots=True)
class _Outstanding:
    data: bytes
    sent_at: int
    again: bool = False


def _mask() -> bytes:
    register, octets = 0x42, bytearray()
    for _ in range(MAX_DATA):
        octets.append(register)
        register = register >> 1 ^ (0xB8 if register & 1 else 0)
    return bytes(octets)


_MASK: Final = _mask()
_STUFFED: Final = {
    octet: bytes((ESCAPE, octet ^ 0x20)) if octet in (FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL) else bytes((octet,))
    for octet in range(256)
}


def randomise(data: bytes) -> bytes:
    """``data`` (at most 128 octets) under the randomiser; the same again takes it off."""
    size = len(data)
    return (int.from_bytes(data, "big") ^ int.from_bytes(_MASK[:size], "big")).to_bytes(size, "big")


def encode(control: int, data: bytes = b"") -> bytes:
    """A frame as it is on the line, with CRC, stuffing and flag. ``data`` of a DATA frame is randomised before."""
    body = bytes((control,)) + data
    body += crc_hqx(body, 0xFFFF).to_bytes(2, "big")
    return b"".join([_STUFFED[octet] for octet in body]) + bytes((FLAG,))


def decode(raw: bytes) -> tuple[int, bytes]:
    """Control octet and data of what stood before a flag. FrameError for length, stuffing or CRC."""
    body = raw
    if ESCAPE in raw:
        first, *rest = raw.split(bytes((ESCAPE,)))
        if not all(rest):
            raise FrameError("an ASH escape with nothing behind it")
        body = first + b"".join(bytes((part[0] ^ 0x20,)) + part[1:] for part in rest)
    if not 3 <= len(body) <= 1 + MAX_DATA + 2:
        raise FrameError(f"an ASH frame of {len(body)} octets", expected="3..131")
    if crc_hqx(body, 0xFFFF):
        raise FrameError(f"an ASH frame with control {body[0]:02X} whose CRC is wrong")
    return body[0], body[1:-2]


class _Link:
    """What both ends share: framing, sequence, acknowledgements, sending again."""

    __slots__ = (
        "_ack_owed",
        "_deadline",
        "_discarding",
        "_expected",
        "_first",
        "_nak_owed",
        "_out",
        "_quiet_until",
        "_raw",
        "_rejecting",
        "_settings",
        "_timeouts",
        "_unacknowledged",
        "_waiting",
        "ack_wait",
        "counters",
        "state",
    )

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._raw = bytearray()
        self._discarding = False
        self._out = bytearray()
        self.state = State.CLOSED
        self.counters = Counters()
        self.ack_wait = self._settings.ack_initial
        """How long an acknowledgement is waited for now, ns: follows what was measured."""
        self._clear(State.CLOSED)

    def _clear(self, state: State) -> None:
        self.state = state
        self._waiting: deque[bytes] = deque()
        self._unacknowledged: deque[_Outstanding] = deque()
        self._first = 0  # sequence of the oldest frame not acknowledged
        self._expected = 0
        self._rejecting = self._ack_owed = self._nak_owed = False
        self._timeouts = 0
        self._deadline: int | None = None
        self._quiet_until: int | None = None
        self.ack_wait = self._settings.ack_initial

    @property
    def next_timeout(self) -> int | None:
        """The instant at which :meth:`timeout` must be called, or None."""
        times = [each for each in (self._deadline, self._quiet_until) if each is not None]
        return min(times, default=None)

    def send(self, data: bytes, now: int) -> None:
        """Queue the data of one DATA frame. LocalProtocolError: not connected, not 3..128 octets, queue full."""
        if self.state is not State.CONNECTED:
            raise LocalProtocolError(f"ASH cannot send while {self.state.value}")
        if not MIN_DATA <= len(data) <= MAX_DATA:
            raise LocalProtocolError(f"ASH data of {len(data)} octets", expected=f"{MIN_DATA}..{MAX_DATA}")
        if len(self._waiting) >= self._settings.queue:
            raise LocalProtocolError(f"{len(self._waiting)} ASH payloads wait already")
        self._waiting.append(randomise(data))
        self._fill(now)

    def output(self) -> bytes:
        """What is to be written now, each octet once; adds an acknowledgement that no DATA frame has carried."""
        if self._nak_owed:
            self._out.extend(encode(0xA0 | self._expected))
            self.counters.naks_sent += 1
        elif self._ack_owed:
            self._out.extend(encode(0x80 | self._expected))
        self._nak_owed = self._ack_owed = False
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def receive(self, octets: bytes, now: int) -> list[Event]:
        """Take what the line brought. Raises nothing, whatever the octets; holds at most one frame."""
        events: list[Event] = []
        for octet in octets:
            if octet == FLAG:
                raw, discarding = bytes(self._raw), self._discarding
                self._raw.clear()
                self._discarding = False
                if discarding:
                    self._bad(events, "an ASH frame with a substituted octet, or too long")
                elif raw:
                    self._frame(raw, now, events)
            elif octet == CANCEL:
                self._raw.clear()
                self._discarding = False
            elif octet == SUBSTITUTE or (len(self._raw) >= _MAX_RAW and octet not in (XON, XOFF)):
                self._raw.clear()
                self._discarding = True
            elif octet not in (XON, XOFF) and not self._discarding:
                self._raw.append(octet)
        self._fill(now)
        return events

    def timeout(self, now: int) -> list[Event]:
        """Do what is due at ``now``: send again, or give the link up."""
        events: list[Event] = []
        if self._quiet_until is not None and now >= self._quiet_until:
            self._quiet_until = None
        if self._deadline is not None and now >= self._deadline:
            self._expired(now, events)
        self._fill(now)
        return events

    def _expired(self, now: int, events: list[Event]) -> None:
        self.counters.timeouts += 1
        self._timeouts += 1
        if self._timeouts >= self._settings.timeouts:
            self._give_up(events)
            return
        self.ack_wait = min(self.ack_wait * 2, self._settings.ack_most)
        self._resend(now)

    def _give_up(self, events: list[Event]) -> None:
        why = f"no acknowledgement in {self._settings.timeouts} waits"
        self._clear(State.FAILED)
        events.append(Failed(ResetCode.ACK_TIMEOUTS, why))

    def _bad(self, events: list[Event], why: str) -> None:
        self.counters.bad += 1
        events.append(Discarded(why))
        if self.state is State.CONNECTED and not self._rejecting:
            self._rejecting = self._nak_owed = True

    def _frame(self, raw: bytes, now: int, events: list[Event]) -> None:
        try:
            control, data = decode(raw)
        except FrameError as error:
            self._bad(events, str(error))
            return
        if control in (_RST, _RSTACK, _ERROR):
            self._control(control, data, events)
        elif self.state is not State.CONNECTED:
            self._unconnected(control, events)
        elif control < 0x80 and len(data) >= MIN_DATA:
            if self._acknowledged(control & 7, now, events):
                self._data(control, data, events)
        elif control >> 5 in (4, 5) and not data:
            if not self._acknowledged(control & 7, now, events):
                return
            self._quiet_until = now + self._settings.not_ready if control & _NOT_READY else None
            if control >> 5 == 5:
                self.counters.naks_received += 1
                self._resend(now)
        else:
            self._bad(events, f"an ASH frame with control {control:02X} and {len(data)} octets of data")

    def _control(self, control: int, data: bytes, events: list[Event]) -> None:
        raise NotImplementedError

    def _unconnected(self, control: int, events: list[Event]) -> None:
        events.append(Discarded(f"an ASH frame with control {control:02X} while {self.state.value}"))

    def _data(self, control: int, data: bytes, events: list[Event]) -> None:
        sequence = control >> 4
        if sequence == self._expected:
            self._expected = self._expected + 1 & 7
            self._rejecting = self._nak_owed = False
            self._ack_owed = True
            self.counters.received += 1
            events.append(Received(randomise(data)))
        elif control & _RETRANSMITTED:
            self.counters.duplicates += 1
            self._ack_owed = True
        else:
            self._bad(events, f"ASH DATA {sequence} where {self._expected} was expected")

    def _acknowledged(self, number: int, now: int, events: list[Event]) -> bool:
        count = number - self._first & 7
        if count > len(self._unacknowledged):
            self._bad(events, f"an ASH acknowledgement of {number}, which was not sent")
            return False
        if count:
            for _ in range(count):
                last = self._unacknowledged.popleft()
                if not last.again:
                    measured = self.ack_wait * 7 // 8 + (now - last.sent_at) // 2
                    self.ack_wait = min(max(measured, self._settings.ack_least), self._settings.ack_most)
            self._first = number
            self._timeouts = 0
            self._deadline = now + self.ack_wait if self._unacknowledged else None
        return True

    def _put(self, sequence: int, frame: _Outstanding) -> None:
        again = _RETRANSMITTED if frame.again else 0
        self._out.extend(encode(sequence << 4 | again | self._expected, frame.data))
        self._ack_owed = False

    def _resend(self, now: int) -> None:
        for index, frame in enumerate(self._unacknowledged):
            frame.again = True
            self._put(self._first + index & 7, frame)
            self.counters.resent += 1
        self._deadline = now + self.ack_wait if self._unacknowledged else None

    def _fill(self, now: int) -> None:
        if self.state is not State.CONNECTED or self._quiet_until is not None:
            return
        while self._waiting and len(self._unacknowledged) < self._settings.window:
            frame = _Outstanding(self._waiting.popleft(), now)
            self._put(self._first + len(self._unacknowledged) & 7, frame)
            self._unacknowledged.append(frame)
            if self._deadline is None:
                self._deadline = now + self.ack_wait


class AshNcp(_Link):
    """The radio processor's end."""

    __slots__ = ("_code",)

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._code = int(ResetCode.UNKNOWN)

    def start(self, code: int = ResetCode.SOFTWARE) -> None:
        """Start anew, asked for or not: everything queued is forgotten, RSTACK tells the host why."""
        self._clear(State.CONNECTED)
        self._out.clear()
        self._out.extend(encode(_RSTACK, bytes((VERSION, code))))

    def fail(self, code: int = ResetCode.ASSERT) -> None:
        """Stop with an ERROR frame, which answers every frame but RST from now on."""
        self._clear(State.FAILED)
        self._code = code
        self._error()

    def _error(self) -> None:
        self._out.extend(encode(_ERROR, bytes((VERSION, self._code))))

    def _control(self, control: int, data: bytes, events: list[Event]) -> None:
        if control == _RST and not data:
            self._clear(State.RESETTING)
            self._out.clear()
            events.append(ResetRequested())
        else:
            self._bad(events, f"an ASH frame with control {control:02X}, which a host does not send")

    def _unconnected(self, control: int, events: list[Event]) -> None:
        super()._unconnected(control, events)
        if self.state is State.FAILED and len(self._out) < MAX_DATA:
            self._error()

    def _give_up(self, events: list[Event]) -> None:
        super()._give_up(events)
        self._code = int(ResetCode.ACK_TIMEOUTS)
        self._error()


class AshHost(_Link):
    """The host's end."""

    __slots__ = ()

    def connect(self, now: int) -> None:
        """Ask the processor to start again; Connected tells when it has, Failed when it never answers."""
        self._clear(State.RESETTING)
        self._ask(now)

    def _ask(self, now: int) -> None:
        self._out.extend(bytes((CANCEL,)) + encode(_RST))
        self._deadline = now + self._settings.reset_wait

    def _expired(self, now: int, events: list[Event]) -> None:
        if self.state is not State.RESETTING:
            super()._expired(now, events)
            return
        self._timeouts += 1
        if self._timeouts >= self._settings.timeouts:
            self._give_up(events)
        else:
            self._ask(now)

    def _control(self, control: int, data: bytes, events: list[Event]) -> None:
        if control == _RST or len(data) != 2 or data[0] != VERSION:
            self._bad(events, f"an ASH frame with control {control:02X} and data {data.hex()} from the processor")
        elif control == _ERROR or self.state is State.CONNECTED:  # ERROR, or a start that nobody asked for
            self._clear(State.FAILED)
            events.append(Failed(data[1], f"the processor failed or restarted, code {data[1]:02X}"))
        elif self.state is State.RESETTING:
            self._clear(State.CONNECTED)
            events.append(Connected(data[1]))
