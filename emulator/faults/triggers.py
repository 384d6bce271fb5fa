"""What an injection can wait for: a frame, a request, an access to an object, a time of day, a balance.

A :class:`Trigger` is a line of a table, :data:`TRIGGERS`. People write a condition as its word and what that takes::

    frame 5                  the fifth frame from now on that comes to the device
    request 3                the third request that the device is to serve
    read 1-0:1.8.0           somebody reads the object, any of its attributes
    write 8/0-0:1.0.0 2      somebody writes attribute 2 of the object of class 8
    action 0-0:96.3.10 1     somebody runs method 1
    time 18:30               the device's own clock comes to that local time of day
    balance below 5.00       the prepayment balance is found below that, in pounds

A fault that waits for a frame, request or access begins before the device makes anything of it. All of it follows from
the rig's clock and what comes to the device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from emulator.faults.parameters import FaultError, ParameterError
from emulator.faults.watching import on_access, on_frame, on_request
from emulator.meter import Meter
from emulator.prepayment import money
from emulator.taps import Access, Attempt
from emulator.time import HOUR, MINUTE, Event
from protocols import obis
from protocols.dlms.datetime import DAY as SECONDS_OF_DAY

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.faults.fault import End
    from emulator.prepayment.account import Account

DEVICES: Final = ("hub", "electricity", "gas", "display")
METERS: Final = ("electricity", "gas")
WITH_LINES: Final = ("hub", "electricity")
"""Kinds of devices that clients reach; a gas meter they only know by its mirror, which is its hub's."""
MOST_COUNTED: Final = 1_000_000
LOOK_PERIOD: Final = MINUTE
"""How often a balance is looked at, ns."""
LONGEST_WAIT: Final = HOUR
"""A device's clock is looked at no later than after so long, ns, as somebody may set it."""

_COUNT = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?", re.ASCII)
_POUNDS = re.compile(r"(-?)([0-9]{1,4})(?:\.([0-9]{1,2}))?", re.ASCII)
_ELEMENT = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_LAST_ELEMENT = 127
_LAST_CLASS = 0xFFFF
_SHOWN = 60  # characters of a bad condition that are said again


Find: TypeAlias = "Callable[[], Device]"
"""Gives the device that is in its place now; a gas meter may have taken another's."""


