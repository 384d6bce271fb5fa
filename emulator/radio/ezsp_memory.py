"""What an EZSP radio processor keeps without power, beside the network itself, which the hub keeps."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from emulator.nvm import Image, NvmFault, Saved
from protocols.zigbee.ezsp.enums import TOKEN_SIZES, Security, Token

TOKENS, TOKEN_OCTETS = 8, 8
"""General tokens that a host may use, and octets of each."""
_BLANK = (bytes(TOKEN_OCTETS),) * TOKENS
_TX_POWER = 8  # dBm
_STATE = Security.GLOBAL_LINK_KEY | Security.HAVE_TRUST_CENTRE_LINK_KEY


class RadioMemory:
    """Tokens, the trust centre's own link key and state, transmit power, bindings and the key table.

    ``bindings`` are encoded entries of the binding table, ``key_table`` EUI-64s of link keys that a host put into the
    key table, both by index. There is one processor, whatever the number of lines to it: who drives it has
    taken it (:meth:`take`).
    """

    __slots__ = (
        "_release",
        "_texts",
        "bindings",
        "bitmask",
        "extended_bitmask",
        "key_table",
        "link_key",
        "power",
        "tokens",
        "update_id",
        "written",
    )

    def __init__(self, chance: Random, manufacturer: str, board: str) -> None:
        """``manufacturer`` and ``board`` are texts of its manufacturing tokens, cut at 16 octets."""
        self._release: Callable[[], None] | None = None
        self._texts = {Token.STRING: manufacturer, Token.BOARD_NAME: board}
        self.written: dict[Token, bytes] = {}
        """Manufacturing tokens that a host has written."""
        self.tokens: tuple[bytes, ...] = _BLANK
        self.bindings: dict[int, bytes] = {}
        self.key_table: dict[int, bytes] = {}
        self.link_key = chance.randbytes(16)
        self.bitmask = int(_STATE)
        self.extended_bitmask = 0
        self.power = _TX_POWER
        self.update_id = 0

    def mfg_token(self, token: Token) -> bytes:
        """A manufacturing token: as it was written, of the maker, or blank."""
        size, text = TOKEN_SIZES[token], self._texts.get(token)
        made = b"\xff" * size if text is None else text.encode()[:size].ljust(size, b"\0")
        return self.written.get(token, made)

    def set_token(self, index: int, octets: bytes) -> None:
        """Write a general token; IndexError for one that is not there."""
        tokens = list(self.tokens)
        tokens[index] = octets
        self.tokens = tuple(tokens)

    def take(self, release: Callable[[], None]) -> None:
        """Drive the processor from here on; who did until now is released."""
        previous, self._release = self._release, release
        if previous is not None and previous != release:
            previous()

    def give_up(self, release: Callable[[], None]) -> None:
        """Whoever took it with ``release`` drives it no longer."""
        if self._release == release:
            self._release = None

    def image(self) -> Image:
        """For the hub's non-volatile memory."""
        return {
            "mfg_tokens": {str(int(token)): octets.hex() for token, octets in self.written.items()},
            "tokens": [octets.hex() for octets in self.tokens],
            "bindings": {str(index): octets.hex() for index, octets in self.bindings.items()},
            "key_table": {str(index): eui64.hex() for index, eui64 in self.key_table.items()},
            "link_key": self.link_key.hex(),
            "bitmask": self.bitmask,
            "extended_bitmask": self.extended_bitmask,
            "power": self.power,
            "update_id": self.update_id,
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said. Raises NvmFault."""
        manufacturing = saved.table("mfg_tokens")
        self.written = {
            token: manufacturing.octets(str(int(token))) for token in TOKEN_SIZES if str(int(token)) in manufacturing
        }
        self.bindings = _by_index(saved.table("bindings"))
        self.key_table = _by_index(saved.table("key_table"))
        self.tokens = tuple(_octets(saved, text) for text in saved.texts("tokens"))
        if [len(octets) for octets in self.tokens] != [TOKEN_OCTETS] * TOKENS:
            raise NvmFault(f"{saved.where}.tokens: must be {TOKENS} of {TOKEN_OCTETS} octets")
        self.link_key = saved.octets("link_key")
        self.bitmask, self.extended_bitmask = saved.number("bitmask"), saved.number("extended_bitmask")
        self.power, self.update_id = saved.number("power"), saved.number("update_id")


def _by_index(table: Saved) -> dict[int, bytes]:
    try:
        return {int(name): table.octets(name) for name in table}
    except ValueError:
        raise NvmFault(f"{table.where}: an index that is no number") from None


def _octets(saved: Saved, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise NvmFault(f"{saved.where}: {text!r} is not hexadecimal") from None
