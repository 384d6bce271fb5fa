"""A secondary station with an upper layer that keeps what it is told, and frames by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from protocols.hdlc import Frame, FrameReader, Link, Parameters, SecondaryStation, encode


class Server:
    """Upper layer and station together. ``answer`` makes the answers to an APDU; by default its octets inverted."""

    def __init__(self, **settings: object) -> None:
        self.log: list[tuple[object, ...]] = []
        self.answer: Callable[[bytes], Sequence[bytes]] = lambda apdu: [bytes(octet ^ 0xFF for octet in apdu)]
        values = {"logical": (1, 16), "physical_address": 17, "limits": Parameters()} | settings
        self.station = SecondaryStation(self, **values)  # type: ignore[arg-type]
        self.sentences: list[str] = []
        self.station.explain = self.sentences.append
        self.now = 0

    def connected(self, link: Link) -> None:
        self.log.append(("connected", link.client, link.server))

    def received(self, link: Link, apdu: bytes) -> Sequence[bytes]:
        self.log.append(("received", link.client, link.server, apdu))
        return self.answer(apdu)

    def unconfirmed(self, client: int, server: int, apdu: bytes) -> None:
        self.log.append(("unconfirmed", client, server, apdu))

    def disconnected(self, link: Link, why: str) -> None:
        self.log.append(("disconnected", link.client, link.server, why))

    def hear(self, data: bytes | str) -> list[Frame]:
        """Octets, or their hex, and the frames that come back."""
        if isinstance(data, str):
            data = bytes.fromhex(data)
        return self.sent(self.station.receive(data, self.now))

    @staticmethod
    def sent(data: bytes) -> list[Frame]:
        """The frames in octets that hold nothing else."""

        def refuse(reason: str, sentence: str) -> None:
            raise AssertionError(f"{reason}: {sentence}")

        reader = FrameReader(refuse)
        frames = reader.receive(data)
        assert not reader.held
        return frames

    def say(
        self,
        control: int,
        information: bytes = b"",
        *,
        segmented: bool = False,
        client: bytes = b"\x21",
        server: bytes = b"\x03",
    ) -> list[Frame]:
        """One frame of a client, and the frames that come back."""
        return self.hear(encode(Frame(server, client, control, information, segmented)))

    def say_all(self, *frames: tuple[int, bytes]) -> list[Frame]:
        """Frames of one turn (control, information), all but the last with P = 0, in one read."""
        return self.hear(
            b"".join(encode(Frame(b"\x03", b"\x21", control, information)) for control, information in frames)
        )

    @property
    def requests(self) -> list[object]:
        """APDUs the upper layer got."""
        return [entry[3] for entry in self.log if entry[0] == "received"]


@pytest.fixture
def make_server() -> type[Server]:
    """A server: ``make_server(limits=Parameters(...), inactivity_timeout=...)``."""
    return Server


@pytest.fixture
def server() -> Server:
    """A server with the default parameters and a client (16) in normal response mode with its logical device 1."""
    made = Server()
    (answer,) = made.say(0x93)
    assert answer.control == 0x73
    made.log.clear()
    return made
