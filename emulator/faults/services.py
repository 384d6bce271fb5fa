"""What a fault does to the services of a device's associations: answers that are wrong, of another request, or missing.

What is changed here is the plain answer before it is protected, as a fault of the firmware has it: its tag of
authentication is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from emulator.faults.answers import ANSWERS, CLIENT, Hits, Remembered, words
from emulator.faults.fault import End, Site
from emulator.faults.parameters import Number, Word
from emulator.taps import Serve, tap
from protocols.dlms import requests
from protocols.dlms.association import State
from protocols.dlms.enums import ApduTag, DataAccessResult, ServiceError, StateError
from protocols.errors import DecodeError

if TYPE_CHECKING:
    from emulator.ports import Stack
    from emulator.quirks import Handler
    from protocols.dlms.association import Association

_OTHER_TAGS: Final[dict[int, int]] = {
    ApduTag.GET_RESPONSE: ApduTag.SET_RESPONSE,
    ApduTag.SET_RESPONSE: ApduTag.ACTION_RESPONSE,
    ApduTag.ACTION_RESPONSE: ApduTag.GET_RESPONSE,
    ApduTag.ACCESS_RESPONSE: ApduTag.GET_RESPONSE,
}
_ID_AT: Final[dict[int, int]] = {
    ApduTag.GET_RESPONSE: 2,
    ApduTag.SET_RESPONSE: 2,
    ApduTag.ACTION_RESPONSE: 2,
    ApduTag.ACCESS_RESPONSE: 4,
}
"""Which octet of an answer has the invoke-id in its low four bits."""
_NUMBER_AT: Final = {b"\xc4\x02": 4, b"\xc7\x02": 4, b"\xc5\x02": 3, b"\xc5\x03": 4, b"\xc7\x04": 3}
"""Where the four octets of a block's number stand, by tag and choice of an answer."""
_NUMBER_OCTETS: Final = 4
_GENERAL: Final = bytes((ApduTag.GENERAL_BLOCK_TRANSFER,))
_GENERAL_AT, _GENERAL_OCTETS = 2, 2
"""Where the number of a general block stands, and its octets."""
_NO_BLOCK: Final = 1 << 31
_STATES: Final = words(StateError)
_ERRORS: Final = words(each for each in ServiceError if each is not ServiceError.INVOCATION_COUNTER_ERROR)

IGNORED: Final = (CLIENT, ANSWERS)
EXCEPTED: Final = (
    Word("state", "The state-error of it", tuple(_STATES)),
    Word("error", "The service-error of it", tuple(_ERRORS)),
    CLIENT,
    ANSWERS,
)
OTHER_TAG: Final = (CLIENT, ANSWERS)
OTHER_ID: Final = (Number("more", "What is added to the invoke-id, modulo 16", "", 1, 15, 1), CLIENT, ANSWERS)
CUT_OFF: Final = (
    Number("octets", "How many are missing at the end; one is left", "octets", 1, 1000, 1),
    CLIENT,
    ANSWERS,
)
STALE: Final = (Word("invoke-id", "Whose invoke-id the answer has", ("previous", "current")), CLIENT, ANSWERS)
OTHER_BLOCK: Final = (Number("more", "What is added to the number of a block", "blocks", 1, 1000, 1), CLIENT, ANSWERS)
GIVEN_UP: Final = (Number("blocks", "Blocks after which it is given up", "blocks", 1, 1000, 1), CLIENT, ANSWERS)

Spoil = Callable[[bytes], bytes | None]
"""What is answered in place of an answer, None to leave it as it is."""


def ignore(site: Site) -> End:
    """Requests are neither served nor answered."""
    return _in_place(site, None, "the request is ignored")


def except_(site: Site) -> End:
    """Requests are not served; the answer is an exception-response of :data:`EXCEPTED`."""
    state, error = site.word("state"), site.word("error")
    response = bytes((ApduTag.EXCEPTION_RESPONSE, _STATES[state], _ERRORS[error]))
    return _in_place(site, response, f"the answer is an exception-response ({state}, {error})")


def other_tag(site: Site) -> End:
    """Answers have the tag of another service."""

    def spoil(answer: bytes) -> bytes | None:
        other = _OTHER_TAGS.get(answer[0])
        return None if other is None else bytes((other,)) + answer[1:]

    return _spoilt(site, spoil, "the answer has the tag of another service")


def other_id(site: Site) -> End:
    """Answers have another invoke-id than their requests; parameters :data:`OTHER_ID`."""
    more = site.number("more")

    def spoil(answer: bytes) -> bytes | None:
        at = _ID_AT.get(answer[0])
        if at is None:
            return None
        octet = answer[at]
        return answer[:at] + bytes((octet & 0xF0 | octet + more & 0x0F,)) + answer[at + 1 :]

    return _spoilt(site, spoil, f"the answer's invoke-id is the request's and {more} more")


