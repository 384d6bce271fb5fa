"""Stacks whose line is the test: octets in and out, on the rig's clock, and the faults of their devices."""

from __future__ import annotations

from emulator.faults.injection import Faults, Injection
from emulator.ports import Stack
from emulator.premises import Premises
from emulator.time import Clock
from protocols.hdlc import Frame, decode, encode, encode_address
from protocols.hdlc.frame import SNRM, UA
from protocols.sniffer import Sniffer

from ..conftest import SEED, START

METER, CLIENT = encode_address(1, 16, 2), encode_address(16)
LLC = b"\xe6\xe6\x00"
AARQ = LLC + bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400001E1DFFFF")
NAME = LLC + bytes.fromhex("C001C1000100002A0000FF0200")


class Wire:
    """A line without a world: what a stack says, and when; sent octets go by the way that the stack has."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.clock: Clock = stack.device.clock
        self.late: list[tuple[int, bytes]] = []
        """What came that nothing just sent had asked for, and how long after the start, ns."""
        self.told: list[str] = []
        stack.line = self
        stack.explain = self.told.append
        self.rewired()

    def rewired(self) -> None:
        gate = self.stack.gate
        self.stack.transmit = (lambda data: self.say(data, 0, "")) if gate is None else gate.transmit

    def say(self, data: bytes, baud: int, character: str) -> None:
        if data:
            self.late.append((self.clock.now - START, data))

    def line_time(self) -> int:
        return self.clock.now

    def send(self, data: bytes) -> bytes:
        """What is answered at once."""
        return self.stack.way.receive(data, self.clock.now)

    def frame(self, control: int, information: bytes = b"") -> bytes:
        """What is answered at once to a frame."""
        return self.send(encode(Frame(METER, CLIENT, control, information)))

    def open(self) -> Wire:
        """Connected and associated; the next frame is N(S)=1, N(R)=1."""
        self.open_link()
        assert self.frame(0x10, AARQ)
        return self

    def open_link(self) -> None:
        """Connected."""
        assert decode(self.frame(SNRM | 0x10)).control & ~0x10 == UA

    def wait(self, duration: int) -> list[bytes]:
        """Let time pass; what came meanwhile."""
        before, end = len(self.late), self.clock.now + duration
        while (due := self.stack.way.next_timeout()) is not None and due <= end:
            self.clock.advance_to(max(due, self.clock.now))
            self.stack.way.timeout(self.clock.now)
        self.clock.advance_to(end)
        return [data for _, data in self.late[before:]]


class Desk:
    """A home whose meter's lines are at hand."""

    def __init__(self, premises: Premises, clock: Clock) -> None:
        self.premises = premises
        self.clock = clock
        self.faults = Faults(clock, SEED, {premises.name: premises})
        self.sentences: list[str] = []
        self.faults.observers.append(lambda _, text: self.sentences.append(text))

    def wire(self, port: str = "optical", kind: str = "electricity") -> Wire:
        (device,) = (each for each in self.premises.devices() if each.firmware.kind == kind)
        return Wire(device.stacks[port]())  # type: ignore[attr-defined]

    def start(self, name: str, kind: str = "electricity", **parameters: int | str) -> Injection:
        given = {key.rstrip("_"): value for key, value in parameters.items()}
        return self.faults.start(name, f"home/{kind}", given)


def frames(octets: bytes) -> list[Frame]:
    sniffer = Sniffer()
    return [message.frame for message in sniffer.see(False, octets) if message.frame is not None]


SESSION = b"".join(
    encode(Frame(METER, CLIENT, control, information))
    for control, information in ((SNRM | 0x10, b""), (0x10, AARQ), (0x32, NAME), (0x54, NAME), (0x53, b""))
)
"""A whole session: connect, associate, read twice, disconnect."""
