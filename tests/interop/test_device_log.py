"""SRV 8.11 (update HAN device log) by an independent client on the hub's WAN line, and the gas meter that it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.premises import replace_gas_meter
from firmware_profiles.loader import load
from rigs.running import RunningDevice
from tests.interop.conftest import Meter

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

RIG = {"premises": [{"name": "home", "hub": {"ports": {"wan-tcp": "tcp:0"}}, "gas": {}}]}
LOG = [104, "0.0.30.3.0.255"]
VOLUME, MANAGEMENT, GAS = [3, "7.0.1.8.0.255"], 1, 17
KIND = {"electricity": 2, "gas": 3}


class Bench:
    """One premises, its head-end (pydlms), and an engineer who brings a new gas meter."""

    def __init__(self, rig: Any, meter_of: Any, peers: Any) -> None:
        self.rig = rig
        self.hub = meter_of(rig, "hub")
        self.call: Callable[..., Any] = self.hub.running.call
        self.device = self.hub.running.device
        self.old = meter_of(rig, "gas")
        self._peers = peers

    def ask(self, meter: Any, association: str, server: int, *steps: list[Any]) -> Any:
        """What the client makes of these steps."""
        place = {"server": server, "transport": "tcp", "where": self.hub.port("wan-tcp")}
        spec = {**meter.client(association), **place, "do": list(steps)}
        return self._peers.client("pydlms", "pydlms_client.py", spec, timeout=100)

    def manage(self, *steps: list[Any]) -> None:
        """Steps on the hub's device log that all succeed."""
        outcome = self.ask(self.hub, "management", MANAGEMENT, *steps)
        assert outcome.errors == [], outcome.said

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
        fields = [
            ["octet_string", meter.running.device.identity.eui64.hex()],
            ["enum", KIND[kind]],
            ["octet_string", (key or member.first_key).hex()],
            ["enum", 0],
        ]
        return ["action", *LOG, 1, ["structure", fields]]

    def remove(self, meter: Any) -> list[Any]:
        """The step that takes a meter out of the log."""
        return ["action", *LOG, 2, ["octet_string", meter.running.device.identity.eui64.hex()]]


OPEN = (["set", *LOG, 3, ["long_unsigned", 90]], ["set", *LOG, 2, ["boolean", True]])


@pytest.fixture
def bench(smets1_rig: Any, meter_of: Any, peers: Any) -> Bench:
    return Bench(smets1_rig(RIG), meter_of, peers)


def test_a_replaced_gas_meter_is_read_after_the_device_log_was_updated(bench: Bench) -> None:
    before = bench.ask(bench.old, "data_collection", GAS, ["get", *VOLUME, 2])
    assert before.errors == [] and before.results[0] > 0
    new = bench.replace()
    bench.rig.clock.advance(hours=2)
    # Nobody told the hub: it shows the old meter as it was, and the new one stays outside.
    assert bench.ask(bench.old, "data_collection", GAS, ["get", *VOLUME, 2]).results == before.results
    assert bench.join(new) == "CLOSED"
    bench.manage(bench.remove(bench.old), bench.register(new), *OPEN)
    assert bench.join(new) is None
    assert bench.call(lambda: GAS in bench.device.served) is False
    bench.rig.clock.advance(hours=1)
    read = bench.ask(new, "data_collection", GAS, ["get", *VOLUME, 2], ["get", 1, "0.0.42.0.0.255", 2])
    assert read.errors == []
    assert read.results[0] < before.results[0]
    assert read.results[1] == new.identity
    assert bench.call(lambda: list(bench.device.han.log.historic)) == [bench.old.running.device.identity.eui64]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [({"key": b"\x01" * 16}, "WRONG_KEY"), ({"kind": "electricity"}, "WRONG_KIND"), (None, "UNKNOWN")],
    ids=["wrong key", "wrong kind", "not registered"],
)
def test_a_meter_that_the_log_does_not_have_so_is_refused(
    bench: Bench, change: dict[str, Any] | None, refusal: str
) -> None:
    new = bench.replace()
    steps = [] if change is None else [bench.register(new, **change)]
    bench.manage(bench.remove(bench.old), *steps, *OPEN)
    assert bench.join(new) == refusal
    bench.rig.clock.advance(hours=1)
    assert bench.call(lambda: GAS in bench.device.served) is False


def test_a_full_log_says_so(bench: Bench) -> None:
    new = bench.replace()
    strangers = [["octet_string", f"{number:016X}"] for number in range(1, 15)]
    fill = [
        ["action", *LOG, 1, ["structure", [eui64, ["enum", 1], ["octet_string", "11" * 16], ["enum", 0]]]]
        for eui64 in strangers
    ]
    bench.manage(*fill)
    refused = bench.ask(bench.hub, "management", MANAGEMENT, bench.register(new))
    assert len(refused.errors) == 1
    bench.manage(bench.remove(bench.old), bench.register(new), *OPEN)
    assert bench.join(new) is None
