"""The secondary station: the server side of HDLC, normal response mode (IEC 62056-46; ISO/IEC 13239)."""

from __future__ import annotations

from binascii import crc_hqx
from collections import Counter
from collections.abc import Callable, Collection

from protocols.crc import CHECKED, INVERTED, REFLECTED
from protocols.errors import FrameError
from protocols.hdlc.frame import (
    ALL_STATIONS,
    CALLING_DEVICE,
    CLIENT_LLC,
    DISC,
    DM,
    FLAG,
    FLAG_OCTET,
    FRMR,
    POLL,
    RNR,
    RR,
    SEGMENT,
    SERVER_LLC,
    SNRM,
    UA,
    UI,
    WHOLE,
    Frame,
    decode_address,
    encode_address,
    encode_parts,
)
from protocols.hdlc.link import NOT_QUIET, Link, Upper
from protocols.hdlc.numbered import MAX_MESSAGE
from protocols.hdlc.parameters import Parameters
from protocols.hdlc.parameters import decode as decode_parameters
from protocols.hdlc.reader import FrameReader

BACKLOG = MAX_MESSAGE
"""Octets of answers a link holds before it takes no more requests from a client that does not fetch them."""

_CONNECTIONLESS = (UI, SNRM)

# Why a frame is rejected, as bits of the third octet of FRMR.
_UNDEFINED, _NO_INFORMATION, _TOO_LONG, _WRONG_NR = 1, 2, 4, 8


