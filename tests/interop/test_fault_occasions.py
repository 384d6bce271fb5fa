"""Faults that wait, as an independent client meets them, and their ids as Wireshark finds them in a capture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rigs.capture import Capture
from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.running import RunningRig

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

TEMPORARY_FAILURE = 2
IMPORT, EXPORT = "1.0.1.8.0.255", "1.0.2.8.0.255"
TABLES: dict[str, object] = {
    "premises": [{"name": "home", "hub": {}, "electricity": {"ports": {"local-tcp": "tcp:0"}}, "gas": {}}]
}


@pytest.fixture
def captured(tmp_path: Path) -> Iterator[tuple[RunningRig, Capture]]:
    """A running home, all of it in a capture."""
    with Capture(tmp_path / "faults.pcapng") as capture:
        running = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
        capture.attach(running.rig)
        with running:
            yield running, capture


@pytest.fixture
def read(captured: tuple[RunningRig, Capture], peers: Any, meter_of: Any) -> Callable[..., list[Any]]:
    """What a client of pydlms gets for its steps."""
    meter = meter_of(captured[0])

    def run(*steps: list[Any]) -> list[Any]:
        spec = {**meter.client("management"), "transport": "tcp", "where": meter.port("local-tcp"), "do": list(steps)}
        outcome = peers.client("pydlms", "pydlms_client.py", spec)
        assert outcome.errors == [], outcome.said
        return outcome.results

    return run


def test_a_read_that_is_waited_for_and_the_ids_in_a_capture(
    captured: tuple[RunningRig, Capture], read: Callable[..., list[Any]], peers: Any
) -> None:
    running, capture = captured
    fault = running.start_fault(
        "object-refuses", "home/electricity", {"object": "1-0:1.8.0", "answers": 1}, when="read 1-0:1.8.0 2", times=2
    )
    other, refused = ["get", 3, EXPORT, 2], ["refused", ["get", 3, IMPORT, 2]]
    found = read(other, refused, other, refused, ["get", 3, IMPORT, 2])
    assert (found[1], found[3]) == (TEMPORARY_FAILURE, TEMPORARY_FAILURE)
    assert found[4] > 0
    assert [(each.state, each.occurrences) for each in running.faults] == [("ended", 2)]
    lasting = running.start_fault("slow-object", "home/electricity", object="1-0:99.99.0")
    read(other)
    running.end_fault(lasting.id)
    read(other)
    gas = running.start_fault("antenna-off", "home/gas", decibels=1, seconds=3600)
    running.clock.advance(hours=2)
    assert running.faults[-1].state == "ended"
    running.stop()
    capture.close()

    def frames(text: str) -> list[tuple[list[str], str]]:
        """Comments and interface of the packets that have a text in a comment."""
        fields = ["-E", "aggregator=|", "-e", "frame.comment", "-e", "frame.interface_name"]
        lines = peers.tshark("-r", str(capture.path), "-Y", f'frame.comment contains "{text}"', "-T", "fields", *fields)
        packets = [line.split("\t") for line in lines]
        return [(comments.split("|"), name) for comments, name in packets]

    assert peers.tshark("-r", str(capture.path), "-Y", "_ws.malformed") == []
    what = f"fault {fault.id}: object-refuses at home/electricity object=1-0:1.8.0.255 result=temporary-failure"
    requests = [comments for comments, _ in frames(f"fault {fault.id}: object-refuses at") if len(comments) > 1]
    why = f"why: application: fault {fault.id}: the object answers temporary-failure"
    refusal = "why: application: GET of class 3 1-0:1.8.0.255 index 2 refused: TEMPORARY_FAILURE"
    assert [
        [comment.replace(f"{what} access=any client=0 answers=1 ", "") for comment in each] for each in requests
    ] == [
        ["begins (time 1 of 2)", why, "ends (time 1 of 2)", refusal],
        ["begins (time 2 of 2)", why, "ends", refusal],
    ]
    slow = [comment for comments, _ in frames(f"fault {lasting.id}: slow-object") for comment in comments]
    marked = [each for each in slow if each == f"in force: fault {lasting.id}: slow-object at home/electricity"]
    assert len(marked) >= 6, "each packet of the one client that came while it was in force"
    assert len(slow) == len(marked) + 2, "and that it begins and ends"
    air = frames(f"fault {gas.id}: antenna-off at home/gas")
    assert {name for _, name in air} == {"home/hub/han"}
    assert any(comment.endswith("decibels=1 ends") for comment in air[-1][0]) and len(air) > 5


def test_between_times_of_day(captured: tuple[RunningRig, Capture], read: Callable[..., list[Any]]) -> None:
    running, _ = captured
    running.start_fault("object-refuses", "home/electricity", object="1-0:1.8.0", between="12:00-13:00")
    good, bad = ["get", 3, IMPORT, 2], ["refused", ["get", 3, IMPORT, 2]]
    running.clock.advance(hours=11, minutes=30)
    read(good)
    running.clock.advance(hours=1)
    assert read(bad) == [TEMPORARY_FAILURE]
    running.clock.advance(hours=1)
    read(good)
    (state,) = running.faults
    assert (state.state, state.occurrences, state.waits_for) == ("waiting", 1, "its clock to show 12:00")


def test_the_nth_frame_meets_the_fault(captured: tuple[RunningRig, Capture], read: Callable[..., list[Any]]) -> None:
    running, _ = captured
    fault = running.start_fault("object-refuses", "home/electricity", answers=1, when="frame 5")
    good, bad = ["get", 3, IMPORT, 2], ["refused", ["get", 3, IMPORT, 2]]
    found = read(good, good, bad, good)  # after the frames of the AARQ and of the answer to the challenge
    assert found[2] == TEMPORARY_FAILURE
    assert [(each.id, each.state, each.occurrences) for each in running.faults] == [(fault.id, "ended", 1)]
