"""The primary station: the client side of HDLC, normal response mode (IEC 62056-46; ISO/IEC 13239)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from protocols.errors import FrameError, LocalProtocolError
from protocols.hdlc.frame import (
    ALL_STATIONS,
    CLIENT_LLC,
    DISC,
    DM,
    FRMR,
    POLL,
    RNR,
    RR,
    SERVER_LLC,
    SNRM,
    UA,
    UI,
    WHOLE,
    Frame,
    control_name,
    decode_address,
    encode_address,
    encode_parts,
)
from protocols.hdlc.numbered import MAX_MESSAGE, Numbered
from protocols.hdlc.parameters import DEFAULTS, Parameters
from protocols.hdlc.parameters import decode as decode_parameters
from protocols.hdlc.reader import FrameReader

MILLISECOND = 1_000_000

_REJECTIONS = (
    (1, "the control field is not defined"),
    (2, "it may not carry information"),
    (4, "its information is too long"),
    (8, "its N(R) is wrong"),
)


@dataclass(frozen=True, slots=True)
class Connected:
    """The server has accepted; ``parameters`` were negotiated, seen by this station."""

    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Received:
    """One whole APDU without LLC."""

    apdu: bytes


@dataclass(frozen=True, slots=True)
class Notified:
    """An APDU that the server sent unasked, in UI frames."""

    apdu: bytes


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no link, or none any more. ``expected``: it was :meth:`PrimaryStation.disconnect` that ended it."""

    why: str
    expected: bool = False


Event: TypeAlias = "Connected | Received | Notified | Disconnected"


class _State(Enum):
    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"


