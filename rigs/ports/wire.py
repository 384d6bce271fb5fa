"""What ports and lines are to each other, and what of a real line is modelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from emulator.ports import Stack

Tap = Callable[[int, bool, bytes], None]
"""Called with the time (ns UTC of the rig), whether the octets go towards the device, and the octets.

No octets mean that the far end has gone.
"""


@dataclass(frozen=True, slots=True)
class LineOptions:
    """What of a real line is modelled; see :mod:`rigs.ports.line`."""

    baud: bool = True
    pacing: bool = False
    turnaround: bool = False
    echo: bool = False
    software_parity: bool = False


class Transport(Protocol):
    """What a line asks of the port that carries it."""

    def write(self, data: bytes) -> None:
        """Send now, or keep what does not fit."""
        ...

    def rate(self) -> int:
        """Bits a second the far end is set to; 0 where there is no such thing or no way to see it."""
        ...

    def framing(self) -> str:
        """Character format the far end is set to, such as 7E1; empty where the transport cannot carry it."""
        ...

    def follow(self, baud: int, framing: str) -> None:
        """The device's end is set so from here on: for ports that own a real UART."""
        ...

    def hang_up(self) -> None:
        """Close this connection once everything written has gone."""
        ...


class Carried(Protocol):
    """What a port carries on one line or connection: the line of one device, or the stations of a bus."""

    @property
    def arrived(self) -> Callable[[bytes], None]: ...

    @property
    def counters(self) -> Counter[str]: ...

    @property
    def attached(self) -> bool: ...

    @attached.setter
    def attached(self, attached: bool) -> None: ...

    @property
    def stack(self) -> Stack: ...

    @property
    def listening(self) -> str: ...

    @property
    def explain(self) -> Callable[[str], None] | None: ...

    def statistics(self) -> dict[str, int]: ...

    def opened(self) -> None: ...

    def hung_up(self) -> None: ...

    def close(self) -> None: ...


def setting(baud: int, framing: str) -> str:
    """Rate and framing in words, the framing where it is known."""
    return f"{baud} Bd {framing}" if framing else f"{baud} Bd"
