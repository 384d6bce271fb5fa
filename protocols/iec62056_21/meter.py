"""The meter's side of IEC 62056-21: sign-on, readout, programming and the way into HDLC.

A :class:`Meter` is told what arrives and what time it is, and says what to send and at which rate. It sits in front of
an HDLC station on the optical port: when a reader chooses mode E it sets :attr:`Meter.handed_over`, and the owner feeds
what arrives from then on to HDLC until the link has gone and :meth:`Meter.reset` is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum

from protocols.errors import FrameError, LocalProtocolError
from protocols.iec62056_21.message import (
    ACK,
    BAUD_CODES,
    BREAK,
    CHARACTER,
    EOT,
    ETX,
    HDLC_CHARACTER,
    MAX_ADDRESS,
    MODE_B_CODES,
    MODE_D_BAUD,
    NAK,
    SOH,
    Command,
    DataSet,
    OptionSelect,
    Readout,
    data_message,
    duration,
    printable,
    text_message,
)
from protocols.iec62056_21.settings import MILLISECOND, Content, MeterSettings

CHARACTER_GAP = 1500 * MILLISECOND
"""Longest time between two characters of a message (ta)."""
MAX_COMMAND = 512
"""Longest programming message taken, octets from SOH to BCC."""
_SLASH = 0x2F
_OPTION_OCTETS = 6
_MAX_REQUEST = MAX_ADDRESS + 5


class Refusal(Enum):
    """Error messages of programming mode; their numbers are the maker's to choose, these are common."""

    COMMAND = "ERR01"
    ADDRESS = "ERR02"
    VALUE = "ERR03"
    ACCESS = "ERR04"
    PASSWORD = "ERR05"
    SYNTAX = "ERR06"


class Phase(Enum):
    """Where a meter is in an exchange."""

    IDLE = "idle"
    SIGNED_ON = "signed on"
    SWITCHING = "switching"
    READ_OUT = "read out"
    PROGRAMMING = "programming"
    HANDED_OVER = "handed over"


