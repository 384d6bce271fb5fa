"""The line between a port and a device's protocol stack: what a wire does to octets, and when.

With nothing to model and nobody listening in, octets go from the port to the stack and back in one call. Otherwise a
line can

* garble what is sent at a rate or framing the other end is not set to, where the transport shows the settings;
* take the time a character takes (*pacing*), in both directions;
* wait the stack's *turnaround* before an answer;
* give the sender its own octets back, as optical heads do (*echo*);
* put even parity in bit 7 of 7-bit text on transports that cannot carry parity (*software parity*).

The times of a wire are the machine's, also when the rig's clock is stepped or accelerated: the far end lives in them.
On a real wire, behind a UART of the port's own, the rate, the parity and the time of characters are not modelled: there
the line sets the UART as the device is set.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Protocol

from emulator.telling import Layer, at
from rigs.ports.pacing import BACKLOG, SLICE, Arrivals
from rigs.ports.uart import EVEN_PARITY, SEVEN_BITS, character_time, heard

if TYPE_CHECKING:
    from emulator.ports import Stack
    from emulator.telling import Teller
    from rigs.driver import Driver
    from rigs.ports.latency import Latency

SECOND = 1e9
GRACE = 0.3  # s an answer waits for a far end that is about to change its rate to ours, as sign-on asks of it
POLL = 0.005  # s between looks at the far end's rate during that wait
RECENT = 32  # arrivals kept for whoever explains a silence

Tap = Callable[[int, bool, bytes], None]
"""Called with the time (ns UTC of the rig), whether the octets go towards the device, and the octets.

