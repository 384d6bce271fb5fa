"""What a declared command of EZSP is, and the field types that several groups of commands share."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from construct import Bytes, Construct, GreedyBytes, Int8ul, Int16ul, Int32ul, Prefixed, Struct, Terminated

from protocols.errors import LocalProtocolError
from protocols.zigbee.declared import EUI, Values, build, parse


class Command(NamedTuple):
    """One command: what the host asks and the processor answers, or, of a callback (no ``answer``), what it tells."""

    name: str
    id: int
    fields: Construct
    answer: Construct | None

    def read(self, parameters: bytes) -> dict[str, Any]:
        """The fields that a host's parameters carry. DecodeError where they are not those declared.

        Octets beyond them are left out of account, as processors do.
        """
        return parse(self.fields, parameters, f"EZSP {self.name}")

    def ask(self, values: Values) -> bytes:
        """Parameters of the command or callback. LocalProtocolError for a field missing or out of range."""
        return build(self.fields, values, f"EZSP {self.name}")

    def told(self, parameters: bytes) -> dict[str, Any]:
        """The fields of an answer. DecodeError where the parameters are not they, or a callback has none."""
        return parse(self._answer(), parameters, f"answer to EZSP {self.name}")

    def tell(self, values: Values) -> bytes:
        """Parameters of the answer. LocalProtocolError as :meth:`ask`, and for a callback."""
        return build(self._answer(), values, f"answer to EZSP {self.name}")

    def _answer(self) -> Construct:
        if self.answer is None:
            raise LocalProtocolError(f"an answer to {self.name}, which has none")
        return self.answer


def fields(*declared: Construct) -> Construct:
    """A layout of these fields and nothing after them."""
    return Struct(*declared, Terminated)


STATUS: Final = "status" / Int8ul
KEY_STATUS: Final = "status" / Int32ul
ONLY_STATUS: Final = fields(STATUS)
ONLY_KEY_STATUS: Final = fields(KEY_STATUS)
BYTES: Final = Prefixed(Int8ul, GreedyBytes)
KEY: Final = Bytes(16)
EUI64: Final = "eui" / EUI
ADDRESS: Final = "address" / Int16ul
INDEX: Final = "index" / Int8ul


def request(name: str, id: int, *declared: Construct, answer: Construct = ONLY_STATUS) -> Command:
    """A command, which a status alone answers unless ``answer`` says otherwise."""
    return Command(name, id, Struct(*declared), answer)


def callback(name: str, id: int, *declared: Construct) -> Command:
    """A callback."""
    return Command(name, id, fields(*declared), None)
