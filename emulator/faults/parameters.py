"""Parameters of faults, declared as data: numbers with unit and range, words, octets, channels, logical names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from emulator.han.medium import FIRST_CHANNEL, LAST_CHANNEL
from protocols import obis

Value: TypeAlias = int | str | bytes
_DIGITS = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_CHANNELS = re.compile(r"([0-9]{1,2})(?:-([0-9]{1,2}))?", re.ASCII)
_SHOWN = 40  # characters of a bad value that are said again


class FaultError(ValueError):
    """A fault that cannot be injected or ended now; the text is one line: what, where, what to do."""

    @staticmethod
    def unknown(where: str, what: str, allowed: Iterable[str]) -> ParameterError:
        """There is no such thing; there is what is allowed."""
        return ParameterError(f"{where}: no such {what}; there are {', '.join(allowed) or 'none'}")


class ParameterError(FaultError):
    """A name or value that makes no sense."""


def _bad(where: str, value: object, wanted: str) -> ParameterError:
    text = " ".join(str(value)[:_SHOWN].split())
    return ParameterError(f"{where}: {text or 'nothing'}: must be {wanted}")


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number from ``least`` to ``most``, in ``unit``."""

    name: str
    text: str
    unit: str
    least: int
    most: int
    default: int

    @property
    def range(self) -> str:
        """What is allowed."""
        return f"{self.least} to {self.most}{f' {self.unit}' if self.unit else ''}"

    def read(self, where: str, value: object) -> Value:
        """The value that is meant by a number or by its digits; ParameterError for another."""
        number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
        if not isinstance(number, int) or isinstance(number, bool) or not self.least <= number <= self.most:
            raise _bad(where, value, self.range)
        return number

    def otherwise(self, chance: Random) -> Value:
        """What holds where nothing is given."""
        return self.default

    def show(self, value: Value) -> int | str:
        """A value as people write it."""
        return int(value)


@dataclass(frozen=True, slots=True)
class Word:
    """One of some words; the first one is the default."""

    name: str
    text: str
    words: tuple[str, ...]
    unit: str = ""

    @property
    def default(self) -> str:
        """What holds where nothing is given."""
        return self.words[0]

    @property
    def range(self) -> str:
        """What is allowed."""
        return ", ".join(self.words[:-1]) + " or " + self.words[-1]

    def read(self, where: str, value: object) -> Value:
        """The word; ParameterError for another."""
        if not isinstance(value, str) or value not in self.words:
            raise _bad(where, value, self.range)
        return value

    def otherwise(self, chance: Random) -> Value:
        """What holds where nothing is given."""
        return self.default

    def show(self, value: Value) -> int | str:
        """A value as people write it."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Octets:
    """So many octets; of chance where nothing is given."""

    name: str
    text: str
    count: int
    unit: str = "hexadecimal"
    default: None = None

    @property
    def range(self) -> str:
        """What is allowed."""
        return f"{self.count} octets in hexadecimal"

    def read(self, where: str, value: object) -> Value:
        """The octets; ParameterError for anything else."""
        try:
            octets = bytes.fromhex(value) if isinstance(value, str) else b""
        except ValueError:
            octets = b""
        if len(octets) != self.count:
            raise _bad(where, value, self.range)
        return octets

    def otherwise(self, chance: Random) -> Value:
        """What holds where nothing is given."""
        return chance.randbytes(self.count)

    def show(self, value: Value) -> int | str:
        """A value as people write it."""
        assert isinstance(value, bytes)
        return value.hex().upper()


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels of 2.4 GHz, such as ``11-14,20``; the value has a bit for each."""

    name: str
    text: str
    unit: str = ""
    default: str = f"{FIRST_CHANNEL}-{LAST_CHANNEL}"

    @property
    def range(self) -> str:
        """What is allowed."""
        return f"channels from {FIRST_CHANNEL} to {LAST_CHANNEL}, such as 11-14,20"

    def read(self, where: str, value: object) -> Value:
        """The channels; ParameterError for anything else."""
        mask, parts = 0, str(value).split(",")
        for part in parts:
            found = _CHANNELS.fullmatch(part.strip())
            if found is None or len(parts) > LAST_CHANNEL:
                raise _bad(where, value, self.range)
            first, last = int(found[1]), int(found[2] or found[1])
            if not FIRST_CHANNEL <= first <= last <= LAST_CHANNEL:
                raise _bad(where, value, self.range)
            mask |= (1 << last + 1) - (1 << first)
        return mask

    def otherwise(self, chance: Random) -> Value:
        """What holds where nothing is given."""
        return self.read(self.name, self.default)

    def show(self, value: Value) -> int | str:
        """A value as people write it."""
        mask, parts = int(value), list[str]()
        channel = FIRST_CHANNEL
        while channel <= LAST_CHANNEL:
            last = channel
            while mask >> last & 1:
                last += 1
            if last > channel:
                parts.append(str(channel) if last == channel + 1 else f"{channel}-{last - 1}")
            channel = last + 1
        return ",".join(parts)


@dataclass(frozen=True, slots=True)
class LogicalName:
    """The logical name of a COSEM object, such as ``1-0:1.8.0``; no octets stand for every object."""

    name: str
    text: str
    unit: str = ""
    default: str = "any"

    @property
    def range(self) -> str:
        """What is allowed."""
        return "any, or a logical name such as 1-0:1.8.0"

    def read(self, where: str, value: object) -> Value:
        """The six octets, none for ``any``; ParameterError for anything else."""
        if value == self.default:
            return b""
        try:
            if isinstance(value, str):
                return obis.parse(value[:_SHOWN])
        except ValueError:
            pass
        raise _bad(where, value, self.range)

    def otherwise(self, chance: Random) -> Value:
        """What holds where nothing is given."""
        return b""

    def show(self, value: Value) -> int | str:
        """A value as people write it."""
        assert isinstance(value, bytes)
        return obis.text(value) if value else self.default


Parameter: TypeAlias = Number | Word | Octets | Channels | LogicalName
