"""How values lie in the four tables of Modbus."""

from __future__ import annotations

from enum import Enum

TEXT_REGISTERS = 64


class Table(Enum):
    """The four tables of Modbus, as people call an entry."""

    COIL = "coil"
    DISCRETE = "discrete input"
    HOLDING = "holding register"
    INPUT = "input register"

    @property
    def writable(self) -> bool:
        """Whether clients set it."""
        return self in (Table.COIL, Table.HOLDING)


class Form(Enum):
    """How a value lies in registers, the most significant word first: name, registers, bits, signed."""

    BIT = ("bit", 1, 1, False)
    U16 = ("uint16", 1, 16, False)
    I16 = ("int16", 1, 16, True)
    U32 = ("uint32", 2, 32, False)
    I32 = ("int32", 2, 32, True)
    TEXT = ("text", TEXT_REGISTERS, 0, False)

    @property
    def text(self) -> str:
        """Its name."""
        return self.value[0]

    @property
    def words(self) -> int:
        """Addresses that it takes."""
        return self.value[1]

    def pack(self, value: int | str) -> list[int]:
        """The registers of a value. A number that is too large rolls over, as counters do; a long text is cut off."""
        _, words, bits, _ = self.value
        if isinstance(value, str):
            octets = value.encode("latin-1", "replace")[: 2 * words].ljust(2 * words, b"\0")
            return [int.from_bytes(octets[at : at + 2], "big") for at in range(0, 2 * words, 2)]
        number = value & (1 << bits) - 1
        return [number >> 16 * (words - 1 - word) & 0xFFFF for word in range(words)]

    def unpack(self, words: list[int]) -> int:
        """The number in registers."""
        _, _, bits, signed = self.value
        number = 0
        for word in words:
            number = number << 16 | word
        return number - (1 << bits) if signed and number >> bits - 1 else number
