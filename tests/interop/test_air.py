"""The dissector of Wireshark reads every kind of frame of our air, given only the link key of an install code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.zigbee import mac

from ..protocols.zigbee.air_frames import BEYOND_THE_DISSECTOR, LINK, LINK_KEY, READ, Air, data, join, traffic
from ..protocols.zigbee.zdo_samples import SAMPLES

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

FIELDS = (
    "frame.number",
    "frame.protocols",
    "frame.comment",
    "wpan.fcs_ok",
    "zbee.sec.key_id",
    "zbee.sec.counter",
    "zbee_nwk.cmd.id",
    "zbee_aps.cmd.id",
    "zbee_aps.zdp_cluster",
    "zbee_aps.cluster",
    "zbee_zcl.cmd.tsn",
    "wpan-tap.rss",
    "wpan-tap.lqi",
    "wpan-tap.ch_num",
)


@pytest.fixture
def read(peers: Any, tmp_path: Path) -> Any:
    """What the dissector says of our air, a mapping of fields for each frame, given the link key only."""

    def run(air: Air, key: bytes = LINK_KEY, *more: str) -> list[dict[str, str]]:
        file = tmp_path / "air.pcapng"
        air.write(file)
        text = ":".join(f"{octet:02X}" for octet in key)
        arguments = ["-r", str(file), "-o", f'uat:zigbee_pc_keys:"{text}","Normal","link"', *more, "-T", "fields"]
        for field in FIELDS:
            arguments += ["-e", field]
        lines: Iterator[str] = iter(peers.tshark(*arguments))
        return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines]

    return run


@pytest.fixture(scope="module")
def air() -> Air:
    air = Air()
    join(air)
    traffic(air)
    return air


def test_nothing_is_malformed_or_left_encrypted(air: Air, read: Any) -> None:
    assert len(read(air)) == len(air.frames) > 70
    assert all(sample in SAMPLES for sample in BEYOND_THE_DISSECTOR)
    faults = "_ws.malformed || _ws.expert.severity >= 0x600000 || !(wpan.fcs_ok == 1)"
    faults += " || data"
    unsound = read(air, LINK_KEY, "-Y", faults)
    # The blocks of a message but the last have no more to say than that they are blocks.
    assert [frame for frame in unsound if frame["frame.comment"] != "block"] == []


def test_each_frame_is_what_we_meant(air: Air, read: Any) -> None:
    frames = read(air)
    assert [frame["frame.comment"] for frame in frames] == [what for what, _ in air.frames]
    for frame in frames:
        assert frame["wpan.fcs_ok"] in ("1", "True")
        assert (frame["wpan-tap.rss"], frame["wpan-tap.lqi"], frame["wpan-tap.ch_num"]) == ("-61", "200", "20")
        kind, _, wanted = frame["frame.comment"].partition(" ")
        if kind == "zcl":
            assert "zbee_zcl" in frame["frame.protocols"] and int(frame["zbee_aps.cluster"], 16) == int(wanted), frame
            assert frame["zbee_zcl.cmd.tsn"] == "7"
        elif kind == "zdo":
            assert "zbee_zdp" in frame["frame.protocols"], frame
            assert int(frame["zbee_aps.zdp_cluster"], 16) == int(wanted)
        elif kind == "nwk":
            assert int(frame["zbee_nwk.cmd.id"], 16) == int(wanted)
        elif kind == "aps":
            assert int(frame["zbee_aps.cmd.id"].split(",")[0], 16) == int(wanted), frame


def test_a_wrong_link_key_shows_nothing(air: Air, read: Any) -> None:
    """So what the other tests see was decrypted with the one key given."""
    frames = read(air, bytes(16))
    assert not any("zbee_zcl" in frame["frame.protocols"] or frame["zbee_nwk.cmd.id"] for frame in frames)


def test_a_flipped_bit_of_the_mic_is_seen(read: Any) -> None:
    air = Air()
    join(air)
    air.aps("zcl 1794", data(0x0702, READ), LINK)
    what, octets = air.frames.pop()
    body = octets[:-3] + bytes((octets[-3] ^ 1,))
    air.frames.append((what, body + mac.check_sequence(body)))
    assert "zbee_zcl" not in read(air)[-1]["frame.protocols"]
