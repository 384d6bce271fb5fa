"""The air of a rig's HANs: captured, traced, and what radios drop of it counted and explained."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from emulator.hub import Hub
from emulator.time import SECOND
from protocols import pcapng
from protocols.zigbee import aps, mac, nwk
from protocols.zigbee.aps import ApsFrame
from rigs.capture import Capture
from rigs.commands.up import UpOptions, _Session
from rigs.config import rig_of
from rigs.driver import ClockMode
from rigs.running import RunningRig
from rigs.trace import Trace

from ..protocols.pcapng_blocks import blocks
from .air_story import ESTABLISHING, HUBS, Story, story_rig
from .stranger import Stranger, resealed

NAME = "home/hub/han"
TABLES: dict[str, object] = {
    "premises": [{"name": "home", "hub": {"ports": {"wan-tcp": "tcp:0"}}}, {"name": "meters-only", "hub": None}]
}


class Heard(NamedTuple):
    """A frame of a capture: interface, instant, channel, RSSI, LQI, octets, comments."""

    interface: int
    now: int
    channel: int
    rssi: float
    lqi: int
    octets: bytes
    comments: list[str]


def captured(file: Path) -> list[Heard]:
    """The frames of the air in a file, by the text of the link type's specification."""
    found: list[Heard] = []
    kinds: list[int] = []
    for block in blocks(file.read_bytes()):
        if block.kind == 1:
            kinds.append(struct.unpack_from("<H", block.body)[0])
        elif block.kind == 6:
            interface, high, low, length, _ = struct.unpack_from("<IIIII", block.body)
            if kinds[interface] != pcapng.IEEE802154_TAP:
                continue
            octets = block.body[20 : 20 + length]
            head = struct.unpack_from("<BBH", octets)[2]
            fields, at = {}, 4
            while at < head:
                tag, size = struct.unpack_from("<HH", octets, at)
                fields[tag] = octets[at + 4 : at + 4 + size]
                at += 4 + (size + 3) // 4 * 4
            comments = [comment.decode() for comment in block.options.get(1, [])]
            channel, rssi = struct.unpack("<H", fields[3][:2])[0], struct.unpack("<f", fields[1])[0]
            found.append(Heard(interface, high << 32 | low, channel, rssi, fields[10][0], octets[head:], comments))
    return found


class Bench:
    """A rig whose air is captured and traced."""

    def __init__(self, rig: RunningRig, capture: Capture, lines: list[str]) -> None:
        self.rig = rig
        self.capture = capture
        self.lines = lines
        hub = rig.rig.premises["home"].hub
        assert hub is not None
        self.hub: Hub = hub
        self.stranger = Stranger(hub)

    def on_hub(self, act: Callable[[Hub], object]) -> None:
        """Do something with the hub itself, in the rig's thread."""
        self.rig.runner.call(lambda: act(self.hub))

    def frames(self) -> list[Heard]:
        """What the file has now."""
        self.rig.runner.call(self.capture.flush)
        return captured(self.capture.path)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    lines: list[str] = []
    with Capture(tmp_path / "air.pcapng") as capture:
        running = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
        running.rig.air += [capture.air, Trace(lines.append).air]
        with running:
            yield Bench(running, capture, lines)


def rejoin(hub: Hub) -> None:
    """The electricity meter leaves the network, and joins it again."""
    member = next(member for member in hub.han.members if member.device.firmware.kind == "electricity")
    hub.han.permit(True)
    hub.han.leave(member)
    assert member.join() is None


def test_frames_are_captured_with_channel_and_levels(bench: Bench) -> None:
    bench.on_hub(rejoin)
    bench.rig.clock.advance(seconds=5)
    frames = bench.frames()
    assert len(frames) > 8 and bench.capture.packets == len(frames)
    assert {frame.channel for frame in frames} == {bench.hub.han.channel}
    assert all(-100 < frame.rssi < 0 and frame.lqi > 0 for frame in frames)
    assert [frame.now for frame in frames] == sorted(frame.now for frame in frames)
    kinds = [mac.decode(frame.octets).type for frame in frames]
    assert (mac.FrameType.COMMAND, mac.FrameType.BEACON) in pairwise(kinds)
    names = [block.options.get(2) for block in blocks(bench.capture.path.read_bytes()) if block.kind == 1]
    assert names == [[NAME.encode()]]


def test_keys_for_a_dissector_come_with_the_first_frame_after_they_are_known(bench: Bench) -> None:
    han = bench.hub.han
    bench.on_hub(rejoin)
    first, *others = bench.frames()
    keys = [f'"{member.first_key.hex(":").upper()}"' for member in han.members]
    text = "\n".join(first.comments)
    assert all(key in text for key in keys) and f'"{han.network_key.hex(":").upper()}"' in text
    assert not any(frame.comments for frame in others)
    bench.on_hub(lambda hub: hub.han.update_network_key())
    bench.on_hub(rejoin)
    new = [comment for frame in bench.frames()[len(others) + 1 :] for comment in frame.comments]
    assert len(new) == 1 and f'"{han.network_key.hex(":").upper()}"' in new[0]