class Condition(Protocol):
    """Something to wait for at a device; the text of one is as people write it."""

    @property
    def told(self) -> str:
        """What it waits for, in words that go after "waits for"."""
        ...

    def arm(self, find: Find, fire: Callable[[], None]) -> End:
        """Call ``fire`` each time it comes true, until the call that is returned; FaultError where it never can.

        Frames, requests and accesses are those of the device that is there when it is armed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Trigger:
    """A kind of condition: its word, how it is written, what it means, the kinds of devices that can have it."""

    name: str
    form: str
    text: str
    kinds: tuple[str, ...]
    read: Callable[[Sequence[str]], Condition | None]
    """The condition of the words that follow its own; None where they make no sense."""


def parse(where: str, text: str, kind: str) -> Condition:
    """The condition that a text means at a device of a kind; ParameterError for another, which says what there is."""
    shown = " ".join(text[:_SHOWN].split())
    words = text.split()
    trigger = TRIGGERS.get(words[0]) if words else None
    if trigger is None:
        forms = "; ".join(each.form for each in TRIGGERS.values())
        raise ParameterError(f"{where}: {shown or 'nothing'}: no such condition; there are {forms}")
    condition = trigger.read(words[1:])
    if condition is None:
        raise ParameterError(f"{where}: {shown}: must be {trigger.form}: {trigger.text}")
    if kind not in trigger.kinds:
        raise ParameterError(f"{where}: {shown}: is a condition of: {', '.join(trigger.kinds)}")
    return condition


# --- what is counted


@dataclass(frozen=True, slots=True)
class Counted:
    """Every nth of something that comes to the device, over all its lines, counted from when it is armed."""

    word: str
    nth: int

    @property
    def told(self) -> str:
        ordinal = "the next" if self.nth == 1 else f"the {_ordinal(self.nth)}"
        return f"{ordinal} {self.word} that comes to it"

    def __str__(self) -> str:
        return f"{self.word} {self.nth}"

    def arm(self, find: Find, fire: Callable[[], None]) -> End:
        seen = 0

        def came() -> None:
            nonlocal seen
            seen += 1
            if seen == self.nth:
                seen = 0
                fire()

        return (on_frame if self.word == "frame" else on_request)(find(), came)


def _counted(word: str) -> Callable[[Sequence[str]], Condition | None]:
    def read(words: Sequence[str]) -> Condition | None:
        if len(words) != 1 or not _COUNT.fullmatch(words[0]) or int(words[0]) > MOST_COUNTED:
            return None
        return Counted(word, int(words[0]))

    return read


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


# --- accesses to objects


@dataclass(frozen=True, slots=True)
class Accessed:
    """An access to an object: any of its attributes or methods where ``element`` is 0, any class where that is 0."""

    access: Access
    class_id: int
    name: bytes
    element: int

    @property
    def told(self) -> str:
        deed, what = ("run", "method") if self.access is Access.ACTION else (_WORDS[self.access], "attribute")
        which = f"{what} {self.element}" if self.element else f"any {what}"
        return f"somebody to {deed} {which} of {self._object}"

    def __str__(self) -> str:
        return f"{_WORDS[self.access]} {self._object}" + (f" {self.element}" if self.element else "")

    @property
    def _object(self) -> str:
        return (f"{self.class_id}/" if self.class_id else "") + obis.text(self.name)

    def arm(self, find: Find, fire: Callable[[], None]) -> End:
        device = find()
        if not any(self._means(spec.class_id, spec.logical_name) for spec in device.firmware.model.objects.values()):
            raise FaultError(f"{device.identity.device_id}: it has no object {self._object} to wait for")

        def accessed(attempt: Attempt) -> None:
            class_id, element = int.from_bytes(attempt.descriptor[:2], "big"), attempt.descriptor[8]
            wanted = attempt.access is self.access and self.element in (0, element)
            if wanted and self._means(class_id, attempt.logical_name):
                fire()

        return on_access(device, accessed)

    def _means(self, class_id: int, name: bytes) -> bool:
        return name == self.name and self.class_id in (0, class_id)


_WORDS = {Access.GET: "read", Access.SET: "write", Access.ACTION: "action"}


def _accessed(access: Access) -> Callable[[Sequence[str]], Condition | None]:
    def read(words: Sequence[str]) -> Condition | None:
        if len(words) not in (1, 2):
            return None
        class_text, slash, name_text = words[0].rpartition("/")
        element = words[1] if len(words) > 1 else "0"
        try:
            class_id = int(class_text) if slash and class_text.isascii() and class_text.isdigit() else -bool(slash)
            name = obis.parse(name_text)
        except ValueError:
            return None
        if not 0 <= class_id <= _LAST_CLASS or not (element == "0" or _ELEMENT.fullmatch(element)):
            return None
        return Accessed(access, class_id, name, int(element)) if int(element) <= _LAST_ELEMENT else None

    return read


# --- the time of day


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """The device's own clock comes to a local time of day, in seconds of the day; every day."""

    second: int

    @property
    def told(self) -> str:
        return f"its clock to show {time_of_day(self.second)}"

    def __str__(self) -> str:
        return f"time {time_of_day(self.second)}"

    def arm(self, find: Find, fire: Callable[[], None]) -> End:
        waiting = _Waiting(find, self.second, fire)
        return waiting.end


