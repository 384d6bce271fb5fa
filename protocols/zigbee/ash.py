"""ASH: the link between a host and an EZSP radio processor (NCP) on a serial line, both ends of it, sans I/O.

Source: Silicon Labs UG101 "UART-EZSP Gateway Protocol Reference", version 2 of the protocol. A frame is a control
octet, data and a CRC-16 (polynomial 1021, start FFFF, high octet first), stuffed and ended by a flag. DATA frames carry
a three-bit sequence and are sent again, all that are not acknowledged, after a NAK or when no acknowledgement comes.

Use: give what the line brings to ``receive``, act on the events, ``send`` answers, then write what ``output`` gives; an
acknowledgement owed rides on a DATA frame where one goes out. Call ``timeout`` when ``next_timeout`` has come. Times
are integer nanoseconds of any one clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from protocols.errors import FrameError, LocalProtocolError
from protocols.zigbee.ash_events import (
    Connected,
    Counters,
    Discarded,
    Event,
    Failed,
    Received,
    ResetCode,
    ResetRequested,
    Settings,
    State,
)
from protocols.zigbee.ash_frames import (
    ACK,
    CANCEL,
    ERROR,
    FLAG,
    MAX_DATA,
    MAX_RAW,
    MIN_DATA,
    NAK,
    NOT_READY,
    RETRANSMITTED,
    RST,
    RSTACK,
    SUBSTITUTE,
    XOFF,
    XON,
    decode,
    encode,
    randomise,
)

VERSION: Final = 2
_FLAG: Final = bytes((FLAG,))
_ODD: Final = frozenset((CANCEL, SUBSTITUTE, XON, XOFF))


@dataclass(slots=True)
class _Outstanding:
    data: bytes
    sent_at: int
    again: bool = False


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
            self._out.extend(encode(NAK | self._expected))
            self.counters.naks_sent += 1
        elif self._ack_owed:
            self._out.extend(encode(ACK | self._expected))
        self._nak_owed = self._ack_owed = False
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def receive(self, octets: bytes, now: int) -> list[Event]:
        """Take what the line brought. Raises nothing, whatever the octets; holds at most one frame."""
        events: list[Event] = []
        if not self._discarding and len(self._raw) + len(octets) < MAX_RAW and not _ODD.intersection(octets):
            *frames, rest = (self._raw + octets).split(_FLAG)  # the usual case, without looking at each octet
            self._raw = rest
            for frame in frames:
                if frame:
                    self._frame(bytes(frame), now, events)
        else:
            self._receive_any(octets, now, events)
        self._fill(now)
        return events

    def _receive_any(self, octets: bytes, now: int, events: list[Event]) -> None:
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
            elif octet == SUBSTITUTE or (len(self._raw) >= MAX_RAW and octet not in (XON, XOFF)):
                self._raw.clear()
                self._discarding = True
            elif octet not in (XON, XOFF) and not self._discarding:
                self._raw.append(octet)

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
        if control in (RST, RSTACK, ERROR):
            self._control(control, data, events)
        elif self.state is not State.CONNECTED:
            self._unconnected(control, events)
        elif control < 0x80 and len(data) >= MIN_DATA:
            if self._acknowledged(control & 7, now, events):
                self._data(control, data, events)
        elif control >> 5 in (4, 5) and not data:
            if not self._acknowledged(control & 7, now, events):
                return
            self._quiet_until = now + self._settings.not_ready if control & NOT_READY else None
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
        elif control & RETRANSMITTED:
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
        again = RETRANSMITTED if frame.again else 0
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
        self._out.extend(encode(RSTACK, bytes((VERSION, code))))

    def fail(self, code: int = ResetCode.ASSERT) -> None:
        """Stop with an ERROR frame, which answers every frame but RST from now on."""
        self._clear(State.FAILED)
        self._code = code
        self._error()

    def _error(self) -> None:
        self._out.extend(encode(ERROR, bytes((VERSION, self._code))))

    def _control(self, control: int, data: bytes, events: list[Event]) -> None:
        if control == RST and not data:
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
        self._out.extend(bytes((CANCEL,)) + encode(RST))
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
        if control == RST or len(data) != 2 or data[0] != VERSION:
            self._bad(events, f"an ASH frame with control {control:02X} and data {data.hex()} from the processor")
        elif control == ERROR or self.state is State.CONNECTED:  # ERROR, or a start that nobody asked for
            self._clear(State.FAILED)
            events.append(Failed(data[1], f"the processor failed or restarted, code {data[1]:02X}"))
        elif self.state is State.RESETTING:
            self._clear(State.CONNECTED)
            events.append(Connected(data[1]))


__all__ = [
    "VERSION",
    "AshHost",
    "AshNcp",
    "Connected",
    "Counters",
    "Discarded",
    "Event",
    "Failed",
    "Received",
    "ResetCode",
    "ResetRequested",
    "Settings",
    "State",
]
