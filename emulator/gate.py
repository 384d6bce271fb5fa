"""The gate that octets of a line go through while something watches or spoils them: a fault, a condition.

Without any of that there is no gate, and a line and its stack talk to each other directly. With it, octets from the
line go through each :class:`Hazard` in turn before the stack has them, and what the stack says goes through them the
other way round. A gate stands between the line and its stack: what listens in on the line shows what a client says and
gets, not what the device believes.

Times are line time, ns. What is held back is in order, and bounded; a hazard that has gone leaves nothing behind, and
the gate goes too when nothing is held back any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from emulator.telling import Layer
from protocols.sniffer import Kind, Message, Sniffer

if TYPE_CHECKING:
    from emulator.ports import Stack

SILENCE = 250_000_000
"""After so long, ns, octets that make no message yet go on as they are, where whole messages are wanted."""
SPOILT = "spoilt by faults"
"""Counter of what was done to requests and answers."""
BACKLOG = 1 << 20
"""Octets that each direction holds back at most; what is over is lost."""
WATCHING, WIRE, AT_DEVICE = range(3)
"""Where a hazard sits, from the far end on: it only watches, is on the wire, or is the device's own."""
_DEEPEST = AT_DEVICE + 1


class Blow(NamedTuple):
    """What becomes of a message, or of octets: ``sendings`` go on ``delay`` ns later, one after the other.

    ``reply`` goes back to the client at once, for a message on its way to the device. ``remark`` says in words what was
    done, empty for nothing.
    """

    delay: int
    sendings: tuple[bytes, ...]
    remark: str = ""
    reply: bytes = b""


def unharmed(message: Message) -> Blow:
    """The message goes on as it is."""
    return Blow(0, (message.octets,))


class Hazard:
    """What is done on one line to all that passes it; one object for each line.

    ``whole`` wants whole messages put together, frames and the like; without it octets are hit as they come, as
    messages of ``Kind.NOISE``. ``depth`` is where it sits, :data:`WATCHING` to :data:`AT_DEVICE`; what the device would
    do it does not while it is silent. ``owner`` goes before what is said of it, such as ``fault F1 (wrong-fcs)``, and
    ``layer`` is who says so.
    """

    __slots__ = ("owner",)

    whole: ClassVar[bool] = False
    depth: ClassVar[int] = WIRE
    layer: ClassVar[Layer] = Layer.LINE

    def __init__(self, owner: str = "") -> None:
        self.owner = owner

    def hit(self, message: Message, now: int) -> Blow:
        """What becomes of the next message; ``message.inbound`` is whether it goes towards the device."""
        return unharmed(message)

    def told(self) -> None:
        """What was done to a message, as its remark says, has been told."""

    def opened(self, now: int) -> None:
        """The far end is there, on a line that is opened while the hazard is in force."""

    def next_due(self) -> int | None:
        """When :meth:`due` wants to be called; None: not at all."""
        return None

    def due(self, now: int) -> tuple[bytes, bytes]:
        """Line time has come to ``now``; octets that turn up by themselves: at the device, and at the client."""
        return b"", b""


class LineEnd(Protocol):
    """What a stack asks of the line that drives it."""

    def rewired(self) -> None:
        """Octets take another way from now on, that of ``Stack.way``; or what is due has changed."""
        ...

    def say(self, data: bytes, baud: int, character: str) -> None:
        """Send octets at these settings; none where only the stack's settings have changed."""
        ...

    def line_time(self) -> int:
        """The present."""
        ...


class Way(Protocol):
    """What a line drives: a stack, or the gate before it."""

    def receive(self, data: bytes, now: int) -> bytes: ...

    def next_timeout(self) -> int | None: ...

    def timeout(self, now: int) -> None: ...


class _Late(NamedTuple):
    """Octets that are held back until their time; ``baud`` and ``character`` are what the stack says them at."""

    due: int
    octets: bytes
    baud: int
    character: str


class _Lane:
    """One direction: what is held back, in order."""

    __slots__ = ("held", "octets")

    def __init__(self) -> None:
        self.held: deque[_Late] = deque()
        self.octets = 0

    def put(self, late: _Late) -> bool:
        """Hold it back, and not for less time than what came before; False where too much waits."""
        if self.octets + len(late.octets) > BACKLOG:
            return False
        if self.held:
            late = late._replace(due=max(late.due, self.held[-1].due))
        self.held.append(late)
        self.octets += len(late.octets)
        return True

    def take(self, now: int) -> _Late | None:
        """The next that is due by ``now``."""
        if not self.held or self.held[0].due > now:
            return None
        late = self.held.popleft()
        self.octets -= len(late.octets)
        return late


