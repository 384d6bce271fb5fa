"""What declarations of Zigbee commands in ``construct`` share: field types, and one error for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from construct import Bytes, Construct, ConstructError, Default, ExprAdapter, If, stream_iseof

from protocols.errors import DecodeError, LocalProtocolError

Values: TypeAlias = Mapping[str, Any]
"""Fields by name: numbers, octets, None for what is not there, mappings and lists of these."""


def _turned(octets: bytes, _: object) -> bytes:
    if len(octets) != 8:
        raise LocalProtocolError(f"an EUI-64 of {len(octets)} octets", expected="8")
    return octets[::-1]


EUI: Final[Construct] = ExprAdapter(Bytes(8), _turned, _turned)
"""An EUI-64 or extended PAN id, ``bytes`` of 8 as printed; reversed on the air."""


def present(name: str) -> Callable[[Any], bool]:
    """Condition of a last field that may be missing: whether octets are left, or a value for it is given."""

    def condition(context: Any) -> bool:
        return not stream_iseof(context._io) if context._parsing else context.get(name) is not None

    return condition


def optional(condition: Any, field: Construct) -> Construct:
    """A field that is there when ``condition`` holds (:func:`present`, or one of ``this``), else None."""
    return Default(If(condition, field), None)


def parse(layout: Construct, octets: bytes, what: str) -> dict[str, Any]:
    """The fields of ``octets``, which the declaration must take whole. DecodeError, with ``what`` in it, if not."""
    try:
        return cast("dict[str, Any]", _plain(layout.parse(octets)))
    except ConstructError as error:
        raise DecodeError(f"{what} of {len(octets)} octets: {_line(error)}") from error


def build(layout: Construct, values: Values, what: str) -> bytes:
    """The octets of ``values``. LocalProtocolError, with ``what`` in it, for one missing or out of range."""
    try:
        return layout.build(dict(values))
    except (ConstructError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise LocalProtocolError(f"a {what} cannot be made of its values: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        pairs = cast("Iterable[tuple[str, object]]", cast("Mapping[str, object]", value).items())
        return {name: _plain(each) for name, each in pairs if not name.startswith("_")}
    if isinstance(value, list):
        return [_plain(each) for each in cast("list[object]", value)]
    return value
