"""What electricity and gas meters share: metering, tariff, profiles made when they are read, the supply.

A meter's life is cut into segments at irregular events (clock set, load changed, supply or power switched, tariff
settings changed). Within a segment everything follows from the state at its start. Settling walks over what changes
state by itself: switching instants, and what the account does. Profile rows are made by :meth:`Meter.materialise`,
which replays the segments over their capture boundaries with the same getters that a client reads, and then forgets
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, TypeVar

from emulator import schedules
from emulator.cosem.model import Quantity
from emulator.demand import Demand
from emulator.device import (
    NEVER,
    STATUS_CLOCK_INVALID,
    STATUS_DAYLIGHT_SAVING,
    Device,
    Identity,
)
from emulator.events import EventName
from emulator.firmware import FirmwareProfile, TokenSettings
from emulator.load import MICRO, UNIT, Constant, Load
from emulator.measuring import Distortion
from emulator.metering import IMPORT, Intervals, Metering
from emulator.nvm import Image, Saved
from emulator.prepayment.account import Account
from emulator.prepayment.credit import AccountCredit
from emulator.prepayment.keypad import Keypad
from emulator.prepayment.quantities import ACCOUNT_QUANTITIES, account_of
from emulator.replay import Replay, State, capture_periods
from emulator.schedules import Due
from emulator.scripts import execute
from emulator.security import KeyRing
from emulator.supply import Cause, ControlState, SupplySwitch, Way
from emulator.tariff import (
    NO_PLAN,
    Plan,
    Switching,
    activate_passive,
    current_plan,
    first_mask,
    next_activation,
    tariff_registers,
)
from emulator.time import SECOND, Clock, Event
from protocols.dlms import datetime
from protocols.dlms.objects import AccessRefused

Found = TypeVar("Found")

MAX_SEGMENTS = 32
MAX_RATES = 48
_SUPPLY_EVENTS: dict[ControlState, EventName] = {
    ControlState.DISCONNECTED: "supply_disabled",
    ControlState.CONNECTED: "supply_enabled",
    ControlState.READY_FOR_RECONNECTION: "supply_armed",
}


class Meter(Device):
    """A device that meters something through one supply."""

    __slots__ = (
        "_captured",
        "_due",
        "_intervals",
        "_keypad",
        "_marked",
        "_materialised",
        "_money",
        "_next_action",
        "_next_due",
        "_next_month",
        "_next_switch",
        "_reselect",
        "_segments",
        "_stale",
        "_switching",
        "account",
        "demand",
        "metering",
        "plan",
        "switch",
    )

    def __init__(
        self,
        firmware: FirmwareProfile,
        identity: Identity,
        clock: Clock,
        seed: int,
        ring: KeyRing,
        installed_at: int,
        load: Load,
        reactive: int = 0,
    ) -> None:
        """``reactive`` is reactive energy in thousandths of active energy."""
        super().__init__(firmware, identity, clock, seed, ring, installed_at)
        settings = firmware.metering
        count = max(tariff_registers(firmware.model).values(), default=-1) + 1
        self.metering = Metering(load, installed_at, max(count, settings.tou_registers if settings else 0), reactive)
        self.demand = (
            Demand(settings.demand_period, settings.demand_periods) if settings and settings.demand_period else None
        )
        self._intervals = tuple(Intervals(period) for period in capture_periods(firmware))  # the shortest first
        self._captured: Intervals | None = None
        self.plan: Plan = NO_PLAN
        self.switch = SupplySwitch(firmware.supply.control_mode if firmware.supply else 0, self._supply_moved)
        self._segments: list[State] = []
        self._materialised = installed_at
        self._marked = self._stale = self._reselect = True
        self._next_due = 0
        self._next_switch = self._next_month = self._next_action = NEVER
        self._switching: Switching | None = None
        self._due: Due | None = None
        self._keypad: Keypad | None = None
        self._money: Event | None = None
        prepayment = firmware.prepayment
        self.account = Account(self, prepayment, clock.now) if prepayment else None
        """The customer's account, None for a firmware without one."""
        if prepayment and prepayment.prepayment:
            self.money_changed()

    # --- time

    def settle_to(self, instant: int) -> None:
        if instant <= self.time:
            return
        if instant < self._next_due:
            self.time = instant
            return
        settling, self._settling = self._settling, True
        try:
            self._walk(instant)
        finally:
            self._settling = settling

    def _walk(self, target: int) -> None:
        """Go to ``target`` over every instant at which something changes by itself."""
        while True:
            if self._stale:
                self._look_ahead()
            if self._marked:
                self._open_segment()
            account = self.account
            money = account.due if account else NEVER
            due = self._next_due = min(self._next_month, self._next_switch, self._next_action, money)
            if due > target:
                self.time = target
                return
            self.time = max(due, self.time)
            if account and money <= due:
                account.run()
            if due == self._next_month:
                self._close_month()
                self._find_month_end()
            if due == self._next_switch:
                self._run_switching()
                self._find_switching()
            if due == self._next_action:
                self._run_action()
                self._find_action()

    def _look_ahead(self) -> None:
        """Compile the plan anew after settings or the clock have changed, and find what comes next."""
        plan = current_plan(self.internal)
        metering = self.metering
        if plan is not self.plan or self._reselect:
            self.plan = plan
            switching = plan.in_force(self.local)
            mask = (switching.mask if switching else None) or metering.mask or first_mask(self.internal)
            self._count_by(mask, plan.masks.get(mask, ()))
        self._stale = self._reselect = False
        self._find_month_end()
        self._find_switching()
        self._find_action()

    def _ahead(self, find: Callable[[int], tuple[int, Found] | None]) -> tuple[int, Found | None]:
        """The rig instant of what ``find`` gives next after a local second, and what it is; NEVER for nothing.

        In the hour that comes twice, what was due in its first time is not due again.
        """
        clock = self.device_clock
        now, local = clock.utc(self.time), self.local
        while (found := find(local)) is not None:
            local, what = found
            utc = clock.utc_of_local(local)
            if utc > now:
                return clock.rig(utc), what
        return NEVER, None

    def ahead(self, find: Callable[[int], int | None]) -> int:
        """The rig instant of the local second that ``find`` gives next after a local second; NEVER for none."""
        at, _ = self._ahead(lambda local: None if (found := find(local)) is None else (found, None))
        return at

    def _find_month_end(self) -> None:
        self._next_month, _ = self._ahead(_month_end)

    def _find_switching(self) -> None:
        self._next_switch, self._switching = self._ahead(self.plan.next)

    def _find_action(self) -> None:
        self._next_action, self._due = self._ahead(self._next_scheduled)

    def _close_month(self) -> None:
        """The billing period ends; without power nobody notices."""
        if self.mains:
            self.metering.billing_count += 1
            if self.demand:
                self.demand.reset(self.metering, self.device_clock, self.time)

    def _run_switching(self) -> None:
        # where an hour was skipped, several may be due at once and the last one holds
        switching = self.plan.in_force(self.local) if self.device_clock.dst_enabled else self._switching
        if switching is None:
            return
        if switching.mask is not None:
            registers = self.plan.masks.get(switching.mask)
            if registers is not None:
                self._count_by(switching.mask, registers)
        elif self.mains:
            self.run_script(switching.table, switching.selector)

    def _run_action(self) -> None:
        due = self._due
        if due is None:
            return
        if due.table == _PASSIVE_CALENDAR:
            self.activate_calendar()
        elif self.mains:
            self.run_script(due.table, due.selector)

    def run_script(self, table: bytes, selector: int) -> None:
        """Run a script because it is due; one that is refused is left, as there is nobody to tell."""
        self.begin_change()
        try:
            execute(self.internal, table, selector)
        except AccessRefused:
            return

    # --- irregular events

    def begin_change(self, status: int = 0) -> None:
        for intervals in self._intervals:
            self._close_interval(intervals)
            intervals.closed = -1
            intervals.open_status |= status
        if self.demand:
            self.demand.update(self.metering, self.device_clock, self.time)
            self.demand.closed = -1
        self.metering.begin(self.time)
        self._marked = True
        self._next_due = 0
        if self.account:
            self.account.disturb()

    def changed(self) -> None:
        self.begin_change()
        self._stale = True

    def clock_moved(self) -> None:
        self._stale = self._reselect = True
        self._next_due = 0
        self.money_changed()

    def clock_jumped(self) -> None:
        if self.account:
            self.account.recollect()

    def set_load(self, load: Load) -> None:
        """Draw another load from now on."""
        self.settle()
        self.begin_change()
        self._draw(load)

    def power_changed(self) -> None:
        self._let_flow(self.switch.conducts)
        if self.mains:
            self._make_up_missed()
        self.reconsider()
        self.money_changed()

    def _supply_moved(self, state: ControlState) -> None:
        """The supply switch is about to move to ``state``."""
        closed = state is ControlState.CONNECTED
        switch = self.switch
        mechanics, switched = switch.mechanics, closed != switch.closed
        if switched:
            self.begin_change()
            self._let_flow(closed if mechanics is None else mechanics.closed)
        self.record(_SUPPLY_EVENTS[state])
        if switched:
            self.supply_switched(closed)
            self.money_changed()
            if mechanics is not None and mechanics.failing(closed):
                self.record("supply_failed")

    def press_button(self) -> bool:
        """The customer's button: closes a switch that is armed. Whether the supply is on after it."""
        return self.close_armed() if self.switch.button else self.switch.closed

    def close_armed(self) -> bool:
        """Close a switch that is armed, as somebody on the spot asks for. Whether the supply is on after it."""
        self.settle()
        if self.mains:
            with suppress(AccessRefused):
                self.switch.reconnect(Way.MANUAL)
                self.commit()
        return self.switch.closed

    def supply_switched(self, closed: bool) -> None:
        """The supply has been switched on or off."""

    # --- what is wrong with it

    def distort(self, distortion: Distortion) -> Callable[[], None]:
        """Count what ``distortion`` makes of the load from now on, on top of what others make; the call ends it."""
        self._distort((*self.metering.wrongs.distortions, distortion))
        return lambda: self._distort(tuple(each for each in self.metering.wrongs.distortions if each is not distortion))

    def _distort(self, distortions: tuple[Distortion, ...]) -> None:
        self.settle()
        self.begin_change()
        self.metering.go_wrong(replace(self.metering.wrongs, distortions=distortions))
        self._draw(self._drawn)

    def follow_switch(self) -> None:
        """Count from now on what the switch lets through whose mechanics have changed; :meth:`begin_change` first."""
        self._let_flow(self.switch.conducts)
        self.metering.use(self._counting(self.metering.drawn), self.metering.drawn)
        self.reconsider()
        self.money_changed()

    def come(self) -> None:
        """Be brought to the present because something happens to the meter, whether it has power or not."""
        if self.mains:
            self.attend()
        else:
            self.settle_to(self.clock.now)

    def notice(self, event: EventName) -> None:
        """Log something that the meter senses of what is done to it; it does so without mains too."""
        self.record(event)

    @property
    def _drawn(self) -> Load:
        """What is drawn at present."""
        return self.metering.drawn

    def _draw(self, load: Load) -> None:
        """Draw a load from now on, and count what the meter makes of it; :meth:`begin_change` comes first."""
        self._use(load)
        self.reconsider()
        self.money_changed()

    def _use(self, load: Load) -> None:
        self.metering.use(self._counting(load), load)

    def _counting(self, load: Load) -> Load:
        """What is counted while ``load`` is drawn; through a switch that is open there is but what it leaks."""
        if self.switch.leak:
            load = Constant(self.switch.leak * MICRO)
        for distortion in self.metering.wrongs.distortions:
            load = distortion(load)
        return load

    def _let_flow(self, conducts: bool) -> None:
        """Count what a supply lets through that conducts or not."""
        metering, mechanics = self.metering, self.switch.mechanics
        metering.flowing = self.mains and (conducts or self.switch.leak > 0)
        if mechanics is not None and mechanics.leak:
            metering.use(self._counting(metering.drawn), metering.drawn)

    # --- money

    charged_by: ClassVar[str] = "energy.import"
    """Source of the register that energy is charged by."""

    @property
    def consumption_unit(self) -> int:
        """How much of what :meth:`consumed` gives is one watt-hour."""
        return UNIT

    def consumed(self, t: int) -> int:
        """What has been drawn until rig instant ``t``, exact; for a time to come, if nothing changes until then."""
        return self.metering.imported(t)

    @property
    def limited(self) -> bool:
        """Whether the load limiter holds the supply down."""
        return False

    @property
    def keypad(self) -> Keypad:
        """The meter's buttons and display."""
        if self._keypad is None:
            self._keypad = Keypad(self)
        return self._keypad

    def cut_supply(self) -> None:
        """Open the supply for want of credit; a control mode that knows no local disconnection leaves it closed."""
        with suppress(AccessRefused):
            self.switch.disconnect(Way.LOCAL, Cause.CREDIT)

    def money_changed(self) -> None:
        """The course of money has changed: in prepayment mode, look what happens next at the rig clock's next step."""
        self._next_due = 0
        if self._money is not None:
            self._money.cancel()
            self._money = None
        if self.account and self.account.watches and self.mains:
            self._money = self.clock.schedule(self.clock.now, self._mind_money)

    def _mind_money(self) -> None:
        """Be there when the account does something that somebody would notice."""
        self._money = None
        self.attend()
        account = self.account
        if account and self._money is None and account.watches and self.mains:
            due = min(account.due, self._next_switch, self._next_action)
            if due != NEVER:
                self._money = self.clock.schedule(max(due, self.clock.now + 1), self._mind_money)

    def attend(self) -> None:
        """Come to the present because something is to be done."""
        self.settle()

    def touched(self) -> bool:
        """Somebody is at the meter: whether it notices, with power and booted. It comes to the present."""
        if self.ready:
            self.attend()
        return self.ready

    def token_secret(self, tokens: TokenSettings) -> bytes:
        """The secret that it shares with the issuer of its tokens."""
        return self.ring.key("token.secret", tokens.scheme.secret_octets)

    def token_originator(self, tokens: TokenSettings) -> bytes:
        """Who issues its tokens, 8 octets: of the rig file, else of the profile."""
        return self.ring.key("token.originator", 0) or tokens.originator

    def _open_segment(self) -> None:
        if len(self._segments) >= MAX_SEGMENTS:
            self.materialise()
        self._segments.append(self._state().copy())
        self._marked = False

    def _state(self) -> State:
        return State(self.time, self.metering, self._intervals, self.demand, self.device_clock, self.mains, self.plan)

    def _restore(self, state: State) -> None:
        self.time, self.metering, self._intervals, self.demand, self.device_clock, self.mains, self.plan = state

    # --- non-volatile memory

    def parts(self) -> dict[str, Image]:
        """Those of a device, what was counted, and the account; rows of profiles are not among them."""
        for intervals in self._intervals:
            self._close_interval(intervals)
        parts = super().parts()
        parts["metering"] = self.metering.image(self.time)
        parts["intervals"] = {str(intervals.period): intervals.image() for intervals in self._intervals}
        parts["supply"] = self.switch.image()
        if self.demand:
            self.demand.update(self.metering, self.device_clock, self.time)
            parts["demand"] = self.demand.image()
        if self.account:
            parts["account"] = self.account.image()
        return parts

    def restore(self, parts: Mapping[str, Saved]) -> None:
        """As a device; profiles begin anew at the instant that is restored."""
        super().restore(parts)
        self.metering.restore(parts["metering"], self.time)
        saved = parts["intervals"]
        for intervals in self._intervals:
            if str(intervals.period) in saved:
                intervals.restore(saved.table(str(intervals.period)))
        self.switch.restore(parts["supply"])
        if self.demand:
            self.demand.restore(parts["demand"])
        if self.account:
            self.account.restore(parts["account"].fields)
        self._segments.clear()
        self._materialised = self.time
        self._marked = self._stale = self._reselect = True
        self._next_due = 0

    def reconcile(self) -> None:
        if self.switch.mechanics is not None:
            self.switch.mechanics.drive(self.switch.closed)
        self._let_flow(self.switch.conducts)
        if self.account:
            self.account.consumption.count_again()

    # --- rows

    def materialise(self) -> None:
        now = self.time
        if self._materialised == now or not self._segments:
            return
        live = self._state()
        replay = Replay(self, self._segments, now)
        settling, self._settling = self._settling, True
        try:
            for number, segment in enumerate(self._segments):
                self._restore(segment)
                replay.run(number)
        finally:
            self._captured = None
            self._restore(live)
            self._settling = settling
        self._materialised = now
        self._segments.clear()
        if not self._marked:
            for intervals in self._intervals:
                self._close_interval(intervals)
            if self.demand:
                self.demand.update(self.metering, self.device_clock, now)
            self._segments.append(live.copy())

    def midnight(self, day: int) -> int | None:
        """The register of import, whole units, at the beginning of a local day since 1970 whose rows are not made yet.

        None for a day whose rows are made, that is to come, or that began while there was no power.
        """
        end = self.time
        for segment in reversed(self._segments):
            begin = segment.clock.rig(segment.clock.utc_of_local(day * datetime.DAY))
            if begin > end:
                return None
            if begin > segment.time:
                return segment.metering.total(IMPORT, begin) if segment.mains else None
            end = segment.time
        return None

    def interval(self) -> Intervals:
        """The last complete interval: of the capture under way, or by the profile's shortest capture period."""
        intervals = self._captured
        if intervals is None:
            intervals = self._intervals[0]
            self._close_interval(intervals)
        return intervals

    def _close_interval(self, intervals: Intervals) -> None:
        """Bring ``intervals`` up to the last boundary there was."""
        clock = self.device_clock
        now = clock.utc(self.time)
        period = intervals.period
        boundary = now - now % period
        if boundary == intervals.closed or not self.mains:
            return
        metering = self.metering
        at = clock.rig(boundary)
        if at <= metering.start:
            return
        before = boundary - period
        if before != intervals.closed:
            at_before = clock.rig(before)
            if at_before > metering.start:
                intervals.close(before, metering.totals(at_before), 0)
        intervals.close(boundary, metering.totals(at), self._clock_status(boundary))

    def _clock_status(self, utc: int) -> int:
        clock = self.device_clock
        status = STATUS_CLOCK_INVALID if clock.invalid else 0
        return status | STATUS_DAYLIGHT_SAVING if clock.daylight_saving(utc // SECOND) else status

    def use_interval(self, period: int) -> None:
        """Rows captured next are about the last interval of ``period`` ns, 0 for the shortest there is."""
        intervals = self._intervals[0]
        if period and period != intervals.period:
            intervals = next(each for each in self._intervals if each.period == period)
        self._close_interval(intervals)
        self._captured = intervals

    # --- tariff and schedules

    def select_mask(self, mask: bytes) -> None:
        """Let the tariff registers of a mask count from now on; ValueError for a mask that does not exist."""
        if self._stale:
            self._look_ahead()
        plan = self.plan
        if mask not in plan.masks:
            raise ValueError(f"no mask {mask!r}; known: {', '.join(map(repr, plan.masks))}")
        self.begin_change()
        self._count_by(mask, plan.masks[mask])

    def _count_by(self, mask: bytes, registers: tuple[int, ...]) -> None:
        """Other tariff registers count from now on, and energy may cost another price."""
        if self.account:
            self.account.fold()
        self.metering.switch(self.time, mask, registers)
        if self.account:
            self.account.rate_changed()

    def activate_calendar(self) -> None:
        """Make the passive calendar the active one (class 20, method 1)."""
        if activate_passive(self.internal):
            self.changed()
            self.record("calendar_activated")

    def _next_scheduled(self, local: int) -> tuple[int, Due] | None:
        """The next script or calendar activation due after a local second, and when."""
        found = schedules.next_due(self.internal, self.plan.special, local)
        activation = next_activation(self.internal, local)
        if activation is not None and (found is None or activation < found.local):
            found = Due(activation, _PASSIVE_CALENDAR, 0)
        return (found.local, found) if found else None

    def _make_up_missed(self) -> None:
        """Run the entries of schedules that fell due without power and are still valid."""
        for entries in schedules.tables(self.internal):
            for due in schedules.missed(entries, self.plan.special, self.switched_off_local, self.local):
                self.run_script(due.table, due.selector)


_PASSIVE_CALENDAR = b""
"""Stands in :class:`Due` for the activation of the passive calendar, which is no script."""


def _month_end(local: int) -> tuple[int, None]:
    """The first second of the month after a local second."""
    year, month, _ = datetime.civil(local // datetime.DAY)
    return datetime.days_of(year + month // 12, month % 12 + 1, 1) * datetime.DAY, None


def register_quantity(channel: int) -> Quantity:
    """The register of a channel as it is shown: whole units, 32 bits, rolling over."""
    if channel == IMPORT:
        return Quantity("u32", lambda meter: meter.metering.present(meter.time) // UNIT & _REGISTER)
    return Quantity("u32", lambda meter: meter.metering.total(channel, meter.time) & _REGISTER)


def interval_quantity(channel: int) -> Quantity:
    """What a channel counted in the last complete interval."""
    return Quantity("u32", lambda meter: meter.interval().last[channel] & _REGISTER)


def rate_family(member: str) -> Quantity:
    """Tariff register number ``member``, from 1."""
    if not member.isdigit() or not 1 <= int(member) <= MAX_RATES:
        raise ValueError(f"tariff registers are numbered from 1 to {MAX_RATES}")
    register = int(member) - 1
    return Quantity("u32", lambda meter: meter.metering.rate_total(register, meter.time) & _REGISTER)


_REGISTER = 0xFFFF_FFFF

METER_QUANTITIES: Mapping[str, Quantity] = {
    "billing.count": Quantity("u16", lambda meter: meter.metering.billing_count & 0xFFFF),
    "interval.status": Quantity("u8", lambda meter: meter.interval().status),
    **ACCOUNT_QUANTITIES,
}
"""What every meter offers a profile beside what every device does."""


def _itself(meter: Meter) -> Meter:
    return meter


def _switch(meter: Meter) -> SupplySwitch:
    return meter.switch


METER_COMPONENTS: Mapping[str, Callable[[Meter], object]] = {
    "switch": _switch,
    "account": account_of,
    "account.passive": lambda meter: account_of(meter).passive,
    "tokens": lambda meter: account_of(meter).tokens,
    "calendar": _itself,
    "special_days": _itself,
    "activation": _itself,
}
"""Parts of every meter. The tariff's objects keep their tables as values of the meter, which follows them."""

METER_COMPONENT_FAMILIES: Mapping[str, Callable[[Meter, str], object]] = {
    "credit": lambda meter, name: AccountCredit(account_of(meter), name),
    "charge": lambda meter, name: account_of(meter).charges[name],
}
