"""A host of our own on the stack of a radio processor, without a line between: it asks, and hears what it is told."""

from __future__ import annotations

from typing import Any

from emulator.radio.ezsp import EzspStack
from emulator.time import SECOND
from protocols.zigbee.ash import AshHost, Connected, Event, Failed, Received
from protocols.zigbee.ezsp import configuration, networking
from protocols.zigbee.ezsp.command import Command
from protocols.zigbee.ezsp.commands import COMMANDS
from protocols.zigbee.ezsp.frame import CALLBACK, Frame

SECURITY = {"options": 0x1B84, "preconfigured_key": bytes(range(16)), "network_key": bytes(range(100, 116))}
SECURITY |= {"key_sequence": 3, "trust_centre": bytes(8)}
NETWORK = {"extended_pan": bytes.fromhex("0102030405060708"), "pan": 0x1A62, "power": 5, "channel": 20}
NETWORK |= {"join_method": 0, "manager": 0, "update_id": 2, "channels": 0x07FFF800}


class Host:
    """``told`` are the callbacks in order, by name with their fields; ``failed`` the reasons of lost links."""

    def __init__(self, stack: EzspStack) -> None:
        self.stack = stack
        self.clock = stack.device.clock
        self.ash = AshHost()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.failed: list[int] = []
        self.starts: list[int] = []
        self.callback_sequences: list[int] = []
        self.said: list[str] = []
        self.sequence = 0
        self.answers: dict[int, Frame] = {}
        stack.explain = self.said.append
        stack.transmit = self._hear

    def reset(self, version: int = 13) -> None:
        """Start the processor, and agree on the version."""
        self.ash.connect(self.clock.now)
        self._exchange()
        self.sequence = 0
        legacy = self.raw(Frame(self._next(), 0, 0, b"\x04", legacy=True))
        assert legacy.legacy and legacy.parameters[0] == 13
        self.ask(configuration.VERSION, desired=version)

    def start(self) -> None:
        """Start the processor and bring its network up."""
        self.reset()
        assert self.status(networking.NETWORK_INIT, options=0) == 0
        self.run()

    def ask(self, command: Command, **values: Any) -> dict[str, Any]:
        """The answer to a command."""
        frame = self.raw(Frame(self._next(), 0, command.id, command.ask(values)))
        assert frame.id == command.id, frame
        return command.told(frame.parameters)

    def status(self, command: Command, **values: Any) -> int:
        """The status in the answer to a command."""
        return int(self.ask(command, **values)["status"])

    def raw(self, frame: Frame) -> Frame:
        """The answer to a frame."""
        self.ash.send(frame.encode(), self.clock.now)
        self._exchange()
        return self.answers.pop(frame.sequence)

    def octets(self, octets: bytes) -> None:
        """Send the data of a DATA frame that may be anything."""
        self.ash.send(octets, self.clock.now)
        self._exchange()

    def run(self, nanoseconds: int = 0) -> None:
        """Let time pass: what falls due happens, as the driver of a rig would have it."""
        end = self.clock.now + nanoseconds
        while True:
            due = [each for each in (self.stack.next_timeout(), self.clock.next_due()) if each is not None]
            now = min(max(min(due, default=end), self.clock.now), end)
            self.clock.advance_to(now)
            wanted = self.stack.next_timeout()
            if wanted is not None and wanted <= now:
                self.stack.timeout(now)
            self._exchange()  # acknowledgements
            due = [each for each in (self.stack.next_timeout(), self.clock.next_due()) if each is not None]
            if now >= end and min(due, default=end + 1) > end:
                return

    def of(self, name: str) -> list[dict[str, Any]]:
        """Callbacks of that name."""
        return [values for each, values in self.told if each == name]

    def wait(self, name: str, seconds: float = 60) -> dict[str, Any]:
        """The next callback of that name, at the latest after so long; KeyError without one."""
        before = len(self.of(name))
        for _ in range(int(seconds * 10)):
            self.run(SECOND // 10)
            if len(self.of(name)) > before:
                return self.of(name)[before]
        raise KeyError(name, self.told)

    def _next(self) -> int:
        self.sequence = self.sequence + 1 & 0xFF
        return self.sequence

    def _exchange(self) -> None:
        while octets := self.ash.output():
            self._hear(self.stack.receive(octets, self.clock.now))

    def _hear(self, octets: bytes) -> None:
        for event in self.ash.receive(octets, self.clock.now):
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Connected(code):
                self.starts.append(code)
            case Failed(code):
                self.failed.append(code)
            case Received(data):
                legacy = data[2] == 0
                frame = Frame(data[0], data[1], data[2], data[3:], True) if legacy else Frame.decode(data)
                if frame.control & CALLBACK == CALLBACK:
                    command = COMMANDS[frame.id]
                    self.callback_sequences.append(frame.sequence)
                    self.told.append((command.name, command.read(frame.parameters)))
                else:
                    self.answers[frame.sequence] = frame
            case _:
                pass
