"""The IEC 62056-21 client iec62056-21-dzg on the optical port: data readout and programming mode."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SCRIPT = "iec62056_client.py"
SERIAL, MESSAGE = "0-0:96.1.0", "0-0:96.13.0"
PASS_P1, PASS_P2 = 7, 8


def password(meter: Any, level: int) -> str:
    """The password of a level as the meter's local port set-up (class 19) has it."""
    return f"{level}:{meter.value(19, '0-0:20.0.0.255', PASS_P1 if level == 1 else PASS_P2).decode()}"


def test_data_readout(meters: Any, peers: Any) -> None:
    meter = meters()
    outcome = peers.client("iec62056", SCRIPT, {"port": meter.port("optical"), "do": [["readout"]]})
    assert outcome.errors == [], outcome.said
    (readout,) = outcome.results
    assert readout[SERIAL] == [meter.value(1, "0-0:96.1.0.255", 2).decode(), None]
    energy, unit = readout["1-0:1.8.0"]
    assert (round(float(energy) * 1000), unit) == (meter.value(3, "1-0:1.8.0.255", 2), "kWh")


@pytest.mark.parametrize("level", [1, 2])
def test_programming_mode(meters: Any, peers: Any, level: int) -> None:
    meter = meters()
    commands = [["read", SERIAL], ["write", MESSAGE, "HELLO"], ["read", MESSAGE]]
    spec = {"port": meter.port("optical"), "do": [["program", password(meter, level), commands]]}
    outcome = peers.client("iec62056", SCRIPT, spec)
    assert outcome.errors == [], outcome.said
    taken, serial, written, message = outcome.results[0]
    assert (taken, written) == ("ACK", True)
    assert serial[0][0] == meter.value(1, "0-0:96.1.0.255", 2).decode()
    assert message[0][0] == "HELLO"
    assert meter.value(1, "0-0:96.13.0.255", 2) == b"HELLO"


def test_a_session_follows_another(meters: Any, peers: Any) -> None:
    meter = meters()
    programming = ["program", password(meter, 1), [["read", SERIAL]]]
    spec = {"port": meter.port("optical"), "do": [["readout"], programming, ["readout"], programming]}
    outcome = peers.client("iec62056", SCRIPT, spec)
    assert outcome.errors == [], outcome.said
    assert outcome.results[0] == outcome.results[2]
    assert outcome.results[1] == outcome.results[3]


def test_a_wrong_password_lets_nobody_in(meters: Any, peers: Any) -> None:
    meter = meters()
    spec = {"port": meter.port("optical"), "do": [["program", "1:NOTTHIS", []], ["readout"]]}
    outcome = peers.client("iec62056", SCRIPT, spec)
    assert outcome.errors == [], outcome.said
    assert outcome.results[0] != ["ACK"]
    assert SERIAL in outcome.results[1]
