"""Our declarations of EZSP commands held to those of bellows: names, and the octets that each takes."""

from __future__ import annotations

from typing import Any

import pytest
from construct import Construct, ConstructError

from protocols.zigbee.ezsp.commands import COMMANDS

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]


def least(layout: Construct) -> int:
    """Octets of the shortest parameters that are all zeros."""
    for size in range(130):
        try:
            layout.parse(bytes(size))
        except ConstructError:
            continue
        return size
    raise AssertionError(layout)


def test_bellows_has_the_same_commands(peers: Any) -> None:
    ours = [[id, least(each.fields), least(each.answer or each.fields)] for id, each in sorted(COMMANDS.items())]
    callbacks = [id for id, each in COMMANDS.items() if each.answer is None]
    # A callback has all its parameters in what the processor sends.
    spec = {"commands": [[id, 0 if id in callbacks else asks, tells] for id, asks, tells in ours]}
    outcome = peers.client("zigpy", "ezsp_codec.py", spec)
    assert outcome.errors == []
    named = {id: name for id, name, _, _ in outcome.results}
    assert {id: each.name for id, each in COMMANDS.items()} == named
    assert [row for row in outcome.results if row[2:] != [0, 0]] == []
