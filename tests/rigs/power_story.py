"""What goes on at premises while their power is cut: deeds, each remembered once it has been acknowledged.

Run as a program it forks a child for each line that it reads (store, seed and ledger, tabs between), which lives on the
store and tells its ledger on a line of its own whenever that has changed; the child's pid is told too. Whoever reads
kills it. A line that begins with ``!`` says what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from emulator.device import Device
from emulator.gas import GasMeter
from emulator.hub import Hub
from emulator.load import UNIT
from emulator.meter import Meter
from emulator.metering import IMPORT
from emulator.nvm import NvmFault
from emulator.prepayment.money import MOST, PENNY
from emulator.security import KeyId, SecurityState
from emulator.time import SECOND, Clock
from protocols.dlms import axdr
from protocols.dlms.keywrap import wrap
from protocols.dlms.security import Counters
from protocols.tokens.scheme import Outcome
from rigs.building import build
from rigs.config import rig_of
from rigs.control import desk
from rigs.driver import ClockMode
from rigs.rig import STEPPED_START, Rig
from rigs.scenario.head_end import HeadEnd, HeadEndError
from rigs.storage import Storage

WATTS, LITRES_PER_HOUR, BALANCE = 60_000, 2_000, 1000
SNAPSHOT = 60
"""Seconds of the rig between snapshots of the registers."""
REJOINS = 120
"""Minutes in which a meter that lost its hub is back."""
FILTER, DEVICE_LOG, MAX_BALANCE = "1/0-0:97.98.10", "104/0-0:30.3.0", "9000/0-0:94.44.2.20"
SECURITY_SETUP = "64/0-0:43.0.4"
MANAGEMENT = "management"
FILE = rig_of(
    {
        "seed": 3,
        "storage": {"file": "not used", "snapshot_s": SNAPSHOT},
        "premises": [
            {
                "name": "home",
                "electricity": {"load": {"kind": "constant", "value": WATTS}},
                "gas": {"load": {"kind": "constant", "value": LITRES_PER_HOUR / 1000}},
            },
            {
                "name": "paid",
                "hub": None,
                "gas": None,
                "electricity": {
                    "profile": "electricity-bench",
                    "load": {"kind": "constant", "value": 0},
                    "prepayment": {"balance_pence": BALANCE},
                },
            },
        ],
    }
)


@dataclass
class Ledger:
    """What has been acknowledged.

    ``doubt`` is what may be so or not: what the deed under way is about, and deeds that were refused for want of
    storage. A token that is in doubt may be used or not, but it is credited if it is used.
    """

    setting: int = 0
    tokens: dict[int, int] = field(default_factory=dict)
    """Pence by the counter of the token."""
    doubtful: dict[int, int] = field(default_factory=dict)
    """The same of tokens that were entered and not accepted, or not yet."""
    joined: list[str] = field(default_factory=list)
    """EUI-64s in the device log beside those of the premises."""
    gone: list[str] = field(default_factory=list)
    network_key: str = ""
    gas_meter: str = "home/gas"
    reading: int = 0
    gas_reading: int = 0
    sent: int = 0
    """Highest invocation counter of ours that was answered, and of the meter's answers to us."""
    received: int = 0
    encryption: str = ""
    """The meter's encryption key, to which these counters belong."""
    doubt: list[str] = field(default_factory=list)
    deeds: int = 0
    """Deeds that were acknowledged."""


