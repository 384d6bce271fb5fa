"""A hundred premises for a simulated day in which the whole catalogue of faults comes over them, by seed, and goes.

After the end of all of them every device answers a client and is on its HAN, each meter has counted what flowed but
for what its faults took, each account's books are square, and nothing is left of any fault.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from random import Random
from types import FunctionType

import pytest

from emulator.device import Device
from emulator.faults.catalogue import CATALOGUE
from emulator.faults.injection import Injection, State
from emulator.faults.occasions import Occasions
from emulator.faults.parameters import FaultError
from emulator.firmware import FirmwareProfile
from emulator.load import MICRO, Constant
from emulator.meter import Meter
from emulator.nvm import MemoryNvm, keep
from emulator.premises import Premises, build_premises
from emulator.prepayment.account import Account
from emulator.prepayment.money import PENNY
from emulator.prepayment.tokens import Delivery
from emulator.time import HOUR, MINUTE, Clock
from firmware_profiles.loader import load
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.client import Attribute
from protocols.tokens.scheme import Outcome
from rigs.client import ClientError
from rigs.config import PremisesSpec, RigFile, rig_of
from rigs.driver import ClockMode
from rigs.events import RigEvent
from rigs.running import RunningDevice, RunningRig

from .fault_ledger import Ledger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEED = 24
PREMISES, ROUNDS = 100, 2
"""So many dwellings, and so often the whole catalogue."""
SETTLED, LAST_BEGIN, LAST_END, END = 2 * HOUR, 20 * HOUR, 21 * HOUR, 24 * HOUR
"""When everything has been done once and memory is looked at; when the last fault begins; when all end; the day."""
LONGEST = 2 * HOUR
TRIES = 40
"""Premises at which a fault is tried that cannot be injected at the first: another one may be in its way."""
ASKED, PATIENCE = 4, 0.05
"""Devices that a client asks each hour, whatever is wrong with them, and after how many seconds it gives up."""
KEPT = frozenset(f"prepaid-{number}" for number in range(5))
"""Dwellings whose devices have a non-volatile memory, for the faults of that."""
SOLAR = "solar"
"""Dwellings that give more energy to the network than they take."""
TOP_UP = 60
"""Pence of a token."""
NEEDS_A_HOST = {"ncp-asserts"}
"""Faults that begin only where a Zigbee host is at the hub's radio port."""
MOST_MORE = 4 * PREMISES * 2
"""Objects of one type that may have come since everything settled: two for each device. Each is made when a device
needs it first."""
MOST_MEMORY = 24 << 20
"""Octets that may have come since then; injections and events that are remembered are among them."""
_OF_FAULTS = ("emulator.measuring", "emulator.taps", "emulator.troubles")
NAME = Attribute(1, obis.parse("0-0:42.0.0.255"), 2).encode()
_OWN = ("emulator.", "protocols.", "rigs.")