class _Waiting:
    """Waits for a local time of day of a device, again and again; a clock that was set is noticed within an hour."""

    __slots__ = ("_event", "_find", "_fire", "_second", "_target")

    def __init__(self, find: Find, second: int, fire: Callable[[], None]) -> None:
        self._find = find
        self._second = second
        self._fire = fire
        self._target = 0
        self._event: Event | None = None
        self._aim(self._local())

    def end(self) -> None:
        if self._event is not None:
            self._event.cancel()

    def _local(self) -> int:
        device = self._find()
        return device.device_clock.local(device.clock.now)

    def _aim(self, local: int) -> None:
        """Wait for the next such time after local second ``local``."""
        day, second = divmod(local, SECONDS_OF_DAY)
        self._target = (day + (second >= self._second)) * SECONDS_OF_DAY + self._second
        self._wait()

    def _wait(self) -> None:
        clock, own = self._find().clock, self._find().device_clock
        due = own.rig(own.utc_of_local(self._target))
        due = min(max(due, clock.now + 1), clock.now + LONGEST_WAIT)
        self._event = clock.schedule(due, self._look)

    def _look(self) -> None:
        local = self._local()
        if local >= self._target:
            self._aim(local)
            self._fire()
        elif self._target - local > SECONDS_OF_DAY:  # it was set back over midnight
            self._aim(local)
        else:
            self._wait()


def seconds_of_day(text: str) -> int | None:
    """Seconds of the day of ``18:30`` or ``18:30:15``; None of anything else."""
    found = _CLOCK.fullmatch(text)
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0)


def time_of_day(second: int) -> str:
    """``18:30``, with seconds where there are some."""
    text = f"{second // 3600:02}:{second // 60 % 60:02}"
    return f"{text}:{second % 60:02}" if second % 60 else text


def _time(words: Sequence[str]) -> Condition | None:
    second = seconds_of_day(words[0]) if len(words) == 1 else None
    return None if second is None else TimeOfDay(second)


# --- the balance


@dataclass(frozen=True, slots=True)
class BalanceBelow:
    """The meter balance is found below an amount, millipence; again once it was found at or above it."""

    amount: int

    @property
    def told(self) -> str:
        return f"its balance to be below {money.text(self.amount)} GBP"

    def __str__(self) -> str:
        return f"balance below {money.text(self.amount)}"

    def arm(self, find: Find, fire: Callable[[], None]) -> End:
        if _account(find()) is None:
            raise FaultError(f"{find().identity.device_id}: it has no prepayment balance to wait for")
        clock = find().clock
        above = True

        def look() -> None:
            nonlocal above, event
            event = clock.schedule(clock.now + LOOK_PERIOD, look)
            device = find()
            device.settle()
            account = _account(device)
            was, above = above, account is None or account.balance >= self.amount
            if was and not above:
                fire()

        event = clock.schedule(clock.now + 1, look)
        return lambda: event.cancel()


def _account(device: Device) -> Account | None:
    return device.account if isinstance(device, Meter) else None


def _balance(words: Sequence[str]) -> Condition | None:
    found = _POUNDS.fullmatch(words[1]) if len(words) == 2 and words[0] == "below" else None
    if found is None:
        return None
    amount = int(found[2]) * money.POUND + int((found[3] or "").ljust(2, "0")) * money.PENNY
    return BalanceBelow(-amount if found[1] else amount)


TRIGGERS: Final[Mapping[str, Trigger]] = {
    trigger.name: trigger
    for trigger in (
        Trigger(
            "frame", "frame N", "the Nth frame, 1 to 1000000, that comes to the device", WITH_LINES, _counted("frame")
        ),
        Trigger("request", "request N", "the Nth request that the device is to serve", WITH_LINES, _counted("request")),
        Trigger(
            "read",
            "read [CLASS/]OBJECT [ATTRIBUTE]",
            "somebody reads the object, such as 1-0:1.8.0 2",
            WITH_LINES,
            _accessed(Access.GET),
        ),
        Trigger(
            "write",
            "write [CLASS/]OBJECT [ATTRIBUTE]",
            "somebody writes the object, such as 8/0-0:1.0.0 2",
            WITH_LINES,
            _accessed(Access.SET),
        ),
        Trigger(
            "action",
            "action [CLASS/]OBJECT [METHOD]",
            "somebody runs a method of the object, such as 0-0:96.3.10 1",
            WITH_LINES,
            _accessed(Access.ACTION),
        ),
        Trigger("time", "time HH:MM[:SS]", "the device's own clock comes to that local time", DEVICES, _time),
        Trigger(
            "balance",
            "balance below POUNDS",
            "the prepayment balance is found below it, each minute, such as 5.00",
            METERS,
            _balance,
        ),
    )
}
"""Conditions by their words."""
