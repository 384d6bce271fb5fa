"""Applications of real meters and hubs on a network that is a list of what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.device import Device
from emulator.han.message import Arrival, Done, Message, Repeated
from emulator.smart_energy.application import Application
from protocols.zigbee import zdo
from protocols.zigbee.zcl.clusters import decode_command, encode_command
from protocols.zigbee.zcl.foundation import Command, ReadRecord, decode_read_response, encode_read
from protocols.zigbee.zcl.header import Direction, Frame, cluster_frame, global_frame

HOST_EUI = bytes.fromhex("00124B0000000001")
HOST, OURS = 0x0000, 0x3A5C
SMART_ENERGY, HOME_AUTOMATION = 0x0109, 0x0104


class Air:
    """A port that keeps what is sent, with the addresses of everybody known."""

    def __init__(self, address: int = OURS, known: Mapping[bytes, int] | None = None) -> None:
        self.here = address
        self.known = dict(known or {HOST_EUI: HOST})
        self.sent: list[tuple[int, Message]] = []

    @property
    def address(self) -> int:
        return self.here

    def send(self, destination: int, message: Message, done: Done | None = None) -> None:
        self.sent.append((destination, message))
        if done is not None:
            done(True)

    def repeat(self, destination: int, report: Repeated) -> None:
        """Everything is sent."""

    def make_up(self) -> None:
        """Nothing was put off."""

    def break_off(self) -> None:
        """Nothing was put off."""

    def address_of(self, eui64: bytes) -> int | None:
        return self.known.get(eui64)

    def eui64_of(self, address: int) -> bytes | None:
        return next((eui64 for eui64, known in self.known.items() if known == address), None)


class Host:
    """Somebody on the network who talks to one application, by default from endpoint 1 to endpoint 1."""

    def __init__(self, device: Device, profile: int = SMART_ENERGY) -> None:
        self.air = Air()
        self.device = device
        self.application = Application(device, self.air)
        self.said: list[str] = []
        self.application.explain = self.said.append
        self.profile = profile
        self.secured = True
        self.source, self.eui64, self.endpoint = HOST, HOST_EUI, 1
        self.sequence = 0

    def deliver(self, message: Message, *, broadcast: bool = False) -> list[Message]:
        """Let a message arrive; what is sent for it, to whom it came from."""
        self.application.attend()
        before = len(self.air.sent)
        self.application.receive(Arrival(self.source, self.eui64, message, broadcast))
        answers = self.air.sent[before:]
        assert {destination for destination, _ in answers} <= {self.source}
        return [answer for _, answer in answers]

    def zcl(self, cluster: int, frame: bytes, to: int = 1, *, broadcast: bool = False) -> list[Message]:
        """Deliver a ZCL frame."""
        return self.deliver(Message(self.profile, cluster, self.endpoint, to, frame, self.secured), broadcast=broadcast)

    def one(self, cluster: int, frame: bytes, to: int = 1) -> Frame:
        """Deliver a ZCL frame that has one answer: that frame, sent back to where it came from."""
        (answer,) = self.zcl(cluster, frame, to)
        assert answer[:4] == (self.profile, cluster, to, self.endpoint)
        assert answer.secured is self.secured
        return Frame.decode(answer.payload)

    def general(self, cluster: int, command: int, payload: bytes = b"", to: int = 1) -> Frame:
        """A command that all clusters share, and its answer."""
        self.sequence = self.sequence + 1 & 0xFF
        found = self.one(cluster, global_frame(self.sequence, command, payload).encode(), to)
        assert found.sequence == self.sequence
        return found

    def read(self, cluster: int, *attributes: int, to: int = 1) -> list[ReadRecord]:
        """Read attributes."""
        answer = self.general(cluster, Command.READ, encode_read(attributes), to)
        assert answer.command == Command.READ_RESPONSE
        return decode_read_response(answer.payload)

    def value(self, cluster: int, attribute: int, to: int = 1) -> Any:
        """One attribute, which is there."""
        (record,) = self.read(cluster, attribute, to=to)
        assert record.status == 0, record
        return record.value

    def command(
        self, cluster: int, command: int, /, to: int = 1, *, direction: Direction = Direction.TO_SERVER, **values: Any
    ) -> tuple[int, Any]:
        """A command of a cluster: the command that answers it and its fields, or 0x0B and the status of a default
        response."""
        self.sequence = self.sequence + 1 & 0xFF
        payload = encode_command(cluster, direction, command, values)
        answer = self.one(cluster, cluster_frame(self.sequence, command, payload, direction).encode(), to)
        assert answer.sequence == self.sequence
        assert answer.direction is not direction
        if not answer.control & 0x03:
            assert answer.command == Command.DEFAULT_RESPONSE
            assert answer.payload[0] == command
            return Command.DEFAULT_RESPONSE, answer.payload[1]
        return answer.command, decode_command(cluster, answer.direction, answer.command, answer.payload)

    def zdo(self, cluster: int, /, *, broadcast: bool = False, **values: Any) -> dict[str, Any] | None:
        """A request of the device profile, and the values of its answer, None without one."""
        payload = zdo.encode(cluster, 0x55, **values)
        answers = self.deliver(Message(0, cluster, 0, 0, payload), broadcast=broadcast)
        if not answers:
            return None
        (answer,) = answers
        assert answer[:4] == (0, cluster | zdo.RESPONSE, 0, 0)
        sequence, found = zdo.decode(answer.cluster, answer.payload)
        assert sequence == 0x55
        return found
