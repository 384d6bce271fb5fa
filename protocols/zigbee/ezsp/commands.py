"""All commands of EZSP that are declared, by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocols.zigbee.ezsp import configuration, keys, messaging, networking
from protocols.zigbee.ezsp.command import Command

COMMANDS: Final[Mapping[int, Command]] = {
    each.id: each
    for group in (configuration, networking, messaging, keys)
    for each in vars(group).values()
    if isinstance(each, Command)
}
"""Commands and callbacks."""
