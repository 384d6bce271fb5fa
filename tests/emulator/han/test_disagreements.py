"""A device log that is wrong: what is seen of it from outside, and that everything is back once it is right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.han.disagreements import Disagreement, disagree
from emulator.han.network import Network, Refusal
from emulator.premises import Premises
from emulator.time import HOUR, MINUTE, Clock

Home = Callable[..., Premises]
NOBODY = bytes.fromhex("00DB1234567890A0")


def network(premises: Premises) -> Network:
    assert premises.hub is not None
    return premises.hub.han


def on(han: Network) -> list[str]:
    return [member.device.firmware.kind for member in han.members if member.on]


@pytest.mark.parametrize(
    ("kind", "which", "left", "served"),
    [
        (Disagreement.DEVICE_WITHOUT_ENTRY, 0, ["gas"], [1, 17]),
        (Disagreement.DEVICE_WITHOUT_ENTRY, 1, ["electricity"], [1, 16, 17]),
        (Disagreement.STALE_KEY, 0, ["gas"], [1, 17]),
        (Disagreement.STALE_KEY, 1, ["electricity"], [1, 16, 17]),
        (Disagreement.TRUNCATED, 0, [], [1, 17]),
        (Disagreement.TRUNCATED, 1, ["electricity"], [1, 16, 17]),
        (Disagreement.WRONG_KIND, 0, ["electricity", "gas"], [1, 16, 17]),
    ],
)
def test_who_is_off_and_back_again(
    home: Home, clock: Clock, kind: Disagreement, which: int, left: list[str], served: list[int]
) -> None:
    premises = home()
    han = network(premises)
    device = han.members[which].device
    end = disagree(han, kind, device.identity.eui64)
    clock.advance_to(clock.now + 3 * HOUR)
    assert on(han) == left
    assert sorted(han.hub.served) == served
    end()
    assert device.firmware.joining is not None
    clock.advance_to(clock.now + device.firmware.joining.longest_pause + MINUTE)
    assert on(han) == ["electricity", "gas"]
    assert sorted(han.hub.served) == [1, 16, 17]
    assert {entry.eui64 for entry in han.log} == {member.device.identity.eui64 for member in han.members}


def test_a_wrong_kind_keeps_a_device_from_joining(home: Home, clock: Clock) -> None:
    han = network(home())
    member = han.members[0]
    eui64 = member.device.identity.eui64
    han.unregister(eui64)
    han.register(eui64, member.first_key, 2)
    end = disagree(han, Disagreement.WRONG_KIND, eui64)
    han.permit(True)
    assert member.join() is Refusal.WRONG_KIND
    end()
    assert member.join() is None


def test_an_entry_of_nobody_takes_room(home: Home) -> None:
    han = network(home())
    end = disagree(han, Disagreement.ENTRY_WITHOUT_DEVICE, NOBODY)
    assert han.find(NOBODY) is None
    assert han.log.entries[NOBODY].key_hash
    assert not han.refresh(han.log.entries[NOBODY])
    with pytest.raises(ValueError, match="already"):
        disagree(han, Disagreement.ENTRY_WITHOUT_DEVICE, NOBODY)
    end()
    assert NOBODY not in han.log.entries


@pytest.mark.parametrize("kind", [kind for kind in Disagreement if kind is not Disagreement.ENTRY_WITHOUT_DEVICE])
def test_a_device_that_the_log_does_not_have(home: Home, kind: Disagreement) -> None:
    with pytest.raises(KeyError):
        disagree(network(home()), kind, NOBODY)
