"""SRV 8.11 (update HAN device log) by an independent client on the hub's WAN line."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.device import Identity
from emulator.gas import GasMeter
from emulator.han.network import Member, Refusal
from emulator.load import Constant
from emulator.security import KeyRing
from firmware_profiles.loader import load
from protocols.zigbee import install_code

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

LOG = [104, "0.0.30.3.0.255"]
NEW = bytes.fromhex("00DB1234567890A2")


def test_pydlms_swaps_the_gas_meter(smets1_rig: Any, meter_of: Any, peers: Any) -> None:
    rig = smets1_rig({"premises": [{"name": "home", "hub": {"ports": {"wan-tcp": "tcp:0"}}, "gas": {}}]})
    running = meter_of(rig, "hub")
    hub, call = running.running.device, running.running.call
    old = meter_of(rig, "gas").running.device
    spec = {**running.client("management"), "server": 1, "transport": "tcp", "where": running.port("wan-tcp")}

    def swap() -> Member:
        hub.han.take_away(old)
        identity = Identity("new", "7654321", b"GEN\0\0\0\0\2", NEW, "7700000001")
        clock = hub.clock
        ring = KeyRing(hub.seed, "new")
        meter = GasMeter(load("gas-base"), identity, clock, hub.seed, ring, clock.now, Constant(0))
        return hub.han.place(meter)

    def ask(*steps: list[Any]) -> None:
        outcome = peers.client("pydlms", "pydlms_client.py", {**spec, "do": list(steps)}, timeout=100)
        assert outcome.errors == [], outcome.said

    new = call(swap)
    assert call(new.join) is Refusal.CLOSED
    key = install_code.link_key(new.install_code)
    fields = [["octet_string", NEW.hex()], ["enum", 3], ["octet_string", key.hex()], ["enum", 0]]
    ask(
        ["action", *LOG, 2, ["octet_string", old.identity.eui64.hex()]],
        ["action", *LOG, 1, ["structure", fields]],
        ["set", *LOG, 3, ["long_unsigned", 90]],
        ["set", *LOG, 2, ["boolean", True]],
    )
    assert call(new.join) is None
    assert call(lambda: 17 in hub.served) is False
    rig.clock.advance(seconds=3600)
    assert call(lambda: hub.served[17].device) is new.device
    assert call(lambda: list(hub.han.log.historic)) == [old.identity.eui64]
