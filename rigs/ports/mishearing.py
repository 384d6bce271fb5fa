"""What the two ends of a line make of each other's octets where they are set differently, told and counted."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from emulator.uart import heard
from rigs.ports.wire import setting


class Mishearing:
    """Garbles the octets of one line, the same way for the same seed; a framing that cannot be seen is empty.

    ``note(counter, octets, sentence)`` is told.
    """

    __slots__ = ("_chance", "_note", "_seed")

    def __init__(self, seed: str, note: Callable[[str, int, str], None]) -> None:
        self._seed = seed
        self._note = note
        self._chance: Random | None = None

    def overheard(self, data: bytes, baud: int, framing: str, device_baud: int, listening: str) -> bytes:
        """What a device makes of octets that were not meant for it."""
        return heard(data, baud, framing, device_baud, listening, self._random(), check_parity=True)

    def inwards(self, data: bytes, baud: int, framing: str, device_baud: int, listening: str) -> bytes:
        """What the device makes of octets of the client, which is set to ``baud`` and ``framing``."""
        mine = listening if framing else "8N1"
        result = heard(data, baud, framing or "8N1", device_baud, mine, self._random(), check_parity=True)
        self._note(
            "garbled in",
            len(data),
            f"{len(data)} octets heard as {len(result)}: the client is set to {setting(baud, framing)}, the device"
            f" to {setting(device_baud, listening)}",
        )
        return result

    def outwards(self, data: bytes, sent_baud: int, sent_framing: str, baud: int, framing: str) -> bytes:
        """What the client, set to ``baud`` and ``framing``, makes of octets of the device."""
        sent_as = sent_framing if framing else "8N1"
        result = heard(data, sent_baud, sent_as, baud, framing or "8N1", self._random(), check_parity=False)
        self._note(
            "garbled out",
            len(data),
            f"{len(data)} octets sent at {setting(sent_baud, sent_framing)} are heard as {len(result)}: the client is"
            f" set to {setting(baud, framing)}",
        )
        return result

    def _random(self) -> Random:
        if self._chance is None:
            self._chance = Random(f"{self._seed}/line")
        return self._chance
