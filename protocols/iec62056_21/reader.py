"""The reader's side of IEC 62056-21: signs on, takes a readout, programs, or goes over to HDLC (modes A, B, C and E).

A :class:`Reader` gives its owner what to send and with which settings, and turns what arrives into events. The owner
sends each :class:`Transmission` with its settings, then sets the line to :attr:`Reader.baud` and
:attr:`Reader.character`, since a meter answers at the new rate at once::

    reader.start(now)
    while (out := reader.data_to_send()) is not None: ...
    events = reader.receive(data, now)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from protocols.errors import FrameError, LocalProtocolError, ProtocolError
from protocols.iec62056_21.message import (
    ACK,
    BAUD_CODES,
    BREAK,
    CHARACTER,
    EOT,
    ETX,
    HDLC_CHARACTER,
    INITIAL_BAUD,
    MAX_ADDRESS,
    MAX_MESSAGE,
    MODE_B_CODES,
    NAK,
    SOH,
    STX,
    Command,
    DataSet,
    Identification,
    OptionSelect,
    Readout,
    checked,
    data_sets,
    duration,
    printable,
)

MILLISECOND = 1_000_000
WAKE_UP_NULS = 66
"""NULs sent to wake a battery meter: 2.2 s of them at 300 Bd."""
WAKE_UP_PAUSE = 1600 * MILLISECOND


class Wanted(Enum):
    """What to do after sign-on."""

    READOUT = "readout"
    PROGRAMMING = "programming"
    HDLC = "hdlc"


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """How to sign on. ``max_baud`` bounds the rate agreed on; times in nanoseconds.

    ``response_timeout`` runs from the last character sent (1.5 s in the standard), ``echo_timeout`` is how long the
    meter's confirmation of mode E is waited for, as some give none. ``retries`` is how often a message is repeated.
    """

    wanted: Wanted = Wanted.READOUT
    address: str = ""
    max_baud: int = 19200
    wake_up: bool = False
    response_timeout: int = 1700 * MILLISECOND
    echo_timeout: int = 1500 * MILLISECOND
    retries: int = 2

    def __post_init__(self) -> None:
        if len(self.address) > MAX_ADDRESS or printable(self.address) != self.address:
            raise LocalProtocolError(f"address {self.address!r}: at most {MAX_ADDRESS} characters, none of ( ) / !")


class Transmission(NamedTuple):
    """Octets to send and the settings to send them with."""

    data: bytes
    baud: int
    character: str


@dataclass(frozen=True, slots=True)
class Identified:
    """The meter has said who it is; ``baud`` is the rate of what follows."""

    identification: Identification
    baud: int


@dataclass(frozen=True, slots=True)
class ReadOut:
    """The data readout, complete and checked. The exchange is over."""

    content: tuple[DataSet, ...]


@dataclass(frozen=True, slots=True)
class Prompted:
    """Programming mode: the meter waits for a password or a command. ``operand`` is that of P0, empty without one."""

    operand: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The command sent last was acknowledged."""


