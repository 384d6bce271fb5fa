"""The dissector of Wireshark reads all that a rig captures of its HAN's air, given link keys only."""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rigs.air import dissector_option
from rigs.capture import Capture

from ..rigs.air_story import ESTABLISHING, HUBS, Story, story_rig

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

FAULTS = "_ws.malformed || _ws.expert.severity >= 0x600000 || !(wpan.fcs_ok == 1)"
FIELDS = (
    "frame.number",
    "frame.protocols",
    "_ws.col.Info",
    "wpan.fcs_ok",
    "wpan-tap.ch_num",
    "wpan-tap.rss",
    "wpan-tap.lqi",
    "zbee.sec.key_id",
    "zbee.sec.counter",
    "zbee.sec.key",
    "zbee.sec.src64",
    "zbee_nwk.cmd.id",
    "zbee_aps.type",
    "zbee_aps.cmd.id",
    "zbee_aps.cluster",
)


class Recorded(NamedTuple):
    """A capture, whether link keys were established in it, and tshark's options for keys: those of install codes, and
    those that took their place.
    """

    file: Path
    establishing: bool
    install_codes: list[str]
    later: list[str]
    channel: int


@pytest.fixture(scope="module", params=HUBS)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The story as a capture."""
    folder = tmp_path_factory.mktemp("air")
    with Capture(folder / "air.pcapng") as capture:
        running = story_rig(folder, request.param)
        running.rig.air.append(capture.air)
        with running:
            story = Story(running)
            story.tell()
            first = [member.first_key for member in story.han.members]
            later = [key for key in dict.fromkeys(story.link_keys) if key and key not in first]
            keys = options("code", first), options("later", later)
            return Recorded(capture.path, request.param == ESTABLISHING, *keys, story.han.channel)


def options(label: str, keys: list[bytes]) -> list[str]:
    """Arguments for tshark."""
    return [word for key in keys for word in shlex.split(dissector_option(label, key))]


@pytest.fixture(scope="module", params=["peer", "system"])
def dissect(request: pytest.FixtureRequest, peers: Any) -> Any:
    """tshark, the one that the peers have and the system's own."""
    program = peers.program("bin", "tshark") if request.param == "peer" else shutil.which("tshark")
    if program is None:
        pytest.skip("the system has no tshark of its own; the peers' one is tried")

    @cache
    def run(file: Path, *arguments: str) -> list[dict[str, str]]:
        words = ["-r", str(file), *arguments, "-T", "fields"]
        for field in FIELDS:
            words += ["-e", field]
        done = peers.run(program, *words)
        assert done.returncode == 0, done.stderr
        return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in done.stdout.splitlines()]

    return run


def left_encrypted(frames: list[dict[str, str]]) -> list[dict[str, str]]:
    """Protected frames of which a layer was not decrypted.

    The dissector names a key for each layer that it decrypts. An APS acknowledgement has nothing to decrypt behind its
    header, and none is named.
    """
    closed: list[dict[str, str]] = []
    for frame in frames:
        layers = len(split(frame["zbee.sec.key_id"]))
        if split(frame["zbee_aps.type"])[-1:] == ["0x02"] and layers == 2:
            layers = 1
        if len(split(frame["zbee.sec.key"])) < layers:
            closed.append(frame)
    return closed


def split(values: str) -> list[str]:
    """The values of a field that a frame may have more than once."""
    return values.split(",") if values else []


def test_every_frame_is_sound_and_decrypted(recorded: Recorded, dissect: Any) -> None:
    keys = recorded.install_codes + recorded.later
    assert dissect(recorded.file, *keys, "-Y", FAULTS) == []
    frames = dissect(recorded.file, *keys)
    assert len(frames) > 90
    assert {frame["wpan.fcs_ok"] for frame in frames} <= {"1", "True"}
    assert {frame["wpan-tap.ch_num"] for frame in frames} == {str(recorded.channel)}
    heard = [frame for frame in frames if frame["wpan-tap.rss"]]
    assert all(-100 < float(frame["wpan-tap.rss"]) < 0 and 0 <= int(frame["wpan-tap.lqi"]) <= 255 for frame in heard)
    # What the gas meter broadcasts, the hub hears only from the one that passes it on.
    assert 0 < len(frames) - len(heard) < 20
    assert left_encrypted(frames) == []
    assert [frame for frame in frames if frame["frame.protocols"].endswith(":data")] == []


def test_the_whole_story_is_there(recorded: Recorded, dissect: Any) -> None:
    frames = dissect(recorded.file, *recorded.install_codes, *recorded.later)
    said = Counter(frame["_ws.col.Info"].split(",")[0] for frame in frames)
    commands = {int(number, 16) for frame in frames for number in split(frame["zbee_aps.cmd.id"])}
    assert commands == {5, 6, 8, 9, 14}  # Transport Key, Update Device, Request Key, Switch Key, Tunnel
    for info in ("Beacon Request", "Association Request", "Association Response"):
        assert said[info] > 0, said
    assert said["Device Announcement"] > 0 and said["Rejoin Request"] > 0 and said["Leave"] > 0, said
    metering = [
        frame for frame in frames if frame["zbee_aps.cluster"] == "0x0702" and "zbee_zcl" in frame["frame.protocols"]
    ]
    for command in ("Read Attributes", "Read Attributes Response", "Configure Reporting", "Report Attributes"):
        assert any(frame["_ws.col.Info"].startswith(f"ZCL: {command}, ") for frame in metering), command


def test_install_codes_alone_open_all_but_what_established_keys_protect(recorded: Recorded, dissect: Any) -> None:
    """The dissector learns every key that goes over the air, but not one that the two ends work out (CBKE)."""
    frames = dissect(recorded.file, *recorded.install_codes)
    closed = left_encrypted(frames)
    assert bool(closed) is recorded.establishing
    established = [int(frame["frame.number"]) for frame in frames if frame["zbee_aps.cluster"] == "0x0800"]
    assert bool(established) is recorded.establishing
    assert not closed or int(closed[0]["frame.number"]) > established[0]
    keys = {key for frame in frames for key in split(frame["zbee.sec.key"])}
    assert len(keys) >= 4  # of two install codes, and two network keys


def test_frame_counters_of_a_sender_never_go_back(recorded: Recorded, dissect: Any) -> None:
    frames = dissect(recorded.file, *recorded.install_codes, *recorded.later)
    latest: dict[str, int] = {}
    for frame in frames:
        if frame["zbee.sec.key_id"].split(",")[0] == "0x01":
            sender, counter = frame["zbee.sec.src64"].split(",")[0], int(frame["zbee.sec.counter"].split(",")[0])
            assert counter >= latest.get(sender, 0), frame  # the same for a frame that was not acknowledged
            latest[sender] = counter
    assert len(latest) == 4


def test_without_keys_nothing_is_open(recorded: Recorded, dissect: Any) -> None:
    frames = dissect(recorded.file)
    assert not any("zbee_zcl" in frame["frame.protocols"] for frame in frames)
