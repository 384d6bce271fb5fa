"""SRV 8.11 (update HAN device log) by independent clients on the hub's WAN line, and the gas meter that it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.premises import replace_gas_meter
from firmware_profiles.loader import load
from protocols.dlms.types import parse_type
from rigs.driver import ClockMode
from rigs.running import RunningDevice
from tests.interop.conftest import Meter

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

RIG = {"premises": [{"name": "home", "hub": {"ports": {"wan": "pty:wan", "wan-tcp": "tcp:0"}}, "gas": {}}]}
LOG, ALERTS = (104, "0.0.30.3.0.255"), (40, "0.2.25.9.0.255")
VOLUME, NAME, MANAGEMENT, GAS = (3, "7.0.1.8.0.255"), (1, "0.0.42.0.0.255"), 1, 17
KIND = {"electricity": 2, "gas": 3}
CHANGED = 0x8F12
OTHER_REASON = 250
ENTRY = parse_type("st{oct8,enum,oct16,enum}")
WAYS = [("pydlms", "tcp"), ("pydlms", "serial"), ("gurux", "tcp"), ("gurux", "serial")]
"""Clients, and whether over the wrapper on TCP or HDLC on the serial line (a pseudo terminal)."""


class Pydlms:
    """Steps as its client script has them."""

    @staticmethod
    def place(hub: Meter, line: str) -> dict[str, Any]:
        return {"transport": line, "where": hub.port("wan-tcp" if line == "tcp" else "wan")}

    @staticmethod
    def get(item: tuple[int, str], attribute: int) -> list[Any]:
        return ["get", *item, attribute]

    @staticmethod
    def register(eui64: bytes, kind: int, key: bytes) -> list[Any]:
        fields = [["octet_string", eui64.hex()], ["enum", kind], ["octet_string", key.hex()], ["enum", 0]]
        return ["action", *LOG, 1, ["structure", fields]]

    @staticmethod
    def remove(eui64: bytes) -> list[Any]:
        return ["action", *LOG, 2, ["octet_string", eui64.hex()]]

    @staticmethod
    def open() -> list[list[Any]]:
        return [["set", *LOG, 3, ["long_unsigned", 90]], ["set", *LOG, 2, ["boolean", True]]]


class Gurux:
    """Steps as its client script has them; types are the numbers of the standard."""

    @staticmethod
    def place(hub: Meter, line: str) -> dict[str, Any]:
        if line == "tcp":
            return {"port": f"tcp:{hub.port('wan-tcp')}", "framing": "wrapper"}
        return {"port": f"pty:{hub.port('wan')}", "framing": "hdlc"}

    @staticmethod
    def get(item: tuple[int, str], attribute: int) -> list[Any]:
        return ["read", *item, attribute]

    @staticmethod
    def register(eui64: bytes, kind: int, key: bytes) -> list[Any]:
        return ["method", *LOG, 1, 2, ENTRY.encode([eui64, kind, key, 0]).hex()]

    @staticmethod
    def remove(eui64: bytes) -> list[Any]:
        return ["method", *LOG, 2, 9, eui64.hex()]

    @staticmethod
    def open() -> list[list[Any]]:
        return [["write", *LOG, 3, 18, 90], ["write", *LOG, 2, 3, True]]


class Bench:
    """One premises, its head-end (an independent client), and an engineer who brings a new gas meter."""

    def __init__(self, rig: Any, meter_of: Any, peers: Any, peer: str, line: str) -> None:
        self.rig = rig
        self.hub = meter_of(rig, "hub")
        self.call: Callable[..., Any] = self.hub.running.call
        self.device = self.hub.running.device
        self.old = meter_of(rig, "gas")
        self.steps: Any = Pydlms if peer == "pydlms" else Gurux
        self._peers, self._peer, self._line = peers, peer, line

    def ask(self, meter: Any, association: str, server: int, *steps: list[Any]) -> Any:
        """What the client makes of these steps."""
        place = {"server": server, **self.steps.place(self.hub, self._line)}
        spec = {**meter.client(association), **place, "do": list(steps)}
        return self._peers.client(self._peer, f"{self._peer}_client.py", spec, timeout=100)

    def manage(self, *steps: list[Any]) -> list[Any]:
        """Results of steps on the hub's device log that all succeed."""
        outcome = self.ask(self.hub, "management", MANAGEMENT, *steps)
        assert outcome.errors == [], outcome.said
        return outcome.results

    def read_gas(self, meter: Any) -> list[Any]:
        """The volume and the logical device name behind the gas meter's SAP, with the keys of ``meter``."""
        steps = [self.steps.get(VOLUME, 2), self.steps.get(NAME, 2)]
        outcome = self.ask(meter, "data_collection", GAS, *steps)
        assert outcome.errors == [], outcome.said
        return outcome.results

    def replace(self) -> Meter:
        """A new gas meter hangs where the old one did."""
        premises = self.rig.rig.premises["home"]
        file = self.rig.rig.file
        new = self.call(
            lambda: replace_gas_meter(premises, file.specs[0].gas, self.device.clock, file.config.seed, load)
        )
        return Meter(RunningDevice(self.rig, "home", "gas", new))

    def join(self, meter: Meter) -> str | None:
        """Press the button at a meter: why it is not on the HAN."""
        refusal = self.call(self.device.han.member(meter.running.device).join)
        return None if refusal is None else refusal.name

    def register(self, meter: Meter, key: bytes | None = None, kind: str = "gas") -> list[Any]:
        """The step that puts a meter into the log."""
        member = self.device.han.member(meter.running.device)
        return self.steps.register(meter.running.device.identity.eui64, KIND[kind], key or member.first_key)

    def remove(self, meter: Any) -> list[Any]:
        """The step that takes a meter out of the log."""
        return self.steps.remove(meter.running.device.identity.eui64)

    @property
    def mirrored(self) -> bool:
        return self.call(lambda: GAS in self.device.served)


