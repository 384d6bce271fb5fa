"""Register monitors (class 21): scripts that run when a monitored value crosses a threshold."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from protocols.dlms import axdr
from protocols.dlms.types import parse_type
from protocols.errors import DecodeError

MONITOR_CLASS = 21
THRESHOLDS = "arr any"
MONITORED_VALUE = "st{u16,oct6,i8}"
ACTION = "st{oct6,u16}"
ACTIONS = f"arr st{{{ACTION},{ACTION}}}"
NO_TABLE = bytes(6)
"""Logical name of the script table of an action that does nothing."""

_thresholds, _actions = parse_type(THRESHOLDS), parse_type(ACTIONS)


class Reaction(NamedTuple):
    """What to run when a threshold is crossed upwards and downwards: script table and selector."""

    up: tuple[bytes, int]
    down: tuple[bytes, int]


class RegisterMonitor:
    """On which side of each threshold one monitor of one device has last seen its value."""

    __slots__ = ("_over", "_thresholds")

    def __init__(self) -> None:
        self._thresholds = b""
        self._over: list[bool] = []

    def observe(self, encoded: bytes, thresholds: bytes, actions: bytes) -> list[tuple[bytes, int]]:
        """Scripts to run now that the value is ``encoded``, in order of the thresholds.

        The first look, and the first after the thresholds have changed, only finds out on which side the value is.
        """
        value = _number(encoded)
        limits = integers(thresholds)
        if value is None:
            return []
        over = [value > limit for limit in limits]
        before, known = self._over, self._thresholds == thresholds
        self._over, self._thresholds = over, thresholds
        if not known:
            return []
        reactions = parse_actions(actions)
        scripts = [
            reactions[number].up if is_over else reactions[number].down
            for number, (is_over, was_over) in enumerate(zip(over, before, strict=True))
            if is_over != was_over and number < len(reactions)
        ]
        return [script for script in scripts if script[0] != NO_TABLE]


@lru_cache(maxsize=256)
def integers(thresholds: bytes) -> tuple[int, ...]:
    """Whole numbers among encoded thresholds."""
    data = axdr.decode_all(thresholds)
    items = data.elements if _thresholds.check(data) else ()
    return tuple(item.value for item in items if isinstance(item.value, int))


@lru_cache(maxsize=256)
def parse_actions(encoded: bytes) -> tuple[Reaction, ...]:
    """Reactions from attribute 4."""
    return tuple(Reaction(tuple(up), tuple(down)) for up, down in _actions.decode(axdr.decode_all(encoded)))


def _number(encoded: bytes) -> int | None:
    try:
        value = axdr.decode_all(encoded).value
    except DecodeError:
        return None
    return value if isinstance(value, int) else None
