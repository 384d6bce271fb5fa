"""What people ask of a meter at a display, and what becomes of it: one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from emulator.display_known import At
from emulator.firmware import Notice
from protocols.zigbee.zcl.clusters import METERING, PREPAYMENT
from protocols.zigbee.zcl.clusters.metering import SupplyStatus
from protocols.zigbee.zcl.clusters.prepayment import OriginatingDevice, TopUpResult
from protocols.zigbee.zcl.foundation import Status

if TYPE_CHECKING:
    from emulator.display import Display
    from emulator.display_known import Known
    from emulator.display_speaker import Speaker

SELECT_EMERGENCY_CREDIT, TOP_UP = 0x00, 0x04
LOCAL_CHANGE_SUPPLY = 0x0C
"""Commands to the servers of Prepayment and Metering."""
ACCEPTED = frozenset(result for result in TopUpResult if result.name == "ACCEPTED" or result.name.startswith("SUPPLY"))
_SUPPLIES = {SupplyStatus.OFF: Notice.OFF, SupplyStatus.ARMED: Notice.ARMED, SupplyStatus.ON: Notice.ON}


class _Asked(NamedTuple):
    """What was asked last: which command of which cluster, of whom, and when (rig instant)."""

    at: At
    cluster: int
    command: int
    instant: int


class Orders:
    """Orders at one display. ``changed`` is called when there is something new to say about the last one."""

    __slots__ = ("_asked", "_changed", "_display", "_notice", "_speaker")

    def __init__(self, display: Display, speaker: Speaker, changed: Callable[[], None]) -> None:
        self._display = display
        self._speaker = speaker
        self._changed = changed
        self.forget()

    def forget(self) -> None:
        """Nothing has been asked."""
        self._asked: _Asked | None = None
        self._notice = Notice.DONE

    @property
    def notice(self) -> Notice:
        """What became of what was asked for last."""
        asked = self._asked
        if asked is not None and self._display.clock.now - asked.instant >= self._display.settings.answer_time:
            return Notice.NO_ANSWER
        return self._notice

    def top_up(self, meter: Known | None, digits: str) -> None:
        """Send the digits of a token."""
        code = digits.encode("ascii")
        self._order(meter, PREPAYMENT.id, TOP_UP, device=OriginatingDevice.DISPLAY, code=code)

    def arm(self, meter: Known | None) -> None:
        """Ask a meter to arm its supply, so that its own button closes the switch; not one whose supply is on, which
        that would cut."""
        if meter is not None and meter.supply == SupplyStatus.ON:
            self._asked, self._notice = None, Notice.ON
            return
        self._order(meter, METERING.id, LOCAL_CHANGE_SUPPLY, status=SupplyStatus.ARMED)

    def select_emergency_credit(self, meter: Known | None) -> None:
        """Ask a meter to make its emergency credit usable."""
        now = self._speaker.now()
        self._order(meter, PREPAYMENT.id, SELECT_EMERGENCY_CREDIT, time=now, device=OriginatingDevice.DISPLAY)

    def _order(self, meter: Known | None, cluster: int, command: int, **values: object) -> None:
        if meter is None:
            self._asked, self._notice = None, Notice.NO_METER
            return
        asked = _Asked(meter.at, cluster, command, self._display.clock.now)

        def done(delivered: bool) -> None:
            if not delivered and self._asked is asked:
                self._tell(Notice.NOT_DELIVERED)

        self._asked, self._notice = asked, Notice.SENT
        self._speaker.command(meter.at, cluster, command, done, **values)

    def answered(self, at: At, cluster: int, command: int, status: int) -> None:
        """A server says what became of a command."""
        if not self._is_about(at, cluster, command):
            return
        if status != Status.SUCCESS:
            self._tell(Notice.REFUSED)
        elif command != TOP_UP:  # of which the result comes by itself
            self._tell(Notice.ARMED if command == LOCAL_CHANGE_SUPPLY else Notice.DONE)

    def topped_up(self, result: int) -> None:
        """A meter says what it makes of a token from a display; late or not, people want to know."""
        self._tell(Notice[TopUpResult(result).name] if result in set(TopUpResult) else Notice.ERROR)

    def supply_changed(self, at: At, state: int) -> None:
        """A meter says what its supply is."""
        if self._is_about(at, METERING.id, LOCAL_CHANGE_SUPPLY) and state in set(SupplyStatus):
            self._tell(_SUPPLIES[SupplyStatus(state)])

    def _is_about(self, at: At, cluster: int, command: int) -> bool:
        asked = self._asked
        return asked is not None and asked[:3] == (at, cluster, command)

    def _tell(self, notice: Notice) -> None:
        self._asked, self._notice = None, notice
        self._changed()