No octets mean that the far end has gone.
"""


@dataclass(frozen=True, slots=True)
class LineOptions:
    """What of a real line is modelled; see the module."""

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


class _Output:
    """Octets on their way out, in order."""

    __slots__ = ("baud", "data", "framing", "given_up", "ready")

    def __init__(self, data: bytes, baud: int, framing: str, ready: float) -> None:
        self.data = data
        self.baud = baud
        self.framing = framing
        self.ready = ready  # loop time of the first octet
        self.given_up = False  # the far end had its time to change its rate


class Line:
    """One line or connection: a stack, what carries it, and the model between them.

    The port calls ``arrived(data)`` for octets from the far end; it is replaced when the model or the tap changes, so
    it must be looked up for every call. Octets in and out, and what the line did to them, are in :meth:`statistics`.
    """

    def __init__(
        self,
        name: str,
        stack: Stack,
        transport: Transport,
        driver: Driver,
        options: LineOptions,
        *,
        seed: str = "",
        owns_uart: bool = False,
        shares_uart: bool = False,
        tap: Tap | None = None,
        explain: Callable[[str], None] | None = None,
        latency: Latency | None = None,
    ) -> None:
        self.name = name
        self.stack = stack
        self._receive = stack.receive if latency is None else latency.timed(stack.receive)
        self.transport = transport
        self.explain = at(Layer.LINE, explain)
        self.recent: deque[bytes] = deque(maxlen=RECENT)
        """The latest octets from the far end, as they arrived; none while a time-out is dealt with."""
        self.said = b""
        """What was sent in answer to the latest of them, as far as it was sent at once."""
        self.counters: Counter[str] = Counter()
        self.octets_in = 0
        self.octets_out = 0
        self._driver = driver
        self._owns_uart = owns_uart
        self._follows = owns_uart or shares_uart
        self._options = self._applicable(options)
        self._tap = tap
        self._seed = seed or name
        self._chance: Random | None = None
        self.next_timeout = stack.next_timeout
        self._entry = driver.watch(self)
        self._arrivals = Arrivals(self._arrive)
        self._out: deque[_Output] = deque()
        self._out_octets = 0
        self._out_timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self.passed = 0.0
        """Loop time at which the octets that are sent now have passed, where octets take their time."""
        self._rate_seen = 0  # the far end's rate at the last octets; 0 before any
        self._attached = True
        self.arrived: Callable[[bytes], None] = self._choose()
        stack.transmit = self._transmit
        driver.settle(self._entry)

    # -- what is modelled -------------------------------------------------------------------------------------------

    @property
    def options(self) -> LineOptions:
        """What is modelled now; may be set while the line runs."""
        return self._options

    @options.setter
    def options(self, options: LineOptions) -> None:
        self._options = self._applicable(options)
        self.arrived = self._choose()

    def _applicable(self, options: LineOptions) -> LineOptions:
        return replace(options, baud=False, pacing=False) if self._owns_uart else options

    @property
    def tap(self) -> Tap | None:
        """Who listens in."""
        return self._tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self._tap = tap
        self.arrived = self._choose()

    @property
    def attached(self) -> bool:
        """Whether the far end reaches the device: not while an optical head is off, or a plug pulled."""
        return self._attached

    @attached.setter
    def attached(self, attached: bool) -> None:
        self._attached = attached
        if not attached:
            self._drop_queues()
        self.arrived = self._choose()

    def _choose(self) -> Callable[[bytes], None]:
        options = self._options
        if not self._attached:
            return self._apart
        if options.pacing or options.echo:
            return self._echoed
        if not options.turnaround and self._tap is None and not self._owns_uart:
            rate, framing = self.transport.rate(), self.transport.framing()
            if options.baud and rate and not framing:
                return self._at_one_rate()
            if not (options.baud and (rate or framing)) and self.stack.character == "8N1":
                return self._direct()
        return self._deliver

    @property
    def listening(self) -> str:
        """Character format that the device's end hears with: one of eight bits hears seven with parity as well."""
        return "8N1" if "8N1" in self.stack.characters else self.stack.character

    def statistics(self) -> dict[str, int]:
        """Octets and frames counted by the line and its stack."""
        return {
            "octets in": self.octets_in,
            "octets out": self.octets_out,
            **self.counters,
            **dict(self.stack.counters),
        }

    def explain_by(self, teller: Teller) -> None:
        """Have this line and its stack say to ``teller`` what they drop and refuse."""
        self.stack.explain = teller
        self.explain = teller.at(Layer.LINE)

    def close(self) -> None:
        """The connection or line has gone: the stack is told, what was on the way is lost."""
        self.recent.clear()
        if self._out_timer is not None:
            self._out_timer.cancel()
            self._out_timer = None
        self._drop_queues()
        self.stack.closed()
        self._driver.forget(self._entry)
        self.stack.transmit = _lost

    def opened(self) -> None:
        """The far end is there."""
        self.stack.opened(self._driver.now())
        self._driver.settle(self._entry)
        if self.stack.drop:
            self.transport.hang_up()

    def timeout(self, now: int) -> None:
        """A time-out of the stack has come; what it sends goes through ``transmit``."""
        self.recent.clear()
        self.stack.timeout(now)
        self._follow()
        if self.stack.drop:
            self.transport.hang_up()

    def hung_up(self) -> None:
        """The far end has gone, the line stays: what was on the way is lost."""
        self.recent.clear()
        self._rate_seen = 0
        self._drop_queues()
        self.stack.closed()
        self._driver.settle(self._entry)

    def _drop_queues(self) -> None:
        if self._tap is not None:
            self._tap(self._driver.clock.now, True, b"")
        self._arrivals.clear()
        self._out.clear()
        self._out_octets = 0

    # -- towards the device -----------------------------------------------------------------------------------------

    def _direct(self) -> Callable[[bytes], None]:
        stack, driver, entry = self.stack, self._driver, self._entry
        receive, settle, write, keep = self._receive, driver.settle, self.transport.write, self.recent.append

        def arrived(data: bytes) -> None:
            keep(data)
            answer = receive(data, driver.now())
            self.octets_in += len(data)
            self.said = answer
            if answer:
                self.octets_out += len(answer)
                write(answer)
            settle(entry)
            if stack.drop:
                self.transport.hang_up()

        return arrived

    def _at_one_rate(self) -> Callable[[bytes], None]:
        """For a far end whose rate is seen: the usual case, where it is right and the device hears 8N1, in one call."""
        stack, driver, entry, transport = self.stack, self._driver, self._entry, self.transport
        settle, rate, write, receive = driver.settle, transport.rate, transport.write, self._receive
        keep = self.recent.append

        def arrived(data: bytes) -> None:
            baud = rate()
            if baud not in stack.bauds or "8N1" not in stack.characters:
                self._deliver(data)
                return
            self._rate_seen = baud
            self.octets_in += len(data)
            keep(data)
            answer = receive(data, driver.now())
            self.said = answer
            if answer:
                if stack.send_baud == baud and stack.send_character == "8N1" and not self._out:
                    self.octets_out += len(answer)
                    write(answer)
                else:
                    self._send(answer, stack.send_baud, stack.send_character, True)
            settle(entry)
            if stack.drop:
                transport.hang_up()

        return arrived

    def _apart(self, data: bytes) -> None:
        self.recent.append(data)
        self.said = b""
        self._note("lost in", len(data), f"{len(data)} octets lost: the line does not reach the device")

    def deliver(self, data: bytes) -> None:
        """Octets from the far end whose time has passed: what a bus calls in place of ``arrived``."""
        (self._deliver if self._attached else self._apart)(data)

    def overhear(self, data: bytes, baud: int, framing: str) -> None:
        """Octets on the wire that were sent with these settings, whoever did; ``baud`` 0: at those of the device."""
        stack = self.stack
        if not self._attached:
            return
        self.octets_in += len(data)
        self.recent.append(data)
        self.said = b""
        if baud and (baud not in stack.bauds or framing not in stack.characters):
            data = heard(data, baud, framing, stack.baud, self.listening, self._random(), check_parity=True)
        if data:
            self._hear(data, framing)

    def _echoed(self, data: bytes) -> None:
        if not self._options.pacing:
            self.transport.write(data)
            self.counters["echoed"] += len(data)
            self._deliver(data)
            return
        baud = self.transport.rate() or self.stack.baud
        each = character_time(baud, self.transport.framing() or "8N1") / SECOND
        if not self._arrivals.add(self._driver.loop, data, each):
            self._note("overrun", len(data), f"{len(data)} octets lost: more than {BACKLOG} were on the wire already")

    def _arrive(self, data: bytes) -> None:
        if self._options.echo:
            self.transport.write(data)
            self.counters["echoed"] += len(data)
        self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        stack, transport = self.stack, self.transport
        self.octets_in += len(data)
        self.recent.append(data)
        self.said = b""
        framing = ""
        if self._options.baud:
            baud, framing = transport.rate(), transport.framing()
            before, self._rate_seen = self._rate_seen, baud
            if baud and baud not in stack.bauds and before in stack.bauds:
                data = self._written_before(data, before, framing)
            if data and ((baud and baud not in stack.bauds) or (framing and framing not in stack.characters)):
                data = self._misheard(data, baud or stack.baud, framing)
            if not data:
                return
        self._hear(data, framing)

    def _written_before(self, data: bytes, before: int, framing: str) -> bytes:
        """Octets read after the client has changed its rate, but maybe written before: nothing tells when it was.

        They are taken as sent at the old rate as long as the device listens at it. Returns those it no longer does for.
        """
        for index in range(len(data)):
            if before not in self.stack.bauds:
                return data[index:]
            self._hear(data[index : index + 1], framing)
        return b""

    def _hear(self, data: bytes, framing: str) -> None:
        stack, options, transport = self.stack, self._options, self.transport
        if not framing and not any(character.startswith("8") for character in stack.characters):
            data = data.translate(SEVEN_BITS)
        now = self._driver.now()
        if self._tap is not None:
            self._tap(self._driver.clock.now, True, data)
        if options.turnaround:
            self._heard_at = self._driver.loop.time()
        answer = self._receive(data, now)
        if answer:
            # A change of rate or framing may come before or after what is said: that is the stack's to say.
            self._send(answer, stack.send_baud, stack.send_character, True)
        else:
            self._follow()
        self._driver.settle(self._entry)
        if stack.drop:
            transport.hang_up()

    def _misheard(self, data: bytes, baud: int, framing: str) -> bytes:
        stack = self.stack
        mine = self.listening if framing else "8N1"
        result = heard(data, baud, framing or "8N1", stack.baud, mine, self._random(), check_parity=True)
        self._note(
            "garbled in",
            len(data),
            f"{len(data)} octets heard as {len(result)}: the client is set to {_setting(baud, framing)}, the device"
            f" to {_setting(stack.baud, self.listening)}",
        )
        return result

    # -- towards the client -----------------------------------------------------------------------------------------

    def _transmit(self, data: bytes) -> None:
        """Octets of the stack that no arriving octets asked for; none where only its settings have changed."""
        if data:
            self._send(data, self.stack.baud, self.stack.character, False)
        else:
            self._follow()
        self._driver.settle(self._entry)
        if self.stack.drop:
            self.transport.hang_up()

    def _send(self, data: bytes, baud: int, framing: str, answer: bool) -> None:
        options = self._options
        if not self._attached:
            self._note("lost out", len(data), f"{len(data)} octets lost: the line does not reach the far end")
            return
        self.octets_out += len(data)
        self.said = data
        if self._tap is not None:
            self._tap(self._driver.clock.now, False, data)
        if framing == "7E1" and options.software_parity and not self.transport.framing():
            data = data.translate(EVEN_PARITY)
        wait = self.stack.turnaround / SECOND if answer and options.turnaround else 0.0
        # The far end's rate was looked at when the octets came that this answers.
        same_rate = (answer and self._rate_seen == baud) or self._same_rate(baud)
        if not self._out and not wait and not options.pacing and same_rate and self._same_framing(framing):
            self._write(data, baud, framing)
        elif self._out_octets + len(data) > BACKLOG:
            self._note("lost out", len(data), f"{len(data)} octets lost: {self._out_octets} still wait to go out")
        else:
            ready = self._heard_at + wait if wait else self._driver.loop.time()
            self._out.append(_Output(data, baud, framing, ready))
            self._out_octets += len(data)
            if self._out_timer is None:
                self._pump()

    def _write(self, data: bytes, baud: int, framing: str) -> None:
        """Hand octets to the port. Its own UART, if it has one, sends them so and then listens as the device does."""
        if self._follows:
            self.transport.follow(baud, framing)
        self.transport.write(data)
        self._follow()

    def _follow(self) -> None:
        """Set the port's own UART as the device listens."""
        if self._follows:
            self.transport.follow(self.stack.baud, self.listening)

    def _same_rate(self, baud: int) -> bool:
        """Whether the far end is set to hear this rate, as far as can be seen."""
        if not self._options.baud:
            return True
        far = self.transport.rate()
        return not far or far == baud

    def _same_framing(self, framing: str) -> bool:
        if not self._options.baud:
            return True
        far = self.transport.framing()
        return not far or far == framing

    def _pump(self) -> None:
        """Send what is ready; come back when more is."""
        loop = self._driver.loop
        self._out_timer = None
        while self._out:
            head = self._out[0]
            now = loop.time() + 1e-4
            if head.ready > now:
                self._out_timer = loop.call_at(head.ready, self._pump)
                return
            if not head.given_up and not self._same_rate(head.baud):
                if now < head.ready + GRACE:
                    self._out_timer = loop.call_later(POLL, self._pump)
                    return
                head.given_up = True
            if self._options.pacing:
                each = character_time(head.baud, head.framing) / SECOND
                step = min(len(head.data), max(1, round(SLICE / each)))
                # An octet is there when its last bit is: the first slice comes one slice later.
                if head.ready + step * each > now:
                    self._out_timer = loop.call_at(head.ready + step * each, self._pump)
                    return
                head.ready += step * each
                self.passed = head.ready
            else:
                step = len(head.data)
            piece, head.data = head.data[:step], head.data[step:]
            self._out_octets -= step
            if not head.data:
                self._out.popleft()
                if self._out:
                    self._out[0].ready = max(self._out[0].ready, head.ready)
            if not (self._same_rate(head.baud) and self._same_framing(head.framing)):
                piece = self._garbled(piece, head)
            self._write(piece, head.baud, head.framing)

    def _garbled(self, data: bytes, output: _Output) -> bytes:
        baud, framing = self.transport.rate() or output.baud, self.transport.framing()
        sent_as = output.framing if framing else "8N1"
        result = heard(data, output.baud, sent_as, baud, framing or "8N1", self._random(), check_parity=False)
        self._note(
            "garbled out",
            len(data),
            f"{len(data)} octets sent at {_setting(output.baud, output.framing)} are heard as {len(result)}: the client"
            f" is set to {_setting(baud, framing)}",
        )
        return result

    def _random(self) -> Random:
        if self._chance is None:
            self._chance = Random(f"{self._seed}/line")
        return self._chance

    def _note(self, counter: str, octets: int, text: str) -> None:
        self.counters[counter] += octets
        if self.explain is not None:
            self.explain(text)


def _setting(baud: int, framing: str) -> str:
    return f"{baud} Bd {framing}" if framing else f"{baud} Bd"


def _lost(data: bytes) -> None:
    """Where octets of a line that has gone go."""