def tables() -> dict[str, object]:
    """A rig of three sorts of dwelling; some meters are prepaid, and some dwellings give energy to the network."""
    hub = {"ports": {"wan-tcp": "tcp:0"}}
    ported = {"ports": {"local-tcp": "tcp:0"}}
    prepaid = {"prepayment": {"balance_pence": 30}}
    sorts: dict[str, dict[str, object]] = {
        "credit": {"electricity": ported, "gas": {}},
        "prepaid": {"electricity": {**ported, **prepaid}, "gas": prepaid},
        SOLAR: {
            "electricity": {**ported, "profile": "electricity-bench"},
            "gas": {},
            "hub": {**hub, "profile": "hub-lima"},
        },
    }
    counts = {"credit": PREMISES // 2, "prepaid": PREMISES * 2 // 5, SOLAR: PREMISES // 10}
    premises = [{"name": name, "count": counts[name], "hub": hub, "display": {}} | sorts[name] for name in sorts]
    return {"seed": SEED, "premises": premises}


@cache
def calm(name: str) -> FirmwareProfile:
    """A profile; displays have meters report every five minutes, which is all that this day needs."""
    firmware = load(name)
    display = firmware.display
    return firmware if display is None else replace(firmware, display=replace(display, report_period=300))


def built(file: RigFile, spec: PremisesSpec, clock: Clock) -> Premises:
    """Premises that have been in place for a day."""
    made = build_premises(spec.name, spec, clock, file.config.seed, calm, history_days=1)
    if spec.name.startswith(SOLAR):
        assert made.electricity is not None
        made.electricity.set_load(Constant(-700 * MICRO))
    if spec.name in KEPT:
        for device in made.devices():
            keep(device, MemoryNvm())
            assert device.keeper is not None
            device.keeper.begin()
    return made


def census() -> Counter[str]:
    """How many objects of our own there are, by type, without the events and injections that a rig remembers."""
    gc.collect()
    types = (type(each) for each in gc.get_objects() if not isinstance(each, (RigEvent, Injection, Occasions)))
    return Counter(kind.__qualname__ for kind in types if kind.__module__.startswith(_OWN))


def resident() -> int:
    """Octets of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Plan:
    """One injection to come."""

    at: int
    name: str
    duration: int | None


def plans(chance: Random) -> list[Plan]:
    """The whole catalogue, so many times, over the day."""
    found: list[Plan] = []
    for name, fault in [*CATALOGUE.items()] * ROUNDS:
        at = chance.randrange(10 * MINUTE, LAST_BEGIN)
        duration = None if fault.momentary else min(chance.randrange(MINUTE, LONGEST), LAST_END - at)
        found.append(Plan(at, name, duration))
    return sorted(found, key=lambda plan: plan.at)


class Day:
    """The day of the rig; all but :meth:`ask` runs in its thread."""

    def __init__(self, running: RunningRig) -> None:
        self.running = running
        self.rig = running.rig
        self.clock = self.rig.clock
        self.chance = Random(SEED)
        self.begun: Counter[str] = Counter()
        self.refused: dict[str, str] = {}
        self.credited: Counter[str] = Counter()
        """Millipence of the tokens that were accepted, by device."""
        self.top_ups = 0
        meters = [each for each in self.devices() if isinstance(each, Meter)]
        self.ledgers = {meter.identity.device_id: Ledger(meter) for meter in meters}
        self.paid_in = {name: account.books.credited for name, account in self.accounts.items()}
        self.cuts = 0
        """Supplies that were cut for want of credit."""
        for meter in meters:
            meter.observers.append(self._heard)
        self.rig.faults.observers.append(self._told)

    def devices(self) -> list[Device]:
        """All devices that hang somewhere."""
        return [device for premises in self.rig.premises.values() for device in premises.devices()]

    def _told(self, injection: Injection, _text: str) -> None:
        ledger = self.ledgers.get(injection.device)
        if ledger is not None and injection.state in (State.ACTIVE, State.ENDED):
            ledger.fault(injection)

    def _heard(self, event: str) -> None:
        self.cuts += event == "supply_disabled"

    def begin(self, plan: Plan) -> None:
        """Inject a fault somewhere."""
        fault, faults = CATALOGUE[plan.name], self.rig.faults
        for _ in range(TRIES):
            target = f"{self.chance.choice(list(self.rig.premises))}/{self.chance.choice(fault.kinds)}"
            try:
                faults.start(plan.name, target, duration=plan.duration)
            except FaultError as error:
                self.refused[plan.name] = str(error)
            else:
                self.begun[plan.name] += 1
                return

    def top_up(self) -> None:
        """Every prepaid meter that can take a token gets one."""
        self.top_ups += 1
        for meter in (ledger.meter for ledger in self.ledgers.values()):
            account = meter.account
            if account is None or not account.prepaying or not meter.touched():
                continue
            tokens = account.settings.tokens
            secret, originator = meter.token_secret(tokens), meter.token_originator(tokens)
            digits = tokens.scheme(secret, originator, meter.identity.eui64).issue(self.top_ups, TOP_UP)
            if account.tokens.enter(digits, Delivery.MANUAL) is Outcome.ACCEPTED:
                self.credited[meter.identity.device_id] += TOP_UP * PENNY
                meter.press_button()

    @property
    def accounts(self) -> dict[str, Account]:
        """Accounts by device."""
        found = {name: ledger.meter.account for name, ledger in self.ledgers.items()}
        return {name: account for name, account in found.items() if account is not None}

    def make_rows(self) -> None:
        """Make the rows of all profiles that are due."""
        for ledger in self.ledgers.values():
            ledger.meter.settle()
            ledger.meter.materialise()

    def all_running(self) -> list[RunningDevice]:
        """All devices that clients reach."""
        kinds = ("hub", "electricity", "gas")
        return [getattr(premises, kind) for premises in self.running.premises.values() for kind in kinds]

    def ask(self) -> None:
        """A client asks some devices for their names; whether it gets them is no matter."""
        for _ in range(ASKED):
            name = self.chance.choice(list(self.running.premises))
            kind = self.chance.choice(("hub", "electricity", "gas"))
            with suppress(ClientError, OSError, LookupError):
                answered(getattr(self.running.premises[name], kind), PATIENCE)

    def advance_to(self, instant: int) -> None:
        """Go on to an instant."""
        if instant > self.clock.now:
            self.rig.driver.advance(instant - self.clock.now)


def named(device: Device) -> bytes:
    """The name of a device, as it has it itself."""
    value = axdr.decode_all(device.internal.read(NAME)).value
    assert isinstance(value, bytes)
    return value


def answered(device: RunningDevice, timeout: float) -> bytes:
    """The name of a device, as a client gets it."""
    with device.client("public", timeout=timeout) as client:
        value = client.get(1, "0-0:42.0.0").value
    assert isinstance(value, bytes)
    return value


def remains() -> Counter[str]:
    """What there is of faults: objects and functions of their modules, those that are told of later left out."""
    gc.collect()
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = each if isinstance(each, FunctionType) else type(each)
        module = kind.__module__ or ""
        if module in _OF_FAULTS or module.startswith("emulator.faults."):
            found[kind.__qualname__] += not isinstance(each, (Injection, Occasions))
    return +found


def away(premises: Premises) -> list[str]:
    """Devices that are not on their HAN, or that their hub does not hear."""
    assert premises.hub is not None
    han = premises.hub.han
    heard = {entry.eui64 for entry in han.log if han.refresh(entry)}
    return [
        member.device.identity.device_id for member in han.members if not member.on or member.node.eui64 not in heard
    ]


def grown_too_much(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """Types of which more objects have come than each device may have of them."""
    return {name: count - before[name] for name, count in after.items() if count - before[name] > MOST_MORE}


def test_a_day_of_every_fault_at_a_hundred_premises(tmp_path: Path) -> None:
    running = RunningRig(rig_of(tables()), folder=tmp_path, mode=ClockMode.STEPPED, build=built)
    running.rig.explain = None  # nobody listens to the air, which then costs next to nothing
    with running:
        call = running.runner.call
        day = call(lambda: Day(running))
        start, coming = day.clock.now, plans(day.chance)
        before, counts, memory = call(remains), Counter[str](), 0
        for hour in range(1, END // HOUR + 1):
            end = start + hour * HOUR
            while coming and start + coming[0].at < end:
                plan = coming.pop(0)
                call(lambda plan=plan: (day.advance_to(start + plan.at), day.begin(plan)))
            call(lambda end=end: day.advance_to(end))
            if hour % 6 == 5:
                call(day.top_up)
            if hour * HOUR == LAST_END:
                call(day.rig.faults.end_all)
            day.ask()
            if hour * HOUR == SETTLED:
                call(day.make_rows)
                counts, memory = census(), resident()

        assert set(CATALOGUE) - set(day.begun) <= NEEDS_A_HOST, day.refused
        assert all(injection.over for injection in day.rig.faults)

        # no stuck device
        for device in day.all_running():
            assert answered(device, 2.0) == call(partial(named, device.device)), device.device.identity.device_id
        assert [name for premises in day.rig.premises.values() for name in call(partial(away, premises))] == []

        # energy and money
        off = {
            name: (float(difference), ledger.tolerance)
            for name, ledger in day.ledgers.items()
            if (difference := call(ledger.difference)) > ledger.tolerance
        }
        assert off == {}
        for name, account in day.accounts.items():
            assert account.books.squared, name
            assert account.books.credited - day.paid_in[name] == day.credited[name], name
        assert day.cuts and day.credited  # credit was used up, and new credit bought

        # no leak: segments of the past, which remember what was wrong then, are gone once their rows are made
        call(day.make_rows)
        assert call(remains) == before
        assert grown_too_much(counts, census()) == {}
        assert resident() - memory < MOST_MEMORY