class Life:
    """One life of the rig, from a start to a cut."""

    def __init__(self, store: Path, ledger: Ledger) -> None:
        self.rig = Rig(FILE, mode=ClockMode.STEPPED, storage=store)
        asyncio.run(self.rig.start())  # it has no port: nothing of it needs the loop after that
        self.ledger = ledger
        self.tell: Callable[[], None] = lambda: None
        """Called when the ledger has changed, before the deed that it is about is done."""
        self.head_end = HeadEnd(1)

    @property
    def storage(self) -> Storage:
        storage = self.rig._storage
        assert storage is not None
        return storage

    @property
    def hub(self) -> Hub:
        hub = self.rig.premises["home"].hub
        assert hub is not None
        return hub

    @property
    def gas(self) -> GasMeter:
        gas = self.rig.premises["home"].gas
        assert gas is not None
        return gas

    @property
    def electricity(self) -> Meter:
        meter = self.rig.premises["home"].electricity
        assert meter is not None
        return meter

    @property
    def paid(self) -> Meter:
        meter = self.rig.premises["paid"].electricity
        assert meter is not None
        return meter

    def cut(self) -> None:
        """End without writing anything more."""
        self.storage.close()

    # --- what is looked at after a cut

    def check(self) -> None:
        """Everything that was acknowledged is there. What was in doubt is known after it."""
        ledger, doubt = self.ledger, self.ledger.doubt
        encryption = self._security.encryption.hex()
        assert encryption == ledger.encryption or "keys" in doubt, (encryption, ledger)
        if encryption == ledger.encryption:
            counters = self._security.counters
            assert counters.received >= ledger.sent and counters.sent >= ledger.received, (vars_of(counters), ledger)
        register = self.electricity.metering.total(IMPORT, self.electricity.time)
        assert register >= ledger.reading - WATTS * SNAPSHOT // 3600 - 1, (register, ledger)
        if "replace" not in doubt:
            assert self.gas.identity.device_id == ledger.gas_meter, (self.gas.identity.device_id, ledger)
            volume = litres(self.gas)
            assert volume >= ledger.gas_reading - LITRES_PER_HOUR * (SNAPSHOT + 1800) // 3600 - 1, (volume, ledger)
        self._find_hub()
        setting = self._read(self.electricity, FILTER)
        assert setting == ledger.setting or ("set" in doubt and setting == ledger.setting + 1), (setting, ledger)
        self._check_money()
        log = {eui64.hex() for eui64 in self.hub.han.log.entries}
        assert not (set(ledger.joined) - log - set(doubt)), (log, ledger)
        assert not (set(ledger.gone) & log - set(doubt)), (log, ledger)
        assert "key" in doubt or self.hub.han.network_key.hex() == ledger.network_key, ledger
        self._note_counters()
        ledger.setting, ledger.network_key = setting, self.hub.han.network_key.hex()
        ledger.joined = [name for name in ledger.joined if name in log]
        ledger.gone = [name for name in ledger.gone if name not in log]
        ledger.gas_meter = self.gas.identity.device_id
        ledger.reading = ledger.gas_reading = 0
        doubt.clear()

    def _find_hub(self) -> None:
        """A meter that missed a network key which its hub has, or the other way round, rejoins by its link key."""
        member = self.hub.han.member(self.electricity)
        for _ in range(REJOINS):
            if member.on:
                return
            self.rig.driver.advance(60 * SECOND)
        raise AssertionError(f"it has not rejoined within {REJOINS} minutes: {member.refusal}")

    def _check_money(self) -> None:
        account = self.paid.account
        assert account is not None
        ledger, history = self.ledger, account.tokens.history
        for counter in ledger.tokens:
            assert history.judge(counter) is not Outcome.ACCEPTED, (counter, ledger)
        for counter, pence in ledger.doubtful.items():
            if history.judge(counter) is not Outcome.ACCEPTED:
                ledger.tokens[counter] = pence
        ledger.doubtful.clear()
        expected = BALANCE + sum(ledger.tokens.values())
        balance = desk.settled_account_of(self.paid).balance
        assert balance == expected * PENNY, (balance, expected, ledger)

    # --- deeds

    def prepare(self) -> None:
        """What the first life begins with."""
        self.head_end.set(self.electricity, self.hub, MANAGEMENT, FILTER, 2, 0)
        self.head_end.set(self.paid, None, MANAGEMENT, MAX_BALANCE, 2, MOST)
        self.ledger.network_key = self.hub.han.network_key.hex()
        self._note_counters()

    def do(self, chance: Random) -> bool:
        """One deed of chance; whether it was acknowledged."""
        deed = chance.choices(
            (
                self._set,
                self._token,
                self._register,
                self._unregister,
                self._key,
                self._keys,
                self._look,
                self._wait,
                self._replace,
            ),
            (20, 25, 10, 6, 3, 3, 30, 12, 1),
        )[0]
        try:
            deed(chance)
        except (HeadEndError, NvmFault):
            return False
        if kept(self.electricity):
            self._note_counters()
        self.ledger.deeds += 1
        return True

    def _note_counters(self) -> None:
        security = self._security
        self.ledger.encryption = security.encryption.hex()
        self.ledger.sent, self.ledger.received = security.counters.received, security.counters.sent

    def _doubt(self, what: str) -> None:
        if what not in self.ledger.doubt:
            self.ledger.doubt.append(what)
        self.tell()

    def _done(self, what: str) -> None:
        self.ledger.doubt.remove(what)

    def _set(self, _chance: Random) -> None:
        self._doubt("set")
        self.head_end.set(self.electricity, self.hub, MANAGEMENT, FILTER, 2, self.ledger.setting + 1)
        self.ledger.setting += 1
        self._done("set")

    def _token(self, chance: Random) -> None:
        meter, ledger = self.paid, self.ledger
        account = meter.account
        assert account is not None
        tokens = account.settings.tokens
        scheme = tokens.scheme(meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64)
        counter = max([account.tokens.history.highest, *ledger.tokens, *ledger.doubtful]) + 1
        pence = chance.randrange(1, 500)
        ledger.doubtful[counter] = pence
        self.tell()
        outcome = desk.top_up(meter, scheme.issue(counter, pence))
        if outcome is Outcome.STORAGE_FAULT:
            raise NvmFault("refused")
        assert outcome is Outcome.ACCEPTED, outcome
        ledger.tokens[counter] = ledger.doubtful.pop(counter)

    def _register(self, chance: Random) -> None:
        if len(self.hub.han.log.entries) < self.hub.han.log.capacity - 1:
            eui64 = chance.randbytes(8)
            self._doubt(eui64.hex())
            self._act(1, [eui64, 2, chance.randbytes(16), 0])
            self.ledger.joined.append(eui64.hex())
            self._done(eui64.hex())
        else:
            self._unregister(chance)

    def _unregister(self, chance: Random) -> None:
        if self.ledger.joined:
            name = chance.choice(self.ledger.joined)
            self._doubt(name)
            self._act(2, bytes.fromhex(name))
            self.ledger.joined.remove(name)
            self.ledger.gone.append(name)
            self._done(name)

    def _key(self, _chance: Random) -> None:
        self._doubt("key")
        self._act(8, 0)
        self.ledger.network_key = self.hub.han.network_key.hex()
        self._done("key")

    def _keys(self, chance: Random) -> None:
        self._doubt("keys")
        wrapped = wrap(self._security.master, chance.randbytes(16))
        value = [[KeyId.GLOBAL_UNICAST, wrapped]]
        self.head_end.action(self.electricity, self.hub, MANAGEMENT, SECURITY_SETUP, 2, value)
        self._note_counters()
        self._done("keys")

    def _look(self, _chance: Random) -> None:
        reading = self._read(self.electricity, "1-0:1.8.0")
        if kept(self.electricity):
            self.ledger.reading = reading
        self.gas.settle()
        if kept(self.gas):
            self.ledger.gas_reading = max(self.ledger.gas_reading, litres(self.gas))

    def _wait(self, chance: Random) -> None:
        self.rig.driver.advance(chance.randrange(1, 240) * SECOND)

    def _replace(self, _chance: Random) -> None:
        self._doubt("replace")
        meter = self.rig.replace_gas_meter("home")
        self.ledger.gas_meter, self.ledger.gas_reading = meter.identity.device_id, 0
        self._done("replace")

    def _act(self, method: int, value: object) -> None:
        self.head_end.action(self.hub, self.hub, MANAGEMENT, DEVICE_LOG, method, value)

    def _read(self, meter: Meter, name: str) -> int:
        value = axdr.decode_all(self.head_end.get(meter, self.hub, MANAGEMENT, name, 2)).value
        assert isinstance(value, int)
        return value

    @property
    def _security(self) -> SecurityState:
        return self.electricity.security(self.electricity.firmware.model.by_name[MANAGEMENT])


