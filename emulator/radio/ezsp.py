"""An EZSP radio processor on a serial line: ASH, the frames in it, and what answers them.

A host resets the processor and has one life of it (:class:`~emulator.radio.ezsp_processor.Processor`) until the next
reset; configuration, endpoints, tables and transient keys end with it, the network and tokens do not. There is one
processor however many lines lead to it: the host that reset it last has it. Callbacks never come from within a
command: they go out at the next time-out, at once, in line time, and carry the sequence number answered last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from emulator.ports import Stack, Transport
from emulator.radio.coordinator import Changed, Coordinator, Event, Joined, KeyChanged, Left, Received, Sent
from emulator.radio.ezsp_keys import Keys
from emulator.radio.ezsp_messages import Messages
from emulator.radio.ezsp_network import Network
from emulator.radio.ezsp_processor import Handler, Processor
from emulator.radio.ezsp_settings import Settings
from emulator.radio.ezsp_tables import Tables
from emulator.time import MILLISECOND, stream
from emulator.time import Event as Due
from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee import ash
from protocols.zigbee.ash import AshNcp, ResetCode
from protocols.zigbee.ezsp.configuration import VERSION
from protocols.zigbee.ezsp.enums import Counter, EzspStatus
from protocols.zigbee.ezsp.frame import CALLBACK, INVALID_COMMAND, OVERFLOW, Frame
from protocols.zigbee.ezsp.frame import VERSION as PROTOCOL
from protocols.zigbee.ezsp.messaging import SEND_UNICAST

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.firmware import RadioSettings
    from emulator.radio.ezsp_memory import RadioMemory
    from protocols.zigbee.ezsp.command import Command

RECEIVED, SENT, DISCARDED = "commands received", "radio frames sent", "radio frames discarded"
_RESTART_TIME = 5 * MILLISECOND
"""From the answer to resetNode to the start."""


class Life:
    """The parts of a processor between two resets, and how commands find them."""

    __slots__ = ("_handlers", "keys", "messages", "network", "processor", "version_set")

    def __init__(self, processor: Processor, restart: Callable[[], None]) -> None:
        """``restart`` is what resetNode does."""
        self.processor = processor
        settings = Settings(processor, restart, lambda: self.network.policy_changed())
        tables = Tables(processor)
        self.network = Network(processor, lambda: settings.frame_counter)
        self.messages = Messages(processor, tables)
        self.keys = Keys(processor, self.network.begin_with)
        self.version_set = False
        parts = (settings, tables, self.network, self.messages, self.keys)
        self._handlers: Mapping[int, tuple[Command, Handler]] = {
            command.id: (command, handler) for part in parts for command, handler in part.handlers().items()
        }

    def execute(self, frame: Frame) -> Frame:
        """The answer to a command: invalidCommand with a reason for one that is unknown or malformed."""
        if not self.version_set and frame.id != VERSION.id:
            return _invalid(frame, EzspStatus.VERSION_NOT_SET)
        try:
            parameters = self._parameters(frame)
        except DecodeError:
            return _invalid(frame, EzspStatus.INVALID_VALUE)
        if parameters is None:
            return _invalid(frame, EzspStatus.INVALID_FRAME_ID)
        flags = OVERFLOW if self.processor.overflow else 0
        self.processor.overflow = False
        return frame.response(parameters, flags=flags)

    def _parameters(self, frame: Frame) -> bytes | None:
        if frame.id == SEND_UNICAST.id:
            return self.messages.unicast(frame.parameters)
        found = self._handlers.get(frame.id)
        if found is None:
            return None
        command, handler = found
        values = command.read(frame.parameters)
        if command is VERSION:
            self.version_set = values["desired"] == PROTOCOL
        return command.tell(handler(values))

    def hear(self, event: Event) -> None:
        """What the network tells."""
        match event:
            case Received():
                self.messages.received(event)
            case Sent():
                self.messages.sent(event)
            case Joined():
                self.network.joined(event)
            case Left():
                self.network.left(event)
            case KeyChanged():
                self.keys.changed(event)
            case Changed():
                self.network.changed(event)

    def end(self) -> None:
        """RAM is lost."""
        self.keys.end()
        self.processor.end()


class EzspStack(Stack):
    """A line to the radio processor of a hub. ``stuck`` while the processor neither hears nor says anything.

    ``from_host`` and ``to_host`` are what the line makes of octets, where it does not leave them as they are.
    """

    __slots__ = (
        "_answered",
        "_ash",
        "_busy",
        "_coordinator",
        "_life",
        "_memory",
        "_now",
        "_settings",
        "_starting",
        "from_host",
        "stuck",
        "to_host",
    )

    def __init__(self, device: Device, coordinator: Coordinator, memory: RadioMemory, settings: RadioSettings) -> None:
        super().__init__(device, {}, Transport.HDLC, settings.baud)
        self._coordinator = coordinator
        self._memory = memory
        self._settings = settings
        self._ash = AshNcp()
        self._life: Life | None = None
        self._answered = 0  # sequence number
        self._now = 0  # line time, as it was last told
        self._busy = False  # a command is being executed
        self._starting: Due | None = None
        self.stuck = False
        self.from_host: Callable[[bytes], bytes] | None = None
        self.to_host: Callable[[bytes], bytes] | None = None

    # --- the line

    def receive(self, data: bytes, now: int) -> bytes:
        self._now = now
        if self.stuck or (not self._awake and self.silent):
            return b""
        if self.from_host is not None:
            data = self.from_host(data)
        for event in self._ash.receive(data, now):
            match event:
                case ash.Received(octets):
                    self._command(octets, now)
                case ash.ResetRequested():
                    self._start(ResetCode.SOFTWARE)
                case ash.Failed():
                    self._end()
                    self._note("radio links lost", event.why)
                case ash.Discarded(why):
                    self._discard(why)
                case _:
                    pass
        # What comes of commands at this very instant, where the air takes no time, goes with the answers.
        self.device.clock.advance_to(self.device.clock.now)
        self._tell(now)
        return self._output()

    def _output(self) -> bytes:
        octets = self._ash.output()
        return octets if self.to_host is None else self.to_host(octets)

    def next_timeout(self) -> int | None:
        if self.stuck or not self._awake:
            return None
        life = self._life
        if life is not None and life.processor.callbacks:
            return self._now
        return self._ash.next_timeout

    def timeout(self, now: int) -> None:
        self._now = now
        if self.stuck or self.silent:
            return
        for event in self._ash.timeout(now):
            if isinstance(event, ash.Failed):
                self._end()
                self._note("radio links lost", event.why)
        self._tell(now)
        self._write()

    def _write(self) -> None:
        octets = self._output()
        if octets and not self.stuck:
            self.transmit(octets)

    def forget(self) -> None:
        """The host has gone: the hub has its network to itself again."""
        super().forget()
        self._end()
        self._ash = AshNcp()

    def closed(self) -> None:
        super().closed()
        if self._observe in self.device.observers:
            self.device.observers.remove(self._observe)

    def reset(self) -> None:
        super().reset()
        if self.device.mains:
            self._start_later()

    def leads_to(self, client: int) -> bool:
        """No DLMS client is here."""
        return False

    def _observe(self, event: str) -> None:
        if event == "power_up":
            self._start_later()

    def _start_later(self) -> None:
        """The processor says that it has started when the hub has."""
        if self._starting is not None:
            self._starting.cancel()
        if self.up:
            self._starting = self.device.clock.schedule(self.device.ready_at, lambda: self.restart(ResetCode.POWER_ON))

    # --- what can go wrong

    @property
    def hosted(self) -> bool:
        """Whether a host has the processor by this line."""
        return self._life is not None

    def restart(self, code: int = ResetCode.SOFTWARE) -> None:
        """The processor starts anew without having been asked; ``code`` tells the host why."""
        if self.silent:
            return
        self._start(code)
        self._write()

    def fail(self, code: int = ResetCode.ASSERT) -> None:
        """The processor stops with an ERROR frame, until the host resets it."""
        if self.silent:
            return
        self._end()
        self._ash.fail(code)
        self._write()

    # --- lives

    def _start(self, code: int) -> None:
        self._end()
        device = self.device
        chance = stream(device.seed, device.identity.device_id, f"radio {self.number} {self.counters['radio starts']}")
        self.counters["radio starts"] += 1
        if self._observe not in device.observers:
            device.observers.append(self._observe)
        self.up = True  # a host is there: terminals do not say so
        self._memory.take(self._displaced)
        processor = Processor(
            self._settings, self._coordinator, self._memory, device.clock, chance, self._wake, self._touch
        )
        self._life = Life(processor, self._restart_soon)
        self._coordinator.listener = self._hear
        self._ash.start(code)

    def _end(self) -> None:
        life, self._life = self._life, None
        if life is None:
            return
        life.end()
        self._memory.give_up(self._displaced)
        self._coordinator.listener = None
        self._coordinator.endpoints.clear()
        self._coordinator.stop()

    def _displaced(self) -> None:
        """Another line has the processor now."""
        self._end()
        self._ash.fail(ResetCode.EXTERNAL)
        self._write()

    def _restart_soon(self) -> None:
        life = self._life
        if life is not None:
            life.processor.later(_RESTART_TIME, self.restart)

    # --- commands and callbacks

    def _command(self, octets: bytes, now: int) -> None:
        life = self._life
        if life is None:
            return
        try:
            frame = Frame.decode(octets)
        except DecodeError as error:
            self._discard(str(error))
            return
        self.counters[RECEIVED] += 1
        self._busy = True
        try:
            answer = life.execute(frame)
        finally:
            self._busy = False
        if answer.id == INVALID_COMMAND:
            reason = EzspStatus(answer.parameters[0]).name.lower().replace("_", " ")
            self._note("commands refused", f"the EZSP command {frame.id:04X} is refused: {reason}")
        self._send(answer, now)
        self._answered = frame.sequence

    def _discard(self, why: str) -> None:
        self._note(DISCARDED, why)
        if self._life is not None:
            self._life.processor.count(Counter.ASH_FRAMING_ERROR)

    def _tell(self, now: int) -> None:
        life = self._life
        while life is not None and life.processor.callbacks:
            command, parameters = life.processor.callbacks.popleft()
            if not self._send(Frame(self._answered, CALLBACK, command, parameters), now):
                life.processor.overflow = True

    def _send(self, frame: Frame, now: int) -> bool:
        try:
            self._ash.send(frame.encode(), now)
        except LocalProtocolError as error:
            self._discard(str(error))
            return False
        self.counters[SENT] += 1
        return True

    def _hear(self, event: Event) -> None:
        if self._life is not None and not self.stuck:
            self._life.hear(event)

    def _wake(self) -> None:
        """A callback waits: have the time-outs looked at anew, unless that comes anyway."""
        if not self._busy:
            self.transmit(b"")

    def _touch(self) -> None:
        """The processor's memory has changed."""
        if self.device.keeper is not None:
            self.device.keeper.touch()


def _invalid(frame: Frame, status: EzspStatus) -> Frame:
    return frame.response(bytes((status,)), id=frame.id if frame.legacy else INVALID_COMMAND)
