"""The supply: disconnect control of the load switch or gas valve (class 70) and the load limiter (class 71)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum

from emulator.nvm import Image, Saved
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

SECOND = 1_000_000_000
LIMITER_CLASS = 71
ACTIONS = "st{st{oct6,u16},st{oct6,u16}}"
"""actions of class 71: script table and selector for over and for under the threshold."""


class ControlState(IntEnum):
    """control_state of class 70. READY_FOR_RECONNECTION is what the field calls armed."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY_FOR_RECONNECTION = 2


class Way(IntEnum):
    """From where a disconnection or reconnection comes."""

    REMOTE = 0
    MANUAL = 1
    LOCAL = 2


class Transition(IntEnum):
    """What a request asks of the switch."""

    DISCONNECT = 0
    RECONNECT = 1


_NONE = frozenset[tuple[Transition, Way]]()
_DISCONNECT_REMOTE = (Transition.DISCONNECT, Way.REMOTE)
_DISCONNECT_MANUAL = (Transition.DISCONNECT, Way.MANUAL)
_DISCONNECT_LOCAL = (Transition.DISCONNECT, Way.LOCAL)
_RECONNECT_MANUAL = (Transition.RECONNECT, Way.MANUAL)
_RECONNECT_LOCAL = (Transition.RECONNECT, Way.LOCAL)

MODES: dict[int, tuple[frozenset[tuple[Transition, Way]], ControlState]] = {
    0: (_NONE, ControlState.CONNECTED),
    1: (
        frozenset((_DISCONNECT_REMOTE, _DISCONNECT_MANUAL, _DISCONNECT_LOCAL, _RECONNECT_MANUAL)),
        ControlState.READY_FOR_RECONNECTION,
    ),
    2: (
        frozenset((_DISCONNECT_REMOTE, _DISCONNECT_MANUAL, _DISCONNECT_LOCAL, _RECONNECT_MANUAL)),
        ControlState.CONNECTED,
    ),
    3: (
        frozenset((_DISCONNECT_REMOTE, _DISCONNECT_LOCAL, _RECONNECT_MANUAL)),
        ControlState.READY_FOR_RECONNECTION,
    ),
    4: (frozenset((_DISCONNECT_REMOTE, _DISCONNECT_LOCAL, _RECONNECT_MANUAL)), ControlState.CONNECTED),
    5: (
        frozenset((_DISCONNECT_REMOTE, _DISCONNECT_MANUAL, _DISCONNECT_LOCAL, _RECONNECT_MANUAL, _RECONNECT_LOCAL)),
        ControlState.READY_FOR_RECONNECTION,
    ),
    6: (
        frozenset((_DISCONNECT_REMOTE, _DISCONNECT_LOCAL, _RECONNECT_MANUAL, _RECONNECT_LOCAL)),
        ControlState.READY_FOR_RECONNECTION,
    ),
}
"""control_mode of class 70: the transitions it allows and where a remote reconnection leads (Blue Book, class 70)."""


class Cause(Enum):
    """Why a switch is open. It stays open while one of them holds."""

    SUPPLIER = "supplier"
    CREDIT = "credit"
    LIMIT = "limit"
    TEST = "valve test"


_NO_CAUSES: frozenset[Cause] = frozenset()
"""One for all switches: each call makes another, of 216 octets."""


@dataclass(slots=True)
class Mechanics:
    """How contact (or valve), feedback and button of a switch are while something is wrong with them.

    ``closed`` is where the contact is, ``opens`` and ``closes`` whether it can be driven, ``feedback`` whether the
    firmware is told where it is and not the contrary, ``button`` whether the customer's button works. ``leak`` is what
    a closed valve lets through, units an hour.
    """

    closed: bool
    opens: bool = True
    closes: bool = True
    feedback: bool = True
    button: bool = True
    leak: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.opens and self.closes and self.feedback and self.button and not self.leak

    @property
    def told(self) -> bool:
        """Whether the feedback says that the contact is closed."""
        return self.closed is self.feedback

    def drive(self, closed: bool) -> None:
        """Open or close the contact as far as it can be driven."""
        if self.closes if closed else self.opens:
            self.closed = closed

    def failing(self, closed: bool) -> bool:
        """Whether the firmware, which wants the contact ``closed`` or not, sees that it is otherwise."""
        return self.told is not closed or (not closed and self.leak > 0)


