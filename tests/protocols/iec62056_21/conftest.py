"""A meter's content, and a line between a reader and a meter in which time passes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from protocols.iec62056_21 import Meter, Reader, ReaderEvent

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


class Registers:
    """Registers that are written with a password of level 1 or 2, and a command that needs level 2."""

    def __init__(self) -> None:
        self.values = {"1-0:1.8.0": "000123.456*kWh", "0-0:96.1.0": "12345678", "0-0:1.0.0": "120000"}
        self.passwords = {1: "11111111", 2: "22222222"}
        self.executed: list[tuple[str, str]] = []

    def readout(self) -> Iterable[tuple[str, str]]:
        return self.values.items()

    def read(self, address: str, formatted: bool) -> str | None:
        value = self.values.get(address)
        return value if value is None or not formatted else f"{value} formatted"

    def write(self, address: str, value: str, level: int) -> bool:
        if not level or address not in self.values or value == "bad":
            return False
        self.values[address] = value
        return True

    def password(self, level: int, given: str) -> bool:
        return self.passwords[level] == given

    def execute(self, address: str, value: str) -> bool:
        self.executed.append((address, value))
        return address == "reset"


class Line:
    """Carries octets between a reader and a meter that are set alike; those sent otherwise are lost."""

    def __init__(self, reader: Reader, meter: Meter, *, echo: bool = False) -> None:
        self.reader = reader
        self.meter = meter
        self.echo = echo
        self.now = 0
        self.lost = 0
        self.garble: dict[int, int] = {}
        """Octet number towards the reader -> what is added to it."""
        self.sent = 0

    def run(self, limit: int = 120 * SECOND) -> list[ReaderEvent]:
        """Until nobody has anything to say or wait for, but no longer than ``limit``."""
        events: list[ReaderEvent] = []
        end = self.now + limit
        while True:
            out = self.reader.data_to_send()
            if out is not None:
                if self.echo:
                    events += self.reader.receive(out.data, self.now)
                if out.baud in self.meter.bauds and out.character == self.meter.character:
                    answer = self.meter.receive(out.data, self.now)
                    events += self.hear(answer, self.meter.send_baud)
                else:
                    self.lost += len(out.data)
                continue
            dues = [due for due in (self.reader.next_timeout(), self.meter.next_timeout()) if due is not None]
            if not dues or min(dues) > end:
                return events
            self.now = max(self.now, min(dues))
            if self.meter.next_timeout() == min(dues):
                events += self.hear(self.meter.timeout(self.now), self.meter.baud)
            else:
                events += self.reader.timeout(self.now)

    def hear(self, data: bytes, baud: int) -> list[ReaderEvent]:
        """What the meter says reaches the reader one octet at a time."""
        events: list[ReaderEvent] = []
        for octet in data:
            octet ^= self.garble.pop(self.sent, 0)
            self.sent += 1
            if self.reader.baud == baud:
                events += self.reader.receive(bytes((octet,)), self.now)
            else:
                self.lost += 1
        return events


@pytest.fixture
def registers() -> Registers:
    return Registers()
