"""Faults of the line as independent clients meet them: pydlms, gurux-dlms, and pyserial for the octets themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.faulty_lines import LINK, PATIENT, FaultyLines, faulty_lines, frames

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SILENT = "no UA after 3 SNRM attempts"
UA = 0x73


@pytest.fixture(scope="module")
def place(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyLines]:
    """Each test leaves it as it was."""
    with faulty_lines(tmp_path_factory.mktemp("line"), peers) as found:
        yield found


def case(name: str, told: str, heard: bool, **parameters: int | str) -> Any:
    """A fault, what the meter's port says of it, and whether the meter hears requests meanwhile."""
    way = parameters.get("way", "")
    return pytest.param(name, told, heard, parameters, marks=pytest.mark.fault(name), id=f"{name}-{way}".strip("-"))


@pytest.mark.parametrize(
    ("name", "told", "heard", "parameters"),
    [
        case("bit-errors", "bits wrong", False, per_million=100_000, way="to-device"),
        case("bit-errors", "bits wrong", True, per_million=100_000, way="from-device"),
        case("lost-octets", "octets lost", False, per_mille=300, way="to-device"),
        case("lost-octets", "octets lost", True, per_mille=300, way="from-device"),
        case("dropped-messages", "dropped", False, per_cent=100, way="to-device"),
        case("dropped-messages", "dropped", True, per_cent=100, way="from-device"),
        case("line-dead", "the line is dead this way", False),
        case("line-dead", "the line is dead this way", False, way="to-device"),
        case("line-dead", "the line is dead this way", True, way="from-device"),
        case("stuck-break", "the wire is held in a break", False),
        case("wrong-baud", "the UART of the device is set to 4800 Bd 8N1", False),
        case("delayed-messages", "1000.0 ms late", True, delay=1000, way="from-device"),
    ],
)
def test_nothing_comes_back(
    place: FaultyLines, name: str, told: str, heard: bool, parameters: dict[str, int | str]
) -> None:
    received = place.counted("frames received")
    with place.fault(name, **parameters) as id:
        found = place.ask()
        assert SILENT in found["error"]
        assert f"line: fault {id} ({name}): " in place.told(id)
        assert told in place.told(id)
        assert (place.counted("frames received") > received) == heard
    assert place.reads_well()


@pytest.mark.fault("delayed-messages")
@pytest.mark.parametrize("distribution", ["constant", "uniform", "normal", "exponential"])
def test_answers_come_late(place: FaultyLines, distribution: str) -> None:
    with place.fault("delayed-messages", distribution=distribution, delay=60, spread=20):
        found = place.ask(patience=PATIENT)
        assert (found["error"], found["results"]) == ("", [place.meter.identity])
        assert 0.15 < found["seconds"] < 3  # four requests and their answers
    assert place.reads_well()


@pytest.mark.fault("dropped-messages")
@pytest.mark.fault("loose-contact")
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("dropped-messages", {"per_cent": 40}), ("loose-contact", {"contact": 30, "no_contact": 30})],
)
def test_some_answers_are_missing(place: FaultyLines, name: str, parameters: dict[str, int]) -> None:
    with place.terminal() as terminal:
        with place.fault(name, **parameters) as id:
            answers = [frames(terminal.ask(LINK, 0.025)) for _ in range(25)]
            assert {len(found) for found in answers} >= {0, 1}
            assert 2 < sum(bool(found) for found in answers) < 23
            assert f"line: fault {id} ({name}): a request of " in place.told(id)
        assert [found.control for found in frames(terminal.ask(LINK))] == [UA]


@pytest.mark.fault("duplicated-messages")
def test_answers_come_twice(place: FaultyLines) -> None:
    with place.terminal() as terminal:
        with place.fault("duplicated-messages", per_cent=100, way="from-device"):
            assert [found.control for found in frames(terminal.ask(LINK))] == [UA, UA]
        assert [found.control for found in frames(terminal.ask(LINK))] == [UA]
    with place.fault("duplicated-messages", per_cent=100):
        assert place.ask(patience=PATIENT)["results"] == [place.meter.identity]  # a client copes with it
    assert place.reads_well()


@pytest.mark.fault("stuck-break")
def test_a_break_is_one_nul(place: FaultyLines) -> None:
    with place.terminal() as terminal:
        terminal.ask(LINK)
        with place.fault("stuck-break"):
            assert terminal.ask(LINK, 0.15, enough=2) == b"\0"
            assert terminal.ask(LINK, 0.1) == b""
        assert [found.control for found in frames(terminal.ask(LINK))] == [UA]


@pytest.mark.fault("echoed-octets")
def test_a_client_hears_itself(place: FaultyLines) -> None:
    with place.terminal() as terminal:
        with place.fault("echoed-octets") as id:
            heard = terminal.ask(LINK, enough=len(LINK) + 1)
            assert heard.startswith(LINK)
            assert [found.control for found in frames(heard[len(LINK) :])] == [UA]
            assert "echoed to the client" in place.told(id)
        assert not terminal.ask(LINK).startswith(LINK)
    with place.fault("echoed-octets"):
        assert place.ask(patience=PATIENT)["results"] == [place.meter.identity]  # pydlms passes its own frames over
    assert place.reads_well("gurux")


@pytest.mark.fault("line-noise")
def test_octets_that_nobody_sent(place: FaultyLines) -> None:
    noise = place.counted("noise")
    with place.terminal() as terminal:
        terminal.ask(LINK)
        with place.fault("line-noise", period=20):
            assert len(terminal.hear(2.0, enough=20)) >= 20
        terminal.hear(0.05)
        assert terminal.hear(0.2) == b""
    assert place.reads_well()
    assert place.counted("noise") > noise


@pytest.mark.fault("crosstalk")
def test_another_meters_frames(place: FaultyLines) -> None:
    name = bytes.fromhex(place.hub.identity)
    with place.terminal() as terminal:
        terminal.ask(LINK)
        with place.fault("crosstalk", **{"from": "hub"}) as id:
            assert place.ask(port="wan", patience=PATIENT, meter=place.hub)["results"] == [place.hub.identity]
            heard = terminal.hear(0.1)
            assert name in heard
            assert f"line: fault {id} (crosstalk): " in place.told(id)
        assert place.ask(port="wan", patience=PATIENT, meter=place.hub)["results"] == [place.hub.identity]
        assert terminal.hear(0.1) == b""
    assert place.reads_well()


@pytest.mark.fault("wrong-baud")
def test_a_uart_at_another_rate(place: FaultyLines) -> None:
    with place.terminal() as terminal:
        with place.fault("wrong-baud", baud=9600):
            assert [found.control for found in frames(terminal.ask(LINK))] == [UA]  # that is what it should be
        with place.fault("wrong-baud", character="8E1", baud=9600):
            assert frames(terminal.ask(LINK, 0.15)) == []
        assert [found.control for found in frames(terminal.ask(LINK))] == [UA]


@pytest.mark.fault("dropped-messages")
def test_a_network_loses_messages_too(place: FaultyLines) -> None:
    with place.fault("dropped-messages", lines="network", per_cent=100) as id:
        assert "no wrapper PDU" in place.ask(port="local-tcp")["error"]
        assert place.reads_well()  # the optical port is as it was
        assert "dropped" in place.told(id)
    assert place.reads_well(port="local-tcp")