class SupplySwitch:
    """The switch of one device. ``moves`` is called before each change of state, with the new one.

    Where its contact is follows from the state, except through ``mechanics`` while something is wrong with them.
    """

    __slots__ = ("_moves", "causes", "mechanics", "mode", "state")

    def __init__(self, mode: int, moves: Callable[[ControlState], None]) -> None:
        self.mode = mode
        self.state = ControlState.CONNECTED
        self.causes = _NO_CAUSES
        """What keeps it open; none while it is armed or closed."""
        self.mechanics: Mechanics | None = None
        """What is wrong with it, None where nothing is."""
        self._moves = moves

    @property
    def closed(self) -> bool:
        """Whether the firmware has it closed."""
        return self.state is ControlState.CONNECTED

    @property
    def conducts(self) -> bool:
        """Whether energy can flow."""
        return self.closed if self.mechanics is None else self.mechanics.closed

    @property
    def output(self) -> bool:
        """output_state: whether the feedback of the contact says that energy can flow."""
        return self.closed if self.mechanics is None else self.mechanics.told

    @property
    def leak(self) -> int:
        """What it lets through although it is shut, units an hour."""
        return 0 if self.mechanics is None or self.mechanics.closed else self.mechanics.leak

    @property
    def button(self) -> bool:
        """Whether the customer's button works."""
        return self.mechanics is None or self.mechanics.button

    def image(self) -> Image:
        """State, mode and causes for the non-volatile memory."""
        causes = sorted(cause.value for cause in self.causes)
        return {"state": self.state.value, "mode": self.mode, "causes": causes}

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said, without a move."""
        mode = saved.number("mode")
        if mode not in MODES:
            raise ValueError(f"supply.mode: {mode}: 0 to {max(MODES)}")
        self.state, self.mode = ControlState(saved.number("state")), mode
        self.causes = frozenset(Cause(cause) for cause in saved.texts("causes"))

    def disconnect(self, way: Way, cause: Cause = Cause.SUPPLIER) -> None:
        """Open the switch; AccessRefused when the control mode forbids it in this way."""
        self._check(Transition.DISCONNECT, way)
        self.causes |= {cause}
        self._move(ControlState.DISCONNECTED)

    def release(self, cause: Cause) -> None:
        """A cause is over: a switch that no other keeps open is ready for the customer's button."""
        if cause in self.causes:
            self.causes -= {cause}
            if not self.causes:
                self._move(ControlState.READY_FOR_RECONNECTION)

    def reconnect(self, way: Way) -> None:
        """Close the switch, or arm it for the customer's button where the control mode says so.

        The supplier overrides everything but the want of credit, which is AccessRefused(other-reason).
        """
        if self.state is ControlState.CONNECTED:
            return
        if way is Way.REMOTE:
            allowed, state = MODES[self.mode]
            if not allowed:
                raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
            if Cause.CREDIT in self.causes:
                self.causes = frozenset((Cause.CREDIT,))
                raise AccessRefused(DataAccessResult.OTHER_REASON)
        else:
            self._check(Transition.RECONNECT, way)
            if way is Way.MANUAL and self.state is not ControlState.READY_FOR_RECONNECTION:
                raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
            state = ControlState.CONNECTED
        self.causes = _NO_CAUSES
        self._move(state)

    def _check(self, transition: Transition, way: Way) -> None:
        allowed, _ = MODES[self.mode]
        if (transition, way) not in allowed:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)

    def _move(self, state: ControlState) -> None:
        if state is not self.state:
            if self.mechanics is not None:
                self.mechanics.drive(state is ControlState.CONNECTED)
            self._moves(state)
            self.state = state