@dataclass(frozen=True, slots=True)
class Values:
    """The answer to a read command."""

    content: tuple[DataSet, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The command sent last was refused, with the meter's text such as ERR02."""

    text: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The line is HDLC's; ``leftover`` is what arrived of it already, ``confirmed`` whether the meter agreed."""

    leftover: bytes
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The meter broke the session off (B0)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange cannot go on. The reader can :meth:`~Reader.start` anew."""

    error: ProtocolError


ReaderEvent: TypeAlias = Identified | ReadOut | Prompted | Accepted | Values | Refused | HandedOver | Ended | Failed


class _Phase(Enum):
    IDLE = 0
    WAKING = 1
    REQUESTED = 2
    READING = 3
    CONFIRMING = 4
    PROMPTING = 5
    READY = 6
    COMMANDED = 7


class Reader:
    """One exchange with one meter at a time; see the module for how it is driven."""

    def __init__(self, settings: ReaderSettings | None = None) -> None:
        self.settings = settings or ReaderSettings()
        self.baud = INITIAL_BAUD
        self.character = CHARACTER
        self.identification: Identification | None = None
        self._phase = _Phase.IDLE
        self._buffer = bytearray()
        self._out: deque[Transmission] = deque()
        self._last = b""
        self._tries = 0
        self._deadline: int | None = None
        self._read = False

    @property
    def ready(self) -> bool:
        """Whether a programming command may be given."""
        return self._phase is _Phase.READY

    def start(self, now: int) -> None:
        """Begin with a wake-up, if any, and the request; what was going on is forgotten."""
        self._buffer.clear()
        self._out.clear()
        self.identification = None
        self.baud, self.character = INITIAL_BAUD, CHARACTER
        self._tries = 0
        if self.settings.wake_up:
            self._phase = _Phase.WAKING
            self._queue(bytes(WAKE_UP_NULS))
            self._deadline = now + duration(WAKE_UP_NULS, INITIAL_BAUD) + WAKE_UP_PAUSE
        else:
            self._request(now)

    def data_to_send(self) -> Transmission | None:
        """The next octets to send, None when there are no more."""
        return self._out.popleft() if self._out else None

    def next_timeout(self) -> int | None:
        """When :meth:`timeout` wants to be called, ns; None when nothing is waited for."""
        return self._deadline

    def timeout(self, now: int) -> list[ReaderEvent]:
        """Time has come to ``now``: a message is repeated, or the exchange fails."""
        if self._deadline is None or now < self._deadline:
            return []
        match self._phase:
            case _Phase.WAKING:
                self._request(now)
                return []
            case _Phase.CONFIRMING:
                return self._hand_over(bytes(self._buffer), confirmed=False)
            case _Phase.READING:
                # Half a readout: what is there of it cannot be checked.
                return self._fail(FrameError("the readout stopped", len(self._buffer), "ETX and BCC"))
            case _:
                return self._repeat(now, FrameError("no answer from the meter"))

    def receive(self, data: bytes, now: int) -> list[ReaderEvent]:
        """Octets that arrived, in any slices, at ``now`` (ns)."""
        events: list[ReaderEvent] = []
        for index, octet in enumerate(data):
            if self._phase is _Phase.CONFIRMING:
                events += self._confirm(data[index:])
                break
            events += self._take(octet & 0x7F, now)
        if data and self._phase is _Phase.READING:
            self._wait(now)
        return events

    # -- programming ------------------------------------------------------------------------------------------------

    def password(self, level: int, text: str, now: int) -> None:
        """P1 or P2 with a password. Like the other commands: LocalProtocolError unless :attr:`ready`."""
        self._command(Command(f"P{level}", f"({text})"), now)

    def read(self, address: str, now: int, *, count: int = 1, formatted: bool = False) -> None:
        """R1, or R2 when ``formatted``, of ``count`` elements."""
        self._command(Command("R2" if formatted else "R1", f"{address}({count if count != 1 else ''})"), now)

    def write(self, address: str, value: str, now: int, *, formatted: bool = False) -> None:
        """W1, or W2 when ``formatted``."""
        self._command(Command("W2" if formatted else "W1", f"{address}({value})"), now)

    def command(self, name: str, data: str, now: int) -> None:
        """Any other command, such as E2 or R5, with its data as it stands."""
        self._command(Command(name, data), now)

    def end(self) -> None:
        """Break the session off (B0); there is no answer to wait for."""
        if self._phase in (_Phase.READY, _Phase.COMMANDED, _Phase.PROMPTING):
            self._queue(BREAK)
        self._stop()

    def _command(self, command: Command, now: int) -> None:
        if self._phase is not _Phase.READY:
            raise LocalProtocolError("the meter is not waiting for a command")
        self._read = command.name[0] == "R"
        self._phase = _Phase.COMMANDED
        self._tries = 0
        self._send(command.encode(), now)

    # -- characters to messages -------------------------------------------------------------------------------------

    def _take(self, octet: int, now: int) -> list[ReaderEvent]:
        buffer = self._buffer
        if self._phase in (_Phase.IDLE, _Phase.WAKING, _Phase.READY):
            return []
        if self._phase is _Phase.REQUESTED and octet == 0x2F:
            buffer[:] = b"/"
            return []
        if not buffer:
            if self._phase is not _Phase.REQUESTED and octet in (SOH, STX):
                buffer.append(octet)
            elif self._phase is _Phase.COMMANDED and octet == ACK:
                return self._answered(Accepted())
            elif self._phase is _Phase.COMMANDED and octet == NAK:
                return self._repeat(now, FrameError("the meter asks for one message again and again"))
            return []
        buffer.append(octet)
        if len(buffer) > MAX_MESSAGE:
            return self._fail(FrameError(f"a message of more than {MAX_MESSAGE} octets"))
        if self._phase is _Phase.REQUESTED:
            return self._identified(now) if octet == 0x0A else []
        if len(buffer) < 4 or buffer[-2] not in (ETX, EOT):
            return []
        message = bytes(buffer)
        buffer.clear()
        if message == self._last:
            return []  # our own, as above
        try:
            return self._message(message)
        except FrameError as error:
            return self._again(error, now)

    def _identified(self, now: int) -> list[ReaderEvent]:
        message = bytes(self._buffer)
        self._buffer.clear()
        if message.startswith(b"/?"):
            return []  # our own request, from an optical head that echoes
        try:
            identification = self.identification = Identification.decode(message)
        except FrameError as error:
            return self._repeat(now, error)
        code = identification.baud_code
        self._tries = 0
        if code not in BAUD_CODES:
            # Modes A and B go on by themselves: programming follows their readout.
            if self.settings.wanted is Wanted.HDLC:
                return [Identified(identification, self.baud), *self._fail(_no_hdlc(identification))]
            self._phase = _Phase.READING
            self.baud = MODE_B_CODES.get(code, INITIAL_BAUD)
            self._wait(now)
            return [Identified(identification, self.baud)]
        # Without the announcement HDLC is asked for all the same: the answer decides, as some meters leave it out.
        code = max((c for c in BAUD_CODES if c <= code and BAUD_CODES[c] <= self.settings.max_baud), default="0")
        match self.settings.wanted:
            case Wanted.READOUT:
                option, self._phase = OptionSelect("0", code, "0"), _Phase.READING
            case Wanted.PROGRAMMING:
                option, self._phase = OptionSelect("0", code, "1"), _Phase.PROMPTING
            case Wanted.HDLC:
                option, self._phase = OptionSelect("2", code, "2"), _Phase.CONFIRMING
        self._send(option.encode(), now)
        self.baud = BAUD_CODES[code]
        if self._phase is _Phase.CONFIRMING:
            self._deadline = now + duration(len(self._last), INITIAL_BAUD) + self.settings.echo_timeout
        return [Identified(identification, self.baud)]

    def _message(self, message: bytes) -> list[ReaderEvent]:
        match self._phase:
            case _Phase.READING:
                content = Readout.decode(message).content
                if self.settings.wanted is Wanted.PROGRAMMING:
                    self._phase, self._deadline = _Phase.READY, None
                    return [ReadOut(content), Prompted("")]
                self._stop()
                return [ReadOut(content)]
            case _Phase.PROMPTING:
                command = Command.decode(message) if message[0] == SOH else None
                if command is None or command.name != "P0":
                    Readout.decode(message)
                    return self._fail(FrameError("the meter sent its readout instead of entering programming mode"))
                return self._answered(Prompted(command.operand().value if command.data else ""))
            case _:
                if message == BREAK:
                    self._stop()
                    return [Ended()]
                content = tuple(data_sets(checked(message, STX).decode("ascii").removesuffix("\r\n")))
                if self._read and not _is_error(content):
                    return self._answered(Values(content))
                return self._answered(Refused(content[0].value if content else ""))

    def _confirm(self, data: bytes) -> list[ReaderEvent]:
        """Octets behind the choice of HDLC: the meter repeats it at the new rate, still with parity, or is silent."""
        buffer = self._buffer
        option = self._last
        for index, octet in enumerate(data):
            if not buffer and octet == 0x7E:
                return self._hand_over(data[index:], confirmed=False)
            if octet & 0x7F != option[len(buffer)]:
                if buffer or octet & 0x7F in (STX, SOH):
                    return self._fail(FrameError("the meter did not go over to HDLC", None, "the option repeated"))
                continue
            buffer.append(octet & 0x7F)
            if len(buffer) == len(option):
                return self._hand_over(data[index + 1 :], confirmed=True)
        return []

    # -- shared -----------------------------------------------------------------------------------------------------

    def _request(self, now: int) -> None:
        self._phase = _Phase.REQUESTED
        self._send(f"/?{self.settings.address}!\r\n".encode("ascii"), now)

    def _queue(self, data: bytes) -> None:
        self._out.append(Transmission(data, self.baud, self.character))

    def _send(self, data: bytes, now: int) -> None:
        self._last = data
        self._buffer.clear()
        self._queue(data)
        self._deadline = now + duration(len(data), self.baud) + self.settings.response_timeout

    def _wait(self, now: int) -> None:
        self._deadline = now + self.settings.response_timeout

    def _answered(self, event: ReaderEvent) -> list[ReaderEvent]:
        self._phase, self._deadline = _Phase.READY, None
        self._buffer.clear()
        return [event]

    def _again(self, error: ProtocolError, now: int) -> list[ReaderEvent]:
        """A damaged answer: ask for it again, a bounded number of times."""
        if self._tries >= self.settings.retries:
            return self._fail(error)
        self._tries += 1
        self._queue(bytes((NAK,)))
        self._wait(now)
        return []

    def _repeat(self, now: int, error: ProtocolError) -> list[ReaderEvent]:
        if self._tries >= self.settings.retries or self._phase is _Phase.PROMPTING:
            return self._fail(error)
        self._tries += 1
        self._send(self._last, now)
        return []

    def _hand_over(self, leftover: bytes, *, confirmed: bool) -> list[ReaderEvent]:
        self._stop()
        self.character = HDLC_CHARACTER
        return [HandedOver(leftover, confirmed)]

    def _fail(self, error: ProtocolError) -> list[ReaderEvent]:
        self._stop()
        return [Failed(error)]

    def _stop(self) -> None:
        self._phase, self._deadline = _Phase.IDLE, None
        self._buffer.clear()


def _is_error(content: tuple[DataSet, ...]) -> bool:
    """Whether an answer is an error message: its text is the maker's, ER.. in practice, and names no address."""
    return len(content) == 1 and not content[0].address and content[0].value[:2].upper() == "ER"


def _no_hdlc(identification: Identification) -> FrameError:
    return FrameError(f"baud code {identification.baud_code}: a meter of mode A or B has no HDLC")
