"""Protocol stacks of a device's ports: octets of a line in, octets out, no world in between.

A :class:`Stack` is made for each line or connection of a port and multiplexes application associations on it, one for
each client and server SAP. Which logical devices answer is a mapping of server SAPs: a meter has itself, a hub also its
electricity meter and the mirror of its gas meter.

A device without power, or one that is starting, is silent: nothing is read and nothing is sent. When power goes, links
and associations are gone too; keys and counters stay. A server SAP that is not there gets no answer, as the standards
of both link layers want; a client SAP without an association is refused by the application layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING

from emulator.firmware import BAUD_RATES, HdlcSettings
from emulator.lines import Associations, Lines
from emulator.quirks import Handler, handler
from emulator.telling import Layer, at
from emulator.time import MILLISECOND, SECOND
from protocols import obis, wrapper
from protocols.dlms import axdr
from protocols.dlms.association import Association
from protocols.errors import FrameError
from protocols.hdlc import Link, Parameters, SecondaryStation
from protocols.hdlc.parameters import INFO_RANGE, WINDOW_RANGE

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.gate import Gate, LineEnd, Way
    from emulator.logical_device import LogicalDevice

BROADCAST = frozenset((0x7F, 0x3FFF))
"""All-station addresses of one and two octets."""

_LENGTHS = tuple(octets.to_bytes(2, "big") for octets in range(256))
_HDLC_SETUP = b"\x00\x17" + obis.parse("0-0:22.0.0.255")
_TCP_SETUP = b"\x00\x29" + obis.parse("0-0:25.0.0.255")
_CONNECTIONS, _INACTIVITY = _TCP_SETUP + b"\x05", _TCP_SETUP + b"\x06"
RECEIVED, SENT, DISCARDED = "frames received", "frames sent", "frames discarded"
"""Counters that both link layers have."""


class Transport(IntEnum):
    """What carries a stack, by the number that push destinations have for it (Blue Book, class 40)."""

    TCP = 0
    UDP = 1
    HDLC = 5


class Stack:
    """One line or connection of a device, as :mod:`rigs.ports.line` drives it.

    ``baud`` (bits a second) and ``character`` (such as 8N1) are what the device is set to, ``bauds`` and
    ``characters`` all it would understand now, ``send_baud`` and ``send_character`` what the last answer must be sent
    at. ``turnaround`` is the time in ns before an answer. ``drop`` asks for the connection to be closed. ``transmit``
    takes octets that no arriving octets asked for, none where the settings have changed without any.
    """

    __slots__ = (
        "__weakref__",
        "_awake",
        "_counters",
        "_folded",
        "_quick",
        "associations",
        "baud",
        "bauds",
        "character",
        "characters",
        "device",
        "drop",
        "gate",
        "line",
        "lines",
        "number",
        "send_baud",
        "send_character",
        "transmit",
        "transport",
        "turnaround",
        "up",
    )

    def __init__(
        self,
        device: Device,
        served: Mapping[int, LogicalDevice],
        transport: Transport,
        baud: int = 0,
        turnaround: int = 0,
    ) -> None:
        self.device = device
        self.lines = Lines.of(device)
        self.transport = transport
        self._counters: Counter[str] = Counter()
        self._quick = 0  # requests answered by one APDU that are not in the counters yet
        self._awake = False  # the device has power and has started, as was found since it last did not
        self.associations = Associations(served, self._counters)
        self.transmit: Callable[[bytes], None] = _nowhere
        self.baud = self.send_baud = baud
        self.bauds: Collection[int] = frozenset((baud,))
        self.character = self.send_character = "8N1"
        self.characters: Collection[str] = frozenset(("8N1",))
        self.turnaround = turnaround
        self.drop = False
        self.up = True
        self._folded: Counter[str] = Counter()
        self.line: LineEnd | None = None
        """The line that drives it, once there is one that can be told of a gate."""
        self.gate: Gate | None = None
        """What octets go through while a fault or a condition has to do with this line."""
        self.number = 0
        """Which one of the device's lines it is, from 1 on."""
        self.lines.add(self)

    @property
    def way(self) -> Way:
        """What a line drives in its place: the gate while there is one."""
        return self.gate or self

    @property
    def wrapped(self) -> bool:
        """Whether it carries wrapper messages."""
        return self.transport is not Transport.HDLC

    @property
    def datagrams(self) -> bool:
        """Whether one whole message comes at a time."""
        return self.transport is Transport.UDP

    @property
    def counters(self) -> Counter[str]:
        """What was counted, by a word or two for it: frames, refusals, what was discarded."""
        if self._quick:
            self._counters[RECEIVED] += self._quick
            self._counters[SENT] += self._quick
            self._quick = 0
        return self._counters

    @property
    def explain(self) -> Callable[[str], None] | None:
        """Called with a sentence for each thing discarded or refused, and why."""
        return self.associations.explain

    @explain.setter
    def explain(self, explain: Callable[[str], None] | None) -> None:
        self.associations.explain = explain
        self._explain_by(explain)

    def _explain_by(self, explain: Callable[[str], None] | None) -> None:
        """The layers below are to explain by this too."""

    @property
    def silent(self) -> bool:
        """Whether the device has no power or is still starting."""
        self._awake = self.device.ready
        return not self._awake

    def _unheard(self, octets: int) -> bytes:
        """Octets came while the device is silent; no answer."""
        self._note(
            "not heard", f"not heard: {self.device.identity.device_id} {_why_silent(self.device)}", octets, Layer.DEVICE
        )
        return b""

    def receive(self, data: bytes, now: int) -> bytes:
        """Octets that arrived at line time ``now``, ns; what to answer."""
        raise NotImplementedError

    def next_timeout(self) -> int | None:
        """When :meth:`timeout` wants to be called, line time in ns; None: not at all."""
        return None

    def timeout(self, now: int) -> None:
        """Line time has come to ``now``."""

    def opened(self, now: int) -> None:
        """The far end is there since line time ``now``, ns."""
        self.up = True
        if self.gate is not None:
            self.gate.opened(now)

    def closed(self) -> None:
        """The far end has gone."""
        self.up = False
        self.drop = False
        if self.gate is not None:
            self.gate.clear()
        self.forget()
        self.lines.settle(self.counters - self._folded)
        self._folded = Counter(self.counters)

    def forget(self) -> None:
        """Links and associations are gone, as with a lost line."""
        self.associations.lost()

    def reset(self) -> None:
        """The device has lost its RAM: it has no power, or starts anew."""
        self._awake = False
        self.forget()

    def leads_to(self, client: int) -> bool:
        """Whether what is sent unasked to a client SAP finds it here: where it has talked, or nobody has yet."""
        clients = {association.client for association in self.associations}
        return client in clients or not clients

    def notify(self, client: int, server: int, apdu: bytes) -> None:
        """Send a data- or event-notification of what is at a server SAP here, protected already, to a client SAP."""
        raise NotImplementedError

    def _handler(self, association: Association) -> Handler:
        """What serves an association here, by way of the device that answers for it."""
        speaker = self.associations.speaker(association.server)
        handle = handler(association, speaker.firmware.quirks)
        if speaker.taps is not None:
            handle = speaker.taps.around(self, association, handle)
        return handle if speaker is self.device else self._reached(speaker, handle)

    def renew(self, speaker: Device) -> None:
        """What is laid in the way of a device that answers here, :mod:`emulator.taps`, has changed."""
        for association in self.associations.of(speaker):
            association.interpose(None)
            self._handle_anew(association)

    def _handle_anew(self, association: Association) -> None:
        """Serve an association by a new handler from its next APDU on."""
        raise NotImplementedError

    def _reached(self, speaker: Device, handle: Handler) -> Handler:
        """``handle`` of a device behind a hub: while it has no power, or starts, there is nobody to answer."""

        def relayed(apdu: bytes) -> Sequence[bytes]:
            if speaker.ready:
                return handle(apdu)
            why = f"{speaker.identity.device_id}, behind this hub, {_why_silent(speaker)}: no answer"
            self._note("not reached", why, layer=Layer.DEVICE)
            return ()

        return relayed

    def frames(self, name: str) -> int:
        """Frames counted by this name since the line was last closed."""
        return self.counters[name] - self._folded[name]

    def note(self, counter: str, text: str, count: int = 1, layer: Layer = Layer.LINK) -> None:
        """Count something by a word or two, and explain it."""
        self._note(counter, text, count, layer)

    def _note(self, counter: str, text: str, count: int = 1, layer: Layer = Layer.LINK) -> None:
        self.counters[counter] += count
        explain = at(layer, self.explain)
        if explain is not None:
            explain(text)