def kept(device: Device) -> bool:
    """Whether its last write was kept; else it has been told that what it does is not."""
    return device.keeper is not None and not device.keeper.fault


def litres(meter: GasMeter) -> int:
    """What a gas meter shows, of its last wake-up."""
    return meter.metering.imported(meter.time) // UNIT


def vars_of(counters: Counters) -> tuple[int, int]:
    """For a message."""
    return counters.received, counters.sent


# --- in a process of its own


def live(store: Path, seed: int, ledger: Ledger) -> None:
    """Live on a store until killed, and tell the ledger on a line whenever it has changed."""
    life = Life(store, ledger)
    life.tell = lambda: print(json.dumps(asdict(ledger)), flush=True)
    if ledger.deeds:
        life.check()
    else:
        life.prepare()
        ledger.deeds = 1
    chance = Random(seed)
    while True:
        life.tell()
        life.do(chance)


def ledger_of(text: str) -> Ledger:
    """The ledger that a line tells."""
    ledger = Ledger(**json.loads(text))
    for counters in (ledger.tokens, ledger.doubtful):
        for counter in list(counters):
            counters[int(counter)] = counters.pop(counter)
    return ledger


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for spec in FILE.specs:
        build(FILE, spec, Clock(STEPPED_START))
    for line in sys.stdin:
        store, seed, told = line.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                live(Path(store), int(seed), ledger_of(told))
            except BaseException as error:
                print(f"!{type(error).__name__}: {error}", flush=True)
            finally:
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