class Gate:
    """The hazards of one line, between it and its stack; a :class:`Way`."""

    __slots__ = ("_busy", "_flush_at", "_lanes", "_made", "_readers", "_said", "hazards", "stack")

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.hazards: tuple[Hazard, ...] = ()
        self._made: dict[object, Hazard] = {}  # by who made each
        self._readers = {inbound: self._reader() for inbound in (True, False)}
        self._lanes = {inbound: _Lane() for inbound in (True, False)}
        self._flush_at: int | None = None  # when what the client has begun goes on unfinished
        self._said: list[bytes] = []  # what goes to the client in this call
        self._busy = False

    def _reader(self) -> Sniffer:
        return Sniffer(wrapped=self.stack.wrapped, datagrams=self.stack.datagrams)

    # -- hazards ------------------------------------------------------------------------------------------------------

    def add(self, maker: object, hazard: Hazard) -> None:
        """One more, of a maker that has none here; one that is added while a message passes may hit that too."""
        self._made[maker] = hazard
        self._sort()
        self._rewired()

    def remove(self, maker: object) -> None:
        """One fewer, if that maker has one here. What is held back comes in its time, what is unfinished at once."""
        if self._made.pop(maker, None) is None:
            return
        self._sort()
        if self._flush_at is not None:
            self._flush_at = 0
        if not self._busy:
            self._retire()
        self._rewired()

    def _sort(self) -> None:
        self.hazards = tuple(sorted(self._made.values(), key=lambda each: each.depth))

    def opened(self, now: int) -> None:
        """The far end is there."""
        for hazard in self.hazards:
            hazard.opened(now)

    def clear(self) -> None:
        """The far end has gone: what is on the way is lost."""
        self._readers = {inbound: self._reader() for inbound in (True, False)}
        self._lanes = {inbound: _Lane() for inbound in (True, False)}
        self._flush_at = None
        self._said.clear()
        if not self._busy:
            self._retire()
            self._rewired()

    def _retire(self) -> None:
        """Nothing is left to do: the line talks to its stack again."""
        held = self.hazards or self._flush_at is not None or any(lane.held for lane in self._lanes.values())
        if not held and self.stack.gate is self:
            self.stack.gate = None

    def _rewired(self) -> None:
        if self.stack.line is not None:
            self.stack.line.rewired()

    # -- the way ------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: int) -> bytes:
        """Octets that came over the line; what goes back now."""
        self._busy = True
        self._late(now)
        for message in self._arriving(data, now):
            self._pass(message, now, 0, "")
        return self._leave()

    def transmit(self, data: bytes) -> None:
        """Octets of the stack that nothing asked for; none where its settings have changed."""
        stack, line = self.stack, self.stack.line
        assert line is not None
        if not data:
            line.say(data, stack.baud, stack.character)
            return
        busy, self._busy = self._busy, True
        self._leaving(data, line.line_time(), stack.baud, stack.character)
        if not busy and (out := self._leave()):
            line.say(out, stack.baud, stack.character)

    def next_timeout(self) -> int | None:
        """When :meth:`timeout` is to be called."""
        due = [self.stack.next_timeout(), self._flush_at]
        due += [lane.held[0].due for lane in self._lanes.values() if lane.held]
        due += [hazard.next_due() for hazard in self.hazards]
        return min((each for each in due if each is not None), default=None)

    def timeout(self, now: int) -> None:
        """Line time has come to ``now``."""
        stack = self.stack
        self._busy = True
        self._late(now)
        due = stack.next_timeout()
        if due is not None and due <= now:
            stack.timeout(now)
        self._say_rest(stack.line)

    def turn_up(self, reaching: bytes, leaving: bytes) -> None:
        """Octets turn up by themselves, at the device and at the client; nothing while there is no line."""
        line = self.stack.line
        if line is None:
            return
        busy, self._busy = self._busy, True
        self._said.append(leaving)
        if reaching:
            self._reach(reaching, line.line_time())
        if not busy:
            self._say_rest(line)

    def _say_rest(self, line: LineEnd | None) -> None:
        """The end of a call that no octets of the client began."""
        baud, character = self.stack.send_baud, self.stack.send_character
        out = self._leave()
        if line is not None and out:
            line.say(out, baud, character)

    def _leave(self) -> bytes:
        """The end of a call: what there is for the client."""
        self._busy = False
        out = b"".join(self._said)
        self._said.clear()
        self._retire()
        if self.stack.gate is None:
            self._rewired()
        return out

    # -- what passes --------------------------------------------------------------------------------------------------

    def _arriving(self, data: bytes, now: int) -> list[Message]:
        """What the octets of a client make."""
        if not any(hazard.whole for hazard in self.hazards) and self._flush_at is None:
            return [Message(Kind.NOISE, True, data)]
        messages = self._readers[True].see(True, data)
        self._flush_at = now + SILENCE if self._readers[True].waiting else None
        return messages

    def _leaving(self, data: bytes, now: int, baud: int, character: str) -> None:
        """What the stack says: whole messages."""
        if any(hazard.whole for hazard in self.hazards):
            reader = self._readers[False]
            messages = reader.see(False, data) + reader.flush()
        else:
            messages = [Message(Kind.NOISE, False, data)]
        for message in messages:
            self._pass(message, now, baud, character)

    def _pass(self, message: Message, now: int, baud: int, character: str, below: int = _DEEPEST) -> None:
        """A message goes by the hazards that are less deep and on, or waits for its time."""
        inbound = message.inbound
        lane = self._lanes[inbound]
        for octets, delay in self._struck(message, now, below):
            if delay or lane.held:
                if not lane.put(_Late(now + delay, octets, baud, character)):
                    self.stack.note("octets lost", f"{len(octets)} octets lost: too many wait", len(octets), Layer.LINE)
            elif inbound:
                self._reach(octets, now)
            else:
                self._said.append(octets)

    def _struck(self, message: Message, now: int, below: int) -> list[tuple[bytes, int]]:
        """The octets that go on of a message, and how much later."""
        going = [(message, 0)]
        done: list[Hazard] = []
        while (hazard := self._next(message.inbound, below, done)) is not None:
            done.append(hazard)
            left: list[tuple[Message, int]] = []
            for each, before in going:
                blow = hazard.hit(each, now)
                if blow.remark:
                    self._tell(hazard, each, blow.remark)
                if blow.reply:
                    self._reply(blow.reply, now, hazard.depth)
                for octets in blow.sendings:
                    same = [each] if octets is each.octets else self._again(each, octets)
                    left += [(piece, before + blow.delay) for piece in same]
            going = left
        return [(each.octets, delay) for each, delay in going]

    def _next(self, inbound: bool, below: int, done: list[Hazard]) -> Hazard | None:
        """The next one on the way; what a device does wrong it does not while it is silent."""
        order: Iterable[Hazard] = self.hazards if inbound else reversed(self.hazards)
        deepest = min(below, AT_DEVICE) if self.stack.silent else below
        return next((each for each in order if each.depth < deepest and each not in done), None)

    def _reply(self, octets: bytes, now: int, below: int) -> None:
        """Octets go back from where a hazard is."""
        for message in self._messages(False, octets):
            self._pass(message, now, self.stack.send_baud, self.stack.send_character, below)

    def _again(self, message: Message, octets: bytes) -> list[Message]:
        """What a hazard has made of a message, for the next one."""
        if message.kind is Kind.NOISE or len(self.hazards) < 2:
            return [Message(Kind.NOISE, message.inbound, octets)]
        return self._messages(message.inbound, octets)

    def _messages(self, inbound: bool, octets: bytes) -> list[Message]:
        """What octets make by themselves."""
        reader = self._reader()
        return reader.see(inbound, octets) + reader.flush()

    def _tell(self, hazard: Hazard, message: Message, remark: str) -> None:
        what = "a request" if message.inbound else "an answer"
        sentence = f"{hazard.owner}: {what} of {len(message.octets)} octets: {remark}"
        self.stack.note(SPOILT, sentence, 1, hazard.layer)
        hazard.told()

    def _reach(self, octets: bytes, now: int) -> None:
        """Octets reach the device; what it answers."""
        stack = self.stack
        answer = stack.receive(octets, now)
        if answer:
            self._leaving(answer, now, stack.send_baud, stack.send_character)

    def _late(self, now: int) -> None:
        """What was held back until now, what was never finished, and what turns up by itself."""
        while (late := self._lanes[False].take(now)) is not None:
            if self.stack.line is not None:
                self.stack.line.say(late.octets, late.baud, late.character)
        while (late := self._lanes[True].take(now)) is not None:
            self._reach(late.octets, now)
        if self._flush_at is not None and self._flush_at <= now:
            self._flush_at = None
            for message in self._readers[True].flush():
                self._pass(message, now, 0, "")
        for hazard in self.hazards:
            due = hazard.next_due()
            if due is not None and due <= now:
                reaching, leaving = hazard.due(now)
                if leaving:
                    self._said.append(leaving)
                if reaching:
                    self._reach(reaching, now)