def cut_off(site: Site) -> End:
    """The end of answers is missing; parameters :data:`CUT_OFF`."""
    missing = site.number("octets")
    return _spoilt(
        site, lambda answer: answer[:-missing] or answer[:1], f"octets missing at the end of the answer: {missing}"
    )


def stale(site: Site) -> End:
    """Requests are served and get the answer of the one before in their association; parameters :data:`STALE`."""
    hits, current = Hits(site), site.word("invoke-id") == "current"
    before: Remembered[bytes] = Remembered()

    def between(association: Association, request: bytes, serve: Serve) -> bytes | None:
        answer = serve(request)
        if answer is None or not _ready(association, hits):
            return answer
        late = before.swap(association, answer)
        if late is None:
            return answer
        hits.hit(association, "the answer is that of the request before")
        at = _ID_AT.get(answer[0])
        if not current or at is None or late[:1] != answer[:1]:
            return late
        return late[:at] + answer[at : at + 1] + late[at + 1 :]

    return tap(site.device, services=between)


def other_block(site: Site) -> End:
    """Blocks of answers, and acknowledgements of blocks, have another number; parameters :data:`OTHER_BLOCK`."""
    hits, more = Hits(site), site.number("more")

    def renumbered(association: Association, answer: bytes, at: int | None, octets: int) -> bytes:
        if at is None or not hits.meant(association):
            return answer
        number = int.from_bytes(answer[at : at + octets], "big") + more & (1 << 8 * octets) - 1
        hits.hit(association, f"the number of the block is {more} too high")
        return answer[:at] + number.to_bytes(octets, "big") + answer[at + octets :]

    def between(association: Association, request: bytes, serve: Serve) -> bytes | None:
        answer = serve(request)
        return answer and renumbered(association, answer, _NUMBER_AT.get(answer[:2]), _NUMBER_OCTETS)

    def tapped(_stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        return [
            renumbered(association, each, _GENERAL_AT if each.startswith(_GENERAL) else None, _GENERAL_OCTETS)
            for each in handle(apdu)
        ]

    return tap(site.device, services=between, apdus=tapped)


def give_up(site: Site) -> End:
    """Transfers in blocks, by GET or SET, are aborted half way; parameters :data:`GIVEN_UP`."""
    hits, most = Hits(site), site.number("blocks")

    def between(association: Association, request: bytes, serve: Serve) -> bytes | None:
        asked = _block_asked(request) if _ready(association, hits) else None
        if asked is None or asked.number < most + isinstance(asked, requests.SetBlock):
            return serve(request)
        # The number of a block that there cannot be makes the services give up the transfer that they have.
        refusal = serve(asked._replace(number=_NO_BLOCK).encode())
        if refusal is None:
            return None
        hits.hit(association, f"the transfer is aborted after {most} blocks")
        number = asked.number.to_bytes(_NUMBER_OCTETS, "big")
        if isinstance(asked, requests.GetNext):
            return refusal[:4] + number + bytes((1, DataAccessResult.LONG_GET_ABORTED))
        return refusal[:3] + bytes((DataAccessResult.LONG_SET_ABORTED,)) + number

    return tap(site.device, services=between)


def _block_asked(request: bytes) -> requests.GetNext | requests.SetBlock | None:
    """A request in a transfer that is under way; None for anything else."""
    try:
        asked = requests.decode(request)
    except DecodeError:
        return None
    return asked if isinstance(asked, requests.GetNext | requests.SetBlock) else None


def _spoilt(site: Site, spoil: Spoil, what: str) -> End:
    """Answers of open associations are what ``spoil`` makes of them; ``what`` says what is wrong with those."""
    hits = Hits(site)

    def between(association: Association, request: bytes, serve: Serve) -> bytes | None:
        ready = _ready(association, hits)
        answer = serve(request)
        other = spoil(answer) if ready and answer is not None else None
        if other is None:
            return answer
        hits.hit(association, what)
        return other

    return tap(site.device, services=between)


def _in_place(site: Site, answer: bytes | None, what: str) -> End:
    """Requests of open associations are not served and get this answer."""
    hits = Hits(site)

    def between(association: Association, request: bytes, serve: Serve) -> bytes | None:
        if not _ready(association, hits):
            return serve(request)
        hits.hit(association, what)
        return answer

    return tap(site.device, services=between)


def _ready(association: Association, hits: Hits) -> bool:
    """Whether it is open, and meant."""
    return association.state is State.ASSOCIATED and hits.meant(association)
