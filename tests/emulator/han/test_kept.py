"""A HAN that was killed at any moment goes on with the keys, addresses and frame counters that it had."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.han.network import Network
from emulator.nvm import MemoryNvm, NvmFault, Saved, keep
from emulator.premises import Premises
from emulator.time import HOUR, SECOND, Clock

from ..conftest import DeviceSpec

Home = Callable[..., Premises]


def change_link_key(premises: Premises) -> None:
    assert premises.hub is not None and premises.electricity is not None
    assert premises.hub.han.update_link_key(premises.electricity.identity.eui64)


def change_network_key(premises: Premises) -> None:
    assert premises.hub is not None
    premises.hub.han.update_network_key()


def rejoin(premises: Premises) -> None:
    assert premises.hub is not None and premises.electricity is not None
    han = premises.hub.han
    han.leave(han.member(premises.electricity), rejoin=True)


def known(han: Network) -> list[tuple[object, ...]]:
    """The network, its log, and what the devices know."""
    network = han.formed, han.pan_id, han.channel, han.network_key, han.key_sequence
    entries = [(entry.eui64, entry.key, entry.joined) for entry in han.log]
    members = [
        (member.on, member.node.address, member.link_key, member.network_key)
        for member in han.members
        if not member.sleepy
    ]
    return [network, *entries, *members]


@pytest.mark.parametrize("change", [change_link_key, change_network_key, rejoin])
def test_a_change_of_keys_is_kept_by_both_ends(home: Home, clock: Clock, change: Callable[[Premises], None]) -> None:
    before, memories = home(display=DeviceSpec()), list[MemoryNvm]()
    for device in before.devices():
        memories.append(MemoryNvm())
        keep(device, memories[-1])
        assert device.keeper is not None and device.keeper.begin()
    clock.advance_to(clock.now + HOUR)
    change(before)
    clock.advance_to(clock.now + SECOND)
    after = home(display=DeviceSpec())
    for device, memory in zip(after.devices(), memories, strict=True):
        assert keep(device, memory)
    for device in reversed(list(after.devices())):
        device.resume()
    assert before.hub is not None and after.hub is not None
    assert known(after.hub.han) == known(before.hub.han)
    for old, new in zip(before.hub.han.nodes(), after.hub.han.nodes(), strict=True):
        assert new.eui64 == old.eui64
        assert new.counter >= old.counter and new.link_counter >= old.link_counter


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channel", 9),
        ("pan_id", 0xFFFF),
        ("network_key", "00"),
        ("extended_pan_id", ""),
        ("key_sequence", 256),
        ("node", {"address": 0, "reserved": -1}),
    ],
)
def test_a_damaged_image_is_refused_by_name(home: Home, name: str, value: object) -> None:
    hub = home().hub
    assert hub is not None
    with pytest.raises(NvmFault, match=name):
        hub.han.restore(Saved("han", {**hub.han.image(), name: value}))