class Crossing(Enum):
    """What the load has done for long enough that the limiter acts."""

    OVER = "over"
    UNDER = "under"


class LoadLimiter:
    """Watches whether the power stays over a threshold, or comes back under it (class 71).

    Thresholds are in W, durations in seconds. A threshold of 0 means no limit. The owner asks :meth:`observe` at each
    instant at which the load may have crossed the threshold, at :attr:`due` and at :meth:`next_turn`.
    """

    __slots__ = (
        "_acted",
        "emergency_activation",
        "emergency_duration",
        "emergency_id",
        "emergency_threshold",
        "group_ids",
        "min_over",
        "min_under",
        "over",
        "since",
        "threshold_normal",
    )

    def __init__(self, threshold: int, min_over: int, min_under: int) -> None:
        self.threshold_normal = threshold
        self.emergency_threshold = threshold
        self.min_over = min_over
        self.min_under = min_under
        self.emergency_id = 0
        self.emergency_activation = 0
        """Device UTC (ns) at which the emergency profile begins."""
        self.emergency_duration = 0
        self.group_ids: tuple[int, ...] = ()
        self.over: bool = False
        self.since = 0
        self._acted = Crossing.UNDER

    def image(self) -> Image:
        """What clients have set, and what it has seen and done, for the non-volatile memory."""
        return {
            **{name: getattr(self, name) for name in _LIMITER_NUMBERS},
            "group_ids": list(self.group_ids),
            "over": self.over,
            "acted": self._acted.value,
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said."""
        for name in _LIMITER_NUMBERS:
            setattr(self, name, saved.number(name))
        self.group_ids = tuple(saved.numbers("group_ids"))
        self.over, self._acted = saved.flag("over"), Crossing(saved.text("acted"))

    @property
    def watching(self) -> bool:
        """Whether there is a limit, now or to come."""
        return self.threshold_normal > 0 or (self.emergency_duration > 0 and self.emergency_threshold > 0)

    @property
    def acting(self) -> bool:
        """Whether the load has been over the threshold for long enough that the limiter has acted."""
        return self._acted is Crossing.OVER

    def emergency(self, utc: int) -> bool:
        """Whether the emergency profile is active at device time ``utc``, ns."""
        begin = self.emergency_activation
        return bool(self.emergency_duration) and begin <= utc < begin + self.emergency_duration * SECOND

    def threshold(self, utc: int) -> int:
        """The threshold in force at device time ``utc``, W."""
        return self.emergency_threshold if self.emergency(utc) else self.threshold_normal

    def next_turn(self, utc: int) -> int | None:
        """Device UTC at which another threshold comes into force after ``utc``; None for never."""
        begin = self.emergency_activation
        turns = (begin, begin + self.emergency_duration * SECOND) if self.emergency_duration else ()
        return min((turn for turn in turns if turn > utc), default=None)

    def observe(self, now: int, utc: int, power: int) -> Crossing | None:
        """Take the power (W) of rig instant ``now``: what it has now done for long enough, each crossing once."""
        threshold = self.threshold(utc)
        over = threshold > 0 and power > threshold
        if over != self.over:
            self.over, self.since = over, now
        due = self.due
        if due is None or now < due:
            return None
        self._acted = Crossing.OVER if over else Crossing.UNDER
        return self._acted

    @property
    def due(self) -> int | None:
        """When the limiter acts if the load stays on this side, rig time in ns; None when it has acted already."""
        if self.over == (self._acted is Crossing.OVER):
            return None
        return self.since + (self.min_over if self.over else self.min_under) * SECOND


_LIMITER_NUMBERS = (
    "threshold_normal",
    "emergency_threshold",
    "min_over",
    "min_under",
    "emergency_id",
    "emergency_activation",
    "emergency_duration",
    "since",
)