class WrapperStack(Stack):
    """APDUs in the TCP-UDP wrapper. A TCP connection whose header is wrong is dropped, a datagram is discarded.

    Where the device has a TCP-UDP setup (class 41, 0-0:25.0.0), connections beyond its nb_of_sim_conn are dropped when
    they open, and one on which nothing has come for its inactivity_time_out (0: for ever), from its opening on, is
    dropped too.
    """

    __slots__ = ("_heard", "_idle", "_reader", "_routes", "_whole")

    def __init__(
        self, device: Device, served: Mapping[int, LogicalDevice], transport: Transport = Transport.TCP
    ) -> None:
        super().__init__(device, served, transport)
        self._reader = wrapper.WrapperReader()
        self._whole = True  # no part of a message is held
        self._routes: dict[bytes, tuple[Handler, bytes, Association]] = {}
        self._heard = 0  # line time of the opening or the last octets
        self._idle = 0  # longest silence, ns; 0: there is none too long

    def opened(self, now: int) -> None:
        super().opened(now)
        if self.transport is not Transport.TCP:
            return
        self._heard, self._idle = now, self.device.setting(_INACTIVITY, 0) * SECOND
        most = self.device.setting(_CONNECTIONS, 0)
        if most and sum(stack.transport is Transport.TCP for stack in self.lines) > most:
            self.drop = True
            self._note("connections refused", f"{most} connections are open already: one more was refused")

    def next_timeout(self) -> int | None:
        return self._heard + self._idle if self._idle and not self.drop else None

    def timeout(self, now: int) -> None:
        due = self.next_timeout()
        if due is not None and now >= due:
            self.drop = True
            self._note("inactivity", f"nothing came for {self._idle // SECOND} s: connection dropped")

    def receive(self, data: bytes, now: int) -> bytes:
        # The usual case, one whole message of a pair of SAPs that has talked before, without a detour. A device that
        # goes silent forgets who has talked.
        self._heard = now
        route = self._routes.get(data[:6])
        if route is not None and self._whole and 8 < len(data) == 8 + (data[6] << 8 | data[7]):
            handle, header, association = route
            answers = handle(data[8:])
            if len(answers) == 1:
                answer = answers[0]
                self._quick += 1
                octets = len(answer)
                return header + (_LENGTHS[octets] if octets < 256 else octets.to_bytes(2, "big")) + answer
            self.counters[RECEIVED] += 1
            return self._answered(association, header, answers)
        return self._unheard(len(data)) if not self._awake and self.silent else self._receive_any(data)

    def _receive_any(self, data: bytes) -> bytes:
        try:
            datagram = self.transport is Transport.UDP
            messages = [wrapper.decode(data)] if datagram else self._reader.receive(data)
        except FrameError as error:
            self._broken(error)
            return b""
        out = b"".join([self._serve(*message) for message in messages])
        self._whole = not self._reader.partial
        if self._reader.broken is not None:
            self._broken(self._reader.broken)
        return out

    def _broken(self, error: FrameError) -> None:
        self.drop = self.transport is not Transport.UDP
        self._note(DISCARDED, f"{error}: {'connection dropped' if self.drop else 'datagram discarded'}")

    def _serve(self, client: int, server: int, apdu: bytes) -> bytes:
        self.counters[RECEIVED] += 1
        association = self.associations.find(client, server)
        if association is None:
            self.counters[DISCARDED] += 1
            return b""
        source, destination = client.to_bytes(2, "big"), server.to_bytes(2, "big")
        header = b"\x00\x01" + destination + source
        handle = self._handler(association)
        if self.associations.known(client, server) is not None:
            self._routes[b"\x00\x01" + source + destination] = handle, header, association
        return self._answered(association, header, handle(apdu))

    def _answered(self, association: Association, header: bytes, answers: Sequence[bytes]) -> bytes:
        if association.drop:
            self.drop = True
        self.counters[SENT] += len(answers)
        return b"".join([header + len(answer).to_bytes(2, "big") + answer for answer in answers])

    def forget(self) -> None:
        super().forget()
        self._routes.clear()
        self._reader = wrapper.WrapperReader()
        self._whole = True

    def _handle_anew(self, association: Association) -> None:
        self._routes.clear()

    def notify(self, client: int, server: int, apdu: bytes) -> None:
        self.counters[SENT] += 1
        self.transmit(wrapper.encode(server, client, apdu))


