"""Where a make departs from the standard on the application layer: laid around an association's answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emulator.firmware import Quirks
from protocols.dlms.acse import Aare
from protocols.dlms.association import Association
from protocols.dlms.enums import ApduTag, ServiceError, StateError

Handler = Callable[[bytes], Sequence[bytes]]
"""Answers to one APDU."""

_BAD_COUNTER = bytes(
    (ApduTag.EXCEPTION_RESPONSE, StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR)
)
_AARE = bytes((ApduTag.AARE,))
_OPENING = frozenset((ApduTag.AARQ, ApduTag.RLRQ))


def handler(association: Association, quirks: Quirks) -> Handler:
    """What serves an association with the quirks of the device behind it; without any it is the association's own."""
    return association.handle if quirks == Quirks() else _Quirky(association, quirks)


class _Quirky:
    """An association of a device with quirks."""

    __slots__ = ("_association", "_quirks")

    def __init__(self, association: Association, quirks: Quirks) -> None:
        self._association = association
        self._quirks = quirks

    def __call__(self, apdu: bytes) -> Sequence[bytes]:
        association, quirks = self._association, self._quirks
        idle = not association.state_code
        answers = association.handle(apdu)
        tag = apdu[0] if apdu else 0
        if quirks.ignores_release and tag == ApduTag.RLRQ:
            return ()
        if quirks.silent_before_association and idle and tag not in _OPENING:
            return ()
        if quirks.closes_on_bad_counter and any(answer.startswith(_BAD_COUNTER) for answer in answers):
            association.lost()
            association.drop = True
            return ()
        if quirks.empty_title:
            return [_with_empty_title(answer) if answer.startswith(_AARE) else answer for answer in answers]
        return answers


def _with_empty_title(answer: bytes) -> bytes:
    """An AARE that has no responding-AP-title with one of no octets."""
    aare = Aare.decode(answer)
    return answer if aare.title is not None else aare._replace(title=b"").encode()
