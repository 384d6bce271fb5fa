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

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from emulator.telling import Layer, at
from emulator.uart import EVEN_PARITY, SEVEN_BITS, character_time
from rigs.ports.mishearing import Mishearing
from rigs.ports.outgoing import SECOND, Outgoing
from rigs.ports.pacing import BACKLOG, SLICE, STRETCH, Arrivals
from rigs.ports.wire import LineOptions, Tap, Transport

if TYPE_CHECKING:
    from emulator.ports import Stack
    from emulator.telling import Teller
    from rigs.driver import Driver
    from rigs.ports.latency import Latency

RECENT = 32  # arrivals kept for whoever explains a silence
_NEAR = 100_000_000  # ns; a device that gives up so soon after what it heard waits for the rest of it


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
        self._latency = latency
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
        self._mishearing = Mishearing(seed or name, self._note)
        self.next_timeout = stack.next_timeout
        self._entry = driver.watch(self)
        self._arrivals = Arrivals(driver, self._arrive, self._waits)
        stretch = SLICE if shares_uart else STRETCH
        plain = not self._follows
        self._out = Outgoing(driver, transport, self._options, self._passed, plain=plain, stretch=stretch)
        self._heard = 0  # line time of the last octets that the stack heard
        self._heard_at = 0.0  # loop time at which they had passed
        self._rate_seen = 0  # the far end's rate at the last octets; 0 before any
        self._attached = True
        self.arrived: Callable[[bytes], None] = self._choose()
        stack.transmit = self._transmit
        stack.line = self
        if stack.gate is not None:
            self.rewired()
        driver.settle(self._entry)

    # -- what is modelled -------------------------------------------------------------------------------------------

    @property
    def options(self) -> LineOptions:
        """What is modelled now; may be set while the line runs."""
        return self._options

    @options.setter
    def options(self, options: LineOptions) -> None:
        self._options = self._out.options = self._applicable(options)
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
        if options.pacing:
            seen = options.baud and self.transport.rate() and not self.transport.framing()
            plain = seen and self._tap is None and not options.echo
            self._arrivals.arrived = self._at_its_pace if plain else self._arrive
            return self._paced
        if options.echo:
            return self._echoed
        if not options.turnaround and self._tap is None and not self._owns_uart:
            rate, framing = self.transport.rate(), self.transport.framing()
            if options.baud and rate and not framing:
                return self._at_one_rate()
            if not (options.baud and (rate or framing)) and self.stack.character == "8N1":
                return self._direct()
        return self._deliver

    def rewired(self) -> None:
        """Octets go by ``stack.way`` from now on: straight to the stack, or through the gate of a fault."""
        stack, latency = self.stack, self._latency
        way = stack.way
        self._receive = way.receive if latency is None else latency.timed(way.receive)
        self.next_timeout = self._entry.next_timeout = way.next_timeout
        stack.transmit = self._transmit if stack.gate is None else stack.gate.transmit
        self.arrived = self._choose()
        self._driver.settle(self._entry)

    def line_time(self) -> int:
        """The present, ns."""
        return self._driver.line_time

    @property
    def passed(self) -> float:
        """Loop time at which the octets that are sent now have passed, where octets take their time."""
        return self._out.passed

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
        self._drop_queues()
        self.stack.closed()
        self._driver.forget(self._entry)
        self.stack.line = None
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
        self.stack.way.timeout(now)
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
        keep, out = self.recent.append, self._out

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
                if stack.send_baud == baud and stack.send_character == "8N1" and not out.octets:
                    self.octets_out += len(answer)
                    write(answer)
                else:
                    self._send(answer, stack.send_baud, stack.send_character, True)
            settle(entry)
            if stack.drop:
                transport.hang_up()

        return arrived

    def _at_its_pace(self, data: bytes, baud: int) -> None:
        """The same where octets take their time: for octets that have passed and the rate they were sent at."""
        stack = self.stack
        if baud not in stack.bauds or "8N1" not in stack.characters:
            self._arrive(data, baud)
            return
        self._rate_seen = baud
        self.octets_in += len(data)
        self.recent.append(data)
        driver = self._driver
        self._heard = now = driver.now()
        self.said = answer = self._receive(data, now)
        if answer:
            self._heard_at = begin = self._arrivals.passed
            if stack.send_character == "8N1":
                self.octets_out += len(answer)
                if self._options.turnaround:
                    begin += stack.turnaround / SECOND
                if not self._out.add(answer, stack.send_baud, "8N1", begin):
                    self._crowded(len(answer))
            else:
                self._send(answer, stack.send_baud, stack.send_character, True)
        driver.settle(self._entry)
        if stack.drop:
            self.transport.hang_up()

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
        self._heard_at = self._driver.wheel.time()
        self.octets_in += len(data)
        self.recent.append(data)
        self.said = b""
        if baud and (baud not in stack.bauds or framing not in stack.characters):
            data = self._mishearing.overheard(data, baud, framing, stack.baud, self.listening)
        if data:
            self._hear(data, framing)

    def _echoed(self, data: bytes) -> None:
        self._echo(data)
        self._deliver(data)

    def _echo(self, data: bytes) -> None:
        self.transport.write(data)
        self.counters["echoed"] += len(data)

    def _paced(self, data: bytes) -> None:
        baud = self.transport.rate()
        each = character_time(baud or self.stack.baud, self.transport.framing() or "8N1") / SECOND
        if not self._arrivals.add(data, each, baud):
            self._note("overrun", len(data), f"{len(data)} octets lost: more than {BACKLOG} were on the wire already")

    def _waits(self) -> bool:
        """Whether the device has heard a part of something and gives it up unless the rest comes soon."""
        due = self.next_timeout()
        return due is not None and due - self._heard < _NEAR

    def _arrive(self, data: bytes, baud: int) -> None:
        """Octets have passed that were sent at this rate, as the far end's was seen then."""
        if self._options.echo:
            self._echo(data)
        self._heard_at = self._arrivals.passed
        self._taken(data, baud)

    def _deliver(self, data: bytes) -> None:
        if self._options.turnaround or self._options.pacing:
            self._heard_at = self._driver.wheel.time()
        self._taken(data, self.transport.rate())

    def _taken(self, data: bytes, baud: int) -> None:
        stack = self.stack
        self.octets_in += len(data)
        self.recent.append(data)
        self.said = b""
        framing = ""
        if self._options.baud:
            framing = self.transport.framing()
            before, self._rate_seen = self._rate_seen, baud
            if baud and baud not in stack.bauds and before in stack.bauds:
                data = self._written_before(data, before, framing)
            if data and ((baud and baud not in stack.bauds) or (framing and framing not in stack.characters)):
                data = self._mishearing.inwards(data, baud or stack.baud, framing, stack.baud, self.listening)
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
        stack = self.stack
        if not (framing or "8N1" in stack.characters or any(each[0] == "8" for each in stack.characters)):
            data = data.translate(SEVEN_BITS)
        self._heard = now = self._driver.now()
        if self._tap is not None:
            self._tap(self._driver.clock.now, True, data)
        answer = self._receive(data, now)
        if answer:
            # A change of rate or framing may come before or after what is said: that is the stack's to say.
            self._send(answer, stack.send_baud, stack.send_character, True)
        else:
            self._follow()
        self._driver.settle(self._entry)
        if stack.drop:
            self.transport.hang_up()

    # -- towards the client -----------------------------------------------------------------------------------------

    def _transmit(self, data: bytes) -> None:
        """Octets of the stack that no arriving octets asked for; none where only its settings have changed."""
        self.say(data, self.stack.baud, self.stack.character)

    def say(self, data: bytes, baud: int, character: str) -> None:
        """Send octets that no arriving octets asked for just now; none where only settings have changed."""
        if data:
            self._send(data, baud, character, False)
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
        out = self._out
        at_once = not (out.octets or wait or options.pacing)
        if at_once and self._same_rate(baud, answer) and out.framing_fits(framing):
            self._write(data, baud, framing)
            return
        begin = self._heard_at + wait if answer and (wait or options.pacing) else self._driver.wheel.time()
        if not out.add(data, baud, framing, begin):
            self._crowded(len(data))

    def _crowded(self, octets: int) -> None:
        self._note("lost out", octets, f"{octets} octets lost: {self._out.octets} still wait to go out")

    def _same_rate(self, baud: int, answer: bool) -> bool:
        """Whether the far end hears this rate; it was looked at when the octets came that an answer answers."""
        return (answer and self._rate_seen == baud) or self._out.rate_fits(baud)

    def _passed(self, data: bytes, baud: int, framing: str, fits: bool) -> None:
        """Octets that had to wait have passed."""
        if not fits:
            far = self.transport.rate() or baud
            data = self._mishearing.outwards(data, baud, framing, far, self.transport.framing())
        self._write(data, baud, framing)

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

    def _note(self, counter: str, octets: int, text: str) -> None:
        self.counters[counter] += octets
        if self.explain is not None:
            self.explain(text)


def _lost(data: bytes) -> None:
    """Where octets of a line that has gone go."""
