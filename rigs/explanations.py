"""Why there was no answer, or an odd one: the sentences of every port and HAN of a rig, with what had come before them.

A :class:`History` keeps the latest ones of each port. Nothing is decoded unless something is dropped or refused: a line
keeps the last octets that came, and they are made messages of only then.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulator.telling import Layer, Teller
from protocols.sniffer import Sniffer
from rigs.apdu_text import ApduText
from rigs.ports.spec import PortKind
from rigs.trace import message_text

if TYPE_CHECKING:
    from emulator.time import Clock
    from rigs.ports import Line, PortSpec

PER_PORT = 100
"""Explanations kept for one port; older ones are forgotten."""
PORTS = 500
"""Ports that explanations are kept for; the one that is silent for longest is forgotten."""
LONGEST = 300
"""Characters of what came and of what was answered; the rest is cut off."""
NO_ANSWER = "no answer"


@dataclass(slots=True)
class Explanation:
    """One thing that was dropped or refused.

    ``number`` counts up over the whole rig, and anew when the same happens again, which ``times`` counts. ``time`` is
    that of the rig, ns of UTC, when it happened last. ``came`` is the message that it is about, in one line and without
    secrets, empty where nothing came in (a time-out, say); ``answer`` what was answered, or that nothing was.
    ``faults`` are those that were in force there, in words with their ids, whether they had to do with it or not.
    """

    number: int
    time: int
    port: str
    layer: Layer
    why: str
    came: str = ""
    answer: str = ""
    times: int = 1
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _Heard:
    """What a line has carried until an explanation of it."""

    line: Line
    wrapped: bool
    datagrams: bool
    octets: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.octets = tuple(self.line.recent)

    def tell(self, entry: Explanation) -> None:
        """Fill in what came and what was answered, once that is known."""
        sniffer, texts = Sniffer(wrapped=self.wrapped, datagrams=self.datagrams), ApduText()
        came = [message for data in self.octets for message in sniffer.see(True, data)]
        for message in came + sniffer.flush():
            entry.came = _cut(message_text(message, texts))
        answers = sniffer.see(False, self.line.said) + sniffer.flush()
        entry.answer = _cut(" / ".join(message_text(message, texts) for message in answers) or NO_ANSWER)


class History:
    """The latest explanations of a rig's ports. All calls belong to the thread of the loop."""

    def __init__(self, clock: Clock, faults: Callable[[str], tuple[str, ...]] = lambda port: ()) -> None:
        """``faults`` says which are in force at a port."""
        self._clock = clock
        self._faults = faults
        self._made = 0
        self._ports: OrderedDict[str, deque[Explanation]] = OrderedDict()

    def note(self, port: str, layer: Layer, why: str, heard: Callable[[Explanation], None] | None = None) -> None:
        """Something was dropped or refused at ``port``; ``heard``, called a little later, fills in what it was."""
        self._made += 1
        kept = self._ports.get(port)
        if kept is None:
            while len(self._ports) >= PORTS:
                self._ports.popitem(last=False)
            kept = self._ports[port] = deque(maxlen=PER_PORT)
        self._ports.move_to_end(port)
        last, faults = kept[-1] if kept else None, self._faults(port)
        if last is not None and (last.layer, last.why, last.faults) == (layer, why, faults):
            last.number, last.time, last.times = self._made, self._clock.now, last.times + 1
            return
        entry = Explanation(self._made, self._clock.now, port, layer, why, faults=faults)
        kept.append(entry)
        if heard is not None:
            heard(entry)

    def teller(self, port: str, spec: PortSpec, tell: Callable[[str, Layer, str], None]) -> Callable[[Line], Teller]:
        """For each line of a port, who takes its sentences: this history, and then ``tell``."""

        def of_line(line: Line) -> Teller:
            def explained(layer: Layer, text: str) -> None:
                self.note(port, layer, text, lambda entry: _soon(line, spec, entry))
                tell(port, layer, text)

            return Teller(explained)

        return of_line

    def entries(self, ports: Iterable[str] | None = None, after: int = 0, most: int = PER_PORT) -> list[Explanation]:
        """The latest ``most`` explanations of these ports, or of all, whose numbers are above ``after``, in order."""
        wanted = None if ports is None else set(ports)
        found = sorted(
            (entry for name, kept in self._ports.items() if wanted is None or name in wanted for entry in kept),
            key=lambda entry: entry.number,
        )
        return [entry for entry in found if entry.number > after][-most:]

    def __iter__(self) -> Iterator[str]:
        """Ports and HANs that something was explained of, the latest at the end."""
        return iter(self._ports)


def _soon(line: Line, spec: PortSpec, entry: Explanation) -> None:
    if not line.recent:
        return
    heard = _Heard(line, spec.wrapped, spec.kind is PortKind.UDP)
    asyncio.get_running_loop().call_soon(heard.tell, entry)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