class SecondaryStation:
    """HDLC links of one port of a physical device, a link for each pair of client and logical device.

    ``logical`` holds the upper addresses answered to, ``physical_address`` the lower one; ``limits`` is the most that
    is negotiated. ``inactivity_timeout`` ends a link without frames, ``inter_octet_timeout`` gives up a frame of which
    no more octets come; both in ns, 0 for never.

    Octets come in by :meth:`receive` in any slices; it returns what to send. Nothing raises on what comes in: what the
    standard discards is discarded, counted in ``counters`` and told in a sentence to ``explain``.

    A station sends only when a frame with P = 1 gives it the turn; frames to all stations are never answered.
    """

    __slots__ = (
        "_address_octets",
        "_due",
        "_last_octet",
        "_links",
        "_reader",
        "_recent",
        "_upper",
        "counters",
        "explain",
        "inactivity_timeout",
        "inter_octet_timeout",
        "limits",
        "logical",
        "physical_address",
    )

    def __init__(
        self,
        upper: Upper,
        *,
        logical: Collection[int],
        physical_address: int,
        limits: Parameters,
        inactivity_timeout: int = 0,
        inter_octet_timeout: int = 0,
    ) -> None:
        self._upper = upper
        self.logical = logical
        self.physical_address = physical_address
        self.limits = limits
        self.inactivity_timeout = inactivity_timeout
        self.inter_octet_timeout = inter_octet_timeout
        self.counters: Counter[str] = Counter()
        self.explain: Callable[[str], None] | None = None
        self._reader = FrameReader(self._broken)
        self._links: dict[tuple[int, int], Link] = {}
        self._recent: Link | None = None  # the link of the last frame
        self._address_octets = 1  # of server addresses as the last client wrote them
        self._last_octet = 0
        self._due: int | None = None

    # -- the line -----------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: int) -> bytes:
        """Octets from the line at time ``now`` (ns); returns everything to send now."""
        before = b"" if self._due is None or now < self._due else self.timeout(now)
        link = self._recent
        # The usual case is one whole request with a known header, where nothing else is under way.
        if (
            link is not None
            and link.requests[data[: link.start]] == (len(data) << 8 | link.expected)
            and not self._reader.pending
        ):
            answer = self._request(link, data, now)
            if answer is not None:
                return before + answer if before else answer
        reader = self._reader
        waited = reader.pending
        answers = [before]
        for frame in reader.receive(data):
            answers += self._frame(frame, now)
        self._last_octet = now
        if waited or reader.pending or self._due is None:
            self._plan()
        return b"".join(answers)

    def next_timeout(self) -> int | None:
        """When :meth:`timeout` is to be called, ns; it may be early, never late. None when nothing is under way."""
        return self._due

    def timeout(self, now: int) -> bytes:
        """Time has come to ``now``; returns what to send now."""
        answers: list[bytes] = []
        if self._reader.pending and 0 < self.inter_octet_timeout <= now - self._last_octet:
            for frame in self._reader.give_up():
                answers += self._frame(frame, now)
        if self.inactivity_timeout:
            for link in [link for link in self._links.values() if now - link.heard >= self.inactivity_timeout]:
                why = f"no frame for {self.inactivity_timeout / 1e9:g} s"
                self._note("inactivity", f"{link}: {why}, disconnected")
                self._end(link, why)
        self._plan()
        return b"".join(answers)

    def lost(self) -> None:
        """The line has gone: all links end, a half frame is forgotten."""
        self._reader.clear()
        for link in list(self._links.values()):
            self._end(link, "the line has gone")
        self._due = None

    # -- the device ---------------------------------------------------------------------------------------------------

    def link(self, client: int, server: int) -> Link | None:
        """The link of a client with a logical device, None when it is disconnected."""
        return self._links.get((client, server))

    def push(self, client: int, server: int, apdu: bytes) -> bytes:
        """UI frames that carry an unsolicited APDU (data- or event-notification) to a client.

        An APDU longer than one frame holds is segmented. LocalProtocolError for addresses that cannot be.
        """
        link = self._links.get((client, server))
        if link is not None:
            addresses, most = link.addresses, link.parameters.max_info_transmit
        else:
            octets, lower = self._address_octets, None
            if octets > 1:
                lower = self.physical_address
                octets = 4 if max(server, lower) > 0x7F else octets
            addresses = encode_address(client) + encode_address(server, lower, octets)
            most = self.limits.max_info_transmit
        message = SERVER_LLC + apdu
        last = (len(message) - 1) // most * most
        frames = [
            encode_parts(SEGMENT if at < last else WHOLE, addresses, UI | POLL, message[at : at + most])
            for at in range(0, len(message), most)
        ]
        self.counters["frames sent"] += len(frames)
        return b"".join(frames)

    # -- the short way of a request -----------------------------------------------------------------------------------

    def _request(self, link: Link, data: bytes, now: int) -> bytes | None:
        """The answer to ``data`` if it is one whole request in one frame and nothing else is under way on the link.

        The caller has checked its header and that it is as long as that says. None leaves everything as it was; the
        long way then finds what is wrong.
        """
        start = link.start
        end = len(data) - 3
        if (
            crc_hqx(data[start:-1].translate(REFLECTED), CHECKED) != CHECKED
            or data[-1] != FLAG_OCTET
            or not data.startswith(CLIENT_LLC, start)
            or end - start > link.parameters.max_info_receive
        ):
            return None
        self.counters["frames received"] += 1
        self._reader.shared = True
        link.heard = now
        link.sent = []
        link.vr = vr = link.vr + 1 & 7
        link.expected = NOT_QUIET
        answers = self._upper.received(link, data[start + 3 : end])
        if not link.open:
            return b""
        if len(answers) == 1:
            information = SERVER_LLC + answers[0]
            octets = len(information)
            if octets <= link.parameters.max_info_transmit:
                vs = link.vs
                link.vs = after = vs + 1 & 7
                link.sent.append((WHOLE, information))
                link.expected = after << 5 | POLL | vr << 1
                self.counters["frames sent"] += 1
                check = crc_hqx(information.translate(REFLECTED), CHECKED).to_bytes(2, "big").translate(INVERTED)
                return link.answers[octets << 8 | vr << 5 | POLL | vs << 1] + information + check + FLAG
        for answer in answers:
            link.enqueue(SERVER_LLC + answer)
        return b"".join(self._turn(link, POLL))

    # -- frames -------------------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame, now: int) -> list[bytes]:
        """Frames that answer one whole, right frame."""
        self.counters["frames received"] += 1
        link = self._recent
        kind, poll = frame.control & ~POLL, frame.control & POLL
        if link is None or frame.destination + frame.source != link.opening or kind in _CONNECTIONLESS:
            return self._addressed(frame, kind, poll, now)
        link.heard = now
        return self._linked(link, frame, kind, poll)

    def _addressed(self, frame: Frame, kind: int, poll: int, now: int) -> list[bytes]:
        """A frame for which the link is still to be found, if it needs any."""
        destination, source = frame.destination, frame.source
        octets = len(destination)
        upper, lower = decode_address(destination)
        everyone = ALL_STATIONS[octets]
        client = source[0] >> 1
        if len(source) != 1:
            return self._discard("wrong client address", f"{frame}: client address of {len(source)} octets, 1 expected")
        if client in (0, ALL_STATIONS[1]):
            return self._discard("wrong client address", f"{frame}: client address {client}, which no client has")
        if lower is not None and lower not in (self.physical_address, everyone, CALLING_DEVICE[octets]):
            here = f"destination lower {lower} is not here; this is {self.physical_address}"
            return self._discard("unknown destination", f"{frame}: {here}")
        if upper != everyone and upper not in self.logical:
            here = ", ".join(map(str, sorted(self.logical)))
            sentence = f"{frame}: destination upper {upper} is not here; here are {here}"
            return self._discard("unknown destination", sentence)
        if everyone in (upper, lower):
            if kind != UI:
                return self._discard("broadcast", f"{frame} to all stations, where only UI is allowed")
            self._unnumbered_information(frame, client, ALL_STATIONS[1] if upper == everyone else upper)
            return []

        self._address_octets = octets
        if kind == UI:
            self._unnumbered_information(frame, client, upper)
        link = self._links.get((client, upper))
        if link is not None:
            link.heard = now
            if link.opening != destination + source:
                link.address(destination, source)
            self._recent = link
        if kind == SNRM:
            return self._connect(frame, link, client, upper, now)
        if link is not None:
            return self._linked(link, frame, kind, poll)
        if kind not in (UI, DISC):
            self._note("not connected", f"{frame} of client {client} before SNRM")
        return self._send(source + destination, DM | POLL) if poll else []

    def _linked(self, link: Link, frame: Frame, kind: int, poll: int) -> list[bytes]:
        """A frame of a client in normal response mode."""
        if kind == DISC:
            self._end(link, "the client has disconnected")
            return self._send(link.addresses, UA | POLL) if poll else []
        if not link.rejection:
            if not kind & 1:
                self._information(link, frame)
            elif kind & 0x0F in (RR, RNR):
                self._supervisory(link, frame)
            elif kind != UI:
                self._reject(link, frame, _UNDEFINED, "which no client sends")
        return self._turn(link, poll) if link.open else []

    def _connect(self, frame: Frame, link: Link | None, client: int, server: int, now: int) -> list[bytes]:
        """SNRM. Parameters that cannot be read are refused with DM, the standard's only way to refuse it."""
        addresses = frame.source + frame.destination
        poll = frame.control & POLL
        if link is not None:
            self._end(link, "the client has set the mode anew")
        try:
            proposal = decode_parameters(frame.information)
        except FrameError as error:
            self._note("wrong parameters", f"{frame} of client {client} refused: {error}")
            return self._send(addresses, DM | POLL) if poll else []
        link = Link(client, server, frame.destination, frame.source)
        link.reset(self.limits.agreed(proposal))
        link.heard = now
        self._links[client, server] = self._recent = link
        self._upper.connected(link)
        link.settle()
        return self._send(addresses, UA | POLL, link.parameters.encode()) if poll and link.open else []

    def _information(self, link: Link, frame: Frame) -> None:
        number, acknowledged = frame.control >> 1 & 7, frame.control >> 5
        information = frame.information
        if len(information) > link.parameters.max_info_receive:
            most = link.parameters.max_info_receive
            return self._reject(link, frame, _TOO_LONG, f"information of {len(information)} octets, at most {most}")
        if not link.valid(acknowledged):
            return self._reject(link, frame, _WRONG_NR, f"N(R)={acknowledged}, {link.acknowledgeable} expected")
        link.acknowledge(acknowledged)
        link.busy = False
        if number != link.vr:
            repeated = link.vr - 1 - number & 7 < link.parameters.window_receive
            reason = "repeated" if repeated else "out of sequence"
            self._note(reason, f"{link}: {frame} {reason}, N(S)={link.vr} expected")
        elif link.unanswered >= link.parameters.window_receive:
            self._note("out of sequence", f"{link}: {frame} is beyond the window of {link.unanswered}")
        elif link.queued > BACKLOG:
            self._note("not taken", f"{link}: {frame} not taken, {link.queued} octets of answers wait to be fetched")
        elif len(link.assembly) + len(information) > MAX_MESSAGE:
            self._reject(link, frame, _TOO_LONG, f"an APDU of more than {MAX_MESSAGE} octets")
        else:
            link.unanswered += 1
            message = link.take(information, frame.segmented)
            if message is not None:
                self._deliver(link, message)
        return None

    def _deliver(self, link: Link, message: bytes) -> None:
        if not message.startswith(CLIENT_LLC):
            sentence = f"{link}: LLC {message[:3].hex().upper()} wrong, expected {CLIENT_LLC.hex().upper()}"
            self._note("wrong LLC", sentence)
            return
        for answer in self._upper.received(link, message[len(CLIENT_LLC) :]):
            link.enqueue(SERVER_LLC + answer)

    def _supervisory(self, link: Link, frame: Frame) -> None:
        acknowledged = frame.control >> 5
        if frame.information:
            self._reject(link, frame, _UNDEFINED | _NO_INFORMATION, "which has no information")
        elif not link.valid(acknowledged):
            self._reject(link, frame, _WRONG_NR, f"N(R)={acknowledged}, {link.acknowledgeable} expected")
        else:
            link.acknowledge(acknowledged)
            link.busy = frame.control & 0x0F == RNR

    def _unnumbered_information(self, frame: Frame, client: int, server: int) -> None:
        most, information = self.limits.max_info_receive, frame.information
        if frame.segmented or len(information) > most:
            self._note("wrong length", f"{frame} of client {client}: one frame of at most {most} octets expected")
        elif not information.startswith(CLIENT_LLC):
            self._note("wrong LLC", f"{frame} of client {client}: LLC {CLIENT_LLC.hex().upper()} expected")
        else:
            self._upper.unconfirmed(client, server, information[len(CLIENT_LLC) :])

    # -- answers ------------------------------------------------------------------------------------------------------

    def _turn(self, link: Link, poll: int) -> list[bytes]:
        """What to send when P = 1 has given this station the turn; nothing without."""
        if not poll:
            link.expected = NOT_QUIET
            return []
        link.unanswered = 0
        if link.rejection:
            return self._send(link.addresses, FRMR | POLL, link.rejection)
        if link.sent and not link.busy:
            self._note("retransmitted", f"{link}: {len(link.sent)} I frames not acknowledged, sent again")
        frames = [] if link.busy else link.burst()
        if not frames:
            frames = [link.supervise(RR)]
        self.counters["frames sent"] += len(frames)
        link.settle()
        return frames

    def _reject(self, link: Link, frame: Frame, why: int, sentence: str) -> None:
        """Frame reject exception (ISO/IEC 13239, 5.5.4)."""
        link.rejection = bytes((frame.control, link.vr << 5 | link.vs << 1, why))
        link.expected = NOT_QUIET
        self._note("rejected", f"{link}: {frame} rejected: {sentence}")

    def _send(self, addresses: bytes, control: int, information: bytes = b"") -> list[bytes]:
        self.counters["frames sent"] += 1
        return [encode_parts(WHOLE, addresses, control, information)]

    def _discard(self, reason: str, sentence: str) -> list[bytes]:
        self.counters["frames discarded"] += 1
        self._note(reason, f"frame discarded: {sentence}")
        return []

    def _broken(self, reason: str, sentence: str) -> None:
        """The reader has found something that is no right frame."""
        if reason != "noise":
            self.counters["frames discarded"] += 1
        self._note(reason, sentence)

    def _note(self, reason: str, sentence: str) -> None:
        self.counters[reason] += 1
        if self.explain is not None:
            self.explain(sentence)

    def _end(self, link: Link, why: str) -> None:
        link.open = False
        link.expected = NOT_QUIET
        del self._links[link.client, link.server]
        if self._recent is link:
            self._recent = None
        self._upper.disconnected(link, why)

    def _plan(self) -> None:
        """Set when the next time-out may be due."""
        due: list[int] = []
        if self.inactivity_timeout and self._links:
            due.append(min(link.heard for link in self._links.values()) + self.inactivity_timeout)
        if self.inter_octet_timeout and self._reader.pending:
            due.append(self._last_octet + self.inter_octet_timeout)
        self._due = min(due, default=None)