class Meter:
    """One optical port.

    :attr:`baud` is what the meter listens at, :attr:`send_baud` what the octets that :meth:`receive` returned last must
    be sent at; octets of :meth:`timeout` and :meth:`press` go at :attr:`baud`. :attr:`bauds` are all rates a reader may
    be heard at now: while it chooses its option it may have changed over already. :attr:`turnaround` is the reaction
    time in ns that the line must wait before an answer.
    """

    __slots__ = (
        "_answer", "_buffer", "_content", "_deadline", "_heard", "_level", "_settings", "_wrong_passwords", "baud",
        "bauds", "counters", "explain", "leftover", "phase", "send_baud", "turnaround",
    )  # fmt: skip

    def __init__(self, settings: MeterSettings, content: Content, now: int = 0) -> None:
        self._settings = settings
        self._content = content
        self.turnaround = settings.reaction_time
        self.counters: Counter[str] = Counter()
        self.explain: Callable[[str], None] | None = None
        self.leftover = b""
        """Octets that arrived behind the choice of mode E in the same call: HDLC's, parity bit and all."""
        self._buffer = bytearray()
        self._answer = b""
        self.reset(now)

    @property
    def idle(self) -> bool:
        """Whether nothing is going on and no character of a request has come: an HDLC flag may be taken directly."""
        return self.phase is Phase.IDLE and not self._buffer

    @property
    def handed_over(self) -> bool:
        """Whether the line is HDLC's now."""
        return self.phase is Phase.HANDED_OVER

    @property
    def character(self) -> str:
        """How characters are framed now: 7E1, after the hand-over 8N1."""
        return HDLC_CHARACTER if self.phase is Phase.HANDED_OVER else CHARACTER

    def reset(self, now: int) -> None:
        """Back to the start, as after a break condition, a lost link or a power cut; ``now`` as in :meth:`receive`."""
        self._heard = now
        self._enter(Phase.IDLE)
        self.leftover = b""

    def receive(self, data: bytes, now: int) -> bytes:
        """Octets that arrived, in any slices, at ``now`` (ns of line time); what to answer, at :attr:`send_baud`."""
        if self.phase is Phase.HANDED_OVER:
            self.leftover = data
            return b""
        self.send_baud = self.baud
        if self._settings.mode == "D":
            self._note("ignored", "mode D meters only send")
            return b""
        if self._buffer and now - self._heard > CHARACTER_GAP:
            self._note("gaps", f"{len(self._buffer)} characters dropped: the next one came too late")
            self._buffer.clear()
        self._heard = now
        if self.phase is Phase.PROGRAMMING:
            self._deadline = now + self._settings.session_timeout
        out = bytearray()
        for index, octet in enumerate(data):
            if out and self.phase is not Phase.PROGRAMMING:
                self._note("deaf", f"{len(data) - index} characters not heard: the meter was sending (half duplex)")
                break
            out += self._take(octet & 0x7F, now)
            if self.handed_over:
                self.leftover = data[index + 1 :]
                break
        return bytes(out)

    def next_timeout(self) -> int | None:
        """When :meth:`timeout` wants to be called, ns of line time; None when nothing is waited for."""
        return self._deadline

    def timeout(self, now: int) -> bytes:
        """Time has come to ``now``: what to send, at :attr:`baud`."""
        if self._deadline is None or now < self._deadline:
            return b""
        match self.phase:
            case Phase.SIGNED_ON:
                return self._fall_back("no option was chosen in time", now)
            case Phase.SWITCHING:
                return self._send_readout(self.baud, now)
            case Phase.PROGRAMMING:
                self._note("session time-outs", "the programming session ended: nothing was heard for too long")
                self._enter(Phase.IDLE)
            case _:
                self._enter(Phase.IDLE)
        return b""

    def press(self, now: int) -> bytes:
        """The button of a mode D meter: all it has to say, at :attr:`baud`; ``now`` as in :meth:`receive`.

        Raises LocalProtocolError in other modes.
        """
        if self._settings.mode != "D":
            raise LocalProtocolError(f"a mode {self._settings.mode} meter has no readout button")
        self._heard = now
        self.counters["readouts"] += 1
        return self._settings.message.encode() + b"\r\n" + self._readout().encode_plain()

    # -- characters to messages -------------------------------------------------------------------------------------

    def _take(self, octet: int, now: int) -> bytes:
        buffer = self._buffer
        match self.phase:
            case Phase.PROGRAMMING:
                return self._take_command(octet, now)
            case Phase.SIGNED_ON if octet == ACK or (buffer and buffer[0] == ACK):
                if octet == ACK:
                    buffer.clear()
                buffer.append(octet)
                if len(buffer) < _OPTION_OCTETS:
                    return b""
                message = bytes(buffer)
                buffer.clear()
                return self._select(message, now)
            case Phase.READ_OUT if not buffer and octet in (ACK, NAK):
                return self._acknowledged(octet, now)
            case Phase.READ_OUT if self._settings.mode in "AB" and (octet == SOH or (buffer and buffer[0] == SOH)):
                return self._take_command(octet, now)
            case _:
                return self._take_request(octet, now)

    def _take_request(self, octet: int, now: int) -> bytes:
        """A character of ``/ ? address ! CR LF``; NULs that wake a meter up and noise are passed over."""
        buffer = self._buffer
        if octet == _SLASH:
            buffer.clear()
        elif not buffer:
            self.counters["wake-up" if octet == 0 else "noise"] += 1
            return b""
        elif octet == 0:
            return b""
        buffer.append(octet)
        if octet != 0x0A:
            if len(buffer) >= _MAX_REQUEST or (len(buffer) == 2 and octet != 0x3F):
                self._note("bad requests", f"not a request: {bytes(buffer)!r}")
                buffer.clear()
            return b""
        request = bytes(buffer)
        buffer.clear()
        if not request.endswith(b"!\r\n") or len(request) < 5:
            self._note("bad requests", f"not a request: {request!r}; expected /?address! CR LF")
            return b""
        return self._sign_on(request[2:-3].decode("ascii"), now)

    def _take_command(self, octet: int, now: int) -> bytes:
        """A character of a programming message; ends at the one behind ETX or EOT, or where a break needs no check."""
        buffer = self._buffer
        if not buffer:
            if octet == SOH:
                buffer.append(octet)
            elif octet == NAK:
                self.counters["repeats"] += 1
                return self._answer
            elif octet != ACK:
                self.counters["noise"] += 1
            return b""
        buffer.append(octet)
        if len(buffer) == 4 and buffer.startswith(b"\x01B0") and octet in (ETX, 0x0D):
            # A break counts without its check: some readers leave it out and end the line instead.
            buffer.clear()
            self._note("breaks", "the reader ended the session")
            self._enter(Phase.IDLE)
            return b""
        if len(buffer) > MAX_COMMAND:
            self._note("bad commands", f"a programming message of more than {MAX_COMMAND} characters")
            buffer.clear()
            return self._reply(bytes((NAK,)))
        if len(buffer) < 4 or buffer[-2] not in (ETX, EOT):
            return b""
        message = bytes(buffer)
        buffer.clear()
        if message[-2] == EOT:
            return self._refuse(Refusal.COMMAND, "partial blocks are not supported")
        try:
            command = Command.decode(message)
        except FrameError as error:
            self._note("bad commands", f"{message!r}: {error}; repetition asked for")
            return self._reply(bytes((NAK,)))
        if self.phase is Phase.READ_OUT:
            self._begin_programming(self.baud, now)
        return self._execute(command)

    # -- sign-on ----------------------------------------------------------------------------------------------------

    def _sign_on(self, address: str, now: int) -> bytes:
        settings = self._settings
        mine = settings.address.lstrip("0")
        if address.lstrip("0") not in ("", mine):
            self._note("other addresses", f"a request to {address!r}, this meter is {settings.address!r}: no answer")
            self._enter(Phase.IDLE)
            return b""
        self.counters["sign-ons"] += 1
        answer = settings.message.encode()
        self._enter(Phase.SIGNED_ON)
        self.send_baud = settings.initial_baud
        sent = now + self.turnaround + duration(len(answer), settings.initial_baud)
        match settings.mode:
            case "A":
                return answer + self._send_readout(settings.initial_baud, sent)
            case "B":
                self.phase = Phase.SWITCHING
                self._change_over(MODE_B_CODES[settings.baud_code])
                self.send_baud = settings.initial_baud
                self._deadline = sent + self.turnaround
            case _:
                offered = int(settings.baud_code)
                self.bauds = frozenset(
                    {settings.initial_baud, *(baud for code, baud in BAUD_CODES.items() if int(code) <= offered)}
                )
                self._deadline = sent + settings.option_timeout
        return answer

    def _select(self, message: bytes, now: int) -> bytes:
        settings = self._settings
        try:
            option = OptionSelect.decode(message)
        except FrameError as error:
            return self._fall_back(f"{message!r}: {error}", now)
        if option.baud_code not in BAUD_CODES or int(option.baud_code) > int(settings.baud_code):
            return self._fall_back(f"baud code {option.baud_code}, offered was {settings.baud_code}", now)
        baud = BAUD_CODES[option.baud_code]
        match option.protocol + option.mode:
            case "00":
                return self._send_readout(baud, now)
            case "01":
                self._begin_programming(baud, now)
                operand = printable(settings.operand)
                return self._reply(Command("P0", f"({operand})").encode())
            case "22" if settings.mode_e:
                # The answer still has parity, at the new rate; 8N1 is for what comes after it.
                self._enter(Phase.HANDED_OVER)
                self._change_over(baud)
                self.counters["hand-overs"] += 1
                return message
            case _:
                return self._fall_back(f"option V={option.protocol} Y={option.mode} is not supported", now)

    def _fall_back(self, why: str, now: int) -> bytes:
        """Mode C without an option to follow is mode A: readout at the initial rate."""
        self._note("fall-backs", f"{why}: readout at {self._settings.initial_baud} Bd")
        return self._send_readout(self._settings.initial_baud, now)

    # -- readout ----------------------------------------------------------------------------------------------------

    def _readout(self) -> Readout:
        return Readout(tuple(_data_set(address, value) for address, value in self._content.readout()))

    def _send_readout(self, baud: int, now: int) -> bytes:
        answer = self._readout().encode()
        self._enter(Phase.READ_OUT)
        self._change_over(baud)
        # A reader that has had enough signs on anew, at the initial rate.
        self.bauds = frozenset({baud, self._settings.initial_baud})
        self._deadline = now + self.turnaround + duration(len(answer), baud) + self._settings.option_timeout
        self.counters["readouts"] += 1
        return self._reply(answer)

    def _acknowledged(self, octet: int, now: int) -> bytes:
        if octet == ACK:
            self._enter(Phase.IDLE)
            return b""
        self.counters["repeats"] += 1
        answer = self._answer
        self._deadline = now + self.turnaround + duration(len(answer), self.baud) + self._settings.option_timeout
        return self._reply(answer)

    # -- programming ------------------------------------------------------------------------------------------------

    def _begin_programming(self, baud: int, now: int) -> None:
        self._enter(Phase.PROGRAMMING)
        self._change_over(baud)
        self._deadline = now + self._settings.session_timeout
        self.counters["programming sessions"] += 1

    def _execute(self, command: Command) -> bytes:
        name = command.name
        if name not in _COMMANDS:
            return self._refuse(Refusal.COMMAND, f"{name} is not supported")
        try:
            operand = command.operand()
        except FrameError as error:
            return self._refuse(Refusal.SYNTAX, str(error))
        self.counters[name] += 1
        match name[0]:
            case "P":
                return self._check_password(int(name[1]), operand.value)
            case "R":
                if self._settings.password_to_read and not self._level:
                    return self._refuse(Refusal.ACCESS, f"{name} {operand} before a password")
                value = self._content.read(operand.address, name == "R2")
                if value is None:
                    return self._refuse(Refusal.ADDRESS, f"{name} {operand.address}: no such register")
                return self._reply(data_message([_data_set("", value)]))
            case "W":
                if not self._content.write(operand.address, operand.value, self._level):
                    refusal = Refusal.VALUE if self._level else Refusal.ACCESS
                    return self._refuse(refusal, f"{name} to {operand.address} refused at level {self._level}")
            case _:
                if not self._level:
                    return self._refuse(Refusal.ACCESS, f"{name} {operand.address} before a password")
                if not self._content.execute(operand.address, operand.value):
                    return self._refuse(Refusal.VALUE, f"{name} {operand.address} refused")
        return self._reply(bytes((ACK,)))

    def _check_password(self, level: int, given: str) -> bytes:
        if self._content.password(level, given):
            self._level = level
            self._wrong_passwords = 0
            return self._reply(bytes((ACK,)))
        self._level = 0
        self._wrong_passwords += 1
        self.counters["wrong passwords"] += 1
        if self._wrong_passwords < self._settings.password_attempts:
            return self._refuse(Refusal.PASSWORD, f"wrong password P{level}")
        self._note("refusals", f"wrong password P{level} for the last time: session ended")
        send_baud = self.baud
        self._enter(Phase.IDLE)
        self.send_baud = send_baud
        return BREAK

    def _refuse(self, refusal: Refusal, why: str) -> bytes:
        self._note("refusals", f"{why}: {refusal.value}")
        return self._reply(text_message(refusal.value))

    # -- shared -----------------------------------------------------------------------------------------------------

    def _reply(self, answer: bytes) -> bytes:
        if answer != _NAK:
            self._answer = answer
        return answer

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._deadline: int | None = None
        self._level = 0
        self._wrong_passwords = 0
        self._buffer.clear()
        baud = MODE_D_BAUD if self._settings.mode == "D" else self._settings.initial_baud
        self.send_baud = self.baud = baud
        self.bauds = frozenset({baud})
        if phase is Phase.IDLE:
            self._answer = b""

    def _change_over(self, baud: int) -> None:
        self.send_baud = self.baud = baud
        self.bauds = frozenset({baud})

    def _note(self, counter: str, text: str) -> None:
        self.counters[counter] += 1
        if self.explain is not None:
            self.explain(text)


_NAK = bytes((NAK,))
_COMMANDS = frozenset({"P1", "P2", "R1", "R2", "R5", "W1", "W2", "W5", "E2"})


def _data_set(address: str, value: str) -> DataSet:
    number, _, unit = printable(value).partition("*")
    return DataSet(printable(address), number, unit)
