"""Whatever octets come: every reader of `protocols.zigbee` gives something or raises what it documents, and soon.

Most octets are those of real messages, spoilt. A reader that is not in the table fails the last test here.
"""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import protocols.zigbee
from protocols.errors import LocalProtocolError, ProtocolError
from protocols.zigbee import (
    aps,
    aps_commands,
    ash,
    ash_frames,
    cbke,
    curve,
    declared,
    install_code,
    mac,
    mt,
    nwk,
    nwk_commands,
    security,
    zdo,
)
from protocols.zigbee.cbke import Authority, Certificate, Exchange, Role
from protocols.zigbee.ezsp import commands as ezsp_commands
from protocols.zigbee.ezsp import frame as ezsp_frame
from protocols.zigbee.ezsp import messaging as ezsp_messaging
from protocols.zigbee.fragments import Reassembly
from protocols.zigbee.security import Auxiliary, KeyId
from protocols.zigbee.zcl import clusters, foundation, header, types
from protocols.zigbee.znp import commands as znp_commands
from protocols.zigbee.znp import data as znp_data
from protocols.zigbee.znp import nv
from protocols.zigbee.znp import zdo as znp_zdo

from .air_frames import HUB, LINK_KEY, METER, NETWORK_KEY, Air, join, traffic
from .zcl.zcl_values import spoilt
from .zdo_samples import SAMPLES

AUTHORITY = Authority(bytes(8), 5)
CREDENTIALS = AUTHORITY.issue(HUB, Random(1)), AUTHORITY.issue(METER, Random(2))
RTDS = Path(__file__).parents[2] / "data" / "rtds-zcl-frames.txt"
Read = Callable[[bytes], object]


def _each(table: Any, read: Callable[[Any, bytes], object]) -> Read:
    """Reads with the one of a table that the first octets choose."""
    entries = list(table)

    def chosen(octets: bytes) -> object:
        return read(entries[int.from_bytes(octets[:2], "big") % len(entries)], octets[2:])

    return chosen


def _exchange(octets: bytes) -> object:
    """An exchange takes what it is told by the other side, whatever it is."""
    side = Exchange(
        Role.RESPONDER,
        CREDENTIALS[0],
        authority_public=AUTHORITY.public,
        issuer=AUTHORITY.issuer,
        peer=METER,
        chance=Random(2),
    )
    side.receive(cbke.Initiate(1, 1, 1, CREDENTIALS[1].certificate.encode()))
    side.receive(cbke.EphemeralData(octets[:22]))
    side.receive(cbke.ConfirmKey(octets[22:]))
    assert side.state is cbke.State.FAILED
    return side


def _connected_ncp(octets: bytes) -> object:
    ncp = ash.AshNcp()
    ncp.start()
    ncp.receive(octets, 0)
    assert len(ncp.output()) < 2 * ash_frames.MAX_RAW + 4 * len(octets)
    return ncp


def _connecting_host(octets: bytes) -> object:
    host = ash.AshHost()
    host.connect(0)
    host.receive(octets, 0)
    return host


def _commands_of_clusters() -> Iterator[tuple[int, header.Direction, int]]:
    for cluster in clusters.CLUSTERS.values():
        for direction in header.Direction:
            for id in cluster.commands(direction):
                yield cluster.id, direction, id


def _frames_of_commands() -> Iterator[tuple[mt.Kind, int, int]]:
    for subsystem, id in znp_commands.COMMANDS:
        yield mt.Kind.REQUEST, subsystem, id
        yield mt.Kind.ANSWER, subsystem, id


def _unsecured(octets: bytes) -> object:
    auxiliary, end = Auxiliary.decode(octets)
    return security.unsecure(LINK_KEY, auxiliary, HUB, octets[:end], octets[end:])


def _blocks(octets: bytes) -> object:
    coming = Reassembly(3, 100)
    for at in range(0, len(octets) - 1, 2):
        coming.add(aps.Block(aps.Part(octets[at] % 2 + 1), octets[at + 1]), octets[at : at + 3])
    return coming