def test_the_trace_tells_frames_in_words_and_drops_in_sentences(bench: Bench) -> None:
    bench.on_hub(rejoin)
    bench.rig.clock.advance(seconds=1)
    text = "\n".join(bench.lines)
    address = bench.stranger.meter.node.address
    assert f" {NAME} home/electricity > home/hub | association request of a router" in text
    assert f" {NAME} home/hub > home/electricity | association response: address {address:04X}" in text
    assert f" {NAME} home/hub > home/electricity | network key 0 for home/electricity, key-transport key" in text
    assert f"ZDO device announce address={address:04X}" in text
    assert "malformed" not in text and "not known" not in text
    assert bench.lines == sorted(bench.lines)  # they begin with the time


BAD: dict[str, tuple[Callable[[Stranger], bytes], str, str]] = {
    "too short": (lambda her: b"\1\2\3", "length", "5 octets at least"),
    "cut off": (lambda her: resealed(her.network(her.message())[:12] + b"\0\0"), "network header", "network frame of"),
    "oversize": (lambda her: resealed(her.network(her.message()) + bytes(100)), "oversize", "127 octets at most"),
    "FCS": (lambda her: her.network(her.message())[:-1] + b"\0", "check sequence", "should be"),
    "another PAN": (lambda her: her.network(her.message(), pan=her.han.pan_id ^ 1), "PAN", "it is for PAN"),
    "MAC command": (
        lambda her: mac.encode(mac.MacFrame(mac.FrameType.COMMAND, 1, b"\x63", her.han.pan_id, 0)),
        "MAC command",
        "MAC command 99",
    ),
    "not protected": (lambda her: her.unprotected(), "not protected", "the network key does not protect it"),
    "network command": (
        lambda her: her.network(b"\x63", nwk.FrameType.COMMAND),
        "network command",
        "network command 0x63",
    ),
    "used counter": (lambda her: her.network(her.message(), counter=0), "frame counter", "counter 0 from"),
    "key number": (lambda her: her.network(her.message(), sequence=9), "key sequence", "network key 9 protects it"),
    "key": (lambda her: her.network(her.message(), key=bytes(16)), "MIC", "the MIC is wrong"),
    "APS command": (
        lambda her: her.network(aps.encode(ApsFrame(aps.FrameType.COMMAND, 1, b"\x63"))),
        "APS command",
        "APS command 0x63",
    ),
    "APS header": (lambda her: her.network(b"\x00"), "APS header", "APS frame of 1 octets"),
    "link key": (lambda her: her.network(her.message(link_key=bytes(16))), "APS MIC", "the MIC is wrong"),
}


@pytest.mark.parametrize("what", list(BAD))
def test_a_bad_frame_is_dropped_counted_and_explained(bench: Bench, what: str) -> None:
    make, reason, words = BAD[what]
    bench.on_hub(rejoin)  # so that counters have been used
    octets = make(bench.stranger)
    before = bench.hub.han.image()
    bench.on_hub(lambda hub: hub.han.air.inject(octets))
    assert bench.hub.han.air.dropped == {reason: 1}
    frame, said = bench.lines[-2:]
    assert f" {NAME} " in frame
    assert f" {NAME}: " in said and f"a frame of {len(octets)} octets: " in said and words in said
    ((place, sentence),) = bench.rig.explained
    assert place == NAME and said.endswith(f"{NAME}: {sentence}")
    # The file has the frame, with the sentence as a comment.
    last = bench.frames()[-1]
    assert (last.octets, last.comments) == (octets, [sentence])
    assert bench.hub.han.image() == before and bench.stranger.meter.on


def test_a_replayed_frame_is_dropped(bench: Bench) -> None:
    bench.on_hub(rejoin)
    replayed = next(
        frame.octets
        for frame in reversed(bench.frames())
        if mac.decode(frame.octets).type is mac.FrameType.DATA and mac.decode(frame.octets).source == 0
    )
    bench.on_hub(lambda hub: hub.han.air.inject(replayed))
    assert set(bench.hub.han.air.dropped) == {"frame counter"}
    assert "was used" in bench.lines[-1]


