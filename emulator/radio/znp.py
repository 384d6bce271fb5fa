"""The hub's radio processor as a ZNP: MT frames on a serial line (TI "Z-Stack Monitor and Test API").

The flavour is Z-Stack 3.0.x of a processor that does not align its structures, as on a CC2531: it takes install codes,
which Z-Stack 1.2 does not, and its memory is one of plain items, which is all that zigpy-znp and zigbee-herdsman ask of
it; the 3.30 and 3.x.0 of later chips have a second memory, and hosts wait for route discoveries with them. The version
is data (:class:`Version`).

No command of the protocol carries a profile: what a host sends is in the profile of the endpoint it sends from, and
comes to it only by endpoints of the same profile. Hosts have 0x0104 (home automation) there, and real devices of a HAN
answer 0x0109 (Smart Energy) only. So the processor speaks ``profile`` for all endpoints of its host, as firmware that
is made for one purpose does, unless it is None.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.ports import DISCARDED, RECEIVED, SENT, Stack, Transport
from emulator.radio import znp_data, znp_system, znp_zdo
from emulator.radio.coordinator import Changed, Event, Joined, Joining, Left, Received, Sent
from emulator.radio.znp_memory import Memory
from emulator.radio.znp_zdo import NOT_FORMED, Unacceptable
from protocols.errors import DecodeError
from protocols.zigbee.declared import Values
from protocols.zigbee.mt import Frame, Kind, Receiver, RequestError
from protocols.zigbee.znp import commands as znp
from protocols.zigbee.znp import zdo
from protocols.zigbee.znp.command import Command, DeviceState

if TYPE_CHECKING:
    from emulator.hub import Hub
    from emulator.radio.coordinator import Coordinator

BAUD: Final = 115_200
SMART_ENERGY: Final = 0x0109
MAX_ASKED: Final = 64
POWER_UP, WATCHDOG = 0, 2
"""Reasons of a reset."""

Handler = Callable[["ZnpStack", Frame, dict[str, Any]], Values]
"""Does what a request asks, which comes as the frame and as its fields; returns the fields of the answer."""


class Version(NamedTuple):
    """What the processor says it is. ``product`` 0 is Z-Stack 1.2, 1 is 3.x.0, 2 is 3.0.x; ``revision`` the date of its
    build."""

    transport: int = 2
    product: int = 2
    major: int = 2
    minor: int = 7
    maintenance: int = 1
    revision: int = 20190425
    hardware: int = 0


Z_STACK_3_0: Final = Version()


@dataclass(slots=True)
class Session:
    """What the processor has in RAM: gone with each reset."""

    callbacks: set[int] = field(default_factory=set[int])
    """Clusters of the device profile that the host wants the messages of, 0xFFFF for all."""
    groups: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    """Endpoint and group."""
    channels: int = 0
    """Those to form a network on, a bit each; 0: those of the memory."""
    next_key: tuple[int, bytes] | None = None
    """Network key to switch to, and its sequence number."""
    sequence: int = 0
    asked: deque[tuple[int, int]] = field(default_factory=lambda: deque[tuple[int, int]](maxlen=MAX_ASKED))
    """Cluster and sequence number of answers to come to requests of the device profile that have their own commands."""
    held: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """Messages too long for a frame, by timestamp, until the host has fetched them."""

    def next(self) -> int:
        """The next sequence number, 0 to 255."""
        self.sequence = self.sequence + 1 & 0xFF
        return self.sequence


class ZnpStack(Stack):
    """One line or connection of the hub's radio port, at 8N1.

    ``stuck`` makes the processor deaf and mute; :meth:`restart` makes it start anew by itself. ``from_host`` and
    ``to_host`` are what the line makes of octets, where it does not leave them as they are.
    """

    __slots__ = (
        "_after",
        "_cold",
        "_listen",
        "_receiver",
        "coordinator",
        "from_host",
        "hub",
        "memory",
        "profile",
        "session",
        "stuck",
        "to_host",
        "version",
    )

    def __init__(
        self,
        hub: Hub,
        coordinator: Coordinator,
        *,
        profile: int | None = SMART_ENERGY,
        version: Version = Z_STACK_3_0,
        baud: int = BAUD,
    ) -> None:
        super().__init__(hub, {}, Transport.HDLC, baud)
        self.hub = hub
        self.coordinator = coordinator
        self.memory = Memory.of(hub)
        self.profile = profile
        self.version = version
        self.session = Session()
        self.stuck = False
        self.from_host: Callable[[bytes], bytes] | None = None
        self.to_host: Callable[[bytes], bytes] | None = None
        self._receiver = Receiver()
        self._after: list[bytes] | None = None  # what goes out behind the answer to the request under way
        self._cold = False  # it has started since the host heard of it last
        self._listen: Callable[[Event], None] = self._happened

    # --- the line

    def receive(self, data: bytes, now: int) -> bytes:
        if (not self._awake and self.silent) or self.stuck:
            return b""
        if self.from_host is not None:
            data = self.from_host(data)
        if self.coordinator.listener is not self._listen:
            self.coordinator.listener = self._listen
            self.up = True
        receiver = self._receiver
        bad = receiver.bad_frames
        frames = receiver.receive(data)
        if receiver.bad_frames != bad:
            self._note(DISCARDED, f"{receiver.bad_frames - bad} frames whose length or check is wrong")
        out: list[bytes] = []
        if self._cold:
            self._cold = False
            out.append(self._indication(POWER_UP))
        self._after = out
        try:
            for frame in frames:
                self.counters[RECEIVED] += 1
                self._serve(frame, out)
        finally:
            self._after = None
        self.counters[SENT] += len(out)
        answer = b"".join(out)
        return answer if self.to_host is None else self.to_host(answer)

    def _serve(self, frame: Frame, out: list[bytes]) -> None:
        if frame.kind is not Kind.REQUEST:
            if frame.kind is Kind.EVENT and (frame.subsystem, frame.command) == znp.RESET_REQUEST.key:
                self._start_anew()
                out.append(self._indication(POWER_UP))
            else:
                self._note(DISCARDED, f"a frame that is no request: {frame.subsystem:02X}.{frame.command:02X}")
            return
        key = frame.subsystem, frame.command
        try:
            fast = znp_data.REQUESTS.get(key)
            if fast is not None:
                at = len(out)
                status = fast(self, frame.data)
                out.insert(at, frame.answer(bytes((status,))).encode())
                return
            handler = HANDLERS.get(key)
            if handler is None:
                known = any(subsystem == frame.subsystem for subsystem, _ in HANDLERS)
                reason = RequestError.COMMAND if known else RequestError.SUBSYSTEM
                self._refuse(frame, reason, "no command of this processor", out)
                return
            command, values = znp.read(frame)
            at = len(out)
            answer = znp.tell(command, handler(self, frame, values))
            out.insert(at, answer.encode())
        except DecodeError as error:
            self._refuse(frame, RequestError.LENGTH, str(error), out)
        except Unacceptable as error:
            self._refuse(frame, RequestError.PARAMETER, str(error), out)

    def _refuse(self, frame: Frame, reason: RequestError, why: str, out: list[bytes]) -> None:
        self._note(DISCARDED, f"request {frame.subsystem:02X}.{frame.command:02X} refused: {why}")
        out.append(frame.refusal(reason).encode())

    def send(self, octets: bytes) -> None:
        """Send an event's frame: behind the answer to the request under way, or at once."""
        if self._after is not None:
            self._after.append(octets)
        elif not self.stuck:
            self.counters[SENT] += 1
            self.transmit(octets if self.to_host is None else self.to_host(octets))

    def tell(self, command: Command, values: Values) -> None:
        """Send an event."""
        self.send(znp.ask(command, values).encode())

    def remark(self, text: str, counter: str = DISCARDED) -> None:
        """Something was dropped or refused, and why; it is counted under that name."""
        self._note(counter, text)

    def leads_to(self, client: int) -> bool:
        """No DLMS client is at this port."""
        return False

    # --- starts

    @property
    def hosted(self) -> bool:
        """Whether a host has the processor by this line."""
        return self.coordinator.listener is self._listen

    def restart(self) -> None:
        """Start anew without having been asked, as after a watchdog reset: the network is down until it is started."""
        self._start_anew()
        self.send(self._indication(WATCHDOG))

    def reset(self) -> None:
        super().reset()
        self._cold = True
        self._forget()

    def closed(self) -> None:
        """The host has gone: the hub's own application has the network again."""
        super().closed()
        self._forget()
        if self.coordinator.listener is self._listen:
            self.coordinator.listener = None

    def _start_anew(self) -> None:
        self._forget()
        failure = self.memory.settle(self.coordinator)
        if failure:
            self.remark(failure, NOT_FORMED)

    def _forget(self) -> None:
        self.session = Session()
        self._receiver.reset()
        if self.coordinator.listener is self._listen:
            self.coordinator.endpoints.clear()
            self.coordinator.stop()

    def _indication(self, reason: int) -> bytes:
        version = self.version
        values = {
            "reason": reason,
            "transport": version.transport,
            "product": version.product,
            "major": version.major,
            "minor": version.minor,
            "hardware": version.hardware,
        }
        return znp.ask(znp.RESET_INDICATION, values).encode()

    # --- what happens on the network

    def _happened(self, event: Event) -> None:
        if self.stuck or not self.device.ready:
            return
        match event:
            case Received(arrival):
                if arrival.message.destination_endpoint == 0:
                    znp_zdo.arrived(self, arrival)
                else:
                    znp_data.arrived(self, arrival)
            case Sent():
                znp_data.sent(self, event)
            case Joined():
                self._joined(event)
            case Left(address, eui64):
                told = {"source": address, "eui": eui64, "request": 0, "remove_children": 0, "rejoin": 0}
                self.tell(zdo.LEAVE, told)
            case Changed(up):
                self.tell(zdo.STATE_CHANGE, {"state": DeviceState.COORDINATOR if up else DeviceState.HOLD})
            case _:
                pass  # the protocol does not tell of another network key

    def _joined(self, event: Joined) -> None:
        """The protocol tells of devices that were admitted; one that rejoins with its key just announces itself."""
        if not event.admitted:
            self.remark(f"{event.eui64.hex()} was refused: no event tells the host so", "devices refused")
        elif event.how is not Joining.REJOIN:
            told = {"short": event.address, "eui": event.eui64, "parent": event.parent}
            self.tell(zdo.TRUST_CENTRE_DEVICE, told)


HANDLERS: Final[Mapping[tuple[int, int], Handler]] = {
    command.key: handler
    for commands in (znp_system.HANDLERS, znp_zdo.HANDLERS, znp_data.HANDLERS)
    for command, handler in commands
}
