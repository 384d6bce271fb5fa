"""ACCESS: reading, writing and acting in one request (Green Book 9.3.5)."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.dlms import axdr
from protocols.dlms.access import AccessRequest, AccessResponse, Item, Kind
from protocols.dlms.client.errors import UnexpectedAnswer
from protocols.dlms.client.exchange import Limits, Outcome, ServiceExchange
from protocols.dlms.client.references import Attribute, Method
from protocols.dlms.enums import ApduTag

_CONFIRMED_HIGH = 0xC0000000
_ID = 0x00FFFFFF


def read_item(attribute: Attribute, selection: bytes | None = None) -> Item:
    """Read an attribute, or what ``selection`` picks of it."""
    return Item(Kind.GET if selection is None else Kind.GET_SELECTED, attribute.encode(), selection, axdr.NULL)


def write_item(attribute: Attribute, data: bytes, selection: bytes | None = None) -> Item:
    """Write encoded Data to an attribute."""
    return Item(Kind.SET if selection is None else Kind.SET_SELECTED, attribute.encode(), selection, data)


def act_item(method: Method, parameters: bytes | None = None) -> Item:
    """Run a method with encoded parameters."""
    return Item(Kind.ACTION, method.encode(), None, axdr.NULL if parameters is None else parameters)


_SHORT = {Kind.GET_SELECTED: Kind.GET, Kind.SET_SELECTED: Kind.SET}


class Access(ServiceExchange[tuple[Outcome, ...]]):
    """The outcome of each item in the order given; writing and acting without a return value have null Data."""

    __slots__ = ("_items",)

    answer_tag = int(ApduTag.ACCESS_RESPONSE)

    def __init__(self, items: Sequence[Item], number: int, limits: Limits) -> None:
        """``number`` is that of the request, 24 bits."""
        super().__init__(_CONFIRMED_HIGH | number & _ID, limits)
        self._items = tuple(items)

    def owns(self, apdu: bytes) -> bool:
        return int.from_bytes(apdu[2:5], "big") == self.invoke & _ID

    def start(self) -> bytes:
        return AccessRequest(self.invoke, self._items).encode()

    def take(self, apdu: bytes) -> bytes | None:
        response = AccessResponse.decode(apdu)
        if len(response.results) != len(self._items):
            raise UnexpectedAnswer(f"{len(response.results)} results", None, f"{len(self._items)}")
        for item, (kind, _) in zip(self._items, response.results, strict=True):
            if kind != _SHORT.get(item.kind, item.kind):
                raise UnexpectedAnswer(f"result of {kind.name}", None, item.kind.name)
        self.octets = len(apdu)
        both = zip(response.results, response.values, strict=True)
        self.finish(tuple(Outcome(result, value) for (_, result), value in both))
        return None