class HdlcStack(Stack):
    """HDLC with LLC on a serial line, or on TCP in place of one."""

    __slots__ = ("_handlers", "_settings", "hdlc_baud", "station")

    def __init__(self, device: Device, served: Mapping[int, LogicalDevice], settings: HdlcSettings) -> None:
        applied = stored(device, settings)
        super().__init__(device, served, Transport.HDLC, applied.baud, applied.turnaround)
        self._settings = settings
        self.hdlc_baud = applied.baud
        self._handlers: dict[Link, Handler] = {}
        self.station = self._station(applied)

    def _station(self, settings: HdlcSettings) -> SecondaryStation:
        station = SecondaryStation(
            self,
            logical=self.associations.saps,
            physical_address=settings.physical_address,
            limits=settings.limits,
            inactivity_timeout=settings.inactivity_timeout,
            inter_octet_timeout=settings.inter_octet_timeout,
        )
        station.counters = self.counters
        station.explain = at(Layer.LINK, self.associations.explain)
        return station

    def receive(self, data: bytes, now: int) -> bytes:
        if not self._awake and self.silent:
            return self._unheard(len(data))
        return self.station.receive(data, now)

    def next_timeout(self) -> int | None:
        return self.station.next_timeout()

    def timeout(self, now: int) -> None:
        out = self.station.timeout(now)
        if out and not self.silent:
            self.transmit(out)

    def forget(self) -> None:
        self.station.lost()
        self._handlers.clear()
        super().forget()

    def reset(self) -> None:
        """The limits that the device's set-up object holds now take effect."""
        super().reset()
        settings = stored(self.device, self._settings)
        self.hdlc_baud = self.baud = self.send_baud = settings.baud
        self.bauds = frozenset((settings.baud,))
        self.station = self._station(settings)

    def _handle_anew(self, association: Association) -> None:
        for link in self._handlers:
            if (link.client, link.server) == (association.client, association.server):
                self._handlers[link] = self._handler(association)

    def leads_to(self, client: int) -> bool:
        """All clients are on the one line."""
        return True

    def notify(self, client: int, server: int, apdu: bytes) -> None:
        self.transmit(self.station.push(client, server, apdu))

    def _explain_by(self, explain: Callable[[str], None] | None) -> None:
        self.station.explain = at(Layer.LINK, explain)

    # -- Upper of the station ---------------------------------------------------------------------------------------

    def connected(self, link: Link) -> None:
        self.associations.lose(link.client, link.server)
        association = self.associations.find(link.client, link.server)
        if association is None:
            return
        self._handlers[link] = self._handler(association)
        self.device.record("link_opened")

    def received(self, link: Link, apdu: bytes) -> Sequence[bytes]:
        handle = self._handlers.get(link)
        if handle is None:
            return ()
        answers = handle(apdu)
        if not answers:
            association = self.associations.known(link.client, link.server)
            self.drop = association is not None and association.drop
        return answers

    def unconfirmed(self, client: int, server: int, apdu: bytes) -> None:
        """A request that nobody answers, for one logical device or for all; only open associations act on it."""
        for sap in self.associations.saps if server in BROADCAST else (server,):
            association = self.associations.known(client, sap)
            if association is not None and self.associations.speaker(sap).ready:
                self._handler(association)(apdu)

    def disconnected(self, link: Link, why: str) -> None:
        if self._handlers.pop(link, None) is not None:
            self.associations.lose(link.client, link.server)
            if self.device.mains:
                self.device.record("link_closed")


