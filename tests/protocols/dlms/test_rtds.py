"""DLMS content of GB's official test data decodes and is encoded again to the same octets."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols.dlms import access, axdr
from protocols.dlms.access import AccessRequest, AccessResponse
from protocols.dlms.enums import DataAccessResult, Tag
from protocols.dlms.notification import DataNotification
from protocols.dlms.objects import AccessRefused

LINES = (Path(__file__).parents[2] / "data" / "rtds-dlms-apdus.txt").read_text(encoding="ascii").splitlines()
APDUS = {name: bytes.fromhex(octets) for name, octets in (line.split() for line in LINES if not line.startswith("#"))}
COMMANDS = {name: apdu for name, apdu in APDUS.items() if apdu[0] == 0xD9}


def test_all_of_them_are_here() -> None:
    kinds = [apdu[0] for apdu in APDUS.values()]
    assert (kinds.count(0xD9), kinds.count(0xDA), kinds.count(0x0F)) == (179, 141, 44)


@pytest.mark.parametrize("name", APDUS)
def test_same_octets_after_decoding(name: str) -> None:
    apdu = APDUS[name]
    match apdu[0]:
        case 0xD9:
            request = AccessRequest.decode(apdu)
            assert request.encode() == apdu
            values = [item.data for item in request.items]
            values += [item.selection[1:] for item in request.items if item.selection]
        case 0xDA:
            response = AccessResponse.decode(apdu)
            assert response.encode() == apdu
            values = list(response.values)
        case _:
            notification = DataNotification.decode(apdu)
            assert notification.encode() == apdu
            values = [notification.data]
    for value in values:
        data = axdr.decode_all(value)
        assert axdr.encode(data) == value
        if data.tag == Tag.COMPACT_ARRAY:
            assert data.value.elements()


class Scripted:
    """Objects that answer each item of a request as the official response did."""

    def __init__(self, response: AccessResponse) -> None:
        self._outcomes = list(zip(response.values, response.results, strict=True))

    def _next(self) -> bytes:
        value, (_, result) = self._outcomes.pop(0)
        if result:
            raise AccessRefused(result)
        return value

    def get(self, descriptor: bytes, selection: bytes | None = None) -> bytes:
        return self._next()

    def set(self, descriptor: bytes, selection: bytes | None, data: bytes) -> None:
        assert self._next() == axdr.NULL

    def action(self, descriptor: bytes, parameters: bytes | None) -> bytes | None:
        return self._next()

    def attributes(self, descriptor: bytes) -> tuple[int, ...]:
        raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)


PAIRS = [
    (name, name.replace("COMMAND", "RESPONSE")) for name in COMMANDS if name.replace("COMMAND", "RESPONSE") in APDUS
]


@pytest.mark.parametrize(("command", "answer"), PAIRS)
def test_our_server_gives_the_official_response(command: str, answer: str) -> None:
    """Above all the kinds of the results, and other-reason for what comes after a failure (break on error)."""
    request, response = AccessRequest.decode(APDUS[command]), AccessResponse.decode(APDUS[answer])
    refused: list[DataAccessResult] = []
    made = access.serve(Scripted(response), request, lambda _service, _descriptor, result: refused.append(result))
    assert request.invoke_id == response.invoke_id
    assert made.results == response.results
    assert made._replace(date_time=response.date_time).encode() == APDUS[answer]
    failures = [result for _, result in response.results if result]
    assert refused == failures[:1] if request.invoke_id & access.BREAK_ON_ERROR else refused == failures


def test_pairs_cover_failures() -> None:
    assert len(PAIRS) > 100
    assert sum(any(result for _, result in AccessResponse.decode(APDUS[answer]).results) for _, answer in PAIRS) > 20