def test_each_radio_that_drops_a_broadcast_says_so(bench: Bench) -> None:
    han = bench.hub.han
    frame = nwk.NwkFrame(nwk.FrameType.DATA, nwk.ALL_DEVICES, 0, 30, 200, b"\0\0")
    to_all = mac.MacFrame(mac.FrameType.DATA, 7, nwk.encode(frame), han.pan_id, mac.BROADCAST, han.pan_id, 0)
    bench.on_hub(lambda hub: hub.han.air.inject(mac.encode(to_all)))
    count = han.air.dropped["not protected"]
    assert count > 1
    assert len(bench.frames()[-1].comments) >= count
    assert len([line for line in bench.lines if "home/electricity drops a frame" in line]) == 1


@pytest.mark.parametrize("hub", HUBS)
def test_a_whole_story_is_told_in_words(tmp_path: Path, hub: str) -> None:
    lines: list[str] = []
    running = story_rig(tmp_path, hub)
    running.rig.air.append(Trace(lines.append).air)
    with running:
        Story(running).tell()
        assert running.rig.premises["home"].hub.han.air.dropped == {}  # type: ignore[union-attr]
    assert not [line for line in lines if "not known" in line or "malformed" in line or "the MIC" in line]
    text = "\n".join(lines)
    for words in (
        "association request of a sleepy end device",
        "network key 0 for home/gas, key-transport key, counter ",
        "| read CurrentSummationDelivered, Multiplier, Divisor",
        "| read response CurrentSummationDelivered=",
        "new link key for home/electricity, key-load key, counter ",
        "home/hub > receivers on | switch to network key 1",
        "home/gas > home/electricity | rejoin request of a sleepy end device",
        "home/electricity > home/hub | update device: home/gas at ",
        "home/hub > home/electricity | tunnel to home/gas: [network key 0 for home/gas, key-transport key, counter ",
        "home/gas > home/electricity | home/gas > home/hub | Metering 1 > 2, link key, counter ",
        "home/hub > home/electricity | told to leave",
        "home/electricity > home/hub | leaves",
        "home/display > home/hub | request for a link key with home/electricity, link key",
        "home/electricity > home/display | Metering 1 > 1, link key, counter ",
        "| report CurrentSummationDelivered=",
    ):
        assert words in text
    assert ("ConfirmKeyDataResponse mac=" in text) is (hub == ESTABLISHING)


@pytest.mark.parametrize("air", [True, False])
def test_up_listens_to_the_air_unless_told_not_to(tmp_path: Path, air: bool) -> None:
    options = UpOptions(capture=tmp_path / "c.pcapng", trace=True, control="off", air=air)
    session = _Session(rig_of(TABLES), options)
    with ExitStack() as listeners:
        session._listen_in(listeners)
        assert (len(session.rig.taps), len(session.rig.air)) == (2, 2 if air else 0)


def test_each_han_is_an_interface_of_its_own(tmp_path: Path) -> None:
    dwelling = {"hub": {"ports": {"wan-tcp": "tcp:0"}}}
    with Capture(tmp_path / "air.pcapng") as capture:
        running = RunningRig(
            rig_of({"premises": [{"name": "one", **dwelling}, {"name": "two", **dwelling}]}),
            folder=tmp_path,
            mode=ClockMode.STEPPED,
        )
        running.rig.air.append(capture.air)
        with running:
            for name in ("two", "one"):
                hub = running.rig.premises[name].hub
                assert hub is not None
                running.runner.call(lambda hub=hub: hub.han.air.inject(b"\1\2\3"))  # type: ignore[misc]
    names = [block.options[2] for block in blocks(capture.path.read_bytes()) if block.kind == 1]
    assert names == [[b"one/hub/han"], [b"two/hub/han"]]
    assert [frame.interface for frame in captured(capture.path)] == [1, 0]


def test_hexadecimal_trace(tmp_path: Path) -> None:
    lines: list[str] = []
    running = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
    running.rig.air.append(Trace(lines.append, hexadecimal=True).air)
    with running:
        hub = running.rig.premises["home"].hub
        assert hub is not None
        running.runner.call(lambda: hub.han.air.inject(b"\1\2\3"))
    where, frame, said = lines
    assert where.startswith("# ") and where.endswith(f"{NAME} -50 dBm, LQI 200")
    assert frame == "RADIO 010203"
    assert said.startswith("# ") and ": nobody takes" in said


def test_nothing_is_listened_to_unless_somebody_asks(tmp_path: Path) -> None:
    running = RunningRig(rig_of(TABLES), folder=tmp_path, mode=ClockMode.STEPPED)
    with running:
        hub = running.rig.premises["home"].hub
        assert hub is not None
        assert not hub.han.air.listened
        running.runner.call(lambda: hub.han.air.inject(b"\1\2\3"))
        ((place, _),) = running.explained
        assert place == NAME
    assert hub.han.air.explain is None


def test_listening_ends_with_the_rig(bench: Bench) -> None:
    bench.rig.stop()
    assert not bench.hub.han.air.listened
    assert bench.hub.clock.now % SECOND == 0
