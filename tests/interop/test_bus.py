"""Two meters on one line, read by clients that know nothing of the emulator: pydlms, and iec62056-21-dzg."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rigs.running import RunningRig

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

NAME = [1, "0.0.42.0.0.255", 2]
SERIAL = "0-0:96.1.0"


@pytest.fixture
def line(smets1_rig: Callable[..., RunningRig], meter_of: Any) -> Callable[..., list[Any]]:
    """Two meters on a terminal, with the lower HDLC addresses given."""

    def run(*addresses: int, **line: bool) -> list[Any]:
        dwellings = [
            {
                "name": f"no-{number}",
                "hub": None,
                "gas": None,
                "electricity": {"ports": {"optical": "bus:street"}, "address": {"hdlc": address}},
            }
            for number, address in enumerate(addresses)
        ]
        rig = smets1_rig({"bus": {"street": {"port": "pty:street"}}, "premises": dwellings}, line=line)
        return [meter_of(SimpleNamespace(premises={name: there})) for name, there in rig.premises.items()]

    return run


def ask(peers: Any, meter: Any, physical: int, **more: object) -> Any:
    spec = {**meter.client("public"), "transport": "serial", "where": meter.port("optical"), "physical": physical}
    return peers.client("pydlms", "pydlms_client.py", {**spec, **more, "do": [["get", *NAME]]})


@pytest.mark.parametrize("times", [{}, {"pacing": True, "turnaround": True}])
def test_pydlms_reads_both_by_their_hdlc_addresses(line: Any, peers: Any, times: dict[str, bool]) -> None:
    meters = line(17, 300, **times)
    assert meters[0].port("optical") == meters[1].port("optical")
    for _ in range(2):
        for meter, physical in zip(meters, (17, 300), strict=True):
            outcome = ask(peers, meter, physical)
            assert outcome.errors == [], outcome.said
            assert outcome.results == [meter.identity]
    assert meters[0].identity != meters[1].identity


def test_pydlms_reads_neither_of_two_with_one_address(line: Any, peers: Any) -> None:
    meters = line(17, 17)
    outcome = ask(peers, meters[0], 17, timeout=2.0)
    assert outcome.results == []
    assert len(outcome.errors) == 1
    for meter in meters:
        assert meter.running.statistics["optical"]["collisions"] > 0


def test_a_sign_on_client_reads_both_by_their_device_addresses(line: Any, peers: Any) -> None:
    meters = line(17, 18)
    for meter, address in zip(meters, ("17", "18"), strict=True):
        spec = {"port": meter.port("optical"), "address": address, "do": [["readout"]]}
        outcome = peers.client("iec62056", "iec62056_client.py", spec)
        assert outcome.errors == [], outcome.said
        assert outcome.results[0][SERIAL] == [meter.value(1, f"{SERIAL}.255", 2).decode(), None]


def test_a_sign_on_without_an_address_is_answered_by_both_at_once(line: Any, peers: Any) -> None:
    meters = line(17, 18)
    outcome = peers.client("iec62056", "iec62056_client.py", {"port": meters[0].port("optical"), "do": [["readout"]]})
    assert outcome.results == []
    assert outcome.errors
    assert meters[1].running.statistics["optical"]["collisions"] > 0