class PrimaryStation:
    """A client's link to one logical device.

    ``client`` is its SAP; ``server`` the upper and ``physical`` the lower address, written in ``address_octets`` octets
    (by default the fewest that hold them). ``proposal`` is what SNRM asks for; the defaults of the standard are asked
    for by an SNRM without parameters. A frame without answer for ``response_timeout`` ns is repeated ``retries`` times,
    then the link counts as lost. A server that has no answer yet is asked again every ``poll_interval`` ns, for as long
    as all the retries together would take.

    :meth:`connect`, :meth:`send`, :meth:`poll` and :meth:`disconnect` return octets to send; after :meth:`receive` and
    :meth:`timeout` they are in :meth:`data_to_send`. Nothing raises on what comes in: what is wrong is passed over,
    counted in ``counters`` and told in a sentence to ``explain``. LocalProtocolError for addresses that cannot be.
    """

    def __init__(
        self,
        client: int,
        server: int,
        physical: int | None = None,
        *,
        address_octets: int | None = None,
        proposal: Parameters = DEFAULTS,
        response_timeout: int = 3000 * MILLISECOND,
        retries: int = 3,
        poll_interval: int = 50 * MILLISECOND,
    ) -> None:
        if address_octets == 1:
            physical = None
        self.client = client
        self.server = server
        self.proposal = proposal
        self.response_timeout = response_timeout
        self.retries = retries
        self.poll_interval = poll_interval
        self.counters: Counter[str] = Counter()
        self.explain: Callable[[str], None] | None = None
        self._own = encode_address(client)
        self._addresses = encode_address(server, physical, address_octets) + self._own
        self._link = Numbered(self._addresses)
        self._reader = FrameReader(self._note)
        self._state = _State.DISCONNECTED
        self._out: list[bytes] = []
        self._notice = bytearray()  # of UI frames, up to the last segment
        self._clear()

    def _clear(self) -> None:
        """Nothing is under way."""
        self._waiting = False  # the server has the turn
        self._deadline: int | None = None  # for its answer, or to ask it again
        self._tries = 0  # repetitions, or turns of the server that brought nothing
        self._fetched_from = 0  # N(R) when the server was given the turn
        self._progress = False  # its turn has brought something, or something that is to be fetched again
        self._owed = 0  # answers that the client waits for
        self._patience = 0  # until when the server may have nothing to say
        self._busy = False  # it has sent RNR

    # -- what the client asks for -------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the link is there."""
        return self._state is _State.CONNECTED

    @property
    def idle(self) -> bool:
        """Whether the link is there and nothing is sent or waited for."""
        return self.connected and not self._waiting and not self._owed and not self._link.outgoing

    @property
    def parameters(self) -> Parameters:
        """What was negotiated, seen by this station."""
        return self._link.parameters

    def connect(self, now: int) -> bytes:
        """Ask for the link; ends in Connected or Disconnected. Also resets a link that is open."""
        self._clear()
        self._link.reset(DEFAULTS)
        self._state = _State.CONNECTING
        self._command(now)
        return self.data_to_send()

    def send(self, apdu: bytes, now: int, answered: bool = True) -> bytes:
        """Send an APDU as soon as the server has given the turn back. LocalProtocolError when not connected.

        ``answered`` False: no answer is fetched, as for an unconfirmed service.
        """
        self._must_be_connected("send")
        self._link.enqueue(CLIENT_LLC + apdu)
        self._owed += answered
        self._patience = now + self.response_timeout * (self.retries + 1)
        if not self._waiting and not self._busy:
            self._give_turn(now)
        return self.data_to_send()

    def poll(self, now: int) -> bytes:
        """Fetch what the server may have besides the answers got. LocalProtocolError when not connected."""
        self._must_be_connected("poll")
        if not self._waiting:
            self._give_turn(now)
        return self.data_to_send()

    def disconnect(self, now: int) -> bytes:
        """End the link; ends in Disconnected. Without a link it makes sure that the server knows of none."""
        self._clear()
        self._state = _State.DISCONNECTING
        self._command(now)
        return self.data_to_send()

    def lost(self) -> None:
        """The line has gone; nothing is sent or waited for any more."""
        self._reader.clear()
        self._notice.clear()
        self._out.clear()
        self._state = _State.DISCONNECTED
        self._clear()

    # -- the line -----------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: int) -> list[Event]:
        """Octets from the line at time ``now``, ns; returns what has happened."""
        events: list[Event] = []
        frames = self._reader.receive(data)
        if self._waiting and (frames or self._reader.held):
            self._deadline = now + self.response_timeout  # an answer is on its way
        for frame in frames:
            self._frame(frame, now, events)
        return events

    def data_to_send(self) -> bytes:
        """What is to be sent now; each octet once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def next_timeout(self) -> int | None:
        """When :meth:`timeout` is to be called, ns; None when nothing is waited for."""
        return self._deadline

    def timeout(self, now: int) -> list[Event]:
        """Time has come to ``now``; returns what has happened."""
        events: list[Event] = []
        if not self._is_due(now):
            return events
        for frame in self._reader.give_up():
            self._frame(frame, now, events)
        if not self._is_due(now):
            return events
        if not self._waiting:  # the server was not ready: ask again
            self._give_turn(now)
            return events
        self._tries += 1
        if self._tries > self.retries:
            self._end(f"no answer in {self._tries} attempts", events)
            return events
        self._note("repeated", f"no answer for {self.response_timeout / 1e9:g} s, repetition {self._tries}")
        if self._state is _State.CONNECTED:
            self._give_turn(now)
        else:
            self._command(now)
        return events

    def _is_due(self, now: int) -> bool:
        return self._deadline is not None and now >= self._deadline

    # -- sending ------------------------------------------------------------------------------------------------------

    def _must_be_connected(self, wish: str) -> None:
        if self._state is not _State.CONNECTED:
            raise LocalProtocolError(f"cannot {wish} while {self._state.value}", expected="a link")

    def _command(self, now: int) -> None:
        """SNRM or DISC, as the state asks."""
        if self._state is _State.CONNECTING:
            information = b"" if self.proposal == DEFAULTS else self.proposal.encode()
            self._put([encode_parts(WHOLE, self._addresses, SNRM | POLL, information)], now)
        else:
            self._put([encode_parts(WHOLE, self._addresses, DISC | POLL)], now)

    def _give_turn(self, now: int) -> None:
        """Send what there is, and give the server the turn."""
        self._fetched_from = self._link.vr
        self._progress = False
        frames = [] if self._busy else self._link.burst()
        self._put(frames or [self._link.supervise(RR)], now)

    def _put(self, frames: list[bytes], now: int) -> None:
        self.counters["frames sent"] += len(frames)
        self._out += frames
        self._waiting = True
        self._deadline = now + self.response_timeout

    # -- receiving ----------------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame, now: int, events: list[Event]) -> None:
        self.counters["frames received"] += 1
        kind = frame.control & ~POLL
        upper, _ = decode_address(frame.source)
        to_all = kind == UI and decode_address(frame.destination)[0] == ALL_STATIONS[1]
        if upper != self.server or (frame.destination != self._own and not to_all):
            self._note("unknown address", f"{frame} from {upper} to {frame.destination.hex()} is not for this link")
        elif kind == UI:
            self._notification(frame, events)
        elif not self._waiting:
            self._note("unexpected", f"{frame} out of turn")
        elif self._state is _State.CONNECTING:
            self._connecting(kind, frame, events)
        elif self._state is _State.DISCONNECTING:
            if kind in (UA, DM):
                self._end("the client has disconnected", events, expected=True)
        elif kind == DM:
            self._end("the server is disconnected (DM)", events)
        elif kind == FRMR:
            self._end(_rejection(frame.information), events)
        elif not frame.control & 1 or frame.control & 0x0F in (RR, RNR):
            self._numbered(frame, now, events)
        else:
            self._note("unexpected", f"{frame} while connected")

    def _connecting(self, kind: int, frame: Frame, events: list[Event]) -> None:
        if kind == DM:
            self._end("the server refuses to connect (DM)", events)
        elif kind == UA:
            try:
                self._link.reset(self.proposal.agreed(decode_parameters(frame.information)))
            except FrameError as error:
                self._end(f"the server's UA is wrong: {error}", events)
                return
            self._clear()
            self._state = _State.CONNECTED
            events.append(Connected(self._link.parameters))

    def _numbered(self, frame: Frame, now: int, events: list[Event]) -> None:
        """I, RR or RNR: the server's turn, which ends with F = 1."""
        link, control = self._link, frame.control
        number, acknowledged = control >> 1 & 7, control >> 5
        carries = not control & 1
        if carries and number - self._fetched_from & 7 >= link.parameters.window_receive:
            self._note("repeated", f"{frame} again, N(S)={link.vr} expected")
            return
        if not link.valid(acknowledged):
            self._note("out of sequence", f"{frame} acknowledges what was not sent")
            return
        waiting = len(link.sent)
        link.acknowledge(acknowledged)
        if len(link.sent) < waiting:
            self._tries = 0
        self._busy = control & 0x0F == RNR
        if carries:
            self._progress = True
            if number != link.vr:
                self._note("out of sequence", f"{frame} out of sequence, N(S)={link.vr} expected")
            elif not self._take(frame, events):
                return
        if control & POLL:
            self._waiting = False
            self._deadline = None
            self._own_turn(now, events)

    def _take(self, frame: Frame, events: list[Event]) -> bool:
        """Take the I frame that is next; False when that ended the link."""
        link = self._link
        if len(link.assembly) + len(frame.information) > MAX_MESSAGE:
            self._end(f"an APDU of more than {MAX_MESSAGE} octets", events)
            return False
        if len(frame.information) > link.parameters.max_info_receive:
            most = link.parameters.max_info_receive
            self._note("too long", f"{frame} is longer than the {most} octets negotiated")
        self._tries = 0
        message = link.take(frame.information, frame.segmented)
        if message is None:
            return True
        if not message.startswith(SERVER_LLC):
            self._note("wrong LLC", f"LLC {message[:3].hex().upper()} wrong, expected {SERVER_LLC.hex().upper()}")
            return True
        self._owed = max(self._owed - 1, 0)
        events.append(Received(message[len(SERVER_LLC) :]))
        return True

    def _own_turn(self, now: int, events: list[Event]) -> None:
        """The server has given the turn back: go on if there is a reason to."""
        link = self._link
        gap = self._progress and link.vr == self._fetched_from  # only I frames that are to be sent again
        if link.outgoing and not self._busy:
            if link.sent and not self._progress:
                self._tries += 1
                if self._tries > self.retries:
                    self._end(f"the server has acknowledged nothing in {self._tries} attempts", events)
                    return
            self._give_turn(now)
        elif link.assembly or gap or (self._owed and self._progress):
            self._give_turn(now)
        elif self._owed or (self._busy and link.outgoing):
            if now >= self._patience:
                self._end("the server has no answer", events)
            else:
                self._deadline = now + self.poll_interval

    def _notification(self, frame: Frame, events: list[Event]) -> None:
        notice = self._notice
        notice += frame.information
        if len(notice) > MAX_MESSAGE:
            self._note("too long", f"a notification of more than {MAX_MESSAGE} octets")
            notice.clear()
        elif not frame.segmented:
            message = bytes(notice)
            notice.clear()
            if message.startswith((SERVER_LLC, CLIENT_LLC)):
                events.append(Notified(message[len(SERVER_LLC) :]))
            else:
                self._note("wrong LLC", f"LLC {message[:3].hex().upper()} of a notification wrong")

    def _end(self, why: str, events: list[Event], expected: bool = False) -> None:
        self._state = _State.DISCONNECTED
        self._clear()
        events.append(Disconnected(why, expected))

    def _note(self, reason: str, sentence: str) -> None:
        self.counters[reason] += 1
        if self.explain is not None:
            self.explain(sentence)


def _rejection(information: bytes) -> str:
    """What an FRMR says."""
    if len(information) != 3:
        return "the server rejects a frame (FRMR)"
    reasons = ", ".join(text for bit, text in _REJECTIONS if information[2] & bit) or "no reason given"
    return f"the server rejects {control_name(information[0])} (FRMR): {reasons}"