READERS: dict[str, tuple[Read, ...]] = {
    "aps.parse": (lambda octets: aps.open_frame(aps.parse(octets), LINK_KEY, METER),),
    "aps_commands.decode": (aps_commands.decode,),
    "ash.receive": (_connected_ncp, _connecting_host),
    "ash_frames.decode": (ash_frames.decode,),
    "cbke.receive": (_exchange,),
    "cbke_keys.decode": (
        Certificate.decode,
        lambda octets: cbke.public_key(Certificate.decode(octets[:48].ljust(48, b"\0")), AUTHORITY.public),
        lambda octets: cbke.shared_secret(
            1, 2, Certificate.decode(octets[22:70].ljust(48, b"\0")), octets[:22], AUTHORITY.public
        ),
    ),
    "curve.decode_point": (curve.decode_point,),
    "declared.parse": (lambda octets: declared.parse(declared.EUI, octets, "EUI-64"),),
    "ezsp.command.read": (_each(ezsp_commands.COMMANDS.values(), lambda command, octets: command.read(octets)),),
    "ezsp.command.told": (
        _each(
            [command for command in ezsp_commands.COMMANDS.values() if command.answer is not None],
            lambda command, octets: command.told(octets),
        ),
    ),
    "ezsp.frame.decode": (ezsp_frame.Frame.decode,),
    "ezsp.messaging.read_unicast": (ezsp_messaging.read_unicast,),
    "fragments.add": (_blocks,),
    "install_code.check": (install_code.check, install_code.link_key),
    "mac.decode": (mac.decode,),
    "mac.decode_beacon": (mac.decode_beacon,),
    "mac.decode_command": (mac.decode_command,),
    "mt.receive": (lambda octets: mt.Receiver().receive(octets),),
    "nwk.parse": (lambda octets: nwk.open_frame(nwk.parse(octets), NETWORK_KEY),),
    "nwk_commands.decode": (nwk_commands.decode,),
    "security.decode": (Auxiliary.decode, _unsecured),
    "zcl.clusters.decode_command": (
        _each(_commands_of_clusters(), lambda command, octets: clusters.decode_command(*command, octets)),
    ),
    "zcl.foundation.decode": tuple(getattr(foundation, name) for name in dir(foundation) if name.startswith("decode_")),
    "zcl.header.decode": (header.Frame.decode,),
    "zcl.types.decode": (_each(range(256), types.decode),),
    "zdo.decode": (_each(zdo.MESSAGES, zdo.decode),),
    "znp.commands.read": (_each(_frames_of_commands(), lambda head, rest: znp_commands.read(mt.Frame(*head, rest))),),
    "znp.data.read": (znp_data.read_request, znp_data.read_extended, znp_data.read_routed),
    "znp.nv.read_item": (_each(nv.LAYOUTS, nv.read_item),),
    "znp.zdo.event_of": (_each(zdo.MESSAGES, lambda cluster, octets: znp_zdo.event_of(0x3456, cluster, octets)),),
}
"""How each is read, by module and name; a name stands for those that begin with it too."""
CASES = [
    pytest.param(read, id=f"{name}-{place}") for name, reads in READERS.items() for place, read in enumerate(reads)
]


@cache
def real() -> tuple[bytes, ...]:
    """Octets of all layers, as they are on the air and after each has been opened; and of the official ZCL frames."""
    air = Air()
    join(air)
    traffic(air)
    found = [octets for _, octets in air.frames]
    for octets in tuple(found):
        frame = mac.decode(octets)
        found.append(frame.payload)
        if frame.type is not mac.FrameType.DATA:
            continue
        network = nwk.open_frame(nwk.parse(frame.payload), NETWORK_KEY)
        found.append(network.payload)
        if network.type is nwk.FrameType.DATA:
            parsed = aps.parse(network.payload)
            found += [parsed.rest, parsed.head]
            if parsed.auxiliary is not None and parsed.auxiliary.key_id is KeyId.LINK:
                found.append(aps.open_frame(parsed, LINK_KEY, METER).payload)
    found += [zdo.encode(cluster, 7, **values) for cluster, values in SAMPLES]
    lines = RTDS.read_text(encoding="ascii").splitlines()
    frames = [bytes.fromhex(line.split()[2]) for line in lines if line and not line.startswith("#")]
    found += [*frames[::20], *(frame[3:] for frame in frames[::20])]
    found += [ash_frames.encode(0x25, ash_frames.randomise(b"\x01\x00\x00\x00\x02")), ash_frames.encode(0xC0)]
    return tuple(dict.fromkeys(found))


OCTETS = st.deferred(lambda: st.sampled_from(real()).flatmap(spoilt)) | st.binary(max_size=140)


@pytest.mark.parametrize("read", CASES)
@settings(max_examples=25)
@given(octets=OCTETS, choice=st.binary(max_size=2))
def test_what_is_raised_is_ours(read: Read, octets: bytes, choice: bytes) -> None:
    for given_octets in (octets, choice + octets):
        try:
            read(given_octets)
        except ProtocolError as error:
            assert not isinstance(error, LocalProtocolError), error
            assert "\n" not in str(error)


@pytest.mark.parametrize("read", CASES)
def test_long_octets_cost_little(read: Read) -> None:
    """Counts, lengths and nests of all kinds in as many octets as a message in blocks may have."""
    began = time.process_time()
    for unit in (b"\0", b"\x01", b"\x02", b"\xff", b"\x7d", b"\x48\x4c", b"\x4c\x01\0", b"\x48\x48\x01\0", b"\xfe\x01"):
        for start in (b"", b"\x00\x4c", b"\x00\x48", b"\xff\xff"):
            try:
                read(start + unit * (8192 // len(unit)))
            except ProtocolError:
                continue
    assert time.process_time() - began < 5


def readers() -> Iterator[str]:
    """Each public function and method that takes octets from outside, by its name."""
    for module in pkgutil.walk_packages(protocols.zigbee.__path__, "protocols.zigbee."):
        contents = vars(import_module(module.name))
        for name, each in contents.items():
            if name.startswith("_") or getattr(each, "__module__", None) != module.name:
                continue
            members = vars(each).items() if isclass(each) else [(name, each)]
            for member, function in members:
                function = getattr(function, "__func__", function)
                if isfunction(function) and member.startswith(("decode", "parse", "read", "receive", "told", "add")):
                    yield f"{module.name.removeprefix('protocols.zigbee.')}.{member}"


def test_no_reader_is_left_out() -> None:
    found = set(readers())
    assert len(found) > 30
    left_out = {name for name in found if not name.startswith(tuple(READERS))}
    assert not left_out, "give them a line in READERS"