def stored(device: Device, settings: HdlcSettings) -> HdlcSettings:
    """``settings`` with what a client has stored in the device's IEC HDLC setup object (class 23) laid over them."""
    setup = {index: axdr.decode_all(data).value for index in range(2, 10) if (data := device.values.get(_setup(index)))}
    values = {index: value for index, value in setup.items() if isinstance(value, int)}
    if not values:
        return settings
    limits = settings.limits
    return replace(
        settings,
        baud=BAUD_RATES[min(values[2], len(BAUD_RATES) - 1)] if 2 in values else settings.baud,
        limits=Parameters(
            window_transmit=_within(WINDOW_RANGE, values.get(3, limits.window_transmit)),
            window_receive=_within(WINDOW_RANGE, values.get(4, limits.window_receive)),
            max_info_transmit=_within(INFO_RANGE, values.get(5, limits.max_info_transmit)),
            max_info_receive=_within(INFO_RANGE, values.get(6, limits.max_info_receive)),
        ),
        inter_octet_timeout=values.get(7, settings.inter_octet_timeout // MILLISECOND) * MILLISECOND,
        inactivity_timeout=values.get(8, settings.inactivity_timeout // SECOND) * SECOND,
        physical_address=values.get(9, settings.physical_address),
    )


def _setup(index: int) -> bytes:
    return _HDLC_SETUP + bytes((index,))


def _within(limits: tuple[int, int], value: int) -> int:
    return min(max(value, limits[0]), limits[1])


def _why_silent(device: Device) -> str:
    if not device.mains:
        return "has no power"
    return "does not answer: its firmware hangs" if device.hung else "is still starting"


def _nowhere(data: bytes) -> None:
    """Where octets go while a stack is on no line."""