@pytest.fixture(params=WAYS, ids="-".join)
def bench(request: Any, smets1_rig: Any, meter_of: Any, peers: Any) -> Bench:
    return Bench(smets1_rig(RIG), meter_of, peers, *request.param)


def test_a_replaced_gas_meter_is_read_after_the_device_log_was_updated(bench: Bench) -> None:
    before = bench.read_gas(bench.old)
    assert before[0] > 0
    new = bench.replace()
    bench.rig.clock.advance(hours=2)
    # Nobody told the hub: it shows the old meter as it was, and the new one stays outside.
    assert bench.read_gas(bench.old) == before
    assert bench.join(new) == "CLOSED"
    bench.manage(bench.remove(bench.old), bench.register(new), *bench.steps.open())
    assert bench.join(new) is None
    assert not bench.mirrored
    bench.rig.clock.advance(hours=1)
    volume, name = bench.read_gas(new)
    assert volume < before[0]
    assert name == new.identity
    assert bench.call(lambda: list(bench.device.han.log.historic)) == [bench.old.running.device.identity.eui64]


def test_a_meter_that_the_log_does_not_have_so_is_refused_until_it_does(bench: Bench) -> None:
    new = bench.replace()
    opening = bench.steps.open()
    bench.manage(bench.remove(bench.old), *opening)
    assert bench.join(new) == "UNKNOWN"
    bench.manage(bench.register(new, kind="electricity"), *opening)
    assert bench.join(new) == "WRONG_KIND"
    bench.manage(bench.remove(new), bench.register(new, key=b"\x01" * 16), *opening)
    assert bench.join(new) == "WRONG_KEY"
    bench.manage(bench.remove(new), *opening)
    bench.rig.clock.advance(seconds=91)
    bench.manage(bench.register(new))
    assert bench.join(new) == "CLOSED"
    bench.rig.clock.advance(hours=1)
    assert not bench.mirrored
    (log,) = bench.manage(bench.steps.get(LOG, 4))
    row = next(row for row in log if row[0] == new.running.device.identity.eui64.hex())
    assert len(row) == 14 and row[-4] == 0  # failures of this entry, which had none
    bench.manage(*opening)
    assert bench.join(new) is None


def test_a_full_log_says_so(bench: Bench) -> None:
    new = bench.replace()
    strangers = [number.to_bytes(8, "big") for number in range(1, 15)]
    bench.manage(*[bench.steps.register(eui64, 1, b"\x11" * 16) for eui64 in strangers])
    assert bench.manage(["refused", bench.register(new)]) == [OTHER_REASON]
    assert bench.join(new) == "CLOSED"
    bench.manage(bench.remove(bench.old), bench.register(new), *bench.steps.open())
    assert bench.join(new) is None


def test_the_head_end_is_told_that_the_log_changed(smets1_rig: Any, meter_of: Any, peers: Any) -> None:
    """By the alert of use case CS14, on the connection by which it changes the log."""
    bench = Bench(smets1_rig(RIG, mode=ClockMode.REAL), meter_of, peers, "pydlms", "tcp")
    destination = ["structure", [["enum", 0], ["octet_string", b"head-end:4059".hex()], ["enum", 0]]]
    new = bench.replace()
    results = bench.manage(["set", *ALERTS, 3, destination], bench.register(new), ["push"])
    code, _, (_, pan, devices) = results[-1]
    assert (code, pan) == (CHANGED, bench.device.identity.eui64.hex())
    assert devices[-1] == [new.running.device.identity.eui64.hex(), ""]
